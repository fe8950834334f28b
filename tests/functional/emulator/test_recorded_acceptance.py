"""What recordings show as taken is taken, and a GET has the keys that recorded answers have."""

from typing import Any

import pytest

from infra.local.emulator import scene
from tests.functional.emulator.bodies import PLACE, SCHEDULE
from tests.functional.emulator.client import WORKSPACES, Client
from tests.functional.emulator.conftest import ML_PYTHON
from tests.functional.emulator.provocations import COMMAND, CURATED, polled

PREVIEW = "2022-02-01-preview"
SWEEP = {
    "jobType": "Sweep",
    "objective": {"primaryMetric": "loss", "goal": "Minimize"},
    "samplingAlgorithm": {"samplingAlgorithmType": "Random"},
    "searchSpace": {"x": ["uniform", [0, 1]]},
    "limits": {"maxTotalTrials": 1},
    "trial": {"command": "echo ${{search_space.y}}", "environmentId": COMMAND["environmentId"]},
}
DATA = {"jobInputType": "mltable", "uri": "azureml://datastores/workspaceblobstore/paths/table"}
AUTOML = {
    "jobType": "AutoML",
    "taskDetails": {
        "taskType": "Classification",
        "primaryMetric": "Accuracy",
        "dataSettings": {"targetColumnName": "y", "trainingData": {"data": DATA}},
        "limitSettings": {"maxTrials": 1},
    },
}
needs_python = pytest.mark.skipif(not ML_PYTHON.exists(), reason="the prepared environment is not there")


@pytest.mark.parametrize(
    ("path", "properties", "version"),
    [
        (
            "schedules/nightly",
            {**SCHEDULE["properties"], "trigger": {**SCHEDULE["properties"]["trigger"], "timeZone": "utc"}},
            None,
        ),
        ("codes/c/versions/1", {"codeUri": "git+https://github.com/contoso/code.git"}, None),
        ("environments/ubuntu/versions/18.04:2022", {"image": "ubuntu"}, None),
        pytest.param("jobs/ray", {**COMMAND, "distribution": {"distributionType": "Ray"}}, None, marks=needs_python),
        pytest.param("jobs/sweep", SWEEP, None, marks=needs_python),
        pytest.param("jobs/automl", AUTOML, PREVIEW, marks=needs_python),
    ],
)
def test_what_was_recorded_as_taken_is_taken(azure: Client, path: str, properties: dict[str, Any], version: str | None) -> None:
    """201."""
    answer = azure.arm("PUT", f"{azure.workspace()}/{path}", {"properties": properties}, version=version or "2023-10-01")
    assert answer.status_code == 201, answer.text


def test_a_job_can_be_put_again_with_what_its_get_shows(azure: Client) -> None:
    """200: what Azure filled in is no change."""
    home = azure.workspace()
    definition = {"command": "echo", "environmentId": COMMAND["environmentId"], "outputs": {}}
    run = {"workspace": home, "run": "run-1", "status": "Completed", "days": 1, "definition": definition}
    azure.control("POST", "runs", [run])
    shown = azure.arm("GET", f"{home}/jobs/run-1").json()
    answer = azure.arm("PUT", f"{home}/jobs/run-1", {"properties": shown["properties"]})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("version", "keys"),
    [
        ("2021-07-01", {"notebookInfo", "tenantId", "sdkTelemetryAppInsightsKey"}),
        ("2022-10-01", {"notebookInfo", "tenantId", "sdkTelemetryAppInsightsKey", "v1LegacyMode"}),
        (
            "2024-04-01",
            {
                "notebookInfo", "tenantId", "sdkTelemetryAppInsightsKey", "v1LegacyMode", "softDeleteEnabled",
                "enableDataIsolation",
            },
        ),
    ],
)  # fmt: skip
def test_a_workspace_has_the_keys_of_its_api_version(azure: Client, version: str, keys: set[str]) -> None:
    """Those that came later are not there, alone and in the list."""
    arm_id = azure.workspace()
    later = {"v1LegacyMode", "softDeleteEnabled", "enableDataIsolation"} - keys
    for found in (
        azure.arm("GET", arm_id, version=version).json(),
        azure.arm("GET", WORKSPACES, version=version).json()["value"][0],
    ):
        assert keys <= set(found["properties"])
        assert not later & set(found["properties"])


