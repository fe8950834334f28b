"""What unchanged clients ask of ARM beside Azure ML: their requests, written out (`tests/functional/clients` runs the clients)."""

import pytest

from infra.local.emulator import scene
from tests.functional.emulator.bodies import ACCOUNT, CLUSTER, VAULT
from tests.functional.emulator.client import ARM, WORKSPACES, Client

SUBSCRIPTION = f"/subscriptions/{scene.SUBSCRIPTION_ID}"
ACCOUNTS = f"{scene.GROUP_ID}/providers/Microsoft.Storage/storageAccounts"
VAULTS = f"{scene.GROUP_ID}/providers/Microsoft.KeyVault/vaults"
RESOURCES_VERSION = "2022-09-01"


def _code(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


# ── api-versions ─────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("path", "version"),
    [
        (ACCOUNTS, "2026-09-01"),
        (VAULTS, "2026-05-15-preview"),
        (f"{scene.GROUP_ID}/providers/Microsoft.ContainerRegistry/registries", "2025-11-01"),
        (WORKSPACES, "2031-02-28"),
        ("/subscriptions", "2030-01-01"),
    ],
)
def test_a_version_later_than_the_newest_known_one_is_taken(azure: Client, path: str, version: str) -> None:
    """The newest azure-mgmt packages name versions that no table of dates has yet."""
    assert azure.arm("GET", path, version=version).status_code == 200


@pytest.mark.parametrize("version", ["2018-01-01", "2022-09-02", "2031-02-30", "2031-1-1", "latest", "2031-01-01-", "2031-01-01;x"])
def test_a_version_that_is_older_or_not_well_formed_is_refused(azure: Client, version: str) -> None:
    """Only what could be a later version of Azure is taken."""
    assert _code(azure.arm("GET", ACCOUNTS, version=version)) == (400, "NoRegisteredProviderFound")


# ── paths and methods ────────────────────────────────────────────────────────────────────────────────────────────────
def test_leading_slashes_are_folded_on_every_host(azure: Client) -> None:
    """azureml-core's ComputeTarget and JavaScript's `…ById` send `//subscriptions/…`."""
    token = {"Authorization": f"Bearer {azure.token()}"}
    answer = azure.session.get(f"{ARM}//{scene.GROUP_ID}?api-version={RESOURCES_VERSION}", headers=token, timeout=20)
    assert (answer.status_code, answer.json()["name"]) == (200, scene.RESOURCE_GROUP)
    keys = azure.session.get(f"https://login.microsoftonline.com//{scene.TENANT_ID}/discovery/keys", timeout=20)
    assert (keys.status_code, bool(keys.json()["keys"])) == (200, True)
    discovery = azure.session.get(f"https://{scene.LOCATION}.api.azureml.ms//discovery", timeout=20)
    assert discovery.status_code == 200


@pytest.mark.parametrize(
    ("path", "version", "status"),
    [
        (scene.KEY_VAULT_ID, "2023-07-01", 204),
        (f"{VAULTS}/none", "2023-07-01", 404),
        (WORKSPACES, "2023-10-01", 200),
        (scene.GROUP_ID, RESOURCES_VERSION, 204),
        (f"{scene.GROUP_ID}/providers/Microsoft.Resources/deployments/none", RESOURCES_VERSION, 404),
        ("/subscriptions", RESOURCES_VERSION, 200),
        (f"{VAULTS}/steward-kv", "1999-01-01", 400),
    ],
)
def test_head_asks_whether_something_is_there(azure: Client, path: str, version: str, status: int) -> None:
    """Resources_CheckExistenceById: 204 or 404; a list answers as to a GET; a body comes with neither."""
    answer = azure.arm("HEAD", path, version=version)
    assert (answer.status_code, answer.content) == (status, b"")


