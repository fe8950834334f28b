"""What a PATCH takes, what a PUT keeps, what is counted against quota, and what counts as a look: by real requests."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from infra.local.emulator import scene, services
from infra.local.emulator.arm import writes
from infra.local.emulator.authorization.roles import OWNER
from infra.local.emulator.resources import merge_patch, type_of
from infra.local.emulator.world import KEEP, REPLACE
from tests.functional.emulator.bodies import ACCOUNT, CLUSTER, COMPONENT, PLACE, SCHEDULE, VAULT
from tests.functional.emulator.client import WORKSPACES, Client, workspace_body
from tests.functional.emulator.provocations import COMMAND, CURATED, SERVED, account, acr, endpoint, polled, vault

ML = f"{scene.GROUP_ID}/providers/Microsoft.MachineLearningServices"
GROUP = f"/subscriptions/{scene.SUBSCRIPTION_ID}/resourceGroups/rg-sandbox"
IDENTITY = f"{scene.GROUP_ID}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/mine"
INSIGHTS = f"{scene.GROUP_ID}/providers/Microsoft.Insights/components/insights-2"
SERVERLESS = {**PLACE, "properties": {"modelSettings": {"modelId": f"{CURATED}/models/m"}, "authMode": "Key"}}
GUID = "00000000-0000-4000-8000-0000000000aa"
ROLES = f"/subscriptions/{scene.SUBSCRIPTION_ID}/providers/Microsoft.Authorization/roleDefinitions"
TEMPLATE = {"parameters": {"a": {"type": "string", "defaultValue": "c"}}, "resources": []}
GIVEN = {"properties": {"parameters": {"a": {"value": "b"}}}}
STATE = {"provisioningState": "Succeeded"}
PROVIDERS = (
    "Microsoft.ManagedIdentity", "Microsoft.EventGrid", "Microsoft.OperationalInsights", "Microsoft.Network",
    "Microsoft.DocumentDB", "Microsoft.Search", "Microsoft.ContainerService", "Microsoft.Compute",
)  # fmt: skip
IN_GROUP = f"{scene.GROUP_ID}/providers"
SYSTEM_TOPIC = {**PLACE, "properties": {"source": scene.STORAGE_ID, "topicType": "Microsoft.Storage.StorageAccounts"}}
BATCH = {"model": None, "compute": None, "description": "first", "environmentVariables": {"A": "1"}}
ENDPOINT = {**PLACE, "tags": {"a": "1"}, "properties": {"authMode": "Key", "description": "first"}}


# ── PATCH ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Type → where it is, its version, the body that makes it, a change that its PATCH schema has, one that it has not.
PATCHED: dict[str, tuple[str, str, dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "workspaces": (
        "", "2024-10-01", workspace_body(), {"properties": {"description": "changed"}}, {"kind": "Hub", "location": "northeurope"},
    ),
    "workspaces/computes": (
        "computes/cpu", "2024-10-01", CLUSTER, {"properties": {"properties": {"scaleSettings": {"maxNodeCount": 3}}}},
        {"tags": {"x": "y"}, "properties": {"description": "x", "properties": {"vmPriority": "LowPriority"}}},
    ),
    "workspaces/connections": (
        "connections/c", "2024-10-01",
        {"properties": {"category": "Git", "authType": "None", "target": "https://a"}}, {"properties": {"target": "https://b"}},
        {"tags": {"x": "y"}, "properties": {"group": "Azure"}},
    ),
    "workspaces/onlineendpoints": (
        "onlineEndpoints/line", "2024-10-01", ENDPOINT, {"tags": {"x": "y"}},
        {"properties": {"publicNetworkAccess": "Disabled", "description": "x"}},
    ),
    "workspaces/batchendpoints": (
        "batchEndpoints/nightly", "2024-10-01", {**PLACE, "properties": {}}, {"tags": {"x": "y"}},
        {"properties": {"description": "x"}},
    ),
    "workspaces/serverlessendpoints": (
        "serverlessEndpoints/llama", "2024-10-01", SERVERLESS, {"tags": {"x": "y"}}, {"properties": {"authMode": "AAD"}},
    ),
}  # fmt: skip
BESIDE: dict[str, tuple[str, str, dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "microsoft.machinelearningservices/registries": (
        f"{ML}/registries/shared", "2024-10-01", {**PLACE, "identity": {"type": "SystemAssigned"}, "properties": {}},
        {"tags": {"x": "y"}}, {"properties": {"publicNetworkAccess": "Disabled"}},
    ),
    "microsoft.storage/storageaccounts": (
        account("stpatched"), "2023-05-01", ACCOUNT, {"properties": {"allowBlobPublicAccess": False}},
        {"properties": {"isHnsEnabled": True}, "location": "northeurope"},
    ),
    "microsoft.storage/storageaccounts/blobservices/containers": (
        f"{scene.STORAGE_ID}/blobServices/default/containers/patched", "2023-05-01", {"properties": {}},
        {"properties": {"metadata": {"a": "b"}}}, {"properties": {"leaseState": "Leased"}},
    ),
    "microsoft.keyvault/vaults": (
        vault("kv-patched"), "2023-07-01", VAULT, {"properties": {"enablePurgeProtection": True}},
        {"properties": {"vaultUri": "https://elsewhere"}, "location": "northeurope"},
    ),
    "microsoft.containerregistry/registries": (
        acr("acrpatched"), "2023-07-01", {**PLACE, "sku": {"name": "Basic"}}, {"properties": {"adminUserEnabled": True}},
        {"properties": {"zoneRedundancy": "Enabled"}, "location": "northeurope"},
    ),
    "microsoft.insights/components": (
        INSIGHTS, "2020-02-02", COMPONENT, {"tags": {"x": "y"}}, {"properties": {"RetentionInDays": 30}},
    ),
    "microsoft.managedidentity/userassignedidentities": (
        IDENTITY, "2023-01-31", PLACE, {"tags": {"x": "y"}}, {"location": "northeurope"},
    ),
    "microsoft.resources/resourcegroups": (GROUP, "2022-09-01", PLACE, {"tags": {"x": "y"}}, {"location": "northeurope"}),
    "microsoft.eventgrid/topics": (
        f"{IN_GROUP}/Microsoft.EventGrid/topics/news", "2022-06-15", PLACE, {"properties": {"disableLocalAuth": True}},
        {"properties": {"inputSchema": "CloudEventSchemaV1_0"}, "location": "northeurope"},
    ),
    "microsoft.eventgrid/systemtopics": (
        f"{IN_GROUP}/Microsoft.EventGrid/systemTopics/t", "2022-06-15", SYSTEM_TOPIC, {"tags": {"x": "y"}},
        {"properties": {"source": scene.KEY_VAULT_ID}, "location": "northeurope"},
    ),
}  # fmt: skip


def _holds(body: Any, change: Any) -> bool:
    if isinstance(change, dict):
        return isinstance(body, dict) and all(_holds(body.get(name), value) for name, value in change.items())
    return bool(body == change)


@pytest.mark.parametrize("kind", [*PATCHED, *BESIDE])
def test_a_patch_takes_its_schemas_members_and_leaves_the_rest_alone(azure: Client, kind: str) -> None:
    """The answer is 200 or 202 both times; only what the schema has is there afterwards."""
    path, version, body, takes, leaves = (PATCHED | BESIDE)[kind]
    azure.control("PUT", "providers", {"Microsoft.ManagedIdentity": "Registered"})
    home = azure.workspace()
    arm_id = path if path.startswith("/") else f"{home}/{path}".rstrip("/")
    if arm_id not in {home, GROUP}:
        made = azure.arm("PUT", arm_id, body, version=version)
        assert made.status_code in {200, 201, 202}, made.text
    azure.arm("GET", arm_id, version=version)
    for change in (leaves, takes):
        answer = azure.arm("PATCH", arm_id, change, version=version)
        assert answer.status_code in {200, 202}, answer.text
        found = azure.arm("GET", arm_id, version=version).json()
        assert _holds(found, change) is (change is takes), found


def test_every_kind_that_can_be_patched_is_in_these_tests() -> None:
    """Deployments are made by real servers; their PATCH is tested in test_endpoints.py and below."""
    served = {f"workspaces/{kind}/deployments" for kind in ("onlineendpoints", "batchendpoints")}
    ours = {f"microsoft.machinelearningservices/{kind}" for kind in {*PATCHED, *served}}
    assert set(writes.PATCH) == ours | set(BESIDE)


def test_a_patch_of_a_batch_deployment_takes_its_description(azure: Client) -> None:
    """`tags` and `properties.description`; nothing else of the properties."""
    arm_id = f"{azure.workspace()}/batchEndpoints/nightly"
    azure.arm("PUT", arm_id, {**PLACE, "properties": {}})
    azure.arm("PUT", f"{arm_id}/deployments/one", {**PLACE, "properties": BATCH})
    change = {"properties": {"description": "second", "miniBatchSize": 99}}
    assert azure.arm("PATCH", f"{arm_id}/deployments/one", change).status_code == 200
    found = azure.arm("GET", f"{arm_id}/deployments/one").json()["properties"]
    assert (found["description"], found["miniBatchSize"]) == ("second", 10)


# ── PUT ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """A PUT that is repeated without some members.

    Attributes:
        path: below a workspace, or whole; below a registry when it begins with `registries/`.
        body: the second one.
        more: what the first one has besides.
        defaults: what a new resource has of those members, where that is anything.
        seeded: the first one is put in by control, for what a real server would have to be started.
    """

    path: str
    body: dict[str, Any]
    more: dict[str, Any]
    version: str = "2024-10-01"
    defaults: dict[str, Any] = field(default_factory=dict)
    seeded: bool = False

    def members(self) -> Iterator[tuple[tuple[str, ...], Any]]:
        """Each member that the second PUT leaves out, and its value."""
        for name, value in self.more.items():
            if name == "properties":
                yield from ((("properties", inner), one) for inner, one in value.items())
            else:
                yield (name,), value


FIRST = {"properties": {"description": "first"}}
BOTH = {"properties": {"description": "first", "tags": {"a": "1"}}}
TAGS = {"tags": {"a": "1"}}
GIT = "git+https://github.com/contoso/code"
TOPIC = f"{IN_GROUP}/Microsoft.EventGrid/topics/news"
ACCOUNT_QUEUE = {"endpointType": "StorageQueue", "properties": {"resourceId": scene.APP_ACCOUNT_ID, "queueName": "news"}}
VERSIONS = {
    "codes": {"codeUri": GIT},
    "models": {"modelUri": GIT},
    "environments": {"image": "ubuntu:22.04"},
    "data": {"dataType": "uri_folder", "dataUri": "https://contoso.blob.core.windows.net/a/b"},
    "components": {"componentSpec": {"name": "part", "version": "1", "type": "command", "command": "echo"}},
}
CONTAINERS = {"data": {"dataType": "uri_folder"}}
GIT_CONNECTION = {"properties": {"category": "Git", "authType": "None", "target": "https://a"}}
BLOB = {
    "properties": {
        "datastoreType": "AzureBlob", "accountName": scene.STORAGE_ACCOUNT, "containerName": "c",
        "credentials": {"credentialsType": "None"},
    }
}  # fmt: skip
NEEDED = {"microsoft.network/virtualnetworks": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}}}
NEIGHBOURS = {
    "microsoft.operationalinsights/workspaces": ("2023-09-01", {"retentionInDays": 60}),
    "microsoft.network/virtualnetworks": ("2023-09-01", {"flowTimeoutInMinutes": 5, "subnets": [{"name": "a"}]}),
    "microsoft.network/privateendpoints": ("2023-09-01", {"customNetworkInterfaceName": "nic"}),
    "microsoft.documentdb/databaseaccounts": ("2024-05-15", {"enableFreeTier": True}),
    "microsoft.search/searchservices": ("2023-11-01", {"replicaCount": 2}),
    "microsoft.containerservice/managedclusters": ("2023-09-01", {"dnsPrefix": "kube"}),
    "microsoft.compute/virtualmachines": ("2023-09-01", {"licenseType": "None"}),
}
AGAIN: dict[str, Again] = {
    "workspaces": Again(
        path="", body={"location": scene.LOCATION, "identity": {"type": "SystemAssigned"}},
        more={**TAGS, "properties": {**workspace_body()["properties"], "publicNetworkAccess": "Disabled"}},
        defaults={"publicNetworkAccess": "Enabled", "friendlyName": "lab"},
    ),
    "workspaces/computes": Again(path="computes/cpu", body=CLUSTER, more={**TAGS, **FIRST}),
    "workspaces/connections": Again(path="connections/c", body=GIT_CONNECTION, more={"properties": {"metadata": {"a": "b"}}}),
    "workspaces/datastores": Again(path="datastores/mine", body=BLOB, more=BOTH),
    "workspaces/schedules": Again(path="schedules/nightly", body=SCHEDULE, more=BOTH),
    "workspaces/jobs": Again(path="jobs/one", body={"properties": COMMAND}, more=BOTH),
    "workspaces/outboundrules": Again(
        path="outboundRules/pypi", body={"properties": {"type": "FQDN", "destination": "pypi.org"}},
        more={"properties": {"category": "Recommended"}}, defaults={"category": "UserDefined"},
    ),
    "workspaces/onlineendpoints": Again(
        path="onlineEndpoints/line", body={**PLACE, "properties": {"authMode": "Key"}},
        more={**TAGS, "properties": {"description": "first", "publicNetworkAccess": "Disabled"}},
        defaults={"publicNetworkAccess": "Enabled"},
    ),
    "workspaces/onlineendpoints/deployments": Again(
        path="onlineEndpoints/line/deployments/blue", seeded=True,
        body={**PLACE, "properties": {**SERVED, "endpointComputeType": "Kubernetes"}},
        more={**TAGS, "properties": {"description": "first", "appInsightsEnabled": True}}, defaults={"appInsightsEnabled": False},
    ),
    "workspaces/batchendpoints": Again(path="batchEndpoints/nightly", body={**PLACE, "properties": {}}, more={**TAGS, **FIRST}),
    "workspaces/batchendpoints/deployments": Again(
        path="batchEndpoints/nightly/deployments/one", body={**PLACE, "properties": {}},
        more={**TAGS, "properties": {"description": "first", "miniBatchSize": 99}}, defaults={"miniBatchSize": 10},
    ),
    "workspaces/serverlessendpoints": Again(
        path="serverlessEndpoints/llama",
        body={**PLACE, "properties": {"modelSettings": SERVERLESS["properties"]["modelSettings"]}},
        more={"properties": {"authMode": "AAD"}}, defaults={"authMode": "Key"},
    ),
    "workspaces/marketplacesubscriptions": Again(
        path="marketplaceSubscriptions/llama", body={"properties": {"modelId": f"{CURATED}/models/m"}},
        more={},  # it has nothing else that can be set
    ),
    "workspaces/capabilityhosts": Again(
        path="capabilityHosts/host", body={"properties": {"capabilityHostKind": "Agents"}},
        more={"properties": {"customerSubnet": f"{scene.GROUP_ID}/subnet"}},
    ),
    "workspaces/privateendpointconnections": Again(
        path="privateEndpointConnections/pe", body={**PLACE, "properties": {}},
        more={"properties": {"privateLinkServiceConnectionState": {"status": "Approved"}}},
    ),
    "workspaces/featuresets": Again(path="featuresets/sums", body={"properties": {}}, more=BOTH),
    "workspaces/featuresets/versions": Again(
        path="featuresets/sums/versions/1",
        body={"properties": {"specification": {"path": GIT}, "entities": ["azureml:account:1"]}}, more=BOTH,
    ),
    "workspaces/featurestoreentities": Again(path="featurestoreEntities/account", body={"properties": {}}, more=BOTH),
    "workspaces/featurestoreentities/versions": Again(
        path="featurestoreEntities/account/versions/1",
        body={"properties": {"indexColumns": [{"columnName": "id", "dataType": "String"}]}}, more=BOTH,
    ),
    **{
        f"{home}/{family}{end}": Again(
            path=f"{'registries/shared/' if home == 'registries' else ''}{family}/part{end and '/versions/1'}",
            body={"properties": properties}, more=BOTH,
        )
        for home in ("workspaces", "registries")
        for family in VERSIONS
        for end, properties in (("", CONTAINERS.get(family, {})), ("/versions", VERSIONS[family]))
    },
    "registries/tempdatarefs/versions": Again(
        path="registries/shared/tempdatarefs/part/versions/1", more={},  # each is a new place to upload to
        body={"assetId": "azureml://registries/shared/models/part/versions/1"},
    ),
    "registries": Again(
        path="registries/shared", body={**PLACE, "identity": {"type": "SystemAssigned"}, "properties": {}},
        more={**TAGS, "properties": {"publicNetworkAccess": "Disabled"}}, defaults={"publicNetworkAccess": "Enabled"},
    ),
    "microsoft.storage/storageaccounts": Again(
        path=account("stagain"), version="2023-05-01", body=ACCOUNT, more={**TAGS, "properties": {"minimumTlsVersion": "TLS1_2"}},
    ),
    "microsoft.storage/storageaccounts/blobservices/containers": Again(
        path=f"{scene.STORAGE_ID}/blobServices/default/containers/again", version="2023-05-01", body={"properties": {}},
        more={"properties": {"metadata": {"a": "b"}}},
    ),
    "microsoft.storage/storageaccounts/blobservices": Again(
        path=f"{account('stblobs')}/blobServices/default", version="2023-05-01", body={"properties": {}},
        more={"properties": {"isVersioningEnabled": True}},
    ),
    "microsoft.keyvault/vaults": Again(
        path=vault("kv-again"), version="2023-07-01", body=VAULT,
        more={
            **TAGS,
            "properties": {
                "accessPolicies": [{"tenantId": scene.TENANT_ID, "objectId": "o", "permissions": {"secrets": ["get"]}}],
                "enablePurgeProtection": True, "enableRbacAuthorization": True,
            },
        },
    ),
    "microsoft.containerregistry/registries": Again(
        path=acr("acragain"), version="2023-07-01", body={**PLACE, "sku": {"name": "Basic"}},
        more={**TAGS, "properties": {"adminUserEnabled": True}}, defaults={"adminUserEnabled": False},
    ),
    "microsoft.insights/components": Again(
        path=INSIGHTS, version="2020-02-02", body=COMPONENT,
        more={**TAGS, "properties": {"RetentionInDays": 30}},
    ),
    "microsoft.managedidentity/userassignedidentities": Again(path=IDENTITY, version="2023-01-31", body=PLACE, more=TAGS),
    **{
        kind: Again(
            path=f"{IN_GROUP}/{kind}/again", version=version, more={**TAGS, "properties": properties},
            body={**PLACE, "properties": NEEDED.get(kind, {})},
        )
        for kind, (version, properties) in NEIGHBOURS.items()
    },
    "microsoft.eventgrid/topics": Again(
        path=TOPIC, version="2022-06-15", body=PLACE, more={**TAGS, "properties": {"inputSchema": "CloudEventSchemaV1_0"}},
        defaults={"inputSchema": "EventGridSchema"},
    ),
    "microsoft.eventgrid/systemtopics": Again(
        path=f"{IN_GROUP}/Microsoft.EventGrid/systemTopics/t", version="2022-06-15", more=TAGS,
        body=SYSTEM_TOPIC,
    ),
    "microsoft.eventgrid/eventsubscriptions": Again(
        path=f"{scene.GROUP_ID}/providers/Microsoft.EventGrid/eventSubscriptions/s", version="2022-06-15",
        body={"properties": {"destination": ACCOUNT_QUEUE}}, more={"properties": {"labels": ["a"]}},
    ),
    "microsoft.eventgrid/systemtopics/eventsubscriptions": Again(
        path=f"{IN_GROUP}/Microsoft.EventGrid/systemTopics/t/eventSubscriptions/s", version="2022-06-15",
        body={"properties": {"destination": ACCOUNT_QUEUE}}, more={"properties": {"labels": ["a"]}},
    ),
    "microsoft.eventgrid/topics/eventsubscriptions": Again(
        path=f"{TOPIC}/eventSubscriptions/s", version="2022-06-15",
        body={"properties": {"destination": ACCOUNT_QUEUE}}, more={"properties": {"labels": ["a"]}},
    ),
    "microsoft.authorization/locks": Again(
        path=f"{scene.GROUP_ID}/providers/Microsoft.Authorization/locks/stay", version="2016-09-01",
        body={"properties": {"level": "CanNotDelete"}}, more={"properties": {"notes": "first"}}, defaults={"notes": ""},
    ),
    "microsoft.authorization/roleassignments": Again(
        path=f"{scene.GROUP_ID}/providers/Microsoft.Authorization/roleAssignments/{GUID}", version="2022-04-01",
        body={"properties": {"roleDefinitionId": f"{ROLES}/{OWNER}", "principalId": GUID}}, more=FIRST,
    ),
    "microsoft.authorization/roledefinitions": Again(
        path=f"{ROLES}/{GUID}", version="2022-04-01", more=FIRST, defaults={"description": ""},
        body={"properties": {"roleName": "mine", "assignableScopes": [scene.GROUP_ID], "permissions": [{"actions": ["*/read"]}]}},
    ),
    "microsoft.resources/resourcegroups": Again(path=f"{GROUP}-again", version="2022-09-01", body=PLACE, more=TAGS),
    "microsoft.resources/tags": Again(
        path=f"{scene.STORAGE_ID}/providers/Microsoft.Resources/tags/default", version="2021-04-01",
        body={"properties": {"tags": {}}}, more={"properties": {"tags": {"a": "1"}}},
    ),
    "microsoft.resources/deployments": Again(
        path=f"{IN_GROUP}/Microsoft.Resources/deployments/again", version="2022-09-01",
        body={"properties": {"mode": "Incremental", "template": TEMPLATE}}, more=GIVEN,

    ),
}  # fmt: skip
OURS = "microsoft.machinelearningservices/"


def _of_type(kind: str) -> str:
    return kind if kind.startswith("microsoft.") else f"{OURS}{kind}"


def test_every_kind_that_can_be_put_has_a_row_that_says_what_a_put_keeps_and_an_example() -> None:
    """The types of all routes of ARM that take a PUT; names of tags and changes of access policies are no resources."""
    templates = [route.template for route in services.arm._routes if route.method == "PUT"]
    whole = [one for one in templates if "/tagNames/" not in one and "/accessPolicies/" not in one]
    known = {type_of(re.sub(r"{rest\*}/?", "", one)) for one in whole}
    assert set(writes.PUT) == known
    assert {_of_type(kind) for kind in AGAIN} == known
    assert all(rule.source != "unknown" for rule in writes.PUT.values() if rule != writes.Put())


@pytest.mark.parametrize("choice", [KEEP, REPLACE])
@pytest.mark.parametrize("kind", AGAIN)
def test_a_second_put_does_with_what_it_leaves_out_as_the_table_says(azure: Client, kind: str, choice: str) -> None:
    """What is known is so whatever the switch says; the switch decides on the rest."""
    again, rule = AGAIN[kind], writes.PUT[_of_type(kind)]
    azure.control("PUT", "providers", dict.fromkeys(PROVIDERS, "Registered"))
    azure.control("PUT", "unrecorded", {"put": choice})
    arm_id = _whole(azure, kind, again)
    first = merge_patch(again.body, again.more)
    if again.seeded:
        azure.control("POST", "resources", [{"id": arm_id, "body": {**first, "properties": {**first["properties"], **STATE}}}])
    else:
        _put(azure, arm_id, first, again.version)
    answer = _put(azure, arm_id, again.body, again.version)
    found = answer.json() if again.seeded else azure.arm("GET", arm_id, version=again.version).json()
    for where, at_first in again.members():
        kept = rule.keeps(SimpleNamespace(unrecorded=choice), where[-1])  # type: ignore[arg-type] - the switch alone is read
        value = found
        for step in where:
            value = value.get(step)
        assert (value or None) == (at_first if kept else again.defaults.get(where[-1]) or None), (where, found)
    azure.control("PUT", "unrecorded", {"put": REPLACE})


def _whole(azure: Client, kind: str, again: Again) -> str:
    """The id, with what must be there first."""
    if again.path.startswith("/"):
        home = AGAIN.get(kind.rpartition("/")[0]) if kind.startswith("microsoft.eventgrid/") else None
        if home:
            _put(azure, home.path, home.body, home.version)
        if kind.endswith("/blobservices"):
            _put(azure, account("stblobs"), ACCOUNT, "2023-05-01")
        return again.path
    if again.path.startswith("registries/"):
        home = f"{scene.GROUP_ID}/providers/Microsoft.MachineLearningServices"
        if kind != "registries":
            _put(azure, f"{home}/registries/shared", AGAIN["registries"].body, again.version)
        return f"{home}/{again.path}"
    home = f"{WORKSPACES}/lab" if not again.path else azure.workspace()
    if kind.endswith("endpoints/deployments"):
        parent = AGAIN[kind.removesuffix("/deployments")]
        _put(azure, f"{home}/{parent.path}", parent.body, parent.version)
    return f"{home}/{again.path}".rstrip("/")


def _put(azure: Client, arm_id: str, body: dict[str, Any], version: str) -> requests.Response:
    """A PUT that is over."""
    answer = azure.arm("PUT", arm_id, body, version=version)
    assert answer.status_code in {200, 201, 202}, answer.text
    for name in ("Azure-AsyncOperation", "Location"):
        if answer.headers.get(name, "").startswith("https://management.azure.com"):
            azure.arm("GET", answer.headers[name])
    azure.arm("GET", arm_id, version=version)
    return answer


@pytest.mark.parametrize("choice", [KEEP, REPLACE])
def test_another_auth_mode_of_an_endpoint_is_taken_without_a_word_and_changes_nothing(azure: Client, choice: str) -> None:
    """As recorded, whatever the switch says."""
    azure.control("PUT", "unrecorded", {"put": choice})
    arm_id = f"{azure.workspace()}/onlineEndpoints/line"
    _put(azure, arm_id, ENDPOINT, "2024-10-01")
    _put(azure, arm_id, {**PLACE, "properties": {"authMode": "AMLToken"}}, "2024-10-01")
    found = azure.arm("GET", arm_id, version="2024-10-01").json()["properties"]
    assert {name: found[name] for name in writes.PUT[f"{OURS}workspaces/onlineendpoints"].unchanged} == {"authMode": "Key"}
    azure.control("PUT", "unrecorded", {"put": REPLACE})


# ── quota ────────────────────────────────────────────────────────────────────────────────────────────────────────────
def _usage(azure: Client, family: str) -> tuple[int, int]:
    """Cores in use: of the family, and of all."""
    path = f"/subscriptions/{scene.SUBSCRIPTION_ID}/providers/Microsoft.MachineLearningServices/locations/westeurope/usages"
    rows = {row["name"]["value"]: row["currentValue"] for row in azure.arm("GET", path, version="2024-10-01").json()["value"]}
    return rows[f"{family} Cluster Dedicated vCPUs"], rows["Total Cluster Dedicated Regional vCPUs"]


def test_a_managed_deployment_holds_its_reserve_in_usages_and_leaves_less_for_computes(azure: Client) -> None:
    """10 instances of 4 cores hold ceil(1.2 x 10) x 4 = 48: in `usages`, for the next deployment and for a cluster alike."""
    home = endpoint(azure)
    held = {"endpointComputeType": "Managed", "instanceType": "Standard_DS3_v2", "provisioningState": "Succeeded"}
    body = {"location": scene.LOCATION, "sku": {"capacity": 10}, "properties": held}
    azure.control("POST", "resources", [{"id": f"{home}/deployments/blue", "body": body}])
    assert _usage(azure, "Standard DSv2 Family") == (48, 48)
    refused = azure.arm("PUT", f"{home}/deployments/green", {**PLACE, "sku": {"capacity": 11}, "properties": SERVED})
    assert "Current usage/limit: 48/100. Additional needed: 56" in refused.text
    inner = {"vmSize": "Standard_DS4_v2", "scaleSettings": {"minNodeCount": 7, "maxNodeCount": 7}}
    cluster = {**PLACE, "properties": {"computeType": "AmlCompute", "properties": inner}}
    said = polled(azure, azure.arm("PUT", f"{WORKSPACES}/lab/computes/cpu", cluster)).json()
    assert said["error"]["code"] == "ClusterMinNodesExceedCoreQuota"


def test_an_exempt_size_needs_no_reserve(azure: Client) -> None:
    """4 x 24 cores of A100 are 96 of 100: taken; with the reserve they would be 120."""
    home = endpoint(azure)
    held = {"endpointComputeType": "Managed", "instanceType": "Standard_NC24ads_A100_v4", "provisioningState": "Succeeded"}
    body = {"location": scene.LOCATION, "sku": {"capacity": 4}, "properties": held}
    azure.control("POST", "resources", [{"id": f"{home}/deployments/blue", "body": body}])
    assert _usage(azure, "Standard NCADSA100v4 Family") == (96, 96)


# ── looks ────────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("kind", "path", "body"),
    [
        ("workspace", "", workspace_body()),
        ("compute", "computes/cpu", CLUSTER),
        ("onlineEndpoint", "onlineEndpoints/line", ENDPOINT),
        ("schedule", "schedules/nightly", SCHEDULE),
    ],
)
def test_who_lost_the_first_answer_sees_the_end_by_looking_at_the_resource(
    azure: Client, kind: str, path: str, body: dict[str, Any]
) -> None:
    """With `polls:2` the third GET of the resource shows it Succeeded, without its status URL."""
    home = azure.workspace() if path else f"{WORKSPACES}/lab"
    azure.control("PUT", "transitions", {kind: "polls:2"})
    arm_id = f"{home}/{path}".rstrip("/")
    azure.arm("PUT", arm_id, body)
    states = [azure.arm("GET", arm_id).json()["properties"]["provisioningState"] for _ in range(3)]
    assert states == ["Creating", "Creating", "Succeeded"]


def test_a_delete_ends_by_looking_too(azure: Client) -> None:
    """The third GET is 404."""
    arm_id = f"{azure.workspace()}/computes/cpu"
    polled(azure, azure.arm("PUT", arm_id, CLUSTER))
    azure.control("PUT", "transitions", {"compute": "polls:2"})
    azure.arm("DELETE", arm_id)
    assert [azure.arm("GET", arm_id).status_code for _ in range(3)] == [200, 200, 404]


def test_a_write_that_is_answered_409_again_and_again_is_taken_in_the_end(azure: Client) -> None:
    """Each refusal is a look at what is in the way, on the resource itself and on its parents."""
    azure.control("PUT", "transitions", {"workspace": "polls:2"})
    azure.arm("PUT", f"{WORKSPACES}/lab", workspace_body())
    statuses = [azure.arm("PUT", f"{WORKSPACES}/lab/computes/cpu", CLUSTER).status_code for _ in range(4)]
    assert statuses == [409, 409, 409, 201]
