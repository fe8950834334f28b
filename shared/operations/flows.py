"""How an operation begins, and how it is canceled: submit, apply, cancel.

Record before message, message before answer: a crash leaves a message or an overdue row, never nothing. Nothing here
waits; a pause is a delay on the next message. Not here: what is recorded of a request (acceptance), one step and the wire
behind it, and the machine of operations (steps).
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared.catalog import bodies
from shared.durable import storage, worker
from shared.endpoints import parking
from shared.operations import acceptance, observing, settle, steps
from shared.rest import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shared.operations.acceptance import Request
    from shared.operations.context import Services
    from shared.operations.ledger import Stored
    from shared.operations.models import Operation
    from shared.rest.streams import Source

log = logging.getLogger("steward.operations")

INLINE_BUDGET = timedelta(seconds=45)


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
    parcels: list[steps.Parcel] = []

    def claimed(operation: Operation) -> Callable[[Operation], Operation] | None:
        parcel = steps.ready(operation, services, request.body if secret else None, request.sources(operation))
        parcels[:] = [parcel] if parcel else []
        return (lambda entered: steps.claimed(entered, parcel, services)) if parcel else None

    stored, is_new = acceptance.accept(request, services, None if respond_async or request.plan else claimed)
    if not is_new:
        return stored.operation
    if respond_async:
        try:
            worker.queued(steps.MACHINE, stored, 0.0, services)
        except errors.TransientError as problem:  # it is recorded: reconcile finds it when its lease is over
            log.warning("operation %s waits for reconcile: %s", stored.operation.id, problem)
        return stored.operation
    if secret and stored.operation.phase == "waiting":
        cancel(stored, services)
        message = "Another operation on this resource is running, and a request with a secret cannot be kept until it ends."
        raise errors.BadRequestError("TargetBusy", message, target=stored.operation.target, status=409)
    fresh = request.sources(stored.operation)
    parcel = parcels[0] if stored.operation.phase == "sending" else None
    return apply(stored, services, secret_body=request.body if secret else None, fresh=fresh, parcel=parcel).operation


def apply(
    stored: Stored,
    services: Services,
    *,
    secret_body: Any = None,
    fresh: Mapping[str, Source] | None = None,
    parcel: steps.Parcel | None = None,
) -> Stored:
    """Send an accepted operation at once, within the accepting request, as far as that goes without waiting.

    Args:
        stored: As `accept` returned it.
        services: The composition root.
        secret_body: The body that was not stored because it holds a secret.
        fresh: Content that came with the request, by the blob that keeps it: it need not be read back.
        parcel: What it was claimed to be sent with as it was recorded, None where it was not.
    """
    end = services.clock() + INLINE_BUDGET
    try:
        while parcel or stored.operation.phase in ("accepted", "preparing"):
            stored = steps.take(stored, services, inline_end=end, secret_body=secret_body, fresh=fresh or {}, parcel=parcel)
            parcel = None
            if stored.operation.attempts:  # its next try is on the queue
                break
            if stored.operation.phase in ("accepted", "preparing") and services.clock() >= end:
                worker.queued(steps.MACHINE, stored, 0.0, services)
                break
    except (storage.ConflictError, errors.TransientError) as problem:  # it is recorded: another worker, or reconcile, goes on
        log.warning("operation %s is left to the queue: %s", stored.operation.id, problem)
        return _reloaded(stored, services)
    return stored


def cancel(stored: Stored, services: Services, *, abandon: bool = False) -> Operation:
    """Cancel what was not sent yet; ask Azure to cancel a job or run; stop following when `abandon`.

    Raises:
        BadRequestError: `NotCancelable` (409): it was sent, and Azure has no cancel for it.
        RejectedError: Azure refused to cancel the job.
    """
    while True:
        try:
            return _cancel(stored, services, abandon=abandon)
        except storage.ConflictError:  # a worker took a step meanwhile: judge again
            stored = _reloaded(stored, services)


def _cancel(stored: Stored, services: Services, *, abandon: bool) -> Operation:
    operation, now = stored.operation, services.clock()
    if operation.ended:
        return operation
    if abandon or (operation.phase in ("waiting", "accepted", "preparing", "registering") and not parking.begun(operation)):
        sent = operation.scores and operation.calls
        canceled = "Canceled after the call to the endpoint; its answer is not kept." if sent else "Canceled before it was sent."
        code, message = ("Abandoned", "The app no longer follows it; Azure continues.") if abandon else ("Canceled", canceled)
        return steps.record(
            stored, settle.cancel(operation, errors.AzureError(code=code, message=message), now), services
        ).operation
    kind = settle.kind_of(operation)
    if operation.phase != "following" or not settle.is_run(operation):
        message = f"{operation.method} {kind.label} was sent and Azure cannot cancel it; ?abandon=true stops following it."
        if operation.phase == "sending" and settle.is_run(operation):
            message = f"{operation.method} {kind.label} is being sent at this moment; try again in a few seconds."
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
