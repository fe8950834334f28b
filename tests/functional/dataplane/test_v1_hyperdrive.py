"""Hyperparameter tuning v1: a form with the config starts a sweep of v1 runs on a project; by plain requests."""

import io
import json
import zipfile
from typing import Any

import pytest

from infra.local.emulator import scene

pytestmark = pytest.mark.nightly

API = f"https://{scene.LOCATION}.api.azureml.ms"
TRIAL = """
import os, sys, requests
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
url = os.environ["MLFLOW_TRACKING_URI"].replace("azureml", "https", 1) + "/api/2.0/mlflow/runs/log-metric"
headers = {"Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"]}
body = {"run_id": os.environ["MLFLOW_RUN_ID"], "key": "score", "value": float(given["--x"]), "timestamp": 1}
requests.post(url, json=body, headers=headers).raise_for_status()
"""


def project() -> bytes:
    """A zip with the script of a trial."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("trial.py", TRIAL)
    return buffer.getvalue()


def config(snapshot: str | None = None, **change: Any) -> dict[str, Any]:
    """A grid over two values, on the cluster of the tests."""
    overrides = {"Script": "trial.py", "Arguments": ["--kept", "yes"], "Target": "cpu-compute", "Framework": "Python"}
    return {
        "name": "tuning",
        "user": "somebody",
        "platform": "AML",
        "platform_config": {"Definition": {"Overrides": overrides, "SnapshotId": snapshot}},
        "generator_config": {"name": "GRID", "parameter_space": {"--x": ["choice", [[0.1, 0.9]]]}},
        "primary_metric_config": {"name": "score", "goal": "MAXIMIZE"},
        "policy_config": {"name": "DEFAULT"},
        "max_total_jobs": 3,
        "max_concurrent_jobs": 2,
        **change,
    }


@pytest.fixture
def tune(azure, lab):
    """Posts a config, with a project beside it or not."""

    def post(asked, content=None):
        files = {"config": ("config.json", json.dumps(asked))}
        if content is not None:
            files["projectZipFile"] = ("project.zip", content)
        return azure.call("POST", f"{API}/hyperdrive/v1.0{lab}/experiments/tuned/runs", files=files)

    return post


@pytest.fixture
def history(azure, lab):
    """One GET of run history."""
    return lambda path: azure.call("GET", f"{API}/history/v1.0{lab}/runs/{path}").json()


def test_a_snapshot_of_an_earlier_run_is_tuned_and_the_best_is_named(azure, lab, tune, history, until):
    """201 as the official example shows it; the trials are v1 runs whose script got the parameter."""
    definition = {"Configuration": {"Script": "trial.py", "Arguments": ["--x", "0"], "Target": "cpu-compute"}}
    files = {"projectZipFile": ("p.zip", project()), "runDefinitionFile": ("d.json", json.dumps(definition))}
    first = azure.call("POST", f"{API}/execution/v1.0{lab}/experiments/tuned/startrun", files=files).json()["runId"]
    answer = tune(config(history(first)["properties"]["ContentSnapshotId"]))
    assert (answer.status_code, answer.json()["code"]) == (201, 201), answer.text
    result = answer.json()["result"]
    assert (result["status"], result["max_total_jobs"], result["generator_config"]["name"]) == ("Running", 3, "GRID")
    run_id = result["hyperdrive_run_id"]
    until(lambda: history(run_id)["status"] in {"Completed", "Failed"})
    run = history(run_id)
    assert (run["status"], run["runType"], run["experimentName"]) == ("Completed", "hyperdrive", "tuned"), run["error"]
    trials = {one["runId"]: one for one in history(f"{run_id}/children")["value"]}
    assert sorted(json.loads(one["tags"]["hyperparameters"])["--x"] for one in trials.values()) == [0.1, 0.9]
    assert {one["runType"] for one in trials.values()} == {"azureml.scriptrun"}
    assert trials[run["properties"]["best_child_run_id"]]["tags"]["hyperparameters"] == '{"--x": 0.9}'


def test_a_project_may_come_along_and_a_cancel_ends_the_trials(azure, lab, tune, history, until):
    """The cancel answers as the official example; nothing runs afterwards."""
    slow = {"Script": "trial.py", "Target": "cpu-compute", "Arguments": []}
    asked = config(platform_config={"Definition": {"Overrides": slow}})
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("trial.py", "import time; time.sleep(600)")
    run_id = tune(asked, buffer.getvalue()).json()["result"]["hyperdrive_run_id"]
    until(lambda: any(one["status"] == "Running" for one in history(f"{run_id}/children")["value"]))
    answer = azure.call("POST", f"{API}/hyperdrive/v1.0{lab}/runs/{run_id}/cancel")
    assert answer.json() == {"code": 200, "result": f"Cancellation requested for {run_id}"}
    until(lambda: history(run_id)["status"] == "Canceled")
    assert {one["status"] for one in history(f"{run_id}/children")["value"]} == {"Canceled"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"user": None}, "user is required"),
        ({"platform": "Spark"}, "AML"),
        ({"platform_config": {"Definition": {"Overrides": {"Script": "trial.py", "Target": "none"}}}}, "none"),
        ({"platform_config": {"Definition": {"Overrides": {"Script": "absent.py", "Target": "cpu-compute"}}}}, "absent.py"),
        ({"generator_config": {"name": "MAGIC", "parameter_space": {"x": ["choice", [[1]]]}}}, "BAYESIANOPTIMIZATION"),
        ({"generator_config": {"name": "GRID", "parameter_space": {"x": ["uniform", [0, 1]]}}}, "choices only"),
        ({"generator_config": {"name": "RANDOM", "parameter_space": {}}}, "parameter_space"),
        ({"primary_metric_config": {"name": "score", "goal": "BE_GOOD"}}, "goal"),
        ({"policy_config": {"name": "Luck"}}, "Luck"),
        ({"policy_config": {"name": "Bandit", "properties": {"slack_factor": "much"}}}, "not numbers"),
        ({"max_total_jobs": 0}, "max_total_jobs"),
    ],
)
def test_a_config_that_cannot_run_is_refused_in_hyperdrives_own_shape(tune, change, message):
    """400 `{"code","message"}`, and no run."""
    answer = tune(config(**change), project())
    assert (answer.status_code, answer.json()["code"]) == (400, 400), answer.text
    assert message in answer.json()["message"]


def test_a_config_without_code_or_of_no_json_is_refused(azure, lab, tune):
    """Neither a snapshot nor a project; no form; no run to cancel."""
    assert "SnapshotNotFound" in tune(config()).text or "snapshot" in tune(config()).json()["message"]
    url = f"{API}/hyperdrive/v1.0{lab}/runs"
    assert azure.call("POST", url, files={"config": "{"}).json()["code"] == 400
    assert azure.call("POST", url, json={}).json()["code"] == 415
    assert azure.call("POST", f"{url}/none/cancel").json()["code"] == 404
