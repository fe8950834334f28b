"""The payload of a request: JSON or `az ml` YAML, alone, as the part `spec` of a multipart body with files, or with an upload's id.

Files may come as one zip, as one file, or as separate parts named by their paths. Not here: the parsing of multipart
bodies (multipart), what happens to the files (flows), what a YAML means (catalog.yaml).
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from shared.api import media
from shared.api.resources import multipart
from shared.catalog import bodies, kinds
from shared.files import content, translations, upload_inbox, upload_steps
from shared.files.plans import Plan, Task
from shared.rest import errors, streams

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shared.api.call import App, Call
    from shared.catalog.paths import Target
    from shared.catalog.yaml import Translation
    from shared.durable.storage import Blobs
    from shared.rest.streams import Source

SPEC = "spec"
SPEC_PATH = "specPath"  # path of the spec among the files: its relative paths start there
UPLOAD = "upload"
UPLOAD_HEADER = "upload-id"
ANY_CONTENT = "content"
CONTENTS = "files"  # the part with a zip of all files; also the name under which a request's files are stored
FOLDER_TYPES = frozenset({"uri_folder", "mltable", "mlflow_model", "triton_model", "mlflowmodel", "tritonmodel"})
FILE_TYPES = frozenset({"uri_file"})
LOCATED = frozenset({"computes", "onlineEndpoints", "batchEndpoints", "serverlessEndpoints"})  # kinds whose bodies hold the region
YAML_BYTES_LIMIT = 4 * 512 * 1024  # catalog.yaml limits characters; UTF-8 has at most four bytes each
WORD_LIMIT = 4_096  # bytes of an upload's id or a path; longer ones are invalid
TEXT_LIMIT = 4 * 1024 * 1024  # bytes of a file that a YAML includes


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """A request's body, the tasks before it (such as uploads and assets), and the files for them.

    Attributes:
        target: The resource: that of the path, or for a collection with the YAML's `name` or `version`.
        query: The default query for Azure with a YAML's body; the caller's parameters override it.
        own: The GUID of the workspace, if the body from the YAML holds it.
    """

    target: Target
    body: Any = None
    query: str = ""
    plan: Plan | None = None
    contents: Mapping[str, Source] = field(default_factory=dict)
    own: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The files of a request: in `data`, or in `upload`; a zip when `packed`.

    Attributes:
        part: The multipart part that held them, '' for separate parts.
        name: The file name that the sender gave.
        root: The folder from which the sender's relative paths start: separate parts may lead up (`../c.yml`).
        blobs: The container of the upload.
    """

    part: str
    name: str
    packed: bool
    data: Source | None = None
    root: str = ""
    upload: upload_inbox.Upload | None = None
    blobs: Blobs | None = None

    @property
    def source(self) -> Source:
        """A reader of the files."""
        if self.upload is None or self.blobs is None:
            return self.data or streams.of(b"")
        return content.in_blob(self.blobs, self.upload.blob, self.upload.found)

    @property
    def task(self) -> dict[str, Any]:
        """The members of a task that locate the files."""
        if self.upload is None:
            return {"blob": CONTENTS}
        return {"blob": self.upload.blob, "size": self.upload.found.size, "etag": self.upload.found.etag}

    @property
    def contents(self) -> dict[str, Source]:
        """The content of the request that must be stored for the files."""
        return {CONTENTS: self.source} if self.upload is None else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """A body that is not parsed yet.

    Attributes:
        media: Its content type; None for a part of a multipart body, where it is seldom right.
        folder: The spec's folder among the sender's files.
    """

    text: bytes | memoryview
    media: str | None
    folder: str = ""

    @property
    def is_yaml(self) -> bool:
        """Return whether it is YAML, by its content type or, for a part, by its first character."""
        if self.media is None:
            return bytes(self.text[:YAML_BYTES_LIMIT]).lstrip()[:1] not in (b"{", b"[", b"")
        named = media.plain(self.media)
        return named in media.YAML_TYPES or named.endswith("+yaml")


def read(call: Call, target: Target, app: App) -> Brought:
    """Read a request that may bring files.

    Raises:
        BadRequestError: the body, a part or a file is invalid; the message names it.
        RejectedError: Azure does not know the workspace whose region a YAML needs.
    """
    spec, files = brought(call, target, app)
    if spec.is_yaml:
        return _from_yaml(call, target, spec, files, app)
    if any(name.lower() == "set" for name, _ in call.asked):
        message = "'set' changes a YAML, and this body is JSON. Send the YAML as application/yaml, or change the JSON itself."
        raise errors.BadRequestError("InvalidParameter", message, target="set")
    parse = bodies.parse_patch if call.method == "PATCH" and target.kind.json_patch else bodies.parse
    body = parse(spec.text, "application/json", part=SPEC) if spec.media is None else parse(spec.text, spec.media)
    return _with_files(target, body, files) if files else Brought(target=target, body=body)


