"""HTTP: start a job (v2) or an experiment run (v1). act.py hands these requests here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions import http
from shared import services
from shared.catalog import bodies, paths
from shared.operations import codes, flows
from shared.rest import errors

if TYPE_CHECKING:
    import azure.functions as func

    from shared.catalog.paths import Target
    from shared.operations.models import Operation

V1_PARTS = ("projectZipFile", "runDefinitionFile")
SPEC_PART = "spec"


def start_job(req: func.HttpRequest, target: Target) -> Operation:
    """POST `workspaces/{w}/jobs`: the job's JSON, or multipart with it as `spec` and its code as the zip `code`."""
    files: dict[str, bytes] = {}
    if _is_multipart(req):
        parts = _parts(req, (SPEC_PART, codes.PART), optional=(codes.PART,))
        spec = bodies.parse(parts[SPEC_PART], "application/json")
        if codes.PART in parts:
            codes.check_zip(parts[codes.PART], codes.PART)
            files[codes.PART] = parts[codes.PART]
    else:
        spec = bodies.parse(req.get_body(), req.headers.get("content-type", ""))
    bodies.check_required(target.kind, spec)
    return _submit(req, target, body=spec, files=files)


def start_run(req: func.HttpRequest, target: Target) -> Operation:
    """POST `workspaces/{w}/experiments/{e}/startrun`: multipart `projectZipFile` and `runDefinitionFile`, as the article has it."""
    if not _is_multipart(req):
        message = f"startrun takes multipart/form-data with {' and '.join(V1_PARTS)}."
        raise errors.BadRequestError("UnsupportedMediaType", message, target="Content-Type", status=415)
    parts = _parts(req, V1_PARTS)
    codes.check_zip(parts["projectZipFile"], "projectZipFile")
    definition = bodies.parse(parts["runDefinitionFile"], "application/json")
    if not isinstance(definition.get("Configuration") or definition.get("configuration"), dict):
        message = "'Configuration' is required in the run definition: an object with Script and Target."
        raise errors.BadRequestError("MissingField", message, target="runDefinitionFile.Configuration")
    return _submit(req, target, files=parts, run_id=req.params.get("runId", ""))


def _submit(
    req: func.HttpRequest,
    target: Target,
    *,
    files: dict[str, bytes],
    body: dict[str, object] | None = None,
    run_id: str = "",
) -> Operation:
    query = "&".join(
        part for part in paths.forwarded_query(http.raw_query(req)).split("&") if not part.lower().startswith("runid=")
    )
    request = flows.Request(
        target=target,
        method="POST",
        api_version=http.api_version(req, target),
        query=query,
        body=body,
        files=files,
        run_id=run_id,
        idempotency_key=http.idempotency_key(req),
        caller=http.caller(req),
    )
    return flows.submit(request, services.get(), respond_async="respond-async" in http.prefers(req))


def _is_multipart(req: func.HttpRequest) -> bool:
    return str(req.headers.get("content-type", "")).lower().startswith("multipart/form-data")


def _parts(req: func.HttpRequest, names: tuple[str, ...], *, optional: tuple[str, ...] = ()) -> dict[str, bytes]:
    """Return the named parts, whether they came as files or as fields.

    Raises:
        BadRequestError: `MissingPart`, naming it; `InvalidMultipart`; 413 above 100 MB.
    """
    if len(req.get_body()) > http.UPLOAD_LIMIT:
        message = "A request takes 100 MB; put larger code into a datastore or register it as a code version."
        raise errors.BadRequestError("RequestContentTooLarge", message, target="body", status=413)
    try:
        files, form = req.files, req.form
    except Exception as bad:
        message = f"The multipart body cannot be read: {type(bad).__name__}."
        raise errors.BadRequestError("InvalidMultipart", message, target="body") from bad
    out = {}
    for name in names:
        if name in files:
            out[name] = files[name].read()
        elif name in form:
            out[name] = form[name].encode()
        elif name not in optional:
            given = ", ".join([*files, *form]) or "none"
            message = f"The multipart part '{name}' is missing; given: {given[:200]}."
            raise errors.BadRequestError("MissingPart", message, target=name)
    return out
