"""The kinds that only have to be kept, and the rarer actions: each is created, read, listed, deleted; each action answers."""

from collections.abc import Callable
from typing import Any

import pytest

from infra.local.emulator import scene
from tests.functional.emulator.bodies import CLUSTER, VAULT
from tests.functional.emulator.client import ARM, WORKSPACES, Client, workspace_body

PREVIEW = "2024-04-01-preview"
ML = f"{scene.GROUP_ID}/providers/Microsoft.MachineLearningServices"
SET = {"specification": {"path": "azureml://datastores/workspaceblobstore/paths/set"}, "entities": ["azureml:e:1"]}


def done(azure: Client, answer: Any) -> Any:
    """Follow a first answer to its end: the last status body."""
    url = answer.headers.get("azure-asyncoperation") or answer.headers["location"]
    last = azure.session.get(url, headers={"Authorization": f"Bearer {azure.token()}"}, timeout=30)
    assert last.status_code < 300, last.text
    return last.json() if last.content else None


@pytest.mark.parametrize(
    ("path", "properties", "status", "long"),
    [
        ("featuresets/s/versions/1", SET, {"status": "Succeeded"}, 1),
        ("featurestoreEntities/e/versions/1", {"indexColumns": [{"columnName": "id", "dataType": "String"}]}, None, 1),
        ("featuresets/s", {"description": "d"}, None, 0),
        ("capabilityHosts/host", {"capabilityHostKind": "Agents"}, None, 1),
        ("privateEndpointConnections/pe", {"privateLinkServiceConnectionState": {"status": "Approved"}}, None, 0),
        ("serverlessEndpoints/sl", {"modelSettings": {"modelId": "azureml://registries/azureml/models/m"}}, None, 1),
        ("marketplaceSubscriptions/ms", {"modelId": "azureml://registries/azureml/models/m"}, None, 1),
    ],
)
def test_a_kept_kind_is_created_listed_and_deleted(
    azure: Client, path: str, properties: dict[str, Any], status: dict[str, Any] | None, long: int
) -> None:
    """201 (200 for the decision on a private endpoint), its status if it has one, the list, then 404."""
    whole = f"{azure.workspace()}/{path}"
    answer = azure.arm("PUT", whole, {"location": scene.LOCATION, "properties": properties})
    assert answer.status_code == (200 if path.startswith("privateEndpoint") else 201), answer.text
    assert ("azure-asyncoperation" in answer.headers) is bool(long)
    if long:
        said = done(azure, answer)
        assert said["status"] == "Succeeded"
        assert status is None or said == status
    assert azure.arm("GET", whole).json()["properties"]["provisioningState"] == "Succeeded"
    assert len(azure.arm("GET", whole.rpartition("/")[0]).json()["value"]) == 1
    gone = azure.arm("DELETE", whole)
    assert gone.status_code == (202 if long else 200)
    if long:
        done(azure, gone)
    assert azure.arm("GET", whole).status_code == 404
    assert azure.arm("DELETE", whole).status_code == 204


def test_the_features_are_those_of_the_sets_own_specification(
    azure: Client, upload: Callable[[str, dict[str, bytes]], str]
) -> None:
    """FeatureSetSpec.yaml is read from storage."""
    workspace = azure.workspace()
    uri = upload(workspace, {"FeatureSetSpec.yaml": b"features:\n  - {name: sum, type: long}\n  - {name: mean, type: double}\n"})
    whole = f"{workspace}/featuresets/s/versions/1"
    azure.arm("PUT", whole, {"properties": {**SET, "specification": {"path": uri}}})
    listed = azure.arm("GET", f"{whole}/features").json()["value"]
    assert [(one["name"], one["properties"]["dataType"]) for one in listed] == [("sum", "Long"), ("mean", "Double")]
    assert azure.arm("GET", f"{whole}/features/mean").status_code == 200
    assert azure.arm("GET", f"{whole}/features/other").status_code == 404


