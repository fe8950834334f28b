"""The whole of the control plane in one go, by plain requests: workspace, code, job, model, endpoint, deployment, score."""

from collections.abc import Callable

import pytest

from infra.local.emulator import scene
from tests.functional.emulator.client import Client, until

TRAIN = b"""
import pathlib, joblib
from sklearn.linear_model import LinearRegression
pathlib.Path("outputs").mkdir(exist_ok=True)
joblib.dump(LinearRegression().fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0]), "outputs/model.pkl")
print("trained")
"""
SCORE = b"""
import json, os, joblib
def init():
    global model
    model = joblib.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.pkl"))
def run(raw):
    return model.predict(json.loads(raw)["data"]).tolist()
"""


def test_a_model_is_trained_registered_deployed_and_scored(azure: Client, upload: Callable[[str, dict[str, bytes]], str]) -> None:
    """Every step answers as recorded, and the score is the trained model's own prediction (y = 2x + 1)."""
    workspace = azure.workspace()
    environment = {"properties": {"image": "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04"}}
    assert azure.arm("PUT", f"{workspace}/environments/sklearn/versions/1", environment).status_code == 201
    for name, files in {"train": {"train.py": TRAIN}, "score": {"score.py": SCORE}}.items():
        code = {"properties": {"codeUri": upload(workspace, files)}}
        assert azure.arm("PUT", f"{workspace}/codes/{name}/versions/1", code).status_code == 201

    job = {
        "properties": {
            "jobType": "Command",
            "command": "python train.py",
            "codeId": f"{workspace}/codes/train/versions/1",
            "environmentId": f"{workspace}/environments/sklearn/versions/1",
            "experimentName": "fit",
        }
    }
    answer = azure.arm("PUT", f"{workspace}/jobs/fit-1", job)
    assert answer.status_code == 201, answer.text
    until(lambda: azure.arm("GET", f"{workspace}/jobs/fit-1").json()["properties"]["status"] in {"Completed", "Failed"})
    assert azure.arm("GET", f"{workspace}/jobs/fit-1").json()["properties"]["status"] == "Completed"

    model = {
        "properties": {"modelUri": "azureml://jobs/fit-1/outputs/artifacts/paths/outputs/model.pkl", "modelType": "custom_model"}
    }
    answer = azure.arm("PUT", f"{workspace}/models/line/versions/1", model)
    assert answer.status_code == 201, answer.text
    endpoint, place = f"{workspace}/onlineEndpoints/line", {"location": scene.LOCATION}
    assert azure.arm("PUT", endpoint, {**place, "properties": {"authMode": "Key"}}).status_code == 201
    deployment = {
        "model": f"{workspace}/models/line/versions/1",
        "codeConfiguration": {"codeId": f"{workspace}/codes/score/versions/1", "scoringScript": "score.py"},
        "environmentId": f"{workspace}/environments/sklearn/versions/1",
        "instanceType": "Standard_DS2_v2",
        "endpointComputeType": "Managed",
    }
    answer = azure.arm(
        "PUT", f"{endpoint}/deployments/blue", {**place, "properties": deployment, "sku": {"name": "Default", "capacity": 1}}
    )
    assert answer.status_code == 201, answer.text
    poll = answer.headers["Azure-AsyncOperation"]
    until(lambda: azure.arm("GET", poll).json()["status"] in {"Succeeded", "Failed"})
    assert azure.arm("GET", poll).json()["status"] == "Succeeded", azure.arm("GET", poll).text
    assert azure.arm("PUT", endpoint, {**place, "properties": {"authMode": "Key", "traffic": {"blue": 100}}}).status_code == 201
    assert azure.arm("GET", endpoint).json()["properties"]["traffic"] == {"blue": 100}

    key = azure.arm("POST", f"{endpoint}/listKeys").json()["primaryKey"]
    uri = azure.arm("GET", endpoint).json()["properties"]["scoringUri"]
    scored = azure.session.post(uri, json={"data": [[10.0]]}, headers={"Authorization": f"Bearer {key}"}, timeout=30)
    assert scored.status_code == 200, scored.text
    assert scored.json() == pytest.approx([21.0])
    assert "Traceback" not in azure.arm("POST", f"{endpoint}/deployments/blue/getLogs", {"tail": 50}).json()["content"]
