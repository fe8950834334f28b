"""How an operation moves: submit, apply, advance, reconcile, cancel.

Record before message, message before answer: a crash leaves a message or an overdue row, never nothing. Nothing here
waits; a pause is a delay on the next message. Not here: what is recorded of a request (acceptance), one step and the wire
behind it (steps).
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared.catalog import bodies
from shared.durable import aside, due, storage, worker
from shared.durable.aside import UnreadableError
from shared.durable.messages import Message
from shared.endpoints import parking
from shared.operations import acceptance, observing, settle, steps
from shared.rest import errors

if TYPE_CHECKING:
    from datetime import datetime

    from shared.operations.acceptance import Request
    from shared.operations.ledger import Listed, Stored
    from shared.operations.models import Operation
    from shared.operations.steps import Services

log = logging.getLogger("steward.operations")

INLINE_BUDGET = timedelta(seconds=45)
ORPHAN_AGE = timedelta(minutes=10)
FAILURES_LIMIT = 5  # operations in a row that could not be reconciled: storage is out of reach, and the timer tries again


def submit(request: Request, services: Services, *, respond_async: bool = False) -> Operation:
    """Accept a request and carry it out as far as that goes without waiting; `respond_async` only records and queues it.

    The same Idempotency-Key with the same request gets the operation it made the first time, as that stands.

    Raises:
        BadRequestError: `IdempotencyKeyReused`, `SecretNeedsInline`, `TargetBusy`.
        TransientError: the ledger is out of reach; nothing was accepted.
    """
    secret = bodies.has_secret(request.target.kind, request.body)
    if secret and request.plan:
        message = "The request holds a secret, which is never stored; upload and register its files with requests of their own."
        raise errors.BadRequestError("SecretNeedsInline", message, target="body")
    if secret and respond_async:
        message = "The request holds a secret, which is never stored; send it without Prefer: respond-async."
        raise errors.BadRequestError("SecretNeedsInline", message, target="Prefer")
    stored, is_new = acceptance.accept(request, services)
    if not is_new:
        return stored.operation
    if respond_async:
        try:
            steps.enqueue(stored, services)
        except errors.TransientError as problem:  # it is recorded: reconcile finds it when its lease is over
            log.warning("operation %s waits for reconcile: %s", stored.operation.id, problem)
        return stored.operation
    if secret and stored.operation.phase == "waiting":
        cancel(stored, services)
        message = "Another operation on this resource is running, and a request with a secret cannot be kept until it ends."
        raise errors.BadRequestError("TargetBusy", message, target=stored.operation.target, status=409)
    return apply(stored, services, secret_body=request.body if secret else None).operation


def apply(stored: Stored, services: Services, *, secret_body: Any = None) -> Stored:
    """Send an accepted operation at once, within the accepting request, as far as that goes without waiting.

    Args:
        stored: As `accept` returned it.
        services: The composition root.
        secret_body: The body that was not stored because it holds a secret.
    """
    end = services.clock() + INLINE_BUDGET
    try:
        while stored.operation.phase in ("accepted", "preparing"):
            stored = steps.take(stored, services, inline_end=end, secret_body=secret_body)
            if stored.operation.attempts:  # its next try is on the queue
                break
            if stored.operation.phase in ("accepted", "preparing") and services.clock() >= end:
                steps.enqueue(stored, services)
                break
    except (storage.ConflictError, errors.TransientError) as problem:  # it is recorded: somebody else, or reconcile, goes on
        log.warning("operation %s is left to the queue: %s", stored.operation.id, problem)
        return _reloaded(stored, services)
    return stored


def advance(text: str, services: Services) -> Operation | None:
    """Take one step of the operation that a message names; None when the message is stale.

    Raises:
        ValueError: the message cannot be read (it will end in the poison queue).
    """
    taken: Operation | None = worker.take(MACHINE, text, services)
    return taken


def _step(stored: Stored, _message: Message, services: Services) -> Operation:
    if stored.operation.phase == "waiting":
        return steps.take_turn(stored, services)
    return steps.take(stored, services).operation


def _give_up(stored: Stored, services: Services, reason: str) -> None:
    error = errors.AzureError(code="StewardInternalError", message=reason, target=stored.operation.target)
    steps.record(stored, settle.fail(stored.operation, error, services.clock(), http_status=500), services)


MACHINE = worker.Machine["Services", "Stored"](
    name="operation",
    forms=("operation",),
    queue=lambda services: services.queue,
    load=lambda message, services: services.ledger.load(str(message.key[0])),
    stale=lambda stored, message: stored.operation.ended or stored.operation.step != message.step,
    advance=_step,
    give_up=_give_up,
)


def reconcile(services: Services) -> dict[str, int]:
    """Put back on the queue whatever lost its message, and tidy the list of open operations; returns counts.

    One that cannot be read or written now keeps nobody else from being looked at: whoever stands behind it in the list would
    wait for as long as that lasts.

    Raises:
        TransientError: the app's storage is out of reach.
    """
    counts = {"open": 0, "woken": 0, "closed": 0}
    oldest: tuple[datetime, str] | None = None
    failures = 0
    for listed in services.ledger.listed():
        operation_id, created_at = listed.id, listed.created_at
        try:
            is_open = _reconciled(listed, counts, services)
            failures = 0
        except storage.ConflictError:  # somebody else is at it
            is_open = True
        except UnreadableError as problem:  # it stands still, and is still open
            is_open = True
            aside.note(f"operation {operation_id}", problem)
        except errors.TransientError as problem:
            failures, is_open = failures + 1, True
            log.warning("operation %s could not be reconciled: %s", operation_id, problem)
            if failures >= FAILURES_LIMIT:
                raise
        except Exception:
            is_open = True
            log.exception("operation %s cannot be reconciled", operation_id)
        if is_open:
            counts["open"] += 1
            oldest = min(oldest or (created_at, operation_id), (created_at, operation_id))
    age_s = (services.clock() - oldest[0]).total_seconds() if oldest else 0.0
    if oldest:  # an alert of infra/azure reads this line
        log.info("oldest open operation: %s, age %d s", oldest[1], age_s)
    observing.reconciled(counts, age_s)
    return counts


def _reconciled(listed: Listed, counts: dict[str, int], services: Services) -> bool:
    """Look after one entry of the list of open operations; returns whether it is one that has not ended.

    Raises:
        ConflictError: another worker changed it.
    """
    now = services.clock()
    at, left_s = listed.row.columns.get(due.LOOK_AT), due.left_s(listed.row.columns, now)
    if at is not None and at > now:  # nothing of it is read: what is not due costs next to nothing
        return True
    if left_s is not None:  # a long wait ends before the next tick
        message = Message(machine="operation", key=(listed.id,), step=int(listed.row.columns[due.STEP]))
        services.queue.send(message.to_text(), delay_s=left_s)
        services.ledger.looked(listed, now + timedelta(seconds=left_s) + steps.GRACE)
        return True
    stored = services.ledger.load(listed.id)
    if stored is None:
        counts["closed"] += services.ledger.drop(listed.id, ORPHAN_AGE)
        return False
    if stored.operation.ended:
        steps.announce(stored.operation, services)
        services.ledger.close(listed.id)
        counts["closed"] += 1
        return False
    if stored.operation.due_at <= now:
        counts["woken"] += steps.wake(stored, services)
    else:
        services.ledger.looked(listed, stored.operation.due_at)
    return True


def cancel(stored: Stored, services: Services, *, abandon: bool = False) -> Operation:
    """Cancel what was not sent yet; ask Azure to cancel a job or run; stop following when `abandon`.

    Raises:
        BadRequestError: `NotCancelable` (409): it was sent, and Azure has no cancel for it.
        RejectedError: Azure refused to cancel the job.
    """
    while True:
        try:
            return _cancel(stored, services, abandon=abandon)
        except storage.ConflictError:  # a worker took a step meanwhile: judge anew
            stored = _reloaded(stored, services)


def _cancel(stored: Stored, services: Services, *, abandon: bool) -> Operation:
    operation, now = stored.operation, services.clock()
    if operation.ended:
        return operation
    if abandon or (operation.phase in ("waiting", "accepted", "preparing", "registering") and not parking.begun(operation)):
        code, message = (
            ("Abandoned", "No longer followed; Azure goes on.") if abandon else ("Canceled", "Canceled before it was sent.")
        )
        return steps.record(
            stored, settle.cancel(operation, errors.AzureError(code=code, message=message), now), services
        ).operation
    kind = settle.kind_of(operation)
    if operation.phase != "following" or not settle.is_run(operation):
        message = f"{operation.method} {kind.label} was sent and Azure cannot cancel it; ?abandon=true stops following it."
        if operation.phase == "sending" and settle.is_run(operation):
            message = f"{operation.method} {kind.label} is being sent at this moment; ask again in a few seconds."
        raise errors.BadRequestError("NotCancelable", message, target=operation.id, status=409)
    with observing.within(operation):
        steps.cancel_in_azure(operation, kind, services)
    asked = operation.counted("write").noted(now, "cancel requested")
    return steps.record(stored, settle.Step(operation=asked, delay_s=0.0), services).operation


def _reloaded(stored: Stored, services: Services) -> Stored:
    """Return the operation as it stands now, or as it was last seen when the ledger is out of reach."""
    try:
        return services.ledger.load(stored.operation.id) or stored
    except errors.TransientError:
        return stored
