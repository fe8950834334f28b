"""Workspaces: create, update, delete (soft and for good), and what a new one is given: containers and datastores."""

from __future__ import annotations

import re
import uuid
from functools import partial
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import AzureError, ResourceExistsError

from infra.local.emulator import clouds, scene, web
from infra.local.emulator.arm import gateway, lists, refusals, versions, writes
from infra.local.emulator.arm.subscriptions import state as groups
from infra.local.emulator.machine_learning import scope, statuses
from infra.local.emulator.machine_learning.datastores import state as datastores_state
from infra.local.emulator.machine_learning.networks import state as managed_network
from infra.local.emulator.machine_learning.workspaces import refusals as workspaces_refusals
from infra.local.emulator.machine_learning.workspaces import responses, state
from infra.local.emulator.operations import OperationFailedError
from infra.local.emulator.resources import Resource, merge_patch, stamp

if TYPE_CHECKING:
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
TYPE = f"{scope.NAMESPACE}/workspaces"
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}")
_PATCH_TAKES_TIME_SINCE = "2021-03-01"  # the specifications of 2019-11-01 and 2020-08-01 know 200 only
_DEFAULTS: dict[str, Any] = {
    "description": "", "containerRegistry": None, "hbiWorkspace": False, "imageBuildCompute": None,
    "publicNetworkAccess": "Enabled", "v1LegacyMode": False, "enableDataIsolation": False,
}  # fmt: skip
_SWITCHES = frozenset(
    {"allowPublicAccessWhenBehindVnet", "enableDataIsolation", "enableServiceSideCMKEncryption", "hbiWorkspace", "v1LegacyMode"}
)
_FEATURE_STORE = {
    name.lower(): name
    for name in ("computeRuntime", "sparkRuntimeVersion", "offlineStoreConnectionName", "onlineStoreConnectionName")
}
_READ_ONLY = (
    "creationTime", "workspaceId", "subscriptionState", "subscriptionStatusChangeTimeStampUtc", "discoveryUrl",
    "mlFlowTrackingUri", "storageHnsEnabled", "privateLinkCount", "provisioningState", "notebookInfo", "tenantId",
    "sdkTelemetryAppInsightsKey", "softDeleteEnabled",
)  # fmt: skip
_FIXED = ("storageAccount", "keyVault", "hbiWorkspace")


@routes.route("GET", scope.WORKSPACE)
def get(world: World, request: web.Request) -> web.Response:
    """One workspace."""
    return web.answer(responses.shown(request, existing(world, request).body))


def existing(world: World, request: web.Request) -> Resource:
    """The workspace in the path.

    Raises:
        web.Refused: 404 `ResourceNotFound`.
    """
    found = world.resources.get(scope.workspace_id(request))
    if found is None:
        raise refusals.resource_not_found(TYPE, request.params["workspace"], request.params["group"])
    return found


@routes.route("GET", f"{scope.GROUP}/workspaces")
@routes.route("GET", f"{scope.PROVIDER}/workspaces")
def list_all(world: World, request: web.Request) -> web.Response:
    """The workspaces of a group, or of the subscription, or those of a `kind`; one that is being deleted is still among them."""
    parent = request.path[: request.path.lower().index("/providers/")]
    found = [one.body for one in world.resources.below(parent, of_type=TYPE.lower())]
    if kinds := {kind.strip().lower() for kind in request.query.get("kind", "").split(",")} - {""}:
        found = [body for body in found if str(body["kind"]).lower() in kinds]
    return lists.page(world, request, [responses.shown(request, body) for body in found])


# ── create and update ────────────────────────────────────────────────────────────────────────────────────────────────
@routes.route("PUT", scope.WORKSPACE)
def put(world: World, request: web.Request) -> web.Response:
    """Create or update: 202 and nothing else, both times."""
    arm_id, name = scope.workspace_id(request), request.params["workspace"]
    body = gateway.body_object(request)
    if not _NAME.fullmatch(name):
        text = f"The workspace name '{name}' is invalid: 3 to 33 letters, digits, '-' and '_', beginning with a letter or digit."
        raise workspaces_refusals.validation(text)
    location = str(body.get("location") or "").lower().replace(" ", "")
    if not location:
        raise refusals.location_required()
    if location not in versions.LOCATIONS:
        raise refusals.location_unavailable(location, TYPE, versions.LOCATIONS)
    properties = body.get("properties") or {}
    if not isinstance(properties, dict):
        raise refusals.invalid_content("Error converting value to type 'WorkspaceProperties'. Path 'properties'")
    properties = body["properties"] = _read(properties)
    identity = scope.identity(world, body.get("identity"))
    found = world.resources.get(arm_id)
    if found is not None:
        return _update(world, request, found, {**body, "location": location}, identity)
    recovered = state.recovered(world, arm_id, properties)
    kind = str(body.get("kind") or "Default").lower()
    if kind == "project":
        properties = body["properties"] = {**_of_hub(world, properties), **{name: one for name, one in properties.items() if one}}
    workspaces_refusals.check_dependencies(world, arm_id, properties, kind)
    workspaces_refusals.check_providers(world, arm_id, properties)
    if identity is None:
        raise workspaces_refusals.validation(
            "The workspace needs an identity. Make sure to create your workspace using a client which support MSI."
        )
    made = world.resources.put(_new(world, request, {**body, "location": location}, identity, recovered))
    operation = statuses.begin(
        world,
        request,
        made,
        kind="workspace",
        finish=partial(_created, world, made),
        error=workspaces_refusals.operation_error(world, properties),
    )
    return web.empty(202, statuses.workspace_headers(world, operation))


