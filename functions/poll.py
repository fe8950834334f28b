"""Queue: one step of one operation per message; and the poison queue."""

from __future__ import annotations

import logging

import azure.functions as func

from shared import services
from shared.durable import aside
from shared.operations import flows, messages, observing
from shared.rest import errors

blueprint = func.Blueprint()
log = logging.getLogger("steward.poll")


@blueprint.function_name("poll_operation")
@blueprint.queue_trigger("message", messages.QUEUE, "AzureWebJobsStorage")
def poll(message: func.QueueMessage) -> None:
    """Take the step that the message names."""
    flows.advance(message.get_body().decode("utf-8"), services.get())


@blueprint.function_name("poll_poison")
@blueprint.queue_trigger("message", f"{messages.QUEUE}-poison", "AzureWebJobsStorage")
def poison(message: func.QueueMessage) -> None:
    """Mark the operation Failed whose message kept failing, or put a message aside that names none.

    It raises where neither can be done: a poison queue has no second poison queue, and what it returns from is deleted.
    """
    text, app, marked = message.get_body().decode("utf-8", errors="replace"), services.get(), False
    try:
        marked = flows.give_up(text, app, "Every attempt to take the operation's next step failed; the app's log holds the reason.")
    except errors.TransientError:
        raise
    except Exception as problem:  # noqa: BLE001 - whatever it is, the message is kept
        aside.bury(messages.QUEUE, text, problem, app.ledger.blobs)
    observing.poisoned(messages.QUEUE, settled=marked)
    log.error("poison message (operation marked: %s): %.200s", marked, text)
