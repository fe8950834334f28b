"""`?preflight=true` on a PUT: all problems at once, nothing sent that changes anything, and never a guess."""

from __future__ import annotations

import pytest

from infra.local.emulator import scene
from tests.functional.catalog.conftest import WORKSPACE

KEYED = {
    **WORKSPACE,
    "properties": {
        **WORKSPACE["properties"],
        "encryption": {
            "status": "Enabled",
            "keyVaultProperties": {
                "keyVaultArmId": scene.KEY_VAULT_ID,
                "keyIdentifier": "https://another-kv.vault.azure.net/keys/k/1",
            },
        },
        "managedNetwork": {"isolationMode": "AllowInternetOutbound"},
    },
}


def cluster(size: str = "Standard_D1", least: int = 0, most: int = 1) -> dict[str, object]:
    """A cluster's body."""
    scale = {"minNodeCount": least, "maxNodeCount": most}
    properties = {"computeType": "AmlCompute", "properties": {"vmSize": size, "scaleSettings": scale}}
    return {"location": scene.LOCATION, "properties": properties}


@pytest.fixture
def ask(caller, azure):
    """Ask a preflight; return its findings by check, after seeing that Azure was only read."""

    def asked(path: str, body: object) -> dict[str, list[dict[str, object]]]:
        before = azure.last()
        answer = caller.send("PUT", f"{path}?preflight=true", json=body)
        assert answer.status_code == 200, answer.text
        sent = [entry for entry in azure.since(before) if "oauth2" not in entry["path"]]
        assert {entry["method"] for entry in sent if not entry["path"].endswith("/checkNameAvailability")} <= {"GET"}
        told = answer.json()
        judged = {row["ok"] for row in told["value"]}
        assert told["status"] == ("problems" if False in judged else "unknown" if None in judged else "ok")
        out: dict[str, list[dict[str, object]]] = {"status": told["status"]}
        for row in told["value"]:
            out.setdefault(row["check"], []).append(row)
        return out

    return asked


def wrong(findings: dict[str, list[dict[str, object]]]) -> set[tuple[object, object]]:
    """Return check and code of what is not well."""
    return {
        (row["check"], row["code"]) for rows in findings.values() if isinstance(rows, list) for row in rows if row["ok"] is False
    }


def test_a_workspace_that_would_be_made_has_no_problem(ask):
    """Everything was looked at; what ARM tells only at creation (a deleted namesake) is unknown, not ok."""
    found = ask("workspaces/ws-preflight", WORKSPACE)
    assert not wrong(found)
    assert found["status"] == "unknown"
    assert [row["ok"] for row in found["free"]] == [None]
    assert {row["target"] for row in found["reference"]} == {
        scene.STORAGE_ID, scene.KEY_VAULT_ID, scene.INSIGHTS_ID, scene.REGISTRY_ID,
    }  # fmt: skip
    assert [row["ok"] for row in found["permission"]] == [True]
    assert [row["ok"] for row in found["region"]] == [True]


def test_all_problems_come_at_once(ask):
    """A bad name, a missing field, an unknown identity, a storage account that is not there, a region that is none."""
    body = {
        "location": "atlantis",
        "identity": {"type": "Whatever"},
        "properties": {**WORKSPACE["properties"], "storageAccount": f"{scene.STORAGE_ID}nope"},
    }
    assert wrong(ask("workspaces/-x-", body)) >= {
        ("name", "InvalidResourceName"),
        ("fields", "InvalidValue"),
        ("reference", "ResourceNotFound"),
        ("region", "LocationNotAvailable"),
    }
    assert ("fields", "MissingField") in wrong(ask("workspaces/ws1", {}))


def test_providers_that_are_not_registered_are_named(ask, azure):
    """The documents' table: DocumentDB and Search with a customer's own key, Network with a managed network."""
    azure.put("providers", {"Microsoft.Storage": "NotRegistered"})
    try:
        found = ask("workspaces/ws-preflight", KEYED)
    finally:
        azure.put("providers", {"Microsoft.Storage": "Registered"})
    asked = {row["target"] for row in found["provider"]}
    assert asked >= {"Microsoft.DocumentDB", "Microsoft.Search", "Microsoft.Network", "Microsoft.KeyVault"}
    storage = next(row for row in found["provider"] if row["target"] == "Microsoft.Storage")
    assert (storage["ok"], storage["code"]) == (False, "ProviderNotRegistered")
    assert "register" in storage["message"]


def test_the_vault_of_a_customers_own_key_is_checked(ask):
    """Soft delete, purge protection, region, the key's own vault, and who may wrap and unwrap."""
    rows = {row["code"]: row["ok"] for row in ask("workspaces/ws-preflight", KEYED)["vault"]}
    assert rows["PurgeProtectionOff"] is False
    assert rows["KeyOfOtherVault"] is False
    assert rows["NoKeyAccess"] is False


