"""v1 web services (ACI, AKS): `modelmanagement/v1.0/…/services`, really served, with their operations.

A POST answers 202 with `Operation-Location`; the operation ends when the server answers or has failed. The services are
resources `workspaces/{w}/services/{s}`, so that they go with their workspace. Not here: scoring (`serving.web_services`).
"""

from __future__ import annotations

import re
import secrets
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.dataplane import scope
from infra.local.emulator.dataplane.models import resources as models
from infra.local.emulator.dataplane.services import code as service_code
from infra.local.emulator.dataplane.services import responses
from infra.local.emulator.events import watching
from infra.local.emulator.machine_learning import access
from infra.local.emulator.operations import OperationFailedError
from infra.local.emulator.resources import Resource

if TYPE_CHECKING:
    from infra.local.emulator.operations import Operation
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
TYPE = "microsoft.machinelearningservices/workspaces/services"
_SUFFIX = "azurecontainer.io"
_SERVICES = f"{models.BASE}/services"
_SERVICE = f"{_SERVICES}/{{id}}"
_NAME = re.compile(r"[a-z](?:[a-z0-9-]{1,30})[a-z0-9]")
_TYPES = {"ACI", "AKS", "AKSENDPOINT"}
_STATES = {"InProgress": "Running", "Succeeded": "Succeeded", "Failed": "Failed", "Canceled": "Cancelled"}
KIND = "webService"


def _existing(world: World, request: web.Request) -> Resource:
    owner = scope.workspace_id(world, request)
    with world.lock:
        found = world.resources.get(f"{owner}/services/{request.params['id']}")
    if found is None:
        raise scope.refused(request, 404, f"Service with id {request.params['id']} was not found.", "ServiceNotFound")
    return found


@routes.route("POST", _SERVICES)
def create(world: World, request: web.Request) -> web.Response:
    """202 with Operation-Location; 400 for what cannot be deployed, 409 for a name that is taken."""
    workspace, asked = scope.workspace(world, request), scope.body(request)
    name, compute = scope.text(request, asked, "name") or "", str(scope.field(asked, "computeType") or "").upper()
    if not _NAME.fullmatch(name):
        raise scope.bad(request, f"The service name {name!r} is invalid: 3 to 32 of a-z, 0-9 and -.", "InvalidServiceName")
    if compute not in _TYPES:
        raise scope.bad(request, f"The computeType {compute!r} is not supported; it is ACI or AKS.", "InvalidComputeType")
    if world.serving_backend is None:
        raise scope.refused(request, 503, "This local Azure was started without a place to serve models.", "ServiceUnavailable")
    arm_id = f"{workspace.id}/services/{name}"
    order = service_code.order(world, request, workspace.id.lower(), arm_id, asked)
    with world.lock:
        if world.resources.get(arm_id) is not None:
            raise scope.refused(request, 409, f"Service {name} already exists.", "ServiceAlreadyExists")
        service = world.resources.put(_made(world, request, arm_id, asked, compute))
        service.hidden["modelIds"] = service_code.model_ids(request, asked)
        world.serving[arm_id.lower()] = world.serving_backend.deploy(order)
        operation = _begin(world, service)
    service.body["service"]["operationId"] = operation.id
    return web.empty(202, {"Operation-Location": f"https://{request.host}{_path(request)}/operations/{operation.id}"})


def _path(request: web.Request) -> str:
    return request.path[: request.path.lower().index("/services")]


def _made(world: World, request: web.Request, arm_id: str, asked: dict[str, Any], compute: str) -> Resource:
    name = arm_id.rpartition("/")[2]
    given = scope.mapping(request, asked, "keys")
    keys = {key: str(scope.field(given, key) or secrets.token_urlsafe(24)) for key in access.KEY_NAMES}
    enabled = scope.field(asked, "authEnabled")
    host = f"{name}-{secrets.token_hex(4)}.{scope.region_of(request)}.{_SUFFIX}"
    body = {
        "id": name,
        "name": name,
        "description": scope.field(asked, "description"),
        "kvTags": scope.texts(request, asked, "kvTags"),
        "properties": scope.texts(request, asked, "properties"),
        "operationId": None,
        "state": "Transitioning",
        "createdTime": scope.time_text(world.now()),
        "updatedTime": scope.time_text(world.now()),
        "error": None,
        "computeType": compute,
        "deploymentType": "HttpRealtimeEndpoint",
        "authEnabled": compute != "ACI" if enabled is None else bool(enabled),
        "scoringUri": f"https://{host}/score",
        "swaggerUri": f"https://{host}/swagger.json",
        "location": scope.region_of(request),
        "modelIds": service_code.model_ids(request, asked),
    }
    return Resource(id=arm_id, body={"properties": {}, "service": body}, secrets=keys, hidden={"host": host})


def _begin(world: World, service: Resource) -> Operation:
    handle = world.serving[service.id.lower()]

    def finish() -> None:
        if handle.state != "healthy":
            raise OperationFailedError({"code": "AciDeploymentFailed", "message": handle.failure, "statusCode": 400})
        service.body["service"].update(state="Healthy", updatedTime=scope.time_text(world.now()))
        watching.service_deployed(world, service)

    def failed(error: dict[str, Any]) -> None:
        shown = {"code": error["code"], "statusCode": 400, "message": error["message"], "details": []}
        service.body["service"].update(state="Failed", error=shown, updatedTime=scope.time_text(world.now()))

    return world.operations.begin(
        kind=KIND, target=service.id, finish=finish, failed=failed, ready=lambda: handle.state != "starting"
    )


