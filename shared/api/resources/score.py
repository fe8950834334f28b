"""Score an online endpoint or a v1 web service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.api import answer
from shared.endpoints import snapshots, waking

if TYPE_CHECKING:
    from shared.api.answer import Answer
    from shared.api.call import App, Call
    from shared.catalog.paths import Target
    from shared.operations.models import Operation

# of one connection, of the body's transfer, or for the app alone
NOT_PASSED_BACK = frozenset((
    "connection", "keep-alive", "proxy-authenticate", "te", "trailer", "transfer-encoding", "upgrade", "content-length",
    "content-encoding", "content-type", "cache-control", "date", "server", "set-cookie", "www-authenticate",
    "x-ms-client-request-id",
))  # fmt: skip


def score(call: Call, target: Target, app: App) -> Answer | Operation:
    """Send the body to the endpoint as it came, and its answer back as it comes, 4xx and 5xx included; wake a parked one."""
    try:
        if "respond-async" in call.prefers and target.plane == "arm":
            app.scoring.refuse_parked(target)  # to wake one takes time, to score does not
        call.refuse_asks()
        found = app.scoring.score(target, call.body, call.headers)
    except snapshots.EndpointParkedError as parked:
        return _wake(call, target, parked, app)
    headers = {name: value for name, value in found.headers.items() if name.lower() not in NOT_PASSED_BACK}
    media = found.headers.get("content-type", "application/json")
    return answer.of_bytes(found.content, media, found.status, headers)


def _wake(call: Call, target: Target, found: snapshots.EndpointParkedError, app: App) -> Answer | Operation:
    """Start the wake, once however many call: 503 that says when to come again, or with `respond-async` 202 for the wake."""
    operation = waking.start(target, found.tag, app)
    if "respond-async" in call.prefers:
        return operation
    error, pause_s = waking.told(found, operation, app.clock())
    headers = {"Retry-After": str(round(pause_s)), "Operation-Location": answer.to_follow(call, f"operations/{operation.id}")}
    return answer.of_json({"error": error.to_json()}, 503, headers)
