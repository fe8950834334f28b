"""Template deployments (`Microsoft.Resources/deployments`): each resource is a PUT to this ARM, after what it depends on.

Nested deployments and `copy` are understood. The resources are made whenever somebody looks at the deployment, as with
every operation here. Not here: the expressions of a template (`expressions.py`).
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from infra.local.emulator import scene, web
from infra.local.emulator.arm import expressions, gateway, lists, long_running, refusals
from infra.local.emulator.operations import OperationFailedError
from infra.local.emulator.resources import Resource, stamp, type_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local.emulator.world import World

routes = web.Routes(r".*")
TYPE = "Microsoft.Resources/deployments"
_GROUP = "/subscriptions/{subscription}/resourceGroups/{group}"
DEPLOYMENT = f"{_GROUP}/providers/{TYPE}/{{deployment}}"
_ENDED = frozenset({"Succeeded", "Failed", "Canceled"})


@dataclass(slots=True, kw_only=True)
class Part:
    """One resource of a template.

    Attributes:
        id: its ARM id.
        raw: as in the template, not evaluated yet: it may refer to what does not exist before.
        functions: what its expressions see.
        needs: names and ids that its `dependsOn` holds, lower case.
        state: `Waiting`, `Running`, `Succeeded`, `Failed`.
    """

    id: str
    raw: dict[str, Any]
    functions: expressions.Functions
    needs: frozenset[str]
    operation_id: str
    state: str = "Waiting"
    error: dict[str, Any] | None = None


@dataclass(slots=True, kw_only=True)
class Plan:
    """What a deployment has to do."""

    request: web.Request
    parts: list[Part]
    outputs: dict[str, Any]
    functions: expressions.Functions
    messages: list[str] = field(default_factory=list)


# ── reading the template ─────────────────────────────────────────────────────────────────────────────────────────────
def _refused(message: str) -> web.Refused:
    text = f"Deployment template validation failed: '{message}'"
    return refusals.refuse(400, "InvalidTemplate", text)


def _plan(world: World, request: web.Request, properties: dict[str, Any]) -> Plan:
    template = properties.get("template")
    if not isinstance(template, dict) or not isinstance(template.get("resources", []), list):
        raise _refused("The template has no list of resources.")
    try:
        given = {
            name.lower(): one["value"]
            for name, one in (properties.get("parameters") or {}).items()
            if isinstance(one, dict) and one.get("value") is not None  # a null leaves the template's default
        }
        given[""] = frozenset(name.lower() for name in properties.get("parameters") or {})
        functions = _functions(world, request, template, given)
        parts = [part for raw in template.get("resources", []) for part in _parts(request, raw, functions)]
        return Plan(request=request, parts=parts, outputs=template.get("outputs") or {}, functions=functions)
    except (expressions.TemplateError, AttributeError, ValueError) as error:
        raise _refused(str(error)) from None


def _functions(  # noqa: C901 - the functions of a template see each other
    world: World, request: web.Request, template: dict[str, Any], given: dict[str, Any]
) -> dict[str, Callable[..., Any]]:
    nulls = given.pop("", frozenset())
    declared = {name.lower(): one for name, one in (template.get("parameters") or {}).items()}
    variables = {name.lower(): one for name, one in (template.get("variables") or {}).items()}
    subscription, group = request.params["subscription"], request.params["group"]
    group_id = f"/subscriptions/{subscription}/resourceGroups/{group}"
    for name, one in declared.items():
        if name not in given and "defaultValue" not in one and name not in nulls:
            raise expressions.TemplateError(f"The value for the template parameter '{name}' is not provided.")

    def parameter(name: str) -> Any:
        if name.lower() in given:
            value = given[name.lower()]
        elif name.lower() in declared:
            value = expressions.evaluated(declared[name.lower()].get("defaultValue"), functions)
        else:
            raise expressions.TemplateError(f"The template parameter '{name}' is not found.")
        allowed = declared.get(name.lower(), {}).get("allowedValues")
        if allowed and str(value).lower() not in {str(one).lower() for one in allowed}:
            raise expressions.TemplateError(f"The value '{value}' of the parameter '{name}' is none of {allowed}.")
        return value

    def variable(name: str) -> Any:
        if name.lower() not in variables:
            raise expressions.TemplateError(f"The template variable '{name}' is not found.")
        return expressions.evaluated(variables[name.lower()], functions)

    def reference(what: str, *_version: Any) -> Any:
        found = world.resources.get(what if what.startswith("/") else _id_of(group_id, "", what))
        if found is None:
            raise expressions.TemplateError(f"The resource '{what}' referenced in the template is not found.")
        return found.properties

    functions: dict[str, Callable[..., Any]] = {
        **expressions.PLAIN,
        "parameters": parameter,
        "variables": variable,
        "reference": reference,
        "resourcegroup": lambda: (world.resources.get(group_id) or Resource(id=group_id, body={})).body,
        "subscription": lambda: {
            "id": f"/subscriptions/{subscription}",
            "subscriptionId": subscription,
            "tenantId": scene.TENANT_ID,
        },
        "deployment": lambda: {"name": request.params["deployment"]},
        "resourceid": partial(_resource_id, subscription, group),
        "subscriptionresourceid": lambda kind, *names: _id_of(f"/subscriptions/{subscription}", kind, "/".join(names)),
        "copyindex": lambda *_given: 0,
    }
    return functions


def _resource_id(subscription: str, group: str, *given: Any) -> str:
    given = tuple(str(part or "") for part in given)
    at = next((n for n, part in enumerate(given) if "/" in part), 0)
    before = given[:at]
    subscription, group = (subscription, before[0]) if len(before) == 1 else (*before, subscription, group)[:2]
    return _id_of(f"/subscriptions/{subscription}/resourceGroups/{group}", given[at], "/".join(given[at + 1 :]))


def _id_of(scope: str, kind: str, name: str) -> str:
    namespace, *kinds = kind.split("/")
    pairs = "".join(f"/{one}/{part}" for one, part in zip(kinds, name.split("/"), strict=False))
    return f"{scope}/providers/{namespace}{pairs}"


def _parts(request: web.Request, raw: dict[str, Any], functions: expressions.Functions) -> list[Part]:
    """The resource, once for each of its copies, and the resources inside it; nothing when its condition is false."""
    copies = expressions.evaluated((raw.get("copy") or {}).get("count", 1), functions)
    found: list[Part] = []
    for index in range(int(copies)):
        seen = {**functions, "copyindex": lambda *given, at=index: at + next((n for n in given if isinstance(n, int)), 0)}
        if not expressions.evaluated(raw.get("condition", True), seen):
            continue
        kind, name = str(expressions.evaluated(raw["type"], seen)), str(expressions.evaluated(raw["name"], seen))
        group = expressions.evaluated(raw.get("resourceGroup"), seen) or request.params["group"]
        subscription = expressions.evaluated(raw.get("subscriptionId"), seen) or request.params["subscription"]
        scope = expressions.evaluated(raw.get("scope"), seen) or f"/subscriptions/{subscription}/resourceGroups/{group}"
        needs = frozenset(str(one).lower() for one in expressions.evaluated(raw.get("dependsOn") or [], seen))
        arm_id = _id_of(scope, kind, name)
        found.append(Part(id=arm_id, raw=raw, functions=seen, needs=needs, operation_id=uuid.uuid4().hex.upper()[:16]))
        for child in raw.get("resources") or []:
            inner = {**child, "type": f"{kind}/{child['type']}", "name": f"{name}/{expressions.evaluated(child['name'], seen)}"}
            found += [replace(part, needs=part.needs | {arm_id.lower()}) for part in _parts(request, inner, seen)]
    return found


# ── doing it ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def _known_as(part: Part) -> set[str]:
    """How a dependsOn may name a resource."""
    kind = type_of(part.id)
    names = part.id.lower().partition(f"/providers/{kind.split('/')[0]}/")[2].split("/")[1::2]
    return {part.id.lower(), "/".join(names), f"{kind}/{'/'.join(names)}"}


def _advance(world: World, plan: Plan) -> bool:
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


def _submit(world: World, plan: Plan, part: Part) -> None:
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


def _look(world: World, part: Part) -> None:
    world.operations.touch(part.id)
    found = world.resources.get(part.id)
    if world.operations.running(part.id):
        return
    part.state = "Failed" if found is None or found.state == "Failed" else "Succeeded"
    if part.state == "Failed":
        ended = [one for one in world.operations.all() if one.target.lower() == part.id.lower() and one.error]
        part.error = ended[-1].error if ended else {"code": "ResourceDeploymentFailure", "message": f"{part.id} failed."}


def _finish(world: World, made: Resource, plan: Plan) -> dict[str, Any]:
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
    plan = _plan(world, request, properties)
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
    plan = _plan(world, request, properties)
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