def test_a_status_url_bears_additions_and_no_other_change(azure: Client) -> None:
    """JavaScript's client adds its own parameter behind the signature; what was signed must be there as it was."""
    azure.control("PUT", "transitions", {"storageAccount": "polls:9"})
    made = azure.arm("PUT", f"{ACCOUNTS}/signed", ACCOUNT, version="2023-05-01")
    url = made.headers["Location"]
    assert azure.arm("GET", f"{url}&underlyingResourceAction=Delete&more=").status_code == 202
    for changed in (
        url.replace("monitor=true", "monitor=false"),
        url.replace("monitor=true&", ""),
        url.rpartition("&h=")[0],
        f"{url}x",
        f"{url}&monitor=false",
        f"{url}&API-version=2026-01-01",
        url.replace("&t=", "&added=1&t="),
    ):
        assert _code(azure.arm("GET", changed)) == (403, "AuthorizationFailed"), changed


# ── lists of resources ───────────────────────────────────────────────────────────────────────────────────────────────
def _names(azure: Client, query: str = "", scope: str = SUBSCRIPTION) -> list[str]:
    answer = azure.arm("GET", f"{scope}/resources{query}", version=RESOURCES_VERSION)
    assert answer.status_code == 200, answer.text
    return [one["name"] for one in answer.json()["value"]]


def test_all_resources_are_listed_without_their_properties(azure: Client) -> None:
    """What has a region and is tracked; a nested one carries its parent's name; a compute or a deployment is not there."""
    workspace = azure.workspace()
    assert azure.arm("PUT", f"{workspace}/computes/cpu", CLUSTER).status_code == 201
    endpoint = {"location": "westeurope", "properties": {"authMode": "Key"}, "identity": {"type": "SystemAssigned"}}
    assert azure.arm("PUT", f"{workspace}/onlineEndpoints/score", endpoint).status_code == 201
    found = azure.arm("GET", f"{SUBSCRIPTION}/resources", version=RESOURCES_VERSION).json()["value"]
    names = {one["name"] for one in found}
    assert {"steward-kv", "stewardstorage", "lab", "lab/score"} <= names
    assert not any(name.endswith("cpu") for name in names)
    assert all("properties" not in one and {"id", "name", "type", "location"} <= set(one) for one in found)


def test_resources_are_filtered_as_clients_ask(azure: Client) -> None:
    """By type, name, group, tags, parts of names; the clause of a tag's name and value is about one tag."""
    azure.arm("PATCH", scene.KEY_VAULT_ID, {"tags": {"stage": "test", "team": "red"}}, version="2023-07-01")
    vaults = "resourceType eq 'Microsoft.KeyVault/vaults'"
    assert _names(azure, f"?$filter={vaults}") == ["steward-kv"]
    assert _names(azure, f"?$filter={vaults} and name eq 'STEWARD-KV' and location eq 'westeurope'") == ["steward-kv"]
    assert _names(azure, f"?$filter={vaults} and resourceGroup eq 'rg-sandbox'") == []
    assert _names(azure, "?$filter=substringof('acr', name)") == ["stewardacr", "noadminacr"]
    assert _names(azure, f"?$filter={vaults} or substringof('storage', name)") == ["stewardstorage", "steward-kv"]
    assert _names(azure, "?$filter=tagName eq 'stage' and tagValue eq 'test'") == ["steward-kv"]
    assert _names(azure, "?$filter=tagName eq 'stage' and tagValue eq 'red'") == []
    assert _names(azure, "?$filter=startswith(tagName, 'sta')") == ["steward-kv"]
    assert _names(azure, scope=f"{SUBSCRIPTION}/resourceGroups/rg-sandbox") == []


def test_resources_are_expanded_and_paged(azure: Client) -> None:
    """`$expand` adds times and state; `$top` makes pages; a filter by tags leaves the tags out."""
    azure.arm("PATCH", scene.KEY_VAULT_ID, {"tags": {"stage": "test"}}, version="2023-07-01")
    query = "?$filter=name eq 'steward-kv'&$expand=createdTime,changedTime,provisioningState"
    (one,) = azure.arm("GET", f"{SUBSCRIPTION}/resources{query}", version=RESOURCES_VERSION).json()["value"]
    assert one["provisioningState"] == "Succeeded"
    assert one["createdTime"] <= one["changedTime"]
    assert one["tags"] == {"stage": "test"}
    (bare,) = azure.arm("GET", f"{SUBSCRIPTION}/resources?$filter=tagName eq 'stage'", version=RESOURCES_VERSION).json()["value"]
    assert "tags" not in bare
    assert "createdTime" not in bare
    page = azure.arm("GET", f"{SUBSCRIPTION}/resources?$top=2", version=RESOURCES_VERSION).json()
    assert len(page["value"]) == 2
    assert azure.arm("GET", page["nextLink"]).json()["value"][0]["name"] != page["value"][0]["name"]


