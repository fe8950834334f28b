"""What a PATCH takes, and what a PUT does with members that its body leaves out: two tables, and the functions that obey them.

A PATCH takes the members of the PATCH schema of its kind and leaves the others alone; what Azure answers to those is not
recorded. A PUT keeps or replaces; where no recording and no page
says which, the switch `world.unrecorded` chooses, so that tests can run both ways.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.local.emulator.world import KEEP, REPLACE

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
    "microsoft.storage/storageaccounts/blobservices/containers": tuple(
        f"properties.{name}"
        for name in (
            "publicAccess", "metadata", "defaultEncryptionScope", "denyEncryptionScopeOverride", "enableNfsV3AllSquash",
            "enableNfsV3RootSquash", "immutableStorageWithVersioning",
        )
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
    "microsoft.eventgrid/topics": (  # TopicUpdateParameters and SystemTopicUpdateParameters, 2022-06-15
        "tags", "identity", "sku",
        *(
            f"properties.{name}"
            for name in (
                "publicNetworkAccess", "inboundIpRules", "disableLocalAuth", "dataResidencyBoundary", "minimumTlsVersionAllowed",
            )
        ),
    ),
    "microsoft.eventgrid/systemtopics": ("tags", "identity"),
    "microsoft.resources/resourcegroups": ("tags", "managedBy"),
    "microsoft.managedidentity/userassignedidentities": ("tags",),
}  # fmt: skip


_TAGS = ("tags",)  # of what is only kept here so that ids can point to it


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """What a PUT of an existing resource does with members that its body leaves out.

    Attributes:
        kept, replaced: members of `properties` (or `tags`, `identity`) for which it is known.
        rest: what becomes of all others, where it is known; empty: the switch decides.
        unchanged: a value that differs from the first one is taken without a word, and the first one stays.
        source: what shows it; `unknown` where only the switch decides.
    """

    kept: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    rest: str = ""
    unchanged: tuple[str, ...] = ()
    source: str = "unknown"

    def keeps(self, world: World, name: str) -> bool:
        """Whether a member that is left out stays as it is."""
        if name in self.kept or name in self.replaced:
            return name in self.kept
        return (self.rest or world.unrecorded) == KEEP


_SPEC = "github.com/Azure/azure-rest-api-specs"
_GITHUB = "https://github.com/"
_UNKNOWN = Put()
PUT: dict[str, Put] = {
    f"{_ML}workspaces": Put(
        kept=("storageAccount", "keyVault", "applicationInsights", "containerRegistry", "hbiWorkspace"),
        source=f"{_SPEC}, machinelearningservices 2021-07-01, WorkspaceProperties: they cannot be changed",
    ),
    f"{_ML}workspaces/computes": Put(
        rest=REPLACE, source=f"{_SPEC}, machinelearningservices 2024-10-01, Compute_CreateOrUpdate: a compute is overwritten"
    ),
    f"{_ML}workspaces/connections": _UNKNOWN,
    f"{_ML}workspaces/datastores": _UNKNOWN,
    f"{_ML}workspaces/schedules": _UNKNOWN,
    f"{_ML}workspaces/jobs": Put(
        replaced=("tags",), source=f"{_SPEC}, machinelearningservices 2024-10-01, Jobs_CreateOrUpdate: tags replace the job's"
    ),
    f"{_ML}workspaces/outboundrules": _UNKNOWN,
    f"{_ML}workspaces/onlineendpoints": Put(
        kept=("description",), replaced=("tags",), unchanged=("authMode",),
        source="recorded: PUTs of an online endpoint, api-version 2022-02-01-preview, April 2022",
    ),
    f"{_ML}workspaces/onlineendpoints/deployments": _UNKNOWN,
    f"{_ML}workspaces/batchendpoints": _UNKNOWN,
    f"{_ML}workspaces/batchendpoints/deployments": _UNKNOWN,
    f"{_ML}workspaces/serverlessendpoints": _UNKNOWN,
    f"{_ML}workspaces/marketplacesubscriptions": _UNKNOWN,
    f"{_ML}workspaces/capabilityhosts": _UNKNOWN,
    f"{_ML}workspaces/privateendpointconnections": _UNKNOWN,
    **{
        f"{_ML}workspaces/{family}{version}": _UNKNOWN
        for family in ("featuresets", "featurestoreentities") for version in ("", "/versions")
    },
    **{
        f"{_ML}{home}/{family}{version}": _UNKNOWN
        for home in ("workspaces", "registries")
        for family in ("codes", "components", "data", "environments", "models") for version in ("", "/versions")
    },
    f"{_ML}registries": _UNKNOWN,
    f"{_ML}registries/tempdatarefs/versions": Put(
        rest=REPLACE, source="azure-ai-ml 1.35.2, _utils/_registry_utils.py: each is a new place to upload to"
    ),
    # The neighbours.
    "microsoft.storage/storageaccounts": Put(
        rest=KEEP, source=f"{_SPEC}, storage 2023-05-01, StorageAccounts_Create: a second request updates what it names"
    ),
    "microsoft.storage/storageaccounts/blobservices": _UNKNOWN,
    "microsoft.storage/storageaccounts/blobservices/containers": _UNKNOWN,
    "microsoft.keyvault/vaults": Put(
        kept=("enablePurgeProtection", "enableSoftDelete"), replaced=("accessPolicies",),
        source=(
            f"{_GITHUB}MicrosoftDocs/azure-docs/issues/87727 (the policies go); "
            f"{_SPEC}, keyvault 2023-07-01, VaultProperties: the two cannot be undone"
        ),
    ),
    "microsoft.containerregistry/registries": _UNKNOWN,
    "microsoft.insights/components": _UNKNOWN,
    "microsoft.managedidentity/userassignedidentities": _UNKNOWN,
    "microsoft.operationalinsights/workspaces": _UNKNOWN,
    "microsoft.network/virtualnetworks": Put(
        kept=("subnets",),
        source=(
            "https://techcommunity.microsoft.com/blog/azurenetworkingblog/"
            "azure-virtual-network-now-supports-updates-without-subnet-property/4067952 (since 2023-09-01)"
        ),
    ),
    "microsoft.network/privateendpoints": _UNKNOWN,
    "microsoft.documentdb/databaseaccounts": _UNKNOWN,
    "microsoft.search/searchservices": _UNKNOWN,
    "microsoft.containerservice/managedclusters": _UNKNOWN,
    "microsoft.compute/virtualmachines": _UNKNOWN,
    "microsoft.eventgrid/eventsubscriptions": _UNKNOWN,
    "microsoft.eventgrid/systemtopics": _UNKNOWN,
    "microsoft.eventgrid/systemtopics/eventsubscriptions": _UNKNOWN,
    "microsoft.eventgrid/topics": _UNKNOWN,
    "microsoft.eventgrid/topics/eventsubscriptions": _UNKNOWN,
    "microsoft.authorization/locks": _UNKNOWN,
    "microsoft.authorization/roleassignments": _UNKNOWN,
    "microsoft.authorization/roledefinitions": _UNKNOWN,
    # ARM's own.
    "microsoft.resources/resourcegroups": Put(replaced=("tags",), source=f"{_GITHUB}Azure/azure-cli/issues/11513"),
    "microsoft.resources/tags": Put(
        rest=REPLACE, source=f"{_SPEC}, resources 2022-09-01, Tags_CreateOrUpdateAtScope: the entire set is replaced"
    ),
    "microsoft.resources/deployments": Put(
        rest=REPLACE,
        source="https://learn.microsoft.com/azure/azure-resource-manager/templates/deploy-cli (the earlier entry is replaced)",
    ),
}  # fmt: skip


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
    rule, named = PUT[found.type], set(given)
    return {name: value for name, value in found.properties.items() if name not in named and rule.keeps(world, name)}


def kept_whole(world: World, found: Resource | None, body: Mapping[str, Any], name: str) -> Any:
    """`tags`, `identity` or another member beside `properties`: the body's, or what is kept of it; None for neither."""
    if body.get(name) is not None or found is None:
        return body.get(name)
    return found.body.get(name) if PUT[found.type].keeps(world, name) else None


def changed(world: World, kind: str, given: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """What a PUT makes of the members that can change: the body's value, or the default of one that is not kept."""
    return {
        name: given.get(name, default)
        for name, default in defaults.items()
        if name in given or not PUT[kind.lower()].keeps(world, name)
    }
