"""HTTP: GET any resource or collection of the catalog, and the logs and metrics of a job or run."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import azure.functions as func

from functions import http, parameters, passing, routes
from shared import services
from shared.catalog import paths
from shared.jobs import history
from shared.rest import errors

if TYPE_CHECKING:
    from shared.catalog.paths import Target

blueprint = func.Blueprint()


def browse(req: func.HttpRequest) -> func.HttpResponse:
    """Ask Azure and hand its answer on; a list's nextLink leads back here."""
    app = services.get()
    if way := passing.way(req):
        return passing.pass_on(req, way)
    target = paths.resolve(http.path(req), app.settings)
    if target.action:
        message = f"'{target.action.name}' is an action: POST it."
        raise errors.MethodNotAllowedError(message, paths.allowed(target), target="path")
    if target.view == "discovery":
        return http.json_response(app.addresses.discover(target.id.path), 200, req)
    if target.view == "logs":
        return _logs(req, target)
    if target.view == "metrics":
        return http.json_response(history.metrics(target, app.client, app.addresses), 200, req)
    if target.id.is_collection and target.kind.searchable and (asked := _search_asked(req)):
        return _search(req, target, asked)
    paths.check_verb(target, "LIST" if target.id.is_collection else "GET")
    forwarded = paths.forwarded_query(http.raw_query(req))
    query = "&".join(part for part in (f"api-version={http.api_version(req, target)}", forwarded) if part)
    url = app.addresses.url(target.plane, target.path, query, workspace=target.workspace.path)
    body = app.client.send("GET", url).checked().body
    return http.json_response(http.own_next_link(body, url, req), 200, req)


def _search_asked(req: func.HttpRequest) -> dict[str, list[str]]:
    """Return the query when it asks for what only run history can filter by, else nothing."""
    from shared.jobs import search

    query = parse_qs(http.raw_query(req), keep_blank_values=True)
    return query if search.PARAMETERS & {name.lower() for name in query} else {}


def _search(req: func.HttpRequest, target: Target, asked: dict[str, list[str]]) -> func.HttpResponse:
    """Answer a list of jobs from run history, and say so; nextLink is the same search with our own token."""
    from shared.jobs import search

    app = services.get()
    found, token = search.page(search.read(asked), target.workspace, app.client, app.addresses)
    body: dict[str, object] = {"value": found, "source": "run history"}
    if token:
        body["nextLink"] = http.next_link(req, token)
    return http.json_response(body, 200, req)


def _logs(req: func.HttpRequest, target: Target) -> func.HttpResponse:
    """Answer with every log as JSON, or with `?file=` one of them as text."""
    app = services.get()
    only = parameters.text(req, "file")
    found = history.logs(target, app.client, app.addresses, only=only)
    if only:
        content = str(found["value"][0]["content"]).encode("utf-8", errors="replace")
        return http.response(content, 200, req, {"Content-Type": "text/plain; charset=utf-8"})
    return http.json_response(found, 200, req)


async def _browse(req: func.HttpRequest) -> func.HttpResponse:
    return await http.answer(req, browse)


async def _exists(req: func.HttpRequest) -> func.HttpResponse:
    """HEAD: as GET; of a resource group 204, as ARM, whose clients' `check_existence` takes nothing else."""
    found = await _browse(routes.as_get(req))
    segments = http.path(req).strip("/").lower().split("/")
    if found.status_code == 200 and segments[-2:-1] == ["resourcegroups"]:
        return http.response(b"", 204, req, {})
    return found


for literal in http.LITERALS:
    routes.route(blueprint, f"browse_{literal}", f"{literal}/{{*rest}}", ["GET"], head=_exists)(_browse)
