"""Queues: one step of one record per message, whatever machine it is; and the poison queues. Not here: events (hooks)."""

from __future__ import annotations

import logging

import azure.functions as func

from shared import services
from shared.durable import messages

blueprint = func.Blueprint()
log = logging.getLogger("steward.poll")

NAMES = {  # queue → its function, and that of its poison queue
    messages.QUEUE: ("poll_operation", "poll_poison"),
    messages.NOTIFICATION_QUEUE: ("notify_deliver", "notify_poison"),
    messages.CLEANUP_QUEUE: ("cleanup_step", "cleanup_poison"),
}


def take(queue: str, message: func.QueueMessage) -> None:
    """Take the step that a message names."""
    from shared import machines

    again = (message.dequeue_count or 1) > 1
    machines.take(queue, message.get_body().decode("utf-8"), services.get(), again=again)


def poison(queue: str, message: func.QueueMessage) -> None:
    """End the record whose message kept failing, or put a message aside that names none.

    It raises where neither can be done: a poison queue has no second poison queue, and what it returns from is deleted.
    """
    from shared import machines

    text = message.get_body().decode("utf-8", errors="replace")
    log.error("poison message of %s: %.200s", queue, text)
    machines.poisoned(queue, text, services.get())


def _register(queue: str, step_name: str, poison_name: str) -> None:
    @blueprint.function_name(step_name)
    @blueprint.queue_trigger("message", queue, "AzureWebJobsStorage")
    def on_message(message: func.QueueMessage) -> None:
        take(queue, message)

    @blueprint.function_name(poison_name)
    @blueprint.queue_trigger("message", f"{queue}-poison", "AzureWebJobsStorage")
    def on_poison(message: func.QueueMessage) -> None:
        poison(queue, message)


for each, names in NAMES.items():
    _register(each, *names)