def _read(properties: dict[str, Any]) -> dict[str, Any]:
    """As the service deserializes them: a switch may come as text (a template's parameter), names of members in any case."""
    switches = {"true": True, "false": False}
    read = {
        name: switches.get(value.lower(), value) if name in _SWITCHES and isinstance(value, str) else value
        for name, value in properties.items()
    }
    if "featureStoreSettings" in read:
        read["featureStoreSettings"] = _named(read["featureStoreSettings"])
    return read


def _named(settings: Any) -> Any:
    if not isinstance(settings, dict):
        return settings
    return {_FEATURE_STORE.get(name.lower(), name): _named(value) for name, value in settings.items()}


def _update(
    world: World, request: web.Request, found: Resource, body: dict[str, Any], identity: dict[str, Any] | None
) -> web.Response:
    if found.body["location"] != body["location"]:
        raise refusals.location_changed(found.name, found.body["location"], request.params["group"], body["location"])
    if found.state == "Failed":  # a failed create is repeated, not updated
        workspaces_refusals.check_dependencies(world, found.id, body.get("properties") or {})
        made = world.resources.put(_new(world, request, body, identity or {"type": "SystemAssigned"}, None))
        operation = statuses.begin(
            world,
            request,
            made,
            kind="workspace",
            finish=partial(_created, world, made),
            error=workspaces_refusals.operation_error(world, body.get("properties") or {}),
        )
        return web.empty(202, statuses.workspace_headers(world, operation))
    given = body.get("properties") or {}
    whole = {name: body[name] for name in ("sku",) if name in body}
    whole["tags"] = writes.kept_whole(world, found, body, "tags") or {}
    whole["properties"] = merge_patch(
        {
            **_DEFAULTS,
            "friendlyName": found.name,
            **writes.left_out(world, found, ()),
            **{name: found.properties[name] for name in _READ_ONLY if name in found.properties},
        },
        {name: value for name, value in given.items() if name not in _READ_ONLY},
    )
    return _change(world, request, found, whole, given, identity)


def _change(
    world: World,
    request: web.Request,
    found: Resource,
    whole: dict[str, Any],
    properties: dict[str, Any],
    identity: dict[str, Any] | None,
) -> web.Response:
    """Begin to make it so: `whole` is what the members of the body become, `properties` what the caller gave."""
    if world.operations.running(found.id):
        raise scope.conflict(found.name, found.state)
    for name in _FIXED:
        old, new = found.properties.get(name), properties.get(name)
        if new is not None and str(old).strip("/").lower() != str(new).strip("/").lower():
            raise workspaces_refusals.validation(f"The property {name} of a workspace cannot be changed.")
    workspaces_refusals.check_references(world, found.id, properties)
    found.properties["provisioningState"] = "Updating"

    def done() -> dict[str, Any]:
        found.body.update(whole)
        if identity is not None:
            found.body["identity"] = {**found.body["identity"], **identity}
        found.properties["provisioningState"] = "Succeeded"
        found.touched(world.now(), scope.caller(request))
        managed_network.keep(world, found)
        return found.body

    if request.method == "PATCH" and request.query["api-version"] < _PATCH_TAKES_TIME_SINCE:
        return web.answer(done())
    operation = statuses.begin(
        world, request, found, kind="workspace.update", finish=done, error=workspaces_refusals.operation_error(world, properties)
    )
    return web.empty(202, statuses.workspace_headers(world, operation))


@routes.route("PATCH", scope.WORKSPACE)
def patch(world: World, request: web.Request) -> web.Response:
    """Change some fields: 202 like a PUT; 200 at once in the first api-versions, as their specification has it."""
    found, body = existing(world, request), writes.patch_of(TYPE, gateway.body_object(request))
    identity = scope.identity(world, body.get("identity"))
    whole = {name: body[name] or {} for name in ("tags",) if name in body}
    whole |= {name: merge_patch(found.body.get(name), body[name]) for name in ("sku", "properties") if name in body}
    return _change(world, request, found, whole, body.get("properties") or {}, identity)


