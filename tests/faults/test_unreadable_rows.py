"""What is stored and cannot be read stops nothing else, is named to operators, and goes on once it can be read."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import azure.functions as func
import pytest

from functions import hooks, reconcile
from shared import health, services
from shared.durable import due, storage, worker
from shared.durable.messages import Message
from shared.durable.unreadable import UnreadableError
from shared.notify import deliveries
from shared.operations import steps
from shared.settings import Settings
from tests import front
from tests.fakes import FakeRows, unavailable
from tests.steward import Steward, advance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.operations.models import Operation

BODY: dict[str, Any] = {"location": "westeurope", "properties": {}}
FOREIGN = storage.Row(partition="0foreign", key="row", columns={"note": "not ours", "status": "Pending", "open": True})
WAYS = {"newer": ('"version": 1', '"version": 2'), "cut": ('{"version": 1', '"version": 1')}


class Client:
    """Azure as far as vitals ask."""

    throttled = 0

    def allowances(self) -> list[Any]:
        """See `Client.allowances`."""
        return []

    def token(self, _scope: str) -> str:
        """See `Client.token`."""
        return "a token"


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Iterator[Steward]:
    """The app; its timers' functions and its page find it."""
    steward = Steward()
    own = services.Services(settings=Settings(), clock=steward.clock)
    for name in ("addresses", "ledger", "queue", "notification_queue", "event_queue", "due"):
        own.__dict__[name] = getattr(steward.process, name)
    own.__dict__["blobs"] = steward.blobs
    own.__dict__["prepare"] = own.__dict__["missing"] = list
    own.__dict__["client"] = Client()
    for name in ("hook_rows", "delivery_rows", "cleanup_rows", "cost_rows", "access_rows"):
        own.__dict__[name] = FakeRows(name, steward.fuse, steward.clock)
    monkeypatch.setattr(services.Services, "depth", lambda *_: 0)
    services.use(own)
    yield steward
    services.use(None)


def _spoil(app: Steward, operation: Operation, how: str) -> storage.Row:
    """Make an operation's row unreadable; returns it as it was."""
    key = (operation.partition, operation.suffix)
    row = app.rows.rows[key]
    before, after = WAYS[how]
    assert before in row.columns["json0"]
    columns = {**row.columns, "json0": row.columns["json0"].replace(before, after)}
    app.rows.rows[key] = replace(row, columns=columns, etag=f"{row.etag} {how}")  # as every write makes another one
    return row


def _fire() -> None:
    timer: Any = type("Timer", (), {"past_due": False})()
    reconcile.reconcile._function.get_user_function()(timer)


def _points(code: str) -> list[str]:
    return [each["message"] for each in health.look(services.get())["attention"] if each["code"] == code]


@pytest.mark.parametrize("how", WAYS)
def test_one_operation_that_cannot_be_read_stops_no_other(app: Steward, how: str) -> None:
    """It took the operators' page away, and its lane said nothing."""
    first = app.submit("PUT", "workspaces/w2", BODY)
    behind = app.submit("PATCH", "workspaces/w2", {"tags": {"a": "1"}})
    other = app.submit("PUT", "workspaces/w3", BODY)
    whole = _spoil(app, first, how)
    texts = [message.text for message in app.queue.messages]
    app.queue.messages.clear()
    for text in texts:
        advance(text, app.process)
    app.clock.advance(600)
    _fire()
    while app.queue.messages and app.load(other).status != "Succeeded":
        app.clock.advance(30)
        app.step()
    assert app.load(other).status == "Succeeded"
    with pytest.raises(UnreadableError):
        app.ledger.load(first.id)
    said = [entry.detail for entry in app.load(behind).timeline if entry.what == "waits"]
    assert len(said) == 1
    assert first.id in said[0]
    (named,) = _points("Unreadable")
    assert first.id in named
    _fire()
    assert len([entry for entry in app.load(behind).timeline if entry.what == "waits"]) == 1

    app.rows.rows[first.partition, first.suffix] = whole
    app.drive()
    assert [app.load(each).status for each in (first, behind)] == ["Succeeded", "Succeeded"]
    _fire()
    assert _points("Unreadable") == []


@pytest.mark.parametrize(("how", "status"), [("newer", 503), ("cut", 409)])
def test_reading_an_operation_that_cannot_be_read_says_so(app: Steward, how: str, status: int) -> None:
    """In ARM's envelope, with what to do."""
    operation = app.submit("PUT", "workspaces/w2", BODY)
    _spoil(app, operation, how)
    answer = front.respond("GET", f"operations/{operation.id}")
    error = json.loads(answer.get_body())["error"]
    assert (answer.status_code, error["code"]) == (status, "OperationUnreadable")
    assert operation.id in error["message"]


def test_a_foreign_row_in_any_table_keeps_the_timers_going(app: Steward) -> None:
    """A row without the columns of ours is passed over by name."""
    operation = app.submit("PUT", "workspaces/w2", BODY)
    app.queue.messages.clear()
    own = services.get()
    overdue = {**FOREIGN.columns, "next_at": app.clock()}
    for table in (app.rows, app.open, own.hook_rows, own.cleanup_rows):
        table.put(FOREIGN)
    own.delivery_rows.put(replace(FOREIGN, columns=overdue))
    app.clock.advance(2 * due.WHOLE.total_seconds())
    _fire()
    assert len(app.messages(operation)) == 1
    assert list(deliveries.in_state("Pending", own)) == []
    found = health.look(own)
    assert found["status"] == "up"
    assert {each["stored"] for each in found["unreadable"]["rows"]} == {"open row 0foreign row", "deliveries row 0foreign row"}


def test_a_poison_message_of_one_that_cannot_be_read_marks_nothing(app: Steward) -> None:
    """Its row keeps it; reconcile goes on with it once it can be read."""
    operation = app.submit("PUT", "workspaces/w2", BODY)
    _spoil(app, operation, "newer")
    assert worker.give_up((steps.MACHINE,), _text(operation.id, operation.step), app.process, "why") is False


def test_an_event_that_cannot_be_put_aside_stays_in_its_queue(app: Steward, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever keeps it from being kept, a setting included: the platform deletes what the function returns from."""
    message: Any = func.QueueMessage(body=b'{"id": "1"}')
    poison = hooks.on_poison._function.get_user_function()

    def fail(*_: Any, **__: Any) -> None:
        raise unavailable()

    with monkeypatch.context() as broken:
        broken.setattr(app.blobs, "put", fail)
        with pytest.raises(Exception, match="storage"):
            poison(message)
    with monkeypatch.context() as broken:
        broken.setattr(services, "get", lambda: services.Services(settings=_unusable()))
        with pytest.raises(ValueError, match="STEWARD_CLOUD"):
            poison(message)
    poison(message)
    assert [name for name in app.blobs.blobs if name.startswith("hooks/dead/")]


def _unusable() -> Settings:
    raise ValueError("STEWARD_CLOUD is 'x'")


def _text(operation: str, step: int) -> str:
    return Message(machine="operation", key=(operation,), step=step).to_text()
