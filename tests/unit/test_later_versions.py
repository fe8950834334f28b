"""What a later version stored beside what we know survives this one: read, and written back with every change."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shared.cleanup.run import journal, outcomes
from shared.cleanup.run import report_lines as lines
from shared.endpoints import park_progress as parking_way
from shared.endpoints import snapshots as parked
from shared.expiry.expiry_record import Expiry
from shared.files import plans
from shared.hooks.firing_record import Firing
from shared.hooks.rules import Rule, Step
from shared.notify import deliveries
from shared.operations.models import Operation
from shared.recipes.recipe_schedule import Schedule
from shared.rest import errors, long_running
from shared.rollouts.rollout_record import Rollout
from tests.fakes import START, FakeBlobs

if TYPE_CHECKING:
    from collections.abc import Callable

LATER = {"added": {"by": ["a later version"]}, "count": 3}
FOLLOW = long_running.Follow(style="resource", url="https://a/b", resource_url="https://a/b", method="PUT")
OPERATION = Operation(
    id=f"{'a' * 20}-{'b' * 20}",
    target="/t",
    kind="k",
    method="PUT",
    plane="arm",
    path="/t",
    query="",
    created_at=START,
    due_at=START,
    follow=FOLLOW,
)
RUN = journal.Run(
    name="20260302T090000Z-00000000", mode="dryRun", caller="me", created_at=START, due_at=START, notify=("https://a",)
)
UNIT = journal.Unit(key="u", due_at=START, pages=(("p", 1),))
LINE = lines.Line(id="/x", kind="job", policy="p", reason="r", evidence=("e",), due=START)
RULE = Rule(name="r", types=("*",), steps=(Step(name="s", method="GET", path="health"),))
FIRING = Firing(id="f", rule=RULE, document={}, depth=1, created_at=START, due_at=START)
PLAN = plans.Plan(tasks=(plans.Task(what="upload", goals=(plans.Goal(pointer="/a"),), includes=("x",)),))
WAY = parking_way.Way(stops=(parking_way.Stop(do="quiet"),), follow=FOLLOW, error=errors.AzureError(code="C", message="m"))
PARKED = parked.Record(
    endpoint="/e", created="", parked_at=START, traffic={}, mirror={}, deployments=(parked.Deployment(name="d", body={}),)
)
EXPIRY = Expiry(
    id=OPERATION.id, target="/t", kind="job", act="cancel", at=START, created_at=START, due_at=START, announced=("inADay",)
)
ROLLOUT = Rollout(id="r", endpoint="/e", plan={"deployment": "d"}, caller="c", created_at=START, due_at=START)
SCHEDULE = Schedule(name="r", since=START, asked_at=START, due_at=START, last_at=START)
DELIVERY = deliveries.Delivery(about="a", key="k", target="https://t", event={"id": "1", "type": "t"}, created_at=START)

# (stored shape, its JSON, how it is read, paths of the objects in it that a later version may add to)
SHAPES: list[tuple[str, dict[str, Any], Callable[[Any], Any], tuple[str, ...]]] = [
    ("operation", OPERATION.to_json(), Operation.from_json, ("", "follow")),
    ("rollout", ROLLOUT.to_json(), Rollout.from_json, ("",)),
    ("run", journal.to_json(RUN), lambda stored: journal.from_json(journal.Run, stored), ("",)),
    ("unit", journal.to_json(UNIT), lambda stored: journal.from_json(journal.Unit, stored), ("",)),
    ("line", LINE.to_json(), lines.Line.from_json, ("",)),
    ("firing", FIRING.to_json(), Firing.from_json, ("", "rule", "rule.steps.0")),
    ("expiry", EXPIRY.to_json(), Expiry.from_json, ("",)),
    ("schedule", SCHEDULE.to_json(), Schedule.from_json, ("",)),
    ("plan", PLAN.to_json(), plans.Plan.from_json, ("", "tasks.0", "tasks.0.goals.0")),
    ("way", WAY.to_json(), parking_way.Way.from_json, ("", "stops.0", "follow")),
    ("parked endpoint", PARKED.to_json(), parked.Record.from_json, ("", "deployments.0")),
]  # fmt: skip


def _at(stored: Any, path: str) -> Any:
    for name in filter(None, path.split(".")):
        stored = stored[int(name) if isinstance(stored, list) else name]
    return stored


def _again(value: Any) -> Any:
    shown = value.to_json() if hasattr(value, "to_json") else journal.to_json(value)
    return json.loads(json.dumps(shown))


@pytest.mark.parametrize(("stored", "read", "paths"), [case[1:] for case in SHAPES], ids=[case[0] for case in SHAPES])
def test_members_of_a_later_version_are_read_over_and_written_back(
    stored: dict[str, Any], read: Callable[[Any], Any], paths: tuple[str, ...]
) -> None:
    """One new field broke every clean-up after a rollback."""
    later = json.loads(json.dumps(stored))
    for path in paths:
        _at(later, path).update(LATER)
    back = _again(read(later))
    for path in paths:
        assert {name: _at(back, path)[name] for name in LATER} == LATER, path
    assert _again(read(json.loads(json.dumps(stored)))) == json.loads(json.dumps(stored))


def test_a_change_keeps_them() -> None:
    """They are part of the value, so that every way of saving writes them."""
    run = journal.from_json(journal.Run, {**journal.to_json(RUN), **LATER})
    moved = dataclasses.replace(run, step=7, ended_at=datetime(2026, 3, 3, tzinfo=UTC) + timedelta(hours=1))
    assert {name: journal.to_json(moved)[name] for name in (*LATER, "step")} == {**LATER, "step": 7}


def test_columns_of_a_delivery_and_the_record_of_an_act_are_kept_too() -> None:
    """The one shape that is kept in columns, and the one that is a blob."""
    row = deliveries.row_of(DELIVERY)
    later = dataclasses.replace(row, columns={**row.columns, "added": "later"})
    assert deliveries.row_of(deliveries.from_row(later)).columns == later.columns
    with pytest.raises(ValueError, match="version 2"):
        deliveries.from_row(dataclasses.replace(row, columns={**row.columns, "version": 2}))

    class Stores:
        blobs = FakeBlobs()

    name = f"{lines.PREFIX}r/acts/000000.json"
    Stores.blobs.put(name, json.dumps({"outcome": "done", "evidence": [], **LATER}).encode())
    services: Any = Stores
    outcomes.save("r", 0, outcomes.load("r", 0, services), services)
    assert {each: json.loads(Stores.blobs.blobs[name])[each] for each in LATER} == LATER
