"""Most events fire no rule: they cost next to nothing, and none is overlooked for that."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from shared.hooks import events, inbox
from shared.operations import ledger
from tests.fake_azure import WORKSPACE
from tests.unit.hooks.conftest import registered

if TYPE_CHECKING:
    from shared.hooks.events import Event
    from tests.unit.hooks.conftest import Hooks

RULES = """
rules:
  - name: r
    on: {types: [ModelRegistered, "Microsoft.Resources.*"]}
    read: READ
    if: CONDITION
    do: {request: "PUT workspaces/w1/models/seen/versions/1", body: {properties: {modelUri: x}}}
"""
COMPUTE = {"location": "westeurope", "properties": {"computeType": "AmlCompute"}}


def rules(condition: str, *, read: bool = False) -> str:
    """One rule with a condition."""
    return RULES.replace("CONDITION", condition).replace("READ", str(read).lower())


def written(path: str, number: int = 1) -> Event:
    """A resource was written."""
    event = registered(number)
    return replace(event, type="Microsoft.Resources.ResourceWriteSuccess", subject=path, data={"resourceUri": path})


def cost(hooks: Hooks, *given: Event) -> Counter[str]:
    """Take in one message that was stored a minute ago, and return the calls that it came to."""
    (text,) = events.packed(given)
    before = len(hooks.steward.fuse.calls)
    inbox.take(text, hooks.app, hooks.steward.clock() - timedelta(minutes=1))
    return Counter(hooks.steward.fuse.calls[before:])


def test_a_hundred_that_fire_nothing_cost_one_call(hooks: Hooks) -> None:
    """The rules are known, and the list of what is under way is read once; also where some rules want no such event."""
    hooks.rules(rules("data.modelTags.stage == 'production'"))
    hooks.steward.submit("PUT", "workspaces/w1/computes/cpu", COMPUTE)
    known = hooks.app.rules
    assert len(known) == 1
    assert cost(hooks, *(registered(number, stage="test") for number in range(100))) == {"open.query": 1}
    assert cost(hooks, registered(1, stage="test")) == {"open.query": 1}
    assert not hooks.firings()


def test_where_much_is_under_way_each_target_is_looked_for(hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long list is not read for each message; an operation is found in it all the same."""
    monkeypatch.setattr(ledger, "ONE_CALL", 3)
    made = [hooks.steward.submit("PUT", f"workspaces/w1/computes/c{number}", COMPUTE) for number in range(5)]
    hooks.app.rules  # noqa: B018 - they are known from here on
    told = [written(f"{WORKSPACE}/computes/c{number}", number) for number in (1, 3)]
    assert cost(hooks, *told)["open.query"] == 3
    assert [hooks.steward.load(each).calls.get("poll", 0) for each in made] == [0, 1, 0, 1, 0]
    assert cost(hooks, *told)["open.query"] == 2


def test_a_message_meets_the_rules_of_its_time(hooks: Hooks) -> None:
    """A change through another instance of the app is looked for again only for messages that came after the last look."""
    hooks.rules(rules("data.modelTags.stage == 'production'"))
    hooks.app.rules  # noqa: B018
    other = hooks.app.rule_store.__class__(hooks.steward.blobs, hooks.steward.clock)
    hooks.steward.blobs.put("hooks/rules/a.yaml", rules("data.modelName == 'credit'").encode())
    other.changed()
    cost(hooks, registered(1))
    assert not hooks.firings()
    (text,) = events.packed([registered(2)])
    inbox.take(text, hooks.app, hooks.steward.clock())
    assert len(hooks.firings()) == 1


@pytest.mark.parametrize(
    ("condition", "looks"),
    [
        ("data.modelTags.stage == 'production'", 0),
        ("resource.properties.flavor == 'old'", 1),
        ("@.resource.properties.flavor == 'old'", 1),
        ("\"\\u0072esource\".properties.flavor == 'old'", 1),
        ("contains(*.properties.flavor, 'old')", 1),
    ],
)
def test_a_condition_that_needs_no_resource_is_judged_before_it_is_read(hooks: Hooks, condition: str, looks: int) -> None:
    """What it may find in the resource, however it is written, is judged with it."""
    hooks.rules(rules(f"'{condition.replace("'", "''")}'", read=True))
    hooks.steward.azure.put(f"{WORKSPACE}/models/credit/versions/1", {"properties": {"flavor": "new"}})
    hooks.happen(registered(1))
    hooks.drive()
    assert not hooks.firings()
    assert sum(each.startswith("GET ") and "/models/credit/versions/1" in each for each in hooks.steward.azure.requests) == looks


def test_an_event_that_fired_nothing_meets_a_later_rule_when_it_comes_again(hooks: Hooks) -> None:
    """It is not remembered: the docs say so. One that fired is, whatever its rules are by then."""
    hooks.rules(rules("data.modelTags.stage == 'production'"))
    hooks.happen(registered(1, stage="production"), registered(2))
    hooks.drive()
    hooks.rules(rules("data.modelName == 'credit'").replace("name: r", "name: later"))
    hooks.happen(registered(1, stage="production"), registered(2))
    hooks.drive()
    fired = {(each.rule.name, each.document["event"]["subject"]) for each in hooks.firings()}
    assert fired == {("r", "models/credit:1"), ("later", "models/credit:2")}


def test_a_condition_that_takes_too_long_is_still_refused_by_name(hooks: Hooks) -> None:
    """And once: the event is remembered."""
    doubling = "|".join(["[@,@]"] * 25)
    hooks.rules(rules(f"length({doubling}) > `0`"))
    hooks.happen(registered(1))
    hooks.happen(registered(1))
    hooks.drive()
    (firing,) = hooks.firings()
    assert firing.error is not None
    assert (firing.status, firing.error.code) == ("Refused", "ExpressionTooLong")
