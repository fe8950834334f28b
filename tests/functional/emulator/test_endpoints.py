"""Online endpoints and deployments: traffic, keys, tokens, and deployments that fail where Azure lets them fail."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.functional.emulator.bodies import PLACE
from tests.functional.emulator.client import Client, until

SCORE = b"def init():\n    pass\ndef run(raw):\n    return raw\n"


@pytest.fixture
def endpoint(azure: Client) -> str:
    """A finished endpoint, opened by keys."""
    arm_id = f"{azure.workspace()}/onlineEndpoints/line"
    azure.arm("GET", azure.arm("PUT", arm_id, {**PLACE, "properties": {"authMode": "Key"}}).headers["azure-asyncoperation"])
    return arm_id


@pytest.fixture
def deploy(azure: Client, endpoint: str, upload: Callable[[str, dict[str, bytes]], str]) -> Callable[[str, bytes], dict[str, Any]]:
    """Deploys a script under a name and waits: the last status body."""
    workspace = endpoint.partition("/onlineEndpoints")[0]
    azure.arm("PUT", f"{workspace}/environments/env/versions/1", {"properties": {"image": "python:3"}})

    def put(name: str, script: bytes) -> dict[str, Any]:
        code = {"properties": {"codeUri": upload(workspace, {"score.py": script})}}
        assert azure.arm("PUT", f"{workspace}/codes/{name}/versions/1", code).status_code == 201
        properties = {
            "codeConfiguration": {"codeId": f"azureml:{name}:1", "scoringScript": "score.py"},
            "environmentId": "azureml:env:1",
            "instanceType": "Standard_DS2_v2",
        }
        answer = azure.arm("PUT", f"{endpoint}/deployments/{name}", {**PLACE, "properties": properties})
        assert answer.status_code == 201, answer.text
        poll = answer.headers["azure-asyncoperation"]
        until(lambda: azure.arm("GET", poll).json()["status"] != "Updating")
        return dict(azure.arm("GET", poll).json())

    return put


def test_traffic_goes_to_ready_deployments_and_sums_to_0_or_100(azure: Client, endpoint: str, deploy: Callable[..., Any]) -> None:
    """Refused at once otherwise; a deployment with traffic is deleted only in words: its operation fails."""
    assert deploy("blue", SCORE)["status"] == "Succeeded"

    def traffic(shares: dict[str, int]) -> Any:
        return azure.arm("PUT", endpoint, {**PLACE, "properties": {"authMode": "Key", "traffic": shares}})

    for shares in ({"blue": 50}, {"blue": 101}, {"green": 100}):
        assert traffic(shares).status_code == 400
    assert azure.arm("GET", traffic({"blue": 100}).headers["azure-asyncoperation"]).json()["status"] == "Succeeded"
    refused = azure.arm("DELETE", f"{endpoint}/deployments/blue")
    assert refused.status_code == 202
    status = azure.arm("GET", refused.headers["azure-asyncoperation"]).json()
    assert (status["status"], status["percentComplete"]) == ("Failed", 100.0)
    assert azure.arm("GET", f"{endpoint}/deployments/blue").json()["properties"]["provisioningState"] == "Succeeded"
    azure.arm("GET", traffic({"blue": 0}).headers["azure-asyncoperation"])
    gone = azure.arm("DELETE", f"{endpoint}/deployments/blue")
    assert azure.arm("GET", gone.headers["azure-asyncoperation"]).json()["status"] == "Succeeded"
    assert azure.arm("GET", f"{endpoint}/deployments/blue").status_code == 404
    assert azure.arm("GET", endpoint).json()["properties"]["traffic"] == {}


def test_a_script_that_does_not_start_fails_the_operation_and_leaves_its_log(
    azure: Client, endpoint: str, deploy: Callable[..., Any]
) -> None:
    """ResourceNotReady with the pointer to the logs; getLogs shows the user's own traceback."""
    status = deploy("blue", b"def init():\n    raise RuntimeError('no model here')\ndef run(raw):\n    return raw\n")
    assert status["status"] == "Failed"
    assert status["error"]["code"] == "ResourceNotReady"
    assert azure.arm("GET", f"{endpoint}/deployments/blue").json()["properties"]["provisioningState"] == "Failed"
    logs = azure.arm("POST", f"{endpoint}/deployments/blue/getLogs", {"containerType": "InferenceServer", "tail": 100})
    assert "no model here" in logs.json()["content"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"model": "azureml:none:1"}, "ModelNotFound"),
        ({"environmentId": "azureml:none:1"}, "EnvironmentNotFound"),
        ({"instanceType": "Standard_Huge"}, "InvalidInstanceType"),
        ({"codeConfiguration": {"codeId": "azureml:blue:1"}}, "ValidationError"),
        ({"sku": {"capacity": 51}}, "InvalidCapacity"),
    ],
)
def test_a_deployment_that_names_nothing_real_is_refused_early(
    azure: Client, endpoint: str, deploy: Callable[..., Any], change: dict[str, Any], says: str
) -> None:
    """400 UserError, the useful code inside."""
    deploy("blue", SCORE)
    properties = {
        "codeConfiguration": {"codeId": "azureml:blue:1", "scoringScript": "score.py"},
        "environmentId": "azureml:env:1",
        "instanceType": "Standard_DS2_v2",
        **{name: value for name, value in change.items() if name != "sku"},
    }
    body = {**PLACE, "properties": properties, **({"sku": change["sku"]} if "sku" in change else {})}
    answer = azure.arm("PUT", f"{endpoint}/deployments/green", body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "UserError"), answer.text
    assert says in answer.text


def test_a_deployment_waits_for_its_endpoint(azure: Client, endpoint: str) -> None:
    """409 while the endpoint is Updating; 404 ParentResourceNotFound without one."""
    azure.control("PUT", "transitions", {"onlineEndpoint": "polls:5"})
    azure.arm("PUT", endpoint, {**PLACE, "properties": {"authMode": "Key"}})
    body = {**PLACE, "properties": {"environmentId": "azureml:env:1"}}
    assert azure.arm("PUT", f"{endpoint}/deployments/blue", body).status_code == 409
    missing = azure.arm("PUT", f"{endpoint}-none/deployments/blue", body)
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "ParentResourceNotFound")


def test_an_endpoint_name_is_unique_in_its_region(azure: Client, endpoint: str) -> None:
    """400 from another workspace; a workspace of another region may use it."""
    other = azure.workspace("other-lab")
    answer = azure.arm("PUT", f"{other}/onlineEndpoints/line", {**PLACE, "properties": {"authMode": "Key"}})
    assert (answer.status_code, "unique within a region" in answer.text) == (400, True)
    far = azure.workspace("far-lab", location="northeurope")
    assert azure.arm("PUT", f"{far}/onlineEndpoints/line", {**PLACE, "properties": {"authMode": "Key"}}).status_code == 201


def test_tokens_are_for_aml_token_endpoints_and_in_epoch_seconds(azure: Client) -> None:
    """ListKeys answers null twice for what is not opened by keys."""
    arm_id = f"{azure.workspace()}/onlineEndpoints/line"
    azure.arm("GET", azure.arm("PUT", arm_id, {**PLACE, "properties": {"authMode": "amltoken"}}).headers["azure-asyncoperation"])
    assert azure.arm("POST", f"{arm_id}/listKeys").json() == {"primaryKey": None, "secondaryKey": None}
    token = azure.arm("POST", f"{arm_id}/token").json()
    assert set(token) == {"accessToken", "tokenType", "expiryTimeUtc", "refreshAfterTimeUtc"}
    assert isinstance(token["expiryTimeUtc"], int)
