"""Parse a multipart/form-data body (RFC 7578) into views of its parts, without copying them.

Not here: what the parts mean (payload, run).
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from shared.files import content
from shared.rest import errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from shared.api.call import Call

MEDIA = "multipart/form-data"
BOUNDARY_LIMIT = 70  # characters, the limit of RFC 2046
HEADER_LIMIT = 8 * 1024  # bytes of one part's headers
_BOUNDARY = re.compile(r';\s*boundary\s*=\s*(?:"([^"]*)"|([^\s";,]+))', re.IGNORECASE)
_DISPOSITION = re.compile(rb"^content-disposition[ \t]*:[ \t]*form-data[ \t]*(.*)$", re.IGNORECASE | re.MULTILINE)
_PARAMETER = re.compile(rb';[ \t]*([\w-]+\*?)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s";]+))')
_LEADING_LINE = re.compile(rb"[ \t]*(\r?\n)")


def is_multipart(call: Call) -> bool:
    """Return whether the body is multipart/form-data."""
    return call.media.lower().startswith(MEDIA)


def parts(call: Call) -> dict[str, tuple[str, memoryview]]:
    """Return all parts, files and fields: name → (file name or '', content).

    Raises:
        BadRequestError: `InvalidMultipart`.
    """
    every = list(_every(call))
    found: dict[str, tuple[str, memoryview]] = {}
    files = Counter(name for name, file, _ in every if file is not None)
    for name, file, data in every:
        # browsers send a folder as files with one part name; the file names differ
        key = file or name if file is not None and files[name] > 1 else name
        if key in found:
            raise _invalid(f"The part '{key[:100]}' is given twice; expected each part once.", target=key)
        found[key] = (file or "", data)
    if not found:
        raise _partless(call)
    return found


def missing(name: str, given: Iterable[str]) -> errors.BadRequestError:
    """Return the error for a body without the part `name`."""
    shown = ", ".join(given) or "none"
    return errors.BadRequestError("MissingPart", f"The multipart part '{name}' is missing; given: {shown[:200]}.", target=name)


def _every(call: Call) -> Iterator[tuple[str, str | None, memoryview]]:
    """Yield name, file name (None for a plain field) and content of each named part, in one pass over the body."""
    named = _BOUNDARY.search(call.media)
    if named is None:
        raise _partless(call)
    boundary = (named[1] or named[2] or "").encode("latin-1", "replace")
    if not 0 < len(boundary) <= BOUNDARY_LIMIT:
        message = f"The boundary in Content-Type has {len(boundary)} characters; expected 1 to {BOUNDARY_LIMIT}."
        raise _invalid(message, target="Content-Type")
    body, view, number = call.body, memoryview(call.body), 0
    count = body.count(b"\n--" + boundary) + body.startswith(b"--" + boundary) - 1
    if count > content.FILES_LIMIT + 1:  # counted before parsing: each part of a hundred bytes takes time and a kilobyte
        raise _invalid(f"The body has {count} parts; at most {content.FILES_LIMIT} are allowed. Send the files as one zip.")
    at = 0 if body.startswith(b"--" + boundary) else body.find(b"\n--" + boundary) + 1
    if not body.startswith(b"--" + boundary, at):
        raise _partless(call)
    at += len(boundary) + 2
    while not body.startswith(b"--", at):
        line = _LEADING_LINE.match(body, at, at + 100)
        head_end = line and body.find(line[1] * 2, line.start(1), line.end() + HEADER_LIMIT)
        if not line or head_end is None or head_end < 0:
            raise _invalid(f"The headers of part {number + 1} do not end within {HEADER_LIMIT} bytes; check its encoding.")
        start = head_end + 2 * len(line[1])
        end = body.find(line[1] + b"--" + boundary, start - len(line[1]))
        if end < 0:
            raise _invalid(f"The body ends within part {number + 1}: the closing boundary is missing. Send the whole body.")
        number += 1
        name, file = _named(body[line.end() : head_end])
        if name:
            yield name, file, view[start : max(start, end)]
        at = end + len(line[1]) + 2 + len(boundary)


def _named(head: bytes) -> tuple[str, str | None]:
    """Return a part's name and its file name, None for a plain field."""
    disposition = _DISPOSITION.search(head)
    given = {}
    for key, quoted, plain in _PARAMETER.findall(disposition[1] if disposition else b""):
        given[key.lower()] = re.sub(rb'\\(["\\])', rb"\1", quoted or plain).decode("utf-8", "replace")
    if b"filename*" in given:  # RFC 5987: charset, language and the percent-encoded name
        from urllib.parse import unquote

        given[b"filename"] = unquote(given[b"filename*"].rpartition("'")[2], errors="replace")
    return given.get(b"name", ""), given.get(b"filename")


def _invalid(message: str, target: str = "body") -> errors.BadRequestError:
    return errors.BadRequestError("InvalidMultipart", message, target=target)


def _partless(call: Call) -> errors.BadRequestError:
    """Return the error for a multipart body without any part, with the likely reason."""
    if "boundary=" not in call.media.lower():
        message = "Content-Type has no boundary, so the parts cannot be found. Let your HTTP client set that header."
        return _invalid(message, target="Content-Type")
    if call.body and not call.body[:100].isspace():
        return _invalid("The body has no part with the boundary of Content-Type. Let your HTTP client set that header.")
    return _invalid("The body has no parts; expected at least one.")
