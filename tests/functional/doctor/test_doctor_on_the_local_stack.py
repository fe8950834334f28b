"""The doctor against real storage and the local Azure: what is in order is said to be, what is not is named with what to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from azure.storage.blob import BlobServiceClient

from infra.local import stack
from shared import services
from shared.settings import from_environ

if TYPE_CHECKING:
    from infra.local.azurite import Azurite

ROOT = Path(__file__).parents[3]


@pytest.fixture
def settings(stack_options: stack.Options, azurite: Azurite, emulator: stack.Azure) -> dict[str, str]:
    """The app settings that the local stack gives the app, whose account has what the app made in its first minute."""
    given = stack.app_settings(stack_options, azurite, emulator)
    services.Services(settings=from_environ(given)).prepare()
    return given


def examine(settings: dict[str, str], folder: Path, *arguments: str) -> tuple[int, str]:
    """Run the command with a settings file, and with nothing else of this process's environment; return exit code and output."""
    file = folder / "local.settings.json"
    file.write_text(json.dumps({"IsEncrypted": False, "Values": settings}))
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = [sys.executable, "-m", "infra.doctor", "--settings", str(file), *arguments]
    done = subprocess.run(command, cwd=ROOT, env=kept, capture_output=True, text=True, check=False, timeout=100)
    assert done.stderr == ""
    return done.returncode, done.stdout


def by_check(output: str) -> dict[str, list[dict[str, Any]]]:
    """Group the findings of `--json`."""
    out: dict[str, list[dict[str, Any]]] = {}
    for finding in json.loads(output):
        out.setdefault(finding["check"], []).append(finding)
    return out


def test_a_sound_app_is_in_order(settings: dict[str, str], tmp_path: Path) -> None:
    """Exit code 0, every part looked at, and no key in what is printed."""
    code, output = examine(settings, tmp_path, "--json")
    assert code == 0, output
    found = by_check(output)
    assert set(found) == {"settings", "callbacks", "identity", "clock", "permissions", "storage", "policies", "rules", "backlog"}
    assert {finding["level"] for finding in found["storage"] + found["identity"] + found["permissions"]} == {"ok"}
    assert settings["AZURE_CLIENT_SECRET"] not in output
    assert "AccountKey" not in output


def test_without_settings_it_looks_at_the_running_stack(settings: dict[str, str], tmp_path: Path) -> None:
    """`make doctor` says whose settings it takes: those that `make up` wrote."""
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"Values": settings}))
    script = "import pathlib, sys; from infra.doctor import __main__ as it; "
    script += "it.LOCAL_STACK = pathlib.Path(sys.argv[1]); sys.exit(it.main([]))"
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = [sys.executable, "-c", script, str(file)]
    done = subprocess.run(command, cwd=ROOT, env=kept, capture_output=True, text=True, check=False, timeout=100)
    assert (done.returncode, done.stderr) == (
        0,
        f"doctor: no settings are given; looking at the local stack of `make up` ({file}).\n",
    )
    assert "PROBLEM" not in done.stdout


def test_what_is_wrong_in_storage_is_told_for_people(settings: dict[str, str], tmp_path: Path) -> None:
    """A policy and a rule that cannot be read: exit code 1, each with its file and what to do."""
    container = BlobServiceClient.from_connection_string(settings["AzureWebJobsStorage"]).get_container_client(services.CONTAINER)
    bad = {"cleanup/policies/doctor.yaml": b"policies: [{name: 1}]", "hooks/rules/doctor.yaml": b"rules: nothing"}
    if not container.exists():
        container.create_container()
    for name, content in bad.items():
        container.upload_blob(name, content, overwrite=True)
    try:
        code, output = examine(settings, tmp_path)
    finally:
        for name in bad:
            container.delete_blob(name)
    assert code == 1
    lines = output.splitlines()
    told = [index for index, line in enumerate(lines) if line.startswith("PROBLEM")]
    assert {word for index in told for word in ("policies", "rules") if word in lines[index]} == {"policies", "rules"}
    assert all("→" in lines[index + 1] for index in told)
    assert lines[-1].startswith(f"{len(told)} problems")


def test_a_wrong_secret_is_named_and_storage_is_looked_at_all_the_same(settings: dict[str, str], tmp_path: Path) -> None:
    """Entra ID's own words, then what to do; nothing is asked of ARM without a token."""
    code, output = examine({**settings, "AZURE_CLIENT_SECRET": "another"}, tmp_path, "--json")
    assert code == 1
    found = by_check(output)
    assert all("AADSTS" in finding["said"] for finding in found["identity"])
    assert "permissions" not in found
    assert {finding["level"] for finding in found["storage"]} == {"ok"}


def test_a_subscription_that_is_not_there_is_named(settings: dict[str, str], tmp_path: Path) -> None:
    """Azure's own answer, and which setting to correct."""
    missing = "00000000-1111-2222-3333-444444444444"
    code, output = examine({**settings, "STEWARD_SUBSCRIPTION_ID": missing}, tmp_path, "--json")
    assert code == 1
    assert any(
        missing in finding["said"] and "STEWARD_SUBSCRIPTION_ID" in finding["fix"] for finding in by_check(output)["permissions"]
    )


def test_storage_that_nobody_answers_for_is_said_at_once(settings: dict[str, str], azurite: Azurite, tmp_path: Path) -> None:
    """Each service for itself, with where to look; what lies in it is not looked into."""
    elsewhere = settings["AzureWebJobsStorage"].replace(f":{azurite.blob_port}/", ":1/").replace(f":{azurite.queue_port}/", ":1/")
    code, output = examine({**settings, "AzureWebJobsStorage": elsewhere}, tmp_path, "--json")
    assert code == 1
    found = by_check(output)
    assert [finding["level"] for finding in found["storage"]].count("problem") >= 2
    assert all("AzureWebJobsStorage" in finding["fix"] for finding in found["storage"] if finding["level"] == "problem")
    assert not {"policies", "rules", "backlog"} & set(found)
