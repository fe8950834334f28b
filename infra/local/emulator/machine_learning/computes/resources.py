"""Compute targets: create, change, delete. Starting, stopping and listing nodes is in `actions.py`."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from infra.local.emulator import scene, web
from infra.local.emulator.arm import gateway, lists, writes
from infra.local.emulator.machine_learning import scope, statuses
from infra.local.emulator.machine_learning.computes import idle_shutdown, refusals, responses, state
from infra.local.emulator.resources import Resource, merge_patch, stamp

if TYPE_CHECKING:
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
TYPE = f"{scope.NAMESPACE}/workspaces/computes"
_MEMBERS = ("computeType", "computeLocation", "description", "resourceId", "disableLocalAuth", "properties")  # that can be set
COMPUTE = f"{scope.WORKSPACE}/computes/{{compute}}"
_NAME = re.compile(r"[a-zA-Z](?!.*-[^a-zA-Z]*$)[a-zA-Z0-9\-]{2,23}")  # behind each '-' comes a letter, sooner or later


@routes.route("GET", f"{scope.WORKSPACE}/computes")
def list_all(world: World, request: web.Request) -> web.Response:
    """The computes of a workspace."""
    workspace = scope.workspace(world, request, "computes")
    there = world.resources.children(workspace.id, "computes")
    for found in there:
        idle_shutdown.settle(world, workspace, found)
    return lists.page(world, request, [responses.shown(found.body, request.query.get("api-version", "")) for found in there])


@routes.route("GET", COMPUTE)
def get(world: World, request: web.Request) -> web.Response:
    """One compute; 404 with an empty body."""
    return web.answer(responses.shown(existing(world, request).body, request.query.get("api-version", "")))


def existing(world: World, request: web.Request) -> Resource:
    """The compute in the path.

    Raises:
        web.Refused: 404, empty.
    """
    workspace = scope.workspace(world, request, "computes")
    found = world.resources.get(f"{workspace.id}/computes/{request.params['compute']}")
    if found is None:
        raise web.Refused(web.empty(404))
    idle_shutdown.settle(world, workspace, found)
    return found


@routes.route("POST", f"{scope.WORKSPACE}/checkComputeNameAvailability")
def check_name(world: World, request: web.Request) -> web.Response:
    """What the SDK v1 asks before it makes an instance; it puts reason and message into an error of its own.

    The words: github.com/MicrosoftDocs/pipelines-azureml/issues/19, and issue 4 of Microsoft's template for demand forecasting.
    """
    workspace, body = scope.workspace(world, request, "computes"), gateway.body_object(request)
    name = str({key.lower(): value for key, value in body.items()}.get("name") or "")
    if not _NAME.fullmatch(name):
        text = (
            "A name for an Azure ML Compute Instance must be between 3 and 24 characters in length and must use only numbers, "
            "letters and minus symbol (-). Please specify a different Azure ML Instance name"
        )
        return web.answer({"nameAvailable": False, "reason": "Invalid", "message": text})
    if text := refusals.taken(world, name, scope.location(workspace)):
        return web.answer({"nameAvailable": False, "reason": "AlreadyExists", "message": text})
    return web.answer({"nameAvailable": True})


@routes.route("PUT", COMPUTE)
def put(world: World, request: web.Request) -> web.Response:
    """201 with the resource and an Azure-AsyncOperation header, for a create and an update alike."""
    workspace, body = scope.workspace(world, request, "computes"), gateway.body_object(request)
    name, region = request.params["compute"], scope.location(workspace)
    if not _NAME.fullmatch(name):
        text = (
            f"The compute name '{name}' is invalid: 3 to 24 characters, letters, digits and '-', beginning with a letter, and "
            "with a letter somewhere behind each '-'."
        )
        raise refusals.refused(400, "UserError", text, inner=("BadRequest", "InvalidComputeName"), region=region)
    properties = body.get("properties")
    if not isinstance(properties, dict) or not properties.get("computeType"):
        raise refusals.refused(
            400, "UserError", "The property computeType is required.", inner=("BadRequest", "ValidationError"), region=region
        )
    kind = refusals.kind(str(properties["computeType"]), region)
    inner = properties.get("properties")
    inner = dict(inner) if isinstance(inner, dict) else {}
    found = world.resources.get(f"{workspace.id}/computes/{name}")
    if kind in refusals.OWN:
        refusals.check(kind, inner, found, region)
        if kind == "ComputeInstance":
            refusals.check_schedules(inner.get("schedules"), region)
        if kind == "ComputeInstance" and inner.get("enableNodePublicIp") is False:
            refusals.check_private(world, workspace, region)
    if found is not None and world.operations.running(found.id):
        raise refusals.busy(found, region)
    if found is None:
        refusals.check_provider(world, workspace, kind)
        if kind == "ComputeInstance":
            refusals.check_free(world, name, region)
    made = _build(
        world, request, workspace, {**body, "properties": {**properties, "computeType": kind, "properties": inner}}, found
    )
    world.resources.put(made)
    finish = partial(state.created, world, made, region)
    operation = statuses.begin(
        world, request, made, kind="compute", finish=finish, failed=partial(state.failed, made), workspace=workspace
    )
    return web.answer(made.body, status=201, headers=statuses.compute_headers(world, operation))


def _build(world: World, request: web.Request, workspace: Resource, body: dict[str, Any], found: Resource | None) -> Resource:
    now, arm_id = stamp(world.now()), f"{workspace.id}/computes/{request.params['compute']}"
    properties = {name: body["properties"][name] for name in _MEMBERS if name in body["properties"]}
    secrets = dict(found.secrets) if found else {}
    inner = dict(properties["properties"])
    credentials = inner.pop("userAccountCredentials", None)  # above `properties` no version knows them: they are left alone
    if isinstance(credentials, dict):
        secrets["userAccountCredentials"] = credentials
        inner["userAccountCredentials"] = {"adminUserName": credentials.get("adminUserName"), "adminUserPassword": None}
    if properties["computeType"] == "AmlCompute":
        old = (found.properties.get("properties") or {}) if found else {}
        stays = {
            name: value for name, value in old.items() if name in refusals.STATE or writes.PUT[TYPE.lower()].keeps(world, name)
        }
        inner = {**state.cluster(now), **stays, **inner}
        inner["vmSize"] = str(inner["vmSize"]).upper()
    elif properties["computeType"] == "ComputeInstance":
        who = {"userName": "an application", "userOrgId": scene.TENANT_ID, "userId": scope.caller(request)}
        shown: dict[str, Any] = {"state": "Creating", "errors": None, "subnet": None, "createdBy": who}
        inner = {**shown, "sshSettings": {"sshPublicAccess": "Disabled"}, **inner}
    whole = {
        "id": arm_id,
        "name": request.params["compute"],
        "type": TYPE,
        "location": str(body.get("location") or scope.location(workspace)).lower().replace(" ", ""),
        "tags": writes.kept_whole(world, found, body, "tags"),
        **({"identity": body["identity"]} if body.get("identity") else {}),
        "properties": {
            "description": None,
            "disableLocalAuth": False,
            **writes.left_out(world, found, properties),
            **{name: one for name, one in properties.items() if name != "properties"},
            "createdOn": found.properties["createdOn"] if found else now,
            "modifiedOn": now,
            "resourceId": properties.get("resourceId"),
            "computeLocation": scope.location(workspace),
            "provisioningErrors": None,
            "provisioningState": "Updating" if found else "Creating",
            "isAttachedCompute": properties["computeType"] not in refusals.OWN,
            **({"properties": inner} if properties["computeType"] != "DataFactory" else {}),  # its type has none
        },
        "systemData": dict(found.body["systemData"]) if found else {},
    }
    made = Resource(id=arm_id, body=whole, secrets=secrets, hidden=found.hidden if found else {})
    made.touched(world.now(), scope.caller(request))
    return made


@routes.route("PATCH", COMPUTE)
def patch(world: World, request: web.Request) -> web.Response:
    """202 with the resource; the body is nested twice (`properties.properties.scaleSettings`)."""
    found, body = existing(world, request), writes.patch_of(TYPE, gateway.body_object(request))
    workspace = scope.workspace(world, request, "computes")
    region = scope.location(workspace)
    inner = (body.get("properties") or {}).get("properties") or {}
    scale = inner.get("scaleSettings")
    if found.properties["computeType"] == "AmlCompute" and scale is not None:
        merged = merge_patch((found.properties["properties"] or {}).get("scaleSettings"), scale)
        refusals.check_scale(merged, region)
    if world.operations.running(found.id):
        raise refusals.busy(found, region)
    found.properties["provisioningState"] = "Updating"

    def done() -> None:
        found.body = merge_patch(found.body, body)
        found.properties.update(provisioningState="Succeeded", modifiedOn=stamp(world.now()))
        found.touched(world.now(), scope.caller(request))

    def undone(_error: dict[str, Any]) -> None:
        found.properties["provisioningState"] = "Succeeded"

    operation = statuses.begin(world, request, found, kind="compute.update", finish=done, failed=undone, workspace=workspace)
    return web.answer(found.body, status=202, headers=statuses.compute_headers(world, operation))


@routes.route("DELETE", COMPUTE)
def delete(world: World, request: web.Request) -> web.Response:
    """202 with an empty body; `underlyingResourceAction` may be absent."""
    found = existing(world, request)
    workspace = scope.workspace(world, request, "computes")
    region = scope.location(workspace)
    action = request.query.get("underlyingresourceaction", "Delete")
    if action.lower() not in {"delete", "detach"}:
        text = f"The value '{action}' of underlyingResourceAction is neither Delete nor Detach."
        raise refusals.refused(400, "UserError", text, inner=("BadRequest", "ValidationError"), region=region)
    if any(operation.kind == "compute.delete" for operation in world.operations.running(found.id)):
        raise refusals.busy(found, region)
    world.operations.drop(found.id)
    before, found.properties["provisioningState"] = found.state, "Deleting"

    def undone(_error: dict[str, Any]) -> None:
        found.properties["provisioningState"] = before

    finish = partial(_deleted, world, found, workspace)
    operation = statuses.begin(world, request, found, kind="compute.delete", finish=finish, failed=undone, workspace=workspace)
    return web.empty(202, statuses.compute_headers(world, operation))


def _deleted(world: World, found: Resource, workspace: Resource) -> None:
    for run in world.runs.of(workspace.id):
        if not run.ended and (run.target or "").lower() == found.name.lower() and world.jobs_backend is not None:
            world.runs.update(workspace.id, run.run_id, status="CancelRequested")
            world.jobs_backend.cancel(workspace.id.lower(), run.run_id)
    world.resources.delete(found.id)
