"""Two steps: the tag first, the act after the grace period; whoever touches or untags the resource takes the mark away."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.cleanup.report import reports
from shared.cleanup.verdict import marks
from shared.rest import ids

DAY = 24 * 3600
WEEK = timedelta(days=7)
WS = (
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg"
    "/providers/Microsoft.MachineLearningServices/workspaces/ws"
)
VERSION = "models/older/versions/1"


def tags(stage) -> dict[str, str]:
    """Return the tags of the version."""
    return stage.azure.resources[f"{WS}/{VERSION}"]["properties"]["tags"]


def told(report) -> str:
    """Return what became of the version."""
    line = next(line for line in report.lines if line.id.endswith(VERSION))
    return reports.told(line)["outcome"]


@pytest.fixture
def marked(stage, make_policy):
    """The stage after the run that marks, and the policy."""
    policy = make_policy(grace=WEEK, limits=make_policy().limits)
    report = stage.run(policy)
    assert told(report) == "marked"
    return stage, policy


def test_the_tag_tells_policy_reason_and_due_date(marked):
    """It is what its owner finds; the other tags stay."""
    stage, _ = marked
    value = stage.azure.resources[f"{WS}/models/old/versions/1"]["properties"]["tags"]
    assert value["owner"] == "ana"
    assert value[marks.TAG].startswith("models: older than 90 days, version 2 of 2")
    assert value[marks.TAG].endswith("; due 2026-03-09")
    assert len(value[marks.TAG]) <= marks.TAG_LIMIT


def test_before_its_due_date_nothing_happens(marked):
    """The report says when it is due."""
    stage, policy = marked
    stage.clock.advance(6 * DAY)
    report = stage.run(policy)
    line = next(line for line in report.lines if line.id.endswith(VERSION))
    assert (reports.told(line)["outcome"], line.reason.endswith("marked 2026-03-02, due 2026-03-09")) == ("kept", True)
    assert len(stage.azure.writes) == 2


def test_after_it_the_resource_goes(marked):
    """The verdict still holds: our own tag was no change."""
    stage, policy = marked
    stage.clock.advance(7 * DAY + 3600)
    report = stage.run(policy)
    assert told(report) == "deleted"
    assert marks.Marks(stage.cleanup_rows).get(ids.parse(f"{WS}/models/kept/versions/1")) is None


def test_a_touch_lifts_the_mark_and_the_grace_begins_anew(marked):
    """The tag goes, too; the next run marks again, and only a week later it goes."""
    stage, policy = marked
    stage.clock.advance(3 * DAY)
    stage.azure.touch(VERSION, team="b")
    stage.clock.advance(5 * DAY)
    report = stage.run(policy)
    assert told(report) == "mark taken off"
    assert "it was changed at 2026-03-05" in next(line.reason for line in report.lines if line.id.endswith(VERSION))
    assert (
        tags(stage) == {"owner": "ana", "team": "b"} or tags(stage) == {"team": "b", "owner": "ana"} or marks.TAG not in tags(stage)
    )
    stage.clock.advance(DAY)
    assert told(stage.run(policy)) == "marked"
    stage.clock.advance(6 * DAY)
    assert told(stage.run(policy)) == "kept"
    stage.clock.advance(2 * DAY)
    assert told(stage.run(policy)) == "deleted"


def test_taking_the_tag_off_lifts_the_mark(marked):
    """Even where nobody can tell when that was."""
    stage, policy = marked
    del tags(stage)[marks.TAG]
    stage.clock.advance(8 * DAY)
    report = stage.run(policy)
    assert told(report) == "mark taken off"
    assert f"{WS}/{VERSION}" in stage.azure.resources


def test_a_verdict_that_no_longer_holds_takes_the_mark_off(marked):
    """Somebody deployed it."""
    stage, policy = marked
    stage.azure.put("batchEndpoints/nightly")
    stage.azure.put("batchEndpoints/nightly/deployments/d", model={"assetId": "azureml:older:1", "referenceType": "Id"})
    stage.clock.advance(8 * DAY)
    assert told(stage.run(policy)) == "mark taken off"
    assert marks.TAG not in tags(stage)
    assert marks.Marks(stage.cleanup_rows).get(ids.parse(f"{WS}/{VERSION}")) is None


def test_a_touch_right_before_the_sweep_spares_the_resource(marked):
    """Between the list and the act."""
    stage, policy = marked
    stage.clock.advance(8 * DAY)

    def meanwhile(method, path):
        if method == "GET" and path.endswith("Microsoft.Authorization/locks") and "/resourceGroups/" in path:
            stage.azure.touch(VERSION, team="b")

    stage.azure.before = meanwhile
    report = stage.run(policy)
    assert f"{WS}/{VERSION}" in stage.azure.resources
    assert told(report) in ("kept", "mark taken off")


def test_another_policys_mark_does_not_count(marked, make_policy):
    """It is left to that policy; and that one's grace is not cut short."""
    stage, _ = marked
    stage.clock.advance(8 * DAY)
    report = stage.run(make_policy(name="other", grace=timedelta(days=1)))
    assert told(report) == "kept"
    assert "the policy models has already marked it" in next(line.reason for line in report.lines if line.id.endswith(VERSION))


