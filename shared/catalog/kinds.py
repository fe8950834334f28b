"""The table: every kind of resource this app provisions, runs, scores or browses, one row each.

It is the product; the rest is plumbing for it. A row holds data only. How Azure answers (long-running or not) is not in
it: that is discovered from each answer (rest.long_running). Deviations that no column can express stand in `QUIRKS`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from shared.rest import azure_versions

if TYPE_CHECKING:
    from shared.catalog.roles import Role
    from shared.rest import ids
    from shared.rest.addresses import Plane

Room = Literal["provision", "run", "score", "park"]
Scope = Literal["group", "subscription", "tenant", "any"]
EndingAct = Literal["delete", "stop", "park", "cancel"]

ML = "Microsoft.MachineLearningServices"
RESOURCES = "Microsoft.Resources"
ML_VERSION = azure_versions.ML
V1_VERSION = "2019-11-01"

ALL = frozenset({"GET", "LIST", "PUT", "PATCH", "DELETE"})
NO_PATCH = ALL - {"PATCH"}
READ = frozenset({"GET", "LIST"})

COMPUTE_TYPES = (
    "AKS", "Kubernetes", "AmlCompute", "ComputeInstance", "DataFactory", "VirtualMachine", "HDInsight", "Databricks",
    "DataLakeAnalytics", "SynapseSpark",
)  # fmt: skip
DATASTORE_TYPES = ("AzureBlob", "AzureDataLakeGen1", "AzureDataLakeGen2", "AzureFile", "OneLake")
JOB_TYPES = ("AutoML", "Command", "Sweep", "Pipeline", "Spark")
MODEL_TYPES = (("properties.modelType", ("custom_model", "mlflow_model", "triton_model")),)
DATA_TYPES = (("properties.dataType", ("uri_file", "uri_folder", "mltable")),)
AUTH_MODES = (("properties.authMode", ("Key", "AMLToken", "AADToken")),)
ENDPOINT_COMPUTE_TYPES = ("Managed", "Kubernetes", "AzureMLCompute")

ACCESS = (  # of any body: who gets in, over which network, and as whom the resource acts
    "identity.userAssignedIdentities",
    *(
        f"properties.{name}"
        for name in (
            "publicNetworkAccess", "networkAcls", "networkRuleSet", "ipAllowlist", "allowPublicAccessWhenBehindVnet",
            "managedNetwork", "accessPolicies", "enableRbacAuthorization", "allowSharedKeyAccess", "allowBlobPublicAccess",
            "defaultToOAuthAuthentication", "adminUserEnabled", "anonymousPullEnabled", "disableLocalAuth",
            "egressPublicNetworkAccess", "publicNetworkAccessForIngestion", "publicNetworkAccessForQuery",
            "systemDatastoresAuthMode", "keys", "isLocalUserEnabled", "isSftpEnabled", "allowCrossTenantReplication",
            "networkRuleBypassOptions", "sharedPrivateLinkResources",
            "primaryUserAssignedIdentity", "serverlessComputeSettings.serverlessComputeNoPublicIP",
            "regionDetails.storageAccountDetails.systemCreatedStorageAccount.allowBlobPublicAccess",
            "properties.sshSettings.sshPublicAccess", "properties.remoteLoginPortPublicAccess", "properties.enableNodePublicIp",
        )
    ),
)  # fmt: skip
CHANGES = frozenset({"PUT", "PATCH", "DELETE"})

ASSET_NAME = r"[a-zA-Z0-9][a-zA-Z0-9\-_.]{0,254}"
VERSION_NAME = r"[a-zA-Z0-9][a-zA-Z0-9\-_.]{0,254}"
ENDPOINT_NAME = r"[a-zA-Z][a-zA-Z0-9-]{1,30}[a-zA-Z0-9]"  # also of deployments


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A POST action of a kind.

    Attributes:
        name: As Azure spells it; callers may use any casing.
        direct: Answered by Azure at once and passed on; no operation, nothing stored (keys, tokens, logs, listings).
        repeatable: Sending it twice does no harm, so an unknown outcome is settled by sending it again.
        shown_by: The action whose answer holds the keys that this one changes: Azure forgets the operation, the keys show its end.
        preview: The api-version of an action that is no part of the stable API; offered when `STEWARD_PREVIEWS` is true.
        room: Which room of the app carries it out. What `park` does is this app's own: Azure has no such action.
        role: What its sender must at least be.
        secret: Its answer is made of keys, tokens or signed URLs: each use is audited.
        ended: The status of its end, as the specification declares it: clients of ARM take no other.
        listed: Its body is a list, where all others are objects.
    """

    name: str
    direct: bool = False
    repeatable: bool = False
    shown_by: str = ""
    preview: str = ""
    room: Room = "provision"
    role: Role = "operator"
    secret: bool = False
    ended: int = 200
    listed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What an expiry does to one of a kind when its time comes.

    Attributes:
        name: What it is, as policies of the clean-up spell it.
        act: `delete`, or an action of the kind.
        compute_type: Only computes of this type; '' for all of the kind.
        tags: Where the tags of its kind stand in a body.
    """

    name: str
    act: EndingAct = "delete"
    compute_type: str = ""
    tags: str = "tags"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of resource.

    Attributes:
        path: Type segments below the provider, e.g. `workspaces/computes`.
        scope: What its ids start with: a resource group, only a subscription, neither, or what the path has of them.
        below_scope: Its ids stand directly below their scope, without a provider.
        namespace: Resource provider.
        plane: Which of Azure's servers has it: ARM, or a path of the workspace's regional API server.
        api_version: Default; a caller's `?api-version=` wins.
        verbs: What Azure offers of GET, LIST, PUT, PATCH, DELETE.
        name: Pattern of the last name, or None where only Azure can judge it.
        required: Dotted paths a PUT body must hold.
        choices: Values that a dotted path may have in the stable API; spelling of Azure's, any casing passes.
        secrets: Dotted paths of a request that must never be stored; a `*` stands for any member.
        private: Dotted paths, as in `secrets`, of what may hold a secret: it is sent on and not recorded from answers.
        state_field: Where the resource says how it is doing.
        cancel: The action that cancels one still under way.
        interval_s: First and longest pause between polls where Azure names none (docs/protocol.md §4: how long such work takes).
        delete_query: Query that DELETE needs.
        named_by_us: POST on the collection creates one under a name that the operation id gives (jobs).
        views: What Azure's other servers say about one: GET `{resource}/{view}`.
        posted_name: One is made by a POST on the collection; its name stands there in the body (dotted path).
        searchable: Run history answers a list of them that is filtered by status, compute, tag or time (jobs.search).
        json_patch: PATCH takes a JSON Patch (a list, RFC 6902), not an object.
        admin: The verbs that only an admin may send; the others need an operator, or for GET and LIST a reader.
        deleted: The status of a DELETE that has ended, as the specification declares it.
        guarded: Dotted paths of a body that only an admin may set, in any casing: network and access settings.
        patch: What PATCH takes, dotted, each with all below it, where Azure would answer 200 to the rest and change nothing (the
            schema of the PATCH body in the specification); empty where Azure judges the body.
        lane: How many types of its id name the resource in whose lane its operations wait, because Azure keeps both in one
            object; 0 for a lane of its own.
        stands_on: Dotted paths of a body that name what must be ready before the request is sent.
        endings: What an expiry does to one of the kind; () where none is taken.
    """

    path: str
    scope: Scope = "group"
    below_scope: bool = False
    namespace: str = ML
    plane: Plane = "arm"
    api_version: str = ML_VERSION
    verbs: frozenset[str] = NO_PATCH
    actions: tuple[Action, ...] = ()
    name: str | None = ASSET_NAME
    required: tuple[str, ...] = ()
    choices: tuple[tuple[str, tuple[str, ...]], ...] = ()
    secrets: tuple[str, ...] = ()
    private: tuple[str, ...] = ()
    state_field: str = "properties.provisioningState"
    cancel: str | None = None
    interval_s: tuple[float, float] = (2.0, 30.0)
    delete_query: str = ""
    named_by_us: bool = False
    views: tuple[str, ...] = ()
    posted_name: str = ""
    searchable: bool = False
    json_patch: bool = False
    admin: frozenset[str] = frozenset()
    deleted: int = 204
    guarded: tuple[str, ...] = ACCESS
    patch: tuple[str, ...] = ()
    lane: int = 0
    stands_on: tuple[str, ...] = ()
    endings: tuple[Ending, ...] = ()

    @property
    def types(self) -> tuple[str, ...]:
        """The path as segments."""
        return tuple(self.path.split("/"))

    @property
    def full_type(self) -> str:
        """E.g. `Microsoft.MachineLearningServices/workspaces/computes`."""
        return f"{self.namespace}/{self.path}"

    @property
    def label(self) -> str:
        """The singular-ish noun for messages: the last type segment."""
        return self.types[-1]

    @property
    def nameless(self) -> bool:
        """It has no names: a question that is posted to its own path."""
        return self.name is None and bool(self.action(""))

    def ending(self, body: Any) -> Ending | None:
        """Return what an expiry does to the one that a body describes; None where it takes no expiry."""
        properties = body.get("properties") if isinstance(body, dict) else None
        given = str(properties.get("computeType", "")) if isinstance(properties, dict) else ""
        return next((each for each in self.endings if each.compute_type.lower() in ("", given.lower())), None)

    def action(self, name: str) -> Action | None:
        """Return the action of that name in any casing, or None."""
        return next((action for action in self.actions if action.name.lower() == name.lower()), None)


