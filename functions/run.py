"""HTTP: start a job (v2) or an experiment run (v1). act.py hands these requests here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions import http, intake, multipart, parameters, terms
from shared.catalog import bodies, paths
from shared.files import content
from shared.operations import acceptance
from shared.rest import errors

if TYPE_CHECKING:
    import azure.functions as func

    from shared.catalog.paths import Target
    from shared.operations.models import Operation

V1_PARTS = ("projectZipFile", "runDefinitionFile")


def start_job(req: func.HttpRequest, target: Target) -> Operation:
    """POST `workspaces/{w}/jobs`: the job's JSON, or multipart with it as `spec` and its code as the zip `code`."""
    brought = intake.read(req, target)
    bodies.check(target.kind, brought.body, preview=http.api_version(req, target).endswith("-preview"))
    if not brought.target.id.is_collection:
        paths.check_name(brought.target)
    return _submit(req, brought=brought)


def start_run(req: func.HttpRequest, target: Target) -> Operation:
    """POST `workspaces/{w}/experiments/{e}/startrun`: multipart `projectZipFile` and `runDefinitionFile`, as the article has it."""
    http.refuse_asks(req, "Prefer", "Idempotency-Key", "Callback-Url")
    if not multipart.is_multipart(req):
        message = f"startrun takes multipart/form-data with {' and '.join(V1_PARTS)}."
        raise errors.BadRequestError("UnsupportedMediaType", message, target="Content-Type", status=415)
    given = multipart.parts(req)
    for name in V1_PARTS:
        if name not in given:
            raise multipart.missing(name, given)
    parts = {name: given[name][1] for name in V1_PARTS}
    content.check_zip(parts["projectZipFile"], "projectZipFile")
    definition = bodies.parse(parts["runDefinitionFile"], "application/json", part="runDefinitionFile")
    if not isinstance(definition.get("Configuration") or definition.get("configuration"), dict):
        message = "'Configuration' is required in the run definition: an object with Script and Target."
        raise errors.BadRequestError("MissingField", message, target="runDefinitionFile.Configuration")
    return _submit(req, brought=intake.Intake(target=target), files=parts, run_id=parameters.text(req, "runId"))


def _submit(
    req: func.HttpRequest,
    *,
    brought: intake.Intake,
    files: dict[str, bytes] | None = None,
    run_id: str = "",
) -> Operation:
    query = "&".join(
        part for part in paths.forwarded_query(http.raw_query(req)).split("&") if not part.lower().startswith("runid=")
    )
    request = acceptance.Request(
        target=brought.target,
        method="POST" if brought.target.id.is_collection or brought.target.action else "PUT",
        api_version=http.given_version(req, brought.target.api_version),
        query=query,
        body=brought.body,
        plan=brought.plan,
        contents=brought.contents,
        files=files or {},
        run_id=run_id,
    )
    return terms.submit(req, request)
