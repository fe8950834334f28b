"""The example rules that come with the app, as they stand, on real parts: a rollout, a better model, drift, a failed run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.emulator import scene

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLES = (Path(__file__).parents[3] / "shared" / "hooks" / "example_rules.yaml").read_text()
HOME = "workspaces/ml-hooks"
WORKSPACE_ID = f"{scene.GROUP_ID}/providers/Microsoft.MachineLearningServices/{HOME}"
SCORE = """
import json, os, pathlib
def init():
    global factor
    factor = float(next(pathlib.Path(os.environ["AZUREML_MODEL_DIR"]).rglob("model.txt")).read_text())
def run(raw):
    return [row[0] * factor for row in json.loads(raw)["data"]]
"""
TRAIN = """
import mlflow, pathlib, sys
pathlib.Path("outputs").mkdir(exist_ok=True)
pathlib.Path("outputs/model.pkl").write_text("3")
mlflow.log_metric("r2", float(sys.argv[1]))
"""
ENVIRONMENT = {
    "properties": {"image": "mcr.microsoft.com/azureml/minimal-ubuntu22.04-py39-cpu-inference:latest", "osType": "Linux"}
}

PRIVATE = {"authMode": "Key", "description": "prices of flats", "publicNetworkAccess": "Disabled"}


@pytest.fixture(scope="module")
def house(hooked: Any, zip_of: Callable[[dict[str, str]], bytes]) -> Any:
    """A cluster, an environment, and an endpoint whose deployment `blue` serves version 1 of a model."""
    app = hooked.app
    inner = {"vmSize": "Standard_D1", "vmPriority": "Dedicated", "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 2}}
    cluster = {"location": scene.LOCATION, "properties": {"computeType": "AmlCompute", "properties": inner}}
    app.done("PUT", f"{HOME}/computes/cpu-cluster", json=cluster)
    app.done("PUT", f"{HOME}/environments/training/versions/1", json=ENVIRONMENT)
    app.done("PUT", f"{HOME}/codes/scoring/versions/1", files=parts({"properties": {}}, code=zip_of({"score.py": SCORE})))
    model(hooked, 1, zip_of({"model.txt": "2"}))
    endpoint = {"location": scene.LOCATION, "identity": {"type": "SystemAssigned"}, "properties": PRIVATE}
    app.done("PUT", f"{HOME}/onlineEndpoints/flats", json=endpoint)
    properties = {
        "endpointComputeType": "Managed",
        "instanceType": "Standard_DS2_v2",
        "model": f"{WORKSPACE_ID}/models/flat/versions/1",
        "environmentId": f"{WORKSPACE_ID}/environments/training/versions/1",
        "codeConfiguration": {"codeId": f"{WORKSPACE_ID}/codes/scoring/versions/1", "scoringScript": "score.py"},
    }
    blue = {"location": scene.LOCATION, "sku": {"name": "Default", "capacity": 1}, "properties": properties}
    app.done("PUT", f"{HOME}/onlineEndpoints/flats/deployments/blue", json=blue)
    endpoint["properties"] = {**PRIVATE, "traffic": {"blue": 100}}
    app.done("PUT", f"{HOME}/onlineEndpoints/flats", json=endpoint)
    return hooked


def parts(spec: dict[str, Any], **files: bytes) -> dict[str, Any]:
    """A multipart body: the spec and a zip."""
    zips = {name: (f"{name}.zip", content, "application/zip") for name, content in files.items()}
    return {"spec": ("spec.json", json.dumps(spec), "application/json"), **zips}


def model(ground: Any, version: int, content: bytes, **tags: str) -> None:
    """Register a version of the model `flat`."""
    spec = {"properties": {"modelType": "custom_model", "tags": tags}}
    ground.app.done("PUT", f"{HOME}/models/flat/versions/{version}", files=parts(spec, model=content))


def test_a_model_for_production_is_deployed_smoke_tested_and_given_traffic(
    house: Any, ground: Any, zip_of: Callable[[dict[str, str]], bytes]
) -> None:
    """Two rules: the deployment that the first makes raises the event that the second fires on."""
    ground.rules("examples", EXAMPLES)
    model(ground, 2, zip_of({"model.txt": "3"}), stage="production", endpoint="flats", like="blue")
    (first,) = ground.ended("deploy-production-model")
    assert first["status"] == "Succeeded", first["error"]
    (second,) = ground.ended("promote-after-smoke-test")
    assert second["status"] == "Succeeded", second["error"]
    assert (first["depth"], second["depth"]) == (1, 2)
    endpoint = ground.app.get(f"{HOME}/onlineEndpoints/flats")["properties"]
    assert endpoint["traffic"] == {"flat-2": 100}
    assert {name: endpoint[name] for name in PRIVATE} == PRIVATE  # where a PUT replaces what it leaves out
    assert ground.app.send("POST", f"{HOME}/onlineEndpoints/flats/score", json={"data": [[5.0]]}).json() == [15.0]


def test_a_deployment_that_answers_wrong_gets_no_traffic(
    house: Any, ground: Any, zip_of: Callable[[dict[str, str]], bytes]
) -> None:
    """The smoke test's answer is below zero: the chain ends there, and what served before serves on."""
    before = ground.app.get(f"{HOME}/onlineEndpoints/flats")["properties"]["traffic"]
    ground.rules("examples", EXAMPLES)
    model(ground, 3, zip_of({"model.txt": "-1"}), stage="production", endpoint="flats", like="blue")
    found = ground.until(
        lambda: [each for each in ground.firings("promote-after-smoke-test") if each["status"] == "Failed"], "a failed firing"
    )
    assert found[0]["error"]["code"] == "NotExpected"
    assert ground.app.get(f"{HOME}/onlineEndpoints/flats")["properties"]["traffic"] == before
    deployed = ground.app.get(f"{HOME}/onlineEndpoints/flats/deployments/flat-3")
    assert deployed["properties"]["provisioningState"] == "Succeeded"


