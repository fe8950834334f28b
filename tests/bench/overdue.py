"""What reconcile takes after an outage: `python -m tests.bench.overdue` lets the messages of 10,000 operations be lost.

On real tables and queues (Azurite): a tick while they are open and none is due; an hour later the tick that finds all of them,
and the pages that it queued, in as many workers as there are cores. Not here: the platform, which hands the pages out.
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from infra.local import azurite
from shared import machines, services, settings
from shared.durable.storage_clock import StorageClock, utc_now
from shared.operations import steps
from tests.steward import Steward

if TYPE_CHECKING:
    from collections.abc import Callable

THREADS = 8  # of a worker, and of the fill
BODY = {"location": "westeurope", "properties": {}}
DUE_IN = timedelta(hours=1)
LATER = timedelta(hours=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdue:
    """What it came to.

    Attributes:
        rows, woken: How many were overdue, and how many of them were queued again.
        tick_s, whole_s: Of the tick, and until the last page was done.
        pages: Messages that the tick queued for the others.
        calls: To storage, in all.
        idle_ms, idle_calls: Of a tick with so many open ones of which none is due.
    """

    rows: int
    woken: int
    tick_s: float
    whole_s: float
    pages: int
    calls: int
    idle_ms: float
    idle_calls: int


class Counted(StorageClock):
    """A clock that may be ahead, and counts the answers of storage instead of going by them."""

    def __init__(self, ahead: timedelta) -> None:
        super().__init__(lambda: utc_now() + ahead)
        self.answers = 0
        self._numbers = itertools.count(1)

    def heard(self, date: str, took_s: float) -> None:
        """See `StorageClock.heard`."""
        self.answers = next(self._numbers)


def run(count: int, processes: int) -> Overdue:
    """Return what reconcile takes for so many."""
    with azurite.start(None) as storage:
        app = _app(storage.connection_string(), timedelta(0))
        app.prepare()
        _fill(app, count)
        idle_ms, idle_calls = min(_idle(app) for _ in range(3))
        app = _app(storage.connection_string(), LATER)
        queued, before, began = _queued(app), _answers(app), time.perf_counter()
        woken = machines.reconcile(app)[steps.MACHINE.name]
        tick_s, calls = time.perf_counter() - began, _answers(app) - before
        pages = [text for text in queued() if "overdue" in json.loads(text)]
        began = time.perf_counter() - tick_s
        spawned = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(processes, mp_context=spawned) as pool:
            shares = [pages[n::processes] for n in range(processes)]
            done = list(pool.map(partial(_worker, storage.connection_string()), shares))
        whole_s = time.perf_counter() - began
    woken, calls = woken + sum(each for each, _ in done), calls + sum(each for _, each in done)
    return Overdue(
        rows=count,
        woken=woken,
        tick_s=tick_s,
        whole_s=whole_s,
        pages=len(pages),
        calls=calls,
        idle_ms=idle_ms,
        idle_calls=idle_calls,
    )


def _app(connection: str, ahead: timedelta) -> services.Services:
    return services.Services(settings=settings.from_environ({"AzureWebJobsStorage": connection}), clock=Counted(ahead))


def _answers(app: services.Services) -> int:
    return app.clock.answers if isinstance(app.clock, Counted) else 0


def _fill(app: services.Services, count: int) -> None:
    """Record operations whose first message was lost."""
    steward, now = Steward(), app.clock()
    made = [steward.submit("PUT", f"workspaces/many{number}", BODY, respond_async=True) for number in range(count)]
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(app.ledger.insert, (replace(each, created_at=now, due_at=now + DUE_IN) for each in made)))


def _queued(app: services.Services) -> Callable[[], list[str]]:
    """Note what is sent to the queue of operations from now on, on its way there."""
    queue: Any = app.queue
    send, sent = queue.send, list[str]()

    def noted(text: str, *, delay_s: float = 0.0) -> None:
        send(text, delay_s=delay_s)
        sent.append(text)

    queue.send = noted
    return lambda: list(sent)


def _worker(connection: str, pages: list[str]) -> tuple[int, int]:
    """Take pages as a worker does; returns how many operations were queued again, and how many calls that took."""
    logging.disable(logging.CRITICAL)
    app = _app(connection, LATER)
    queued = _queued(app)
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda text: machines.take(steps.MACHINE.queue, text, app), pages))
    return len(queued()), _answers(app)


def _idle(app: services.Services) -> tuple[float, int]:
    """Return the milliseconds and the calls of a tick for which nothing is due."""
    before, began = _answers(app), time.perf_counter()
    machines.reconcile(app)
    return 1000 * (time.perf_counter() - began), _answers(app) - before


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.overdue", description=__doc__)
    parser.add_argument("--operations", type=int, default=10_000, help="so many are overdue")
    parser.add_argument("--workers", type=int, default=os.process_cpu_count(), help="processes that take pages")
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)
    found = run(asked.operations, asked.workers)
    table = Table("", "", title=f"{found.rows:,} overdue operations, {asked.workers} workers of {THREADS} threads, Azurite")
    for name, value in (
        ("queued again", f"{found.woken:,}"),
        ("the tick itself", f"{found.tick_s:.1f} s"),
        ("until the last page was done", f"{found.whole_s:.1f} s"),
        ("messages with pages", f"{found.pages}"),
        ("calls to storage for each", f"{found.calls / found.rows:.1f}"),
        ("a tick with as many open, none due", f"{found.idle_ms:.0f} ms, {found.idle_calls} calls"),
    ):
        table.add_row(name, value)
    Console().print(table)


if __name__ == "__main__":
    main()