@routes.route("GET", f"{models.BASE}/operations/{{id}}")
def operation(world: World, request: web.Request) -> web.Response:
    """`state` is NotStarted, Running, Succeeded, Failed, TimedOut or Cancelled, with two l."""
    owner = scope.workspace_id(world, request)
    found = world.operations.poll(request.params["id"])
    if found is None or found.kind != KIND or not found.target.lower().startswith(owner + "/"):
        raise scope.refused(request, 404, f"Operation {request.params['id']} was not found.", "OperationNotFound")
    error = found.error
    return web.answer(
        {
            "id": found.id,
            "operationType": "Service",
            "state": _STATES[found.status],
            "createdTime": scope.time_text(found.started_at),
            "endTime": scope.time_text(found.ended_at),
            "error": {"code": error["code"], "statusCode": 400, "message": error["message"], "details": []} if error else None,
            "resourceLocation": f"{_workspace_path(request)}/services/{found.target.rpartition('/')[2]}",
            "operationLog": None,
            "operationDetails": None,
            "parentRequestId": None,
        }
    )


def _workspace_path(request: web.Request) -> str:
    return request.path[: request.path.lower().index("/operations")]


@routes.route("GET", _SERVICES)
def list_all(world: World, request: web.Request) -> web.Response:
    """All; `name`, `computeType`, `modelId`, `modelName` filter, `count` and `$skipToken` page."""
    owner, query = scope.workspace_id(world, request), request.query
    with world.lock:
        found = [responses.shown(service) for service in world.resources.children(owner, "services")]
    for parameter, field in (("name", "name"), ("computetype", "computeType")):
        if wanted := query.get(parameter):
            found = [service for service in found if str(service[field]).lower() == wanted.lower()]
    if wanted := query.get("modelid"):
        found = [service for service in found if wanted in service["modelIds"]]
    if wanted := query.get("modelname"):
        found = [service for service in found if any(one.rpartition(":")[0] == wanted for one in service["modelIds"])]
    top = min(scope.count_of(request, query.get("count")), world.limits.page_size)
    page = scope.page(request, found, top=top, token=query.get("$skiptoken"), token_name="$skipToken")  # noqa: S106 - a name
    page.pop("continuationToken", None)
    return web.answer(page)


@routes.route("GET", _SERVICE)
def get(world: World, request: web.Request) -> web.Response:
    """One service."""
    return web.answer(responses.shown(_existing(world, request)))


@routes.route("PATCH", _SERVICE)
def modify(world: World, request: web.Request) -> web.Response:
    """JSON Patch on `/description` and `/kvTags/x`: 200 without a body; anything else of a service takes a new one."""
    found = _existing(world, request)
    service = found.body["service"]
    for step in models.patch_steps(request):
        path = PurePosixPath(str(step.get("path") or ""))
        if str(path) == "/description":
            service["description"] = step.get("value")
        elif path.parts[1:2] == ("kvTags",) and len(path.parts) == 3:
            service["kvTags"] = {**service["kvTags"], path.name: str(step.get("value"))}
        else:
            raise scope.bad(request, f"The path {path} of a service cannot be changed.", "InvalidPatch")
    return web.empty(200)


@routes.route("DELETE", _SERVICE)
def delete(world: World, request: web.Request) -> web.Response:
    """200; 204 when it is missing. Its server ends."""
    owner = scope.workspace_id(world, request)
    with world.lock:
        found = world.resources.get(f"{owner}/services/{request.params['id']}")
        if found is None:
            return web.empty(204)
        world.operations.drop(found.id)
        world.resources.delete(found.id)
        handle = world.serving.pop(found.id.lower(), None)
    if handle is not None:
        handle.stop()
    return web.empty(200)


@routes.route("POST", f"{_SERVICE}/listkeys")
def list_keys(world: World, request: web.Request) -> web.Response:
    """Both keys."""
    found = _existing(world, request)
    return web.answer({name: found.secrets[name] for name in access.KEY_NAMES})


@routes.route("POST", f"{_SERVICE}/regenerateKeys")
def regenerate_keys(world: World, request: web.Request) -> web.Response:
    """`{"keyType":"Primary"|"Secondary","keyValue"}` → both keys."""
    found, asked = _existing(world, request), scope.body(request)
    which = str(scope.field(asked, "keyType") or "Primary").lower()
    if which not in {"primary", "secondary"}:
        raise scope.bad(request, "keyType is Primary or Secondary.", "InvalidKeyType")
    found.secrets[f"{which}Key"] = str(scope.field(asked, "keyValue") or secrets.token_urlsafe(24))
    return web.answer({name: found.secrets[name] for name in access.KEY_NAMES})


@routes.route("POST", f"{_SERVICE}/token")
def token(world: World, request: web.Request) -> web.Response:
    """201 with a token that scores this service; its times are epoch seconds."""
    issued = access.issue_token(world, _existing(world, request))
    token = {"accessToken": issued["accessToken"], "tokenType": issued["tokenType"]}
    times = {"expiryOn": issued["expiryTimeUtc"], "refreshAfter": issued["refreshAfterTimeUtc"]}
    return web.answer({**token, **times}, status=201)


@routes.route("GET", f"{_SERVICE}/logs")
@routes.route("POST", f"{_SERVICE}/logs")
def logs(world: World, request: web.Request) -> web.Response:
    """The server's own log."""
    found = _existing(world, request)
    handle = world.serving.get(found.id.lower())
    return web.answer({"content": handle.logs("InferenceServer", 2000) if handle else ""})
