"""Queue: one step of one operation per message; and the poison queue, which never raises."""

from __future__ import annotations

import logging

import azure.functions as func

from shared import services
from shared.operations import flows, messages, observing

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
    """Mark the operation Failed whose message kept failing; a poison queue has no second poison queue."""
    text = message.get_body().decode("utf-8", errors="replace")
    marked = flows.give_up(
        text, services.get(), "Every attempt to take the operation's next step failed; the app's log holds the reason."
    )
    observing.poisoned(messages.QUEUE, settled=marked)
    log.error("poison message (operation marked: %s): %.200s", marked, text)
