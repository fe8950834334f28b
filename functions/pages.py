"""HTTP: health, the OpenAPI document, and the page that shows it. They ask for no key, because they tell nothing of anybody's."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import azure.functions as func

from functions import http
from shared import services
from shared.rest import errors

blueprint = func.Blueprint()

FOLDER = Path(__file__).parents[1] / "shared" / "pages" / "viewer"
SHELL = "index.html"
FILES = {
    "page.css": "text/css",
    "page.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "LICENSE": "text/plain",
    "NOTICE": "text/plain",
    "swagger-ui-bundle.js.LICENSE.txt": "text/plain",
}
# The viewer draws its arrows from data: images, and nothing comes from or goes to another host.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
GUARDS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@blueprint.function_name("health")
@blueprint.route("health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def health(req: func.HttpRequest) -> func.HttpResponse:
    """GET `health`: 200 `{"status": "up"}`, or 503 `{"status": "down"}` when settings or storage are out of order."""
    try:
        await http.in_thread(_look)
    except (errors.StewardError, ValueError):
        return http.json_response({"status": "down"}, 503, req)
    return http.json_response({"status": "up"}, 200, req)


@blueprint.function_name("openapi")
@blueprint.route("openapi.json", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def openapi(req: func.HttpRequest) -> func.HttpResponse:
    """GET `openapi.json`: the OpenAPI 3.1 document of every route, kind and action."""
    return await http.guarded(asyncio.to_thread(_document, req), req)


@blueprint.function_name("docs")
@blueprint.route("docs", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def docs(req: func.HttpRequest) -> func.HttpResponse:
    """GET `docs`: the page that shows it; what it tries out is sent with the key that its reader types in."""
    return await http.guarded(asyncio.to_thread(_shell, req), req)


@blueprint.function_name("docs_file")
@blueprint.route("docs/{file}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def docs_file(req: func.HttpRequest) -> func.HttpResponse:
    """GET `docs/{file}`: a file of that page."""
    return await http.guarded(asyncio.to_thread(_file, req), req)


def _look() -> None:
    services.get().ledger.load("health-0")


def _document(req: func.HttpRequest) -> func.HttpResponse:
    from shared.openapi import document

    prefix = urlsplit(http.base_url(req)).path
    return _served(req, *document.written(prefix), "application/json")


def _shell(req: func.HttpRequest) -> func.HttpResponse:
    if http.path(req).endswith("/"):  # from there its files would be looked for one level too deep
        return http.response(b"", 308, req, {"Location": "../docs"})
    return _served(req, *_read(SHELL), "text/html")


def _file(req: func.HttpRequest) -> func.HttpResponse:
    name = str(req.route_params.get("file", ""))
    if name not in FILES:
        raise errors.BadRequestError("FileNotFound", f"The page has no file '{name[:100]}'.", target="file", status=404)
    return _served(req, *_read(name), FILES[name])


@cache
def _read(name: str) -> tuple[bytes, str]:
    content = (FOLDER / name).read_bytes()
    return content, f'"{hashlib.sha256(content).hexdigest()[:32]}"'


@cache
def _packed(content: bytes) -> bytes:
    return gzip.compress(content, compresslevel=6, mtime=0)


def _served(req: func.HttpRequest, content: bytes, tag: str, media: str) -> func.HttpResponse:
    """Answer with what is the same for everybody: packed where that is taken, 304 to who has it already."""
    headers = {**GUARDS, "ETag": tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    known = {each.strip().removeprefix("W/") for each in str(req.headers.get("if-none-match", "")).split(",")}
    if tag in known:
        return http.response(b"", 304, req, headers)
    headers["Content-Type"] = f"{media}; charset=utf-8"
    if "gzip" in str(req.headers.get("accept-encoding", "")).lower():
        return http.response(_packed(content), 200, req, {**headers, "Content-Encoding": "gzip"})
    return http.response(content, 200, req, headers)
