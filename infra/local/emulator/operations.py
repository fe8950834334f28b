"""Long-running operations: started by a write, asked about by polls, ended by the transition of their kind.

Nothing runs in the background here: an operation is settled at the next look (a poll, or any request at all), so the
order of events is the order of requests. Not here: what a status body looks like; each Azure service has its own.
"""

from __future__ import annotations

import itertools
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from infra.local.emulator.transitions import Transition, Transitions

RUNNING, SUCCEEDED, FAILED, CANCELED = "InProgress", "Succeeded", "Failed", "Canceled"


class OperationFailedError(Exception):
    """Raised by an operation's `finish`: it ends Failed with this ARM error."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(error.get("code"))
        self.error = dict(error)


@dataclass(slots=True, kw_only=True)
class Operation:
    """One long-running operation.

    Attributes:
        id: as it stands in its status URL.
        kind: names the transition, e.g. `compute.start`.
        target: the ARM id it works on.
        ready: false while something real (a server starting) is not done, whatever the transition says.
        finish: makes it so, and returns the result; raises `OperationFailedError`.
        failed: undoes or marks what the failed operation leaves behind.
        then: called once when it has ended, with or without success.
        polls: running answers given so far.
        hidden: the service's own notes (body style, running word).
    """

    id: str
    kind: str
    target: str
    started_at: datetime
    due_at: datetime
    transition: Transition
    ready: Callable[[], bool]
    finish: Callable[[], Any]
    failed: Callable[[dict[str, Any]], None]
    forced_error: Mapping[str, Any] | None = None
    status: str = RUNNING
    polls: int = 0
    error: dict[str, Any] | None = None
    result: Any = None
    ended_at: datetime | None = None
    hidden: dict[str, Any] = field(default_factory=dict)
    then: Callable[[Operation], None] = lambda _operation: None

    @property
    def ended(self) -> bool:
        """Whether the status is final."""
        return self.status != RUNNING


class Operations:
    """All operations by id.

    Args:
        now: the world's clock.
        lock: the world's lock: `ready`, `finish` and `failed` run under it and must be quick.
        transitions: the rules.
    """

    def __init__(self, now: Callable[[], datetime], lock: threading.RLock, transitions: Transitions) -> None:
        self._now = now
        self._lock = lock
        self._transitions = transitions
        self._by_id: dict[str, Operation] = {}

    def begin(  # noqa: PLR0913 - an operation has this many parts
        self,
        *,
        kind: str,
        target: str,
        finish: Callable[[], Any],
        operation_id: str | None = None,
        ready: Callable[[], bool] = lambda: True,
        failed: Callable[[dict[str, Any]], None] = lambda _error: None,
        error: Mapping[str, Any] | None = None,
        hidden: dict[str, Any] | None = None,
    ) -> Operation:
        """Start one. `error` (from a fault rule or a judgement made early) makes it end Failed instead of `finish`."""
        now = self._now()
        operation = Operation(
            id=operation_id or str(uuid.uuid4()),
            kind=kind,
            target=target,
            started_at=now,
            due_at=now + timedelta(seconds=self._transitions.duration_s(kind)),
            transition=self._transitions.of(kind),
            ready=ready,
            finish=finish,
            failed=failed,
            forced_error=error,
            hidden=hidden or {},
        )
        with self._lock:
            self._by_id[operation.id.lower()] = operation
        return operation

    def poll(self, operation_id: str) -> Operation | None:
        """The operation after one look at its status URL; None for an unknown id."""
        with self._lock:
            operation = self._by_id.get(operation_id.lower())
            if operation is not None and not operation.ended:
                self._settle(operation)
                if not operation.ended:
                    operation.polls += 1
            return operation

    def look(self, target: str, *, above: bool = False) -> None:
        """Count a look at a resource (a GET of it), which is all that a caller has who lost the first answer.

        `above` counts it for everything that the resource lies in as well.
        """
        wanted = target.rstrip("/").lower()
        with self._lock:
            for operation in [found for found in self._by_id.values() if not found.ended]:
                at = operation.target.lower()
                if at == wanted or (above and wanted.startswith(at + "/")):
                    self._settle(operation)
                    operation.polls += 1

    def settle(self) -> None:
        """End everything that is due; every request begins with it."""
        with self._lock:
            for operation in [found for found in self._by_id.values() if not found.ended]:
                if operation.transition.mode != "polls":
                    self._settle(operation)

    def running(self, target: str, *, below: bool = False) -> list[Operation]:
        """The unfinished operations on an ARM id; `below` adds those on anything under it."""
        wanted = target.rstrip("/").lower()
        with self._lock:
            return [
                found
                for found in self._by_id.values()
                if not found.ended and ((at := found.target.lower()) == wanted or (below and at.startswith(wanted + "/")))
            ]

    def all(self) -> list[Operation]:
        """Every operation, oldest first."""
        with self._lock:
            return list(self._by_id.values())

    def count(self) -> int:
        """How many there ever were."""
        return len(self._by_id)

    def since(self, count: int) -> list[Operation]:
        """Those that were begun after there were so many, oldest first."""
        with self._lock:
            newest = list(itertools.islice(reversed(self._by_id.values()), max(0, len(self._by_id) - count)))
            return newest[::-1]

    def drop(self, target: str) -> None:
        """End the unfinished operations on something that is gone, as Canceled."""
        with self._lock:
            for operation in self.running(target, below=True):
                operation.status, operation.ended_at = CANCELED, self._now()
                operation.then(operation)

    def _settle(self, operation: Operation) -> None:
        if operation.transition.mode == "polls" and operation.polls < operation.transition.polls:
            return
        if operation.transition.mode == "time" and self._now() < operation.due_at:
            return
        if operation.forced_error is None and not operation.ready():
            return
        operation.ended_at = self._now()
        if operation.forced_error is not None:
            self._fail(operation, dict(operation.forced_error))
        else:
            operation.status = SUCCEEDED
            try:
                operation.result = operation.finish()
            except OperationFailedError as failure:
                self._fail(operation, failure.error)
        operation.then(operation)

    @staticmethod
    def _fail(operation: Operation, error: dict[str, Any]) -> None:
        operation.status, operation.error = FAILED, error
        operation.failed(error)
