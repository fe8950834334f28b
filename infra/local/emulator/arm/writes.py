"""What a PATCH takes, and what a PUT does with members that its body leaves out: two tables, and the functions that obey them.

A PATCH takes the members of the PATCH schema of its kind. Azure answers 200 or 202 to the others and leaves them alone
(https://github.com/Azure/azure-rest-api-specs/issues/18889). A PUT keeps or replaces; where no recording and no page
says which, the switch `world.unrecorded` chooses, so that tests can run both ways.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.local.emulator.world import KEEP

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World

_ML = "microsoft.machinelearningservices/"

# Lower-cased type → the members of its PATCH schema, dotted; a member brings everything below it.
PATCH: dict[str, tuple[str, ...]] = {
    # Azure ML: the bodies of the PATCH operations of 2024-10-01, in github.com/Azure/azure-rest-api-specs.
    f"{_ML}workspaces": (
        "tags", "sku", "identity",
        *(
            f"properties.{name}"
            for name in (
                "description", "friendlyName", "imageBuildCompute", "serviceManagedResourcesSettings",
                "primaryUserAssignedIdentity", "serverlessComputeSettings", "publicNetworkAccess", "applicationInsights",
                "containerRegistry", "featureStoreSettings", "managedNetwork", "enableDataIsolation", "v1LegacyMode",
            )
        ),
        "properties.encryption.keyVaultProperties.keyIdentifier",
    ),
    f"{_ML}workspaces/computes": tuple(
        f"properties.properties.scaleSettings.{name}" for name in ("maxNodeCount", "minNodeCount", "nodeIdleTimeBeforeScaleDown")
    ),
    f"{_ML}workspaces/connections": tuple(
        f"properties.{name}"
        for name in (
            "authType", "category", "credentials", "expiryTime", "isSharedToAll", "target", "metadata", "sharedUserList", "value",
            "valueFormat",
        )
    ),
    f"{_ML}workspaces/onlineendpoints": ("tags", "identity"),
    f"{_ML}workspaces/onlineendpoints/deployments": ("tags", "sku"),
    f"{_ML}workspaces/batchendpoints": ("tags", "identity"),
    f"{_ML}workspaces/batchendpoints/deployments": ("tags", "properties.description"),
    f"{_ML}workspaces/serverlessendpoints": ("tags", "identity", "sku"),
    f"{_ML}registries": ("tags", "identity", "sku"),
    # The neighbours: StorageAccountUpdateParameters 2023-05-01, VaultPatchParameters 2023-07-01, TagsResource 2020-02-02,
    # RegistryUpdateParameters 2023-07-01, ResourceGroupPatchable 2022-09-01, IdentityUpdate 2023-01-31.
    "microsoft.storage/storageaccounts": (
        "tags", "sku", "kind", "identity",
        *(
            f"properties.{name}"
            for name in (
                "accessTier", "allowBlobPublicAccess", "allowCrossTenantReplication", "allowSharedKeyAccess", "allowedCopyScope",
                "azureFilesIdentityBasedAuthentication", "customDomain", "defaultToOAuthAuthentication", "dnsEndpointType",
                "enableExtendedGroups", "encryption", "immutableStorageWithVersioning", "isLocalUserEnabled", "isSftpEnabled",
                "keyPolicy", "largeFileSharesState", "minimumTlsVersion", "networkAcls", "publicNetworkAccess",
                "routingPreference", "sasPolicy", "supportsHttpsTrafficOnly",
            )
        ),
    ),
    "microsoft.keyvault/vaults": (
        "tags",
        *(
            f"properties.{name}"
            for name in (
                "accessPolicies", "createMode", "enabledForDeployment", "enabledForDiskEncryption",
                "enabledForTemplateDeployment", "enablePurgeProtection", "enableRbacAuthorization", "enableSoftDelete",
                "networkAcls", "publicNetworkAccess", "sku", "softDeleteRetentionInDays", "tenantId",
            )
        ),
    ),
    "microsoft.insights/components": ("tags",),
    "microsoft.containerregistry/registries": (
        "tags", "sku", "identity",
        *(
            f"properties.{name}"
            for name in (
                "adminUserEnabled", "anonymousPullEnabled", "dataEndpointEnabled", "encryption", "networkRuleBypassOptions",
                "networkRuleSet", "policies", "publicNetworkAccess",
            )
        ),
    ),
    "microsoft.resources/resourcegroups": ("tags", "managedBy"),
    "microsoft.managedidentity/userassignedidentities": ("tags",),
}  # fmt: skip


_TAGS = ("tags",)  # of what is only kept here so that ids can point to it


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """What a PUT of an existing resource does with members that its body leaves out.

    Attributes:
        kept, replaced: members of `properties` (or `tags`, `identity`) for which it is known; the switch decides on the rest.
        unchanged: a value that differs from the first one is taken without a word, and the first one stays.
        source: who says so; `unknown` where only the switch does.
    """

    kept: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    source: str = "unknown"


_RECORDED = "recorded: PUTs of an online endpoint, api-version 2022-02-01-preview, April 2022"
PUT: dict[str, Put] = {
    f"{_ML}workspaces": Put(kept=("storageAccount", "keyVault", "applicationInsights", "containerRegistry", "hbiWorkspace")),
    f"{_ML}workspaces/computes": Put(),
    f"{_ML}workspaces/connections": Put(),
    f"{_ML}workspaces/datastores": Put(),
    f"{_ML}workspaces/schedules": Put(),
    f"{_ML}workspaces/onlineendpoints": Put(kept=("description",), replaced=("tags",), unchanged=("authMode",), source=_RECORDED),
    f"{_ML}workspaces/onlineendpoints/deployments": Put(),
    f"{_ML}workspaces/batchendpoints": Put(),
    f"{_ML}workspaces/batchendpoints/deployments": Put(),
    f"{_ML}workspaces/serverlessendpoints": Put(),
    f"{_ML}registries": Put(),
    "microsoft.keyvault/vaults": Put(
        replaced=("accessPolicies",),
        source="https://learn.microsoft.com/azure/key-vault/general/vault-create-template (a redeployment replaces the policies)",
    ),
    "microsoft.resources/resourcegroups": Put(
        replaced=("tags",), source="https://learn.microsoft.com/rest/api/resources/resource-groups/create-or-update"
    ),
}


def patch_of(kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a PATCH's body that Azure carries out."""
    taken: dict[str, Any] = {}
    for path in PATCH.get(kind.lower(), _TAGS):
        _copy(body, taken, path.split("."))
    return taken


def _copy(given: Any, into: dict[str, Any], steps: list[str]) -> None:
    first, *rest = steps
    if not isinstance(given, dict) or first not in given:
        return
    if not rest:
        into[first] = given[first]
    elif isinstance(given[first], dict):
        _copy(given[first], into.setdefault(first, {}), rest)


def left_out(world: World, found: Resource | None, given: Iterable[str]) -> dict[str, Any]:
    """The members of `properties` that a PUT keeps of what is there, though its body does not name them."""
    if found is None:
        return {}
    rule, named = PUT.get(found.type, Put()), set(given)
    return {name: value for name, value in found.properties.items() if name not in named and _keeps(world, rule, name)}


def kept_whole(world: World, found: Resource | None, body: Mapping[str, Any], name: str) -> Any:
    """`tags`, `identity` or another member beside `properties`: the body's, or what is kept of it; None for neither."""
    if body.get(name) is not None or found is None:
        return body.get(name)
    return found.body.get(name) if _keeps(world, PUT.get(found.type, Put()), name) else None


def _keeps(world: World, rule: Put, name: str) -> bool:
    return name in rule.kept or (name not in rule.replaced and world.unrecorded == KEEP)
