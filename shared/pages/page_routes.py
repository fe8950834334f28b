"""Routes of health, the OpenAPI document, and the pages. Pages and document ask for no key, and hold no data of any caller.

All that the dashboard shows comes through the other routes, with the key that its reader types in.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from shared.api import answer, schemas
from shared.api.answer import Answer
from shared.api.route import BUSY, MISSING, Route
from shared.catalog import grants
from shared.pages import static
from shared.rest import errors
from shared.text import times

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shared.api.call import Call
    from shared.services import Services

VIEWER, DASHBOARD = (Path(__file__).parent / name for name in ("viewer", "dashboard"))
SHELL = "index.html"
VIEWER_FILES = {
    "page.css": "text/css",
    "page.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "LICENSE": "text/plain",
    "NOTICE": "text/plain",
    "swagger-ui-bundle.js.LICENSE.txt": "text/plain",
}
# The viewer draws its arrows from data: images, and nothing comes from or goes to another host.
VIEWER_POLICY = f"{static.POLICY}; img-src 'self' data:"
DASHBOARD_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
# Trusted Types make the browser itself refuse to read any text as HTML: names and tags are other people's words.
DASHBOARD_POLICY = f"{static.POLICY}; img-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'"


def health(_call: Call, app: Services) -> Answer:
    """GET `health`: 200 `{"status": "up"}`. Storage is read at each call.

    Raises:
        TransientError: it is out of reach; then the app is down.
    """
    from shared import health as vitals

    vitals.probe(app)
    return answer.of_json({"status": "up"})


def details(call: Call, app: Services) -> Answer:
    """GET `health/details`: what needs attention, then queues, operations, deliveries, files, allowances, token; always 200."""
    from shared import health as vitals

    roles = [grant.role for grant in call.sender.grants] or ["admin"]
    cloud = app.settings.cloud
    links = {"portal": cloud.portal, "studio": cloud.studio}
    who = {"caller": call.by(app.settings), "role": min(roles, key=grants.ROLES.index), "links": links}
    if call.limited:  # the rest names what others do
        return answer.of_json({"status": "up", "at": times.iso(app.clock()), "attention": [], **who})
    return answer.of_json({**vitals.look(app), **who})


def poison(_call: Call, app: Services) -> Answer:
    """GET `health/poison`: what could not be processed, with its reason."""
    from shared import services
    from shared.durable import poison as held

    return answer.of_json({"value": held.listed(services.QUEUES, app)})


def discard(call: Call, app: Services) -> Answer:
    """DELETE `health/poison/{id}`: 204; it is gone for good."""
    from shared import services
    from shared.durable import poison as held

    held.discard(call.named.get("id", ""), services.QUEUES, app)
    return Answer(status=204)


def again(call: Call, app: Services) -> Answer:
    """POST `health/poison/{id}/again`: 204; it is on its queue."""
    from shared.hooks import inbox

    inbox.again(call.named.get("id", ""), app)
    return Answer(status=204)


def docs(call: Call, _app: object) -> Answer:
    """GET `docs`: the page that shows it; what it tries out is sent with the key that its reader types in."""
    return static.shell(call, VIEWER / SHELL, VIEWER_POLICY)


def docs_file(call: Call, _app: object) -> Answer:
    """GET `docs/{file}`: a file of that page."""
    name = call.named.get("file", "")
    if name not in VIEWER_FILES:
        raise errors.BadRequestError("FileNotFound", f"The page has no file '{name[:100]}'.", target="file", status=404)
    return static.served(call, *static.read(VIEWER / name), VIEWER_FILES[name], VIEWER_POLICY)


def dashboard(call: Call, _app: object) -> Answer:
    """GET `dashboard`: the page."""
    return static.shell(call, DASHBOARD / SHELL, DASHBOARD_POLICY)


def dashboard_file(call: Call, _app: object) -> Answer:
    """GET `dashboard/{file}`: its styles, scripts and icon."""
    name = call.named.get("file", "")
    known = {path.name: path for path in DASHBOARD.iterdir() if path.suffix in DASHBOARD_TYPES}  # looked up, never joined
    if name not in known:
        raise errors.BadRequestError("FileNotFound", f"The dashboard has no file '{name[:100]}'.", target="file", status=404)
    return static.served(call, *static.read(known[name]), DASHBOARD_TYPES[known[name].suffix], DASHBOARD_POLICY)


def routes(every: Callable[[], Sequence[Route]]) -> tuple[Route, ...]:
    """Return the rows; `every` returns those of all rooms, which the document describes."""

    @cache
    def written(prefix: str) -> tuple[bytes, str]:
        from shared.openapi import document

        return document.written(prefix, every())

    def openapi(call: Call, _app: object) -> Answer:
        """GET `openapi.json`: the OpenAPI 3.1 document of every route, kind and action."""
        return static.served(call, *written(urlsplit(call.base).path), "application/json", VIEWER_POLICY)

    return (
        Route(
            "openapi",
            "GET /openapi.json",
            openapi,
            role="anyone",
            summary="This document",
            answers={"200": schemas.OBJECT},
        ),
        Route(
            "health",
            "GET /health",
            health,
            probe=True,
            role="anyone",
            summary="Up or down, and nothing else",
            answers={"200": {"type": "object", "required": ["status"], "properties": {"status": {"enum": ["up", "down"]}}}},
        ),
        Route(
            "health_details",
            "GET /health/details",
            details,
            summary="Problems; queues and poison, open operations, deliveries, files, what Azure still allows, the sign-in",
            answers={"200": schemas.ref("schemas", "Health")},
        ),
        Route(
            "health_poison",
            "GET /health/poison",
            poison,
            whole=True,
            summary="Messages and events that could not be processed, with their reason",
            answers={"200": schemas.listed(schemas.ref("schemas", "Poison"))},
        ),
        Route(
            "health_poison_discard",
            "DELETE /health/poison/{id}",
            discard,
            role="operator",
            whole=True,
            summary="Remove such a message for good",
            answers={"204": None},
            problems=MISSING,
        ),
        Route(
            "health_poison_again",
            "POST /health/poison/{id}/again",
            again,
            role="operator",
            whole=True,
            summary="Take in events that were put aside once more",
            answers={"204": None},
            problems={**MISSING, **BUSY},
        ),
        Route(
            "docs",
            "GET /docs",
            docs,
            role="anyone",
            summary="This document, to read and to try",
            answers={},
            answers_as=("text/html",),
        ),
        Route(
            "docs_file",
            "GET /docs/{file}",
            docs_file,
            role="anyone",
            summary="A file of that page",
            answers={},
            answers_as=("text/javascript", "text/css", "text/plain"),
            problems=MISSING,
        ),
        Route(
            "dashboard",
            "GET /dashboard",
            dashboard,
            role="anyone",
            summary="Operations, workspaces, clean-up, events and health, to look at",
            answers={},
            answers_as=("text/html",),
        ),
        Route(
            "dashboard_file",
            "GET /dashboard/{file}",
            dashboard_file,
            role="anyone",
            summary="A file of that page",
            answers={},
            answers_as=("text/javascript", "text/css", "image/svg+xml"),
            problems=MISSING,
        ),
    )
