"""Queue: one attempt to tell one receiver per message; and the poison queue."""

from __future__ import annotations

import logging

import azure.functions as func

from shared import services
from shared.operations import messages

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
    from shared.durable import aside
    from shared.notify import notifications
    from shared.operations import observing
    from shared.rest import errors

    text = message.get_body().decode("utf-8", errors="replace")
    observing.poisoned(messages.NOTIFICATION_QUEUE)
    log.error("poison notification: %.200s", text)
    app = services.get()
    try:
        notifications.give_up(text, app, "every attempt failed; the app's log holds the reason")
    except errors.TransientError:
        raise
    except Exception as problem:  # noqa: BLE001 - whatever it is, the message is kept
        aside.bury(messages.NOTIFICATION_QUEUE, text, problem, app.ledger.blobs)
