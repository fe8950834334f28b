"""The app's own storage fails while others are to be told: whoever was to be told is told all the same."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import azure.functions as func
import pytest

from functions import notify
from shared.durable import messages
from shared.notify import notifications
from shared.rest import errors

if TYPE_CHECKING:
    from tests.unit.notifications.conftest import Teller

MAX_DEQUEUE = 5
RETRY_S = 10.0


def _delivered(teller: Teller) -> list[str]:
    """Deliver as the platform does, until nothing is left; returns what reached the poison queue."""
    clock, queue, poisoned = teller.steward.clock, teller.steward.notification_queue, []
    while queue.messages or _timer(teller):
        if not queue.messages:
            continue
        clock.now = max(clock(), min(message.visible_at for message in queue.messages))
        message = queue.receive()
        assert message
        try:
            notifications.take(message.text, teller.app)
        except errors.TransientError:
            if message.dequeue_count < MAX_DEQUEUE:
                message.visible_at = clock() + timedelta(seconds=RETRY_S)
                continue
            poisoned.append(message.text)
        queue.delete(message)
    return poisoned


def _timer(teller: Teller) -> bool:
    """Fire the timer; tells whether there may be something to do. When it fails the platform fires it again a minute later."""
    try:
        return bool(notifications.overdue(teller.app))
    except errors.TransientError:
        teller.steward.clock.advance(60)
        return True


def _calls(teller: Teller) -> int:
    teller.ended(teller.receiver.url)
    before = len(teller.steward.fuse.calls)
    _delivered(teller)
    teller.receiver.got.clear()
    return len(teller.steward.fuse.calls) - before


@pytest.mark.parametrize("calls", [1, 12], ids=["once", "for-minutes-but-queues"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_failure_at_any_call_delays_the_telling(teller: Teller, after: bool, calls: int) -> None:  # noqa: FBT001
    """Told at least once, always under the same id; no message gets as far as the poison queue."""
    for nth in range(1, _calls(teller) + 1):
        teller.__post_init__()
        teller.steward.__post_init__()
        teller.restart()
        operation = teller.ended(teller.receiver.url)
        teller.steward.fuse.fail(nth, after=after, calls=calls, spared="" if calls == 1 else "queue.")
        assert _delivered(teller) == []
        teller.steward.fuse.disarm()
        assert [each["status"] for each in teller.deliveries(operation)] == ["Delivered"]
        assert len({event["id"] for event in teller.events}) == 1
        teller.receiver.got.clear()


def test_a_message_waits_longer_each_time() -> None:
    """A receiver that answers while its row cannot be written is not told every few seconds."""
    text, pauses = '{"version": 1, "about": "a", "key": "k"}', []
    for _ in range(8):
        text, delay_s = messages.postponed(text)
        pauses.append(delay_s)
    assert pauses == [30, 60, 120, 240, 480, 900, 900, 900]


def test_a_poison_message_that_cannot_be_recorded_now_stays_in_its_queue(teller: Teller) -> None:
    """Storage is out of reach: it is brought again after ten minutes, and its delivery ends as Failed then."""
    operation = teller.ended(teller.receiver.url)
    text = teller.steward.notification_queue.messages[0].text
    teller.steward.fuse.fail(1, after=False, calls=2)
    with pytest.raises(errors.TransientError):
        _poison(text)
    teller.steward.fuse.disarm()
    _poison(text)
    assert [each["status"] for each in teller.deliveries(operation)] == ["Failed"]


def _poison(text: str) -> Any:
    return notify.poison._function.get_user_function()(func.QueueMessage(body=text))