def test_a_registry_answers_as_recorded(azure: Client, upload: Callable[[str, dict[str, bytes]], str]) -> None:
    """202 empty with both headers; an asset's Location lies on the region's host; a second PUT of it is 409."""
    answer = azure.arm("PUT", f"{ML}/registries/reg", {"location": scene.LOCATION, "properties": {}})
    assert (answer.status_code, answer.content) == (202, b"")
    assert done(azure, answer) == {"status": "Succeeded", "percentComplete": 100.0}
    uri = upload(azure.workspace(), {"m.txt": b"m"})
    asset = f"{ML}/registries/reg/models/m/versions/1"
    answer = azure.arm("PUT", asset, {"properties": {"modelUri": uri}})
    assert (answer.status_code, answer.content) == (202, b"")
    assert answer.headers["location"].startswith(f"https://{scene.LOCATION}.api.azureml.ms/assetstore/v1.0/operations/")
    assert done(azure, answer) == {"assetId": "azureml://registries/reg/models/m/versions/1"}
    assert azure.arm("GET", asset).json()["properties"]["modelUri"] == uri
    assert azure.arm("PUT", asset, {"properties": {"modelUri": uri + "/other"}}).status_code in {400, 409}
    done(azure, azure.arm("DELETE", asset))
    assert azure.arm("GET", asset).status_code == 404
    done(azure, azure.arm("DELETE", f"{ML}/registries/reg"))
    assert azure.arm("GET", f"{ML}/registries/reg").status_code == 404


def test_an_asset_is_published_to_a_registry(azure: Client, upload: Callable[[str, dict[str, bytes]], str]) -> None:
    """Its files are copied, the Location ends 204."""
    workspace = azure.workspace()
    done(azure, azure.arm("PUT", f"{ML}/registries/reg", {"location": scene.LOCATION, "properties": {}}))
    azure.arm("PUT", f"{workspace}/models/m/versions/1", {"properties": {"modelUri": upload(workspace, {"m.txt": b"m"})}})
    answer = azure.arm("POST", f"{workspace}/models/m/versions/1/publish", {"registryName": "reg", "destinationName": "n"})
    assert answer.status_code == 202
    assert done(azure, answer) is None
    assert azure.arm("GET", f"{ML}/registries/reg/models/n/versions/1").status_code == 200


@pytest.mark.parametrize(
    "kind",
    ["AKS", "Kubernetes", "VirtualMachine", "HDInsight", "DataFactory", "Databricks", "DataLakeAnalytics", "SynapseSpark"],
)
def test_every_attached_compute_is_kept(azure: Client, kind: str) -> None:
    """201, Succeeded, attached."""
    body = {"properties": {"computeType": kind, "resourceId": f"{scene.GROUP_ID}/providers/X/y/z", "properties": {}}}
    whole = f"{azure.workspace()}/computes/attached"
    done(azure, azure.arm("PUT", whole, {"location": scene.LOCATION, **body}))
    found = azure.arm("GET", whole).json()["properties"]
    assert (found["computeType"], found["provisioningState"], found["isAttachedCompute"]) == (kind, "Succeeded", True)


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("updateIdleShutdownSetting", {"idleTimeBeforeShutdown": "PT30M"}),
        ("updateSchedules", {"computeStartStop": [{"action": "Stop", "triggerType": "Cron", "status": "Enabled"}]}),
        ("customServices", [{"name": "rstudio"}]),
        ("updateDataMounts", []),
        ("enableSso", {"enableSSO": True}),
        ("getAllowedVmSizesForResize", None),
    ],
)
def test_previews_change_an_instance(azure: Client, action: str, body: Any) -> None:
    """200 under the preview's api-version."""
    whole = f"{azure.workspace()}/computes/desk"
    inner = {"computeType": "ComputeInstance", "properties": {"vmSize": "Standard_DS1_v2"}}
    done(azure, azure.arm("PUT", whole, {"location": scene.LOCATION, "properties": inner}))
    url = f"{ARM}{whole}/{action}?api-version={PREVIEW}"
    answer = azure.session.post(url, json=body, headers={"Authorization": f"Bearer {azure.token()}"}, timeout=30)
    assert answer.status_code == 200, answer.text


