"""Timer: the clean-up by schedule, and the look for costs."""

from __future__ import annotations

import logging

import azure.functions as func

from shared import services

blueprint = func.Blueprint()
log = logging.getLogger("steward.cleanup")
COSTS_MINUTES = 5  # how often it is asked whose turn it is


@blueprint.function_name("cleanup_timer")
@blueprint.timer_trigger("timer", "0 * * * * *", use_monitor=True)
def tick(timer: func.TimerRequest) -> None:
    """Start the policies that came due; look at what costs."""
    from shared.cleanup.run import timetable
    from shared.costs import cost_looks
    from shared.durable import timers, unreadable

    app = services.get()
    with unreadable.collected("clean-up", lambda: app.blobs):
        started = timetable.tick(app)
        if app.settings.cost_days and app.clock().minute % COSTS_MINUTES == 0:
            cost_looks.tick(app)
    timers.finished("cleanup_timer", app.cleanup_rows, app.clock())
    log.info("clean-up: started %s; past due: %s", started or "none", timer.past_due)
