"""A run whose process dies at any call to storage, queue or Azure is continued: exactly the same acts, each once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests import tables
from tests.fakes import Killed

pytestmark = pytest.mark.sweep
KILLS = 24  # calls, of some two hundred, that a run dies at every day

GONE = ["DELETE models/old/versions/1", "DELETE models/older/versions/1"]
MARKED = ["PUT models/old/versions/1", "PUT models/older/versions/1"]


def calls_of(make_stage, *policies) -> int:
    """Return how many calls a whole run makes."""
    stage = make_stage()
    before = len(stage.fuse.calls)
    stage.start(*policies)
    stage.drive()
    return len(stage.fuse.calls) - before


def killed_at(make_stage, nth, after, *policies):
    """Run with a process that dies at the n-th call, before or after it took effect."""
    stage = make_stage()
    before = len(list(stage.journal.runs()))
    stage.fuse.blow(nth, after=after)
    try:
        stage.start(*policies)
    except Killed:
        if len(list(stage.journal.runs())) == before:
            stage.start(*policies)  # the caller got no answer and asks again
    stage.drive()
    stage.fuse.disarm()
    return stage


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_marks_are_set_once_and_swept_once_wherever_the_process_dies(make_stage, make_policy, gone, after):
    """The run that marks dies; the one that sweeps finds the marks it needs."""
    policy = make_policy(grace=timedelta(days=7))
    total = calls_of(make_stage, policy)
    for nth in tables.sample(range(1, total + 1), KILLS // 2, seed=f"marks {after}"):
        stage = killed_at(make_stage, nth, after, policy)
        assert gone(stage) == ["PUT models/old/versions/1", "PUT models/older/versions/1"], (
            f"call {nth}: {stage.fuse.calls[nth - 1]}"
        )
        stage.clock.advance(8 * 24 * 3600)
        stage.run(policy)
        assert gone(stage)[:2] == GONE, f"call {nth}: {stage.fuse.calls[nth - 1]}"


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_sweep_of_marks_survives_too(make_stage, make_policy, gone, after):
    """What died after the deletion does not begin again with what is gone."""
    policy = make_policy(grace=timedelta(days=7))

    def marked():
        stage = make_stage()
        stage.run(policy)
        stage.clock.advance(8 * 24 * 3600)
        return stage

    for nth in tables.sample(range(1, calls_of(marked, policy) + 1), KILLS // 3, seed=f"sweep {after}"):
        stage = killed_at(marked, nth, after, policy)
        assert gone(stage)[:2] == GONE, f"call {nth}"
        assert len(stage.azure.writes) == 4, f"call {nth}"
