"""The parts of a multipart/form-data body. Not here: what they are taken for (intake, run)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from shared.files import content
from shared.rest import errors

if TYPE_CHECKING:
    from collections.abc import Iterable

    import azure.functions as func


def is_multipart(req: func.HttpRequest) -> bool:
    """Tell whether the body is multipart/form-data."""
    return str(req.headers.get("content-type", "")).lower().startswith("multipart/form-data")


def parts(req: func.HttpRequest) -> dict[str, tuple[str, bytes]]:
    """Return each part, whether it came as a file or as a field: name → (file name or '', content).

    Raises:
        BadRequestError: `InvalidMultipart`.
    """
    _check_count(req)
    twice = ""
    try:
        found = {str(name): ("", str(value).encode()) for name, value in req.form.items() if name}
        for name in req.files:
            several = req.files.getlist(name)
            for file in several:  # files under one name, as browsers send a folder, are told apart by their own
                if name:
                    key = str(name) if len(several) == 1 else str(file.filename or name)
                    twice = twice or (key if key in found else "")
                    found[key] = (str(file.filename or ""), file.read())
                file.close()  # a large one lies in a temporary file
    except Exception as bad:
        message = f"The multipart body cannot be read: {type(bad).__name__}."
        raise errors.BadRequestError("InvalidMultipart", message, target="body") from bad
    if not found:
        raise _partless(req)
    if twice:
        raise errors.BadRequestError("InvalidMultipart", f"The part '{twice[:100]}' comes twice.", target=twice)
    return found


def _check_count(req: func.HttpRequest) -> None:
    """Refuse more parts than there may be files before any is read: a hundred bytes of each cost a kilobyte and time.

    Raises:
        BadRequestError: `InvalidMultipart`.
    """
    named = re.search(r'boundary="?([^";,]+)', str(req.headers.get("content-type", "")), re.IGNORECASE)
    count = req.get_body().count(b"--" + named[1].encode()) if named else 0
    if count > content.FILES_LIMIT + 2:
        message = f"The body has {count - 1} parts; {content.FILES_LIMIT} are taken. Send the files as one zip."
        raise errors.BadRequestError("InvalidMultipart", message, target="body")


def missing(name: str, given: Iterable[str]) -> errors.BadRequestError:
    """Return the refusal of a body without the part `name`."""
    shown = ", ".join(given) or "none"
    return errors.BadRequestError("MissingPart", f"The multipart part '{name}' is missing; given: {shown[:200]}.", target=name)


def _partless(req: func.HttpRequest) -> errors.BadRequestError:
    """Return the refusal of a multipart body in which no part is found, with the likely reason."""
    media = str(req.headers.get("content-type", ""))
    message = "The body has no parts."
    if "boundary=" not in media.lower():
        message = "Content-Type names no boundary, so that no part can be found; leave that header to your HTTP client."
        return errors.BadRequestError("InvalidMultipart", message, target="Content-Type")
    if req.get_body().strip():
        message = "The body holds no part behind the boundary that Content-Type names; leave that header to your HTTP client."
    return errors.BadRequestError("InvalidMultipart", message, target="body")
