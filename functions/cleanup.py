"""Timer: the clean-up by schedule."""

from __future__ import annotations

import logging

import azure.functions as func

from shared import services

blueprint = func.Blueprint()
log = logging.getLogger("steward.cleanup")


@blueprint.function_name("cleanup_timer")
@blueprint.timer_trigger("timer", "0 * * * * *", use_monitor=True)
def tick(timer: func.TimerRequest) -> None:
    """Start the policies that came due."""
    from shared.cleanup.run import timetable
    from shared.durable import aside, timers

    app = services.get()
    with aside.collected("clean-up", lambda: app.blobs):
        started = timetable.tick(app)
    timers.finished("cleanup_timer", app.cleanup_rows, app.clock())
    log.info("clean-up: started %s; past due: %s", started or "none", timer.past_due)
