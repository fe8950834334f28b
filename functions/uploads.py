"""HTTP: open an upload for files that are too large for one request; show what a YAML would be sent as."""

from __future__ import annotations

import azure.functions as func

from functions import http, intake, parameters, routes
from shared import services
from shared.catalog import bodies, paths
from shared.files import upload_inbox, upload_steps
from shared.rest import errors

blueprint = func.Blueprint()


@routes.route(blueprint, "uploads_open", "uploads", ["POST"])
async def open_upload(req: func.HttpRequest) -> func.HttpResponse:
    """POST `uploads`, optionally `{"name": "model.pkl"}`: 201 with id, sasUri and when that expires."""
    return await http.answer(req, _open)


@routes.route(blueprint, "translate", "translate", ["POST"])
async def translate(req: func.HttpRequest) -> func.HttpResponse:
    """POST `translate?path=&set=`: the ARM body of a YAML and what would be done first; Azure is asked nothing."""
    return await http.answer(req, _translate)


def _translate(req: func.HttpRequest) -> func.HttpResponse:
    path = parameters.text(req, "path")
    target = paths.resolve(path, services.get().settings) if path else None
    spec, files = intake.brought(req, target)
    found = intake.translated(req, target, spec, files, location=parameters.text(req, "location") or None)
    return http.json_response(found.to_json(), 200, req)


def _open(req: func.HttpRequest) -> func.HttpResponse:
    from shared.openapi import asked

    app = services.get()
    content = req.get_body()
    told = bodies.parse(content, req.headers.get("content-type", "")) if content.strip() else {}
    asked.check_fields(told, ("name",))
    given = told.get("name") or ""
    if not isinstance(given, str):
        message = "'name' is no text; expected the file's name, such as model.pkl."
        raise errors.BadRequestError("InvalidValue", message, target="name")
    name = upload_steps.plain_name(given, "")
    opened = upload_inbox.open_upload(app.ledger.blobs, app.clock(), caller=http.caller(req), name=name)
    return http.json_response(opened, 201, req)
