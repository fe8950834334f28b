"""Looks at an operation of which there is nothing new cost storage next to nothing, and nothing is lost or done twice for it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from shared.operations import steps
from tests import fake_azure
from tests.fakes import STORAGE
from tests.steward import Steward, advance

if TYPE_CHECKING:
    import pytest

    from shared.operations.models import Operation

COMPUTE = {"location": "westeurope", "properties": {"computeType": "AmlCompute"}}
JOB = {"properties": {"jobType": "Command", "command": "python train.py"}}


def followed(steward: Steward, path: str, body: object) -> tuple[Operation, list[str]]:
    """Send a request and follow it to its end; returns it and the calls to storage, receive and delete of a message as two."""
    steward.ledger.durations.refresh(steward.clock())  # once in ten minutes
    steward.fuse.calls.clear()
    operation = steward.submit("PUT", path, body)  # type: ignore[arg-type]
    received = 0
    while steward.open.rows:
        steward.clock.now = max(steward.clock(), min(each.visible_at for each in steward.queue.messages))
        received += steward.step()
    calls = [each for each in steward.fuse.calls if each.startswith(STORAGE)]
    return steward.load(operation), calls + ["message"] * 2 * received


def test_a_job_costs_nine_transactions_and_each_look_three(steward: Steward, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entry, row, claim, answer and message; then the message's receive and delete, the end, and the entry's."""
    monkeypatch.setattr(fake_azure, "JOB_S", 1.0)
    ended, calls = followed(steward, "workspaces/w1/jobs/j1", JOB)
    assert (ended.status, ended.calls["poll"]) == ("Succeeded", 1)
    assert len(calls) <= 9
    monkeypatch.setattr(fake_azure, "JOB_S", 20.0)
    ended, calls = followed(steward, "workspaces/w1/jobs/j2", JOB)
    assert (ended.status, ended.calls["poll"]) == ("Succeeded", 5)
    assert len(calls) <= 9 + 3 * 4 + 1  # the first of them is recorded


def test_the_first_look_is_recorded(steward: Steward) -> None:
    """Callers see that it is followed; the later ones are recorded when there is news, or before a timer would take it up."""
    operation = steward.submit("PUT", "workspaces/w1/computes/c", COMPUTE)
    for _ in range(2):
        steward.clock.now = steward.queue.messages[0].visible_at
        steward.step()
    assert steward.load(operation).calls["poll"] == 1
    assert steward.load(operation).step == steward.messages(operation)[0].step


def test_a_message_that_comes_twice_makes_no_second_row_of_looks(steward: Steward, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its look is in hand: the platform may bring a message more than once."""
    monkeypatch.setattr(fake_azure, "DURATION_S", 60.0)
    operation = steward.submit("PUT", "workspaces/w1/computes/c", COMPUTE)
    while steward.load(operation).phase == "following":
        steward.clock.now = max(steward.clock(), steward.queue.messages[0].visible_at)
        text = steward.queue.messages[0].text
        steward.step()
        advance(text, steward.process)
        assert len(steward.messages(operation)) <= 1
    assert steward.load(operation).status == "Succeeded"


def test_a_message_that_is_lost_is_found_as_soon_as_before(steward: Steward, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look that was not recorded left the moment at which a timer takes the operation up."""
    monkeypatch.setattr(fake_azure, "DURATION_S", 60.0)
    operation = steward.submit("PUT", "workspaces/w1/computes/c", COMPUTE)
    for _ in range(2):
        steward.clock.now = steward.queue.messages[0].visible_at
        steward.step()
    due_at = steward.load(operation).due_at
    assert due_at <= steward.queue.messages[0].visible_at + steps.GRACE
    steward.queue.messages.clear()
    steward.restart()
    steward.drive()
    ended = steward.load(operation)
    assert ended.status == "Succeeded"
    assert ended.ended_at
    assert ended.ended_at - ended.created_at <= timedelta(seconds=120)


def test_what_another_process_changed_is_not_written_over(steward: Steward, monkeypatch: pytest.MonkeyPatch) -> None:
    """What this process keeps is stale then: it changes nothing, whatever it saw."""
    monkeypatch.setattr(fake_azure, "DURATION_S", 12.0)
    operation = steward.submit("PUT", "workspaces/w1/computes/c", COMPUTE)
    steward.clock.now = steward.queue.messages[0].visible_at
    steward.step()
    here = steward.process
    steward.restart()
    stored = steward.stored(operation)
    steps.wake(stored, steward.process)
    old, new = sorted(steward.queue.messages, key=lambda each: each.visible_at, reverse=True)
    steward.clock.advance(30)
    advance(old.text, here)  # it sees the end first
    assert steward.load(operation).phase == "following"
    advance(new.text, steward.process)
    assert steward.load(operation).status == "Succeeded"
