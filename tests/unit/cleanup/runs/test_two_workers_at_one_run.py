"""One worker stands still in an act, another goes on with its run: each act is done once, and the report says what was done."""

from __future__ import annotations

from shared.cleanup.run import conduct

STANDS_S = 40.0  # longer than the lease, within the minute in which an act is sent


def _stands(stage, in_between):
    """Let the first worker stand still as it records an operation, while another one works; return what it was at."""
    began = []

    def stands(name):
        if name == "open.put" and not began:
            began.append(name)
            stage.clock.advance(STANDS_S)
            in_between()
            while stage._deliver():
                pass

    stage.fuse.between = stands
    return began


def test_an_act_that_a_standing_worker_has_yet_to_record_is_waited_for(stage, make_policy, gone):
    """Seed 48: the other one judged it again, found it gone by then, and the report said `kept` of what the run had deleted."""
    ticks = []
    began = _stands(stage, lambda: ticks.append(stage.tick()))
    report = stage.run(make_policy())
    assert (began, ticks) == (["open.put"], [1])
    assert gone(stage) == ["DELETE models/old/versions/1", "DELETE models/older/versions/1"]
    assert {line.outcome for line in report.lines if line.did == "deleted"} == {"done"}
    assert report.run.totals["outcomes"]["deleted"] == 2


def test_a_stopped_run_waits_for_it_too(stage, make_policy, gone):
    """It ends when it is known what became of all that it began."""

    def off():
        stage.off()
        stage.tick()

    _stands(stage, off)
    report = stage.run(make_policy())
    assert report.run.status == "Stopped"
    deleted = [line.id.partition("/workspaces/ws/")[2] for line in report.lines if line.outcome == "done"]
    assert [f"DELETE {path}" for path in deleted] == gone(stage)
    assert deleted


def test_what_was_seen_too_long_ago_is_not_acted_on(stage, make_policy, gone):
    """The minute in which an act is sent began when it was judged, however long the claim behind it took."""
    looks = []

    def looked(method, path):
        if method == "GET" and path.endswith("/locks") and any(run.phase == "act" for run in stage.journal.runs()):
            looks.append(path)

    def stands(name):
        if name == "cleanup.write" and looks and "claimed" not in looks:
            looks.append("claimed")
            stage.azure.touch("models/older/versions/1", **{"steward-keep": ""})
            stage.clock.advance(conduct.SEND_WITHIN.total_seconds() + 1)

    stage.azure.before, stage.fuse.between = looked, stands
    report = stage.run(make_policy())
    assert "claimed" in looks
    assert gone(stage) == ["DELETE models/old/versions/1"]
    assert report.run.totals["outcomes"]["deleted"] == 1
