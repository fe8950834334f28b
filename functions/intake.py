"""What a request brings: its body as JSON or YAML, alone or as the part `spec` beside files, or the id of an upload.

Files may come as one zip, as one file, or as loose parts named by their paths. Not here: what becomes of them (flows).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from functions import http
from shared import services
from shared.catalog import bodies
from shared.operations import content, inbox, uploads
from shared.operations.plans import Plan, Task
from shared.rest import errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import azure.functions as func

    from shared.catalog.paths import Target

SPEC = "spec"
UPLOAD = "upload"
UPLOAD_HEADER = "upload-id"
ANY_CONTENT = "content"
CONTENTS = "files"  # the name under which whatever files a request brings are kept
FOLDER_TYPES = frozenset({"uri_folder", "mltable", "mlflow_model", "triton_model", "mlflowmodel", "tritonmodel"})
FILE_TYPES = frozenset({"uri_file"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """A request's body, what must be in Azure before it, and the files it brings for that."""

    body: Any = None
    plan: Plan | None = None
    contents: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Files:
    """Files as they came: `content` with the request, or in `upload`; a zip when `packed`."""

    name: str
    packed: bool
    content: bytes = b""
    upload: inbox.Upload | None = None


def read(req: func.HttpRequest, target: Target) -> Intake:
    """Read a request that may bring files.

    Raises:
        BadRequestError: the body, a part or a file cannot be used; the message names it.
    """
    if not is_multipart(req):
        parse = bodies.parse_patch if req.method == "PATCH" and target.kind.json_patch else bodies.parse
        body = parse(req.get_body(), req.headers.get("content-type", ""))
        upload_id = str(req.headers.get(UPLOAD_HEADER, ""))
        return _with_files(target, body, _uploaded(req, upload_id)) if upload_id else Intake(body=body)
    given = parts(req)
    if SPEC not in given:
        raise missing(SPEC, given)
    body = bodies.parse(given.pop(SPEC)[1], "application/json")
    files = _given_files(req, target, given)
    return _with_files(target, body, files) if files else Intake(body=body)


def is_multipart(req: func.HttpRequest) -> bool:
    """Tell whether the body is multipart/form-data."""
    return str(req.headers.get("content-type", "")).lower().startswith("multipart/form-data")


def parts(req: func.HttpRequest) -> dict[str, tuple[str, bytes]]:
    """Return each part, whether it came as a file or as a field: name → (file name or '', content).

    Raises:
        BadRequestError: `InvalidMultipart`; 413 above 100 MB, naming the other way.
    """
    if len(req.get_body()) > http.UPLOAD_LIMIT:
        message = "A request takes 100 MB; POST /api/uploads opens an upload for larger files, which a request then names."
        raise errors.BadRequestError("RequestContentTooLarge", message, target="body", status=413)
    try:
        found = {str(name): ("", str(value).encode()) for name, value in req.form.items()}
        for name in req.files:
            found |= {str(name): (str(file.filename or ""), file.read()) for file in req.files.getlist(name)}
    except Exception as bad:
        message = f"The multipart body cannot be read: {type(bad).__name__}."
        raise errors.BadRequestError("InvalidMultipart", message, target="body") from bad
    return found


def missing(name: str, given: Iterable[str]) -> errors.BadRequestError:
    """Return the refusal of a body without the part `name`."""
    shown = ", ".join(given) or "none"
    return errors.BadRequestError("MissingPart", f"The multipart part '{name}' is missing; given: {shown[:200]}.", target=name)


def _given_files(req: func.HttpRequest, target: Target, given: dict[str, tuple[str, bytes]]) -> _Files | None:
    """Return the files among the parts: an upload's, one part's, or loose ones, each part named by its path."""
    taken = uploads.TAKES.get(target.kind.path)
    wanted = [name for name in (UPLOAD, ANY_CONTENT, taken.part if taken else "") if name in given]
    if not given:
        return None
    if len(given) > 1 and wanted:
        message = f"'{wanted[0]}' is all the files there are; it cannot come with {', '.join(set(given) - {wanted[0]})[:200]}."
        raise errors.BadRequestError("InvalidMultipart", message, target=wanted[0])
    if wanted == [UPLOAD]:
        return _uploaded(req, given[UPLOAD][1].decode("utf-8", "replace").strip())
    if wanted:
        file_name, data = given[wanted[0]]
        return _Files(name=uploads.plain_name(file_name, wanted[0]), packed=content.is_zip(data), content=data)
    packed = content.packed({name: data for name, (_, data) in given.items()})
    return _Files(name=taken.part if taken else ANY_CONTENT, packed=True, content=packed)


def _uploaded(req: func.HttpRequest, upload_id: str) -> _Files:
    app = services.get()
    found = inbox.find(app.ledger.blobs, upload_id, app.clock(), caller=http.caller(req))
    head = app.ledger.blobs.read(found.blob, 0, min(4, found.found.size), etag=found.found.etag) if found.found.size else b""
    return _Files(name=uploads.plain_name(found.name, UPLOAD), packed=content.is_zip(head), upload=found)


def _with_files(target: Target, body: Any, files: _Files) -> Intake:
    """Plan the one upload of a request whose body is JSON: the table says where its outcome goes."""
    taken = uploads.TAKES.get(target.kind.path)
    if taken is None:
        message = f"{target.kind.full_type} takes no files; send its body as application/json."
        raise errors.BadRequestError("UnsupportedMediaType", message, target="Content-Type", status=415)
    properties = bodies.dig(body, "properties")
    properties = properties if isinstance(properties, dict) else {}
    kind = str(properties.get("dataType") or properties.get("modelType") or "").lower()
    folder_wanted = kind in FOLDER_TYPES or taken.purpose not in ("model", "data")
    if taken.purpose == "data" and not kind:
        kind = "uri_folder" if files.packed else "uri_file"
        body = {**body, "properties": {**properties, "dataType": kind}}
    folder = "" if files.packed and kind not in FILE_TYPES else None
    if folder is None and folder_wanted:
        if taken.purpose not in ("model", "data") or files.upload:
            message = f"'{taken.part}' must be a zip of a folder."
            raise errors.BadRequestError("InvalidZip", message, target=taken.part)
        files = replace(files, content=content.packed({files.name: files.content}), packed=True, name=taken.part)
        folder = ""
    task = Task(what="upload", goals=(taken.goal,), purpose=taken.purpose, **placed(files, folder, taken.part))
    return Intake(body=body, plan=Plan(tasks=(task,)), contents={} if files.upload else {CONTENTS: files.content})


def placed(files: _Files, folder: str | None, part: str) -> dict[str, Any]:
    """Return what a task says of its files, after a look at what a zip holds.

    Raises:
        BadRequestError: `InvalidZip`.
    """
    name = files.name.removesuffix(".zip") if folder is not None else files.name
    if files.upload is None:
        if folder is not None:
            content.check_zip(files.content, part)
        return {"blob": CONTENTS, "folder": folder, "name": name}
    found = files.upload.found
    with content.members(services.get().ledger.blobs, files.upload.blob, found, folder=folder, part=part):
        return {"blob": files.upload.blob, "folder": folder, "name": name, "size": found.size, "etag": found.etag}