@pytest.mark.parametrize("query", ["$filter=kind eq 'x'", "$filter=name", "$filter=substringof(name, 'x')", "$filter=(name eq 'x'"])
def test_a_filter_that_cannot_be_read_is_refused(azure: Client, query: str) -> None:
    """An ignored filter would answer with everything."""
    answer = azure.arm("GET", f"{SUBSCRIPTION}/resources?{query}", version=RESOURCES_VERSION)
    assert _code(answer) == (400, "InvalidFilterInQueryString")


# ── names and deleted vaults ─────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("kind", "name", "reason"),
    [
        ("Microsoft.Storage/storageAccounts", "quitenew", ""),
        ("Microsoft.Storage/storageAccounts", scene.STORAGE_ACCOUNT, "AlreadyExists"),
        ("Microsoft.Storage/storageAccounts", "No_Good", "AccountNameInvalid"),
        ("Microsoft.KeyVault/vaults", "kv-new", ""),
        ("Microsoft.KeyVault/vaults", scene.KEY_VAULT.upper(), "AlreadyExists"),
        ("Microsoft.KeyVault/vaults", "a--b", "AccountNameInvalid"),
        ("Microsoft.ContainerRegistry/registries", "acrnew", ""),
        ("Microsoft.ContainerRegistry/registries", scene.REGISTRY, "AlreadyExists"),
        ("Microsoft.ContainerRegistry/registries", "a-b", "Invalid"),
    ],
)
def test_a_name_is_free_taken_or_invalid(azure: Client, kind: str, name: str, reason: str) -> None:
    """`az storage account create` begins with this question, and so does preflight."""
    path = f"{SUBSCRIPTION}/providers/{kind.partition('/')[0]}/checkNameAvailability"
    answer = azure.arm("POST", path, {"name": name, "type": kind}, version="2023-07-01" if "Storage" not in kind else "2023-05-01")
    assert answer.status_code == 200
    assert (answer.json()["nameAvailable"], answer.json().get("reason", "")) == (not reason, reason)
    assert bool(answer.json().get("message")) == bool(reason)


def test_a_name_that_others_have_is_taken(azure: Client) -> None:
    """Names are one tenant's in all of Azure."""
    azure.control("PUT", "taken", ["stcontoso"])
    body = {"name": "stcontoso", "type": "Microsoft.Storage/storageAccounts"}
    answer = azure.arm("POST", f"{SUBSCRIPTION}/providers/Microsoft.Storage/checkNameAvailability", body, version="2023-05-01")
    assert answer.json()["reason"] == "AlreadyExists"


def _vault(azure: Client, name: str, **properties: object):
    body = {**VAULT, "properties": {**VAULT["properties"], **properties}}
    return azure.arm("PUT", f"{VAULTS}/{name}", body, version="2023-07-01")


def _name_free(azure: Client, name: str) -> bool:
    path = f"{SUBSCRIPTION}/providers/Microsoft.KeyVault/checkNameAvailability"
    return azure.arm("POST", path, {"name": name, "type": "Microsoft.KeyVault/vaults"}, version="2023-07-01").json()[
        "nameAvailable"
    ]


DELETED = f"{SUBSCRIPTION}/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults"


