"""How what is the same for everybody is answered: a page's files, the OpenAPI document. They ask for no key and hold no data.

Not here: which files there are (pages, dashboard).
"""

from __future__ import annotations

import gzip
import hashlib
from functools import cache
from typing import TYPE_CHECKING

from functions import http

if TYPE_CHECKING:
    from pathlib import Path

    import azure.functions as func

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


def served(req: func.HttpRequest, content: bytes, tag: str, media: str, policy: str) -> func.HttpResponse:
    """Answer with what is the same for everybody: packed where that is taken, 304 to who has it already.

    Args:
        req: The request.
        content: What there is.
        tag: Its ETag.
        media: Its type.
        policy: The Content-Security-Policy.
    """
    headers = {**GUARDS, "Content-Security-Policy": policy, "ETag": tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    known = {each.strip().removeprefix("W/") for each in str(req.headers.get("if-none-match", "")).split(",")}
    if tag in known:
        return http.response(b"", 304, req, headers)
    headers["Content-Type"] = f"{media}; charset=utf-8"
    if "gzip" in str(req.headers.get("accept-encoding", "")).lower():
        return http.response(_packed(content), 200, req, {**headers, "Content-Encoding": "gzip"})
    return http.response(content, 200, req, headers)


def shell(req: func.HttpRequest, path: Path, policy: str) -> func.HttpResponse:
    """Answer with a page, or, where its address ends in a slash, with the one from which its files are found."""
    if http.path(req).endswith("/"):  # from there they would be looked for one level too deep
        return http.response(b"", 308, req, {"Location": f"../{http.path(req).strip('/').rpartition('/')[2]}"})
    return served(req, *read(path), "text/html", policy)


@cache
def _packed(content: bytes) -> bytes:
    return gzip.compress(content, compresslevel=6, mtime=0)
