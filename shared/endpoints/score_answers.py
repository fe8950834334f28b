"""The answers of asynchronous scores: a blob each, with the endpoint's own status and headers, kept for some hours or until taken.

The blob's name is chosen before the endpoint is asked, and says when it was: a worker that takes over finds the answer of one
that died, and the timer finds what is old by the names alone. Not here: scoring (async_scores), HTTP (shared.api.answer).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared.durable import storage
from shared.rest import errors
from shared.text import times

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.durable.storage import Blobs
    from shared.operations.ledger import Ledger
    from shared.operations.models import Operation

FOLDER = "scores/"
# of one connection, of the body's transfer, for the app alone, or an order to a browser that is at the app's own address
NOT_PASSED_BACK = frozenset((
    "connection", "keep-alive", "proxy-authenticate", "te", "trailer", "transfer-encoding", "upgrade", "content-length",
    "content-encoding", "content-type", "cache-control", "date", "server", "set-cookie", "www-authenticate",
    "x-ms-client-request-id", "x-ms-request-id", "content-security-policy", "content-security-policy-report-only",
    "x-content-type-options", "clear-site-data", "refresh", "link", "location", "operation-location", "azure-asyncoperation",
    "service-worker-allowed", "strict-transport-security", "alt-svc", "nel", "report-to", "reporting-endpoints", "sourcemap",
    "access-control-allow-origin", "access-control-allow-credentials", "operation-id",
))  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """An endpoint's answer, with the headers that its caller is to see."""

    status: int
    media: str
    headers: Mapping[str, str]
    content: bytes


def passed_back(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of an endpoint's answer that its caller is to see; the content's type goes with the content."""
    return {name: value for name, value in headers.items() if name.lower() not in NOT_PASSED_BACK}


def new_name(operation_id: str, now: datetime) -> str:
    """Return the name of the blob for an answer that is about to be asked for."""
    return f"{FOLDER}{int(now.timestamp()):010d}-{operation_id}"


def keep(blobs: Blobs, name: str, answer: Kept) -> None:
    """Keep an answer.

    Raises:
        TransientError: the app's storage is out of reach.
    """
    head = json.dumps({"status": answer.status, "media": answer.media, "headers": dict(answer.headers)})
    blobs.put(name, head.encode() + b"\n" + answer.content)


def find(blobs: Blobs, name: str) -> Kept | None:
    """Return an answer that was kept, or None.

    Raises:
        TransientError: the app's storage is out of reach.
    """
    content = blobs.get(name)
    if content is None:
        return None
    head, _, rest = content.partition(b"\n")
    return Kept(**json.loads(head), content=rest)


def result(name: str, answer: Kept, hours: int) -> dict[str, Any]:
    """Return what an operation's resource shows as its result."""
    shown = {"status": answer.status, "contentType": answer.media, "bytes": len(answer.content), "answer": name}
    return {**shown, "keptUntil": times.iso(_kept_until(name, hours))}


def has_answer(operation: Operation) -> bool:
    """Return whether an operation ended with the answer of an endpoint."""
    return operation.scores and isinstance(operation.result, dict) and "answer" in operation.result


def read(operation: Operation, ledger: Ledger, now: datetime, hours: int, *, take: bool) -> Kept:
    """Return the answer that an operation ended with; `take` deletes it, and of two callers who take it one gets it.

    Raises:
        BadRequestError: `AnswerGone` (410); it was taken, or its time is over.
        TransientError: the app's storage is out of reach.
    """
    name = str(operation.result["answer"])
    found = find(ledger.blobs, name) if now < _kept_until(name, hours) and "takenAt" not in operation.result else None
    if found is None or (take and not _taken(operation.id, ledger, now)):
        message = f"The answer is not kept any more: it was taken (?take=true), or its {hours} hours are over. Score again."
        raise errors.BadRequestError("AnswerGone", message, target="result", status=410)
    if take:
        ledger.blobs.delete(name)
    return found


def purge(blobs: Blobs, now: datetime, hours: int) -> int:
    """Delete the answers whose time is over, also those that no operation names; returns how many."""
    count = 0
    for name in list(blobs.names(FOLDER)):
        if now < _kept_until(name, hours):  # names come in the order of their moments
            break
        blobs.delete(name)
        count += 1
    return count


def _taken(operation_id: str, ledger: Ledger, now: datetime) -> bool:
    """Note in an operation that its answer was taken; False when another caller was first."""
    while stored := ledger.load(operation_id):
        result = stored.operation.result
        if "takenAt" in result:
            break
        try:
            ledger.save(stored, replace(stored.operation, result={**result, "takenAt": times.iso(now)}))
        except storage.ConflictError:  # a notification forgot its receiver meanwhile, or another caller took it
            continue
        return True
    return False


def _kept_until(name: str, hours: int) -> datetime:
    asked_at = name.removeprefix(FOLDER).partition("-")[0]
    return datetime.fromtimestamp(int(asked_at), UTC) + timedelta(hours=hours)
