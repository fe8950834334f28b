"""The events of docs/hooks.md and notifications.md are read; their tables and those of rules.md name what there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from infra.local.emulator import scene
from shared.hooks import event_target, events, rule_fields

ROOT = Path(__file__).parents[3]
PAGE = "\n".join((ROOT / "docs" / name).read_text() for name in ("hooks.md", "rules.md", "notifications.md"))
BODIES = re.findall(r"^```json\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
SHIPPED = rule_fields.parse((ROOT / "shared" / "hooks" / "example_rules.yaml").read_text(), "example_rules.yaml")


@pytest.mark.parametrize("body", BODIES, ids=["event grid", "cloud event", "notification"])
def test_an_event_of_the_page_is_read(body: str) -> None:
    """Its source or subject names a resource that an operation could be on."""
    (found,) = events.from_http(body.encode(), {"content-type": "application/json"}).events
    assert event_target.of(found) or found.type.startswith(event_target.OWN_TYPE)


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
