"""The end of an operation is queued for everyone who is to be told, at least once, whenever the process dies."""

from __future__ import annotations

import itertools
import json
from contextlib import suppress
from typing import Any

import pytest

from tests.fakes import Killed
from tests.steward import Steward

BODY = {"location": "westeurope", "properties": {"computeType": "AmlCompute"}}
TOLD: dict[str, Any] = {"notify": ("https://a.example/1", "queue:x"), "origin": "f00", "depth": 2}


def begun(steward: Steward, **more: Any) -> str:
    """Create a compute; Azure takes a while."""
    return steward.submit("PUT", "workspaces/w1/computes/cpu", BODY, idempotency_key="once", **more).id


def told(steward: Steward) -> tuple[set[tuple[str, int]], set[str]]:
    """Return what was queued: ends with the position of their target, and firings to go on with."""
    ends = [json.loads(text) for text, _ in steward.notification_queue.sent]
    return {(end["operation"], end["target"]) for end in ends}, {json.loads(text)["firing"] for text, _ in steward.event_queue.sent}


def test_an_end_is_queued_for_each_target_and_for_the_rule() -> None:
    """One message a target, and one that takes the rule's firing further."""
    steward = Steward()
    operation = begun(steward, **TOLD)
    assert told(steward) == (set(), set())
    steward.drive()
    assert told(steward) == ({(operation, 0), (operation, 1)}, {"f00"})


def test_what_asked_for_nothing_is_told_to_nobody() -> None:
    """An operation of a caller that named no callback, outside of any rule."""
    steward = Steward()
    begun(steward)
    steward.drive()
    assert told(steward) == (set(), set())


@pytest.mark.parametrize("after", [False, True])
def test_whoever_dies_before_telling_is_followed_by_one_who_tells(*, after: bool) -> None:
    """Killed at each call to storage, queue or Azure in turn: the list of open operations keeps it until all is queued."""
    for nth in itertools.count(1):
        steward = Steward()
        steward.fuse.blow(nth, after=after)
        operation = ""
        while not operation:
            with suppress(Killed):
                operation = begun(steward, **TOLD)
            if not operation:
                steward.restart()
        steward.drive()
        survived = steward.fuse.armed
        steward.fuse.disarm()
        assert told(steward) == ({(operation, 0), (operation, 1)}, {"f00"}), f"killed at call {nth}"
        assert steward.load(operation).depth == 2
        if survived:
            return
