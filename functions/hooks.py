"""Event Grid and queue: events in, and the steps of rules. Not here: the webhook and what else HTTP asks (shared.hooks)."""

from __future__ import annotations

import logging
from typing import Any

import azure.functions as func

from shared import services
from shared.durable import messages
from shared.telemetry import trace

blueprint = func.Blueprint()
log = logging.getLogger("steward.hooks")


@blueprint.function_name("hooks_event_grid")
@blueprint.event_grid_trigger("event")
def on_event_grid(event: func.EventGridEvent) -> None:
    """Put an event that Event Grid's own subscription delivers on the queue; both schemas."""
    from shared.hooks import events, inbox

    inbox.store([events.of(_raw(event))], services.get())


@blueprint.function_name("hooks_queue")
@blueprint.queue_trigger("message", messages.EVENT_QUEUE, "AzureWebJobsStorage")
def on_message(message: func.QueueMessage) -> None:
    """Take in events, or take the next step of a firing."""
    from shared.hooks import inbox

    inbox.take(message.get_body().decode("utf-8", errors="replace"), services.get(), message.insertion_time)


@blueprint.function_name("hooks_poison")
@blueprint.queue_trigger("message", f"{messages.EVENT_QUEUE}-poison", "AzureWebJobsStorage")
def on_poison(message: func.QueueMessage) -> None:
    """Keep a message that kept failing where an operator can look at it. What cannot be kept is not taken off the queue.

    A poison queue has no second poison queue: the platform leaves its message where it is, and brings it again after ten minutes.
    """
    from shared.hooks import inbox
    from shared.operations import observing

    text = message.get_body().decode("utf-8", errors="replace")
    observing.poisoned(messages.EVENT_QUEUE)
    inbox.bury(text, services.get(), "every attempt failed; the app's log holds the reason")


def _raw(event: Any) -> dict[str, Any]:
    """Return the event as it was on the wire; the platform's library reads both schemas into classes of its own."""
    common = {"id": event.id, "subject": event.subject, "data": event.get_json()}
    if hasattr(event, "specversion"):
        when = event.time.isoformat() if event.time else None
        more = {name: value for name, value in event.extension_attrs.items() if name.lower() == trace.HEADER}
        return {**common, **more, "specversion": "1.0", "source": event.source, "type": event.type, "time": when}
    when = event.event_time.isoformat() if event.event_time else None
    return {**common, "topic": event.topic, "eventType": event.event_type, "eventTime": when}
