"""Every command of docs/hooks.md works as it stands there; its rules and events are read, and its tables name what there is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from infra.local.emulator import scene
from shared.hooks import events, rule_fields, rules
from tests.docs import commands

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "hooks.md").read_text()
COMMANDS = commands.paragraphs(PAGE)
BODIES = re.findall(r"^```json\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
SHIPPED = rules.parse((ROOT / "shared" / "hooks" / "example_rules.yaml").read_text(), "example_rules.yaml")


@pytest.fixture(scope="module")
def reader(hooked: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A folder and a shell's variables."""
    return tmp_path_factory.mktemp("page"), {"STEWARD": f"{hooked.parts.app.url}/api", "KEY": hooked.parts.app.key}


@pytest.mark.parametrize("command", COMMANDS, ids=[part.splitlines()[0][:60] for part in COMMANDS])
def test_a_command_of_the_page_works(command: str, reader: tuple[Path, dict[str, str]]) -> None:
    """In the page's order, as a reader would type it."""
    folder, variables = reader
    answer = commands.run(command, folder, variables)
    if "curl " in command:
        assert answer.status in (200, 204), answer.body
    if "/events/test" in command:
        (shown,) = json.loads(answer.body)["value"]
        fires = [each for each in shown["rules"] if each["fires"]]
        assert [each["rule"] for each in fires] == ["copy-to-staging"]
        path = "workspaces/ml-hooks/models/flat-prices/versions/3"
        assert (fires[0]["requests"][0]["method"], fires[0]["requests"][0]["path"]) == ("GET", path)


@pytest.mark.parametrize("body", BODIES, ids=["event grid", "cloud event", "notification"])
def test_an_event_of_the_page_is_read(body: str) -> None:
    """Its source or subject names a resource that an operation could be on."""
    (found,) = events.from_http(body.encode(), {"content-type": "application/json"}).events
    assert events.targets_of(found) or found.type.startswith(events.OWN_TYPE)


def test_the_page_names_every_shipped_rule_and_every_field() -> None:
    """A rule or field that is added needs a line."""
    for rule in SHIPPED:
        assert f"| `{rule.name}` |" in PAGE
    for name in (*rule_fields._RULE, *rule_fields._STEP):
        assert re.search(rf"^\| `{name}` \|", PAGE, re.MULTILINE), name


def test_the_page_names_every_event_that_the_local_azure_raises(hooked: Any) -> None:
    """Azure ML's five, and the Resource Manager's by their first."""
    raised = {kind for each in hooked.azure.call("GET", "events") if (kind := each.get("eventType", "")).startswith("Microsoft.")}
    assert raised
    for kind in raised:
        short = re.sub(r"^Microsoft\.Resources\.Resource(Write|Delete|Action)(Failure|Cancel)$", r"…\1\2", kind)
        assert f"`{short}`" in PAGE, kind


def test_the_page_tells_how_the_default_subscription_is_made(hooked: Any) -> None:
    """The queue that it names is the app's, locally too."""
    assert f"queues/{scene.EVENTS_QUEUE}" in PAGE
    (mine,) = [each for each in hooked.azure.call("GET", "events/subscriptions") if each["id"].endswith("/steward")]
    assert mine["topic"] == f"/subscriptions/{scene.SUBSCRIPTION_ID}"