def _direct(*names: str, role: Role = "reader", secret: bool = False) -> tuple[Action, ...]:
    return tuple(Action(name=name, direct=True, role=role, secret=secret) for name in names)


def _keys(*names: str) -> tuple[Action, ...]:
    """Return the actions that answer with keys or tokens: an admin's, and audited."""
    return _direct(*names, role="admin", secret=True)


def _signed(*names: str) -> tuple[Action, ...]:
    """Return the actions that answer with a signed URL, for a file to come or go by."""
    return _direct(*names, role="operator", secret=True)


def _previews(version: str, *names: str, direct: bool = False, role: Role = "operator", listed: bool = False) -> tuple[Action, ...]:
    return tuple(Action(name=name, preview=version, direct=direct, role=role, listed=listed) for name in names)


def _asset(
    family: str,
    *,
    home: str = "workspaces",
    actions: tuple[Action, ...] = (),
    choices: tuple[tuple[str, tuple[str, ...]], ...] = (),
) -> tuple[Kind, Kind]:
    """Return the two rows of an asset family: what holds its versions, and a version."""
    published = (Action(name="publish"),) if home == "workspaces" else ()
    container = Kind(path=f"{home}/{family}")
    version = Kind(
        path=f"{home}/{family}/versions",
        name=VERSION_NAME,
        required=("properties",),
        choices=choices,
        actions=(*actions, *published),
    )
    return container, version