def test_size_and_quota_of_a_cluster_are_checked(ask, workspace):
    """The region's sizes and what is left of the family's cores."""
    assert not wrong(ask(f"{workspace}/computes/cluster", cluster()))
    assert wrong(ask(f"{workspace}/computes/cluster", cluster("Standard_Nope"))) == {("sku", "SizeNotAvailable")}
    assert wrong(ask(f"{workspace}/computes/cluster", cluster(least=9_999, most=9_999))) == {("quota", "QuotaExceeded")}
    assert wrong(ask(f"{workspace}/computes/cluster", cluster(most=9_999))) == {("quota", "MaxNodesExceedQuota")}


def test_a_workspace_that_is_not_there_is_a_problem_of_what_goes_into_it(ask):
    """A parent is looked up like a reference."""
    assert ("parent", "ResourceNotFound") in wrong(
        ask("workspaces/nowhere/datastores/d", {"properties": {"datastoreType": "AzureBlob"}})
    )


def test_what_azure_does_not_answer_is_unknown(caller, azure):
    """A failing permissions service makes no `ok`."""
    azure.put("faults", [{"action": "respond", "match": "Authorization/permissions", "status": 503, "times": None}])
    try:
        told = caller.send("PUT", "workspaces/ws-preflight?preflight=true", json=WORKSPACE).json()
    finally:
        azure.put("faults", [])
    (row,) = [row for row in told["value"] if row["check"] == "permissions" or row["check"] == "permission"]
    assert (row["ok"], row["code"]) == (None, "Unknown")


def test_a_missing_permission_is_a_problem(caller, azure):
    """Wildcards of actions and notActions are read as Azure reads them."""
    reader = {
        "value": [
            {"actions": ["*/read"], "notActions": []},
            {"actions": ["*"], "notActions": ["Microsoft.MachineLearningServices/*/write"]},
        ]
    }
    azure.put("faults", [{"action": "respond", "match": "Authorization/permissions", "status": 200, "body": reader, "times": None}])
    try:
        told = caller.send("PUT", "workspaces/ws-preflight?preflight=true", json=WORKSPACE).json()
    finally:
        azure.put("faults", [])
    assert [row["code"] for row in told["value"] if row["check"] == "permission"] == ["AuthorizationFailed"]


def test_what_is_only_asked_is_never_done(caller, azure):
    """A DELETE's preflight deletes nothing; where there is none, and where its value cannot be read, it is refused."""
    before = azure.last()
    answer = caller.send("DELETE", "workspaces/ws-never-made?preflight=true")
    assert (answer.status_code, answer.json()["status"]) == (200, "problems"), answer.text
    assert {entry["method"] for entry in azure.since(before) if "oauth2" not in entry["path"]} <= {"GET"}
    refused = caller.send("GET", "workspaces/ws-preflight?preflight=true")
    assert (refused.status_code, refused.json()["error"]["target"]) == (400, "preflight")
    assert caller.send("PUT", "workspaces/ws-preflight?preflight=maybe", json=WORKSPACE).status_code == 400


DEPLOYED = {"endpointComputeType": "Managed", "instanceType": "Standard_DS3_v2"}
CLUSTER = {"computeType": "AmlCompute", "properties": {"scaleSettings": {"maxNodeCount": 1}}}


def deployed(capacity: int = 1, location: str = scene.LOCATION, **change: object) -> dict[str, object]:
    """A deployment's body whose properties differ so; None takes one away."""
    properties = {name: value for name, value in {**DEPLOYED, **change}.items() if value is not None}
    return {"location": location, "sku": {"name": "Default", "capacity": capacity}, "properties": properties}


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        (
            "workspaces/nodeps",
            {"location": scene.LOCATION, "identity": {"type": "SystemAssigned"}, "properties": {}},
            {("fields", "MissingDependency")},
        ),
        ("workspaces/noid", {**WORKSPACE, "identity": None}, {("fields", "MissingField")}),
        (
            "workspaces/ws/computes/cpu",
            {"location": scene.LOCATION, "properties": {**CLUSTER, "properties": {"vmsize": "Standard_D1"}}},
            {("fields", "MissingField"), ("fields", "UnknownProperty")},
        ),
        ("workspaces/ws/onlineEndpoints/e/deployments/blue", deployed(25), {("quota", "QuotaExceeded")}),
        (
            "workspaces/ws/onlineEndpoints/e/deployments/blue",
            deployed(instanceType=None, instanceTyp="Standard_DS3_v2", model="azureml:factor:1"),
            {("fields", "UnknownProperty"), ("reference", "ResourceNotFound")},
        ),
    ],
)
def test_what_azure_refuses_is_foretold(ask, path, body, expected):
    """C2: each of these bodies is refused by the PUT, so none may come without a `false`."""
    found = ask(path, body)
    assert found["status"] == "problems"
    assert wrong(found) >= expected


