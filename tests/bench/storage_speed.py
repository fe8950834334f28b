"""What the app's own storage costs its process: ours, Azure's libraries, and the bare requests, in turns on one Azurite.

The bare requests are signed by hand and sent over a connection that stays open: the limit, which stores what ours stores. All go in
rounds, there and back, so that a busy machine slows all of them alike. Then the lists that grow with what is recorded.
Not here: what a caller waits for (requests), how many transactions that is (storage_calls).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import statistics
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Protocol

import urllib3
from azure.data.tables import TableServiceClient
from azure.storage.queue import QueueClient, TextBase64EncodePolicy

from infra.local import azurite
from shared import services
from shared.durable import worker
from shared.durable.account import table_rows
from shared.durable.storage import Change, Row
from shared.operations import acceptance, ledger, listing, steps
from shared.settings import Settings
from tests.steward import Steward

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

CALLERS = (1, 16, 32)
ROUNDS, EACH = 6, 64
GROWTH = (100, 1_000, 10_000)
COLUMNS = {"status": "Running", "json0": "y" * 1_500}  # about what an operation's row holds
MESSAGE = "x" * 107
ENTRY = Row(partition="", key="a", columns={"target": "/w"})


class Store(Protocol):
    """One way to the account."""

    def put(self, row: Row) -> None:
        """Write a row, whatever is there."""

    def insert(self, *rows: Row) -> None:
        """Write new rows of one partition."""

    def read(self, partition: str, key: str) -> None:
        """Read a row."""

    def message(self) -> None:
        """Put a message."""


class Ours:
    """The app's own way."""

    def __init__(self, connection: str) -> None:
        app = services.Services(settings=Settings(storage=connection))
        self._rows, self._queue = app._rows("bench"), app.queue_named("bench")
        self.put = self._rows.put

    def insert(self, *rows: Row) -> None:
        """See `Store`."""
        self._rows.write([Change(verb="insert", row=row) for row in rows])

    def read(self, partition: str, key: str) -> None:
        """See `Store`."""
        self._rows.get(partition, key)

    def message(self) -> None:
        """See `Store`."""
        self._queue.send(MESSAGE)


class Libraries:
    """azure-data-tables and azure-storage-queue."""

    def __init__(self, connection: str) -> None:
        self._table = TableServiceClient.from_connection_string(connection).create_table_if_not_exists("bench")
        self._queue = QueueClient.from_connection_string(connection, "bench", message_encode_policy=TextBase64EncodePolicy())
        self.make_queue = self._queue.create_queue

    def put(self, row: Row) -> None:
        """See `Store`."""
        self._table.upsert_entity({"PartitionKey": row.partition, "RowKey": row.key, **row.columns})

    def insert(self, *rows: Row) -> None:
        """See `Store`."""
        entities: list[dict[str, Any]] = [{"PartitionKey": row.partition, "RowKey": row.key, **row.columns} for row in rows]
        if len(entities) > 1:
            self._table.submit_transaction([("create", entity) for entity in entities])
        else:
            self._table.create_entity(entities[0])

    def read(self, partition: str, key: str) -> None:
        """See `Store`."""
        self._table.get_entity(partition, key)

    def message(self) -> None:
        """See `Store`."""
        self._queue.send_message(MESSAGE, time_to_live=-1)


class Bare:
    """The requests themselves: one row in each, and no look at the answer but its status."""

    def __init__(self, connection: str) -> None:
        said = dict(part.split("=", 1) for part in connection.split(";") if part)
        self._name, self._key = said["AccountName"], base64.b64decode(said["AccountKey"])
        self._tables, self._queues = (said[f"{sort}Endpoint"].rstrip("/") for sort in ("Table", "Queue"))
        self._pool = urllib3.PoolManager(maxsize=max(CALLERS), retries=False)

    def _send(self, method: str, path: str, content: bytes = b"", **headers: str) -> None:
        date = formatdate(usegmt=True)
        signed = hmac.digest(self._key, f"{date}\n/{self._name}/{self._name}{path}".encode(), hashlib.sha256)
        headers |= {"x-ms-date": date, "Authorization": f"SharedKeyLite {self._name}:{base64.b64encode(signed).decode()}"}
        headers |= {"Accept": table_rows.JSON, "Content-Type": table_rows.JSON, "x-ms-version": "2021-12-02"}
        answer = self._pool.request(method, f"{self._tables}{path}", body=content, headers=headers)
        if answer.status >= 400:
            raise RuntimeError(answer.data)

    def put(self, row: Row) -> None:
        """See `Store`."""
        self._send("PUT", f"/bench(PartitionKey='{row.partition}',RowKey='{row.key}')", table_rows._entity(row))

    def insert(self, *rows: Row) -> None:
        """See `Store`."""
        for row in rows:
            self._send("POST", "/bench", table_rows._entity(row), Prefer="return-no-content")

    def read(self, partition: str, key: str) -> None:
        """See `Store`."""
        self._send("GET", f"/bench(PartitionKey='{partition}',RowKey='{key}')")

    def message(self) -> None:
        """See `Store`."""
        date, path = formatdate(usegmt=True), f"/{self._name}/bench/messages"
        body = f"<QueueMessage><MessageText>{base64.b64encode(MESSAGE.encode()).decode()}</MessageText></QueueMessage>".encode()
        text = (
            f"POST\n\n\n{len(body)}\n\n\n\n\n\n\n\n\nx-ms-date:{date}\nx-ms-version:2021-12-02\n/{self._name}{path}\nmessagettl:-1"
        )
        signed = base64.b64encode(hmac.digest(self._key, text.encode(), hashlib.sha256)).decode()
        headers = {"x-ms-date": date, "x-ms-version": "2021-12-02", "Authorization": f"SharedKey {self._name}:{signed}"}
        answer = self._pool.request("POST", f"{self._queues}/bench/messages?messagettl=-1", body=body, headers=headers)
        if answer.status != 201:
            raise RuntimeError(answer.data)


