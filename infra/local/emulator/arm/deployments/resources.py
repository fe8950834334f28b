"""Template deployments (`Microsoft.Resources/deployments`): each resource is a PUT to this ARM, after what it depends on.

Nested deployments and `copy` are understood. The resources are made whenever somebody looks at the deployment, as with
every operation here. Not here: reading a template (`templates.py`).
"""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.arm import gateway, lists, long_running, refusals
from infra.local.emulator.arm.deployments import expressions, relaxed, templates, what_if
from infra.local.emulator.operations import OperationFailedError
from infra.local.emulator.resources import Resource, stamp, type_of

if TYPE_CHECKING:
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
TYPE = "Microsoft.Resources/deployments"
_SCOPES = ("/subscriptions/{subscription}/resourceGroups/{group}", "/subscriptions/{subscription}")
_ENDED = frozenset({"Succeeded", "Failed", "Canceled"})


# ── doing it ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def _known_as(part: templates.Part) -> set[str]:
    """How a dependsOn may name a resource."""
    kind, low = type_of(part.id), part.id.lower()
    names = low.partition(f"/providers/{kind.split('/')[0]}/")[2].split("/")[1::2] or [low.rpartition("/")[2]]
    return {low, "/".join(names), f"{kind}/{'/'.join(names)}"}


def _advance(world: World, plan: templates.Plan) -> bool:
    """Do what can be done now; whether nothing is left to wait for."""
    moved = True
    while moved:
        moved = False
        open_names = {name for part in plan.parts if part.state in {"Waiting", "Running"} for name in _known_as(part)}
        for part in plan.parts:
            if part.state == "Running":
                _look(world, part)
                moved = moved or part.state in _ENDED
            elif part.state == "Waiting" and not part.needs & (open_names - _known_as(part)):
                _submit(world, plan, part)
                moved = True
        if any(part.state == "Failed" for part in plan.parts):
            return all(part.state != "Running" for part in plan.parts)
    return all(part.state in _ENDED for part in plan.parts)


def _submit(world: World, plan: templates.Plan, part: templates.Part) -> None:
    try:
        body = templates.body_of(part)
    except expressions.TemplateError as error:
        part.state, part.error = "Failed", {"code": "InvalidTemplate", "message": str(error)}
        return
    version = body.pop("apiVersion", "")
    world.registration[type_of(part.id).partition("/")[0]] = "Registered"  # a deployment registers what it needs, as ARM does
    request = replace(
        plan.request,
        method="PUT",
        path=part.id,
        query={"api-version": str(version)},
        raw_query=f"api-version={version}",
        body=json.dumps(body).encode(),
        id=str(uuid.uuid4()),
        operation_error=None,
    )
    answer = request.service.handle(world, request)
    if answer.status >= 400:
        part.state, part.error = "Failed", json.loads(answer.body or b"{}").get("error") or {"code": str(answer.status)}
        return
    part.state = "Running"
    _look(world, part)


def _look(world: World, part: templates.Part) -> None:
    world.operations.look(part.id)
    found = world.resources.get(part.id)
    if world.operations.running(part.id):
        return
    ended = [one for one in world.operations.all() if one.target.lower() == part.id.lower() and one.error]
    failed = found.state == "Failed" if found is not None else bool(ended)  # role assignments are kept elsewhere
    part.state = "Failed" if failed else "Succeeded"
    if failed:
        part.error = ended[-1].error if ended else {"code": "ResourceDeploymentFailure", "message": f"{part.id} failed."}


def _finish(world: World, made: Resource, plan: templates.Plan) -> dict[str, Any]:
    details = [part.error for part in plan.parts if part.error]
    if details:
        text = (
            "At least one resource deployment operation failed. Please list deployment operations for details. Please see "
            "https://aka.ms/arm-deployment-operations for usage details."
        )
        raise OperationFailedError({"code": "DeploymentFailed", "message": text, "details": details})
    try:
        made.properties["outputs"] = {
            name: {"type": one.get("type"), "value": expressions.evaluated(one.get("value"), plan.functions)}
            for name, one in plan.outputs.items()
        }
    except expressions.TemplateError as error:
        raise OperationFailedError({"code": "DeploymentOutputEvaluationFailed", "message": str(error)}) from None
    made.properties.update(
        provisioningState="Succeeded",
        duration=_duration(world, made),
        outputResources=[{"id": part.id} for part in plan.parts],
    )
    return made.body


def _duration(world: World, made: Resource) -> str:
    return f"PT{(world.now() - made.hidden['began']).total_seconds():.7f}S"


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
        made.properties.update(provisioningState="Failed", error=error, duration=_duration(world, made))

    operation = world.operations.begin(
        kind="deployment",
        target=made.id,
        ready=partial(_advance, world, plan),
        finish=partial(_finish, world, made, plan),
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
                "duration": _duration(world, found),
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