def brought(call: Call, target: Target | None, app: App) -> tuple[Spec, Files | None]:
    """Parse a request's body into spec and files.

    Raises:
        BadRequestError: `MissingPart`, `InvalidMultipart`, `UploadNotFound`, 413.
    """
    if not multipart.is_multipart(call):
        upload_id = call.header(UPLOAD_HEADER)
        spec = Spec(text=call.body, media=call.media)
        return spec, _uploaded(call, upload_id, app) if upload_id else None
    given = multipart.parts(call)
    path = posixpath.normpath(_word(given.pop(SPEC_PATH, ("", memoryview(b".")))[1]) or ".")
    named = given.pop(SPEC, None)
    files = _given_files(call, target, given, app)
    if named is None:
        text = _text(files, posixpath.join(files.root, path)) if files and path != "." else None
        if text is None:
            raise multipart.missing(SPEC, given)
        return Spec(text=text.encode(), media="application/yaml", folder=posixpath.dirname(path)), files
    return Spec(text=named[1], media=None, folder=posixpath.dirname(path)), files


def translated(
    call: Call,
    target: Target | None,
    spec: Spec,
    files: Files | None,
    *,
    location: str | None,
    workspace_id: str | None = None,
) -> Translation:
    """Translate the YAML of a request, its `?set=path=value` overrides included.

    Raises:
        BadRequestError: `InvalidYaml` with line and column.
    """
    from shared.catalog import yaml

    if len(spec.text) > YAML_BYTES_LIMIT:
        message = f"The YAML has {len(spec.text)} bytes; at most {YAML_BYTES_LIMIT // 4} characters are allowed."
        raise errors.BadRequestError("RequestContentTooLarge", message, target="body", status=413)
    try:
        text = bytes(spec.text).decode("utf-8-sig")
    except UnicodeDecodeError as bad:
        raise errors.BadRequestError("InvalidYaml", f"The body is not UTF-8: {bad.reason}.", target="body") from None
    pairs = [value.partition("=") for name, value in call.asked if name.lower() == "set"]
    if given := next((path for path, equals, _ in pairs if not equals), None):
        message = f"'set' is '{given[:100]}'; expected path=value, such as tags.stage=test."
        raise errors.BadRequestError("InvalidParameter", message, target="set")
    return yaml.translate(
        text,
        kind="model_package" if _is_package(target) else None,
        target=target.id if target else None,
        location=location,
        workspace_id=workspace_id,
        overrides=[(path, value) for path, _, value in pairs],
        files=_reader(files, spec.folder),
    )


def _given_files(call: Call, target: Target | None, given: dict[str, tuple[str, memoryview]], app: App) -> Files | None:
    """Return the files of the parts: those of an upload, of one part, or separate parts, each named by its path."""
    taken = upload_steps.TAKES.get(target.kind.path) if target else None
    wanted = [name for name in (UPLOAD, ANY_CONTENT, CONTENTS, taken.part if taken else "") if name in given]
    if not given:
        return None
    if len(given) > 1 and wanted:
        message = f"'{wanted[0]}' must hold all files; the body also has {', '.join(set(given) - {wanted[0]})[:200]}."
        raise errors.BadRequestError("InvalidMultipart", message, target=wanted[0])
    if wanted == [UPLOAD]:
        return _uploaded(call, _word(given[UPLOAD][1]), app)
    if wanted:
        file_name, data = given[wanted[0]]
        name = upload_steps.plain_name(file_name, wanted[0])
        return Files(part=wanted[0], name=name, packed=content.is_zip(data), data=streams.of(data))
    root, places = content.placed(given)
    packed = content.packed({places[name]: streams.of(data) for name, (_, data) in given.items()})
    return Files(part="", name=taken.part if taken else ANY_CONTENT, packed=True, data=packed, root=root)


def _word(part: memoryview) -> str:
    """Return a part that is one short string: an id or a path."""
    return bytes(part[:WORD_LIMIT]).decode("utf-8", "replace").strip()


def _uploaded(call: Call, upload_id: str, app: App) -> Files:
    limit_gb, blobs = app.settings.upload_gb, app.ledger.blobs
    found = upload_inbox.find(blobs, upload_id, app.clock(), caller=call.by(app.settings), limit_gb=limit_gb)
    size, etag = found.found.size, found.found.etag
    head = app.ledger.blobs.read(found.blob, 0, min(4, size), etag=etag) if size else b""
    name, packed = upload_steps.plain_name(found.name, UPLOAD), content.is_zip(head)
    return Files(part=UPLOAD, name=name, packed=packed, upload=found, blobs=app.ledger.blobs)


