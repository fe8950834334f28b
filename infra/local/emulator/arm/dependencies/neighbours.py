"""Resources around a workspace that only have to exist: identities, networks, log workspaces, what customer keys need.

They are kept and answered as the four in `resources.py` are; nothing behind them runs.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import AzureError

from infra.local.emulator import scene, web
from infra.local.emulator.arm import gateway, refusals, writes
from infra.local.emulator.arm.dependencies import resources as dependencies
from infra.local.emulator.arm.dependencies import state as dependencies_state
from infra.local.emulator.resources import Resource

if TYPE_CHECKING:
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
_ANY_NAME = r"[\w.()-]{1,90}"


def _identity(_world: World, _name: str, properties: dict[str, Any], _host: str) -> dict[str, Any]:
    ids = {name: str(uuid.uuid4()) for name in ("principalId", "clientId")}
    return {**properties, "tenantId": scene.TENANT_ID, **ids}


def _network(_world: World, _name: str, properties: dict[str, Any], _host: str) -> dict[str, Any]:
    return {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}, "subnets": [], **properties}


def _as_given(_world: World, _name: str, properties: dict[str, Any], _host: str) -> dict[str, Any]:
    return dict(properties)


_ROWS = (
    ("Microsoft.ManagedIdentity/userAssignedIdentities", 201, _identity),
    ("Microsoft.OperationalInsights/workspaces", 200, _as_given),
    ("Microsoft.Network/virtualNetworks", 201, _network),
    ("Microsoft.Network/privateEndpoints", 201, _as_given),
    ("Microsoft.DocumentDB/databaseAccounts", 200, _as_given),
    ("Microsoft.Search/searchServices", 201, _as_given),
    ("Microsoft.ContainerService/managedClusters", 201, _as_given),
    ("Microsoft.Compute/virtualMachines", 201, _as_given),
)
KINDS = tuple(
    dependencies_state.Kind(
        type=kind,
        names=_ANY_NAME,
        rule="The name is invalid.",
        first=first,
        fill=fill,
        hides=("properties.provisioningState",) if fill is _identity else (),
    )
    for kind, first, fill in _ROWS
)


@routes.route("PUT GET", f"{dependencies.ACCOUNT}/blobServices/default/containers/{{container}}")
def container(world: World, request: web.Request) -> web.Response:
    """A blob container made through ARM: it is a real one."""
    name = request.params["container"]
    try:
        with world.blob_service(request.params["name"].lower()) as service:
            client = service.get_container_client(name)
            there = client.exists()
            if request.method == "PUT" and not there:
                client.create_container()
    except (AzureError, KeyError) as error:
        raise refusals.refuse(404, "ResourceNotFound", f"The storage account is not there: {error}") from None
    if request.method == "GET" and not there:
        raise refusals.refuse(404, "ContainerNotFound", "The specified container does not exist.")
    kind, found = "Microsoft.Storage/storageAccounts/blobServices/containers", world.resources.get(request.path)
    if request.method == "GET" and found is not None:
        return web.answer(found.body)
    given = (gateway.body_object(request).get("properties") or {}) if request.body else {}
    properties = {"publicAccess": "None", **writes.left_out(world, found, given), **given}
    body = {"id": request.path, "name": name, "type": kind, "properties": properties}
    world.resources.put(Resource(id=request.path, body=body))
    return web.answer(body, status=200 if there else 201)


for _kind in KINDS:
    dependencies.register(routes, _kind)
