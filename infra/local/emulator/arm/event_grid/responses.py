"""An event subscription as ARM shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.emulator.events import subscriptions

if TYPE_CHECKING:
    from infra.local.emulator.events.subscriptions import Subscription


def body(wanted: Subscription, properties: dict[str, Any]) -> dict[str, Any]:
    """What a GET shows: a webhook's URL only up to its query, which holds its key."""
    destination = dict(properties["destination"])
    if wanted.destination.kind == "WebHook":
        base = wanted.destination.url.partition("?")[0]
        destination["properties"] = {"endpointUrl": None, "endpointBaseUrl": base, **_limits(destination)}
    shown = {
        "topic": wanted.topic,
        "provisioningState": "Creating",
        "destination": destination,
        "filter": {"subjectBeginsWith": wanted.begins, "subjectEndsWith": wanted.ends, **(properties.get("filter") or {})},
        "labels": list(wanted.labels),
        "eventDeliverySchema": wanted.schema,
        "retryPolicy": {"maxDeliveryAttempts": wanted.attempts, "eventTimeToLiveInMinutes": int(wanted.lifetime_s // 60)},
    }
    return {"id": wanted.id, "name": wanted.name, "type": subscriptions.TYPE, "properties": shown}


def _limits(destination: dict[str, Any]) -> dict[str, Any]:
    given = destination.get("properties") or {}
    return {"maxEventsPerBatch": given.get("maxEventsPerBatch", 1)} | {
        name: given[name] for name in ("preferredBatchSizeInKilobytes",) if name in given
    }
