"""Waits of more than a minute are no messages: the platform would start instances for them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from shared.durable import due
from shared.operations import settle, steps
from tests.steward import look_after

if TYPE_CHECKING:
    from shared.operations.models import Operation
    from tests.steward import Steward

BODY: dict[str, Any] = {"location": "westeurope", "properties": {}}
TICK_S = 60.0


def _waiting(steward: Steward, name: str, delay_s: float) -> Operation:
    """Return an operation that Azure works on, whose next look is in so many seconds."""
    operation = steward.submit("PUT", f"workspaces/{name}", BODY)
    steward.queue.messages.clear()
    stored = steward.stored(operation)
    return steps.record(stored, settle.Step(operation=stored.operation, delay_s=delay_s), steward.process).operation


def test_nothing_is_on_the_queue_and_nothing_is_read_while_none_is_due(steward: Steward) -> None:
    """However many are open: a tick reads the list, page by page, and none of the operations."""
    for number in range(200):
        _waiting(steward, f"many{number}", 600.0)
    calls = len(steward.fuse.calls)
    assert look_after(steward.process) == 0
    assert steward.fuse.calls[calls:] == ["open.query"]
    assert steward.queue.messages == []


@pytest.mark.parametrize("delay_s", [61.0, 75.5, 119.0, 121.0, 599.0])
@pytest.mark.parametrize("phase_s", [0.0, 0.1, 30.0, 59.9])
def test_a_long_wait_ends_when_it_is_over(steward: Steward, delay_s: float, phase_s: float) -> None:
    """It is put on the queue by the tick before: not a minute late, wherever between two ticks it began."""
    operation = _waiting(steward, "w2", delay_s)
    begun = steward.clock()
    steward.clock.advance(phase_s)
    while not steward.queue.messages:
        look_after(steward.process)
        steward.clock.advance(TICK_S if not steward.queue.messages else 0.0)
    look_after(steward.process)
    (message,) = steward.queue.messages
    assert abs((message.visible_at - begun).total_seconds() - delay_s) <= 1.0
    assert steward.messages(operation)[0].step == operation.step


def test_a_long_wait_whose_message_is_lost_goes_on(steward: Steward) -> None:
    """The tick puts it on the queue, and the queue loses it."""
    operation = _waiting(steward, "w2", 100.0)
    for _ in range(3):
        steward.clock.advance(TICK_S)
        look_after(steward.process)
        steward.queue.messages.clear()
    steward.drive()
    assert steward.load(operation).status == "Succeeded"


def test_an_event_ends_a_long_wait_at_once_and_its_lost_message_is_found(steward: Steward) -> None:
    """The entry's moment goes back with the operation's: it is not looked at only when the wait would have been over."""
    operation = _waiting(steward, "w2", 86_400.0)
    assert steps.wake(steward.stored(operation), steward.process)
    assert len(steward.queue.messages) == 1
    steward.queue.messages.clear()
    steward.clock.advance(steps.GRACE.total_seconds())
    assert look_after(steward.process) == 1


def test_entries_of_the_version_before_are_found(steward: Steward) -> None:
    """They have no moment; and one that this version wrote is overdue for the version before when its wait is over."""
    operation = _waiting(steward, "w2", 600.0)
    for key, row in list(steward.open.rows.items()):
        kept = {name: value for name, value in row.columns.items() if name in ("target", "created_at")}
        steward.open.rows[key] = replace(row, columns=kept)
    assert look_after(steward.process) == 0
    assert due.LOOK_AT in next(iter(steward.open.rows.values())).columns
    steward.clock.advance(700)
    assert look_after(steward.process) == 1
    assert (steward.load(operation).due_at - operation.due_at).total_seconds() == 100
