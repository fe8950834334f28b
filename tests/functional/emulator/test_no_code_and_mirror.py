"""MLflow models are deployed without any code, those of AutoML too; a share of an endpoint's requests is mirrored."""

from collections.abc import Callable
from typing import Any

import pytest
import requests

from infra.local.emulator import scene
from tests.functional.emulator.bodies import PLACE
from tests.functional.emulator.client import Client, until

pytestmark = pytest.mark.nightly

type Upload = Callable[[str, dict[str, bytes]], str]
ROWS = "\n".join(
    ["size,kind,price", *(f"{n},{'big' if n > 20 else 'small'},{n * 3 + (40 if n > 20 else 0)}" for n in range(1, 41))]
)
# A model of a flavor that nobody else has: its own code says how it is loaded.
OWN = {
    "MLmodel": b"flavors:\n  python_function: {loader_module: own_loader, data: factor.txt, code: code}\n",
    "factor.txt": b"3",
    "code/own_loader.py": b"""
class Times:
    def __init__(self, factor):
        self.factor = factor
    def predict(self, data):
        return data[:, 0] * self.factor
def _load_pyfunc(path):
    return Times(float(open(path).read()))
""",
}


@pytest.fixture
def workspace(azure: Client) -> str:
    """A workspace with an endpoint `line`, opened by a key."""
    arm_id = azure.workspace()
    made(azure, f"{arm_id}/onlineEndpoints/line", {**PLACE, "properties": {"authMode": "Key"}})
    return arm_id