def _with_files(target: Target, body: Any, files: Files) -> Brought:
    """Plan the upload for a JSON body: the table of kinds says which field gets the result."""
    taken = upload_steps.TAKES.get(target.kind.path) if target.action is None else None
    if taken is None:
        message = f"{target.kind.full_type} takes no files; send its body as application/json."
        raise errors.BadRequestError("UnsupportedMediaType", message, target="Content-Type", status=415)
    properties = bodies.dig(body, "properties")
    properties = properties if isinstance(properties, dict) else {}
    kind = str(properties.get("dataType") or properties.get("modelType") or "").lower()
    if taken.purpose == "data" and not kind:
        kind = "uri_folder" if files.packed else "uri_file"
        body = {**body, "properties": {**properties, "dataType": kind}}
    is_folder = files.packed and kind not in FILE_TYPES
    if not is_folder and (kind in FOLDER_TYPES or taken.purpose not in ("model", "data")):
        if taken.purpose not in ("model", "data") or files.upload:
            raise errors.BadRequestError("InvalidZip", f"'{taken.part}' is not a zip; send a zip of the folder.", target=taken.part)
        packed = content.packed({files.name: files.source})
        files, is_folder = replace(files, data=packed, packed=True, name=taken.part), True
    folder = "" if is_folder else None
    with content.members(files.source, folder=folder, part=taken.part):  # checked before anything is recorded
        name = files.name.removesuffix(".zip") if is_folder else files.name
    task = Task(what="upload", goals=(taken.goal,), purpose=taken.purpose, folder=folder, name=name, **files.task)
    return Brought(target=target, body=body, plan=Plan(tasks=(task,)), contents=files.contents)


def _from_yaml(call: Call, target: Target, spec: Spec, files: Files | None, app: App) -> Brought:
    """Translate a YAML, and plan the tasks before it."""
    location, workspace_id = _workspace(target, app)
    found = translated(call, target, spec, files, location=location, workspace_id=workspace_id)
    taken = upload_steps.TAKES.get(target.kind.path)
    sent = translations.Sent()
    if files:
        names = [files.name]
        if files.packed:
            with content.members(files.source, folder="", part=files.part or ANY_CONTENT) as every:
                names = [member.name for member in every]
        sent = translations.Sent(
            names=frozenset(names),
            task=files.task,
            folder=spec.folder,
            root=files.root,
            packed=files.packed,
            whole=taken.purpose if taken and files.part in (taken.part, UPLOAD, ANY_CONTENT) else "",
        )
    plan = translations.planned(found, sent)
    needs_files = plan is not None and any(task.what == "upload" for task in plan.tasks)
    contents = files.contents if files and needs_files else {}
    named = replace(_named(target, found, app), body_version=found.api_version)
    own = workspace_id or ""
    return Brought(target=named, body=found.body, query=urlencode(found.query), plan=plan, contents=contents, own=own)


def _named(target: Target, found: Translation, app: App) -> Target:
    """Return the target with the YAML's name: the job below `jobs`, or an asset's version (the YAML's, or the next one)."""
    if target.kind.named_by_us and target.id.is_collection and found.name:
        return replace(target, id=replace(target.id, names=(*target.id.names, found.name)))
    below = kinds.by_type().get((target.kind.plane, target.kind.namespace.lower(), f"{target.kind.path}/versions".lower()))
    if below is None or target.id.is_collection:
        return target
    version = found.version or upload_steps.next_version(target.id, app.client)
    return replace(target, kind=below, id=target.id.child("versions", version))


def _is_package(target: Target | None) -> bool:
    return target is not None and target.action is not None and target.action.name == "package"


def _workspace(target: Target, app: App) -> tuple[str | None, str | None]:
    """Return region and GUID of the target's workspace, for the kinds whose bodies hold them."""
    located = len(target.kind.types) > 1 and target.kind.types[1] in LOCATED
    if not located and not _is_package(target):
        return None, None
    url = app.addresses.url("arm", target.workspace.path, f"api-version={kinds.ML_VERSION}", workspace=target.workspace.path)
    found = app.client.send("GET", url).checked().body
    location, workspace_id = bodies.dig(found, "location"), bodies.dig(found, "properties.workspaceId")
    return str(location or "") or None, str(workspace_id or "") or None


def _reader(files: Files | None, folder: str) -> Callable[[str], str | None]:
    """Return a reader of text files by their paths below the YAML's folder; it also names that folder for messages."""

    def read(path: str) -> str | None:
        return _text(files, posixpath.normpath(posixpath.join(files.root, folder, path))) if files else None

    read.folder = folder  # type: ignore[attr-defined]
    return read


def _text(files: Files | None, path: str) -> str | None:
    """Return one of the files as text, None when it does not exist or is not text."""
    if files is None or not files.packed:
        return None
    with content.members(files.source, folder="", part=files.part or ANY_CONTENT) as every:
        member = next((each for each in every if each.name == path), None)
        if member is None or member.size > TEXT_LIMIT:
            return None
        with member.open() as stream:
            return stream.read(TEXT_LIMIT).decode("utf-8-sig", "replace")
