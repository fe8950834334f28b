"""Whoever asked is told when a report is complete: by the caller's Callback-Url, or by the settings."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from shared.cleanup.run import runs
from shared.notify import deliveries
from tests import tables

QUEUE = "queue:outcomes"


def told(stage):
    """The events that were recorded for others, and their ids on the queue."""
    rows = [json.loads(row.columns["event"]) for row in stage.delivery_rows.rows.values()]
    queued = {json.loads(text)["about"] for text, _ in stage.notification_queue.sent}
    return rows, queued


def test_the_end_of_a_run_is_an_event_with_its_numbers(stage, make_policy):
    """Enough to know what happened, and where to read the rest."""
    run = stage.start(make_policy(), notify=(QUEUE,))
    assert told(stage) == ([], set())
    stage.drive()
    ([event], queued) = told(stage)
    assert (event["type"], event["subject"]) == ("azureml-steward.cleanup.completed", f"/cleanup/reports/{run.name}")
    assert event["data"]["outcomes"]["deleted"] == 2
    assert queued == {run.name}


def test_the_settings_name_who_is_told_of_every_run(stage, make_policy):
    """The timer's runs, too; named twice is told once."""
    stage.settings = replace(stage.settings, notify=(QUEUE,))
    stage.start(make_policy(), notify=(QUEUE,))
    stage.drive()
    assert len(told(stage)[0]) == 1


def test_the_run_that_carries_out_a_plan_tells_its_own_caller(stage, make_policy):
    """Approving is asking."""
    dry = stage.run(make_policy(mode="dryRun"), mode="dryRun").run
    runs.approve(dry.name, caller="ana", services=stage, notify=(QUEUE,))
    stage.drive()
    assert [event["data"]["approves"] for event in told(stage)[0]] == [dry.name]


def test_nobody_is_told_who_did_not_ask(stage, make_policy):
    """No callback, no setting."""
    stage.run(make_policy())
    assert told(stage) == ([], set())


@pytest.mark.sweep
@pytest.mark.parametrize("after", [False, True])
def test_a_kill_at_the_end_tells_under_one_id(make_stage, make_policy, after):
    """At least once, whatever call of the run's last minute the process dies at."""
    probe = make_stage()
    probe.start(make_policy(), notify=(QUEUE,))
    probe.drive()
    total = len(probe.fuse.calls)
    for back in tables.sample(range(1, 27), 8, seed=f"end {after}"):
        stage = make_stage()
        stage.start(make_policy(), notify=(QUEUE,))
        stage.fuse.blow(max(1, total - len(stage.fuse.calls) - back), after=after)
        stage.drive()
        stage.fuse.disarm()
        events, queued = told(stage)
        assert len(events) == 1
        assert len(queued) == 1


def test_how_telling_goes_is_in_the_report(stage, make_policy):
    """The deliveries of a run are found by its name."""
    run = stage.start(make_policy(), notify=(QUEUE,))
    stage.drive()
    (delivery,) = deliveries.views(run.name, stage)
    assert (delivery["target"], delivery["status"]) == (QUEUE, "Pending")
