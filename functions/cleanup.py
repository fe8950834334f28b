"""Timer and queue: the clean-up by schedule, and the steps of its runs."""

from __future__ import annotations

import logging

import azure.functions as func

from shared import services
from shared.durable import messages

blueprint = func.Blueprint()
log = logging.getLogger("steward.cleanup")

QUEUE = messages.CLEANUP_QUEUE


@blueprint.function_name("cleanup_timer")
@blueprint.timer_trigger("timer", "0 * * * * *", use_monitor=True)
def tick(timer: func.TimerRequest) -> None:
    """Start the policies that came due, and send again what is overdue of runs under way."""
    from shared.cleanup.run import runs, timetable
    from shared.durable import aside, sweep, timers

    app, started = services.get(), ""

    def due() -> int:
        nonlocal started
        started = timetable.tick(app)
        return bool(started)

    with aside.collected("clean-up", lambda: app.blobs):
        sent = sweep.parts({"lost": lambda: runs.reconcile(app), "due": due})
    timers.finished("cleanup_timer", app.cleanup_rows, app.clock())
    log.info("clean-up: %d sent again, started %s; past due: %s", sent["lost"], started or "none", timer.past_due)


@blueprint.function_name("cleanup_step")
@blueprint.queue_trigger("message", QUEUE, "AzureWebJobsStorage")
def step(message: func.QueueMessage) -> None:
    """Take the step of a run that the message names."""
    from shared.cleanup.run import runs

    runs.step(message.get_body().decode("utf-8"), services.get(), redelivered=(message.dequeue_count or 1) > 1)


@blueprint.function_name("cleanup_poison")
@blueprint.queue_trigger("message", f"{QUEUE}-poison", "AzureWebJobsStorage")
def poison(message: func.QueueMessage) -> None:
    """Put a message aside that kept failing; its run goes on by the timer, which gives up what fails again and again."""
    from shared.cleanup.run import runs
    from shared.durable import worker
    from shared.operations import observing

    text = message.get_body().decode("utf-8", errors="replace")
    app = services.get()
    worker.poisoned(runs.machine(), QUEUE, text, app, lambda: app.ledger.blobs)
    observing.poisoned(QUEUE)
    log.error("poison message: %.200s", text)
