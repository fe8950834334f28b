"""HTTP: the dashboard, a static shell without data; and the numbers it shows that no other function has.

The shell and its files ask for no key: they are the same for everybody. All they show comes through the other functions, with
the key that the user typed into the page.
"""

from __future__ import annotations

from pathlib import Path

import azure.functions as func

from functions import http, parameters, routes, static
from shared import services
from shared.rest import errors

blueprint = func.Blueprint()

FOLDER = Path(__file__).parents[1] / "shared" / "pages" / "dashboard"
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
# Trusted Types make the browser itself refuse to read any text as HTML: names and tags are other people's words.
POLICY = f"{static.POLICY}; img-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'"
MARKS_LIMIT = 500


@routes.route(blueprint, "dashboard", "dashboard", ["GET"], anonymous=True)
async def page(req: func.HttpRequest) -> func.HttpResponse:
    """GET `dashboard`: the page."""
    return await http.answer(req, lambda req: static.shell(req, FOLDER / "index.html", POLICY))


@routes.route(blueprint, "dashboard_file", "dashboard/{file}", ["GET"], anonymous=True)
async def file(req: func.HttpRequest) -> func.HttpResponse:
    """GET `dashboard/{file}`: its styles, scripts and icon."""
    return await http.answer(req, _file)


@routes.route(blueprint, "health_details", "health/details", ["GET"])
async def details(req: func.HttpRequest) -> func.HttpResponse:
    """GET `health/details`: what needs somebody, then queues, operations, deliveries, files, allowances, token; always 200."""
    return await http.answer(req, _details)


@routes.route(blueprint, "cleanup_marks", "cleanup/marks", ["GET"])
async def marks(req: func.HttpRequest) -> func.HttpResponse:
    """GET `cleanup/marks?$top=`: what the clean-up has marked, the first due first."""
    return await http.answer(req, _marks)


def _file(req: func.HttpRequest) -> func.HttpResponse:
    name = str(req.route_params.get("file", ""))
    known = {path.name: path for path in FOLDER.iterdir() if path.suffix in TYPES}  # a name from outside is looked up, never joined
    if name not in known:
        raise errors.BadRequestError("FileNotFound", f"The dashboard has no file '{name[:100]}'.", target="file", status=404)
    return static.served(req, *static.read(known[name]), TYPES[known[name].suffix], POLICY)


def _details(req: func.HttpRequest) -> func.HttpResponse:
    from shared import health

    return http.json_response({**health.look(services.get()), "caller": http.caller(req)}, 200, req)


def _marks(req: func.HttpRequest) -> func.HttpResponse:
    from shared.cleanup.verdict import marks as kept
    from shared.operations import models

    top = parameters.whole_number(req, "$top", 100, MARKS_LIMIT)
    found = sorted(kept.Marks(services.get().cleanup_rows).every(), key=lambda each: each[1].due)
    shown = [
        {
            "resource": resource,
            "policy": mark.policy,
            "reason": mark.reason,
            "tagged": mark.tagged,
            "markedAt": models.iso(mark.at),
            "due": models.iso(mark.due),
        }
        for resource, mark in found[:top]
    ]
    return http.json_response({"value": shown, "count": len(found)}, 200, req)
