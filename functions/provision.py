"""HTTP: PUT, PATCH and DELETE any resource of the catalog."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import azure.functions as func

from functions import http, intake, parameters, passing, routes, terms
from shared import services
from shared.catalog import bodies, paths
from shared.operations import acceptance
from shared.preflight import guards
from shared.rest import errors

if TYPE_CHECKING:
    from shared.operations.models import Operation

blueprint = func.Blueprint()


def change(req: func.HttpRequest) -> func.HttpResponse | Operation:
    """Check what can be checked without Azure, then carry the request out."""
    app = services.get()
    if way := passing.way(req):
        return passing.pass_on(req, way)
    target = paths.resolve(http.path(req), app.settings)
    method = str(req.method).upper()
    if target.action or target.view or target.id.is_collection:
        message = f"{method} needs the path of one resource, not of a collection or action."
        raise errors.MethodNotAllowedError(message, paths.allowed(target), target="path")
    paths.check_verb(target, method)
    brought, asked = intake.Intake(target=target), target.path
    query = paths.forwarded_query(http.raw_query(req))
    if method == "DELETE":
        http.refuse_asks(req, "Prefer", "Idempotency-Key", "Callback-Url")
        query = _with_default(query, target.kind.delete_query)
    else:
        brought = intake.read(req, target)
        target, query = brought.target, _with_default(query, brought.query)
        brought = replace(brought, body=bodies.normalised(brought.body))
    preview = http.api_version(req, target).endswith("-preview")
    if parameters.flag(req, "preflight"):
        return _preflight(req, method, brought, preview=preview)
    if method == "PUT":
        paths.check_name(target)
        bodies.check(target.kind, brought.body or {}, preview=preview)
    if method == "PATCH" and not preview:
        bodies.check_patch(target.kind, brought.body)
    if method == "DELETE":
        guards.check_delete(target, app.client, force=parameters.flag(req, "force"))
    request = acceptance.Request(
        target=target,
        method=method,
        asked=asked,
        api_version=http.given_version(req, target.api_version),
        query=query,
        body=brought.body,
        plan=brought.plan,
        contents=brought.contents,
    )
    return terms.submit(req, request)


def _preflight(req: func.HttpRequest, method: str, brought: intake.Intake, *, preview: bool) -> func.HttpResponse:
    """Tell everything that would stop this PUT; send nothing that changes anything."""
    if method != "PUT":
        http.refuse_preflight(req)
    from shared.preflight import checks

    findings = checks.run(brought.target, brought.body or {}, services.get().client, preview=preview)
    return http.json_response(checks.report(findings), 200, req)


def _with_default(query: str, default: str) -> str:
    name = default.partition("=")[0].lower()
    given = {part.partition("=")[0].lower() for part in query.split("&")}
    return query if not default or name in given else "&".join(part for part in (query, default) if part)


async def _provision(req: func.HttpRequest) -> func.HttpResponse:
    return await http.answer(req, change)


for literal in http.LITERALS:
    routes.route(blueprint, f"provision_{literal}", f"{literal}/{{*rest}}", ["PUT", "PATCH", "DELETE"])(_provision)
