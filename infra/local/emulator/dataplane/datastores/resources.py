"""The v1 view of datastores; the same ones that ARM shows. Not here: creating them, which is ARM's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.dataplane import scope

if TYPE_CHECKING:
    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
_BASE = f"/datastore/v1.0{scope.WORKSPACE}"
_V1_TYPES = {"AzureBlob", "AzureFile", "AzureDataLakeGen2"}


def _shown(found: Resource, *, with_secret: bool) -> dict[str, Any]:
    properties = found.properties
    kind = str(properties.get("datastoreType") or "AzureBlob")
    credential = str((properties.get("credentials") or {}).get("credentialsType") or "None")
    secret = (found.secrets.get("key") or found.secrets.get("sasToken")) if with_secret else None
    section = {
        "accountName": properties.get("accountName"),
        "containerName": properties.get("containerName") or properties.get("fileShareName") or properties.get("filesystem"),
        "endpoint": properties.get("endpoint") or "core.windows.net",
        "protocol": properties.get("protocol") or "https",
        "credentialType": credential if credential in {"None", "Sas", "AccountKey"} else "ClientCredentials",
        "credential": secret,
        "blobCacheTimeout": None,
        "isSas": credential == "Sas",
        "accountKey": secret if credential == "AccountKey" else None,
        "sasToken": secret if credential == "Sas" else None,
    }
    return {
        "name": found.name,
        "dataStoreType": kind if kind in _V1_TYPES else "AzureBlob",
        "hasBeenValidated": True,
        "tags": properties.get("tags") or {},
        "azureStorageSection": section,
        "azureDataLakeSection": None,
        "azureSqlDatabaseSection": None,
        "azurePostgreSqlSection": None,
        "glusterFsSection": None,
    }


def _all(world: World, request: web.Request) -> list[Resource]:
    owner = scope.workspace_id(world, request)
    with world.lock:
        return world.resources.children(owner, "datastores")


def _with_secret(request: web.Request) -> bool:
    return request.query.get("includesecret", "true").lower() == "true"


@routes.route("GET", f"{_BASE}/datastores")
def list_all(world: World, request: web.Request) -> web.Response:
    """All, or those that `dataStoreNames` lists."""
    names = {name.strip().lower() for name in request.query.get("datastorenames", "").split(",") if name.strip()}
    found = [
        _shown(store, with_secret=_with_secret(request))
        for store in _all(world, request)
        if not names or store.name.lower() in names
    ]
    top, token = scope.count_of(request, request.query.get("count")), request.query.get("continuationtoken")
    return web.answer(scope.page(request, found, top=top, token=token, token_name="continuationToken"))  # noqa: S106 - a name


@routes.route("GET", f"{_BASE}/datastores/{{name}}")
def get(world: World, request: web.Request) -> web.Response:
    """One datastore."""
    for store in _all(world, request):
        if store.name.lower() == request.params["name"].lower():
            return web.answer(_shown(store, with_secret=_with_secret(request)))
    raise scope.not_found(request, f"Could not find datastore: {request.params['name']}.", "DataStoreNotFound")


@routes.route("GET", f"{_BASE}/default")
def get_default(world: World, request: web.Request) -> web.Response:
    """The default datastore."""
    for store in _all(world, request):
        if store.properties.get("isDefault"):
            return web.answer(_shown(store, with_secret=_with_secret(request)))
    raise scope.not_found(request, "The workspace has no default datastore.", "DataStoreNotFound")


@routes.route("PUT", f"{_BASE}/default/{{name}}")
def set_default(world: World, request: web.Request) -> web.Response:
    """Make another one the default."""
    stores = _all(world, request)
    if request.params["name"].lower() not in {store.name.lower() for store in stores}:
        raise scope.not_found(request, f"Could not find datastore: {request.params['name']}.", "DataStoreNotFound")
    with world.lock:
        for store in stores:
            store.properties["isDefault"] = store.name.lower() == request.params["name"].lower()
    return web.empty(200)
