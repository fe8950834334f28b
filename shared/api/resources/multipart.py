"""The parts of a multipart/form-data body. Not here: what they are taken for (payload, run)."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from shared.files import content
from shared.rest import errors

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shared.api.call import Call


def is_multipart(call: Call) -> bool:
    """Tell whether the body is multipart/form-data."""
    return call.media.lower().startswith("multipart/form-data")


def parts(call: Call) -> dict[str, tuple[str, bytes]]:
    """Return each part, whether it came as a file or as a field: name → (file name or '', content).

    Raises:
        BadRequestError: `InvalidMultipart`.
    """
    _check_count(call)
    twice, found = "", {}
    try:
        every = [part for part in call.form() if part.name]
    except Exception as bad:
        message = f"The multipart body cannot be read: {type(bad).__name__}."
        raise errors.BadRequestError("InvalidMultipart", message, target="body") from bad
    files = Counter(part.name for part in every if part.file is not None)
    for part in every:
        # files under one name, as browsers send a folder, have names of their own
        key = part.name if part.file is None or files[part.name] == 1 else part.file or part.name
        twice = twice or (key if part.file is not None and key in found else "")
        found[key] = (part.file or "", part.content)
    if not found:
        raise _partless(call)
    if twice:
        raise errors.BadRequestError("InvalidMultipart", f"The part '{twice[:100]}' comes twice.", target=twice)
    return found


def _check_count(call: Call) -> None:
    """Refuse more parts than there may be files before any is read: a hundred bytes of each cost a kilobyte and time.

    Raises:
        BadRequestError: `InvalidMultipart`.
    """
    named = re.search(r'boundary="?([^";,]+)', call.media, re.IGNORECASE)
    count = call.body.count(b"--" + named[1].encode()) if named else 0
    if count > content.FILES_LIMIT + 2:
        message = f"The body has {count - 1} parts; {content.FILES_LIMIT} are taken. Send the files as one zip."
        raise errors.BadRequestError("InvalidMultipart", message, target="body")


def missing(name: str, given: Iterable[str]) -> errors.BadRequestError:
    """Return the refusal of a body without the part `name`."""
    shown = ", ".join(given) or "none"
    return errors.BadRequestError("MissingPart", f"The multipart part '{name}' is missing; given: {shown[:200]}.", target=name)


def _partless(call: Call) -> errors.BadRequestError:
    """Return the refusal of a multipart body in which no part is found, with the likely reason."""
    media = call.media
    message = "The body has no parts."
    if "boundary=" not in media.lower():
        message = "Content-Type names no boundary, so that no part can be found; leave that header to your HTTP client."
        return errors.BadRequestError("InvalidMultipart", message, target="Content-Type")
    if call.body.strip():
        message = "The body holds no part behind the boundary that Content-Type names; leave that header to your HTTP client."
    return errors.BadRequestError("InvalidMultipart", message, target="body")
