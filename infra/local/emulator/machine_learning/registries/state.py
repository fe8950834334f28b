"""What is kept of a registry: itself, and the resource groups and storage of its regions."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from infra.local.emulator import clouds, scene, web
from infra.local.emulator.arm import writes
from infra.local.emulator.arm.dependencies import state as dependencies_state
from infra.local.emulator.arm.subscriptions import state as subscriptions_state
from infra.local.emulator.machine_learning import scope
from infra.local.emulator.machine_learning.registries import responses
from infra.local.emulator.resources import Resource

if TYPE_CHECKING:
    from infra.local.emulator.world import World


TYPE = f"{scope.NAMESPACE}/registries"


def registry_id(request: web.Request) -> str:
    """The ARM id of the registry in the path."""
    params = request.params
    group = f"/subscriptions/{params['subscription']}/resourceGroups/{params['group']}"
    return f"{group}/providers/{TYPE}/{params['registry']}"


def built(world: World, request: web.Request, body: dict[str, Any], found: Resource | None) -> Resource:
    """The registry that a PUT makes or changes."""
    name, region = request.params["registry"], body["location"]
    hidden = found.hidden if found else _storage(world, request, name, region)
    details = (body.get("properties") or {}).get("regionDetails") or [{"location": region}]
    host = f"https://{region}.{clouds.sibling(request.host, 'ml_api')}"
    account = {
        "storageAccountName": hidden["storageAccount"].rpartition("/")[2],
        "storageAccountType": "Standard_LRS",
        "storageAccountHnsEnabled": False,
        "allowBlobPublicAccess": False,
        "armResourceId": {"resourceId": hidden["storageAccount"]},
    }
    properties = {
        "publicNetworkAccess": "Enabled",
        "intellectualPropertyPublisher": None,
        "registryPrivateEndpointConnections": [],
        **writes.left_out(world, found, body.get("properties") or {}),
        **(body.get("properties") or {}),
        "regionDetails": [{**one, "storageAccountDetails": [{"systemCreatedStorageAccount": account}]} for one in details],
        "discoveryUrl": f"{host}/registrymanagement/v1.0/registries/{name}/discovery",
        "mlFlowRegistryUri": f"azureml://{region}.{clouds.sibling(request.host, 'ml_api')}/mlflow/v1.0{registry_id(request)}",
        "managedResourceGroup": {"resourceId": hidden["group"]},
        "provisioningState": "Updating" if found else "Creating",
    }
    properties.pop("managedResourceGroupTags", None)  # MLClient sends it; no description has it among what a GET shows
    whole = {
        "id": registry_id(request),
        "name": name,
        "type": TYPE,
        "location": region,
        "tags": writes.kept_whole(world, found, body, "tags") or {},
        "identity": {"type": "SystemAssigned", "principalId": str(uuid.uuid4()), "tenantId": scene.TENANT_ID},
        "sku": body.get("sku"),
        "kind": body.get("kind"),
        "properties": properties,
        "systemData": dict(found.body["systemData"]) if found else {},
    }
    made = Resource(id=whole["id"], body=whole, hidden=hidden)
    made.touched(world.now(), scope.caller(request))
    return made


def _storage(world: World, request: web.Request, name: str, region: str) -> dict[str, Any]:
    """The managed resource group of a new registry, with the storage account in it."""
    guid = str(uuid.uuid4())
    group = subscriptions_state.group_resource(request.params["subscription"], f"azureml-rg-{name}_{guid}", region)
    world.resources.put(group)
    account = f"{group.id}/providers/{dependencies_state.STORAGE.type}/reg{guid.replace('-', '')[:18]}"
    dependencies_state.build(
        world, dependencies_state.STORAGE, account, {"location": region, "sku": {"name": "Standard_LRS"}, "kind": "StorageV2"}
    )
    return {"guid": guid, "group": group.id, "storageAccount": account}


def created(world: World, made: Resource) -> dict[str, Any]:
    """End the creation."""
    made.properties["provisioningState"] = "Succeeded"
    made.touched(world.now(), str(made.body["systemData"]["lastModifiedBy"]))
    return responses.shown(made)
