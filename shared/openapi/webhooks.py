"""The description of what this app sends to others: the CloudEvent that a `Callback-Url` gets. Not here: what others send to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.openapi import parts

if TYPE_CHECKING:
    from shared.openapi.parts import Json

MEDIA = "application/cloudevents+json"


def callback() -> Json:
    """Return the callback of what takes a `Callback-Url`. Of `webhooks` openapi-generator makes modules that do not compile."""
    signed = ("webhook-id", "webhook-timestamp", "webhook-signature")
    headers = [{"name": name, "in": "header", "schema": parts.STRING} for name in signed]
    told = {
        "summary": "An operation, a run of the clean-up or a rule's step has ended",
        "description": "Sent to each `Callback-Url`, at least once, again for three days; signed after Standard Webhooks.",
        "security": [],
        "parameters": headers,
        "requestBody": {"required": True, "content": parts.content(parts.ref("schemas", "Notice"), MEDIA)},
        "responses": {
            "200": {"description": "Taken; any 2xx does."},
            "410": {"description": "Not wanted any more: it is not sent again."},
        },
    }
    return {"{$request.header.Callback-Url}": {"post": told}}


def event() -> Json:
    """Return the schema of the event (CloudEvents 1.0, structured mode)."""
    texts = ("specversion", "id", "source", "type", "subject", "datacontenttype", "sequence")
    known: Json = dict.fromkeys(texts, parts.STRING)
    known |= {"specversion": {"const": "1.0"}, "time": {"type": "string", "format": "date-time"}, "traceparent": parts.STRING}
    known["data"] = {
        "type": "object",
        "description": "Of an operation: how it ended, and where to read the rest.",
        "properties": {"operationId": parts.STRING, "status": {"type": "string"}, "target": parts.STRING},
    }
    return {"type": "object", "required": [*texts, "time", "data"], "properties": known}
