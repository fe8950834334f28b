"""Datastores as they are kept, and the four that every workspace begins with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.emulator.machine_learning import scope
from infra.local.emulator.resources import Resource

if TYPE_CHECKING:
    from infra.local.emulator.world import World

TYPE = f"{scope.NAMESPACE}/workspaces/datastores"


def create_defaults(world: World, workspace: Resource, account: str, container: str) -> None:
    """The four that every workspace begins with."""
    share = "azureml-filestore-" + str(workspace.properties["workspaceId"])
    code = "code-391ff5ac-6576-460f-ba4d-7e03433c68b6"
    blobs, files = ("workspaceblobstore", "workspaceartifactstore"), ("workspacefilestore", "workspaceworkingdirectory")
    for name in (*blobs, *files):
        place = {"containerName": container if name == "workspaceblobstore" else "azureml"}
        if name in files:
            place = {"fileShareName": share if name == "workspacefilestore" else code}
        properties = {
            "description": None,
            "tags": {},
            "properties": None,
            "isDefault": name == "workspaceblobstore",
            "credentials": {"credentialsType": "AccountKey"},
            "datastoreType": "AzureBlob" if name in blobs else "AzureFile",
            "accountName": account,
            **place,
            "endpoint": "core.windows.net",
            "protocol": "https",
            "serviceDataAccessAuthIdentity": "None",
        }
        secret = {"secretsType": "AccountKey", "key": world.storage.keys(account)[0]}
        store(world, workspace, name, properties, secret, by="system")


def store(world: World, workspace: Resource, name: str, properties: dict[str, Any], secret: dict[str, Any], *, by: str) -> Resource:
    """Keep a datastore; its secret apart from its body."""
    arm_id = f"{workspace.id}/datastores/{name}"
    old = world.resources.get(arm_id)
    body = {
        "id": arm_id,
        "name": name,
        "type": TYPE,
        "properties": properties,
        "systemData": dict(old.body["systemData"]) if old else {},
    }
    made = Resource(id=arm_id, body=body, secrets=secret)
    made.touched(world.now(), by)
    return world.resources.put(made)
