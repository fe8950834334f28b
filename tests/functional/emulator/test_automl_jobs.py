"""AutoML over tables: candidates are fitted on the job's own data as child runs, the best becomes the job's model."""

import datetime as dt
import random
from collections.abc import Callable
from typing import Any

import pytest

from infra.local.emulator import scene
from tests.functional.emulator.bodies import CLUSTER
from tests.functional.emulator.client import Client, until

pytestmark = pytest.mark.nightly

DELIMITED = "paths:\n  - file: ./rows.csv\ntransformations:\n  - read_delimited: {delimiter: ',', header: all_files_same_headers}\n"
type Upload = Callable[[str, dict[str, bytes]], str]


def customers() -> bytes:
    """Whoever pays more than 60 a month on a short contract leaves, nobody else."""
    luck = random.Random(7)  # noqa: S311 - reproducible rows, no secret
    rows = [(luck.randint(20, 120), luck.choice(["month", "year"]), luck.randint(1, 70)) for _ in range(120)]
    lines = [
        f"{bill},{contract},{months},{'yes' if bill > 60 and contract == 'month' else 'no'}" for bill, contract, months in rows
    ]
    return "\n".join(["bill,contract,months,left", *lines]).encode()


def sales() -> bytes:
    """Eight weeks of two shops: the same pattern each week."""
    start = dt.date(2026, 1, 5)
    days = [(start + dt.timedelta(days=n), shop, n % 7 + shop * 10) for n in range(56) for shop in (1, 2)]
    return "\n".join(["day,shop,sold", *(f"{day},{shop},{sold}" for day, shop, sold in days)]).encode()


def table(azure: Client, upload: Upload, workspace: str, rows: bytes) -> dict[str, str]:
    """An MLTable data asset as a job's input."""
    uri = upload(workspace, {"MLTable": DELIMITED.encode(), "rows.csv": rows})
    asset = f"{workspace}/data/rows/versions/1"
    assert azure.arm("PUT", asset, {"properties": {"dataType": "mltable", "dataUri": uri}}).status_code == 201
    return {"jobInputType": "mltable", "uri": asset}


def remote_table(azure: Client, upload: Upload, workspace: str, rows: bytes) -> dict[str, str]:
    """An MLTable whose files lie elsewhere in the workspace's storage."""
    elsewhere = upload(workspace, {"part/one.csv": rows, "part/other.txt": b"no table"})
    text = f"paths: [{{pattern: {elsewhere}/part/*.csv}}]\ntransformations: [{{read_delimited: {{}}}}, {{drop_columns: [noise]}}]\n"
    return {"jobInputType": "mltable", "uri": upload(workspace, {"MLTable": text.encode()})}


def details(data: dict[str, str], **change: Any) -> dict[str, Any]:
    """A classification that tries two algorithms."""
    return {
        "taskType": "Classification",
        "targetColumnName": "left",
        "primaryMetric": "Accuracy",
        "trainingData": data,
        "nCrossValidations": {"mode": "Custom", "value": 3},
        "limitSettings": {"maxTrials": 3, "maxConcurrentTrials": 2},
        "trainingSettings": {"allowedTrainingAlgorithms": ["DecisionTree", "BernoulliNaiveBayes"], "enableStackEnsemble": False},
        **change,
    }


def finished(azure: Client, workspace: str, name: str) -> dict[str, Any]:
    """A job's properties after its end."""
    until(lambda: azure.arm("GET", f"{workspace}/jobs/{name}").json()["properties"]["status"] in {"Completed", "Failed"})
    return dict(azure.arm("GET", f"{workspace}/jobs/{name}").json()["properties"])


def history(azure: Client, workspace: str, path: str) -> Any:
    """A page of run history."""
    return azure.arm("GET", f"https://{scene.LOCATION}.api.azureml.ms/history/v1.0{workspace}/runs/{path}").json()


def test_a_classification_names_the_child_that_learned_the_rule(azure: Client, upload: Upload) -> None:
    """The tree beats naive Bayes on a rule of two columns; its MLflow model is the output `best_model`."""
    workspace = azure.workspace()
    azure.arm("PUT", f"{workspace}/computes/cpu", CLUSTER)
    body = {
        "jobType": "AutoML",
        "computeId": f"{workspace}/computes/cpu",
        "taskDetails": details(table(azure, upload, workspace, customers())),
        "outputs": {"best_model": {"jobOutputType": "mlflow_model"}},
    }
    answer = azure.arm("PUT", f"{workspace}/jobs/churn", {"properties": body})
    assert answer.status_code == 201, answer.text
    job = finished(azure, workspace, "churn")
    assert job["status"] == "Completed", history(azure, workspace, "churn")
    children = {one["runId"]: one for one in history(azure, workspace, "churn/children")["value"]}
    algorithms = {one["properties"]["run_algorithm"]: float(one["properties"]["score"]) for one in children.values()}
    assert set(algorithms) == {"DecisionTree", "BernoulliNaiveBayes", "VotingEnsemble"}
    assert algorithms["DecisionTree"] > 0.95 > algorithms["BernoulliNaiveBayes"]
    best = job["tags"]["automl_best_child_run_id"]
    assert float(children[best]["properties"]["score"]) == max(algorithms.values())
    assert job["outputs"]["best_model"]["uri"] == f"azureml://jobs/{best}/outputs/artifacts/paths/outputs/mlflow-model/"
    artifacts = {one["path"] for one in history(azure, workspace, f"{best}/artifacts")["value"]}
    assert {"outputs/model.pkl", "outputs/mlflow-model/MLmodel", "outputs/mlflow-model/model.pkl"} <= artifacts


