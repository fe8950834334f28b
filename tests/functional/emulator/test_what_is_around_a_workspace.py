"""What scripts do with the neighbours of a workspace: groups by tag, tag names, access policies, containers and SAS, topics."""

import pytest

from infra.local.emulator import scene
from tests.functional.emulator.bodies import INSTANCE, VAULT
from tests.functional.emulator.client import Client
from tests.functional.emulator.provocations import polled

SUBSCRIPTION = f"/subscriptions/{scene.SUBSCRIPTION_ID}"
RESOURCES_V, VAULT_V, STORAGE_V, EVENT_GRID_V = "2021-04-01", "2023-07-01", "2023-05-01", "2025-02-15"
SOMEONE, OTHER = "00000000-0000-0000-0000-0000000000f1", "00000000-0000-0000-0000-0000000000f2"
TOPIC = f"{scene.GROUP_ID}/providers/Microsoft.EventGrid/topics/around"


def _code(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_groups_are_filtered_by_their_tags(azure: Client) -> None:
    """ResourceGroups_List: name and value of one tag; any other field is refused, not ignored."""
    azure.arm("PATCH", scene.GROUP_ID, {"tags": {"stage": "dev", "team": "red"}}, version=RESOURCES_V)

    def named(query: str) -> list[str]:
        answer = azure.arm("GET", f"{SUBSCRIPTION}/resourceGroups?$filter={query}", version=RESOURCES_V)
        return [one["name"] for one in answer.json()["value"]]

    assert named("tagName eq 'stage'") == named("tagName eq 'stage' and tagValue eq 'dev'") == [scene.RESOURCE_GROUP]
    assert named("tagName eq 'stage' and tagValue eq 'red'") == []
    refused = azure.arm("GET", f"{SUBSCRIPTION}/resourceGroups?$filter=name eq 'x'", version=RESOURCES_V)
    assert _code(refused) == (400, "InvalidFilterInQueryString")


def test_tag_names_are_there_before_a_resource_has_them(azure: Client) -> None:
    """Made with their values, listed, deleted; what is in use stays."""
    cost = f"{SUBSCRIPTION}/tagNames/cost"

    def status(method: str, path: str) -> int:
        return azure.arm(method, path, version=RESOURCES_V).status_code

    assert status("PUT", f"{cost}/tagValues/a") == 404
    assert [status("PUT", cost), status("PUT", cost), status("PUT", f"{cost}/tagValues/a")] == [201, 200, 201]
    listed = azure.arm("GET", f"{SUBSCRIPTION}/tagNames", version=RESOURCES_V).json()["value"]
    assert [(one["tagName"], one["count"]["value"], [each["tagValue"] for each in one["values"]]) for one in listed] == [
        ("cost", 0, ["a"])
    ]
    azure.arm("PATCH", scene.GROUP_ID, {"tags": {"cost": "a"}}, version=RESOURCES_V)
    assert [status("DELETE", f"{cost}/tagValues/a"), status("DELETE", cost)] == [409, 409]
    azure.arm("PATCH", scene.GROUP_ID, {"tags": {}}, version=RESOURCES_V)
    assert [status("DELETE", path) for path in (f"{cost}/tagValues/a", cost, cost)] == [200, 200, 204]


def test_access_policies_change_by_themselves(azure: Client) -> None:
    """`add` joins permissions, `remove` takes some, `replace` is about the principals named; the others stay."""
    vault = f"{scene.GROUP_ID}/providers/Microsoft.KeyVault/vaults/kv-policies"
    azure.arm("PUT", vault, VAULT, version=VAULT_V)

    def change(kind: str, who: str, *secrets: str) -> int:
        policy = {"tenantId": scene.TENANT_ID, "objectId": who, "permissions": {"secrets": list(secrets)}}
        body = {"properties": {"accessPolicies": [policy]}}
        return azure.arm("PUT", f"{vault}/accessPolicies/{kind}", body, version=VAULT_V).status_code

    def held() -> dict[str, list[str]]:
        shown = azure.arm("GET", vault, version=VAULT_V).json()["properties"]["accessPolicies"]
        return {one["objectId"]: one["permissions"]["secrets"] for one in shown}

    assert [change("add", SOMEONE, "get"), change("add", SOMEONE, "list"), change("add", OTHER, "get")] == [201, 200, 201]
    assert held() == {SOMEONE: ["get", "list"], OTHER: ["get"]}
    assert [change("replace", SOMEONE, "set"), change("remove", OTHER, "Get")] == [200, 200]
    assert held() == {SOMEONE: ["set"]}
    assert change("grow", SOMEONE, "get") == 400
    assert azure.arm("PUT", f"{vault}/accessPolicies/add", {"properties": {}}, version=VAULT_V).status_code == 400
    assert azure.arm("PUT", f"{vault}x/accessPolicies/add", {"properties": {}}, version=VAULT_V).status_code == 404


def test_containers_are_seen_and_deleted_through_arm(azure: Client) -> None:
    """The same ones as the data plane's; the service has its settings."""
    service = f"{scene.STORAGE_ID}/blobServices/default"
    made = f"{service}/containers/around"
    assert azure.arm("PUT", made, {"properties": {}}, version=STORAGE_V).status_code == 201
    listed = azure.arm("GET", f"{service}/containers", version=STORAGE_V).json()["value"]
    assert "around" in [one["name"] for one in listed]
    assert [azure.arm("DELETE", made, version=STORAGE_V).status_code for _ in range(2)] == [200, 204]
    retention = {"deleteRetentionPolicy": {"enabled": True, "days": 7}}
    azure.arm("PUT", service, {"properties": retention}, version=STORAGE_V)
    shown = azure.arm("GET", service, version=STORAGE_V).json()["properties"]
    assert (shown["deleteRetentionPolicy"], shown["cors"]) == (retention["deleteRetentionPolicy"], {"corsRules": []})
    assert azure.arm("GET", f"{scene.STORAGE_ID}none/blobServices/default", version=STORAGE_V).status_code == 404


def test_sas_tokens_of_arm_open_the_account(azure: Client) -> None:
    """Those of the account and of a container are taken by storage; without an expiry there is none."""
    ends = {"signedPermission": "rl", "signedExpiry": "2099-01-01T00:00:00Z"}
    whole = {**ends, "signedServices": "b", "signedResourceTypes": "sco"}
    azure.arm("PUT", f"{scene.STORAGE_ID}/blobServices/default/containers/signed", {}, version=STORAGE_V)
    one = {**ends, "canonicalizedResource": f"/blob/{scene.STORAGE_ACCOUNT}/signed", "signedResource": "c"}
    for action, body, path in (
        ("ListAccountSas", whole, "?comp=list"),
        ("ListServiceSas", one, "signed?restype=container&comp=list"),
    ):
        token = next(iter(azure.arm("POST", f"{scene.STORAGE_ID}/{action}", body, version=STORAGE_V).json().values()))
        url = f"https://{scene.STORAGE_ACCOUNT}.blob.core.windows.net/{path}&"
        assert azure.session.get(f"{url}{token}", timeout=20).status_code == 200
        assert azure.session.get(f"{url}{token}x", timeout=20).status_code == 403
        without = {name: value for name, value in body.items() if name != "signedExpiry"}
        refused = azure.arm("POST", f"{scene.STORAGE_ID}/{action}", without, version=STORAGE_V)
        assert _code(refused) == (400, "InvalidValuesForRequestParameters")


def test_topics_are_changed_listed_and_have_subscriptions_of_their_own(azure: Client) -> None:
    """PATCH of a topic; lists in a group and in the subscription; `topics/{name}/eventSubscriptions`, changed by a PATCH."""
    assert azure.arm("PUT", TOPIC, {"location": "westeurope"}, version=EVENT_GRID_V).status_code == 201
    changed = azure.arm("PATCH", TOPIC, {"tags": {"a": "b"}, "location": "eastus"}, version=EVENT_GRID_V).json()
    assert (changed["tags"], changed["location"]) == ({"a": "b"}, "westeurope")
    for scope in (scene.GROUP_ID, SUBSCRIPTION):
        listed = azure.arm("GET", f"{scope}/providers/Microsoft.EventGrid/topics", version=EVENT_GRID_V).json()["value"]
        assert [one["name"] for one in listed] == ["around"]
    queue = {"endpointType": "StorageQueue", "properties": {"resourceId": scene.STORAGE_ID, "queueName": "told"}}
    path = f"{TOPIC}/eventSubscriptions/mine"
    body = {"properties": {"destination": queue, "filter": {"includedEventTypes": ["A.B"]}, "labels": ["x"]}}
    assert azure.arm("PUT", path, body, version=EVENT_GRID_V).status_code == 201
    azure.arm("PATCH", path, {"filter": {"includedEventTypes": ["C.D"]}, "properties": {"labels": []}}, version=EVENT_GRID_V)
    shown = azure.arm("GET", path, version=EVENT_GRID_V).json()["properties"]
    assert shown["filter"]["includedEventTypes"] == ["C.D"]
    assert (shown["destination"]["properties"]["queueName"], shown["labels"], shown["topic"]) == ("told", ["x"], TOPIC)
    assert azure.arm("PATCH", f"{path}x", {"labels": []}, version=EVENT_GRID_V).status_code == 404


def test_a_topic_without_local_authentication_takes_no_key(azure: Client) -> None:
    """`disableLocalAuth`: the same key that was taken before is refused."""
    made = azure.arm("PUT", TOPIC, {"location": "westeurope"}, version=EVENT_GRID_V).json()
    key = azure.arm("POST", f"{TOPIC}/listKeys", version=EVENT_GRID_V).json()["key1"]
    url = f"{made['properties']['endpoint']}?api-version=2018-01-01"
    event = {"id": "1", "subject": "a", "eventType": "t", "eventTime": "2026-01-01T00:00:00Z", "data": {}}
    event["dataVersion"] = "1"
    statuses = []
    for closed in (False, True):
        azure.arm("PATCH", TOPIC, {"properties": {"disableLocalAuth": closed}}, version=EVENT_GRID_V)
        statuses.append(azure.session.post(url, json=[event], headers={"aeg-sas-key": key}, timeout=20).status_code)
    assert statuses == [200, 401]


def test_the_events_of_a_workspace_are_listed(azure: Client) -> None:
    """By its type, and by itself."""
    of_type = "/providers/Microsoft.EventGrid/topicTypes/Microsoft.MachineLearningServices.Workspaces/eventTypes"
    for path in (of_type, f"{azure.workspace()}/providers/Microsoft.EventGrid/eventTypes"):
        listed = azure.arm("GET", path, version=EVENT_GRID_V).json()["value"]
        assert "Microsoft.MachineLearningServices.RunStatusChanged" in [one["name"] for one in listed]


@pytest.mark.parametrize(
    ("namespace", "version"),
    [("Microsoft.Resources", "2025-04-01"), ("Microsoft.Storage", STORAGE_V), ("Microsoft.MachineLearningServices", "2025-06-01")],
)
def test_every_provider_lists_its_operations(azure: Client, namespace: str, version: str) -> None:
    """For custom roles, and for people who look."""
    listed = azure.arm("GET", f"/providers/{namespace}/operations", version=version).json()["value"]
    assert all(one["name"].lower().startswith(namespace.lower()) for one in listed)
    assert listed


@pytest.mark.parametrize(("name", "reason"), [("machine", "AlreadyExists"), ("a-1", "Invalid"), ("1a", "Invalid"), ("desk", None)])
def test_the_name_of_an_instance_is_asked_for(azure: Client, name: str, reason: str | None) -> None:
    """As the SDK v1 asks, with its capitals."""
    polled(azure, azure.arm("PUT", f"{azure.workspace()}/computes/machine", INSTANCE))
    body = {"Name": name, "Type": "Microsoft.BatchAI/DataScienceInstance"}
    answer = azure.arm("POST", f"{azure.workspace('other')}/checkComputeNameAvailability", body).json()
    assert (answer["nameAvailable"], answer.get("reason")) == (reason is None, reason)