def _list(path: str, *, scope: Scope = "group") -> Kind:
    """Return the row of a collection that can only be listed."""
    return Kind(path=path, scope=scope, verbs=frozenset({"LIST"}), name=None)


_WORKSPACE_PATCH = (  # WorkspaceUpdateParameters
    "tags", "sku", "identity",
    *(
        f"properties.{name}"
        for name in (
            "description", "friendlyName", "imageBuildCompute", "serviceManagedResourcesSettings", "primaryUserAssignedIdentity",
            "serverlessComputeSettings", "publicNetworkAccess", "applicationInsights", "containerRegistry",
            "featureStoreSettings", "managedNetwork", "enableDataIsolation", "v1LegacyMode", "softDeleteRetentionInDays",
            "encryption.keyVaultProperties.keyIdentifier",
        )
    ),
)  # fmt: skip
_DEPENDENCIES = ("storageAccount", "keyVault", "applicationInsights", "containerRegistry", "hubResourceId")
_COMPUTE_SECRETS = (
    "userAccountCredentials.adminUserPassword",
    "properties.userAccountCredentials.adminUserPassword",
    "properties.properties.userAccountCredentials.adminUserPassword",
    "properties.properties.administratorAccount.password",
    "properties.properties.administratorAccount.privateKeyData",
    "properties.properties.sslConfiguration.key",
    "properties.properties.sslConfiguration.cert",
    "properties.properties.relayConnectionString",
    "properties.properties.serviceBusConnectionString",
    "properties.properties.databricksAccessToken",
)

