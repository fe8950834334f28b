"""Start a job (v2) or an experiment run (v1)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shared.api.access import admission
from shared.api.resources import multipart, payload, preflight_answer, submission
from shared.catalog import bodies, paths
from shared.files import content
from shared.operations import models
from shared.rest import errors, streams

if TYPE_CHECKING:
    from shared.api.answer import Answer
    from shared.api.call import App, Call
    from shared.catalog.paths import Target
    from shared.operations.models import Operation

V1_PARTS = ("projectZipFile", "runDefinitionFile")


def start_job(call: Call, target: Target, app: App) -> Answer | Operation:
    """POST `workspaces/{w}/jobs`: the job's JSON, or multipart with the job as `spec` and a zip of its code as `code`."""
    brought = payload.read(call, target, app)
    if preflight_answer.asked(call, target):
        named = brought.target if not brought.target.id.is_collection else _named(brought.target)
        return preflight_answer.foretell(call, replace(brought, target=named), app, method="PUT", query=brought.query)
    bodies.check(target.kind, brought.body, preview=call.is_preview(target))
    if not brought.target.id.is_collection:
        paths.check_name(brought.target)
    return _submit(call, brought, app)


def _named(target: Target) -> Target:
    """Return the target with a generated name."""
    return replace(target, id=replace(target.id, names=(*target.id.names, f"job-{models.new_suffix('', '')}")))


def start_run(call: Call, target: Target, app: App) -> Operation:
    """POST `workspaces/{w}/experiments/{e}/startrun`: multipart `projectZipFile` and `runDefinitionFile`, as in the article."""
    call.refuse_asks("Prefer", "Idempotency-Key", "Callback-Url")
    if not multipart.is_multipart(call):
        message = f"startrun takes multipart/form-data with {' and '.join(V1_PARTS)}."
        raise errors.BadRequestError("UnsupportedMediaType", message, target="Content-Type", status=415)
    given = multipart.parts(call)
    for name in V1_PARTS:
        if name not in given:
            raise multipart.missing(name, given)
    parts = {name: streams.of(given[name][1]) for name in V1_PARTS}
    content.check_zip(parts["projectZipFile"], "projectZipFile")
    definition = bodies.parse(given["runDefinitionFile"][1], "application/json", part="runDefinitionFile")
    if not isinstance(definition.get("Configuration") or definition.get("configuration"), dict):
        message = "The run definition has no 'Configuration'; expected an object with Script and Target."
        raise errors.BadRequestError("MissingField", message, target="runDefinitionFile.Configuration")
    written = admission.said(given["runDefinitionFile"][1])  # the file is passed on unchanged
    admission.check_body(call, target.kind, definition, app.settings, written)
    return _submit(call, payload.Brought(target=target), app, files=parts, run_id=call.text("runId"))


def _submit(call: Call, brought: payload.Brought, app: App, **more: Any) -> Operation:
    query = "&".join(part for part in call.forwarded.split("&") if not part.lower().startswith("runid="))
    method = "POST" if brought.target.id.is_collection or brought.target.action else "PUT"
    return submission.submit(call, brought, app, method=method, query=query, **more)
