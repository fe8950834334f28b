"""HTTP functions over one YAML file in the app's container, of rules or of policies: read, put, delete.

A file that is wrong is refused as a whole, and what was in force stays so. Not here: what a file may hold.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from functions import http
from shared import services
from shared.rest import errors

if TYPE_CHECKING:
    from collections.abc import Callable

    import azure.functions as func

NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,99}")
ENDINGS = (".yaml", ".yml")
SIZE_LIMIT = 1_000_000  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """Where files of one sort are kept.

    Attributes:
        prefix: Of their blobs.
        holds: What a file has, in the plural; so the answer to a PUT names the list of it.
        listing: The path below /api that lists what is in force.
        invalid, missing: Error codes: a file that is wrong, a file that is not there.
    """

    prefix: str
    holds: str
    listing: str
    invalid: str
    missing: str


def text_of(req: func.HttpRequest, invalid: str) -> str:
    """Return the body as text.

    Raises:
        BadRequestError: it is too large (413), or, with the code `invalid`, not UTF-8.
    """
    content = req.get_body()
    if len(content) > SIZE_LIMIT:
        message = f"The file has {len(content)} bytes; {SIZE_LIMIT} are taken."
        raise errors.BadRequestError("RequestContentTooLarge", message, target="body", status=413)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as bad:
        raise errors.BadRequestError(invalid, f"The file is not UTF-8: {bad.reason}.", target="body") from None


def answer(
    req: func.HttpRequest, folder: Folder, read: Callable[[str, str], list[dict[str, Any]]], changed: Callable[[], object]
) -> func.HttpResponse:
    """Answer GET, PUT or DELETE of the file that the route's `file` names; `.yaml` may be left out.

    Args:
        req: The request.
        folder: Where it is kept.
        read: Text and file name → what the file has, as the answer shows it; raises BadRequestError when it is wrong.
        changed: Called when a file was written or removed.
    """
    name = str(req.route_params.get("file", ""))
    if not NAME.fullmatch(name):
        said = "expected letters, digits, dots, hyphens and underscores, 100 at most"
        message = f"'{name[:100]}' is no file name; {said}: my-{folder.holds}.yaml."
        raise errors.BadRequestError("InvalidParameter", message, target="file")
    blobs, file = services.get().blobs, name if name.lower().endswith(ENDINGS) else f"{name}.yaml"
    if req.method == "PUT":
        text = text_of(req, folder.invalid)
        found = read(text, file)
        blobs.put(folder.prefix + file, text.encode())
        changed()
        return http.json_response({"file": file, folder.holds: found}, 200, req)
    content = blobs.get(folder.prefix + file)
    if content is None:
        message = f"There is no file of {folder.holds} '{name}'; GET {folder.listing} lists those in force with their files."
        raise errors.BadRequestError(folder.missing, message, target="file", status=404)
    if req.method == "DELETE":
        blobs.delete(folder.prefix + file)
        changed()
        return http.json_response(None, 204, req)
    return http.response(content, 200, req, {"Content-Type": "application/yaml; charset=utf-8"})
