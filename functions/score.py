"""HTTP: score an online endpoint or a v1 web service. act.py hands these requests here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions import http
from shared import services
from shared.endpoints import snapshots, waking

if TYPE_CHECKING:
    import azure.functions as func

    from shared.catalog.paths import Target
    from shared.operations.models import Operation

NOT_PASSED_BACK = frozenset(  # of one connection, of the body's transfer, or for the app alone
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "content-length",
        "content-encoding",
        "content-type",
        "cache-control",
        "date",
        "server",
        "set-cookie",
        "www-authenticate",
        "x-ms-client-request-id",
    }
)


def score(req: func.HttpRequest, target: Target) -> func.HttpResponse | Operation:
    """Send the body to the endpoint as it came, and its answer back as it comes, 4xx and 5xx included; wake a parked one."""
    try:
        if "respond-async" in http.prefers(req) and target.plane == "arm":
            services.get().scoring.refuse_parked(target)  # to wake one takes time, to score does not
        http.refuse_asks(req)
        answer = services.get().scoring.score(target, req.get_body(), dict(req.headers.items()))
    except snapshots.EndpointParkedError as found:
        return _wake(req, target, found)
    headers = {name: value for name, value in answer.headers.items() if name.lower() not in NOT_PASSED_BACK}
    media = answer.headers.get("content-type", "application/json")
    return http.response(answer.content, answer.status, req, {**headers, "Content-Type": media})


def _wake(req: func.HttpRequest, target: Target, found: snapshots.EndpointParkedError) -> func.HttpResponse | Operation:
    """Start the wake, once however many call: 503 that says when to come again, or with `respond-async` 202 for the wake."""
    app = services.get()
    operation = waking.start(target, found.tag, app)
    if "respond-async" in http.prefers(req):
        return operation
    error, pause_s = waking.told(found, operation, app.clock())
    headers = {"Retry-After": str(round(pause_s)), "Operation-Location": http.to_follow(req, f"operations/{operation.id}")}
    return http.json_response({"error": error.to_json()}, 503, req, headers)
