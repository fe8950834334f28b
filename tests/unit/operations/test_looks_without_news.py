"""A look at Azure that brings no news touches no row: its message carries the operation, for as long as the row vouches for it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shared.durable import messages
from shared.operations import flows
from tests.fakes import STORAGE
from tests.steward import Steward, look_after

if TYPE_CHECKING:
    from shared.operations.models import Operation
    from tests.fakes import Held

JOB: dict[str, Any] = {"properties": {"jobType": "Command", "command": "python train.py"}}


def _looked(steward: Steward) -> list[str]:
    """Take the next look at its time; returns the calls that it made to storage, and to Azure."""
    (message,) = steward.queue.messages
    steward.clock.now = max(steward.clock(), message.visible_at)
    before = len(steward.fuse.calls)
    assert steward.step()
    return [call.partition(" ")[0] for call in steward.fuse.calls[before:] if call.startswith((*STORAGE, "azure"))]


def _quiet(steward: Steward) -> Operation:
    """Return a job whose first look, which brought news, is behind it."""
    job = steward.submit("POST", "workspaces/w1/jobs", JOB)
    while _looked(steward) != ["azure", "queue.send"]:
        pass
    return job


def _next(steward: Steward) -> Held:
    (message,) = steward.queue.messages
    return message


def test_it_costs_its_message_alone_and_is_counted_with_the_next_news() -> None:
    """Neither read nor written is the row; what its message counted is in it at the end."""
    steward = Steward()
    job = _quiet(steward)
    recorded = steward.load(job).calls.get("poll", 0)
    assert _looked(steward) == ["azure", "queue.send"]
    assert steward.load(job).calls.get("poll", 0) == recorded
    steward.drive()
    ended = steward.load(job)
    polls = sum(call.startswith("azure GET") for call in steward.fuse.calls)
    assert (ended.status, ended.calls["poll"]) == ("Succeeded", polls)


def test_the_row_is_written_before_it_would_say_that_the_message_is_lost() -> None:
    """A timer wakes nothing, however long nothing is new."""
    steward = Steward()
    job = _quiet(steward)
    written = 0
    for _ in range(8):
        written += "rows.write" in _looked(steward)
        assert look_after(steward.process) == 0
        assert steward.load(job).due_at > _next(steward).visible_at
    assert written


def test_a_message_that_is_lost_is_found_by_the_row() -> None:
    """Within a minute and a tick."""
    steward = Steward()
    job = _quiet(steward)
    steward.queue.messages.clear()
    steward.clock.advance(51)
    assert look_after(steward.process) == 1
    steward.drive()
    assert steward.load(job).status == "Succeeded"


def test_a_late_or_repeated_message_loads_the_row() -> None:
    """A timer, or another worker, may have gone on with it."""
    steward = Steward()
    _quiet(steward)
    text = _next(steward).text
    machine = flows.steps.MACHINE
    known = messages.read(text, "operation")
    assert machine.unpacked(known, steward.process)
    assert machine.unpacked(replace(known, again=True), steward.process) is None
    steward.clock.advance(51)
    assert machine.unpacked(known, steward.process) is None


def test_what_changed_meanwhile_is_not_overwritten() -> None:
    """Its caller stopped following it: the message finds that out when it has news, and records nothing."""
    steward = Steward()
    job = _quiet(steward)
    flows.cancel(steward.stored(job), steward.process, abandon=True)
    before = steward.load(job)
    steward.clock.advance(600)
    while steward.step():
        pass
    assert steward.load(job) == before
    assert before.status == "Canceled"


def test_where_events_tell_of_ends_no_message_carries_it() -> None:
    """The event overtakes the message, which then costs one look at the row and none at Azure."""
    steward = Steward()
    steward.process.settings = replace(steward.process.settings, poll_with_events_s=30)
    steward.submit("POST", "workspaces/w1/jobs", JOB)
    assert messages.CARRIED not in json.loads(_next(steward).text)


def test_what_opens_a_receiver_stands_in_no_message() -> None:
    """It is in the row alone, until it was told for the last time."""
    steward = Steward()
    steward.submit("POST", "workspaces/w1/jobs", JOB, notify=("https://hooks.example/x?code=SECRET",))
    assert "SECRET" not in _next(steward).text


def test_an_operation_that_is_too_large_for_a_message_is_saved() -> None:
    """Its look reads and writes the row."""
    steward = Steward()
    job = steward.submit("POST", "workspaces/w1/jobs", JOB)
    steward.queue.messages.clear()
    stored = steward.edit(job, request_hash="x" * messages.CARRIED_LIMIT)
    flows.worker.queued(flows.steps.MACHINE, stored, 2.0, steward.process)
    assert messages.CARRIED not in json.loads(_next(steward).text)
    for _ in range(2):
        assert _looked(steward) == ["rows.get", "azure", "rows.write", "queue.send"]


def test_a_message_is_put_aside_without_what_it_carries() -> None:
    """A signed URL goes with the end of its operation."""
    steward = Steward()
    _quiet(steward)
    bare = json.loads(messages.bare(_next(steward).text))
    assert sorted(bare) == ["operation", "step", "version"]
    assert messages.bare("no JSON") == "no JSON"
