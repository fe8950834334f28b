"""HTTP: POST on any resource. The table says whether that provisions, starts a run or scores; one function a literal."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import azure.functions as func

from functions import http, intake, passing, routes, run, score, terms
from shared import services
from shared.catalog import bodies, paths
from shared.operations import acceptance
from shared.preflight import guards
from shared.rest import errors, ids

if TYPE_CHECKING:
    from shared.catalog.paths import Target
    from shared.operations.models import Operation

blueprint = func.Blueprint()


def act(req: func.HttpRequest) -> func.HttpResponse | Operation:
    """Find the action in the table and hand it to its room."""
    http.refuse_preflight(req)
    if way := passing.way(req):
        return passing.pass_on(req, way)
    target = paths.resolve(http.path(req), services.get().settings)
    if target.action is None and (on_itself := target.kind.action("")):  # Azure takes a POST on the resource itself
        target = replace(target, action=on_itself)
    action = target.action
    if action is None:
        if target.id.is_collection and target.kind.named_by_us:
            return run.start_job(req, target)
        if target.id.is_collection and target.kind.posted_name:
            return _create(req, target)
        names = ", ".join(action.name for action in target.kind.actions) or "none"
        message = f"POST needs an action of {target.kind.full_type}: {names}."
        raise errors.MethodNotAllowedError(message, paths.allowed(target), target="path")
    if action.preview and not services.get().settings.previews:
        message = f"'{action.name}' is a preview ({action.preview}); the setting STEWARD_PREVIEWS=true offers it."
        raise errors.BadRequestError("PreviewNotEnabled", message, target="path", status=403)
    if action.room == "score":
        return score.score(req, target)
    if action.room == "run":
        return run.start_run(req, target)
    return _pass_on(req, target) if action.direct else _carry_out(req, target)


def _pass_on(req: func.HttpRequest, target: Target) -> func.HttpResponse:
    """Ask Azure and hand its answer to the caller; nothing of it (keys, tokens) is stored."""
    app = services.get()
    http.refuse_asks(req)
    url = app.addresses.url(target.plane, target.path, _query(req, target), workspace=target.workspace.path)
    response = app.client.send("POST", url, body=_body(req)).checked()
    return http.json_response(response.body, response.status, req)


def _create(req: func.HttpRequest, target: Target) -> Operation:
    """POST a resource to its collection: its body names it."""
    body = bodies.parse(req.get_body(), req.headers.get("content-type", ""))
    bodies.check(target.kind, body)
    name = bodies.dig(body, target.kind.posted_name)
    ids.segment(str(name))
    paths.check_name(replace(target, id=replace(target.id, names=(*target.id.names, str(name)))))
    return _carry_out(req, target)


def _carry_out(req: func.HttpRequest, target: Target) -> Operation:
    brought = intake.Intake(target=target)
    if target.action and target.action.name == "package" and req.get_body().strip():  # its YAML may name code
        brought = intake.read(req, target)
    else:
        http.refuse_asks(req, "Prefer", "Idempotency-Key", "Callback-Url")
        brought = replace(brought, body=_body(req))
    guards.check_move(target, brought.body)
    request = acceptance.Request(
        target=brought.target,
        method="POST",
        api_version=http.given_version(req, target.api_version),
        query=paths.forwarded_query(http.raw_query(req)),
        body=brought.body,
        plan=brought.plan,
        contents=brought.contents,
    )
    return terms.submit(req, request)


def _body(req: func.HttpRequest) -> dict[str, object] | None:
    content = req.get_body()
    return bodies.parse(content, req.headers.get("content-type", "")) if content.strip() else None


def _query(req: func.HttpRequest, target: Target) -> str:
    forwarded = paths.forwarded_query(http.raw_query(req))
    return "&".join(part for part in (f"api-version={http.api_version(req, target)}", forwarded) if part)


async def _act(req: func.HttpRequest) -> func.HttpResponse:
    return await http.answer(req, act)


for literal in http.LITERALS:
    routes.route(blueprint, f"act_{literal}", f"{literal}/{{*rest}}", ["POST"])(_act)