@pytest.mark.nightly
def test_a_forecast_holds_the_last_days_out_and_finds_the_season(azure: Client, upload: Upload) -> None:
    """Next week as last week has no error here; the average has one."""
    workspace = azure.workspace()
    body = {
        "jobType": "AutoML",
        "taskDetails": {
            "taskType": "Forecasting",
            "targetColumnName": "sold",
            "trainingData": remote_table(azure, upload, workspace, sales()),
            "forecastingSettings": {
                "timeColumnName": "day",
                "timeSeriesIdColumnNames": ["shop"],
                "forecastHorizon": {"mode": "Custom", "value": 7},
            },
            "limitSettings": {"maxTrials": 2},
            "trainingSettings": {"allowedTrainingAlgorithms": ["SeasonalNaive", "Average"]},
        },
    }
    azure.arm("PUT", f"{workspace}/jobs/forecast", {"properties": body})
    job = finished(azure, workspace, "forecast")
    assert job["status"] == "Completed", history(azure, workspace, "forecast")
    best = history(azure, workspace, job["tags"]["automl_best_child_run_id"])
    assert best["properties"]["run_algorithm"] == "SeasonalNaive"
    assert float(best["properties"]["score"]) == pytest.approx(0)


def test_data_without_the_target_fails_with_the_name_of_the_column(azure: Client, upload: Upload) -> None:
    """The trials fail, and the job says why."""
    workspace = azure.workspace()
    data = table(azure, upload, workspace, b"a,b\n1,2\n3,4\n")
    limits = {"limitSettings": {"maxTrials": 1}}
    azure.arm("PUT", f"{workspace}/jobs/bad", {"properties": {"jobType": "AutoML", "taskDetails": details(data, **limits)}})
    assert finished(azure, workspace, "bad")["status"] == "Failed"
    error = history(azure, workspace, "bad")["error"]["error"]
    assert error["innerError"]["code"] == "AllTrialsFailed"
    assert "The column 'left' is not in the data" in error["message"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"taskType": "ImageClassification"}, "GPU"),
        ({"taskType": "TextNER"}, "GPU"),
        ({"taskType": "Guessing"}, "taskType"),
        ({"targetColumnName": None}, "targetColumnName"),
        ({"primaryMetric": "R2Score"}, "primaryMetric"),
        ({"trainingData": None}, "trainingData"),
        ({"limitSettings": {"maxTrials": 0}}, "maxTrials"),
        ({"trainingSettings": {"allowedTrainingAlgorithms": ["LightGBM"]}}, "no library for LightGBM"),
        ({"trainingSettings": {"allowedTrainingAlgorithms": ["Magic"]}}, "Magic"),
        ({"taskType": "Forecasting", "primaryMetric": None, "trainingSettings": {}}, "timeColumnName"),
    ],
)
def test_an_automl_job_that_could_never_run_is_refused_at_once(azure: Client, change: dict[str, Any], message: str) -> None:
    """400, naming what is wrong; no job exists."""
    workspace = azure.workspace()
    given = details({"jobInputType": "mltable", "uri": "azureml:rows:1"}, **change)
    answer = azure.arm("PUT", f"{workspace}/jobs/a", {"properties": {"jobType": "AutoML", "taskDetails": given}})
    assert answer.status_code == 400, answer.text
    assert message in answer.json()["error"]["message"]


@pytest.mark.nightly
def test_a_pipeline_uses_the_model_that_its_automl_step_made(azure: Client, upload: Upload) -> None:
    """The step behind it reads the MLflow model's folder."""
    workspace = azure.workspace()
    azure.arm("PUT", f"{workspace}/environments/env/versions/1", {"properties": {"image": "ubuntu:22.04"}})
    spec = {
        "type": "command",
        "name": "look",
        "inputs": {"model": {"type": "mlflow_model"}},
        "environment": f"azureml:{workspace}/environments/env/versions/1",
        "command": "grep loader_module ${{inputs.model}}/MLmodel",
    }
    azure.arm("PUT", f"{workspace}/components/look/versions/1", {"properties": {"componentSpec": spec}})
    learn = {
        "type": "automl",
        "task": "regression",
        "primary_metric": "r2_score",
        "target_column_name": "months",
        "training_data": "${{parent.inputs.train}}",
        "limits": {"max_trials": 1, "timeout_minutes": 5},
        "validation_data_size": 0.2,
        "training": {"allowed_training_algorithms": ["elastic_net"], "enable_vote_ensemble": False, "enable_stack_ensemble": False},
        "outputs": {"best_model": {"job_output_type": "mlflow_model"}},
    }
    model = {"job_input_type": "literal", "value": "${{parent.jobs.learn.outputs.best_model}}"}
    use = {"type": "command", "componentId": f"{workspace}/components/look/versions/1", "inputs": {"model": model}}
    body = {
        "jobType": "Pipeline",
        "inputs": {"train": table(azure, upload, workspace, customers())},
        "jobs": {"learn": learn, "use": use},
    }
    answer = azure.arm("PUT", f"{workspace}/jobs/p", {"properties": body})
    assert answer.status_code == 201, answer.text
    assert finished(azure, workspace, "p")["status"] == "Completed", history(azure, workspace, "p")
