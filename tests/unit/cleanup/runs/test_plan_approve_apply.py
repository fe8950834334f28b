"""A dry run's report can be approved as it stands: only that is carried out, and each is judged again."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest

from shared.cleanup.report import reports, savings
from shared.cleanup.run import journal, runs
from shared.durable import worker
from shared.rest import errors
from tests.fakes import Killed
from tests.unit.cleanup.runs.conftest import WS, ago


@pytest.fixture
def dry(stage, make_policy):
    """A dry run that has ended."""
    return stage.run(make_policy(mode="dryRun"), mode="dryRun").run


def test_what_the_report_would_do_is_done(stage, dry, gone):
    """Both reports name each other."""
    run = runs.approve(dry.name, caller="ana", services=stage)
    stage.drive()
    report = stage.report(run.name)
    assert gone(stage) == ["DELETE models/old/versions/1", "DELETE models/older/versions/1"]
    assert (report.run.caller, report.run.plan, report.run.status) == ("ana", dry.name, "Completed")
    assert report.totals["outcomes"] == {"deleted": 2}
    assert reports.summary(stage.report(dry.name).run)["approvedBy"] == run.name


def test_what_became_stale_since_then_is_not_touched(stage, dry, gone):
    """Only what was in the report."""
    stage.azure.put("models/new/versions/1", modelUri="u", tags={})
    stage.azure.put("models/new/versions/2", days=300, modelUri="u", tags={})
    runs.approve(dry.name, caller="ana", services=stage)
    stage.drive()
    assert not [write for write in gone(stage) if "new" in write]


def test_what_is_no_longer_stale_is_kept(stage, dry, gone):
    """Each is judged again."""
    stage.azure.touch("models/old/versions/1", **{"steward-keep": ""})
    run = runs.approve(dry.name, caller="ana", services=stage)
    stage.drive()
    assert gone(stage) == ["DELETE models/older/versions/1"]
    assert stage.report(run.name).totals["outcomes"] == {"deleted": 1, "kept": 1}


@pytest.mark.parametrize("dates", [("lastModifiedAt",), ("lastModifiedAt", "createdAt")], ids=["changed", "made again"])
def test_what_was_changed_since_then_is_kept(stage, make_policy, gone, dates):
    """Whatever the policy's conditions say of it: nothing but its name need be what was approved."""
    policy = make_policy(stale_when={"unreferenced": True, "beyondNewest": 1}, mode="dryRun")
    dry = stage.run(policy, mode="dryRun").run
    assert dry.totals["outcomes"]["would delete"] == 2
    made = stage.azure.resources[f"{WS}/models/old/versions/1"]["systemData"]
    made.update(dict.fromkeys(dates, ago(200) if "createdAt" in dates else ago(0)))
    stage.azure.resources[f"{WS}/models/old/versions/2"]["systemData"]["createdAt"] = ago(100)
    run = runs.approve(dry.name, caller="ana", services=stage)
    stage.drive()
    assert gone(stage) == ["DELETE models/older/versions/1"]
    (kept,) = [line for line in stage.report(run.name).lines if "/old/" in line.id]
    assert "it was changed since the run found it" in kept.reason
    assert "stamp" not in reports.told(kept)


@pytest.mark.parametrize("nth", range(1, 9))
def test_of_two_workers_at_the_same_acts_one_goes_on_and_the_report_says_what_was_done(stage, dry, gone, nth):
    """The one carries the acts out while the other looks: what that finds gone was not gone by itself."""
    met = []

    def between(name):
        waiting = [held.text for held in stage.cleanup_queue.messages]
        acts = [each for each in stage.journal.runs(only_open=True) if each.phase == "act"] if name == "arm GET" else []
        met.extend([name] if acts and waiting else [])
        if acts and waiting and len(met) == nth:
            met.append("taken")
            worker.take((runs.RUN, runs.UNIT), waiting[-1], stage)

    run = runs.approve(dry.name, caller="ana", services=stage)
    stage.fuse.between = between
    stage.drive()
    assert "taken" in met
    assert gone(stage) == ["DELETE models/old/versions/1", "DELETE models/older/versions/1"]
    assert stage.report(run.name).totals["outcomes"] == {"deleted": 2}


def test_approving_twice_is_approving_once(stage, dry, gone):
    """The second caller gets the same run."""
    first = runs.approve(dry.name, caller="ana", services=stage)
    stage.clock.advance(5)
    assert runs.approve(dry.name, caller="bob", services=stage).name == first.name
    stage.drive()
    assert runs.approve(dry.name, caller="bob", services=stage).name == first.name
    assert len(gone(stage)) == 2


def dried(make_stage, make_policy):
    """Return a fresh stage with a dry run that has ended, and that run's name."""
    stage = make_stage()
    return stage, stage.run(make_policy(mode="dryRun"), mode="dryRun").run.name


