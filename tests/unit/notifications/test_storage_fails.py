"""The app's own storage fails while others are to be told: whoever was to be told is told all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import azure.functions as func
import pytest

from functions import poll
from shared.durable import messages
from shared.rest import errors

if TYPE_CHECKING:
    from tests.unit.notifications.conftest import Teller


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
    return poll.poison(messages.NOTIFICATION_QUEUE, func.QueueMessage(body=text))
