"""A dry run's report can be approved as it stands: only that is carried out, and each is judged again."""

from __future__ import annotations

import itertools

import pytest

from shared.cleanup.report import reports
from shared.cleanup.run import runs
from shared.rest import errors
from tests.fakes import Killed


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
    with pytest.raises(errors.BadRequestError, match="nothing that was not carried out"):
        runs.approve(enforced.run.name, caller="ana", services=stage)
    with pytest.raises(errors.BadRequestError, match="ReportNotFound"):
        runs.approve("20260101T000000Z-00000000", caller="ana", services=stage)
