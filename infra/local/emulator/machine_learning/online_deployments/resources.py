"""Online deployments: a real server behind each; the operation ends when the server is up, or says why it is not."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.arm import gateway, lists, refusals, writes
from infra.local.emulator.machine_learning import scope, statuses
from infra.local.emulator.machine_learning.online_deployments import refusals as online_deployments_refusals
from infra.local.emulator.machine_learning.online_deployments import state
from infra.local.emulator.machine_learning.quotas import refusals as counts
from infra.local.emulator.operations import OperationFailedError

if TYPE_CHECKING:
    from infra.local.emulator.backends import Serving
    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
DEPLOYMENTS = f"{scope.WORKSPACE}/onlineEndpoints/{{endpoint}}/deployments"
DEPLOYMENT = f"{DEPLOYMENTS}/{{deployment}}"
_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9\-_]{1,30}[a-zA-Z0-9]")
_TYPES = ("Managed", "Kubernetes", "AzureMLCompute")
_CONTAINERS = ("InferenceServer", "StorageInitializer")


def _endpoint(world: World, request: web.Request) -> Resource:
    workspace = scope.workspace(world, request, "onlineEndpoints")
    arm_id = f"{workspace.id}/onlineEndpoints/{request.params['endpoint']}"
    found = world.resources.get(arm_id)
    if found is None:
        raise refusals.parent_not_found(state.TYPE.partition("/")[2], arm_id, verb="read" if request.method == "GET" else "write")
    return found


def _existing(world: World, request: web.Request) -> Resource:
    endpoint = _endpoint(world, request)
    found = world.resources.get(f"{endpoint.id}/deployments/{request.params['deployment']}")
    if found is None:
        names = f"{request.params['workspace']}/{endpoint.name}/{request.params['deployment']}"
        raise scope.endpoint_missing(world, state.TYPE, names, request.params["group"])
    return found


@routes.route("GET", DEPLOYMENTS)
def list_all(world: World, request: web.Request) -> web.Response:
    """The deployments of an endpoint."""
    return lists.page(world, request, [item.body for item in world.resources.children(_endpoint(world, request).id, "deployments")])


@routes.route("GET", DEPLOYMENT)
def get(world: World, request: web.Request) -> web.Response:
    """One deployment."""
    return web.answer(_existing(world, request).body)


# ── create and update ────────────────────────────────────────────────────────────────────────────────────────────────
@routes.route("PUT", DEPLOYMENT)
def put(world: World, request: web.Request) -> web.Response:
    """201 with the resource; what names nothing real is refused at once, what does not start fails in the operation."""
    workspace, endpoint = scope.workspace(world, request, "onlineEndpoints"), _endpoint(world, request)
    body = gateway.body_object(request)
    properties, name = dict(scope.properties_of(body)), request.params["deployment"]
    if not _NAME.fullmatch(name):
        raise scope.invalid(f"The deployment name '{name}' is invalid.", "InvalidDeploymentName")
    if not body.get("location"):
        raise refusals.location_required()
    if endpoint.state != "Succeeded":
        text = (
            f"Cannot create a deployment in endpoint {endpoint.name}: its provisioning state is {endpoint.state}. Try again later."
        )
        raise scope.refused(409, "UserError", text, inner=("Conflict", "EndpointNotReady"))
    found = world.resources.get(f"{endpoint.id}/deployments/{name}")
    if found is not None and world.operations.running(found.id):
        raise scope.conflict(name, found.state)
    properties["endpointComputeType"] = scope.one_of(
        scope.text_of(properties, "endpointComputeType") or "Managed", _TYPES, "endpointComputeType"
    )
    if found is None:
        counts.check_deployments(world, scope.location(workspace), endpoint.id)
    order = state.order(world, workspace, f"{endpoint.id}/deployments/{name}", properties)
    capacity = online_deployments_refusals.checked_capacity(world, workspace, body, properties, found)
    if world.serving_backend is None:
        raise scope.refused(503, "ServiceError", "No serving backend is set up: start the local Azure with --ml-python.")
    made = world.resources.put(state.build(world, request, endpoint, body, properties, found))
    made.body["sku"]["capacity"] = capacity
    serving = world.serving_backend.deploy(order)
    return _begin(world, request, workspace, made, serving)


def _begin(world: World, request: web.Request, workspace: Resource, made: Resource, serving: Serving) -> web.Response:
    def up() -> None:
        if serving.state == "failed":  # its log stays readable until it is replaced or deleted
            message = (
                f"User container has crashed or terminated: {serving.failure} Please see troubleshooting guide, available here: "
                "https://aka.ms/oe-tsg#error-resourcenotready"
            )
            raise OperationFailedError(
                web.frontend_error_body(
                    "ResourceNotReady", message, inner=("BadArgument", "ResourceNotReady"), component="managementfrontend"
                )
            )
        old, world.serving[made.id.lower()] = world.serving.get(made.id.lower()), serving
        if old is not None:
            old.stop()
        made.properties["provisioningState"] = "Succeeded"
        made.touched(world.now(), scope.caller(request))

    def failed(_error: dict[str, Any]) -> None:
        made.properties["provisioningState"] = "Failed"
        if serving.state != "failed":
            serving.stop()

    operation = statuses.begin(
        world,
        request,
        made,
        kind="onlineDeployment",
        prefix="od",
        finish=up,
        ready=lambda: serving.state != "starting",
        failed=failed,
        workspace=workspace,
    )
    earlier, made.hidden["latest"] = made.hidden.get("latest"), serving
    if earlier is not None and earlier is not world.serving.get(made.id.lower()):
        earlier.stop()
    made.properties["properties"]["AzureAsyncOperationUri"] = statuses.status_url(world, operation)
    headers = statuses.frontend_headers(world, operation, resource_url=scope.resource_url(request, made.id))
    return web.answer(made.body, status=201, headers=headers)


@routes.route("PATCH", DEPLOYMENT)
def patch(world: World, request: web.Request) -> web.Response:
    """Change tags or capacity: 202 `null`."""
    workspace, found, body = (
        scope.workspace(world, request, "onlineEndpoints"),
        _existing(world, request),
        writes.patch_of(state.TYPE, gateway.body_object(request)),
    )
    if world.operations.running(found.id):
        raise scope.conflict(found.name, found.state)
    capacity = online_deployments_refusals.checked_capacity(
        world, workspace, {"sku": {**found.body["sku"], **(body.get("sku") or {})}}, found.properties, found
    )
    found.properties["provisioningState"] = "Updating"

    def done() -> None:
        found.body["sku"]["capacity"] = capacity
        found.body["tags"] = {**(found.body.get("tags") or {}), **(body.get("tags") or {})}
        found.properties["provisioningState"] = "Succeeded"
        found.touched(world.now(), scope.caller(request))

    operation = statuses.begin(world, request, found, kind="onlineDeployment.update", prefix="od", finish=done, workspace=workspace)
    return web.answer(None, status=202, headers=statuses.frontend_headers(world, operation))


@routes.route("DELETE", DEPLOYMENT)
def delete(world: World, request: web.Request) -> web.Response:
    """202 `null`, always; with traffic on it the operation fails."""
    workspace, found = scope.workspace(world, request, "onlineEndpoints"), _existing(world, request)
    endpoint = _endpoint(world, request)
    if any(operation.kind == "onlineDeployment.delete" for operation in world.operations.running(found.id)):
        raise scope.conflict(found.name, found.state)
    share = {name.lower(): value for name, value in (endpoint.properties.get("traffic") or {}).items()}.get(found.name.lower(), 0)
    error = None
    if share:
        text = f"Deployment {found.name} has {share}% of the endpoint's traffic and cannot be deleted. Set its traffic to 0 first."
        error = web.frontend_error_body(
            "UserError", text, inner=("BadArgument", "DeploymentHasTraffic"), component="managementfrontend"
        )
    else:
        world.operations.drop(found.id)
    before, found.properties["provisioningState"] = found.state, "Deleting"

    def undone(_error: dict[str, Any]) -> None:
        found.properties["provisioningState"] = before

    operation = statuses.begin(
        world,
        request,
        found,
        kind="onlineDeployment.delete",
        prefix="od",
        finish=partial(_deleted, world, endpoint, found),
        failed=undone,
        error=error,
        workspace=workspace,
    )
    return web.answer(None, status=202, headers=statuses.frontend_headers(world, operation))


def _deleted(world: World, endpoint: Resource, found: Resource) -> None:
    for shares in ("traffic", "mirrorTraffic"):
        given = endpoint.properties.get(shares) or {}
        endpoint.properties[shares] = {name: share for name, share in given.items() if name.lower() != found.name.lower()}
    for removed in world.resources.delete(found.id):
        state.stop_serving(world, removed)


# ── logs and skus ────────────────────────────────────────────────────────────────────────────────────────────────────
@routes.route("POST", f"{DEPLOYMENT}/getLogs")
def logs(world: World, request: web.Request) -> web.Response:
    """`{"containerType","tail"}` → `{"content"}`: the latest server's own log, also of one that failed."""
    found, body = _existing(world, request), gateway.body_object(request) if request.body else {}
    container = scope.one_of(str(body.get("containerType") or "InferenceServer"), _CONTAINERS, "containerType")
    tail = body.get("tail") or 500
    if not isinstance(tail, int):
        raise scope.invalid("The field tail must be a whole number.", "ValidationError")
    handle = found.hidden.get("latest") or world.serving.get(found.id.lower())
    return web.answer({"content": handle.logs(container, tail) if handle else ""})


@routes.route("GET", f"{DEPLOYMENT}/skus")
def skus(world: World, request: web.Request) -> web.Response:
    """How far the deployment may be scaled."""
    _existing(world, request)
    sku = {
        "resourceType": state.TYPE,
        "sku": {"name": "Default", "tier": "Standard"},
        "capacity": {"minimum": 1, "maximum": world.limits.instances_per_deployment, "default": 1, "scaleType": "Manual"},
    }
    return web.answer({"value": [sku]})
