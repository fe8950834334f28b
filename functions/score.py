"""HTTP: score an online endpoint or a v1 web service. act.py hands these requests here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions import http
from shared import services

if TYPE_CHECKING:
    import azure.functions as func

    from shared.catalog.paths import Target

PASSED_BACK = (
    "x-ms-run-function-failed",
    "x-ms-run-fn-exec-ms",
    "x-ms-request-id",
    "x-ms-server-version",
    "azureml-model-deployment",
)


def score(req: func.HttpRequest, target: Target) -> func.HttpResponse:
    """Send the body to the endpoint as it came, and its answer back as it comes, 4xx and 5xx included."""
    answer = services.get().scoring.score(target, req.get_body(), dict(req.headers.items()))
    headers = {name: answer.headers[name] for name in PASSED_BACK if name in answer.headers}
    media = answer.headers.get("content-type", "application/json")
    return http.response(answer.content, answer.status, req, {**headers, "Content-Type": media})