def test_a_run_registers_its_model_only_if_it_is_better(house: Any, ground: Any, zip_of: Callable[[dict[str, str]], bytes]) -> None:
    """The metric that the run logged against the tags of the versions in production."""
    ground.rules("examples", EXAMPLES)
    app = ground.app
    spec = {"properties": {"modelType": "custom_model", "tags": {"stage": "production", "r2": "0.8"}}}
    app.done("PUT", f"{HOME}/models/price/versions/1", files=parts(spec, model=zip_of({"model.txt": "2"})))
    begun = []
    for name, r2 in (("worse", "0.7"), ("better", "0.9")):
        job = {
            "properties": {
                "jobType": "Command",
                "command": f"python train.py {r2}",
                "environmentId": f"{WORKSPACE_ID}/environments/training/versions/1",
                "computeId": f"{WORKSPACE_ID}/computes/cpu-cluster",
                "tags": {"registerAs": "price"},
            }
        }
        begun.append(app.send("PUT", f"{HOME}/jobs/{name}", files=parts(job, code=zip_of({"train.py": TRAIN})), expect=202))
    assert [app.follow(each).status for each in begun] == ["Succeeded", "Succeeded"]
    found = ground.ended("register-better-model", 2)
    ends = {each["event"]["subject"].rpartition("/")[2]: each["status"] for each in found}
    assert ends == {"worse": "Succeeded", "better": "Succeeded"}
    versions = app.get(f"{HOME}/models/price/versions")["value"]
    assert [(each["name"], each["properties"]["tags"].get("r2")) for each in versions] == [("1", "0.8"), ("2", "0.9")]


def test_drift_starts_a_training_job_once(house: Any, ground: Any) -> None:
    """The event comes twice, one job runs; drift below the rule's limit starts none."""
    ground.rules("examples", EXAMPLES)
    data = {"DataDriftId": "d1", "RunId": "r1", "TargetDatasetId": "flats", "DriftCoefficient": 0.6}
    event = ground.happens("DatasetDriftDetected", "datadrift/d1/run/r1", data)
    ground.happens("DatasetDriftDetected", "datadrift/d1/run/r1", data, id=event["id"])
    ground.happens("DatasetDriftDetected", "datadrift/d2/run/r2", {**data, "DataDriftId": "d2", "DriftCoefficient": 0.1})
    (firing,) = ground.ended("retrain-on-drift")
    assert firing["status"] == "Succeeded", firing["error"]
    ground.quiet()
    jobs = [job for job in ground.app.list(f"{HOME}/jobs") if job["properties"]["experimentName"] == "retraining"]
    assert [job["properties"]["tags"]["because"] for job in jobs] == ["drift of 0.6"]
    assert jobs[0]["properties"]["status"] == "Completed"


def test_a_failed_run_is_told_of(house: Any, ground: Any) -> None:
    """By Azure's event, whoever started the run; the receiver is a queue that the settings name."""
    ground.rules("examples", EXAMPLES)
    job = {
        "jobType": "Command",
        "command": "exit 3",
        "environmentId": f"{WORKSPACE_ID}/environments/training/versions/1",
        "computeId": f"{WORKSPACE_ID}/computes/cpu-cluster",
    }
    path = f"{WORKSPACE_ID}/jobs/fails"
    assert ground.arm("PUT", path, {"properties": job}, version="2025-12-01").status_code == 201
    event = ground.until(lambda: [each for each in ground.told() if each["type"] == "contoso.run.failed"], "a notification")[0]
    assert (event["data"]["run"], event["data"]["workspace"]) == ("fails", "ml-hooks")