def test_without_a_size_nothing_is_said_to_fit(ask):
    """Size and quota were not looked at: null, so the whole is not ok."""
    found = ask("workspaces/ws/onlineEndpoints/e/deployments/blue", deployed(instanceType=None))
    assert [row["ok"] for check in ("sku", "quota") for row in found[check]] == [None, None]


def test_a_workspace_that_is_there_needs_no_dependencies_again(ask, azure):
    """A PUT of an existing workspace keeps them, so their absence is no problem."""
    arm_id = f"{scene.GROUP_ID}/providers/Microsoft.MachineLearningServices/workspaces/there"
    azure.seed((arm_id, {**WORKSPACE, "kind": "Default"}))
    body = {"location": scene.LOCATION, "tags": {"a": "b"}, "properties": {}}
    assert not {code for _, code in wrong(ask("workspaces/there", body))} & {"MissingDependency", "MissingField"}


def test_the_reserve_counts_and_what_the_deployment_holds_already_does_not(ask, azure):
    """20 instances of 4 cores need 96 of 100; while 10 run (48), growing the same one to 20 fits, another one of 11 does not.

    In a region of its own: what other tests have deployed counts, too.
    """
    region = "northeurope"
    home = f"{scene.GROUP_ID}/providers/Microsoft.MachineLearningServices/workspaces/held"
    held = {
        "location": region,
        "sku": {"name": "Default", "capacity": 10},
        "properties": {**DEPLOYED, "provisioningState": "Succeeded"},
    }
    made = {"location": region, "properties": {"provisioningState": "Succeeded"}}
    endpoint = {**made, "properties": {**made["properties"], "authMode": "Key"}}
    azure.seed((home, made), (f"{home}/onlineEndpoints/e", endpoint), (f"{home}/onlineEndpoints/e/deployments/blue", held))
    told = {
        (name, capacity): [
            row["ok"] for row in ask(f"workspaces/held/onlineEndpoints/e/deployments/{name}", deployed(capacity, region))["quota"]
        ]
        for name, capacity in (("blue", 20), ("blue", 21), ("green", 10), ("green", 11))
    }
    assert told == {
        ("blue", 20): [True, True], ("blue", 21): [False, False], ("green", 10): [True, True], ("green", 11): [False, False],
    }  # fmt: skip


ACCOUNT = {"location": scene.LOCATION, "sku": {"name": "Standard_LRS"}, "kind": "StorageV2"}
VAULT = {
    "location": scene.LOCATION,
    "properties": {"tenantId": scene.TENANT_ID, "sku": {"family": "A", "name": "standard"}, "accessPolicies": []},
}
REGISTRY = {"location": scene.LOCATION, "sku": {"name": "Basic"}}
NEIGHBOURS = "resourceGroups/rg-analytics/providers"


@pytest.mark.parametrize(
    ("path", "body", "ok", "code"),
    [
        ("Microsoft.Storage/storageAccounts/quitenew", ACCOUNT, True, "Ok"),
        (f"Microsoft.Storage/storageAccounts/{scene.STORAGE_ACCOUNT}", ACCOUNT, False, "AlreadyExists"),
        ("Microsoft.KeyVault/vaults/kv-quite-new", VAULT, True, "Ok"),
        (f"Microsoft.KeyVault/vaults/{scene.KEY_VAULT}", VAULT, False, "AlreadyExists"),
        ("Microsoft.ContainerRegistry/registries/acrquitenew", REGISTRY, True, "Ok"),
        (f"Microsoft.ContainerRegistry/registries/{scene.REGISTRY}", REGISTRY, False, "AlreadyExists"),
    ],
)
def test_a_name_that_is_one_tenants_in_all_of_azure_is_asked_for(ask, path, body, ok, code):
    """The provider says whether somebody has it, in whatever group."""
    (free,) = ask(f"{NEIGHBOURS}/{path}", body)["free"]
    assert (free["ok"], free["code"]) == (ok, code)


def test_a_deleted_vault_holds_its_name(ask, caller):
    """Until it is purged or brought back; the finding says until when."""
    path = f"{NEIGHBOURS}/Microsoft.KeyVault/vaults/kv-was-here"
    caller.done("PUT", path, json=VAULT)
    caller.done("DELETE", path)
    (free,) = ask(path, VAULT)["free"]
    assert (free["ok"], free["code"]) == (False, "NameHeldByDeletedVault")
