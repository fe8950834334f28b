"""What opens the repository in an editor names what there is: tasks, modules, settings, extensions."""

from __future__ import annotations

import importlib.util
import json
import re
from typing import Any

import pytest

from infra.local import bootstrap
from tests.docs.app_settings import settings_read

ROOT = bootstrap.ROOT
PLATFORM = {"FUNCTIONS_WORKER_RUNTIME"}  # read by the platform, not by the app


def content(name: str) -> Any:
    """Return a file's JSON."""
    return json.loads((ROOT / name).read_text(encoding="utf-8"))


def test_each_task_runs_a_target_of_make() -> None:
    """In the editor and in the container; the others are the Functions tools' own."""
    commands = [task["command"] for task in content(".vscode/tasks.json")["tasks"] if task["type"] == "shell"]
    commands.append(content(".devcontainer/devcontainer.json")["postCreateCommand"])
    targets = set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)) | {"bootstrap"}
    assert len(commands) > 3
    assert {command.split()[0] for command in commands} == {"make"}
    assert {command.split()[1] for command in commands} <= targets


def test_each_way_to_launch_has_its_module_and_its_task() -> None:
    """F5 starts the stack, or the tests of the open file."""
    labels = {task["label"] for task in content(".vscode/tasks.json")["tasks"]}
    for each in content(".vscode/launch.json")["configurations"]:
        assert each.get("preLaunchTask", "bootstrap") in labels
        assert "module" not in each or importlib.util.find_spec(each["module"])


def test_the_container_brings_the_extensions_that_the_editor_recommends() -> None:
    """One list, in two places."""
    brought = content(".devcontainer/devcontainer.json")["customizations"]["vscode"]["extensions"]
    assert set(content(".vscode/extensions.json")["recommendations"]) == set(brought)


@pytest.mark.parametrize("name", content("local.settings.sample.json")["Values"])
def test_the_sample_has_settings_that_are_read(name: str) -> None:
    """A setting that was renamed leaves no trace here, too."""
    assert name in PLATFORM or any(name == read or read.startswith(f"{name}__") for read in settings_read())
