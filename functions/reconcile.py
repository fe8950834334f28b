"""Timer: put back on the queue whatever lost its message; delete ended operations after their retention."""

from __future__ import annotations

import logging
from datetime import timedelta

import azure.functions as func

from shared import services
from shared.durable import aside, records, timers
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

    app, woken = services.get(), 0
    _prepare(app)
    with aside.collected("reconcile", lambda: app.ledger.blobs):
        try:
            counts = flows.reconcile(app)
        finally:  # whatever became of those, firings and notifications are looked after as well
            try:
                for firing in firings.overdue(app):
                    firings.wake(firing, app)
                    woken += 1
            finally:
                woken += notifications.overdue(app)
    timers.finished("reconcile_operations", app.cleanup_rows, app.clock())
    counts["woken"] += woken
    log.info("reconcile: %(open)d open, %(woken)d woken, %(closed)d closed; past due: %(late)s", {**counts, "late": timer.past_due})


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
    count = files = rows = 0
    with aside.collected("purge", lambda: app.ledger.blobs):
        try:
            count = app.ledger.purge(before)
        finally:  # whatever became of those, the others' time is over as well
            try:
                files = upload_inbox.purge(app.ledger.blobs, app.clock()) + inbox.forget(app, before)
            finally:
                rows = matching.purge(app, firings_before=before) + records.purge(app.delivery_rows, before)
    timers.finished("purge_operations", app.cleanup_rows, app.clock())
    log.info("purge: %d operations, %d blobs of uploads and dead events, %d rows; past due: %s", count, files, rows, timer.past_due)
