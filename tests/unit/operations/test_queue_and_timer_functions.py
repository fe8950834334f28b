"""The functions that operations move through: the queue's, its poison queue's, and the timers'."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import azure.functions as func
import pytest

from functions import poll, reconcile
from shared import services
from shared.durable import messages
from shared.durable.messages import Message
from shared.rest import errors
from shared.settings import Settings
from tests.fakes import FakeRows
from tests.steward import look_after

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.steward import Steward

BODY: dict[str, Any] = {"location": "westeurope", "properties": {}}


class Timer(func.TimerRequest):
    """A timer that fired in time."""

    @property
    def past_due(self) -> bool:
        """Tell that it is not late."""
        return False


@pytest.fixture(autouse=True)
def app(steward: Steward) -> Iterator[Steward]:
    """The functions' services are the fakes."""
    own = services.Services(settings=Settings(retention_days=30), clock=steward.clock)
    for name in ("client", "addresses", "ledger", "queue", "due"):
        own.__dict__[name] = getattr(steward.process, name)
    for name in ("hook_rows", "delivery_rows", "cleanup_rows", "cost_rows", "access_rows"):
        own.__dict__[name] = FakeRows(name)
    own.__dict__["prepare"] = list
    own.__dict__["blobs"] = steward.blobs
    services.use(own)
    yield steward
    services.use(None)


def _run(function: Any, argument: Any) -> None:
    """Call a function as the platform does."""
    function._function.get_user_function()(argument)


def _message(text: str | bytes) -> func.QueueMessage:
    return func.QueueMessage(body=text)


def test_a_message_is_one_step(app: Steward) -> None:
    """Of the operation that it names."""
    operation = app.submit("PUT", "workspaces/w2", BODY, respond_async=True)
    poll.take(messages.QUEUE, _message(app.queue.sent[-1][0]))
    assert app.load(operation).phase == "following"


def test_a_poison_message_marks_its_operation(app: Steward) -> None:
    """With a reason that names the log."""
    operation = app.submit("PUT", "workspaces/w2", BODY)
    poll.poison(messages.QUEUE, _message(Message(machine="operation", key=(operation.id,), step=operation.step).to_text()))
    ended = app.load(operation)
    assert ended.error
    assert (ended.status, ended.error.code) == ("Failed", "StewardInternalError")


@pytest.mark.parametrize("body", [b"\xff\xfe", b"", b"nonsense", b"{}"])
def test_the_poison_function_takes_anything(app: Steward, body: bytes) -> None:
    """What it can make nothing of is kept as a blob."""
    poll.poison(messages.QUEUE, _message(body))
    (kept,) = app.blobs.blobs.values()
    assert json.loads(kept)["message"] == body.decode("utf-8", "replace")


def test_a_poison_message_that_cannot_be_kept_stays(app: Steward) -> None:
    """The platform deletes what the function returns from."""
    app.fuse.fail(1, after=False)
    with pytest.raises(errors.TransientError):
        poll.poison(messages.QUEUE, _message(b"nonsense"))


def test_the_timer_wakes_what_is_overdue(app: Steward) -> None:
    """And says how many."""
    operation = app.submit("PUT", "workspaces/w2", BODY)
    app.queue.messages.clear()
    app.clock.advance(300)
    _run(reconcile.reconcile, Timer())
    assert len(app.messages(operation)) == 1


def test_ended_operations_go_after_their_retention(app: Steward) -> None:
    """Thirty days unless the setting says otherwise."""
    operation = app.submit("PUT", "workspaces/w2", BODY)
    app.drive()
    _run(reconcile.purge, Timer())
    assert app.ledger.load(operation.id)
    app.clock.advance(timedelta(days=31).total_seconds())
    _run(reconcile.purge, Timer())
    assert app.ledger.load(operation.id) is None
    assert look_after(app.process) == 0
