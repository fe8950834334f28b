"""One timer starts each policy when it is due; what was missed is caught up once, and nothing starts twice."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.cleanup.run import runs, timetable
from shared.durable import worker
from shared.rest import errors
from tests.fakes import unavailable

FILE = """\
disable: ["*"]
policies:
  - name: nightly
    kind: modelVersion
    staleWhen: {olderThan: P90D}
    schedule: "0 0 1 * * *"
  - name: hourly
    kind: modelVersion
    staleWhen: {olderThan: P90D}
    schedule: "0 30 * * * *"
  - name: on-demand
    kind: modelVersion
    staleWhen: {olderThan: P90D}
"""


@pytest.fixture
def scheduled(stage):
    """The stage with three policies, ticked once at nine."""
    stage.blobs.blobs["cleanup/policies/ours.yaml"] = FILE.encode()
    assert timetable.tick(stage) == ""
    return stage


def test_a_policy_runs_when_it_is_due(scheduled):
    """Not before, and once."""
    scheduled.clock.advance(29 * 60)
    assert timetable.tick(scheduled) == ""
    scheduled.clock.advance(60)
    name = timetable.tick(scheduled)
    assert name.startswith("20260302T093000Z-")
    run = scheduled.report(name).run
    assert (run.policies, run.caller, run.mode) == (("hourly",), "timer", "enforce")
    scheduled.clock.advance(60)
    assert timetable.tick(scheduled) == ""


def test_what_was_missed_is_caught_up_once(scheduled):
    """The app was down for three days: one run of each, not seventy-two."""
    scheduled.clock.advance(3 * 24 * 3600)
    run = scheduled.report(timetable.tick(scheduled)).run
    assert run.policies == ("nightly", "hourly")
    scheduled.drive()
    scheduled.clock.advance(60)
    assert timetable.tick(scheduled) == ""


def test_two_instances_of_the_timer_start_one_run(scheduled):
    """Both see the same tick before either writes it."""
    row = scheduled.cleanup_rows.get(timetable.TIMER, timetable.TICK)
    scheduled.clock.advance(31 * 60)
    first = timetable.tick(scheduled)
    changed = scheduled.cleanup_rows.rows[timetable.TIMER, timetable.TICK]
    scheduled.cleanup_rows.rows[timetable.TIMER, timetable.TICK] = type(changed)(
        partition=row.partition, key=row.key, columns=row.columns, etag=row.etag
    )
    scheduled.clock.advance(7)
    timetable.tick(scheduled)
    assert [run.name for run in scheduled.journal.runs()] == [first]


def test_a_policy_whose_run_is_under_way_waits_for_its_next_time(scheduled):
    """Runs of one policy do not pile up."""
    scheduled.clock.advance(31 * 60)
    assert timetable.tick(scheduled)
    scheduled.clock.advance(60 * 60)
    assert timetable.tick(scheduled) == ""
    scheduled.drive()
    scheduled.clock.advance(60 * 60)
    assert timetable.tick(scheduled)


def test_a_file_with_an_error_is_told_in_every_report(scheduled):
    """It has no effect; the others have theirs."""
    scheduled.blobs.blobs["cleanup/policies/zz.yaml"] = b"policies:\n  - name: broken\n    kind: nothing\n"
    scheduled.clock.advance(31 * 60)
    run = scheduled.report(timetable.tick(scheduled)).run
    assert run.policies == ("hourly",)
    assert "A file of policies has no effect: cleanup/policies/zz.yaml, line 3" in "".join(run.notes)


def test_switched_off_the_timer_starts_nothing(scheduled):
    """And nothing of that time is caught up."""
    scheduled.off()
    scheduled.clock.advance(31 * 60)
    assert timetable.tick(scheduled) == ""
    assert not list(scheduled.journal.runs())


def test_reports_go_after_their_time(scheduled, make_policy):
    """With all their blobs; younger ones stay."""
    old = scheduled.run(make_policy()).run.name
    scheduled.clock.advance(179 * 24 * 3600)
    young = scheduled.run(make_policy(name="other")).run.name
    scheduled.purge()
    assert scheduled.journal.load(old)
    scheduled.clock.advance(2 * 24 * 3600)
    scheduled.purge()
    assert scheduled.journal.load(old) is None
    assert scheduled.journal.load(young)
    assert not [name for name in scheduled.blobs.blobs if old in name]


def test_a_clock_ahead_of_ours_changes_nothing(scheduled):
    """Another instance has ticked in our future."""
    scheduled.clock.now -= timedelta(minutes=10)
    assert timetable.tick(scheduled) == ""


def test_a_step_that_fails_again_and_again_ends_the_run(stage, make_policy, monkeypatch):
    """It does not go on for ever, and says where it was."""
    begun = stage.start(make_policy())
    monkeypatch.setattr("shared.cleanup.run.choose.within_limits", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        stage.drive()
    for _ in range(200):
        stage.clock.advance(120)
        stage.tick()
        while held := stage.cleanup_queue.receive():
            with contextlib.suppress(ZeroDivisionError):
                worker.take((runs.RUN, runs.UNIT), held.text, stage)
            stage.cleanup_queue.delete(held)
    run = stage.report(begun.name).run
    assert (run.status, "The step 'plan' failed" in run.notes[-1]) == ("Failed", True)


def test_a_workspace_that_cannot_be_judged_is_given_up(stage, make_policy, gone, monkeypatch):
    """Everything in it is kept; the report says so."""
    monkeypatch.setattr("shared.cleanup.verdict.judge.workspace", lambda *_, **_more: 1 / 0)
    begun = stage.start(make_policy())
    for _ in range(100):
        stage.clock.advance(120)
        stage.tick()
        while held := stage.cleanup_queue.receive():
            with contextlib.suppress(ZeroDivisionError):
                worker.take((runs.RUN, runs.UNIT), held.text, stage)
            stage.cleanup_queue.delete(held)
    run = stage.report(begun.name).run
    assert (run.status, gone(stage)) == ("Completed", [])
    assert "ws: checking it failed" in "".join(run.notes)


def test_a_run_that_cannot_be_written_does_not_stand_in_the_others_way(stage, make_policy, monkeypatch):
    """The list of open runs is read in the same order every minute."""
    stuck, other = (stage.start(make_policy(name=name)) for name in ("a", "b"))
    stage.cleanup_queue.messages.clear()
    stage.clock.advance(600)
    write = stage.cleanup_rows.write

    def refusing(changes):
        if stuck.name in str(changes[0].row.columns.get("json0")):
            raise unavailable()
        return write(changes)

    monkeypatch.setattr(stage.cleanup_rows, "write", refusing)
    for _ in range(2):  # whichever of them is the first
        stage.tick()
        stage.clock.advance(600)
        stuck, other = other, stuck
    assert {stage.journal.load(run.name).value.step for run in (stuck, other)} == {1}


def test_an_unreadable_message_ends_in_the_poison_queue(stage):
    """The platform tries it some times and puts it aside."""
    for text in ("", "[]", '{"run": 1}', '{"version": 9, "run": "x", "unit": "", "number": 1}'):
        with pytest.raises(ValueError, match=r"."):
            worker.take((runs.RUN, runs.UNIT), text, stage)
    worker.take((runs.RUN, runs.UNIT), '{"version": 1, "run": "20260101T000000Z-00000000", "unit": "", "number": 1}', stage)


def test_without_a_subscription_there_is_nothing_to_clean(stage, make_policy):
    """It never guesses where to work."""
    from dataclasses import replace

    stage.settings = replace(stage.settings, subscription_id="")
    with pytest.raises(errors.BadRequestError, match="ScopeMissing"):
        stage.start(make_policy())


def test_by_schedule_nothing_is_done_where_another_caller_must_approve_it(scheduled):
    """The run reports, and says why."""
    scheduled.settings = replace(scheduled.settings, approvals=frozenset({"cleanup"}))
    scheduled.clock.advance(30 * 60)
    run = scheduled.report(timetable.tick(scheduled)).run
    assert run.mode == "dryRun"
    assert "STEWARD_APPROVALS" in run.notes[0]
