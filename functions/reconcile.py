"""Timers: queue what is due, or lost its message, of every machine; delete what is old."""

from __future__ import annotations

import logging
from datetime import timedelta

import azure.functions as func

from shared import services
from shared.durable import timers, unreadable
from shared.rest import errors

blueprint = func.Blueprint()
log = logging.getLogger("steward.reconcile")
SCORES_MINUTES = 15  # how often answers of scores are deleted whose hours are over


@blueprint.function_name("reconcile_operations")
@blueprint.timer_trigger("timer", "*/20 * * * * *", use_monitor=True)
def reconcile(timer: func.TimerRequest) -> None:
    """Make what the app needs of its storage, then queue what is due or lost its message, of every machine."""
    from shared import machines
    from shared.endpoints import score_answers

    app = services.get()
    _prepare(app)
    with unreadable.collected("reconcile", lambda: app.ledger.blobs):
        woken = machines.reconcile(app)
        if app.clock().minute % SCORES_MINUTES == 0:
            score_answers.purge(app.ledger.blobs, app.clock(), app.settings.score_hours)
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
    """Delete records that ended longer ago than their retention, and uploads that may not be used any more."""
    from shared import machines
    from shared.api.access import approvals
    from shared.costs import cost_book
    from shared.durable import records, sweep
    from shared.files import upload_inbox
    from shared.hooks import inbox

    app = services.get()
    before = app.clock() - timedelta(days=app.settings.retention_days)
    with unreadable.collected("purge", lambda: app.ledger.blobs):
        gone = sweep.parts(
            machines.purges(app)
            | {
                "upload": lambda: upload_inbox.purge(app.ledger.blobs, app.clock()),
                "dead event": lambda: inbox.forget(app, before),
                "row of costs": lambda: cost_book.purge(app),
                "approval": lambda: approvals.purge(app),
                "row of the audit": lambda: records.purge(app.access_rows, app.clock() - timedelta(days=app.settings.audit_days)),
            }
        )
    timers.finished("purge_operations", app.cleanup_rows, app.clock())
    log.info("purge: %s; past due: %s", ", ".join(f"{count} {name}" for name, count in gone.items()), timer.past_due)
