"""Queue: one delivery attempt to one receiver per message; and the poison queue."""

from __future__ import annotations

import logging

import azure.functions as func

from shared import services
from shared.durable import messages

blueprint = func.Blueprint()
log = logging.getLogger("steward.notifications")


@blueprint.function_name("notify_deliver")
@blueprint.queue_trigger("message", messages.NOTIFICATION_QUEUE, "AzureWebJobsStorage")
def deliver(message: func.QueueMessage) -> None:
    """Tell the receiver that the message names, once."""
    from shared.notify import notifications

    notifications.take(message.get_body().decode("utf-8"), services.get())


@blueprint.function_name("notify_poison")
@blueprint.queue_trigger("message", f"{messages.NOTIFICATION_QUEUE}-poison", "AzureWebJobsStorage")
def poison(message: func.QueueMessage) -> None:
    """Record that a delivery failed whose message kept failing. What cannot be recorded is not taken off the queue.

    A poison queue has no second poison queue: the platform leaves its message where it is, and brings it again after ten minutes.
    """
    from shared.durable import worker
    from shared.notify import notifications
    from shared.operations import observing

    text, app = message.get_body().decode("utf-8", errors="replace"), services.get()
    observing.poisoned(messages.NOTIFICATION_QUEUE)
    log.error("poison notification: %.200s", text)
    worker.poisoned(notifications.MACHINE, messages.NOTIFICATION_QUEUE, text, app, lambda: app.ledger.blobs)
