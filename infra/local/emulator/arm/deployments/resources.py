"""Template deployments (`Microsoft.Resources/deployments`): each resource is a PUT to this ARM, after what it depends on.

Nested deployments and `copy` are understood. The resources are made at each look at the deployment, as with
every operation here. Not here: reading a template (`templates.py`).
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.arm import gateway, lists, long_running, refusals
from infra.local.emulator.arm.deployments import expressions, relaxed, state, templates, what_if
from infra.local.emulator.resources import Resource, stamp

if TYPE_CHECKING:
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
TYPE = "Microsoft.Resources/deployments"
_SCOPES = ("/subscriptions/{subscription}/resourceGroups/{group}", "/subscriptions/{subscription}")


# ── doing it ─────────────────────────────────────────────────────────────────────────────────────────────────────────


# ── routes ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def _asked(world: World, request: web.Request) -> tuple[web.Request, dict[str, Any], templates.Plan]:
    """The request with a subscription's deployment's location, its body, and what it has to do.

    Raises:
        web.Refused: 400.
    """
    body = gateway.body_object(replace(request, body=relaxed.as_json(request.body)))
    if "group" not in request.params:
        if not body.get("location"):
            raise refusals.location_required()
        request = replace(request, params={**request.params, "location": str(body["location"])})
    properties = body.get("properties") or {}
    if str(properties.get("mode") or "Incremental").lower() != "incremental":
        text = "The local Azure deploys in mode Incremental only: it deletes nothing that a template does not name."
        raise refusals.refuse(400, "DeploymentModeNotSupported", text)
    return request, body, templates.plan(world, request, properties)


def put(world: World, request: web.Request) -> web.Response:
    """201 `Accepted` with Azure-AsyncOperation; the resources follow."""
    request, given, plan = _asked(world, request)
    properties = given.get("properties") or {}
    body = {
        "id": request.path,
        "name": request.params["deployment"],
        "type": TYPE,
        **({"location": request.params["location"]} if "location" in request.params else {}),
        "properties": {
            "mode": "Incremental",
            "parameters": dict((properties.get("parameters") or {}).items()),
            "timestamp": stamp(world.now()),
            "duration": "PT0S",
            "correlationId": request.id,
            "provisioningState": "Accepted",
            "providers": [],
            "dependencies": [],
        },
    }
    _check_former(world, request)
    hidden = {"plan": plan, "began": world.now(), "template": properties["template"]}
    made = world.resources.put(Resource(id=request.path, body=body, hidden=hidden))

    def failed(error: dict[str, Any]) -> None:
        made.properties.update(provisioningState="Failed", error=error, duration=state.duration(world, made))

    operation = world.operations.begin(
        kind="deployment",
        target=made.id,
        ready=partial(state.advance, world, plan),
        finish=partial(state.finish, world, made, plan),
        failed=failed,
        error=request.operation_error,
    )
    url = f"https://{request.host}{made.id}/operationStatuses/{operation.id}?api-version={request.query['api-version']}"
    return web.answer(made.body, status=201, headers={"Azure-AsyncOperation": long_running.signed(world, url)})


def _check_former(world: World, request: web.Request) -> None:
    """A deployment of the same name: it has ended, and a subscription's stays where it is."""
    found = world.resources.get(request.path)
    if found is None:
        return
    if world.operations.running(found.id):
        text = f"Unable to edit or replace deployment '{found.name}': previous deployment is still active."
        raise refusals.refuse(409, "DeploymentActive", text)
    there, wanted = found.body.get("location", ""), request.params.get("location", "")
    if there.lower().replace(" ", "") != wanted.lower().replace(" ", ""):
        text = f"Invalid deployment location '{wanted}'. The deployment '{found.name}' already exists in location '{there}'."
        raise refusals.refuse(409, "InvalidDeploymentLocation", text)


def validate(world: World, request: web.Request) -> web.Response:
    """200 with what would be deployed, or the template's mistake."""
    _request, _body, plan = _asked(world, request)
    shown = {
        "provisioningState": "Succeeded",
        "mode": "Incremental",
        "validatedResources": [{"id": part.id} for part in plan.parts],
    }
    return web.answer({"properties": shown})


