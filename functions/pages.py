"""HTTP: health, the OpenAPI document, and the page that shows it. They ask for no key, because they tell nothing of anybody's."""

from __future__ import annotations

import asyncio
import logging
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import azure.functions as func

from functions import http, routes, static
from shared import services
from shared.rest import errors
from shared.telemetry import threads

blueprint = func.Blueprint()
log = logging.getLogger("steward.health")

PROBE_S = 2.0

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
POLICY = f"{static.POLICY}; img-src 'self' data:"


@routes.route(blueprint, "health", "health", ["GET"], anonymous=True)
async def health(req: func.HttpRequest) -> func.HttpResponse:
    """GET `health`: 200 `{"status": "up"}`, or 503 `{"status": "down"}` when settings or storage are out of order.

    Storage is read at each call, in a thread that nothing else waits for, and has two seconds to answer.
    """
    return await http.guarded(_health(req), req)


async def _health(req: func.HttpRequest) -> func.HttpResponse:
    try:
        await asyncio.wait_for(threads.run(_probes(), _look), PROBE_S)
    except Exception as problem:  # noqa: BLE001 - whatever it is, the app is not up
        reason = (
            f"no answer within {PROBE_S:.0f} s" if isinstance(problem, TimeoutError) else f"{type(problem).__name__}: {problem}"
        )
        log.error("health: down: %.300s", reason)  # noqa: TRY400 - the reason says it; a trace each few seconds hides the rest
        return http.json_response({"status": "down"}, 503, req)
    return http.json_response({"status": "up"}, 200, req)


@routes.route(blueprint, "openapi", "openapi.json", ["GET"], anonymous=True)
async def openapi(req: func.HttpRequest) -> func.HttpResponse:
    """GET `openapi.json`: the OpenAPI 3.1 document of every route, kind and action."""
    return await http.guarded(threads.run(None, _document, req), req)


@routes.route(blueprint, "docs", "docs", ["GET"], anonymous=True)
async def docs(req: func.HttpRequest) -> func.HttpResponse:
    """GET `docs`: the page that shows it; what it tries out is sent with the key that its reader types in."""
    return await http.guarded(threads.run(None, _shell, req), req)


@routes.route(blueprint, "docs_file", "docs/{file}", ["GET"], anonymous=True)
async def docs_file(req: func.HttpRequest) -> func.HttpResponse:
    """GET `docs/{file}`: a file of that page."""
    return await http.guarded(threads.run(None, _file, req), req)


def _look() -> None:
    from shared import health as vitals

    vitals.probe(services.get())


@cache
def _probes() -> threads.Pool:
    return threads.Pool(max_workers=1, thread_name_prefix="health")


def _document(req: func.HttpRequest) -> func.HttpResponse:
    from shared.openapi import document

    prefix = urlsplit(http.base_url(req)).path
    return static.served(req, *document.written(prefix), "application/json", POLICY)


def _shell(req: func.HttpRequest) -> func.HttpResponse:
    return static.shell(req, FOLDER / SHELL, POLICY)


def _file(req: func.HttpRequest) -> func.HttpResponse:
    name = str(req.route_params.get("file", ""))
    if name not in FILES:
        raise errors.BadRequestError("FileNotFound", f"The page has no file '{name[:100]}'.", target="file", status=404)
    return static.served(req, *static.read(FOLDER / name), FILES[name], POLICY)
