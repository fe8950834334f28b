"""An entry that the reconcile timer cannot get past does not keep it from the others, minute after minute."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import azure.functions as func
import pytest

from functions import reconcile
from shared import services
from shared.durable import storage, worker
from shared.files import upload_inbox
from shared.notify import notices, notifications
from shared.rest import errors
from shared.settings import Settings
from tests.fakes import FakeRows, Killed, unavailable
from tests.steward import Steward, look_after

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

BODY: dict[str, Any] = {"location": "westeurope", "properties": {}}


class Timer(func.TimerRequest):
    """A timer that fired in time."""

    @property
    def past_due(self) -> bool:
        """Tell that it is not late."""
        return False


class PickyRows(FakeRows):
    """A table in which some rows cannot be written: too large, say, or a connection that always breaks there."""

    refuses: Callable[[storage.Row], bool] = staticmethod(lambda _row: False)

    def write(self, changes: Sequence[storage.Change]) -> list[str]:
        """See `storage.Rows.write`."""
        if any(self.refuses(change.row) for change in changes):
            raise unavailable()
        return super().write(changes)

    def delete(self, partition: str, key: str) -> None:
        """See `storage.Rows.delete`."""
        if self.refuses(storage.Row(partition=partition, key=key)):
            raise unavailable()
        super().delete(partition, key)


@pytest.fixture
def app() -> Iterator[Steward]:
    """The app on tables that may refuse rows; its timers' functions find it."""
    steward = Steward()
    steward.rows, steward.open = PickyRows("rows", steward.fuse, steward.clock), PickyRows("open", steward.fuse, steward.clock)
    steward.restart()
    own = services.Services(settings=Settings(), clock=steward.clock)
    for name in ("client", "addresses", "ledger", "queue", "notification_queue", "event_queue", "due"):
        own.__dict__[name] = getattr(steward.process, name)
    for name in ("hook_rows", "delivery_rows", "cleanup_rows", "cost_rows", "access_rows"):
        own.__dict__[name] = FakeRows(name)
    own.__dict__["prepare"] = list
    own.__dict__["blobs"] = steward.blobs
    services.use(own)
    yield steward
    services.use(None)


def _fire() -> None:
    reconcile.reconcile._function.get_user_function()(Timer())


@pytest.mark.parametrize("refused", ["rows", "open"])
def test_one_that_cannot_be_written_keeps_nobody_waiting(app: Steward, refused: str) -> None:
    """The list is read in the same order every minute: what stands behind it would never be woken."""
    operations = [app.submit("PUT", f"workspaces/many{n}", BODY) for n in range(4)]
    first = min(operations, key=lambda each: each.id)
    app.edit(first, phase="ended", status="Succeeded", ended_at=app.clock()) if refused == "open" else None
    getattr(app, refused).refuses = lambda row: row.partition == first.partition
    app.queue.messages.clear()
    app.clock.advance(600)
    look_after(app.process)
    assert {message.text.split('"')[5] for message in app.queue.messages} == {each.id for each in operations} - {first.id}


def test_a_table_out_of_reach_is_not_asked_for_every_entry(app: Steward) -> None:
    """The timer's function fails, and the next minute's tries again."""
    for n in range(20):
        app.submit("PUT", f"workspaces/many{n}", BODY)
    app.rows.refuses = lambda _row: True
    app.clock.advance(600)
    calls = len(app.fuse.calls)
    with pytest.raises(errors.TransientError):
        look_after(app.process)
    assert len(app.fuse.calls) - calls < 60


def test_notifications_are_looked_after_while_operations_cannot_be(app: Steward) -> None:
    """The timer's parts do not stand in each other's way."""
    notice = notices.Notice(about="x", type="t", subject="s", at=app.clock(), data={})
    notifications.tell(notice, ("queue:ends",), services.get())
    app.notification_queue.messages.clear()
    app.submit("PUT", "workspaces/w2", BODY)
    app.clock.advance(timedelta(minutes=10).total_seconds())
    app.open.query = _out_of_reach
    with pytest.raises(errors.TransientError):
        _fire()
    assert len(app.notification_queue.messages) == 1


def _grown_old(app: Steward) -> None:
    """Leave an operation with a large result and a key, a delivery and an upload, and let a month go by."""
    app.submit("PATCH", "workspaces/w1", {"tags": {"large": "x" * 20_000}}, idempotency_key="k")
    app.drive()
    notice = notices.Notice(about="x", type="t", subject="s", at=app.clock(), data={})
    notifications.tell(notice, ("queue:ends",), services.get())
    worker.give_up((notifications.MACHINE,), app.notification_queue.messages[0].text, services.get(), "enough")
    upload_inbox.open_upload(app.blobs, app.clock(), caller="c", name="n", limit=9)
    app.clock.advance(timedelta(days=32).total_seconds())


def _purge() -> None:
    reconcile.purge._function.get_user_function()(Timer())


def _left(app: Steward) -> list[Any]:
    return [*app.rows.rows, *app.blobs.blobs, *services.get().delivery_rows.query()]


@pytest.mark.parametrize("how", ["dies", "fails"])
def test_what_is_old_goes_wherever_the_purge_was_cut_off(app: Steward, how: str) -> None:
    """The next night's goes on where it was; a part that fails does not keep the others from theirs."""
    _grown_old(app)
    calls = len(app.fuse.calls)
    _purge()
    assert _left(app) == []
    for nth in range(1, len(app.fuse.calls) - calls + 1):
        _grown_old(app)
        whole = len(_left(app))
        if how == "dies":
            app.fuse.blow(nth, after=nth % 2 == 0)
        else:
            app.fuse.fail(nth, after=nth % 2 == 0)
        with pytest.raises((Killed, errors.TransientError)):
            _purge()
        if how == "fails":
            assert len(_left(app)) < whole
        _purge()
        assert _left(app) == []


def _out_of_reach(**_asked: Any) -> Iterator[storage.Row]:
    raise unavailable()
