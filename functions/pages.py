"""HTTP: health. It says up or down and nothing else, because it asks for no key."""

from __future__ import annotations

import azure.functions as func

from functions import http
from shared import services
from shared.rest import errors

blueprint = func.Blueprint()


@blueprint.function_name("health")
@blueprint.route("health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def health(req: func.HttpRequest) -> func.HttpResponse:
    """GET `health`: 200 `{"status": "up"}`, or 503 `{"status": "down"}` when settings or storage are out of order."""
    try:
        await http.in_thread(_look)
    except (errors.StewardError, ValueError):
        return http.json_response({"status": "down"}, 503, req)
    return http.json_response({"status": "up"}, 200, req)


def _look() -> None:
    services.get().ledger.load("health-0")
