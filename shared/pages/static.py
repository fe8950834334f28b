"""How what is the same for every reader is answered: a page's files, the OpenAPI document. They ask for no key and hold no data.

Not here: which files there are (pages, dashboard).
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING

from shared.api.answer import Answer

if TYPE_CHECKING:
    from pathlib import Path

    from shared.api.call import Call

GUARDS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
# Everything of a page comes from the app and goes to the app; what else a page needs, it adds.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


@cache
def read(path: Path) -> tuple[bytes, str]:
    """Return a file of the package and its ETag."""
    content = path.read_bytes()
    return content, f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def served(call: Call, content: bytes, tag: str, media: str, policy: str) -> Answer:
    """Answer with what is the same for every reader: packed where that is taken, 304 to who has it already.

    Args:
        call: The request.
        content: What there is.
        tag: Its ETag.
        media: Its type.
        policy: The Content-Security-Policy.
    """
    headers = {**GUARDS, "Content-Security-Policy": policy, "ETag": tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    known = {each.strip().removeprefix("W/") for each in call.header("if-none-match").split(",")}
    if tag in known:
        return Answer(status=304, headers=headers)
    headers["Content-Type"] = f"{media}; charset=utf-8"
    if "gzip" in call.header("accept-encoding").lower():
        return Answer(content=_packed(content), headers={**headers, "Content-Encoding": "gzip"})
    return Answer(content=content, headers=headers)


def shell(call: Call, path: Path, policy: str) -> Answer:
    """Answer with a page, or, where its address ends in a slash, with the one from which its files are found."""
    if call.path.endswith("/"):  # from there they would be looked for one level too deep
        return Answer(status=308, headers={"Location": f"../{call.path.strip('/').rpartition('/')[2]}"})
    return served(call, *read(path), "text/html", policy)


@cache
def _packed(content: bytes) -> bytes:
    import gzip

    return gzip.compress(content, compresslevel=6, mtime=0)
