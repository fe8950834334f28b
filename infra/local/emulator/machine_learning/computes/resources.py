"""Compute targets: create, change, delete. Starting, stopping and listing nodes is in `actions.py`."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from infra.local.emulator import web, writes
from infra.local.emulator.arm import gateway, lists
from infra.local.emulator.machine_learning import scope, statuses
from infra.local.emulator.machine_learning.computes import idle_shutdown
from infra.local.emulator.machine_learning.quotas import state as quota
from infra.local.emulator.machine_learning.quotas import vm_sizes
from infra.local.emulator.operations import OperationFailedError
from infra.local.emulator.resources import Resource, merge_patch, stamp

if TYPE_CHECKING:
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
TYPE = f"{scope.NAMESPACE}/workspaces/computes"
COMPUTE = f"{scope.WORKSPACE}/computes/{{compute}}"
_NAME = re.compile(r"[a-zA-Z](?!.*-[^a-zA-Z]*$)[a-zA-Z0-9\-]{2,23}")  # behind each '-' comes a letter, sooner or later
_TYPES = (
    "AmlCompute", "ComputeInstance", "AKS", "Kubernetes", "VirtualMachine", "HDInsight", "DataFactory", "Databricks",
    "DataLakeAnalytics", "SynapseSpark",
)  # fmt: skip
# Of a cluster's inner properties: what the service writes, and the priority, which nothing changes.
_STATE = frozenset({
    "vmPriority", "allocationState", "allocationStateTransitionTime", "errors", "currentNodeCount", "targetNodeCount",
    "nodeStateCounts",
})  # fmt: skip
_OWN = frozenset({"AmlCompute", "ComputeInstance"})


def refused(status: int, code: str, message: str, *, inner: tuple[str, ...] = (), region: str = "") -> web.Refused:
    """A refusal of the compute service (shape c)."""
    return web.Refused(web.service_error(status, code, message, inner=inner, component="machinelearningcompute", location=region))


@routes.route("GET", f"{scope.WORKSPACE}/computes")
def list_all(world: World, request: web.Request) -> web.Response:
    """The computes of a workspace."""
    workspace = scope.workspace(world, request, "computes")
    there = world.resources.children(workspace.id, "computes")
    for found in there:
        idle_shutdown.settle(world, workspace, found)
    return lists.page(world, request, [found.body for found in there])


@routes.route("GET", COMPUTE)
def get(world: World, request: web.Request) -> web.Response:
    """One compute; 404 with an empty body."""
    return web.answer(existing(world, request).body)


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
        raise refused(400, "UserError", text, inner=("BadRequest", "InvalidComputeName"), region=region)
    properties = body.get("properties")
    if not isinstance(properties, dict) or not properties.get("computeType"):
        raise refused(
            400, "UserError", "The property computeType is required.", inner=("BadRequest", "ValidationError"), region=region
        )
    kind = _kind(str(properties["computeType"]), region)
    inner = properties.get("properties")
    inner = dict(inner) if isinstance(inner, dict) else {}
    found = world.resources.get(f"{workspace.id}/computes/{name}")
    if kind in _OWN:
        _check(kind, inner, found, region)
        if kind == "ComputeInstance" and inner.get("enableNodePublicIp") is False:
            _check_private(world, workspace, region)
    if found is not None and world.operations.running(found.id):
        raise busy(found, region)
    made = _build(
        world, request, workspace, {**body, "properties": {**properties, "computeType": kind, "properties": inner}}, found
    )
    world.resources.put(made)
    finish = partial(_created, world, made, region)
    operation = statuses.begin(
        world, request, made, kind="compute", finish=finish, failed=partial(_failed, made), workspace=workspace
    )
    return web.answer(made.body, status=201, headers=statuses.compute_headers(world, operation))


def busy(found: Resource, region: str) -> web.Refused:
    """409: an operation on it is not finished."""
    text = f"The specified compute {found.name} is in state {found.state}; another operation on it is already running."
    return refused(409, "UserError", text, inner=("Conflict", "ResourceOperationInProgress"), region=region)


def _kind(given: str, region: str) -> str:
    for kind in _TYPES:
        if kind.lower() == given.lower():
            return kind
    raise refused(
        400, "UserError", f"The compute type '{given}' is not supported.", inner=("BadRequest", "ValidationError"), region=region
    )


def _check(kind: str, inner: dict[str, Any], found: Resource | None, region: str) -> None:
    size = str(inner.get("vmSize") or "")
    if vm_sizes.find(size) is None:
        text = (
            f"The specified value {size} for property Cluster.Properties.VMSize is not a supported VM size. See additional details "
            f"for supported VM sizes. {','.join(known.name.upper() for known in vm_sizes.SIZES)}"
        )
        raise refused(400, "UserError", text, inner=("BadRequest", "InvalidPropertyValue"), region=region)
    if found is not None and str((found.properties.get("properties") or {}).get("vmSize")).lower() != size.lower():
        text = "The VM size of an existing compute cannot be changed. Delete the compute and create it again."
        raise refused(400, "UserError", text, inner=("BadRequest", "ImmutableProperty"), region=region)
    if kind == "AmlCompute":
        check_scale(inner.get("scaleSettings"), region)


def _check_private(world: World, workspace: Resource, region: str) -> None:
    """An instance without a public address needs a private way to its workspace, as recorded."""
    private = world.resources.children(workspace.id, "privateEndpointConnections")
    mode = str((workspace.properties.get("managedNetwork") or {}).get("isolationMode") or "Disabled").lower()
    if not private and mode == "disabled":
        text = (
            "A compute instance with enableNodePublicIp false needs a workspace with a private endpoint or a managed network. "
            "Make one of them first."
        )
        raise refused(400, "UserError", text, inner=("BadRequest", "InvalidPropertyValue"), region=region)


def check_scale(scale: Any, region: str) -> None:
    """Scale settings must hold a maximum that the minimum does not exceed.

    Raises:
        web.Refused: 400.
    """
    numbers = [scale.get(name) for name in ("minNodeCount", "maxNodeCount")] if isinstance(scale, dict) else [None, None]
    low, high = numbers[0] or 0, numbers[1]
    if not isinstance(low, int) or not isinstance(high, int) or low < 0 or high < low:
        text = f"The scale settings are invalid: minNodeCount {numbers[0]}, maxNodeCount {numbers[1]}."
        raise refused(400, "UserError", text, inner=("BadRequest", "InvalidPropertyValue"), region=region)


def _build(world: World, request: web.Request, workspace: Resource, body: dict[str, Any], found: Resource | None) -> Resource:
    now, arm_id = stamp(world.now()), f"{workspace.id}/computes/{request.params['compute']}"
    properties = body["properties"]
    secrets = dict(found.secrets) if found else {}
    inner = dict(properties["properties"])
    credentials = inner.pop("userAccountCredentials", None)  # above `properties` no version knows them: they are left alone
    if isinstance(credentials, dict):
        secrets["userAccountCredentials"] = credentials
        inner["userAccountCredentials"] = {"adminUserName": credentials.get("adminUserName"), "adminUserPassword": None}
    if properties["computeType"] == "AmlCompute":
        old = (found.properties.get("properties") or {}) if found else {}
        stays = {name: value for name, value in old.items() if name in _STATE or world.unrecorded == writes.KEEP}
        inner = {**_cluster(now), **stays, **inner}
        inner["vmSize"] = str(inner["vmSize"]).upper()
    elif properties["computeType"] == "ComputeInstance":
        inner = {"state": "Creating", "sshSettings": {"sshPublicAccess": "Disabled"}, "errors": None, **inner}
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
            **properties,
            "createdOn": found.properties["createdOn"] if found else now,
            "modifiedOn": now,
            "resourceId": properties.get("resourceId"),
            "computeLocation": scope.location(workspace),
            "provisioningErrors": None,
            "provisioningState": "Updating" if found else "Creating",
            "isAttachedCompute": properties["computeType"] not in _OWN,
            "properties": inner,
        },
        "systemData": dict(found.body["systemData"]) if found else {},
    }
    made = Resource(id=arm_id, body=whole, secrets=secrets, hidden=found.hidden if found else {})
    made.touched(world.now(), scope.caller(request))
    return made


def _cluster(now: str) -> dict[str, Any]:
    names = ("preparing", "running", "idle", "unusable", "leaving", "preempted")
    return {
        "vmPriority": "Dedicated",
        "osType": "Linux",
        "virtualMachineImage": None,
        "isolatedNetwork": False,
        "subnet": None,
        "remoteLoginPortPublicAccess": "NotSpecified",
        "allocationState": "Steady",
        "allocationStateTransitionTime": now,
        "errors": None,
        "currentNodeCount": 0,
        "targetNodeCount": 0,
        "nodeStateCounts": {f"{name}NodeCount": 0 for name in names},
        "enableNodePublicIp": True,
    }


def _created(world: World, made: Resource, region: str) -> None:
    inner = made.properties["properties"]
    if made.properties["computeType"] in _OWN:
        _check_quota(world, made, inner, region)
    if made.properties["computeType"] == "ComputeInstance":
        inner["state"] = "Running"
        inner["applications"] = [
            {"displayName": name, "endpointUri": f"https://{made.name}.{region}.instances.azureml.ms{path}"}
            for name, path in (("Jupyter", "/tree"), ("Jupyter Lab", "/lab"))
        ]
        inner["lastOperation"] = last_operation(world, "Create", "Succeeded")
    made.properties["provisioningState"] = "Succeeded"
    made.properties["modifiedOn"] = stamp(world.now())


def last_operation(world: World, name: str, status: str) -> dict[str, str]:
    """A compute instance's `lastOperation`."""
    return {"operationName": name, "operationTime": stamp(world.now()), "operationStatus": status, "operationTrigger": "User"}


