"""What a PATCH takes, what a PUT keeps, what is counted against quota, and what counts as a look: by real requests."""

from typing import Any

import pytest

from infra.local.emulator import scene
from infra.local.emulator.arm import writes
from infra.local.emulator.world import KEEP, REPLACE
from tests.functional.emulator.bodies import CLUSTER, PLACE, SCHEDULE
from tests.functional.emulator.client import WORKSPACES, Client, workspace_body
from tests.functional.emulator.provocations import ACCOUNT, CURATED, SERVED, account, acr, endpoint, polled, vault

ML = f"{scene.GROUP_ID}/providers/Microsoft.MachineLearningServices"
GROUP = f"/subscriptions/{scene.SUBSCRIPTION_ID}/resourceGroups/rg-sandbox"
IDENTITY = f"{scene.GROUP_ID}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/me"
INSIGHTS = f"{scene.GROUP_ID}/providers/Microsoft.Insights/components/insights-2"
SERVERLESS = {**PLACE, "properties": {"modelSettings": {"modelId": f"{CURATED}/models/m"}, "authMode": "Key"}}
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
    "microsoft.keyvault/vaults": (
        vault("kv-patched"), "2023-07-01", {**PLACE, "properties": {}}, {"properties": {"enablePurgeProtection": True}},
        {"properties": {"vaultUri": "https://elsewhere"}, "location": "northeurope"},
    ),
    "microsoft.containerregistry/registries": (
        acr("acrpatched"), "2023-07-01", {**PLACE, "sku": {"name": "Basic"}}, {"properties": {"adminUserEnabled": True}},
        {"properties": {"zoneRedundancy": "Enabled"}, "location": "northeurope"},
    ),
    "microsoft.insights/components": (
        INSIGHTS, "2020-02-02", {**PLACE, "kind": "web"}, {"tags": {"x": "y"}}, {"properties": {"RetentionInDays": 30}},
    ),
    "microsoft.managedidentity/userassignedidentities": (
        IDENTITY, "2023-01-31", PLACE, {"tags": {"x": "y"}}, {"location": "northeurope"},
    ),
    "microsoft.resources/resourcegroups": (GROUP, "2022-09-01", PLACE, {"tags": {"x": "y"}}, {"location": "northeurope"}),
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
def _again(azure: Client, arm_id: str, first: dict[str, Any], second: dict[str, Any], version: str = "2024-10-01") -> Any:
    """The resource after two PUTs."""
    for body in (first, second):
        answer = azure.arm("PUT", arm_id, body, version=version)
        assert answer.status_code in {200, 201, 202}, answer.text
        azure.arm("GET", arm_id, version=version)
    return azure.arm("GET", arm_id, version=version).json()