@pytest.mark.parametrize(
    ("path", "body", "keys"),
    [
        (
            "datastores/mine",
            {
                "properties": {
                    "datastoreType": "AzureBlob", "accountName": scene.STORAGE_ACCOUNT, "containerName": "c",
                    "credentials": {"credentialsType": "None"},
                }
            },
            {"serviceDataAccessAuthIdentity"},
        ),
        ("environments/e/versions/1", {"properties": {"image": "ubuntu"}}, {"autoRebuild", "stage"}),
        (
            "connections/c", {"properties": {"category": "Git", "authType": "None", "target": "https://a"}},
            {"group", "isSharedToAll", "sharedUserList", "createdByWorkspaceArmId"},
        ),
        (
            "marketplaceSubscriptions/ms", {"properties": {"modelId": f"{CURATED}/models/m"}},
            {"marketplacePlan", "marketplaceSubscriptionStatus"},
        ),
    ],
)  # fmt: skip
def test_a_get_has_the_recorded_keys(azure: Client, path: str, body: dict[str, Any], keys: set[str]) -> None:
    """What Azure fills in."""
    arm_id = f"{azure.workspace()}/{path}"
    assert azure.arm("PUT", arm_id, body, version="2024-04-01").status_code in {200, 201}
    assert keys <= set(azure.arm("GET", arm_id, version="2024-04-01").json()["properties"])


def test_a_batch_endpoint_and_its_deployment_show_what_azure_fills_in(azure: Client) -> None:
    """`identity` of the endpoint; output, retries, log level and resources of the deployment."""
    arm_id = f"{azure.workspace()}/batchEndpoints/nightly"
    azure.arm("PUT", arm_id, {**PLACE, "properties": {}})
    azure.arm("PUT", f"{arm_id}/deployments/one", {**PLACE, "properties": {}})
    assert "identity" in azure.arm("GET", arm_id).json()
    filled = azure.arm("GET", f"{arm_id}/deployments/one").json()["properties"]
    assert {"outputAction", "retrySettings", "loggingLevel", "resources"} <= set(filled)


def test_a_feature_set_of_the_first_preview_has_no_status_url(azure: Client) -> None:
    """17 recorded PUTs of 2023-04-01-preview carry none; later ones do."""
    home = azure.workspace()
    body = {"properties": {"indexColumns": [{"columnName": "id", "dataType": "string"}]}}
    said = {
        version: "azure-asyncoperation"
        in azure.arm("PUT", f"{home}/featurestoreEntities/e/versions/1", body, version=version).headers
        for version in ("2023-04-01-preview", "2023-10-01")
    }
    assert said == {"2023-04-01-preview": False, "2023-10-01": True}


def test_outbound_rules_sent_at_once_remove_each_other_and_one_by_one_they_stay(azure: Client) -> None:
    """The managed network is one object: of rules under way together, the last one stays."""
    home = azure.workspace()
    rule = {"properties": {"type": "FQDN", "destination": "contoso.com"}}
    azure.control("PUT", "transitions", {"managedNetwork": "polls:1"})
    first = [azure.arm("PUT", f"{home}/outboundRules/{name}", rule) for name in ("a", "b")]
    for answer in first * 2:
        polled(azure, answer)
    assert [one["name"] for one in azure.arm("GET", f"{home}/outboundRules").json()["value"]] == ["b"]
    for name in ("c", "d"):
        answer = azure.arm("PUT", f"{home}/outboundRules/{name}", rule)
        for _ in range(2):
            polled(azure, answer)
    assert [one["name"] for one in azure.arm("GET", f"{home}/outboundRules").json()["value"]] == ["b", "c", "d"]