def test_a_deleted_vault_holds_its_name_until_it_is_purged(azure: Client) -> None:
    """Listed and shown with its dates; purged by a POST whose Location ends; then the name is free."""
    assert _vault(azure, "kv-gone").status_code == 200
    assert azure.arm("DELETE", f"{VAULTS}/kv-gone", version="2023-07-01").status_code == 200
    shown = azure.arm("GET", f"{DELETED}/kv-gone", version="2023-07-01").json()
    assert shown["properties"]["vaultId"] == f"{VAULTS}/kv-gone"
    assert shown["properties"]["deletionDate"] < shown["properties"]["scheduledPurgeDate"]
    listed = azure.arm("GET", f"{SUBSCRIPTION}/providers/Microsoft.KeyVault/deletedVaults", version="2023-07-01").json()["value"]
    assert [one["name"] for one in listed] == ["kv-gone"]
    assert not _name_free(azure, "kv-gone")
    assert _code(_vault(azure, "KV-gone")) == (409, "ConflictError")
    purged = azure.arm("POST", f"{DELETED}/kv-gone/purge", version="2023-07-01")
    assert purged.status_code == 202
    assert azure.arm("GET", purged.headers["Location"]).status_code == 200
    assert _code(azure.arm("GET", f"{DELETED}/kv-gone", version="2023-07-01")) == (404, "DeletedVaultNotFound")
    assert _name_free(azure, "kv-gone")


def test_a_deleted_vault_is_recovered_as_it_was(azure: Client) -> None:
    """`createMode: recover`, with its tags; nothing is deleted any more."""
    _vault(azure, "kv-back")
    azure.arm("PATCH", f"{VAULTS}/kv-back", {"tags": {"a": "b"}}, version="2023-07-01")
    azure.arm("DELETE", f"{VAULTS}/kv-back", version="2023-07-01")
    answer = _vault(azure, "kv-back", createMode="recover")
    assert (answer.status_code, answer.json()["tags"]) == (200, {"a": "b"})
    assert "createMode" not in answer.json()["properties"]
    assert azure.arm("GET", f"{DELETED}/kv-back", version="2023-07-01").status_code == 404


def test_a_vault_outlives_its_group_as_a_deleted_one(azure: Client) -> None:
    """A group's DELETE soft-deletes the vaults in it; the name is free when the retention is over."""
    group = f"{SUBSCRIPTION}/resourceGroups/rg-sandbox"
    body = {"location": "eastus", "properties": {**VAULT["properties"], "softDeleteRetentionInDays": 7}}
    path = f"{group}/providers/Microsoft.KeyVault/vaults/kv-sandbox"
    assert azure.arm("PUT", path, body, version="2023-07-01").status_code == 200
    azure.arm("GET", azure.arm("DELETE", group, version=RESOURCES_VERSION).headers["Location"])
    assert azure.arm("GET", DELETED.replace("westeurope", "eastus") + "/kv-sandbox", version="2023-07-01").status_code == 200
    azure.control("POST", "clock", {"advance_s": 7 * 86_400 + 60})
    assert _name_free(azure, "kv-sandbox")


def test_purge_protection_keeps_a_deleted_vault(azure: Client) -> None:
    """405 `MethodNotAllowed`, in Key Vault's words."""
    _vault(azure, "kv-safe", enablePurgeProtection=True)
    azure.arm("DELETE", f"{VAULTS}/kv-safe", version="2023-07-01")
    assert _code(azure.arm("POST", f"{DELETED}/kv-safe/purge", version="2023-07-01")) == (405, "MethodNotAllowed")


@pytest.mark.parametrize("days", [6, 91, "30", True, None])
def test_a_retention_that_no_vault_has_is_refused(azure: Client, days: object) -> None:
    """From 7 to 90 days."""
    assert _code(_vault(azure, "kv-days", softDeleteRetentionInDays=days)) == (400, "BadRequest")


# ── tenants, regions, tags, clouds ───────────────────────────────────────────────────────────────────────────────────
def test_tenants_and_regions(azure: Client) -> None:
    """`az login` and `az account list-locations`."""
    (tenant,) = azure.arm("GET", "/tenants", version="2022-12-01").json()["value"]
    assert (tenant["tenantId"], tenant["id"]) == (scene.TENANT_ID, f"/tenants/{scene.TENANT_ID}")
    regions = azure.arm("GET", f"{SUBSCRIPTION}/locations", version="2022-12-01").json()["value"]
    west = next(one for one in regions if one["name"] == "westeurope")
    assert (west["displayName"], west["metadata"]["regionType"]) == ("West Europe", "Physical")