def what_if_route(world: World, request: web.Request) -> web.Response:
    """202 with a Location that ends with what the deployment would change (`what_if.py`)."""
    request, body, plan = _asked(world, request)
    operation = world.operations.begin(
        kind="deployment",
        target=request.path,
        finish=partial(what_if.result, world, plan, body.get("properties") or {}),
        error=request.operation_error,
    )
    url = f"https://{request.host}/subscriptions/{request.params['subscription']}/operationresults/{operation.id}"
    location = long_running.signed(world, f"{url}?api-version={request.query['api-version']}")
    return web.empty(202, {"Location": location, "Retry-After": "15"})


def status(world: World, request: web.Request) -> web.Response:
    """`Running`, then `Succeeded`, or `Failed` with the errors of the resources."""
    long_running.check_signature(request)
    operation = world.operations.poll(request.params["operation"])
    if operation is None:
        raise refusals.refuse(404, "DeploymentOperationNotFound", "The operation could not be found.")
    body: dict[str, Any] = {"status": operation.status if operation.ended else "Running"}
    return web.answer({**body, "error": operation.error} if operation.error else body)


def _existing(world: World, request: web.Request) -> Resource:
    scope = templates.scope_of(request.params["subscription"], request.params.get("group", ""))
    found = world.resources.get(f"{scope}/providers/{TYPE}/{request.params['deployment']}")
    if found is None:
        text = f"Deployment '{request.params['deployment']}' could not be found."
        raise refusals.refuse(404, "DeploymentNotFound", text)
    return found


def get(world: World, request: web.Request) -> web.Response:
    """One deployment."""
    return web.answer(_existing(world, request).body)


def list_all(world: World, request: web.Request) -> web.Response:
    """The deployments of a group, or those of the subscription itself."""
    scope, _, collection = request.path.rpartition("/")
    return lists.page(world, request, [found.body for found in world.resources.children(scope, collection)])


def delete(world: World, request: web.Request) -> web.Response:
    """Forget a deployment (what it made stays): 204."""
    world.resources.delete(_existing(world, request).id)
    return web.empty(204)


def export(world: World, request: web.Request) -> web.Response:
    """The template that was deployed."""
    return web.answer({"template": _existing(world, request).hidden["template"]})


def operations(world: World, request: web.Request) -> web.Response:
    """What became of each resource."""
    found = _existing(world, request)
    items = [
        {
            "id": f"{found.id}/operations/{part.operation_id}",
            "operationId": part.operation_id,
            "properties": {
                "provisioningOperation": "Create",
                "provisioningState": part.state,
                "timestamp": stamp(world.now()),
                "duration": state.duration(world, found),
                "serviceRequestId": str(uuid.uuid4()),
                "statusCode": "OK" if part.state != "Failed" else "BadRequest",
                **({"statusMessage": {"status": "Failed", "error": part.error}} if part.error else {}),
                "targetResource": {
                    "id": part.id,
                    "resourceType": expressions.evaluated(part.raw["type"], part.functions),
                    "resourceName": part.id.rpartition("/")[2],
                },
            },
        }
        for part in found.hidden["plan"].parts
        if part.state != "Waiting"
    ]
    return lists.page(world, request, items)


for _scope in _SCOPES:
    _all = f"{_scope}/providers/{TYPE}"
    _one = f"{_all}/{{deployment}}"
    for _verb, _template, _handler in (
        ("GET", _all, list_all),
        ("GET", _one, get),
        ("PUT", _one, put),
        ("DELETE", _one, delete),
        ("POST", f"{_one}/validate", validate),
        ("POST", f"{_one}/whatIf", what_if_route),
        ("POST", f"{_one}/exportTemplate", export),
        ("GET", f"{_one}/operations", operations),
        ("GET", f"{_scope}/deployments/{{deployment}}/operations", operations),
        ("GET", f"{_one}/operationStatuses/{{operation}}", status),
    ):
        routes.route(_verb, _template)(_handler)