# Kind → path, first body, second body without a member, how to find that member, its value at first, and by default.
UNRECORDED: dict[str, tuple[str, dict[str, Any], dict[str, Any], tuple[str, ...], Any, Any]] = {
    "workspaces": (
        "", {**workspace_body(), "properties": {**workspace_body()["properties"], "publicNetworkAccess": "Disabled"}},
        workspace_body(), ("publicNetworkAccess",), "Disabled", "Enabled",
    ),
    "workspaces/onlineendpoints": (
        "onlineEndpoints/line", {**PLACE, "properties": {"authMode": "Key", "publicNetworkAccess": "Disabled"}},
        {**PLACE, "properties": {"authMode": "Key"}}, ("publicNetworkAccess",), "Disabled", "Enabled",
    ),
    "workspaces/batchendpoints": (
        "batchEndpoints/nightly", {**PLACE, "properties": {"description": "first"}}, {**PLACE, "properties": {}},
        ("description",), "first", None,
    ),
    "workspaces/schedules": (
        "schedules/nightly", {"properties": {**SCHEDULE["properties"], "description": "first"}}, SCHEDULE, ("description",),
        "first", None,
    ),
    "workspaces/connections": (
        "connections/c",
        {"properties": {"category": "Git", "authType": "None", "target": "https://a", "metadata": {"a": "b"}}},
        {"properties": {"category": "Git", "authType": "None", "target": "https://a"}}, ("metadata",), {"a": "b"}, None,
    ),
    "workspaces/serverlessendpoints": (
        "serverlessEndpoints/llama", {**PLACE, "properties": {**SERVERLESS["properties"], "authMode": "AAD"}},
        {**PLACE, "properties": {"modelSettings": SERVERLESS["properties"]["modelSettings"]}}, ("authMode",), "AAD", "Key",
    ),
    "workspaces/datastores": (
        "datastores/mine",
        {
            "properties": {
                "datastoreType": "AzureBlob", "accountName": scene.STORAGE_ACCOUNT, "containerName": "c",
                "credentials": {"credentialsType": "None"}, "description": "first",
            }
        },
        {
            "properties": {
                "datastoreType": "AzureBlob", "accountName": scene.STORAGE_ACCOUNT, "containerName": "c",
                "credentials": {"credentialsType": "None"},
            }
        },
        ("description",), "first", None,
    ),
    "workspaces/computes": (
        "computes/cpu", {**CLUSTER, "properties": {**CLUSTER["properties"], "description": "first"}}, CLUSTER, ("description",),
        "first", None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("choice", [KEEP, REPLACE])
@pytest.mark.parametrize("kind", UNRECORDED)
def test_the_switch_decides_where_nothing_is_recorded(azure: Client, kind: str, choice: str) -> None:
    """The member that the second PUT leaves out is kept, or is what a new resource would have."""
    path, first, second, where, at_first, by_default = UNRECORDED[kind]
    azure.control("PUT", "unrecorded", {"put": choice})
    home = f"{WORKSPACES}/lab" if not path else azure.workspace()
    found = _again(azure, f"{home}/{path}".rstrip("/"), first, second)["properties"]
    for step in where:
        found = found.get(step) if isinstance(found, dict) else None
    assert found == (at_first if choice == KEEP else by_default)
    azure.control("PUT", "unrecorded", {"put": REPLACE})


@pytest.mark.parametrize("choice", [KEEP, REPLACE])
def test_an_endpoints_put_does_what_is_recorded_whatever_the_switch_says(azure: Client, choice: str) -> None:
    """`description` stays, `tags` are replaced, another `authMode` is taken without a word and changes nothing."""
    azure.control("PUT", "unrecorded", {"put": choice})
    second = {**PLACE, "tags": {"b": "2"}, "properties": {"authMode": "AMLToken"}}
    found = _again(azure, f"{azure.workspace()}/onlineEndpoints/line", ENDPOINT, second)
    assert (found["properties"]["description"], found["properties"]["authMode"], found["tags"]) == ("first", "Key", {"b": "2"})
    azure.control("PUT", "unrecorded", {"put": REPLACE})


def test_a_workspaces_dependencies_stay_when_a_put_leaves_them_out(azure: Client) -> None:
    """They cannot be changed, so a PUT without them is no reason to lose them."""
    arm_id = azure.workspace()
    found = _again(azure, arm_id, workspace_body(), {"location": scene.LOCATION, "identity": {"type": "SystemAssigned"}})
    assert found["properties"]["storageAccount"] == scene.STORAGE_ID


def test_a_put_of_a_vault_without_its_access_policies_takes_them_away(azure: Client) -> None:
    """A redeployed template that does not list them removes them; the rest stays."""
    policy = {"tenantId": scene.TENANT_ID, "objectId": "o", "permissions": {"secrets": ["get"]}}
    first = {**PLACE, "properties": {"accessPolicies": [policy], "enablePurgeProtection": True}}
    found = _again(azure, vault("kv-again"), first, {**PLACE, "properties": {}}, "2023-07-01")["properties"]
    assert (found["accessPolicies"], found["enablePurgeProtection"]) == ([], True)


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