@pytest.mark.parametrize("scope", [SUBSCRIPTION, scene.GROUP_ID, scene.KEY_VAULT_ID])
def test_tags_are_a_resource_of_their_own_at_any_scope(azure: Client, scope: str) -> None:
    """PUT replaces, PATCH merges, replaces or takes away, DELETE removes all; the tagged resource shows the same."""
    path = f"{scope}/providers/Microsoft.Resources/tags/default"

    def tags(method: str, body: object = None) -> dict[str, str]:
        answer = azure.arm(method, path, body, version="2021-04-01")
        assert answer.status_code == 200, answer.text
        return answer.json()["properties"]["tags"]

    assert tags("PUT", {"properties": {"tags": {"a": "1", "b": "2"}}}) == {"a": "1", "b": "2"}
    assert tags("PATCH", {"operation": "Merge", "properties": {"tags": {"b": "3", "c": "4"}}}) == {"a": "1", "b": "3", "c": "4"}
    assert tags("PATCH", {"operation": "Delete", "properties": {"tags": {"a": "1", "b": "other"}}}) == {"b": "3", "c": "4"}
    assert azure.arm("GET", scope, version="2023-07-01").json()["tags"] == {"b": "3", "c": "4"}
    used = azure.arm("GET", f"{SUBSCRIPTION}/tagNames", version="2021-04-01").json()["value"]
    assert {one["tagName"] for one in used} == {"b", "c"}
    assert tags("PATCH", {"operation": "Replace", "properties": {"tags": {}}}) == {}
    assert azure.arm("DELETE", path, version="2021-04-01").status_code == 200
    assert _code(azure.arm("PATCH", path, {"operation": "Add", "properties": {"tags": {}}}, version="2021-04-01"))[0] == 400
    assert _code(azure.arm("PUT", path, {"properties": {"tags": {"a": 1}}}, version="2021-04-01"))[0] == 400


def test_the_clouds_addresses_need_no_token(azure: Client) -> None:
    """Three shapes by api-version; the newest is the one cloud of the host."""

    def get(version: str, host: str = "management.azure.com"):
        answer = azure.session.get(f"https://{host}/metadata/endpoints?api-version={version}", timeout=20)
        assert answer.status_code == 200, answer.text
        return answer.json()

    assert [one["name"] for one in get("2019-05-01")] == ["AzureCloud", "AzureChinaCloud", "AzureUSGovernment"]
    assert get("2022-09-01")["suffixes"]["storage"] == "core.windows.net"
    assert get("2022-09-01", "management.usgovcloudapi.net")["name"] == "AzureUSGovernment"
    assert get("2015-01-01")["authentication"]["loginEndpoint"] == "https://login.microsoftonline.com"
    refused = azure.session.get(f"{ARM}/metadata/endpoints", timeout=20)
    assert _code(refused) == (400, "MissingApiVersionParameter")