def made(azure: Client, arm_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """PUT and follow to the end."""
    answer = azure.arm("PUT", arm_id, body)
    assert answer.status_code in {200, 201}, answer.text
    url, status = answer.headers["azure-asyncoperation"], {}

    def ended() -> bool:
        status.update(azure.arm("GET", url).json())
        return status["status"] in {"Succeeded", "Failed"}

    until(ended)
    return status


def deploy(azure: Client, workspace: str, name: str, uri: str) -> dict[str, Any]:
    """A deployment of an MLflow model and nothing else."""
    model = f"{workspace}/models/{name}/versions/1"
    answer = azure.arm("PUT", model, {"properties": {"modelUri": uri, "modelType": "mlflow_model"}})
    assert answer.status_code == 201, answer.text
    properties = {"model": model, "instanceType": "Standard_DS2_v2", "endpointComputeType": "Managed"}
    return made(azure, f"{workspace}/onlineEndpoints/line/deployments/{name}", {**PLACE, "properties": properties})


def score(azure: Client, workspace: str, body: Any, **headers: str) -> requests.Response:
    """One call of the endpoint."""
    key = azure.arm("POST", f"{workspace}/onlineEndpoints/line/listKeys").json()["primaryKey"]
    url = f"https://line.{scene.LOCATION}.inference.ml.azure.com/score"
    return azure.session.post(url, json=body, headers={"Authorization": f"Bearer {key}", **headers}, timeout=30)


def log(azure: Client, workspace: str, name: str) -> str:
    """A deployment's server log."""
    path = f"{workspace}/onlineEndpoints/line/deployments/{name}/getLogs"
    return str(azure.arm("POST", path, {"containerType": "InferenceServer", "tail": 500}).json()["content"])


@pytest.mark.nightly
def test_the_model_that_automl_made_is_served_and_scores_files_without_code(azure: Client, upload: Upload, workspace: str) -> None:
    """Columns by name in any order; what the signature lacks is a 400 of the model; CSV files go through a batch endpoint."""
    table = "paths: [{file: rows.csv}]\ntransformations: [{read_delimited: {delimiter: ','}}]\n"
    uri = upload(workspace, {"MLTable": table.encode(), "rows.csv": ROWS.encode()})
    details = {
        "taskType": "Regression",
        "targetColumnName": "price",
        "trainingData": {"jobInputType": "mltable", "uri": uri},
        "limitSettings": {"maxTrials": 1},
        "trainingSettings": {"allowedTrainingAlgorithms": ["DecisionTree"]},
    }
    azure.arm("PUT", f"{workspace}/jobs/learn", {"properties": {"jobType": "AutoML", "taskDetails": details}})
    until(lambda: azure.arm("GET", f"{workspace}/jobs/learn").json()["properties"]["status"] in {"Completed", "Failed"})
    status = deploy(azure, workspace, "best", "azureml://jobs/learn/outputs/best_model/paths/")
    assert status["status"] == "Succeeded", log(azure, workspace, "best")
    made(azure, f"{workspace}/onlineEndpoints/line", {**PLACE, "properties": {"authMode": "Key", "traffic": {"best": 100}}})
    given = {"input_data": {"columns": ["kind", "size"], "index": [0, 1], "data": [["small", 10], ["big", 30]]}}
    answer = score(azure, workspace, given)
    assert answer.status_code == 200, answer.text
    assert answer.json() == pytest.approx([30, 130], abs=8)
    missing = score(azure, workspace, {"input_data": {"columns": ["kind"], "data": [["small"]]}})
    assert (missing.status_code, missing.headers["ms-azureml-model-error-statuscode"]) == (424, "400")
    assert "['size']" in missing.text
    assert scored_files(azure, workspace, upload(workspace, {"new.csv": b"size,kind\n10,small\n30,big\n"})) == [
        ["0", pytest.approx(30, abs=8), "new.csv"],
        ["1", pytest.approx(130, abs=8), "new.csv"],
    ]


def scored_files(azure: Client, workspace: str, uri: str) -> list[list[Any]]:
    """The rows that a batch deployment of the same model writes."""
    endpoint = f"{workspace}/batchEndpoints/files"
    made(azure, endpoint, {**PLACE, "properties": {"authMode": "AADToken"}})
    model = {"referenceType": "Id", "assetId": f"{workspace}/models/best/versions/1"}
    made(azure, f"{endpoint}/deployments/blue", {**PLACE, "properties": {"model": model}})
    headers = {"Authorization": f"Bearer {azure.token('https://ml.azure.com')}", "azureml-model-deployment": "blue"}
    body = {"properties": {"InputData": {"in": {"JobInputType": "UriFolder", "Uri": uri}}}}
    url = f"https://files.{scene.LOCATION}.inference.ml.azure.com/jobs"
    name = azure.session.post(url, json=body, headers=headers, timeout=30).json()["name"]
    until(lambda: azure.arm("GET", f"{workspace}/jobs/{name}").json()["properties"]["status"] in {"Completed", "Failed"})
    show = {
        "jobType": "Command",
        "command": "sed s/^/row:/ ${{inputs.made}}/predictions.csv",
        "environmentId": "azureml://registries/azureml/environments/plain",
        "inputs": {"made": {"jobInputType": "uri_folder", "uri": f"azureml://jobs/{name}/outputs/score/paths/"}},
    }
    azure.arm("PUT", f"{workspace}/jobs/show", {"properties": show})
    until(lambda: azure.arm("GET", f"{workspace}/jobs/show").json()["properties"]["status"] in {"Completed", "Failed"})
    details = f"https://{scene.LOCATION}.api.azureml.ms/history/v1.0{workspace}/runs/show/details"
    (where,) = azure.arm("GET", details).json()["logFiles"].values()
    found = [line[4:].split() for line in azure.session.get(where, timeout=30).text.splitlines() if line.startswith("row:")]
    return [[number, float(price), file] for number, price, file in found]


def test_half_of_the_requests_reach_the_mirror_and_its_answers_nobody(azure: Client, upload: Upload, workspace: str) -> None:
    """Every answer is the live deployment's; the mirror's own log shows that it was asked, but not for pinned requests."""
    uri = upload(workspace, OWN)
    for name in ("live", "mirror"):
        assert deploy(azure, workspace, name, uri)["status"] == "Succeeded", log(azure, workspace, name)
    shares = {"traffic": {"live": 100}, "mirrorTraffic": {"mirror": 50}}
    made(azure, f"{workspace}/onlineEndpoints/line", {**PLACE, "properties": {"authMode": "Key", **shares}})
    for refused in ({"mirror": 60}, {"live": 10}):  # more than half; what gets live traffic
        body = {**PLACE, "properties": {"authMode": "Key", "traffic": {"live": 100}, "mirrorTraffic": refused}}
        assert "InvalidMirrorTraffic" in azure.arm("PUT", f"{workspace}/onlineEndpoints/line", body).text
    for _ in range(20):
        score(azure, workspace, {"input_data": [[1]]}, **{"azureml-model-deployment": "live"})
    assert "POST /score 200" not in log(azure, workspace, "mirror")
    answers = []

    def asked() -> bool:
        answers.append(score(azure, workspace, {"input_data": [[2]]}))
        return "POST /score 200" in log(azure, workspace, "mirror")

    until(asked)
    assert {(one.status_code, one.headers["azureml-model-deployment"], one.text) for one in answers} == {(200, "live", "[6.0]")}


@pytest.mark.parametrize("shares", [{"absent": 10}, {"a": 10, "b": 10}, {"a": "10"}])
def test_a_mirror_that_azure_does_not_allow_is_refused(azure: Client, workspace: str, shares: dict[str, Any]) -> None:
    """400 InvalidMirrorTraffic."""
    body = {**PLACE, "properties": {"authMode": "Key", "mirrorTraffic": shares}}
    answer = azure.arm("PUT", f"{workspace}/onlineEndpoints/line", body)
    assert answer.status_code == 400
    assert "InvalidMirrorTraffic" in answer.text


def test_a_model_without_its_description_fails_and_says_so(azure: Client, upload: Upload, workspace: str) -> None:
    """ResourceNotReady, naming the file that is missing."""
    status = deploy(azure, workspace, "empty", upload(workspace, {"model.pkl": b"x"}))
    assert (status["status"], "MLmodel" in status["error"]["message"]) == ("Failed", True)
