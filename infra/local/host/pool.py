"""Worker processes: starts them, spreads invocations over them, starts them again when they die.

Not a scheduler: an invocation goes at once to the worker with the fewest running; the worker's own threads are the limit.
"""

import logging
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from infra.local.host.invocation import Invocation, InvocationLostError, Result
from infra.local.host.logs import LIBRARY_LOGGER

log = logging.getLogger("Host.Workers")
PROJECT = Path(__file__).parents[3]
START_LIMIT_S = 60.0
RESTART_DELAYS_S = (0.0, 0.5, 1.0, 2.0, 5.0)


class AppLoadError(Exception):
    """The app cannot be imported or indexed; the message is the traceback."""


@dataclass(slots=True, kw_only=True)
class _Running:
    """An invocation under way in a worker."""

    future: Future[Result]
    function: str
    started_s: float


@dataclass(slots=True, kw_only=True, eq=False)
class _Worker:
    """One process and what it is running; guarded by the pool's lock."""

    process: subprocess.Popen[bytes]
    connection: Connection
    running: dict[str, _Running] = field(default_factory=dict)
    sending: threading.Lock = field(default_factory=threading.Lock)


class Pool:
    """The worker processes of one app.

    Args:
        root: The app's folder, with ``function_app.py``.
        environment: Environment of the workers: the app settings among it.
        count: How many processes.
        function_timeout_s: A worker whose function runs longer is ended (host.json ``functionTimeout``); ``None``: never.
    """

    def __init__(
        self, root: Path, environment: Mapping[str, str], *, count: int = 1, function_timeout_s: float | None = None
    ) -> None:
        self._root, self._environment, self._count = root, dict(environment), count
        self._function_timeout_s = function_timeout_s
        self._workers: list[_Worker] = []
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._names: dict[str, str] = {}
        self._functions: list[dict[str, Any]] = []
        self._dropped: Counter[str] = Counter()

    def start(self) -> list[dict[str, Any]]:
        """Start all workers and return the functions they found: ``name``, ``id``, ``bindings`` (JSON texts), ``retry``.

        Raises:
            AppLoadError: The app cannot be loaded.
        """
        starting = [self._launch() for _ in range(self._count)]
        try:
            for worker in starting:
                self._functions = self._handshake(worker)
        except AppLoadError:
            for worker in starting:
                worker.process.kill()
                worker.process.wait()
            raise
        self._names = {function["id"]: function["name"] for function in self._functions}
        for slot, worker in enumerate(starting):
            self._admit(worker)
            threading.Thread(target=self._keep, args=(slot, worker), daemon=True, name=f"worker-{slot}").start()
        if self._function_timeout_s is not None:
            threading.Thread(target=self._enforce_timeout, daemon=True, name="function-timeout").start()
        return self._functions

    def invoke(self, invocation: Invocation) -> Future[Result]:
        """Run an invocation in the least busy worker; waits for one to be there, at most 60 seconds.

        The future raises ``InvocationLostError`` if the worker ends before it answers.
        """
        future: Future[Result] = Future()
        name = self._names[invocation.function_id]
        with self._changed:
            if not self._changed.wait_for(lambda: self._workers, timeout=START_LIMIT_S):
                future.set_exception(InvocationLostError(f"no worker process to run {name}"))
                return future
            worker = min(self._workers, key=lambda candidate: len(candidate.running))
            running = _Running(future=future, function=name, started_s=time.monotonic())
            worker.running[invocation.id] = running
        try:
            with worker.sending:
                worker.connection.send(invocation)
        except OSError:
            worker.process.kill()  # its reader settles the future
        return future

    def function_of(self, invocation_id: str) -> str | None:
        """Name of the function an invocation under way belongs to."""
        with self._changed:
            found = (worker.running.get(invocation_id) for worker in self._workers)
            return next((running.function for running in found if running), None)

    def in_flight(self) -> int:
        """How many invocations are under way."""
        with self._changed:
            return sum(len(worker.running) for worker in self._workers)

    def dropped_lines(self) -> dict[str, int]:
        """How many log lines of the app were dropped, by its logger's name: those that belong to no invocation under way."""
        with self._changed:
            return dict(self._dropped)

    def pids(self) -> list[int]:
        """Process ids of the workers that are up."""
        with self._changed:
            return [worker.process.pid for worker in self._workers]

    def wait_idle(self, grace_s: float) -> bool:
        """Wait until nothing runs any more; false if that takes longer than ``grace_s`` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not any(w.running for w in self._workers), timeout=grace_s)

    def stop(self, patience_s: float = 2.0) -> None:
        """Ask the workers to end; kill those that have not after ``patience_s`` seconds."""
        self._stopping.set()
        with self._changed:
            workers = list(self._workers)
        for worker in workers:
            try:
                with worker.sending:
                    worker.connection.send(None)
            except OSError:
                continue
        for worker in workers:
            try:
                worker.process.wait(timeout=patience_s)
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()

    def _launch(self) -> _Worker:
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", "infra.local.host.worker", str(theirs.fileno()), str(self._root)],
                cwd=PROJECT,
                env=self._environment,
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr,
                stderr=sys.stderr,
                start_new_session=True,
            )
        return _Worker(process=process, connection=Connection(ours.detach()))

    def _handshake(self, worker: _Worker) -> list[dict[str, Any]]:
        deadline = time.monotonic() + START_LIMIT_S
        while worker.connection.poll(max(0.0, deadline - time.monotonic())):
            try:
                kind, *content = worker.connection.recv()
            except (EOFError, OSError):
                raise AppLoadError("the worker process ended while loading the app; see its output above") from None
            if kind == "failed":
                raise AppLoadError(content[0])
            if kind == "ready":
                functions: list[dict[str, Any]] = content[0]
                return functions
            self._log(content)
        raise AppLoadError(f"loading the app took longer than {START_LIMIT_S:.0f} s")

    def _admit(self, worker: _Worker) -> None:
        with self._changed:
            self._workers.append(worker)
            self._changed.notify_all()

    def _keep(self, slot: int, worker: _Worker) -> None:
        """Serve one worker until it ends, then its successors, until the host stops."""
        failures = 0
        while True:
            self._listen(worker)
            self._bury(worker)
            while not self._stopping.wait(RESTART_DELAYS_S[min(failures, len(RESTART_DELAYS_S) - 1)]):
                successor = self._launch()
                try:
                    self._handshake(successor)
                except AppLoadError as problem:
                    failures += 1
                    log.error("worker %d did not come back: %s", slot, problem)  # noqa: TRY400 - holds the traceback
                    successor.process.kill()
                    successor.process.wait()
                    continue
                worker, failures = successor, 0
                self._admit(worker)
                log.info("worker %d is back as process %d", slot, worker.process.pid)
                break
            else:
                return

    def _listen(self, worker: _Worker) -> None:
        while True:
            try:
                kind, *content = worker.connection.recv()
            except (EOFError, OSError):
                return
            if kind == "log":
                self._log(content)
                continue
            with self._changed:
                running = worker.running.pop(content[0], None)
                self._changed.notify_all()
            if running:
                running.future.set_result(content[1])

    def _bury(self, worker: _Worker) -> None:
        with self._changed:
            self._workers.remove(worker)
            lost = list(worker.running.values())
            worker.running.clear()
            self._changed.notify_all()
        worker.process.kill()
        code = worker.process.wait()
        with worker.sending:
            worker.connection.close()
        if not self._stopping.is_set():
            log.error("worker process %d ended (%d) with %d invocations under way", worker.process.pid, code, len(lost))
        for running in lost:
            running.future.set_exception(InvocationLostError(f"worker process {worker.process.pid} ended"))

    def _enforce_timeout(self) -> None:
        limit_s = self._function_timeout_s or float("inf")
        while not self._stopping.wait(min(1.0, limit_s / 4)):
            with self._changed:
                late = [
                    (worker, running.function)
                    for worker in self._workers
                    for running in worker.running.values()
                    if time.monotonic() - running.started_s > limit_s
                ]
            for worker, name in late:
                log.error("function %s ran longer than %g s: its worker process is ended", name, limit_s)
                worker.process.kill()

    def _log(self, content: list[Any]) -> None:
        """Write a line of a worker's; one of the app's that belongs to no invocation under way is dropped and counted.

        So does Azure (https://github.com/Azure/azure-functions-host/pull/10796), but without a word.
        """
        level, source, text, invocation_id = content
        name = self.function_of(invocation_id) if invocation_id else None
        if name:
            logging.getLogger(f"Function.{name}.User").log(level, "%s", text, extra={"invocation_id": invocation_id})
        elif source.startswith(LIBRARY_LOGGER):
            logging.getLogger(f"Worker.{source}").log(level, "%s", text)
        else:
            with self._changed:
                self._dropped[source] += 1
                first = self._dropped[source] == 1
            if first:
                message = "a log line of %s belongs to no invocation: dropped, as Azure does; /admin/host/status has the count"
                log.warning(message, source)


def worker_environment(settings: Mapping[str, str], *, root: Path, port: int) -> dict[str, str]:
    """The environment of the workers: what the platform adds, and over it the app settings."""
    return {
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
        "AzureWebJobsScriptRoot": str(root),
        "WEBSITE_HOSTNAME": f"127.0.0.1:{port}",
        **settings,
    }
