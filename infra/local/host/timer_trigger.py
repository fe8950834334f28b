"""Timer triggers: runs a function when its schedule is due, one run at a time, whatever the number of workers.

Like the platform's timer extension (azure-webjobs-sdk-extensions) it keeps when a timer last ran and is next due in a
blob under ``azure-webjobs-hosts/timers``; a timer that came due while nothing was running fires at the next start, with
``past_due`` true. When a timer is due is ``schedule``'s to say.
"""

import hashlib
import json
import logging
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from azure.core.exceptions import AzureError, ResourceNotFoundError

from infra.local.host import schedule, storage
from infra.local.host.functions import Function
from infra.local.host.invocation import InvocationLostError
from infra.local.host.runner import Runner

log = logging.getLogger("Host.Triggers.Timer")
_LONGEST_WAIT_S = 3600.0
_MONITORED_FROM = timedelta(minutes=1)  # the platform does not monitor more frequent timers


class Monitor(Protocol):
    """Remembers a timer's ``Last``, ``Next`` and ``LastUpdated`` (ISO 8601) over restarts."""

    def read(self) -> dict[str, str] | None:
        """What was remembered, if anything."""

    def write(self, status: dict[str, str]) -> None:
        """Remember."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobMonitor:
    """Remembers in the blob where the platform does.

    Attributes:
        connection: Storage connection string.
        path: Name of the blob in ``azure-webjobs-hosts``.
    """

    connection: str
    path: str

    def read(self) -> dict[str, str] | None:
        """What was remembered; nothing if storage does not answer."""
        try:
            with storage.host_blob(self.connection, self.path) as blob:
                status: dict[str, str] = json.loads(blob.download_blob().readall())
        except ResourceNotFoundError:
            return None
        except (AzureError, ValueError) as problem:
            log.warning("%s cannot be read: %s", self.path, problem)
            return None
        return status

    def write(self, status: dict[str, str]) -> None:
        """Remember; a failure is logged, the timer goes on."""
        try:
            with storage.host_blob(self.connection, self.path) as blob:
                try:
                    blob.upload_blob(json.dumps(status), overwrite=True)
                except ResourceNotFoundError:
                    storage.create_host_container(self.connection)
                    blob.upload_blob(json.dumps(status), overwrite=True)
        except AzureError as problem:
            log.warning("%s cannot be written: %s", self.path, problem)


def monitor_path(root: Path, function: Function) -> str:
    """Name of a timer's blob: the app's folder stands for its host id."""
    host_id = hashlib.sha256(str(root).encode()).hexdigest()[:32]
    return f"timers/{host_id}/Host.Functions.{function.name}/status"


class Timer:
    """One timer function."""

    def __init__(self, function: Function, runner: Runner, monitor: Monitor | None) -> None:
        self._function, self._runner = function, runner
        self._schedule = str(function.trigger["schedule"])
        self._monitor = monitor if self._is_monitored() else None
        self._status: dict[str, str] | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True, name=f"timer-{function.name}")

    def start(self) -> None:
        """Begin to watch the clock, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Fire no more; a run under way goes on."""
        self._stopping.set()

    def wait_idle(self, grace_s: float) -> bool:
        """Wait for the run under way; false if it takes longer than ``grace_s`` seconds."""
        self._thread.join(grace_s)
        return not self._thread.is_alive()

    def _is_monitored(self) -> bool:
        first = schedule.next_due(self._schedule, datetime.now(UTC))
        frequent = schedule.next_due(self._schedule, first) - first < _MONITORED_FROM
        return bool(self._function.trigger.get("useMonitor", True)) and not frequent

    def _serve(self) -> None:
        started = datetime.now(UTC)
        self._status = self._monitor.read() if self._monitor else None
        if self._status and missed(self._schedule, self._status, started):
            self._fire(past_due=True)
        elif self._function.trigger.get("runOnStartup"):
            self._fire(past_due=False)
        elif self._status is None:
            self._remember(None)
        due = schedule.next_due(self._schedule, datetime.now(UTC))
        while not self._stopping.is_set():
            left_s = (due - datetime.now(UTC)).total_seconds()
            if left_s > 0:
                self._stopping.wait(min(left_s, _LONGEST_WAIT_S))
                continue
            self._fire(past_due=False)
            due = schedule.next_due(self._schedule, max(due, datetime.now(UTC)))

    def _fire(self, *, past_due: bool) -> None:
        now = datetime.now(UTC)
        try:
            run(self._function, self._runner, f"Timer fired at {now.isoformat()}", self._status, past_due=past_due)
        except InvocationLostError as problem:
            log.warning("timer %s: %s; it fires again when it is next due", self._function.name, problem)
        self._remember(now)

    def _remember(self, last: datetime | None) -> None:
        now = datetime.now(UTC)
        if self._monitor is None:
            return
        self._status = {
            "Last": last.isoformat() if last else "0001-01-01T00:00:00+00:00",
            "Next": schedule.next_due(self._schedule, now).isoformat(),
            "LastUpdated": now.isoformat(),
        }
        self._monitor.write(self._status)


def missed(expression: str, status: dict[str, str], now: datetime) -> bool:
    """Whether a timer came due between its remembered status and ``now``; a schedule changed since then starts its count again."""
    try:
        due, updated = (datetime.fromisoformat(status[name]) for name in ("Next", "LastUpdated"))
    except (KeyError, ValueError):
        return False
    if schedule.next_due(expression, due - timedelta(seconds=1)) != due:
        due = schedule.next_due(expression, updated)
    return due < now


def run(function: Function, runner: Runner, reason: str, status: dict[str, str] | None, *, past_due: bool) -> None:
    """Run a timer function once.

    Raises:
        InvocationLostError: The worker process ended meanwhile.
    """
    info: dict[str, Any] = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": status, "IsPastDue": past_due}
    runner.run(function, {function.parameter: ("json", json.dumps(info))}, reason=reason)
