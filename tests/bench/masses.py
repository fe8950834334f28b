"""Thousands of pieces of work on the running stack while workers are killed, and what each piece cost: the ground of those benches.

Processor time and transactions with storage are what a shared machine does not change; seconds are. Not here: the work
(async_scores, expiries, recipes).
"""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import requests
from requests.adapters import HTTPAdapter

from infra.local import stack
from tests.bench import processes, storage_calls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.local.demo.client import Steward

PATIENCE_S = 1_800.0
PAUSE_S = 0.2
GONE = (500, 502, 503, 504)  # said by a host whose worker is not there


@dataclass(kw_only=True)
class Ground:
    """A running stack, and what was spent on it.

    Attributes:
        caller, azure, app, meter: Its parts.
        session: For many requests at once, with the app's key.
        kills: Workers that were killed so far.
        seconds, cpu_s, calls: What the work inside `spending` took: time, the app's processors, transactions with storage.
    """

    caller: Steward
    azure: stack.Azure
    app: stack.App
    meter: storage_calls.Meter
    session: requests.Session
    kills: int = 0
    seconds: float = 0.0
    cpu_s: float = 0.0
    calls: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def spending(self, kills: int, every_s: float) -> Iterator[None]:
        """Count what the work inside takes, and kill a worker every so often; the host starts another."""
        self.meter.settled()
        began, cpu_s = time.monotonic(), processes.tree_cpu_s(self.app.part.process.pid)
        reaper = threading.Thread(target=self._reaping, args=(kills, every_s))
        reaper.start()
        try:
            yield
        finally:
            self.over.set()
            reaper.join()
        self.seconds = time.monotonic() - began
        counted = self.meter.settled()
        self.calls = counted.total() + counted["message"]
        self.cpu_s = processes.tree_cpu_s(self.app.part.process.pid) - cpu_s

    def _reaping(self, kills: int, every_s: float) -> None:
        while self.kills < kills and not self.over.wait(every_s):
            for worker in processes.workers(self.app.part.process.pid)[:1]:
                os.kill(worker, signal.SIGKILL)
                self.kills += 1

    def ask(self, method: str, path: str, **options: object) -> requests.Response:
        """Ask until a worker has answered, as a caller does whose connection broke.

        Raises:
            RuntimeError: none has, for a long time.
        """
        end, said = time.monotonic() + PATIENCE_S, "nothing"
        while time.monotonic() < end:
            try:
                answer = self.session.request(method, f"{self.app.url}/api/{path.lstrip('/')}", timeout=90, **options)  # type: ignore[arg-type]
            except requests.RequestException as problem:
                said = str(problem)
            else:
                if answer.status_code not in GONE:
                    return answer
                said = f"{answer.status_code} {answer.text[:300]}"
            time.sleep(PAUSE_S)
        message = f"{method} {path}: {said}"
        raise RuntimeError(message)

    def spent(self, pieces: int, what: str) -> str:
        """Return in words what a piece cost."""
        each = f"{1_000 * self.cpu_s / pieces:.1f} CPU ms, {self.calls / pieces:.2f} storage calls a {what}"
        return f"{each}; {self.seconds:.0f} s in all, {self.kills} kills"


@contextlib.contextmanager
def ground(callers: int) -> Iterator[Ground]:
    """Start a stack for so many requests at once; its timers run, as they find what a killed worker had in hand."""
    with tempfile.TemporaryDirectory() as state:
        options = stack.Options(state=Path(state), transitions="immediate", events=False)
        with storage_calls.metered(options, timers=True) as (caller, meter, _, azure, app), requests.Session() as session:
            session.trust_env = False
            session.headers["x-functions-key"] = app.key
            session.mount("http://", HTTPAdapter(pool_maxsize=callers))
            yield Ground(caller=caller, azure=azure, app=app, meter=meter, session=session)


def span(operation: dict[str, str]) -> tuple[float, float]:
    """Return when an operation, or a run, was accepted, and when it ended, in seconds."""
    began, ended = (datetime.fromisoformat(operation[name]).timestamp() for name in ("startTime", "endTime"))
    return began, ended
