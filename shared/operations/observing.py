"""What is logged and measured of operations as they move: one structured line and the measurements of each turn.

The lines hold ids, kinds, states, codes and seconds; never what a request or an answer held. Not here: their form
(telemetry), what callers read (models.view), who is notified of ends (notifications).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from shared.telemetry import lines, meters, trace

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from datetime import datetime

    from shared.operations.models import Operation

log = logging.getLogger("steward.operations")


def within(operation: Operation) -> AbstractContextManager[None]:
    """Do what follows as a step of the operation: its trace is carried on to Azure, its id stands in every line."""
    return trace.bound(trace.parse(operation.trace), operation=operation.id)


def accepted(operation: Operation) -> None:
    """Log that a request became an operation."""
    meters.count("steward.operations.accepted", 1, kind=operation.kind, method=operation.method)
    lines.event(log, logging.INFO, "operation.accepted", **_of(operation), origin=operation.origin)


def stepped(before: Operation, after: Operation) -> None:
    """Log that a step was taken and recorded."""
    outcome = "retry" if after.attempts > before.attempts else after.phase if after.phase != before.phase else "again"
    meters.count("steward.steps", 1, phase=before.phase, outcome=outcome)
    lines.event(
        log,
        logging.DEBUG,
        "operation.step",
        **_of(after),
        phase=before.phase,
        outcome=outcome,
        step=after.step,
        attempts=after.attempts,
    )


def ended(operation: Operation) -> None:
    """Log how an operation ended, and how long it took."""
    duration_s = (operation.ended_at - operation.created_at).total_seconds() if operation.ended_at else 0.0
    code = operation.error.code if operation.error else ""
    known: dict[str, meters.Value] = {"kind": operation.kind, "method": operation.method, "status": operation.status}
    meters.count("steward.operations.ended", 1, code=code[: lines.LIMIT], **known)
    meters.observe("steward.operations.duration", duration_s, **known)
    level = logging.WARNING if operation.status == "Failed" else logging.INFO
    counts = {f"{name}s": count for name, count in operation.calls.items()}
    lines.event(
        log,
        level,
        "operation.ended",
        **_of(operation),
        status=operation.status,
        code=code,
        httpStatus=operation.http_status,
        durationS=duration_s,
        **counts,
    )


def opened(count: int, oldest: tuple[datetime, str] | None, now: datetime) -> None:
    """Measure what is open: how many, and the age of the oldest."""
    age_s = (now - oldest[0]).total_seconds() if oldest else 0.0
    if oldest:  # an alert of infra/azure reads this line
        log.info("oldest open operation: %s, age %d s", oldest[1], age_s)
    meters.observe("steward.operations.open", count)
    meters.observe("steward.operations.oldest", age_s)


def woken(count: int) -> None:
    """Count operations whose message was lost."""
    meters.count("steward.operations.woken", count)


def delivered(target: str, status: str, *, about: str, event_type: str, answered: int | None, tried: int) -> None:
    """Log how one attempt to reach a receiver went."""
    way = target.partition(":")[0]
    way = way if way in ("eventgrid", "queue") else "webhook"
    meters.count("steward.deliveries", 1, status=status, way=way)
    level = logging.INFO if status in ("Pending", "Delivered") else logging.WARNING
    lines.event(
        log, level, "delivery.attempt", about=about, eventType=event_type, way=way, status=status, httpStatus=answered, tried=tried
    )  # fmt: skip


def poisoned(queue: str, *, settled: bool | None = None) -> None:
    """Log that a message kept failing; `settled` says whether its operation could be marked Failed."""
    meters.count("steward.poison", 1, queue=queue)
    lines.event(log, logging.ERROR, "poison", queue=queue, settled=settled)


def _of(operation: Operation) -> dict[str, Any]:
    known = {"operationId": operation.id, "targetKind": operation.kind, "target": operation.target, "method": operation.method}
    found = trace.parse(operation.trace)
    return {**known, "action": operation.action, "traceId": found.id if found else ""}
