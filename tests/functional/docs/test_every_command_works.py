"""Every command of every page, in the pages' order, against the app and the local Azure: it ends as its page says."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING

import pytest

from infra.local.__main__ import exports
from infra.local.demo.client import Control
from infra.local.emulator import scene
from tests.docs import answers, commands, exempt
from tests.functional.docs import reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.local import stack

REFUSED = re.compile(r"^# ([45]\d\d) (\w+)", re.MULTILINE)
FORBIDDEN = re.compile(r"^# 403 ", re.MULTILINE)
CALLED = re.compile(r"curl -X (\w+) \"\$STEWARD(/[^\"?]+)")
ENDS = re.compile(r"^# ends (\w+)", re.MULTILINE)
SAYS = re.compile(r"^# says (.+)$|  # (\[.+\])$", re.MULTILINE)


def in_order() -> list[reader.Command]:
    """The commands that are run here, page after page."""
    rank = {name: number for number, name in enumerate(commands.ORDER)}
    out = []
    for path in sorted(commands.pages(), key=lambda path: rank.get(path.stem, len(rank))):
        if path.name not in exempt.ELSEWHERE:
            parts = [part for part in enumerate(commands.shown(path.read_text())) if not exempt.reason(part[1][0])]
            out += [reader.Command(page=path.stem, number=n, text=text, shown=json.dumps(shown)) for n, (text, shown) in parts]
    return out


COMMANDS = in_order()
NAMES = [f"{n:03} {each.page} {each.text.splitlines()[0][:70]}" for n, each in enumerate(COMMANDS)]


@pytest.fixture(scope="module")
def person(running: stack.Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[reader.Reader]:
    """The pages' reader, in a folder of their own, with what `make up` exports."""
    variables = {
        **exports(running),
        "HTTPS_PROXY": running.azure.proxy,
        "CURL_CA_BUNDLE": str(running.azure.ca),
        "PYTHONPATH": str(commands.ROOT),
    }
    folder = tmp_path_factory.mktemp("reader")
    for name, content in {
        ".venv/bin/python": '#!/bin/sh\nexec python "$@"\n',
        ".local/up/settings.json": json.dumps({"Values": dict(running.app.settings)}),
        ".local/up/env.sh": "".join(f"export {name}={shlex.quote(value)}\n" for name, value in exports(running).items()),
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
        (folder / name).chmod(0o700)
    one = reader.Reader(folder=folder, variables=variables)
    with one.pool:
        yield one


@pytest.mark.parametrize("command", COMMANDS, ids=NAMES)
def test_a_command_is_answered_as_its_page_says(command: reader.Command, person: reader.Reader) -> None:
    """Success, or what the comment above it announces; and the answer that is shown behind it."""
    answer = person.run(command)
    if announced := REFUSED.search(command.text):
        assert answer.statuses == (int(announced[1]),), answer.body
        assert json.loads(answer.body)["error"]["code"] == announced[2]
    elif "curl " in command.text:
        assert answer.statuses, "nothing was called"
        assert set(answer.statuses) <= {200, 201, 202, 204}, answer.body
    for text in map("".join, SAYS.findall(command.text)):
        assert text in answer.body
    if command.shown != "null":
        gone = answers.missing(json.loads(command.shown), json.loads(answer.body))
        assert not gone, answer.body


def test_what_the_commands_start_ends_as_their_pages_say(person: reader.Reader) -> None:
    """It succeeds, is cancelled, or fails with the code in the comment above it; what starts no operation has ended already."""
    wrong = []
    for name, command in zip(NAMES, COMMANDS, strict=True):
        foreseen = ENDS.search(command.text)
        operation = person.end(command)
        if operation is None:
            wrong += [f"{name}: it was to start an operation"] if foreseen else []
            continue
        code = (operation.get("error") or {}).get("code")
        said = code if operation["status"] == "Failed" else operation["status"]
        if said != (foreseen[1] if foreseen else "Succeeded"):
            wrong.append(f"{name}: {said}: {operation.get('error')}")
    assert not wrong, "\n".join(wrong)
    assert len(person.started) > 20


def test_azure_refuses_nothing_that_no_page_announces(running: stack.Stack, person: reader.Reader) -> None:
    """The roles of infra/azure are in force: what they do not allow stands in a page as `# 403`, and nothing else is refused."""
    for command in COMMANDS:
        person.end(command)
    announced = {f"{verb} {path}" for each in COMMANDS if FORBIDDEN.search(each.text) for verb, path in CALLED.findall(each.text)}
    control = Control(running.azure.control)
    received = control.requests()
    control.close()
    assert len(received) > 1000
    refused = {f"{each['method']} {each['path'].partition(scene.SUBSCRIPTION_ID)[2]}" for each in received if each["status"] == 403}
    assert refused == announced


def test_the_pages_cover_each_group() -> None:
    """A page whose blocks cannot be found proves nothing."""
    assert len([each for each in COMMANDS if "$STEWARD" in each.text]) > 150
    for path in (
        "/computes/",
        "/datastores/",
        "/models/",
        "/registries/",
        "/jobs",
        "/schedules/",
        "/onlineEndpoints/",
        "/services",
        "/operations",
        "/cleanup",
        "/expiries",
        "/events",
        "/uploads",
        "/translate",
        "/recipes",
        "/rollout",
    ):
        assert any(path in each.text for each in COMMANDS), path
