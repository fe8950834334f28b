"""Stored rows and operations that cannot be read: each is passed over by name, logged, and shown to operators.

A row may be another program's, cut, or of a later version of the app. It must not keep anything else from being done. What a
timer passed over is kept in a small blob until its next turn: `health/details` runs in another process. Not here: what is
read of a row (each room), the pages (vitals).
"""

from __future__ import annotations

import hashlib
import json
import logging
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from shared.durable import versions
from shared.rest import errors
from shared.telemetry import lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from shared.durable.storage import Blobs, Row

log = logging.getLogger("steward.storage")

PREFIX = "unreadable/"
DEAD = "poison/"
KEPT = 50  # of one timer, by name
_noted: ContextVar[dict[str, str] | None] = ContextVar("steward_aside", default=None)


class UnreadableError(errors.PermanentError):
    """A stored operation cannot be read: a newer version of the app wrote it, or something else changed its row."""

    def __init__(self, what: str, reason: Exception) -> None:
        newer = isinstance(reason, versions.NewerError)
        follow = "Deploy the newer version again to continue." if newer else "Its row in the app's storage was changed or cut."
        message = f"{what} cannot be read: {str(reason) or type(reason).__name__}. {follow}"
        super().__init__(errors.AzureError(code="OperationUnreadable", message=message), status=503 if newer else 409)


def readable[T](rows: Iterable[Row], read: Callable[[Row], T], table: str) -> Iterator[T]:
    """Yield what `read` makes of each row; a row of which it makes nothing is passed over.

    Args:
        rows: As they are found.
        read: Whatever it raises belongs to the row, but for storage that is out of reach.
        table: What they are rows of, for the operators.
    """
    for row in rows:
        try:
            value = read(row)
        except errors.TransientError:
            raise
        except Exception as problem:  # noqa: BLE001 - a foreign row may hold anything
            note(f"{table} row {row.partition} {row.key}", problem)
            continue
        yield value


def note(what: str, problem: Exception) -> None:
    """Say that something stored cannot be read, and why."""
    reason = f"{type(problem).__name__}: {problem}"[:300]
    lines.event(log, logging.WARNING, "storage.unreadable", stored=what, reason=reason)
    noted = _noted.get()
    if noted is not None:
        noted[what] = reason


@contextmanager
def collected(name: str, blobs: Callable[[], Blobs]) -> Iterator[None]:
    """Keep what is passed over within, for `health/details`, until the next time under that name.

    Raises:
        TransientError: the app's storage is out of reach.
    """
    token = _noted.set({})
    try:
        yield
        _keep(f"{PREFIX}{name}.json", _noted.get() or {}, blobs())
    finally:
        _noted.reset(token)


def _keep(blob: str, noted: dict[str, str], blobs: Blobs) -> None:
    before = blobs.get(blob)
    content = json.dumps({"count": len(noted), "rows": dict(sorted(noted.items())[:KEPT])}).encode() if noted else None
    if content is None and before is not None:
        blobs.delete(blob)
    elif content is not None and content != before:
        blobs.put(blob, content)


def bury(queue: str, text: str, problem: Exception, blobs: Blobs) -> None:
    """Keep a message of a poison queue that the app can make nothing of, as a blob: the platform deletes it afterwards.

    Raises:
        TransientError: the app's storage is out of reach: the message must stay where it is.
    """
    name = f"{DEAD}{queue}/{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"
    reason = f"{type(problem).__name__}: {problem}"[:300]
    blobs.put(name, json.dumps({"reason": reason, "message": text}).encode())
    log.error("a message of %s was put aside as %s: %s", queue, name, reason)


def known(blobs: Blobs) -> dict[str, Any]:
    """Return how many stored things the timers passed over at their last turns, and the first of them with the reason."""
    count = 0
    rows: dict[str, str] = {}
    for name in blobs.names(PREFIX):
        held = json.loads(blobs.get(name) or b"{}")
        count += held.get("count", 0)
        rows |= held.get("rows", {})
    return {"count": count, "rows": [{"stored": what, "reason": reason} for what, reason in sorted(rows.items())[:KEPT]]}
