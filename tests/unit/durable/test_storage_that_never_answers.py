"""Storage that takes connections and never answers: each call ends, and no caller is held for longer than 30 seconds."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from shared import health, services
from shared.durable import records, storage, storage_pool
from shared.durable.account import table_rows
from shared.operations import acceptance
from shared.rest import errors
from shared.settings import Settings
from tests.fake_azure import FakeAzure
from tests.fakes import Clock, Fuse
from tests.steward import Steward

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

READ_S = 0.25
HELD_S = 30.0
KEY = "c2VjcmV0"


class Silent:
    """A server that reads what it is sent and says nothing; `asked` has the first line of each request."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self._open: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                taken, _ = self._server.accept()
            except OSError:  # it was shut down
                return
            self._open.append(taken)
            self._threads.append(threading.Thread(target=self._read, args=(taken,)))
            self._threads[-1].start()

    def _read(self, taken: socket.socket) -> None:
        with suppress(OSError):
            if first := taken.recv(4096):
                self.asked.append(first.partition(b"\r")[0])

    def close(self) -> None:
        """End it."""
        self._server.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for each in (self._server, *self._open):
            each.close()


@pytest.fixture
def silent() -> Iterator[Silent]:
    """A storage account that never answers."""
    server = Silent()
    yield server
    server.close()


@pytest.fixture
def app(silent: Silent, monkeypatch: pytest.MonkeyPatch) -> Iterator[services.Services]:
    """The app on it; its patience is a fraction of the real one, and all bounds with it."""
    monkeypatch.setattr(storage_pool, "READ_TIMEOUT_S", READ_S)
    ends = ";".join(f"{name}Endpoint=http://127.0.0.1:{silent.port}/own" for name in ("Blob", "Queue", "Table"))
    app = services.Services(settings=Settings(storage=f"AccountName=own;AccountKey={KEY};{ends}"))
    yield app
    app._pool.session.close()


PATIENCE_S = storage_pool.READ_TIMEOUT_S  # the real one
CALLS: dict[str, tuple[Callable[[services.Services], object], int]] = {
    "a table is opened": (lambda app: app.delivery_rows, 1),
    "rows are read": (lambda app: list(rows(app).query()), 1),
    "a row is read": (lambda app: rows(app).get("a", "b"), 1),
    "a row is written": (lambda app: records.write(rows(app), [storage.Change(verb="insert", row=ROW)]), 2),
    "a blob is read": (lambda app: app.blobs.get("a"), 2),
    "a queue is asked": (lambda app: app.depth("steward-operations"), 2),
    "a request is accepted": (lambda app: acceptance.accept(Steward().request("PUT", "workspaces/w2", {}), app), 1),
}
ROW = storage.Row(partition="a", key="b")


def rows(app: services.Services) -> storage.Rows:
    """A table that was there before storage fell silent."""
    return table_rows.TableRows(app._tables, "own")


@pytest.mark.parametrize("what", CALLS)
def test_a_call_ends(app: services.Services, silent: Silent, what: str) -> None:
    """What is silent is asked once, or twice, and never for minutes."""
    call, most = CALLS[what]
    with pytest.raises(errors.UnreachableError):
        call(app)
    assert 1 <= len(silent.asked) <= most
    assert most * (PATIENCE_S + 1) <= HELD_S


def test_callers_that_wait_for_a_part_to_be_opened_do_not_queue_up(app: services.Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """One opens it; another gives up after a while, instead of waiting for all those before it."""
    monkeypatch.setattr(services, "OPEN_S", 0.05)
    with ThreadPoolExecutor(1) as pool, services._OpenedOnce._guard:  # this thread opens something
        waits = pool.submit(lambda: app.ledger)
        assert isinstance(waits.exception(timeout=30), errors.UnreachableError)


def test_the_page_for_people_in_trouble_names_what_does_not_answer(app: services.Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part has a bound of its own, however long storage is silent."""
    monkeypatch.setattr(health, "LOOK_S", 0.05)
    app.__dict__["client"] = FakeAzure(Clock(), Fuse())
    found = health.look(app)
    assert found["status"] == "degraded"
    assert {found[part]["error"]["code"] for part in ("queues", "timers", "deliveries")} == {"NoAnswer"}
    for thread in threading.enumerate():  # the bound has left them behind; they end by themselves
        if thread.name.startswith(("vitals", "depth")):
            thread.join()
