"""Parking an online endpoint and waking it, as one operation: it stays in phase `preparing`, a step at a time.

Park: keep what is needed to put everything back (parked), take the traffic away and tag the endpoint, delete its deployments
one by one. Wake: PUT them one by one, then traffic back and tag away. Parking that is interrupted turns round, puts back what
it took, and says so. Azure has no such action (an online endpoint cannot scale to zero). Not here: what is done at each stop
(parking_stops), calls that find an endpoint parked (waking).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shared.endpoints import snapshots
from shared.endpoints.park_progress import Way
from shared.endpoints.park_steps import Journey
from shared.files.plans import Plan, Task
from shared.operations import settle
from shared.operations.settle import Step
from shared.rest import errors, long_running

if TYPE_CHECKING:
    from shared.operations.context import Services
    from shared.operations.models import Operation

ROOM = "park"
PARK, WAKE = "park", "wake"
SIGN_IN_S = 60.0
OPTIONS = {"environmentVariables": (snapshots.STORE,)}


def plan(action: str) -> Plan:
    """Return the plan that an operation with that action begins with."""
    return Plan(tasks=(Task(what="park" if action == PARK else "wake"),))


def check(body: Any) -> None:
    """Check what a caller sends along.

    Raises:
        BadRequestError: `InvalidBody`.
    """
    for name, value in (body or {}).items():
        if value not in OPTIONS.get(name, ()):
            message = f'park takes {{"environmentVariables": "{snapshots.STORE}"}} or no body; \'{name}\' is something else.'
            raise errors.BadRequestError("InvalidBody", message, target=str(name))


def begun(operation: Operation) -> bool:
    """Return whether it has done something in Azure that must not be left half done."""
    if operation.action not in (PARK, WAKE) or not operation.plan:
        return False
    tasks = operation.plan.get("tasks")
    return tasks is None or Way.from_json(tasks[0].get("body")).begun  # a plan that had to go to a blob has many stops


def step(operation: Operation, services: Services) -> Step:
    """Take the next step.

    Raises:
        TransientError: Azure did not answer, or is busy.
        PermanentError: nothing was done, and nothing can be.
    """
    now = services.clock()
    stored = Plan.from_json(services.ledger.payload(operation.plan))
    way = Way.from_json(stored.tasks[0].body)
    if way.stops is None and operation.send_by and now > operation.send_by:
        return settle.cancel(
            operation, errors.AzureError(code="Expired", message="It did not begin in time, so it was not done."), now
        )
    if way.stops is None:
        check(operation.body)
    journey = Journey(operation, services)
    try:
        turn = journey.go(way)
    except errors.PermanentError as problem:
        if isinstance(problem, errors.SignInError):
            raise errors.UnreachableError(
                problem.error.message, delay_s=SIGN_IN_S, maybe_arrived=True, code="SignInFailed"
            ) from None
        turn = journey.stopped(way, problem)
    moved = replace(journey.operation, status="Running", attempts=1 if turn.delay_s else 0)
    if turn.note:
        moved = moved.noted(now, turn.note.partition(":")[0], turn.note.partition(": ")[2])
    if not turn.ended:
        kept = replace(stored, tasks=(replace(stored.tasks[0], body=turn.way.to_json()),))
        return Step(operation=replace(moved, plan=kept.to_json()), delay_s=turn.delay_s)
    if turn.way.error:
        return settle.fail(moved, turn.way.error, now, http_status=turn.way.status or settle.FAILED_LATER)
    return settle.moved(replace(moved, http_status=200), long_running.Done(body=turn.body), now)