def _check_quota(world: World, made: Resource, inner: dict[str, Any], region: str) -> None:
    size = vm_sizes.find(str(inner["vmSize"]))
    if size is None or str(inner.get("vmPriority")).lower() == "lowpriority":
        return
    single = made.properties["computeType"] == "ComputeInstance"
    nodes = 1 if single else int((inner.get("scaleSettings") or {}).get("minNodeCount") or 0)
    short = quota.short_of(world, made.id.split("/")[2], region, size, nodes * size.cores, without=made.id)
    if short is not None:
        family, _, most = short
        message = (
            f"The specified subscription has a {quota.title(family)} vCPU quota of {most} and cannot accomodate for at least "
            f"{nodes} requested managed compute nodes which maps to {nodes * size.cores} vCPUs. Talk to your Subscription Admin or "
            "refer to https://docs.microsoft.com/azure/machine-learning/how-to-manage-quotas#request-quota-increases to increase "
            f"the {quota.title(family)} vCPU quota"
        )
        raise OperationFailedError(
            {"code": "ClusterMinNodesExceedCoreQuota", "message": message, "details": [], "additionalInfo": []}
        )


def _failed(made: Resource, error: dict[str, Any]) -> None:
    made.properties["provisioningState"] = "Failed"
    made.properties["provisioningErrors"] = [{"error": error}]
    if made.properties["computeType"] == "ComputeInstance":
        made.properties["properties"]["state"] = "CreateFailed"


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
        check_scale(merged, region)
    if world.operations.running(found.id):
        raise busy(found, region)
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
        raise refused(400, "UserError", text, inner=("BadRequest", "ValidationError"), region=region)
    if any(operation.kind == "compute.delete" for operation in world.operations.running(found.id)):
        raise busy(found, region)
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
