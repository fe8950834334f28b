"""Timer: put back on the queue whatever lost its message; delete ended operations after their retention."""

from __future__ import annotations

import logging
from datetime import timedelta

import azure.functions as func

from shared import services
from shared.operations import flows, inbox

blueprint = func.Blueprint()
log = logging.getLogger("steward.reconcile")


@blueprint.function_name("reconcile_operations")
@blueprint.timer_trigger("timer", "0 * * * * *", use_monitor=True)
def reconcile(timer: func.TimerRequest) -> None:
    """Wake every overdue operation."""
    counts = flows.reconcile(services.get())
    log.info("reconcile: %(open)d open, %(woken)d woken, %(closed)d closed; past due: %(late)s", {**counts, "late": timer.past_due})


@blueprint.function_name("purge_operations")
@blueprint.timer_trigger("timer", "0 30 3 * * *", use_monitor=True)
def purge(timer: func.TimerRequest) -> None:
    """Delete operations that ended longer ago than the retention, and uploads that nobody may use any more."""
    app = services.get()
    count = app.ledger.purge(app.clock() - timedelta(days=app.settings.retention_days))
    files = inbox.purge(app.ledger.blobs, app.clock())
    log.info("purge: %d operations, %d blobs of uploads; past due: %s", count, files, timer.past_due)