# ── Event Grid's lists ───────────────────────────────────────────────────────────────────────────────────────────────
def test_event_subscriptions_are_listed_by_the_type_of_their_topic(azure: Client) -> None:
    """Those of a subscription and a group are global, a workspace's is its region's."""
    workspace = azure.workspace()
    queue = {
        "endpointType": "StorageQueue",
        "properties": {"resourceId": scene.STORAGE_ID, "queueName": "told"},
    }
    for scope, name in ((scene.GROUP_ID, "of-group"), (workspace, "of-workspace")):
        path = f"{scope}/providers/Microsoft.EventGrid/eventSubscriptions/{name}"
        assert azure.arm("PUT", path, {"properties": {"destination": queue}}, version="2025-02-15").status_code == 201

    def names(path: str) -> list[str]:
        answer = azure.arm("GET", f"{path}/eventSubscriptions", version="2025-02-15")
        assert answer.status_code == 200, answer.text
        return [one["name"] for one in answer.json()["value"] if one["name"].startswith("of-")]

    group, whole = (f"{scope}/providers/Microsoft.EventGrid" for scope in (scene.GROUP_ID, SUBSCRIPTION))
    groups, workspaces = "Microsoft.Resources.ResourceGroups", "Microsoft.MachineLearningServices.Workspaces"
    assert names(f"{group}/topicTypes/{groups}") == names(f"{whole}/topicTypes/{groups}") == ["of-group"]
    assert names(f"{group}/topicTypes/{workspaces}") == []
    assert names(f"{whole}/locations/westeurope") == names(f"{group}/locations/westeurope") == ["of-workspace"]
    assert names(f"{group}/locations/westeurope/topicTypes/{workspaces}") == ["of-workspace"]
    assert names(f"{group}/locations/eastus/topicTypes/{workspaces}") == []
    types = azure.arm("GET", "/providers/Microsoft.EventGrid/topicTypes", version="2025-02-15").json()["value"]
    assert {groups, workspaces} < {one["name"] for one in types}


def test_a_workspace_without_a_storage_account_shows_its_keys(azure: Client) -> None:
    """A project has none of its own: null, no server error."""
    arm_id = azure.workspace()
    azure.control("PATCH", f"resources?id={arm_id}", {"properties": {"storageAccount": None}})
    answer = azure.arm("POST", f"{arm_id}/listKeys")
    assert (answer.status_code, answer.json()["userStorageKey"], answer.json()["userStorageResourceId"]) == (200, None, None)
    assert azure.arm("POST", f"{arm_id}/listStorageAccountKeys").json()["userStorageKey"] is None


def test_a_marketplace_subscription_shows_its_plan(azure: Client) -> None:
    """azure-ai-ml reads `marketplacePlan.publisherId`; both members are read-only."""
    path = f"{azure.workspace()}/marketplaceSubscriptions/mistral"
    body = {
        "properties": {"modelId": "azureml://registries/azureml-mistral/models/Mistral-large", "marketplacePlan": {"planId": "x"}}
    }
    assert azure.arm("PUT", path, body, version="2024-04-01").status_code == 201
    shown = azure.arm("GET", path, version="2024-04-01").json()["properties"]
    assert shown["marketplacePlan"] == {"publisherId": "mistral", "offerId": "mistral-large", "planId": "mistral-large"}
    assert shown["marketplaceSubscriptionStatus"] == "Subscribed"


def test_providers_are_listed_without_a_subscription(azure: Client) -> None:
    """`az provider operation`, Terraform: the same providers, no registration."""
    here = azure.arm("GET", "/providers", version=RESOURCES_VERSION).json()["value"]
    there = azure.arm("GET", f"{SUBSCRIPTION}/providers", version=RESOURCES_VERSION).json()["value"]
    assert [one["namespace"] for one in here] == [one["namespace"] for one in there]
    assert not any("registrationState" in one for one in here)


@pytest.mark.parametrize(
    ("method", "below"),
    [
        ("GET", "nothings"), ("GET", "nothings/one"), ("PUT", "computes/cpu/nothings/one"), ("DELETE", "nothings/one"),
        ("POST", "explode"), ("POST", "computes/cpu/explode"),
    ],
)  # fmt: skip
def test_a_type_that_is_not_there_is_not_a_wrong_verb(azure: Client, method: str, below: str) -> None:
    """404 `InvalidResourceType` with the type; 405 is for a path that another verb has."""
    answer = azure.arm(method, f"{azure.workspace()}/{below}", {} if method in {"PUT", "POST"} else None)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "InvalidResourceType")
    kinds = "/".join(("workspaces/" + below).split("/")[0:1] + below.split("/")[0::2])
    assert f"'{kinds}'" in answer.json()["error"]["message"]
    wrong = azure.arm("DELETE", f"{WORKSPACES}/lab/listKeys")
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, "UnsupportedHttpMethod")