@pytest.mark.parametrize("dies", ["neither", "before", "after"])
def test_approvals_that_meet_at_any_call_are_one_run(make_stage, make_policy, gone, dies):
    """Another one comes a second later, between noting an approval and beginning its run too; the first may have died there."""
    stage, name = dried(make_stage, make_policy)
    calls = len(stage.fuse.calls)
    runs.approve(name, caller="ana", services=stage)
    for nth in range(1, len(stage.fuse.calls) - calls + 1):
        stage, name = dried(make_stage, make_policy)
        if dies == "neither":
            meet(stage, nth, lambda stage=stage, name=name: runs.approve(name, caller="bob", services=stage))
            runs.approve(name, caller="ana", services=stage)
        else:
            stage.fuse.blow(nth, after=dies == "after")
            with pytest.raises(Killed):
                runs.approve(name, caller="ana", services=stage)
            stage.clock.advance(1)
            runs.approve(name, caller="bob", services=stage)
        stage.drive()
        carried_out = [run.name for run in stage.journal.runs() if run.plan == name]
        assert carried_out == [stage.report(name).run.approved], f"call {nth}"
        assert gone(stage) == ["DELETE models/old/versions/1", "DELETE models/older/versions/1"]


def meet(stage, nth, other):
    """Have somebody else act before the n-th call from now, a second later."""
    seen = itertools.count(1)

    def between(_name):
        if next(seen) == nth:
            stage.fuse.between = None
            stage.clock.advance(1)
            other()

    stage.fuse.between = between


def test_a_run_under_way_or_with_nothing_to_do_cannot_be_approved(stage, make_policy, dry):
    """409, with the reason; an enforcing run has nothing left to approve."""
    under_way = stage.start(make_policy(name="x"), mode="dryRun")
    with pytest.raises(errors.BadRequestError, match="it has not ended"):
        runs.approve(under_way.name, caller="ana", services=stage)
    stage.drive()
    stage.clock.advance(5)
    enforced = stage.run(make_policy())
    with pytest.raises(errors.BadRequestError, match="nothing in it is left to do"):
        runs.approve(enforced.run.name, caller="ana", services=stage)
    with pytest.raises(errors.BadRequestError, match="ReportNotFound"):
        runs.approve("20260101T000000Z-00000000", caller="ana", services=stage)


def test_an_approval_can_leave_resources_out(stage, dry, gone):
    """All but those are done; in any casing; a second approval returns the same run, whatever it leaves out."""
    (first, other) = sorted(line.id for line in stage.report(dry.name).plan)
    run = runs.approve(dry.name, caller="ana", services=stage, left_out=[first.upper()])
    assert runs.approve(dry.name, caller="ana", services=stage).name == run.name
    stage.drive()
    (done,) = gone(stage)
    assert done.split()[1] in other
    assert stage.report(run.name).totals["outcomes"] == {"deleted": 1}


def test_an_older_app_leaves_an_approval_alone_that_leaves_something_out(stage, dry):
    """It would carry out all of it."""
    left_out = [stage.report(dry.name).plan[0].id]
    assert journal.to_json(runs.approve(dry.name, caller="ana", services=stage, left_out=left_out))["version"] == 2
    assert journal.to_json(dry)["version"] == 1


@pytest.mark.parametrize(("left_out", "code"), [("all", "NotApprovable"), ("another", "InvalidValue")])
def test_leaving_out_all_or_what_is_not_there_is_refused(stage, dry, left_out, code):
    """Nothing is begun then."""
    ids = [line.id for line in stage.report(dry.name).plan] if left_out == "all" else ["/subscriptions/s/workspaces/x"]
    with pytest.raises(errors.BadRequestError) as refused:
        runs.approve(dry.name, caller="ana", services=stage, left_out=ids)
    assert refused.value.error.code == code
    assert len(list(stage.journal.runs())) == 1


def test_what_acts_saved_until_now_is_counted_by_the_day(stage):
    """From the end of each enforced run on; a dry run saves nothing; money where prices are known."""
    at = stage.clock()
    ended = {"created_at": at, "due_at": at, "ended_at": at, "phase": "ended", "caller": "ana"}
    acted = journal.Run(
        name="a", mode="enforce", totals={"savings": {"nodeHoursADay": 48.0, "moneyADay": 10.0, "currency": "EUR"}}, **ended
    )
    unpriced = journal.Run(name="b", mode="enforce", totals={"savings": {"nodeHoursADay": 24.0}}, **ended)
    only_looked = journal.Run(name="c", mode="dryRun", totals={"savings": {"nodeHoursADay": 24.0}}, **ended)
    found = savings.until_now([acted, unpriced, only_looked], at, at + timedelta(days=2))
    assert found["nodeHours"] == 144.0
    assert (found["money"], found["moneyADay"], found["currency"], found["runs"]) == (20.0, 10.0, "EUR", 2)
    assert "money" not in savings.until_now([unpriced], at, at)
