"""Queue: one step of one operation per message; and the poison queue."""

from __future__ import annotations

import logging

import azure.functions as func

from shared import services
from shared.durable import messages, worker
from shared.operations import flows, observing

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
    text, app = message.get_body().decode("utf-8", errors="replace"), services.get()
    marked = worker.poisoned(flows.MACHINE, messages.QUEUE, text, app, lambda: app.ledger.blobs)
    observing.poisoned(messages.QUEUE, settled=marked)
    log.error("poison message (operation marked: %s): %.200s", marked, text)