KINDS: tuple[Kind, ...] = (
    # Azure Resource Manager itself
    Kind(
        path="subscriptions", namespace=RESOURCES, below_scope=True, api_version=azure_versions.SUBSCRIPTIONS, verbs=READ, name=None
    ),
    Kind(
        path="locations",
        namespace=RESOURCES,
        scope="subscription",
        below_scope=True,
        api_version=azure_versions.SUBSCRIPTIONS,
        verbs=frozenset({"LIST"}),
        name=None,
    ),
    Kind(
        path="resources",
        namespace=RESOURCES,
        scope="any",
        below_scope=True,
        api_version="2021-04-01",
        verbs=frozenset({"LIST"}),
        name=None,
    ),
    # What templates made: to read. This app makes resources by their own PUT
    Kind(path="deployments", namespace=RESOURCES, scope="any", api_version="2021-04-01", verbs=READ, name=None),
    Kind(path="deployments/operations", namespace=RESOURCES, scope="any", api_version="2021-04-01", verbs=READ, name=None),
    Kind(
        path="resourceGroups",
        namespace=RESOURCES,
        below_scope=True,
        api_version=azure_versions.RESOURCES,
        verbs=ALL,
        patch=("tags", "managedBy"),
        name=r"[-\w._()]{0,89}[-\w_()]",
        required=("location",),
        admin=frozenset({"DELETE"}),
        actions=(
            Action(name="validateMoveResources", repeatable=True, ended=204),
            Action(name="moveResources", role="admin", ended=204),
        ),
        deleted=200,
    ),
    Kind(
        path="providers",
        namespace=RESOURCES,
        below_scope=True,
        api_version=azure_versions.RESOURCES,
        verbs=READ,
        name=r"[A-Za-z0-9]+(?:\.[A-Za-z0-9]+)+",
        state_field="registrationState",
        actions=_direct("register", role="admin"),
    ),
    # What a workspace stands on
    *(
        Kind(
            path="checkNameAvailability",
            scope="subscription",
            namespace=namespace,
            api_version=version,
            verbs=frozenset(),
            name=None,
            actions=_direct(""),
        )
        for namespace, version in (
            ("Microsoft.Storage", "2023-05-01"),
            ("Microsoft.KeyVault", "2023-07-01"),
            ("Microsoft.ContainerRegistry", "2023-07-01"),
        )
    ),
    Kind(
        path="storageAccounts",
        namespace="Microsoft.Storage",
        api_version="2023-05-01",
        verbs=ALL,
        patch=("tags", "sku", "kind", "identity", "properties"),
        name=r"[a-z0-9]{3,24}",
        required=("location", "sku.name"),
        admin=frozenset({"DELETE"}),
        actions=_keys("listKeys", "regenerateKey"),
    ),
    Kind(
        path="vaults",
        namespace="Microsoft.KeyVault",
        api_version="2023-07-01",
        verbs=ALL,
        patch=("tags", "properties"),
        name=r"[a-zA-Z](?!.*--)[a-zA-Z0-9-]{1,22}[a-zA-Z0-9]",
        required=("location", "properties.tenantId", "properties.sku.name"),
        admin=CHANGES,  # who may write a vault can give access to its secrets
    ),
    Kind(
        path="components",
        namespace="Microsoft.Insights",
        api_version="2020-02-02",
        verbs=ALL,
        patch=("tags",),
        name=r"[^%&\\?/#\x00-\x1f]{0,259}[^%&\\?/#\x00-\x1f .]",
        required=("location",),
    ),
    Kind(
        path="registries",
        namespace="Microsoft.ContainerRegistry",
        api_version="2023-07-01",
        verbs=ALL,
        patch=("tags", "sku", "identity", "properties"),
        name=r"[a-zA-Z0-9]{5,50}",
        required=("location", "sku.name"),
        admin=frozenset({"DELETE"}),
        actions=_keys("listCredentials", "regenerateCredential"),
    ),
    # Azure Machine Learning: resources
    Kind(
        path="workspaces",
        endings=(Ending(name="workspace"),),
        verbs=ALL,
        name=r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}",
        required=("location",),
        patch=_WORKSPACE_PATCH,
        stands_on=tuple(f"properties.{name}" for name in _DEPENDENCIES),
        views=("discovery",),
        actions=(
            *_keys("listKeys", "listNotebookAccessToken", "listNotebookKeys", "listStorageAccountKeys"),
            Action(name="diagnose", repeatable=True),
            Action(name="resyncKeys", repeatable=True),
            Action(name="prepareNotebook"),
            Action(name="provisionManagedNetwork", repeatable=True, role="admin"),
        ),
    ),
    Kind(
        path="workspaces/computes",
        endings=(
            Ending(name="computeInstance", act="stop", compute_type="ComputeInstance"),
            Ending(name="computeCluster", compute_type="AmlCompute"),
        ),
        verbs=ALL,
        name=r"[a-zA-Z](?![a-zA-Z0-9-]*-\d+$)[a-zA-Z0-9\-]{1,22}[a-zA-Z0-9]",
        required=("properties.computeType",),
        choices=(("properties.computeType", COMPUTE_TYPES),),
        patch=("properties.properties.scaleSettings",),
        secrets=_COMPUTE_SECRETS,
        delete_query="underlyingResourceAction=Delete",
        actions=(
            *_direct("listNodes"),
            *_keys("listKeys"),
            Action(name="start", repeatable=True, ended=202),
            Action(name="stop", repeatable=True, ended=202),
            Action(name="restart", ended=202),
            # docs/protocol.md §9: idle shutdown and schedules of an existing instance change by these POSTs only
            *_previews("2025-01-01-preview", "updateIdleShutdownSetting", "updateSchedules", "resize"),
            *_previews("2025-01-01-preview", "customServices", "updateDataMounts", listed=True),
            *_previews("2025-01-01-preview", "getAllowedVmSizesForResize", direct=True, role="reader"),
            *_previews("2024-04-01-preview", "enableSso", role="admin"),
        ),
    ),
    Kind(
        path="workspaces/datastores",
        name=r"[a-zA-Z0-9_]{1,255}",
        required=("properties.datastoreType",),
        choices=(("properties.datastoreType", DATASTORE_TYPES),),
        secrets=("properties.credentials.secrets.*", "properties.credentials.*.key", "properties.credentials.*.sasToken"),
        actions=_keys("listSecrets"),
    ),
    Kind(
        path="workspaces/connections",
        verbs=ALL,
        patch=("properties",),
        name=r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}",
        required=("properties.category",),
        secrets=("properties.credentials.*", "properties.value"),
        private=("properties.metadata.*",),
        actions=(*_keys("listsecrets"), *_previews("2025-01-01-preview", "testconnection")),
    ),
    # One managed network holds all rules: those sent at once remove each other (Azure/terraform-provider-azapi#453)
    Kind(
        path="workspaces/outboundRules",
        name=r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}",
        required=("properties.type",),
        admin=CHANGES,
        lane=1,
        stands_on=("properties.destination.serviceResourceId",),
    ),
    Kind(path="workspaces/privateEndpointConnections", name=None, admin=CHANGES, lane=1),  # which the workspace holds
    Kind(path="workspaces/capabilityHosts", verbs=NO_PATCH - {"LIST"}),
    _list("workspaces/outboundNetworkDependenciesEndpoints"),
    _list("workspaces/privateLinkResources"),
    _list("workspaces/features"),
    # Azure Machine Learning: assets, of a workspace and of a registry
    *_asset("models", actions=_previews("2024-04-01-preview", "package"), choices=MODEL_TYPES),
    *_asset("environments"),
    *_asset("codes", actions=_signed("startPendingUpload")),
    *_asset("data", choices=DATA_TYPES),
    *_asset("components"),
    Kind(
        path="registries",
        verbs=ALL,
        name=r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}",
        required=("location",),
        patch=("tags", "identity", "sku"),
        admin=frozenset({"DELETE"}),
        actions=(Action(name="removeRegions"),),
    ),
    *_asset(
        "models",
        home="registries",
        actions=(*_signed("startPendingUpload"), *_previews("2024-04-01-preview", "package")),
        choices=MODEL_TYPES,
    ),
    *_asset("environments", home="registries"),
    *_asset("codes", home="registries", actions=_signed("startPendingUpload")),
    *_asset("data", home="registries", actions=_signed("startPendingUpload"), choices=DATA_TYPES),
    *_asset("components", home="registries"),
    Kind(path="registries/datareferences/versions", verbs=frozenset(), actions=_signed("")),
    # Feature store
    Kind(path="workspaces/featuresets"),
    Kind(
        path="workspaces/featuresets/versions",
        name=VERSION_NAME,
        required=("properties",),
        actions=(Action(name="backfill"), *_previews("2023-06-01-preview", "listMaterializationJobs", direct=True, role="reader")),
    ),
    Kind(path="workspaces/featuresets/versions/features", verbs=READ, name=None),
    Kind(path="workspaces/featurestoreEntities"),
    Kind(path="workspaces/featurestoreEntities/versions", name=VERSION_NAME, required=("properties",)),
    # What a region offers
    _list("locations/usages", scope="subscription"),
    _list("locations/quotas", scope="subscription"),
    _list("locations/vmSizes", scope="subscription"),
    Kind(path="locations", scope="subscription", verbs=frozenset(), name=None, actions=_direct("updateQuotas", role="admin")),
    _list("operations", scope="tenant"),
    # Jobs, and v1 experiment runs
    Kind(
        path="workspaces/jobs",
        endings=(Ending(name="job", act="cancel", tags="properties.tags"),),
        required=("properties.jobType",),
        choices=(("properties.jobType", JOB_TYPES),),
        state_field="properties.status",
        cancel="cancel",
        interval_s=(2.0, 60.0),
        named_by_us=True,
        searchable=True,
        views=("logs", "metrics"),
        actions=(Action(name="cancel", repeatable=True),),
    ),
    Kind(
        path="workspaces/experiments",
        plane="history",
        api_version=V1_VERSION,
        verbs=READ,
        actions=(Action(name="startrun", room="run"),),
    ),
    Kind(
        path="workspaces/experiments/runs",
        plane="history",
        api_version=V1_VERSION,
        verbs=frozenset({"GET", "LIST", "PATCH"}),
        state_field="status",
        cancel="cancel",
        interval_s=(2.0, 60.0),
        views=("logs", "metrics"),
        actions=(Action(name="cancel", repeatable=True),),
    ),
    Kind(
        path="workspaces/schedules",
        endings=(Ending(name="schedule", tags="properties.tags"),),
        required=("properties.trigger", "properties.action"),
        actions=_previews("2024-04-01-preview", "trigger"),
    ),
    # Endpoints
    Kind(
        path="workspaces/onlineEndpoints",
        endings=(Ending(name="onlineEndpoint", act="park"),),
        verbs=ALL,
        name=ENDPOINT_NAME,
        required=("location", "properties.authMode"),
        choices=AUTH_MODES,
        secrets=("properties.keys.primaryKey", "properties.keys.secondaryKey", "keyValue"),  # keyValue: of regenerateKeys
        patch=("tags", "identity"),
        actions=(
            *_keys("listKeys", "token"),
            Action(name="regenerateKeys", shown_by="listKeys", role="admin", secret=True),
            Action(name="score", room="score", role="scorer"),
            Action(name="park", room="park"),
            Action(name="wake", room="park"),
        ),
    ),
    Kind(
        path="workspaces/onlineEndpoints/deployments",
        endings=(Ending(name="onlineDeployment"),),
        verbs=ALL,
        name=ENDPOINT_NAME,
        required=("location", "properties.endpointComputeType"),
        patch=("tags", "sku"),
        choices=(("properties.endpointComputeType", ENDPOINT_COMPUTE_TYPES),),
        interval_s=(5.0, 30.0),
        views=("logs",),
        actions=_direct("getLogs"),
    ),
    _list("workspaces/onlineEndpoints/deployments/skus"),
    Kind(
        path="workspaces/batchEndpoints",
        endings=(Ending(name="batchEndpoint"),),
        verbs=ALL,
        name=ENDPOINT_NAME,
        required=("location", "properties.authMode"),
        choices=AUTH_MODES,
        secrets=("properties.keys.primaryKey", "properties.keys.secondaryKey"),
        patch=("tags", "identity"),
        actions=(*_keys("listkeys"), Action(name="invoke", room="score", role="scorer")),
    ),
    Kind(
        path="workspaces/batchEndpoints/deployments",
        endings=(Ending(name="batchDeployment"),),
        verbs=ALL,
        name=ENDPOINT_NAME,
        required=("location",),
        patch=("tags", "properties.description"),
    ),
    Kind(
        path="workspaces/serverlessEndpoints",
        endings=(Ending(name="serverlessEndpoint"),),
        verbs=ALL,
        name=r"[a-zA-Z][a-zA-Z0-9-]{0,51}",
        required=("location",),
        patch=("tags", "identity", "sku"),
        secrets=("properties.keys.primaryKey", "properties.keys.secondaryKey", "keyValue"),
        actions=(
            *_keys("listKeys"),
            Action(name="regenerateKeys", shown_by="listKeys", role="admin", secret=True),
            *_previews("2024-04-01-preview", "getStatus", direct=True, role="reader"),
        ),
    ),
    Kind(path="workspaces/marketplaceSubscriptions"),
    # Models and web services as the v1 model management knows them
    Kind(path="workspaces/models", plane="modelmanagement", api_version=V1_VERSION, verbs=READ | {"DELETE"}, name=None),
    Kind(
        path="workspaces/services",
        plane="modelmanagement",
        api_version=V1_VERSION,
        verbs=ALL,
        name=r"[a-z][a-z0-9-]{1,30}[a-z0-9]",
        required=("name", "computeType"),
        secrets=("keys.*", "keyValue"),  # keyValue: of regenerateKeys
        state_field="state",
        interval_s=(5.0, 30.0),
        posted_name="name",
        json_patch=True,
        guarded=("keys", "authEnabled", "aadAuthEnabled", "sslEnabled"),
        actions=(
            *_keys("listkeys", "token"),
            Action(name="regenerateKeys", role="admin", secret=True),
            Action(name="score", room="score", role="scorer"),
        ),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirk:
    """An answer that must not be taken at its word.

    Attributes:
        code: Error code it is known by; any casing.
        message: Pattern the message must match, or None.
        meaning: `busy`: another operation is running, the same request will pass later; `unregistered`: the provider's
            registration may be missing; `held`: a deleted resource still has the name.
        proof: Where it was seen.
        hint: The next step, said after Azure's own words.
    """

    code: str
    message: str | None = None
    meaning: Literal["busy", "unregistered", "held"]
    proof: str
    hint: str = ""


QUIRKS: tuple[Quirk, ...] = (
    Quirk(
        code="ResourceNotReady",
        message=r"is (currently )?(updating|creating|deleting)|not in a terminal",
        meaning="busy",
        proof="Azure/azure-sdk-for-net#36961: a deployment refused while its endpoint is still Updating",
    ),
    Quirk(
        code="UserError",
        message=r"(endpoint|deployment|entity|resource)\b.*\bis (currently )?(in )?(a )?(updating|creating|deleting)",
        meaning="busy",
        proof="Azure/azure-sdk-for-net#36961: 'Cannot create a deployment in endpoint … Updating' after Succeeded",
    ),
    Quirk(
        code="UserError",
        message=r"another operation .*(is )?already running",
        meaning="busy",
        proof="Azure/azure-cli#17075: 'another operation on same entity is already running'",
    ),
    Quirk(
        code="Conflict",
        message=r"already an (update )?operation|another operation|is being (updated|created|deleted)",
        meaning="busy",
        proof="Azure/azure-cli#17075, the same refusal under the code of the front end",
    ),
    Quirk(
        code="AnotherOperationInProgress",
        meaning="busy",
        proof="ARM common error codes: retry after the running operation has ended",
    ),
    Quirk(
        code="StorageAccountIsNotProvisioned",
        meaning="busy",
        proof="Azure/azure-service-operator#3086: a request that needs an account which is still being made",
    ),
    Quirk(
        code="ReferencedResourceNotProvisioned",
        meaning="busy",
        proof="docs/protocol.md §1.4: seen as a 429 without Retry-After",
    ),
    Quirk(
        code="MissingSubscriptionRegistration",
        meaning="unregistered",
        proof="the article's troubleshooting table: register the namespace named in the message",
    ),
    Quirk(
        code="NoRegisteredProviderFound",
        message=r"no registered resource provider found",
        meaning="unregistered",
        proof="the article's troubleshooting table; also ARM's answer to an api-version it does not know",
    ),
    Quirk(
        code="BadRequest",
        message=r"soft-deleted workspace exists",
        meaning="held",
        proof="canada-ca/CanadaPubSecALZ#380, pulumi-azure-native#22171: a deleted workspace holds its name for 14 days",
        hint=(
            "The name is held for 14 days. To have the old workspace back, PUT again with "
            "properties.allowRecoverSoftDeletedWorkspace true; to give it up for good, DELETE it with ?forceToPurge=true."
        ),
    ),
    Quirk(
        code="VaultAlreadyExists",
        meaning="held",
        proof="docs/protocol.md §6.4: 409 for a vault whose name is taken, perhaps by a deleted one",
        hint="If it is a deleted vault of yours, PUT again with properties.createMode 'recover' or purge it; else rename it.",
    ),
)

_LDH = "letters, digits and hyphens"
NAMES: dict[str, str] = {  # what the patterns of the table say, in words
    ASSET_NAME: "up to 255 letters, digits, '-', '_' and '.', the first a letter or digit",
    ENDPOINT_NAME: f"3 to 32 {_LDH}, the first a letter, the last no hyphen",
    r"[-\w._()]{0,89}[-\w_()]": "up to 90 letters, digits, '-', '_', '.', '(' and ')', the last no dot",
    r"[a-z0-9]{3,24}": "3 to 24 lower-case letters and digits",
    r"[a-zA-Z](?!.*--)[a-zA-Z0-9-]{1,22}[a-zA-Z0-9]": f"3 to 24 {_LDH}, the first a letter, the last no hyphen, no two in a row",
    r"[a-zA-Z0-9]{5,50}": "5 to 50 letters and digits",
    r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}": "3 to 33 letters, digits, '-' and '_', the first a letter or digit",
    r"[a-zA-Z](?![a-zA-Z0-9-]*-\d+$)[a-zA-Z0-9\-]{1,22}[a-zA-Z0-9]": (
        f"3 to 24 {_LDH}, the first a letter, the last no hyphen, and no hyphen with digits alone at the end ('cpu7', not 'cpu-7')"
    ),
    r"[a-zA-Z0-9_]{1,255}": "up to 255 letters, digits and '_'",
    r"[a-zA-Z][a-zA-Z0-9-]{0,51}": f"up to 52 {_LDH}, the first a letter",
    r"[a-z][a-z0-9-]{1,30}[a-z0-9]": "3 to 32 lower-case letters, digits and hyphens, the first a letter, the last no hyphen",
}


@cache
def by_type() -> dict[tuple[str, str, str], Kind]:
    """Return the rows by (plane, lower-cased namespace, lower-cased path)."""
    return {(kind.plane, kind.namespace.lower(), kind.path.lower()): kind for kind in KINDS}


def lane_of(target: ids.ResourceId) -> ids.ResourceId:
    """Return the resource in whose lane operations on a target wait: itself, or what Azure keeps it in."""
    kind = by_type().get(("arm", target.namespace.lower(), "/".join(target.types).lower()))
    return target.ancestor(kind.lane) if kind and kind.lane else target


def quirk_of(code: str | None, message: str) -> Quirk | None:
    """Return the quirk that an error's code and message name, or None."""
    for quirk in QUIRKS:
        named = code is not None and quirk.code.lower() == code.lower()
        if named and (quirk.message is None or re.search(quirk.message, message, re.IGNORECASE | re.DOTALL)):
            return quirk
    return None
