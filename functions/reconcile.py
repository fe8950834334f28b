"""Timer: queue operations again that lost their message; delete ended operations after their retention."""

from __future__ import annotations

import logging
from datetime import timedelta

import azure.functions as func

from shared import services
from shared.api.access import approvals
from shared.durable import aside, records, sweep, timers
from shared.files import upload_inbox
from shared.operations import flows
from shared.rest import errors

blueprint = func.Blueprint()
log = logging.getLogger("steward.reconcile")


@blueprint.function_name("reconcile_operations")
@blueprint.timer_trigger("timer", "0 * * * * *", use_monitor=True)
def reconcile(timer: func.TimerRequest) -> None:
    """Make what the app needs of its storage, then wake every overdue operation."""
    from shared.hooks import firings
    from shared.notify import notifications

    app = services.get()
    _prepare(app)
    with aside.collected("reconcile", lambda: app.ledger.blobs):
        woken = sweep.parts(
            {
                "operations": lambda: flows.reconcile(app)["woken"],
                "firings": lambda: firings.overdue(app),
                "deliveries": lambda: notifications.overdue(app),
            }
        )
    timers.finished("reconcile_operations", app.cleanup_rows, app.clock())
    log.info("reconcile: %s woken; past due: %s", ", ".join(f"{count} {name}" for name, count in woken.items()), timer.past_due)


def _prepare(app: services.Services) -> None:
    """Make what is missing; what cannot be made is named by health/details, and keeps nothing else from being done."""
    try:
        made = app.prepare()
    except errors.StewardError as problem:
        log.warning("storage: what is missing could not be made: %s", problem)
    else:
        if made:
            log.warning("storage: made %s", ", ".join(" ".join(each) for each in made))


@blueprint.function_name("purge_operations")
@blueprint.timer_trigger("timer", "0 30 3 * * *", use_monitor=True)
def purge(timer: func.TimerRequest) -> None:
    """Delete operations that ended longer ago than the retention, and uploads that nobody may use any more."""
    from shared.hooks import inbox, matching

    app = services.get()
    before = app.clock() - timedelta(days=app.settings.retention_days)
    with aside.collected("purge", lambda: app.ledger.blobs):
        gone = sweep.parts(
            {
                "operations": lambda: app.ledger.purge(before),
                "uploads": lambda: upload_inbox.purge(app.ledger.blobs, app.clock()),
                "dead events": lambda: inbox.forget(app, before),
                "rows of rules": lambda: matching.purge(app, firings_before=before),
                "deliveries": lambda: records.purge(app.delivery_rows, before),
                "approvals": lambda: approvals.purge(app),
                "rows of the audit": lambda: records.purge(app.access_rows, app.clock() - timedelta(days=app.settings.audit_days)),
            }
        )
    timers.finished("purge_operations", app.cleanup_rows, app.clock())
    log.info("purge: %s; past due: %s", ", ".join(f"{count} {name}" for name, count in gone.items()), timer.past_due)
