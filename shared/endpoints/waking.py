"""What a call does that finds its endpoint parked: start one wake however many call, and say when to come again.

Not here: the wake's own steps (parking), HTTP (shared.api.resources.score).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.endpoints import parking
from shared.operations import acceptance, flows, models

if TYPE_CHECKING:
    from datetime import datetime

    from shared.catalog.paths import Target
    from shared.endpoints.snapshots import EndpointParkedError
    from shared.operations.context import Services
    from shared.operations.models import Operation
    from shared.rest import errors

CALLER = "score"
EXPECTED_S = 330.0  # what a deployment takes (docs/protocol.md §4: median 320 s)
LEAST_S, MOST_S = 5.0, 60.0  # of a Retry-After
PAUSE = timedelta(minutes=5)  # after a wake that failed, before a call starts another
SETTLING = timedelta(seconds=30)  # after a wake, for Azure to show the endpoint without its tag
LOOK_BACK = 20


def start(target: Target, tag: str, services: Services) -> Operation:
    """Return the wake of an endpoint: the one that is under way or has just failed, else a new one.

    Args:
        target: The endpoint, whatever the action.
        tag: What it is tagged with: calls that see the same parking, after the same operation, make the same wake.
        services: The composition root.
    """
    recent = services.ledger.newest(top=LOOK_BACK, partition=models.partition_of(target.id))
    last = next((each for each in recent if each.action in (parking.PARK, parking.WAKE)), None)
    if last and last.action == parking.WAKE and (not last.ended or _is_fresh(last, services.clock())):
        return last
    request = acceptance.Request(
        target=replace(target, action=target.kind.action(parking.WAKE)),
        method="POST",
        idempotency_key=f"{tag} after {last.id if last else 'none'}",
        caller=CALLER,
    )
    return flows.submit(request, services, respond_async=True)


def begun(target: Target, found: EndpointParkedError, services: Services) -> tuple[Operation, errors.AzureError, float]:
    """Return an endpoint's wake, as `start`, with the pause and the answer to the caller, as `told`."""
    wake = services.scoring.wake(target.id, lambda: start(target, found.tag, services))
    return wake, *told(found, wake, services.clock())


def told(found: EndpointParkedError, wake: Operation, now: datetime) -> tuple[errors.AzureError, float]:
    """Return what a caller hears, and in how many seconds to score again."""
    if wake.status == "Failed" and wake.error and wake.ended_at:
        message = f"{found.error.message} Putting them back failed: {wake.error.message}"
        rest_s = (wake.ended_at + PAUSE - now).total_seconds()
        return replace(found.error, message=message, details=(wake.error,)), max(rest_s, LEAST_S)
    message = f"{found.error.message} They are being put back by operation {wake.id}; score again then."
    rest_s = EXPECTED_S - (now - wake.created_at).total_seconds()
    return replace(found.error, message=message), min(max(rest_s, LEAST_S), MOST_S)


def _is_fresh(wake: Operation, now: datetime) -> bool:
    pause = SETTLING if wake.status == "Succeeded" else PAUSE if wake.status == "Failed" else timedelta(0)
    return wake.ended_at is not None and now - wake.ended_at < pause
