"""Routes to read, put and delete one YAML file of rules or policies in the app's container.

An invalid file is refused as a whole, and the previous one stays in force. Not here: what a file may hold.
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
TEXT: dict[str, schemas.Json] = {  # JSON is valid YAML, and some generated clients can send only JSON
    YAML: schemas.STRING, "text/plain": schemas.STRING, "application/json": schemas.OBJECT,
}  # fmt: skip
GONE: dict[str, None] = {"204": None}
FILE_NAME: schemas.Json = {"type": "string", "pattern": f"^{NAME.pattern}$"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """The folder of one type of file.

    Attributes:
        prefix: The prefix of the blobs' names.
        holds: What a file contains, in the plural: the name of the list in the answer to a PUT.
        listing: The path below /api that lists the entries in force.
        invalid, missing: Error codes for an invalid file, and for one that does not exist.
    """

    prefix: str
    holds: str
    listing: str
    invalid: str
    missing: str


def text_of(call: Call, invalid: str) -> str:
    """Return the body as text.

    Raises:
        BadRequestError: the body is too large (413), or not UTF-8 (code `invalid`).
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
        folder: Its folder.
        read: Text and file name → the file's entries as the answer shows them; raises BadRequestError for an invalid file.
        changed: Called after a file was written or removed.
        lead: A line that the app stores before the text and does not show.
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
        message = f"There is no file of {folder.holds} '{name}'; GET {folder.listing} lists them with their files."
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
    stored = f"Store a file of {holds}; an invalid file is refused with line and column"
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
