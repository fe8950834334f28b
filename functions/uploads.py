"""HTTP: open an upload for files that are too large for one request."""

from __future__ import annotations

import azure.functions as func

from functions import http
from shared import services
from shared.catalog import bodies
from shared.operations import inbox, uploads

blueprint = func.Blueprint()


@blueprint.function_name("uploads_open")
@blueprint.route("uploads", methods=["POST"])
async def open_upload(req: func.HttpRequest) -> func.HttpResponse:
    """POST `uploads`, optionally `{"name": "model.pkl"}`: 201 with id, sasUri and when that expires."""
    return await http.answer(req, _open)


def _open(req: func.HttpRequest) -> func.HttpResponse:
    app = services.get()
    content = req.get_body()
    told = bodies.parse(content, req.headers.get("content-type", "")) if content.strip() else {}
    name = uploads.plain_name(str(told.get("name") or ""), "")
    opened = inbox.open_upload(app.ledger.blobs, app.clock(), caller=http.caller(req), name=name)
    return http.json_response(opened, 201, req, {"Cache-Control": "no-store"})