def _of_hub(world: World, properties: dict[str, Any]) -> dict[str, Any]:
    """What a project takes over from its hub."""
    hub = world.resources.get(str(properties.get("hubResourceId") or "-"))
    if hub is None or str(hub.body.get("kind")).lower() != "hub":
        raise workspaces_refusals.validation("A workspace of kind Project needs the hubResourceId of an existing hub.")
    return {name: hub.properties[name] for name in workspaces_refusals.DEPENDENCIES if hub.properties.get(name)}


def _new(
    world: World, request: web.Request, body: dict[str, Any], identity: dict[str, Any], recovered: Resource | None
) -> Resource:
    given, region = body.get("properties") or {}, body["location"]
    guid = str(recovered.properties["workspaceId"]) if recovered else str(uuid.uuid4())
    host = clouds.sibling(request.host, "experiments" if request.query["api-version"] < "2020-01-01" else "ml_api")
    whole = {
        "id": scope.workspace_id(request),
        "name": request.params["workspace"],
        "type": TYPE,
        "location": region,
        "tags": body.get("tags") or {},
        "etag": None,
        "kind": body.get("kind") or "Default",
        "sku": body.get("sku") or {"name": "Basic", "tier": "Basic"},
        "identity": {**identity, "principalId": str(uuid.uuid4()), "tenantId": scene.TENANT_ID},
        "properties": {
            "friendlyName": request.params["workspace"],
            **_DEFAULTS,
            **given,
            "creationTime": stamp(world.now()),
            "workspaceId": guid,
            "subscriptionState": None,
            "subscriptionStatusChangeTimeStampUtc": None,
            "discoveryUrl": f"https://{region}.{host}/discovery",
            "mlFlowTrackingUri": f"azureml://{region}.{host}/mlflow/v1.0{scope.workspace_id(request)}",
            "storageHnsEnabled": False,
            "privateLinkCount": 0,
            "notebookInfo": None,
            "tenantId": scene.TENANT_ID,
            "sdkTelemetryAppInsightsKey": str(uuid.uuid5(uuid.NAMESPACE_URL, region)),
            "softDeleteEnabled": True,
            "v1LegacyMode": bool(given.get("v1LegacyMode")),
            "enableDataIsolation": bool(given.get("enableDataIsolation")),
            "provisioningState": "Creating",
        },
    }
    made = Resource(id=whole["id"], body=whole)
    made.touched(world.now(), scope.caller(request))
    return made


def _created(world: World, made: Resource) -> dict[str, Any]:
    account = made.properties["storageAccount"].rstrip("/").rpartition("/")[2].lower()
    store = f"azureml-blobstore-{made.properties['workspaceId']}"
    try:
        with world.blob_service(account) as service:
            for container in ("azureml", store):
                try:
                    service.create_container(container)
                except ResourceExistsError:
                    continue
    except (AzureError, KeyError) as error:
        message = f"The storage account '{account}' cannot be reached: {str(error).splitlines()[0]}"
        raise OperationFailedError(
            {"code": "StorageAccountUnreachable", "message": message, "details": [], "additionalInfo": []}
        ) from None
    datastores_state.create_defaults(world, made, account, store)
    made.properties["provisioningState"] = "Succeeded"
    made.touched(world.now(), str(made.body["systemData"]["lastModifiedBy"]))
    managed_network.keep(world, made)
    return made.body


# ── delete ───────────────────────────────────────────────────────────────────────────────────────────────────────────
@routes.route("DELETE", scope.WORKSPACE)
def delete(world: World, request: web.Request) -> web.Response:
    """202; then the name is held for 14 days, unless `forceToPurge=true`. 204 when it is missing."""
    arm_id, purge = scope.workspace_id(request), request.query.get("forcetopurge", "").lower() == "true"
    found = world.resources.get(arm_id)
    if found is None:
        held = world.resources.get(arm_id, deleted=True) if purge else None
        if held is None:
            return web.empty(204)
        found = held
    if any(operation.kind == "workspace.delete" for operation in world.operations.running(found.id)):
        raise scope.conflict(found.name, found.state)
    before, found.properties["provisioningState"] = found.state, "Deleting"

    def undone(_error: dict[str, Any]) -> None:
        found.properties["provisioningState"] = before

    finish = partial(remove, world, found, keep_name=not purge)
    operation = statuses.begin(world, request, found, kind="workspace.delete", finish=finish, failed=undone)
    return web.empty(202, statuses.workspace_headers(world, operation))


def remove(world: World, found: Resource, *, keep_name: bool = False) -> None:
    """Take a workspace and everything in it away; `keep_name` leaves it soft-deleted."""
    from infra.local.emulator.machine_learning.online_deployments import state as online_deployments

    if world.jobs_backend is not None:
        world.jobs_backend.forget(found.id.lower())
    world.runs.delete_all(found.id)
    for removed in world.resources.delete(found.id):
        online_deployments.stop_serving(world, removed)
    world.operations.drop(found.id)
    if keep_name:
        found.deleted = True
        found.hidden["deletedAt"] = world.now().isoformat()
        world.resources.put(found)


groups.REMOVE[TYPE.lower()] = remove
