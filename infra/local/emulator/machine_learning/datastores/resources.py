"""Datastores: named places in storage, with their credentials kept apart from what a GET shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.arm import gateway, lists, writes
from infra.local.emulator.machine_learning import scope
from infra.local.emulator.machine_learning.datastores import refusals, state

if TYPE_CHECKING:
    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
_TYPES = ("AzureBlob", "AzureFile", "AzureDataLakeGen1", "AzureDataLakeGen2", "OneLake")
_CREDENTIALS = ("AccountKey", "Sas", "ServicePrincipal", "Certificate", "None")
_SECRET_FIELDS = {"AccountKey": "key", "Sas": "sasToken", "ServicePrincipal": "clientSecret", "Certificate": "certificate"}
_DATASTORE = f"{scope.WORKSPACE}/datastores/{{name}}"


def _existing(world: World, request: web.Request) -> Resource:
    workspace = scope.workspace(world, request, "datastores")
    found = world.resources.get(f"{workspace.id}/datastores/{request.params['name']}")
    if found is None:
        raise scope.missing("Datastore", request.params["name"])
    return found


@routes.route("GET", f"{scope.WORKSPACE}/datastores")
def list_all(world: World, request: web.Request) -> web.Response:
    """All, or filtered by `isDefault`, `names`, `searchText`."""
    workspace = scope.workspace(world, request, "datastores")
    found = world.resources.children(workspace.id, "datastores")
    if "isdefault" in request.query:
        found = [store for store in found if store.properties["isDefault"] is (request.query["isdefault"].lower() == "true")]
    if names := request.query.get("names"):
        found = [store for store in found if store.name in names.split(",")]
    if text := request.query.get("searchtext"):
        found = [store for store in found if text.lower() in store.name.lower()]
    return lists.page(world, request, [store.body for store in found], size=int(request.query.get("count") or 0) or None)


@routes.route("GET", _DATASTORE)
def get(world: World, request: web.Request) -> web.Response:
    """One datastore, without its secret."""
    return web.answer(_existing(world, request).body)


@routes.route("PUT", _DATASTORE)
def put(world: World, request: web.Request) -> web.Response:
    """Create (201) or replace (200); unless `skipValidation=true`, the account and its key are checked."""
    workspace = scope.workspace(world, request, "datastores")
    properties = dict(scope.properties_of(gateway.body_object(request)))
    properties["datastoreType"] = scope.one_of(scope.text_of(properties, "datastoreType"), _TYPES, "datastoreType")
    credentials = dict(properties.get("credentials") or {"credentialsType": "None"})
    kind = scope.one_of(str(credentials.get("credentialsType") or "None"), _CREDENTIALS, "credentialsType")
    secret = {"secretsType": kind, **(credentials.pop("secrets", None) or {})}
    properties["credentials"] = {**credentials, "credentialsType": kind}
    if request.query.get("skipvalidation", "").lower() != "true":
        refusals.check(world, properties, secret)
    arm_id = f"{workspace.id}/datastores/{request.params['name']}"
    found = world.resources.get(arm_id)
    fresh = found is None
    defaults: dict[str, Any] = {
        "description": None,
        "tags": {},
        "properties": None,
        "isDefault": False,
        "serviceDataAccessAuthIdentity": "None",
    }
    properties = {**defaults, **writes.left_out(world, found, properties), **properties}
    if properties["isDefault"]:
        for other in world.resources.children(workspace.id, "datastores"):
            other.properties["isDefault"] = False
    made = state.store(world, workspace, request.params["name"], properties, secret, by=scope.caller(request))
    return web.answer(
        made.body, status=201 if fresh else 200, headers={"location": scope.resource_url(request, arm_id)} if fresh else {}
    )


@routes.route("DELETE", _DATASTORE)
def delete(world: World, request: web.Request) -> web.Response:
    """200 without a body; the default datastore stays."""
    workspace = scope.workspace(world, request, "datastores")
    found = world.resources.get(f"{workspace.id}/datastores/{request.params['name']}")
    if found is None:
        return web.empty(204)
    if found.properties.get("isDefault"):
        raise scope.invalid("The default datastore of a workspace cannot be deleted.", "DefaultDatastore")
    world.resources.delete(found.id)
    return web.empty(200)


@routes.route("POST", f"{_DATASTORE}/listSecrets")
def list_secrets(world: World, request: web.Request) -> web.Response:
    """`{"secretsType","key"}`."""
    found = _existing(world, request)
    kind = str(found.secrets.get("secretsType") or "None")
    if kind == "None":
        raise scope.invalid("The datastore has no credentials.", "NoCredentials")
    field = _SECRET_FIELDS[kind]
    return web.answer({"secretsType": kind, field: found.secrets.get(field)})
