"""Every command of docs/examples.md, in the page's order, against the app and the local Azure: it ends as the page says."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from infra.local.emulator import scene
from tests.docs import commands

if TYPE_CHECKING:
    from infra.local import stack

PAGE = (Path(__file__).parents[3] / "docs" / "examples.md").read_text()
PARAGRAPHS = commands.paragraphs(PAGE)
VARIABLES = next(part for part in PARAGRAPHS if part.startswith("export "))
COMMANDS = [part for part in PARAGRAPHS if part != VARIABLES]
REFUSED = re.compile(r"^# (4\d\d) (\w+)")
ENDS = re.compile(r"^# ends (\w+)")
SAYS = re.compile(r"^# says (.+)$", re.MULTILINE)
LIMIT_S = 120.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the page's reader works."""
    return tmp_path_factory.mktemp("reader")


def ended(url: str, key: str) -> dict[str, Any]:
    """Follow an operation to its end."""
    deadline = time.monotonic() + LIMIT_S
    with requests.Session() as session:
        session.trust_env = False
        session.headers["x-functions-key"] = key
        while time.monotonic() < deadline:
            found = session.get(url, params={"wait": "20"}, timeout=60).json()
            if found["status"] in ("Succeeded", "Failed", "Canceled"):
                return dict(found)
    raise AssertionError(f"not ended after {LIMIT_S} s: {found}")


@pytest.mark.parametrize("command", COMMANDS, ids=[f"{n:03} {part.splitlines()[0][:70]}" for n, part in enumerate(COMMANDS)])
def test_an_example_ends_as_the_page_says(command: str, running: stack.Stack, folder: Path) -> None:
    """Success, at once or when its operation has ended; or what the comment above it announces."""
    variables = {
        "STEWARD": f"{running.app.url}/api",
        "KEY": running.app.key,
        "SUBSCRIPTION": scene.SUBSCRIPTION_ID,
        "RESOURCE_GROUP": scene.RESOURCE_GROUP,
        "STORAGE_KEY": scene.storage_keys(scene.STORAGE_ACCOUNT)[0],
    }
    answer = commands.run(command, folder, variables, before=VARIABLES)
    if announced := REFUSED.match(command):
        assert answer.status == int(announced[1]), answer.body
        assert json.loads(answer.body)["error"]["code"] == announced[2]
    elif "curl " in command:
        assert answer.status in (200, 201, 202, 204), answer.body
        for text in SAYS.findall(command):
            assert text in answer.body
        if answer.status == requests.codes.accepted:
            operation = ended(answer.headers["operation-location"], running.app.key)
            foreseen = ENDS.match(command)
            wanted = ("Failed", foreseen[1]) if foreseen else ("Succeeded", None)
            assert (operation["status"], (operation.get("error") or {}).get("code")) == wanted, operation.get("error")


def test_the_page_covers_each_group() -> None:
    """A page whose blocks cannot be found proves nothing."""
    assert len([part for part in COMMANDS if "curl " in part]) > 80
    for path in ("/computes/", "/datastores/", "/models/", "/registries/", "/jobs", "/schedules/", "/onlineEndpoints/"):
        assert any(path in part for part in COMMANDS), path
