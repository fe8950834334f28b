"""What is kept of a storage account, a vault, Application Insights and a container registry."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.local.emulator import clouds, scene
from infra.local.emulator.arm.dependencies import deleted_vaults
from infra.local.emulator.resources import Resource, stamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local.emulator.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One of the four.

    Attributes:
        type: as ARM writes it.
        names: what a name must look like.
        rule: the provider's words for it.
        said: the sentence that it stands in.
        first: the first answer to a create.
        fill: the read-only properties of a new one.
        hides: members that no answer of its own provider shows (Microsoft's description has none of them).
    """

    type: str
    names: str
    rule: str
    first: int
    fill: Callable[[World, str, dict[str, Any], str], dict[str, Any]]
    said: str = "{name} is not a valid name. {rule}"
    hides: tuple[str, ...] = ()

    def shown(self, found: Resource) -> dict[str, Any]:
        """What an answer holds."""
        properties = {name: value for name, value in found.properties.items() if f"properties.{name}" not in self.hides}
        return {name: value for name, value in {**found.body, "properties": properties}.items() if name not in self.hides}


def _storage(world: World, name: str, properties: dict[str, Any], host: str) -> dict[str, Any]:
    suffix = clouds.sibling(host, "storage")
    services = ("blob", "queue", "table", "file", "dfs")
    return {
        "supportsHttpsTrafficOnly": True,
        **properties,
        "primaryEndpoints": {service: f"https://{name}.{service}.{suffix}/" for service in services},
        "primaryLocation": scene.LOCATION,
        "statusOfPrimary": "available",
        "creationTime": stamp(world.now()),
    }


def _vault(_world: World, name: str, properties: dict[str, Any], _host: str) -> dict[str, Any]:
    days = deleted_vaults.RETENTION_DAYS
    defaults = {"tenantId": scene.TENANT_ID, "accessPolicies": [], "enableSoftDelete": True, "softDeleteRetentionInDays": days}
    return {**defaults, **properties, "vaultUri": f"https://{name}.vault.azure.net/"}


def _insights(world: World, name: str, properties: dict[str, Any], _host: str) -> dict[str, Any]:
    key = str(uuid.uuid4())
    return {
        "Application_Type": "web",
        **properties,
        "ApplicationId": name,
        "AppId": str(uuid.uuid4()),
        "InstrumentationKey": key,
        "ConnectionString": f"InstrumentationKey={key}",
        "CreationDate": stamp(world.now()),
        "TenantId": scene.SUBSCRIPTION_ID,
    }


def _registry(world: World, name: str, properties: dict[str, Any], _host: str) -> dict[str, Any]:
    created = {"loginServer": f"{name.lower()}.azurecr.io", "creationDate": stamp(world.now())}
    return {"adminUserEnabled": False, **properties, **created}


STORAGE = Kind(
    type="Microsoft.Storage/storageAccounts",
    names=r"[a-z0-9]{3,24}",
    rule="Storage account name must be between 3 and 24 characters in length and use numbers and lower-case letters only.",
    first=202,
    said="{name} is not a valid storage account name. {rule}",
    fill=_storage,
    hides=("systemData",),
)
VAULT = Kind(
    type="Microsoft.KeyVault/vaults",
    names=r"[a-zA-Z](?:-?[a-zA-Z0-9]){2,23}",
    rule=(
        "A vault's name must be between 3-24 alphanumeric characters. The name must begin with a letter, end with a letter or "
        "digit, and not contain consecutive hyphens."
    ),
    first=200,
    said=(
        "The vault name '{name}' is invalid. {rule} Follow this link for more information: "
        "https://go.microsoft.com/fwlink/?linkid=2147742"
    ),
    fill=_vault,
)
INSIGHTS = Kind(
    type="Microsoft.Insights/components",
    names=r"[^%&\\?/]{1,260}",
    rule="The component name is not valid.",
    first=200,
    fill=_insights,
    hides=("systemData",),
)
REGISTRY = Kind(
    type="Microsoft.ContainerRegistry/registries",
    names=r"[a-zA-Z0-9]{5,50}",
    rule="Registry names may contain only alpha numeric characters and must be between 5 and 50 characters.",
    first=201,
    fill=_registry,
)
KINDS = (STORAGE, VAULT, INSIGHTS, REGISTRY)


def build(world: World, kind: Kind, arm_id: str, body: dict[str, Any], *, host: str = "management.azure.com") -> Resource:
    """A new resource of a kind, Succeeded, with its read-only properties."""
    name = arm_id.rsplit("/", 1)[-1]
    whole = {
        "id": arm_id,
        "name": name,
        "type": kind.type,
        "location": body.get("location"),
        "tags": body.get("tags") or {},
        **{field: body[field] for field in ("sku", "kind", "identity") if field in body},
        "properties": {**kind.fill(world, name, dict(body.get("properties") or {}), host), "provisioningState": "Succeeded"},
    }
    resource = Resource(id=arm_id, body=whole, hidden={"given": set(body.get("properties") or ())})
    if kind is STORAGE:
        world.storage.create(name)
    if kind is REGISTRY:
        resource.secrets["passwords"] = [uuid.uuid4().hex, uuid.uuid4().hex]
    resource.touched(world.now(), scene.CLIENT_ID)
    return world.resources.put(resource)


def removed(world: World, resource: Resource) -> None:
    """What else goes when a resource goes."""
    if resource.type == STORAGE.type.lower():
        world.storage.forget(resource.name)
    if resource.type == VAULT.type.lower():
        deleted_vaults.keep(world, resource)


def seed(world: World) -> None:
    """The scene's four, and the registry without its admin user."""
    world.storage.add_scene_account(scene.STORAGE_ACCOUNT)
    storage = {"location": scene.LOCATION, "sku": {"name": "Standard_LRS", "tier": "Standard"}, "kind": "StorageV2"}
    vault = {"location": scene.LOCATION, "properties": {"sku": {"family": "A", "name": "standard"}}}
    build(world, STORAGE, scene.STORAGE_ID, storage)
    build(world, VAULT, scene.KEY_VAULT_ID, vault)
    build(world, INSIGHTS, scene.INSIGHTS_ID, {"location": scene.LOCATION, "kind": "web"})
    for arm_id, admin in ((scene.REGISTRY_ID, True), (scene.REGISTRY_WITHOUT_ADMIN_ID, False)):
        body = {"location": scene.LOCATION, "sku": {"name": "Basic", "tier": "Basic"}, "properties": {"adminUserEnabled": admin}}
        build(world, REGISTRY, arm_id, body)


def holder(world: World, kind: Kind, name: str) -> Resource | None:
    """The resource of the kind that has the name, in any case and in any subscription here."""
    return next((one for one in world.resources.of_type(kind.type.lower()) if one.name.lower() == name.lower()), None)
