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
from infra.local.emulator.arm import expressions, gateway, lists, long_running, refusals, templates
from infra.local.emulator.operations import OperationFailedError
from infra.local.emulator.resources import Resource, stamp, type_of

if TYPE_CHECKING:
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
TYPE = "Microsoft.Resources/deployments"
_GROUP = "/subscriptions/{subscription}/resourceGroups/{group}"
DEPLOYMENT = f"{_GROUP}/providers/{TYPE}/{{deployment}}"
_ENDED = frozenset({"Succeeded", "Failed", "Canceled"})


# ── doing it ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def _known_as(part: templates.Part) -> set[str]:
    """How a dependsOn may name a resource."""
    kind = type_of(part.id)
    names = part.id.lower().partition(f"/providers/{kind.split('/')[0]}/")[2].split("/")[1::2]
    return {part.id.lower(), "/".join(names), f"{kind}/{'/'.join(names)}"}


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
    from infra.local.emulator.arm import routes as arm

    raw = {name: one for name, one in part.raw.items() if name not in {"condition", "dependsOn", "copy", "resources", "scope"}}
    try:
        inner = (raw.get("properties") or {}) if raw["type"].lower() == TYPE.lower() else {}
        options = inner.get("expressionEvaluationOptions") or {}
        if str(options.get("scope") or "outer").lower() == "inner":
            body = expressions.evaluated({**raw, "properties": {**inner, "template": {}}}, part.functions)
            body["properties"]["template"] = inner["template"]
        else:
            body = expressions.evaluated(raw, part.functions)
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
    answer = arm.routes.handle(world, request)
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
    part.state = "Failed" if found is None or found.state == "Failed" else "Succeeded"
    if part.state == "Failed":
        ended = [one for one in world.operations.all() if one.target.lower() == part.id.lower() and one.error]
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
@routes.route("PUT", DEPLOYMENT)
def put(world: World, request: web.Request) -> web.Response:
    """201 `Accepted` with Azure-AsyncOperation; the resources follow."""
    request = replace(request, params=_params(request))
    properties = gateway.body_object(request).get("properties") or {}
    plan = templates.plan(world, request, properties)
    body = {
        "id": request.path,
        "name": request.params["deployment"],
        "type": TYPE,
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
    found = world.resources.get(request.path)
    if found is not None and world.operations.running(found.id):
        text = f"Unable to edit or replace deployment '{found.name}': previous deployment is still active."
        raise refusals.refuse(409, "DeploymentActive", text)
    made = world.resources.put(Resource(id=request.path, body=body, hidden={"plan": plan, "began": world.now()}))

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


def _params(request: web.Request) -> dict[str, str]:
    parts = request.path.strip("/").split("/")
    return {"subscription": parts[1], "group": parts[3], "deployment": parts[-1]}


@routes.route("POST", f"{DEPLOYMENT}/validate")
def validate(world: World, request: web.Request) -> web.Response:
    """200 with what would be deployed, or the template's mistake."""
    properties = gateway.body_object(request).get("properties") or {}
    plan = templates.plan(world, request, properties)
    shown = {
        "provisioningState": "Succeeded",
        "mode": "Incremental",
        "validatedResources": [{"id": part.id} for part in plan.parts],
    }
    return web.answer({"id": request.path.rpartition("/")[0], "type": TYPE, "properties": shown})


@routes.route("GET", f"{DEPLOYMENT}/operationStatuses/{{operation}}")
def status(world: World, request: web.Request) -> web.Response:
    """`Running`, then `Succeeded`, or `Failed` with the errors of the resources."""
    long_running.check_signature(request)
    operation = world.operations.poll(request.params["operation"])
    if operation is None:
        raise refusals.refuse(404, "DeploymentOperationNotFound", "The operation could not be found.")
    body: dict[str, Any] = {"status": operation.status if operation.ended else "Running"}
    return web.answer({**body, "error": operation.error} if operation.error else body)


def _existing(world: World, request: web.Request) -> Resource:
    group = _GROUP.format(**{name: request.params[name] for name in ("subscription", "group")})
    found = world.resources.get(f"{group}/providers/{TYPE}/{request.params['deployment']}")
    if found is None:
        text = f"Deployment '{request.params['deployment']}' could not be found."
        raise refusals.refuse(404, "DeploymentNotFound", text)
    return found


@routes.route("GET HEAD", DEPLOYMENT)
def get(world: World, request: web.Request) -> web.Response:
    """One deployment."""
    return web.answer(_existing(world, request).body)


@routes.route("GET", f"{_GROUP}/providers/{TYPE}")
def list_all(world: World, request: web.Request) -> web.Response:
    """The deployments of a group."""
    group = request.path[: request.path.lower().index("/providers/")]
    return lists.page(world, request, [found.body for found in world.resources.below(group, of_type=TYPE.lower())])


@routes.route("DELETE", DEPLOYMENT)
def delete(world: World, request: web.Request) -> web.Response:
    """Forget a deployment (what it made stays): 204."""
    world.resources.delete(_existing(world, request).id)
    return web.empty(204)


@routes.route("GET", f"{_GROUP}/deployments/{{deployment}}/operations")
@routes.route("GET", f"{DEPLOYMENT}/operations")
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
