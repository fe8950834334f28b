"""Every command of docs/examples.md, in the page's order, against the app and the local Azure: it ends as the page says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infra.local.emulator import scene
from tests.docs import commands
from tests.functional.examples import reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.local import stack

PAGE = (Path(__file__).parents[3] / "docs" / "examples.md").read_text()
PARAGRAPHS = commands.paragraphs(PAGE)
VARIABLES = next(part for part in PARAGRAPHS if part.startswith("export "))
COMMANDS = [part for part in PARAGRAPHS if part != VARIABLES]
NAMES = [f"{n:03} {part.splitlines()[0][:70]}" for n, part in enumerate(COMMANDS)]
REFUSED = re.compile(r"^# (4\d\d) (\w+)")
ENDS = re.compile(r"^# ends (\w+)")
SAYS = re.compile(r"^# says (.+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def person(running: stack.Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[reader.Reader]:
    """The page's reader, in a folder of their own."""
    variables = {
        "STEWARD": f"{running.app.url}/api",
        "KEY": running.app.key,
        "SUBSCRIPTION": scene.SUBSCRIPTION_ID,
        "RESOURCE_GROUP": scene.RESOURCE_GROUP,
        "STORAGE_KEY": scene.storage_keys(scene.STORAGE_ACCOUNT)[0],
    }
    folder = tmp_path_factory.mktemp("reader")
    one = reader.Reader(folder=folder, variables=variables, before=VARIABLES, page=COMMANDS)
    with one.pool:
        yield one


@pytest.mark.parametrize("command", COMMANDS, ids=NAMES)
def test_an_example_is_answered_as_the_page_says(command: str, person: reader.Reader) -> None:
    """Success, or what the comment above it announces."""
    answer = person.run(command)
    if announced := REFUSED.match(command):
        assert answer.status == int(announced[1]), answer.body
        assert json.loads(answer.body)["error"]["code"] == announced[2]
    elif "curl " in command:
        assert answer.status in (200, 201, 202, 204), answer.body
        for text in SAYS.findall(command):
            assert text in answer.body


@pytest.mark.parametrize("command", COMMANDS, ids=NAMES)
def test_what_an_example_starts_ends_as_the_page_says(command: str, person: reader.Reader) -> None:
    """It succeeds, is cancelled, or fails with the code in the comment above it; what starts no operation has ended already."""
    foreseen = ENDS.match(command)
    operation = person.end(command)
    if operation is None:
        assert not foreseen, "it was to start an operation"
        return
    code = (operation.get("error") or {}).get("code")
    said = code if operation["status"] == "Failed" else operation["status"]
    assert said == (foreseen[1] if foreseen else "Succeeded"), operation.get("error")


def test_the_page_covers_each_group() -> None:
    """A page whose blocks cannot be found proves nothing."""
    assert len([part for part in COMMANDS if "curl " in part]) > 100
    for path in (
        "/computes/",
        "/datastores/",
        "/models/",
        "/registries/",
        "/jobs",
        "/schedules/",
        "/onlineEndpoints/",
        "/services",
    ):
        assert any(path in part for part in COMMANDS), path
