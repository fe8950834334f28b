"""Every sort of lasting work: a row each. What queues, timers and poison queues do is the same for all of them.

Not here: what a machine does with a step (its own room), the engine (durable).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.cleanup.run import runs
from shared.durable import sweep, worker
from shared.expiry import expiries
from shared.hooks import firings
from shared.notify import notifications
from shared.operations import observing, steps
from shared.recipes import recipe_schedule, run_steps
from shared.rollouts import rollouts

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.durable.worker import Machine
    from shared.services import Services

MACHINES: tuple[Machine[Any, Any, Any], ...] = (
    steps.MACHINE,
    firings.MACHINE,
    runs.RUN,
    runs.UNIT,
    notifications.MACHINE,
    run_steps.MACHINE,
    recipe_schedule.MACHINE,
    expiries.MACHINE,
    rollouts.MACHINE,
)


def take(queue: str, text: str, app: Services, *, again: bool = False) -> None:
    """Take the step that a message of a queue names, or look after a page of what is overdue.

    Args:
        queue: Its name.
        text: The message.
        app: The composition root.
        again: The platform brings it once more.
    """
    if woken := sweep.page(MACHINES, text, app):
        observing.woken(woken[steps.MACHINE.name])
        return
    worker.take(_on(queue), text, app, again=again)


def poisoned(queue: str, text: str, app: Services) -> None:
    """Settle a message of a poison queue: its record ends, or the message is put aside.

    Raises:
        TransientError: neither can be done now; the message must stay.
    """
    settled = worker.poisoned(_on(queue), text, app, lambda: app.ledger.blobs)
    observing.poisoned(queue, settled=settled)


def reconcile(app: Services) -> dict[str, int]:
    """Queue what comes due before the next tick, and again whatever lost its message.

    Raises:
        TransientError: the app's storage is out of reach.
    """
    woken = sweep.reconcile(MACHINES, app)
    observing.woken(woken[steps.MACHINE.name])
    return woken


def purges(app: Services) -> dict[str, Callable[[], int]]:
    """Return what deletes the old records of each machine."""
    return sweep.purges(MACHINES, app)


def _on(queue: str) -> tuple[Machine[Any, Any, Any], ...]:
    return tuple(machine for machine in MACHINES if machine.queue == queue)