def test_a_mark_of_a_policy_that_is_gone_gives_way(marked, make_policy):
    """A month after its due date it holds no other policy back: that one marks again, with a grace of its own."""
    stage, _ = marked
    other = make_policy(name="other", grace=timedelta(days=1))
    stage.clock.advance(38 * DAY)
    assert told(stage.run(other)) == "marked"
    assert tags(stage)[marks.TAG].startswith("other: ")
    assert told(stage.run(other)) == "kept"
    stage.clock.advance(DAY + 3600)
    assert told(stage.run(other)) == "deleted"


def test_what_is_gone_has_no_mark(marked):
    """Deleted by the sweep, at once; by somebody else, when its mark is older than the reports."""
    stage, policy = marked
    records = marks.Marks(stage.cleanup_rows)
    assert len(list(records.every())) == 2
    del stage.azure.resources[f"{WS}/models/old/versions/1"]
    stage.clock.advance(8 * DAY)
    assert told(stage.run(policy)) == "deleted"
    assert [resource for resource, _ in records.every()] == [f"{WS}/models/old/versions/1".lower()]
    records.forget(stage.clock() - timedelta(days=2))
    assert list(records.every())
    records.forget(stage.clock())
    assert not list(records.every())


def test_a_mark_stays_when_a_list_cannot_be_read(marked):
    """Nothing is known, so nothing changes."""
    from shared.rest import client

    stage, policy = marked
    stage.clock.advance(8 * DAY)
    refused = client.Response(status=403, url="", body={"error": {"code": "AuthorizationFailed", "message": "No."}})
    stage.azure.answers["GET", f"{WS}/schedules"] = [refused] * 100
    assert told(stage.run(policy)) == "kept"
    assert marks.TAG in tags(stage)
    stage.azure.answers.clear()
    stage.clock.advance(DAY)
    assert told(stage.run(policy)) == "deleted"


def test_a_policys_own_tag_is_written_once(stage, make_policy):
    """Beside the others; a second run has nothing to do."""
    policy = make_policy(action="tag", tag=("Review", "yes"))
    assert told(stage.run(policy)) == "tagged"
    assert tags(stage) == {"owner": "ana", "Review": "yes"} or tags(stage) == {"Review": "yes"}
    stage.clock.advance(1)
    report = stage.run(policy)
    assert told(report) == "kept"
    assert len(stage.azure.writes) == 2


def test_what_cannot_be_tagged_is_marked_in_the_report_alone(stage, make_policy):
    """A PUT would overwrite a compute; a change of it still lifts the mark."""
    stage.azure.put(
        "computes/ci", days=30, computeType="ComputeInstance", provisioningState="Failed", properties={"state": "CreateFailed"}
    )
    policy = make_policy(name="broken", kind="computeInstance", stale_when={"failed": True}, grace=WEEK)
    assert stage.run(policy).totals["outcomes"] == {"marked": 1}
    assert stage.azure.writes == []
    stage.clock.advance(3 * DAY)
    assert stage.run(policy).totals["outcomes"] == {"kept": 1}
    stage.clock.advance(5 * DAY)
    assert stage.run(policy).totals["outcomes"] == {"deleted": 1}
    assert stage.azure.writes == ["DELETE computes/ci"]


def test_a_touch_lifts_a_mark_that_has_no_tag(stage, make_policy):
    """Somebody works on it."""
    stage.azure.put(
        "computes/ci", days=30, computeType="ComputeInstance", provisioningState="Failed", properties={"state": "CreateFailed"}
    )
    policy = make_policy(name="broken", kind="computeInstance", stale_when={"failed": True}, grace=WEEK)
    stage.run(policy)
    stage.clock.advance(3 * DAY)
    stage.azure.touch("computes/ci")
    stage.clock.advance(5 * DAY)
    assert stage.run(policy).totals["outcomes"] == {"mark taken off": 1}
    assert stage.azure.writes == []