def test_quotas_are_set_and_told(azure: Client) -> None:
    """Each with its status; more than the subscription has is refused in the status."""
    base = f"/subscriptions/{scene.SUBSCRIPTION_ID}/providers/Microsoft.MachineLearningServices/locations/{scene.LOCATION}"
    first = azure.arm("GET", f"{base}/quotas").json()["value"][0]
    wanted = {"value": [{"id": first["id"], "limit": 8}, {"id": first["id"], "limit": 10**6}]}
    answered = azure.arm("POST", f"{base}/updateQuotas", wanted).json()["value"]
    assert [one["status"] for one in answered] == ["Success", "InvalidQuotaExceedsSubscriptionLimit"]
    assert azure.arm("GET", f"{base}/quotas").json()["value"][0]["limit"] == 8


def test_a_customer_managed_key_needs_a_protected_vault(azure: Client) -> None:
    """Accepted, and the operation fails: the vault has no purge protection; with it, it succeeds."""
    key = {"keyVaultArmId": scene.KEY_VAULT_ID, "keyIdentifier": "https://steward-kv.vault.azure.net/keys/k/1"}
    body = workspace_body()
    body["properties"]["encryption"] = {"status": "Enabled", "keyVaultProperties": key}
    said = done(azure, azure.arm("PUT", f"{WORKSPACES}/secret", body))
    assert said["status"] == "Failed"
    assert "purge protection" in said["error"]["message"]
    azure.arm("PATCH", scene.KEY_VAULT_ID, {"properties": {"enablePurgeProtection": True}}, version="2023-07-01")
    assert done(azure, azure.arm("PUT", f"{WORKSPACES}/secret", body))["status"] == "Succeeded"


def test_a_template_that_cannot_be_read_is_refused_and_one_that_fails_tells_why(azure: Client) -> None:
    """InvalidTemplate at once; a resource's own refusal stands in the details of the deployment's error."""
    path = f"{scene.GROUP_ID}/providers/Microsoft.Resources/deployments/d"
    url = f"{ARM}{path}?api-version=2022-09-01"
    headers = {"Authorization": f"Bearer {azure.token()}"}

    def deploy(resources: list[dict[str, Any]]) -> Any:
        body = {"properties": {"mode": "Incremental", "template": {"resources": resources}}}
        return azure.session.put(url, json=body, headers=headers, timeout=30)

    vault = {**VAULT, "type": "Microsoft.KeyVault/vaults", "apiVersion": "2023-07-01"}
    for name in ("[concat('a']", "[nothing('a')]", "[parameters('a')]"):
        assert deploy([{**vault, "name": name}]).json()["error"]["code"] == "InvalidTemplate"
    answer = deploy([{**vault, "name": "no good name"}])
    said = azure.session.get(answer.headers["azure-asyncoperation"], headers=headers, timeout=30).json()
    assert (said["status"], said["error"]["code"]) == ("Failed", "DeploymentFailed")
    assert said["error"]["details"][0]["code"] == "VaultNameNotValid"
    answer = deploy([{**vault, "name": "[concat('kv', uniqueString('a'))]"}])
    assert azure.session.get(answer.headers["azure-asyncoperation"], headers=headers, timeout=30).json() == {"status": "Succeeded"}


def test_a_schedule_can_be_triggered_by_hand(azure: Client) -> None:
    """The job of its action is started, or refused as a PUT of it would be."""
    workspace = azure.workspace()
    done(azure, azure.arm("PUT", f"{workspace}/computes/cpu", CLUSTER))
    azure.arm("PUT", f"{workspace}/environments/env/versions/1", {"properties": {"image": "ubuntu:22.04"}})
    job = {"jobType": "Command", "command": "echo hello", "environmentId": f"{workspace}/environments/env/versions/1"}
    action = {"actionType": "CreateJob", "jobDefinition": job}
    trigger = {"triggerType": "Cron", "expression": "0 0 * * *"}
    azure.arm("PUT", f"{workspace}/schedules/nightly", {"properties": {"trigger": trigger, "action": action}})
    url = f"{ARM}{workspace}/schedules/nightly/trigger?api-version={PREVIEW}"
    headers = {"Authorization": f"Bearer {azure.token()}"}
    assert "scheduleTime" in azure.session.post(url, json={}, headers=headers, timeout=30).json()["error"]["message"]
    answer = azure.session.post(url, json={"scheduleTime": "2026-12-01T02:00:00Z"}, headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text
    assert azure.arm("GET", f"{workspace}/jobs/{answer.json()['submissionId']}").status_code == 200
