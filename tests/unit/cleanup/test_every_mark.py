"""All marks of all workspaces, as `GET cleanup/marks` lists them."""

from __future__ import annotations

from datetime import timedelta

from shared.cleanup.policy.model import Mark
from shared.cleanup.verdict import marks
from shared.durable import storage
from shared.rest import ids
from tests.fakes import START, FakeRows

HOME = "/subscriptions/s1/resourceGroups/rg1/providers/Microsoft.MachineLearningServices/workspaces"


def test_marks_are_found_among_everything_else_of_the_table():
    """Runs and their units stand in the same table; a mark is what says which resource it is on."""
    rows = FakeRows()
    kept = marks.Marks(rows)
    rows.write([storage.Change(verb="insert", row=storage.Row(partition="runs", key="r1", columns={"json": "{}"}))])
    for workspace in ("ws1", "ws2"):
        mark = Mark(
            policy="p", reason="old", at=START, due=START + timedelta(days=7), tagged=True, changed_before=None, changed_after=None
        )
        kept.put(ids.parse(f"{HOME}/{workspace}/models/m/versions/1"), mark)

    found = dict(kept.every())

    assert set(found) == {f"{HOME}/{workspace}/models/m/versions/1".lower() for workspace in ("ws1", "ws2")}
    assert {mark.policy for mark in found.values()} == {"p"}
