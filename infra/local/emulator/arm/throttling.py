"""ARM's throttling: a token bucket per subscription, caller and kind of call, and what is left in every answer's headers.

The published limits are 250 reads refilled at 25/s and 200 writes or deletes at 10/s; `Limits.enforced` is off by default:
then the numbers are shown and no request is refused.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from infra.local.emulator import web

if TYPE_CHECKING:
    from infra.local.emulator.world import World

_KINDS = {"GET": "reads", "HEAD": "reads", "DELETE": "deletes"}
_GLOBAL_FACTOR = 15  # the all-callers bucket is so many times larger


def take(world: World, request: web.Request) -> None:
    """Take one token, note the headers for the answer.

    Raises:
        web.Refused: 429 with `Retry-After`, when the bucket is empty and limits are enforced.
    """
    kind = _KINDS.get(request.method, "writes")
    size, refill = (
        (world.limits.reads, world.limits.reads_per_s) if kind == "reads" else (world.limits.writes, world.limits.writes_per_s)
    )
    caller = request.principal.object_id if request.principal else ""
    subscription = request.path.lower().split("/")[2] if request.path.lower().startswith("/subscriptions/") else "tenant"
    buckets: dict[tuple[str, str, str], tuple[float, float]] = world.notes.setdefault("buckets", {})
    now = world.now().timestamp()
    left, since = buckets.get((subscription, caller, kind), (float(size), now))
    left = min(float(size), left + max(0.0, now - since) * refill)
    if left < 1.0 and world.limits.enforced:
        buckets[subscription, caller, kind] = (left, now)
        wait = max(1, math.ceil((1.0 - left) / refill)) if refill else 60
        text = (
            f"Number of requests for subscription '{subscription}' and operation '{request.method}' exceeded the backend storage "
            f"limit. Please try again after '{wait}' seconds."
        )
        request.notes["rate"] = {f"x-ms-ratelimit-remaining-subscription-{kind}": "0"}
        raise web.Refused(web.arm_error(429, "SubscriptionRequestsThrottled", text, headers={"Retry-After": str(wait)}))
    left = max(0.0, left - 1.0)
    buckets[subscription, caller, kind] = (left, now)
    request.notes["rate"] = {
        f"x-ms-ratelimit-remaining-subscription-{kind}": str(int(left)),
        f"x-ms-ratelimit-remaining-subscription-global-{kind}": str(int(size * _GLOBAL_FACTOR - (size - left))),
    }
