"""The code of a job: a zip from the caller becomes a code version of the workspace, as `az ml` does it, without its SDK.

Two steps of an operation in phase `preparing`, each repeatable: ask for a place and put the files there; register the
version. The name is derived from the content, so the same code is registered once. Not here: sending the job (flows).
"""

from __future__ import annotations

import hashlib
import io
import uuid
import zipfile
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from shared.catalog import bodies, kinds
from shared.operations.settle import Step
from shared.rest import errors, ids

if TYPE_CHECKING:
    from datetime import datetime

    from shared.operations.ledger import Ledger
    from shared.operations.models import Operation
    from shared.rest.client import Client

PART = "code"
URI_PART = "codeUri"
UNPACKED_LIMIT = 512 * 1024 * 1024
FILES_LIMIT = 2_000
ENCRYPTED = 0x1  # bit of a zip entry's flags


def prepare(operation: Operation, ledger: Ledger, client: Client, now: datetime) -> Step:
    """Take the next of the two steps; after the second the job's body names its `codeId` and the operation is to be sent.

    Raises:
        RejectedError: Azure refused the upload or the version.
        TransientError: it did not answer.
    """
    code = ledger.file(operation.files[PART])
    version = _version_id(operation, code)
    url = f"{client.cloud.arm}{version.path}"
    query = f"api-version={kinds.ML_VERSION}"
    if URI_PART not in operation.files:
        operation = operation.counted("upload")
        answer = client.send("POST", f"{url}/startPendingUpload?{query}", body={"pendingUploadType": "TemporaryBlobReference"})
        uri = _upload(code, answer.checked().body, client)
        operation = operation.noted(now, "code uploaded", version.names[1])
        return Step(operation=replace(operation, files={**operation.files, URI_PART: uri}), delay_s=0.0)
    body = {"properties": {"codeUri": operation.files[URI_PART], "description": "Uploaded with a job"}}
    answer = client.send("PUT", f"{url}?{query}", body=body)
    if answer.status != 409:  # this very code was registered before
        answer.checked()
    job = ledger.payload(operation.body) or {}
    job = {**job, "properties": {**(job.get("properties") or {}), "codeId": version.path}}
    files = {name: blob for name, blob in operation.files.items() if name not in (PART, URI_PART)}
    ready = replace(operation.counted("upload"), body=job, files=files, phase="accepted")
    return Step(operation=ready, delay_s=0.0)


def check_zip(content: bytes, part: str) -> None:
    """Refuse what is no zip, leads outside its folder, or unpacks to more than 512 MiB or 2,000 files.

    Raises:
        BadRequestError: `InvalidZip`, naming the part.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as bad:
        raise errors.BadRequestError("InvalidZip", f"'{part}' is not a zip file: {str(bad)[:100]}.", target=part) from None
    size = sum(entry.file_size for entry in entries)
    if size > UNPACKED_LIMIT or len(entries) > FILES_LIMIT:
        limit = f"{UNPACKED_LIMIT} bytes in {FILES_LIMIT} files"
        message = f"'{part}' unpacks to {size} bytes in {len(entries)} files; {limit} are taken."
        raise errors.BadRequestError("InvalidZip", message, target=part)
    if not entries:
        raise errors.BadRequestError("InvalidZip", f"'{part}' holds no file.", target=part)
    for entry in entries:
        if entry.flag_bits & ENCRYPTED:
            raise errors.BadRequestError("InvalidZip", f"'{part}' is encrypted.", target=part)
        name = entry.filename.replace("\\", "/")
        if name.startswith("/") or ".." in name.split("/") or ":" in name.split("/")[0]:
            message = f"'{part}' holds '{name[:100]}', which leads outside its folder."
            raise errors.BadRequestError("InvalidZip", message, target=part)


def _version_id(operation: Operation, code: bytes) -> ids.ResourceId:
    name = str(uuid.UUID(bytes=hashlib.sha256(code).digest()[:16]))
    workspace = ids.parse(operation.target).ancestor(1)
    return workspace.child("codes", name).child("versions", "1")


def _upload(code: bytes, pending: Any, client: Client) -> str:
    """Put every file of the zip at the place that `startPendingUpload` named; returns the folder's URI."""
    reference = bodies.dig(pending, "blobReferenceForConsumption") or {}
    sas = str(bodies.dig(reference, "credential.sasUri") or "")
    folder = str(reference.get("blobUri") or sas.partition("?")[0]).rstrip("/")
    proof = urlsplit(sas).query
    with zipfile.ZipFile(io.BytesIO(code)) as archive:
        for entry in archive.infolist():
            if not entry.is_dir():
                url = f"{folder}/{quote(entry.filename.replace(chr(92), '/'))}?{proof}"
                headers = {"x-ms-blob-type": "BlockBlob", "x-ms-version": "2021-08-06"}
                client.send_signed("PUT", url, content=_content(archive, entry), headers=headers).checked()
    return folder


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    try:
        return archive.read(entry)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as bad:
        message = f"'{entry.filename[:100]}' in '{PART}' cannot be unpacked: {str(bad)[:100]}."
        raise errors.BadRequestError("InvalidZip", message, target=PART) from None
