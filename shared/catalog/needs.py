"""What a request needs besides itself, as data: providers that must be registered, and how to look up what a body refers to.

Not here: asking Azure (preflight.checks).
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.catalog import kinds


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """A resource provider that a kind needs, or only when its body says something.

    Attributes:
        path: The kind's path.
        namespace: The provider.
        why: As the documents' table has it.
        when: Dotted path that the body holds; '' for always.
        values: What it must say there, in any casing; empty for anything.
        unless: Dotted path with which it is not needed.
    """

    path: str
    namespace: str
    why: str
    when: str = ""
    values: tuple[str, ...] = ()
    unless: str = ""


ENCRYPTION = "properties.encryption.keyVaultProperties"
ISOLATION = "properties.managedNetwork.isolationMode"
OUTBOUND = ("AllowInternetOutbound", "AllowOnlyApprovedOutbound")

# "Resource provider errors" of both source documents
NEEDS: tuple[Need, ...] = (
    Need(path="workspaces", namespace="Microsoft.Storage", why="the workspace's default storage"),
    Need(path="workspaces", namespace="Microsoft.ContainerRegistry", why="Docker images are built into its registry"),
    Need(path="workspaces", namespace="Microsoft.KeyVault", why="the workspace's secrets"),
    Need(path="workspaces", namespace="Microsoft.Insights", why="monitoring", when="properties.applicationInsights"),
    Need(path="workspaces", namespace="Microsoft.DocumentDB", why="metadata under a customer's own key", when=ENCRYPTION),
    Need(path="workspaces", namespace="Microsoft.Search", why="indexing under a customer's own key", when=ENCRYPTION),
    Need(
        path="workspaces",
        namespace="Microsoft.Network",
        why="private endpoints of the managed network",
        when=ISOLATION,
        values=OUTBOUND,
    ),
    Need(path="workspaces/outboundRules", namespace="Microsoft.Network", why="private endpoints of the managed network"),
    Need(
        path="workspaces/computes",
        namespace="Microsoft.Notebooks",
        why="notebooks on instances",
        when="properties.computeType",
        values=("ComputeInstance",),
    ),
    Need(
        path="workspaces/computes",
        namespace="Microsoft.ContainerService",
        why="models on Azure Kubernetes Service",
        when="properties.computeType",
        values=("AKS",),
    ),
    # https://github.com/MicrosoftLearning/mslearn-mlops/issues/72, which does not name them;
    # https://learn.microsoft.com/answers/questions/2068819/machine-learning-online-endpoint-conflicts-error does
    *(
        Need(path="workspaces/onlineEndpoints", namespace=name, why="managed online endpoints", unless="properties.compute")
        for name in ("Microsoft.Cdn", "Microsoft.PolicyInsights")
    ),
)

# What holds versions comes into being with the first of them
MADE_WITH_FIRST_VERSION = frozenset(
    {"models", "environments", "codes", "data", "components", "featuresets", "featurestoreEntities"}
)

# How to GET what is no kind of the table but stands in bodies: type in lower case → api-version
REFERENCE_VERSIONS: dict[str, str] = {
    "microsoft.managedidentity/userassignedidentities": "2023-01-31",
    "microsoft.network/virtualnetworks": "2023-09-01",
    "microsoft.network/virtualnetworks/subnets": "2023-09-01",
    "microsoft.network/privateendpoints": "2023-09-01",
    "microsoft.containerservice/managedclusters": "2023-10-01",
    "microsoft.kubernetes/connectedclusters": "2023-11-01-preview",
    "microsoft.compute/virtualmachines": "2023-09-01",
    "microsoft.hdinsight/clusters": "2021-06-01",
    "microsoft.databricks/workspaces": "2023-02-01",
    "microsoft.datafactory/factories": "2018-06-01",
    "microsoft.synapse/workspaces": "2021-06-01",
    "microsoft.cognitiveservices/accounts": "2023-05-01",
    **{kind.full_type.lower(): kind.api_version for kind in kinds.KINDS if kind.plane == "arm" and "GET" in kind.verbs},
}
DEPENDENCIES = (  # types of what workspaces stand on; of those that none names, the clean-up says so
    "Microsoft.Storage/storageAccounts",
    "Microsoft.KeyVault/vaults",
    "Microsoft.Insights/components",
    "Microsoft.ContainerRegistry/registries",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """A field that Azure asks for, given what else the body says.

    Attributes:
        kind: The full type.
        path: Dotted path of the field.
        why: What Azure refuses without it.
        code: What Azure calls it.
        when: Dotted path that decides whether the row applies; '' for always.
        values: What it says then, in lower case; `otherwise` is what a body without it means.
        new: Only a resource that does not exist yet needs it.
    """

    kind: str
    path: str
    why: str
    code: str = "MissingField"
    when: str = ""
    values: tuple[str, ...] = ()
    otherwise: str = ""
    new: bool = False


ACCOUNTS, VAULTS = "Microsoft.Storage/storageAccounts", "Microsoft.KeyVault/vaults"
_WORKSPACES, _COMPUTES = f"{kinds.ML}/workspaces", f"{kinds.ML}/workspaces/computes"
_DEPLOYMENTS = f"{kinds.ML}/workspaces/onlineEndpoints/deployments"
# https://github.com/Azure/azure-cli/issues/28980: "Missing dependent resources in workspace json"
_DEPENDENT = "Azure refuses a new workspace without it ('Missing dependent resources in workspace json')."
_MACHINES = ("amlcompute", "computeinstance")
REQUIREMENTS: tuple[Requirement, ...] = (
    *(
        Requirement(
            kind=_WORKSPACES, path=f"properties.{name}", why=_DEPENDENT, code="MissingDependency", when="kind",
            values=("default", "hub", "featurestore"), otherwise="default", new=True,
        )
        for name in ("storageAccount", "keyVault")
    ),
    Requirement(
        kind=_WORKSPACES, path="properties.applicationInsights", why=_DEPENDENT, code="MissingDependency", when="kind",
        values=("default",), otherwise="default", new=True,
    ),
    Requirement(
        kind=_WORKSPACES, path="properties.hubResourceId", why="a project belongs to a hub.", when="kind", values=("project",),
        new=True,
    ),
    Requirement(kind=_WORKSPACES, path="identity.type", why="Azure makes no workspace without an identity.", new=True),
    Requirement(kind=ACCOUNTS, path="kind", why="Azure makes no account without a kind, such as StorageV2.", new=True),
    Requirement(
        kind=ACCOUNTS, path="properties.accessTier", why="an account for blobs alone says how they are kept.", when="kind",
        values=("blobstorage",), new=True,
    ),
    Requirement(kind=VAULTS, path="properties.sku.family", why="Azure makes no vault without it; 'A' is the only one.", new=True),
    Requirement(
        kind=VAULTS, path="properties.accessPolicies", why="a vault without enableRbacAuthorization needs them; [] will do.",
        when="properties.enableRbacAuthorization", values=("false",), otherwise="false", new=True,
    ),
    *(
        Requirement(kind="Microsoft.Insights/components", path=path, why="no component is made without; 'web' will do.", new=True)
        for path in ("kind", "properties.Application_Type")
    ),
    Requirement(
        kind=_COMPUTES, path="properties.properties.vmSize", why="Azure makes no machine without a size.",
        when="properties.computeType", values=_MACHINES,
    ),
    Requirement(
        kind=_COMPUTES, path="properties.properties.scaleSettings.maxNodeCount",
        why="a cluster says how many nodes it may have at most.", when="properties.computeType", values=("amlcompute",),
    ),
)  # fmt: skip
# Kinds whose machines have a size: without one the preflight cannot say `ok` for size and quota.
SIZED: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (_COMPUTES, "properties.computeType", _MACHINES),
    (_DEPLOYMENTS, "properties.endpointComputeType", ("managed",)),
)

GROUPS = f"{kinds.RESOURCES}/resourceGroups"
BUSY = frozenset({"creating", "updating", "deleting", "accepted", "provisioning", "resolvingdns"})  # states that refuse changes
NAMES_WORLDWIDE = frozenset({VAULTS, ACCOUNTS, "Microsoft.ContainerRegistry/registries"})

VM_SIZES = ("properties.properties.vmSize", "properties.instanceType")  # where bodies name a size
NODES = (  # where they say how many, the least and the most
    ("properties.properties.scaleSettings.minNodeCount", "properties.properties.scaleSettings.maxNodeCount"),
    ("sku.capacity", "sku.capacity"),
)

ASSETS = {  # where bodies of deployments and jobs name an asset in short (`azureml:NAME:VERSION`), and of which collection
    "properties.model": "models",
    "properties.environmentId": "environments",
    "properties.codeConfiguration.codeId": "codes",
    "properties.codeId": "codes",
}

KEY_DATA_ACTIONS = tuple(f"Microsoft.KeyVault/vaults/keys/{each}" for each in ("read", "wrap/action", "unwrap/action"))
KEY_PERMISSIONS = frozenset({"get", "wrapkey", "unwrapkey"})  # what the customer's vault must grant
