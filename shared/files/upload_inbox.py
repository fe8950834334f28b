"""Uploads of files too large for one request: the caller PUTs a file to a signed URL, and later requests name the upload.

An upload has a random id that only its own caller may use, and is deleted after two days. The number of uploads per caller is
limited. A signed URL cannot limit the size: an upload that is too large is deleted when a request names it. Not here: the
transfer to a workspace (upload_steps).
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared.rest import errors
from shared.text import times

if TYPE_CHECKING:
    from shared.durable.storage import BlobInfo, Blobs

ROOT = "uploads"
SIGNED_FOR = timedelta(hours=2)  # lifetime of the signed URL
KEPT_FOR = timedelta(days=2)
GIGABYTE = 1024**3
ID = re.compile(r"(\d{10,11})-[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A finished upload: its blob, its size and etag, and the file name that the caller gave ('' for none)."""

    blob: str
    found: BlobInfo
    name: str


def open_upload(blobs: Blobs, now: datetime, *, caller: str, name: str, limit: int) -> dict[str, Any]:
    """Open an upload and return its id and signed URL, which is not stored.

    Raises:
        BadRequestError: `TooManyUploads` (429); the caller has `limit` uploads.
    """
    whose = hashlib.sha256(caller.encode()).hexdigest()[:8]  # part of the id, so that counting a caller's uploads reads no others
    ids = {name.split("/")[1] for name in blobs.names(f"{ROOT}/")}
    mine = [each for each in ids if ID.fullmatch(each) and each.partition("-")[2].startswith(whose) and _kept_until(each) >= now]
    if len(mine) >= limit:
        free = times.iso(min(map(_kept_until, mine), default=now))
        message = f"You have {len(mine)} uploads; at most {limit} are allowed (STEWARD_UPLOADS). The oldest is deleted at {free}."
        raise errors.BadRequestError("TooManyUploads", message, target="uploads", status=429)
    upload_id = f"{int((now + KEPT_FOR).timestamp())}-{whose}{secrets.token_hex(12)}"
    about = {"version": 1, "caller": caller, "name": name}
    blobs.put(f"{ROOT}/{upload_id}/about.json", json.dumps(about).encode())
    until = (now + SIGNED_FOR).replace(microsecond=0)
    signed = blobs.sign(f"{ROOT}/{upload_id}/content", until=until)
    return {"id": upload_id, "sasUri": signed, "expires": times.iso(until), "keptUntil": times.iso(_kept_until(upload_id))}


def find(blobs: Blobs, upload_id: str, now: datetime, *, caller: str, limit_gb: int) -> Upload:
    """Return a finished upload of this caller.

    Raises:
        BadRequestError: `UploadNotFound` (404), `UploadNotFinished` (409) while nothing is committed, `UploadTooLarge` (413): it
            is deleted.
    """
    about = blobs.get(f"{ROOT}/{upload_id}/about.json") if ID.fullmatch(upload_id) else None
    told = json.loads(about) if about else {}
    if not told or told["caller"] != caller or _kept_until(upload_id) < now:
        message = f"There is no upload '{upload_id[:60]}'. POST /api/uploads opens one; it is kept for {KEPT_FOR.days} days."
        raise errors.BadRequestError("UploadNotFound", message, target="upload", status=404)
    blob = f"{ROOT}/{upload_id}/content"
    found = blobs.look(blob)
    if found is None:
        message = "The upload is empty; PUT the file (or its blocks, then their list) to the sasUri first."
        raise errors.BadRequestError("UploadNotFinished", message, target="upload", status=409)
    if found.size > limit_gb * GIGABYTE:
        blobs.delete(blob)
        message = f"The upload has {found.size} bytes; at most {limit_gb} GB are allowed (STEWARD_UPLOAD_GB). It was deleted."
        raise errors.BadRequestError("UploadTooLarge", message, target="upload", status=413)
    return Upload(blob=blob, found=found, name=told["name"])


def purge(blobs: Blobs, now: datetime) -> int:
    """Delete expired uploads and return the number of deleted blobs."""
    over = [name for name in blobs.names(f"{ROOT}/") if ID.match(name.split("/")[1]) and _kept_until(name.split("/")[1]) < now]
    for name in over:
        blobs.delete(name)
    return len(over)


def _kept_until(upload_id: str) -> datetime:
    return datetime.fromtimestamp(int(upload_id.partition("-")[0]), UTC)
