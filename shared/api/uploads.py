"""Routes: uploads for files that are too large for one request, and the translation of a YAML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.api import answer, names, schemas
from shared.api.route import BUSY, LARGE, MISSING, Route
from shared.catalog import bodies, grants, paths
from shared.rest import errors

if TYPE_CHECKING:
    from shared.api.answer import Answer
    from shared.api.call import App, Call

FILE: schemas.Json = {"type": "string", "format": "binary"}


def translate(call: Call, app: App) -> Answer:
    """POST `translate?path=&set=`: the ARM body of a YAML and the steps before it; nothing is sent to Azure."""
    from shared.api.resources import payload

    path = call.text("path")
    target = paths.resolve(path, app.settings) if path else None
    if target:
        grants.check_reach(call.sender.grants, call.by(app.settings), target.id, target.kind.full_type)
    spec, files = payload.brought(call, target, app)
    found = payload.translated(call, target, spec, files, location=call.text("location") or None)
    return answer.of_json(found.to_json())


def open_upload(call: Call, app: App) -> Answer:
    """POST `uploads`, optionally `{"name": "model.pkl"}`: 201 with id, sasUri and expiry of that URI."""
    from shared.files import upload_inbox, upload_steps

    content = call.body
    asked = bodies.parse(content, call.media) if content.strip() else {}
    names.check_fields(asked, ("name",))
    given = asked.get("name") or ""
    if not isinstance(given, str):
        message = "'name' is not a string; expected the file's name, such as model.pkl."
        raise errors.BadRequestError("InvalidValue", message, target="name")
    name = upload_steps.plain_name(given, "")
    limit = app.settings.uploads
    opened = upload_inbox.open_upload(app.ledger.blobs, app.clock(), caller=call.by(app.settings), name=name, limit=limit)
    return answer.of_json(opened, 201)


ROUTES: tuple[Route, ...] = (
    Route(
        "uploads_open",
        "POST /uploads",
        open_upload,
        role="operator",
        summary="Open an upload for a large file: returns a signed URL for a PUT of it; a later request names the upload",
        body={"application/json": {"type": "object", "properties": {"name": schemas.STRING}}},
        needed=False,
        answers={"201": schemas.ref("schemas", "Upload")},
        problems={**LARGE, "415": "Unsupported", "429": "Throttled"},
    ),
    Route(
        "translate",
        "POST /translate",
        translate,
        summary="The ARM body of a YAML and the steps before it; sends nothing to Azure",
        query={"path": schemas.STRING, "Set": "", "location": schemas.STRING, "UploadId": ""},
        body={
            "application/yaml": schemas.ref("schemas", "Yaml"),
            "text/plain": schemas.ref("schemas", "Yaml"),
            "multipart/form-data": {"type": "object", "properties": {"spec": schemas.STRING, "files": FILE}},
        },
        answers={"200": schemas.OBJECT},
        problems={**MISSING, **BUSY, **LARGE},
    ),
)
