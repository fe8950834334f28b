"""Routes and answers over one YAML file in the app's container, of rules or of policies: read, put, delete.

A file that is wrong is refused as a whole, and what was in force stays so. Not here: what a file may hold.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from shared.api import answer, schemas
from shared.api.route import LARGE, MISSING, Route
from shared.rest import errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.api.answer import Answer
    from shared.api.call import Call
    from shared.api.route import Handler
    from shared.durable.storage import Blobs

NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,99}")
ENDINGS = (".yaml", ".yml")
SIZE_LIMIT = 1_000_000  # bytes
YAML = "application/yaml"
TEXT: dict[str, schemas.Json] = {  # JSON is YAML, and all that some generated clients can send
    YAML: schemas.STRING, "text/plain": schemas.STRING, "application/json": schemas.OBJECT,
}  # fmt: skip
GONE: dict[str, None] = {"204": None}
FILE_NAME: schemas.Json = {"type": "string", "pattern": f"^{NAME.pattern}$"}


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


def text_of(call: Call, invalid: str) -> str:
    """Return the body as text.

    Raises:
        BadRequestError: it is too large (413), or, with the code `invalid`, not UTF-8.
    """
    content = call.body
    if len(content) > SIZE_LIMIT:
        message = f"The file has {len(content)} bytes; at most {SIZE_LIMIT} are allowed."
        raise errors.BadRequestError("RequestContentTooLarge", message, target="body", status=413)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as bad:
        raise errors.BadRequestError(invalid, f"The file is not UTF-8: {bad.reason}.", target="body") from None


def answered(
    call: Call,
    blobs: Blobs,
    folder: Folder,
    read: Callable[[str, str], list[dict[str, Any]]],
    changed: Callable[[], object],
    lead: bytes = b"",
) -> Answer:
    """Answer GET, PUT or DELETE of the file that the route's `file` names; `.yaml` may be left out.

    Args:
        call: The request.
        blobs: The app's container.
        folder: Where it is kept.
        read: Text and file name → what the file has, as the answer shows it; raises BadRequestError when it is wrong.
        changed: Called when a file was written or removed.
        lead: A line of ours that is written before the text, and not shown.
    """
    name = call.named.get("file", "")
    if not NAME.fullmatch(name):
        said = "expected letters, digits, dots, hyphens and underscores, 100 at most"
        message = f"'{name[:100]}' is not a file name; {said}: my-{folder.holds}.yaml."
        raise errors.BadRequestError("InvalidParameter", message, target="file")
    file = name if name.lower().endswith(ENDINGS) else f"{name}.yaml"
    if call.method == "PUT":
        text = text_of(call, folder.invalid)
        found = read(text, file)
        blobs.put(folder.prefix + file, lead + text.encode())
        changed()
        return answer.of_json({"file": file, folder.holds: found})
    content = blobs.get(folder.prefix + file)
    if content is None:
        message = f"There is no file of {folder.holds} '{name}'; GET {folder.listing} lists those in force with their files."
        raise errors.BadRequestError(folder.missing, message, target="file", status=404)
    if call.method == "DELETE":
        blobs.delete(folder.prefix + file)
        changed()
        return answer.of_json(None, 204)
    if lead and content.startswith(lead.partition(b":")[0] + b":"):
        content = content.partition(b"\n")[2]
    return answer.of_bytes(content, f"{YAML}; charset=utf-8")


def routes(function: str, path: str, handler: Handler, *, name: str, holds: str, whole: bool = False) -> tuple[Route, ...]:
    """Return the routes of one YAML file of rules or policies below a path."""
    call = f"{path}/{{file}}"
    route = partial(Route, handler=handler, function=function, path={"file": FILE_NAME})
    changing = partial(route, role="admin", whole=whole)
    stored = f"Store a file of {holds}; refused with line and column when it is wrong"
    changed = {"200": schemas.OBJECT}
    return (
        route(
            f"{name}_get", f"GET {call}", summary=f"One file of {holds}, as YAML", answers={}, answers_as=(YAML,), problems=MISSING
        ),
        changing(f"{name}_put", f"PUT {call}", summary=stored, body=TEXT, answers=changed, problems=LARGE),
        route(
            f"{name}_delete",
            f"DELETE {call}",
            role="admin",
            whole=whole,
            summary=f"Remove a file of {holds}",
            answers=GONE,
            problems=MISSING,
        ),
    )