@dataclass(slots=True)
class Timed:
    """How long one thing took, each time; and the process's time for all of it."""

    seconds: list[float] = field(default_factory=list)
    cpu_s: float = 0.0
    wall_s: float = 0.0

    @property
    def row(self) -> tuple[str, str, str, str]:
        """Median and p95 in milliseconds, processor milliseconds of one, and how many in a second."""
        p95 = statistics.quantiles(self.seconds, n=20)[-1]
        figures = statistics.median(self.seconds) * 1000, p95 * 1000, self.cpu_s / len(self.seconds) * 1000
        return (*(f"{figure:.2f}" for figure in figures), f"{len(self.seconds) / self.wall_s:.0f}")  # type: ignore[return-value]


def run() -> dict[tuple[str, str, int], Timed]:
    """Return what is done, by whom, and by how many at once → how long it took."""
    with azurite.start(None) as running:
        connection = running.connection_string()
        ways: dict[str, Store] = {"ours": Ours(connection), "libraries": Libraries(connection), "bare": Bare(connection)}
        ways["ours"].message()  # makes the queue
        work = {(what, who): _work(what, way) for what in WORK for who, way in ways.items()}
        work["accept", "ours"] = _accepting(connection)
        work["accept", "libraries"], work["accept", "bare"] = (work["insert, message", who] for who in ("libraries", "bare"))
        return _measured(work)


def _put_two_message(way: Store) -> None:
    partition = uuid.uuid4().hex
    way.put(replace(ENTRY, partition=partition))
    way.insert(*(Row(partition=partition, key=key, columns=COLUMNS) for key in "bc"))
    way.message()


def _insert_message(way: Store) -> None:
    way.insert(Row(partition=uuid.uuid4().hex, key="a", columns=COLUMNS))
    way.message()


WORK: dict[str, Callable[[Store], None]] = {
    "read": lambda way: way.read("kept", "a"),
    "insert, message": _insert_message,
    "put, two rows, message": _put_two_message,
}


def _work(what: str, way: Store) -> Callable[[], None]:
    way.put(replace(ENTRY, partition="kept"))
    return lambda: WORK[what](way)


def _accepting(connection: str) -> Callable[[], None]:
    """Accept a request and queue it, as `Prefer: respond-async` does."""
    app, numbers, steward = services.Services(settings=Settings(storage=connection)), itertools.count(), Steward()

    def accept() -> None:
        request = steward.request("PUT", f"workspaces/w{next(numbers)}", {"location": "westeurope"})
        worker.queued(steps.MACHINE, acceptance.accept(request, app)[0], 0.0, app)

    return accept


def _measured(work: dict[tuple[str, str], Callable[[], None]]) -> dict[tuple[str, str, int], Timed]:
    timed = {(*name, callers): Timed() for callers in CALLERS for name in work}
    for callers in CALLERS:
        with ThreadPoolExecutor(callers) as pool:
            gate = threading.Barrier(callers)
            for opening in [pool.submit(_opened, gate, work.values()) for _ in range(callers)]:
                opening.result()
            for number in range(ROUNDS):
                for name in list(work) if number % 2 == 0 else reversed(work):
                    kept = timed[*name, callers]
                    cpu_s, began = time.process_time(), time.perf_counter()
                    kept.seconds += pool.map(_once, [work[name]] * EACH)
                    kept.cpu_s += time.process_time() - cpu_s
                    kept.wall_s += time.perf_counter() - began
    return timed


def _opened(gate: threading.Barrier, work: Iterable[Callable[[], None]]) -> None:
    """Do each thing once, beside the other callers, so that each has its connection."""
    gate.wait()
    for each in work:
        each()


def _once(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def grown() -> dict[tuple[str, int], Timed]:
    """Return each list, and how many rows it has → how long a page of it, or a tick over it, took; nothing in it is due."""
    with azurite.start(None) as running:
        app = services.Services(settings=Settings(storage=running.connection_string()))
        own, now, there = app.ledger, app.clock(), 0
        timed: dict[tuple[str, int], Timed] = {}
        like = acceptance._operation(Steward().request("PUT", "workspaces/w", {"location": "westeurope", "x": "y" * 800}), app)

        def record(number: int) -> None:
            partition = hashlib.sha256(str(number).encode()).hexdigest()[:20]
            made = {"id": f"{partition}-{partition[::-1]}", "created_at": now - timedelta(seconds=number)}
            operation = replace(like, due_at=now + timedelta(days=1), **made)  # type: ignore[arg-type]
            own.rows.put(ledger._row_of(operation))
            own._open.put(ledger._open_row(operation))

        work: dict[str, Callable[[], object]] = {
            "page of 50": lambda: listing.page(listing.Wanted(top=50), own, now, lambda: False),
            "the scan below it": lambda: list(
                own.rows.query(least={"created_at": now - timedelta(days=1)}, columns=("created_at",))
            ),
            "tick": lambda: list(own.open.due(now.replace(minute=1))),
        }
        for size in GROWTH:
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(record, range(there, size)))
            there = size
            work["tick"]()  # the first one counts
            for name in (*work, *reversed(work)):
                kept = timed.setdefault((name, size), Timed())
                cpu_s, began = time.process_time(), time.perf_counter()
                kept.seconds += [_once(work[name]) for _ in range(5)]  # type: ignore[arg-type]
                kept.cpu_s += time.process_time() - cpu_s
                kept.wall_s += time.perf_counter() - began
        return timed
