"""How the app itself is: its queues, what is open, what Azure still allows, whether it can sign in.

For the people who run it; each part is read for itself, so that one that is out of order hides no other. Not here: up or down
for a load balancer (functions.pages), metrics over time.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from shared import services
from shared.operations import messages, models
from shared.rest import errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.services import Services

QUEUES = (messages.QUEUE, messages.NOTIFICATION_QUEUE, messages.EVENT_QUEUE, services.CLEANUP_QUEUE)
READS_AT_ONCE = 8
COUNT_LIMIT = 1_000  # of events put aside: beyond that it only matters that there are many


def look(app: Services) -> dict[str, Any]:
    """Return each part as JSON; a part that cannot be read is `{"error": {"code", "message"}}` instead."""
    parts: dict[str, Callable[[Services], Any]] = {
        "queues": _queues,
        "operations": _operations,
        "eventsPutAside": _put_aside,
        "throttling": _throttling,
        "token": _token,
    }
    with ThreadPoolExecutor(max_workers=len(parts), thread_name_prefix="vitals") as pool:
        read = {name: pool.submit(_read, part, app) for name, part in parts.items()}
    found = {name: each.result() for name, each in read.items()}
    troubled = any(isinstance(part, dict) and "error" in part for part in found.values())
    return {"status": "degraded" if troubled else "up", "at": models.iso(app.clock()), **found}


def _read(part: Callable[[Services], Any], app: Services) -> Any:
    try:
        return part(app)
    except errors.StewardError as problem:
        return {"error": problem.error.to_json()}


def _queues(app: Services) -> list[dict[str, Any]]:
    names = [each for name in QUEUES for each in (name, f"{name}-poison")]
    with ThreadPoolExecutor(max_workers=READS_AT_ONCE, thread_name_prefix="depth") as pool:
        depths = dict(zip(names, pool.map(app.depth, names), strict=True))
    return [{"name": name, "messages": depths[name], "poison": depths[f"{name}-poison"]} for name in QUEUES]


def _operations(app: Services) -> dict[str, Any]:
    """Return how many operations are open, and the oldest of them that really is."""
    opened = sorted(app.ledger.open_ids(), key=lambda each: each[1])
    out: dict[str, Any] = {"open": len(opened)}
    for operation_id, created_at in opened:
        stored = app.ledger.load(operation_id)
        if stored and not stored.operation.ended:  # the list is tidied by the timer: an ended one may still be on it
            age_s = max(0, round((app.clock() - created_at).total_seconds()))
            out["oldest"] = {
                "name": operation_id,
                "target": stored.operation.target,
                "startTime": models.iso(created_at),
                "ageS": age_s,
            }
            break
    return out


def _put_aside(app: Services) -> dict[str, Any]:
    """Return how many event messages could not be taken in (`hooks/dead/` in the app's container)."""
    from itertools import islice

    from shared.hooks import inbox

    count = sum(1 for _ in islice(app.blobs.names(inbox.DEAD), COUNT_LIMIT))
    return {"count": count, "prefix": inbox.DEAD}


def _throttling(app: Services) -> dict[str, Any]:
    """Return what ARM told this process; ARM counts for all processes together."""
    left = [
        {"subscription": subscription, "allowance": name, "left": remaining, "of": most}
        for subscription, name, remaining, most in app.client.allowances()
    ]
    return {"refused": app.client.throttled, "allowances": left}


def _token(app: Services) -> dict[str, Any]:
    """Return that a token for ARM can be had: one that is cached will do."""
    app.client.token(app.settings.cloud.arm_scope)
    return {"signedIn": True}
