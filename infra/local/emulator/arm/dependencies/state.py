"""What is kept of a storage account, a vault, Application Insights and a container registry."""

from __future__ import annotations

import re
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
class Need:
    """A member that a resource must have, or a value that it must have there.

    Attributes:
        path: dotted path of the member, through lists to each of their members.
        code: what the refusal is called.
        message: its text; `{value}` is what the body has there, `{id}` the resource.
        pattern: what each value must look like; empty for any value that is there.
        when: dotted path that decides whether the row applies; empty for always. A row with its own path here judges what is there.
        values: what it says then, in lower case (`none` for nothing); empty for anything.
    """

    path: str
    code: str
    message: str
    pattern: str = ""
    when: str = ""
    values: tuple[str, ...] = ()

    def unmet(self, arm_id: str, body: dict[str, Any]) -> str:
        """The refusal's text, or nothing."""
        said = {str(value).lower() for value in _values(body, self.when.split("."))} if self.when else set()
        if self.when and not (said & set(self.values) if self.values else said - {"none"}):
            return ""
        there = [one for one in _values(body, self.path.split(".")) if one is not None or self.when != self.path]
        wrong = [one for one in there if one in (None, "") or (self.pattern and not re.fullmatch(self.pattern, str(one)))]
        if not wrong and (there or not self.pattern):
            return ""
        return self.message.format(id=arm_id, value=next(iter(wrong), ""))


def _values(found: Any, parts: list[str]) -> list[Any]:
    if isinstance(found, list):
        return [value for one in found for value in _values(one, parts)]
    return _values(found.get(parts[0]) if isinstance(found, dict) else None, parts[1:]) if parts else [found]


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
        needs: what it must have; the first that is not met refuses it.
        named: the code for a name that the provider does not take.
    """

    type: str
    names: str
    rule: str
    first: int
    fill: Callable[[World, str, dict[str, Any], str], dict[str, Any]]
    said: str = "{name} is not a valid name. {rule}"
    hides: tuple[str, ...] = ()
    needs: tuple[Need, ...] = ()
    named: str = "InvalidResourceName"

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


_NO_KIND = ("AccountPropertyIsInvalid", "Account property {} is invalid for the request.")
_NOT_SPECIFIED = "The parameter {} is not specified."
# Which SKUs an account of each kind can have: https://learn.microsoft.com/azure/storage/common/storage-account-overview
_SKUS = {
    "Storage": "(Standard_(LRS|GRS|RAGRS)|Premium_LRS)",
    "StorageV2": "(Standard(V2)?_(LRS|ZRS|GRS|RAGRS|GZRS|RAGZRS)|Premium_(LRS|ZRS))",
    "BlobStorage": "Standard_(LRS|GRS|RAGRS)",
    "BlockBlobStorage": "Premium_(LRS|ZRS)",
    "FileStorage": "(Premium(V2)?_(LRS|ZRS)|StandardV2_(LRS|ZRS|GRS|GZRS))",
}
STORAGE = Kind(
    type="Microsoft.Storage/storageAccounts",
    names=r"[a-z0-9]{3,24}",
    rule="Storage account name must be between 3 and 24 characters in length and use numbers and lower-case letters only.",
    first=202,
    said="{name} is not a valid storage account name. {rule}",
    fill=_storage,
    hides=("systemData",),
    named="AccountNameInvalid",
    needs=(
        Need(path="kind", code=_NO_KIND[0], message=_NO_KIND[1].format("kind"), pattern="|".join(_SKUS)),
        Need(path="sku.name", code=_NO_KIND[0], message=_NO_KIND[1].format("sku")),
        *(
            Need(
                path="sku.name", code="InvalidValuesForRequestParameters", pattern=pattern, when="kind", values=(kind.lower(),),
                message="Values for request parameters are invalid: kind, sku.",
            )
            for kind, pattern in _SKUS.items()
        ),
        Need(
            path="properties.accessTier", code="MissingRequiredAccountProperty", when="kind", values=("blobstorage",),
            message="Account property accessTier is required for the request.",
        ),
    ),
)  # fmt: skip
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
    named="VaultNameNotValid",
    needs=(
        *(
            Need(path=f"properties.{name}", code="BadRequest", message=_NOT_SPECIFIED.format(name))
            for name in ("tenantId", "sku", "sku.name", "sku.family")
        ),
        Need(
            path="properties.tenantId", code="BadRequest", message="An invalid value was provided for 'tenantId'.",
            pattern=r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
        ),
        Need(
            path="properties.accessPolicies", code="BadRequest", message=_NOT_SPECIFIED.format("accessPolicies"),
            when="properties.enableRbacAuthorization", values=("none", "false"),
        ),
        *(
            Need(
                path=f"properties.accessPolicies.permissions.{on}", when=f"properties.accessPolicies.permissions.{on}",
                code="BadRequest", message="An invalid value was provided for 'accessPolicies'.", pattern="(?i)[a-z]+",
            )
            for on in ("keys", "secrets", "certificates", "storage")
        ),
    ),
)  # fmt: skip
INSIGHTS = Kind(
    type="Microsoft.Insights/components",
    names=r"[^%&\\?/]{1,260}",
    rule="The component name is not valid.",
    first=200,
    fill=_insights,
    hides=("systemData",),
    needs=(
        Need(
            path="properties", code="BadRequest",
            message="Value cannot be null.\r\nParameter name: 'properties' property must be specified",
        ),
        *(
            Need(path=path, code="BadRequest", message=f"Value cannot be null.\r\nParameter name: {path}")
            for path in ("kind", "properties.Application_Type")
        ),
    ),
)  # fmt: skip
REGISTRY = Kind(
    type="Microsoft.ContainerRegistry/registries",
    names=r"[a-zA-Z0-9]{5,50}",
    rule="Registry names may contain only alpha numeric characters and must be between 5 and 50 characters.",
    first=201,
    fill=_registry,
    needs=(
        Need(
            path="sku.name", code="ClassicSkuDeprecated", message=(
                "Classic SKU is now deprecated. Please select a managed SKU. Kindly refer to docs for instructions: "
                "https://docs.microsoft.com/en-us/azure/container-registry/container-registry-upgrade"
            ),
        ),
        Need(path="sku.name", code="InvalidParameter", pattern="(?i)Basic|Standard|Premium", message=(
            "The SKU '{value}' is not one of Basic, Standard and Premium."
        )),
        Need(
            path="sku.name", code="DisablingPublicNetworkAccessNotSupported", pattern="(?i)Premium",
            when="properties.publicNetworkAccess", values=("disabled",), message=(
                "Disabling public network access is not supported for the SKU {value}. For more information, please visit "
                "https://aka.ms/acr/private-link."
            ),
        ),
    ),
)  # fmt: skip
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
