"""MLflow's server of a workspace by raw requests: the same runs, experiments and models that run history and ARM show."""

import pytest

from infra.local.emulator import scene

API = f"https://{scene.LOCATION}.api.azureml.ms"
HISTORY = "history/v1.0"


@pytest.fixture
def data(azure, lab):
    """One call to a service of the data plane."""

    def call(method, service, path, body=None, **options):
        return azure.call(method, f"{API}/{service}{lab}/{path}", json=body, **options)

    return call


@pytest.fixture
def mlflow(data):
    """One call to MLflow's API: the answer's JSON, which must be 200 unless another status is expected."""

    def call(method, path, expected=200, /, **body):
        given = {"params": body} if method == "GET" else {"body": body}
        answer = data(method, "mlflow/v2.0", f"api/2.0/mlflow/{path}", given.get("body"), params=given.get("params"))
        assert answer.status_code == expected, answer.text
        return answer.json()

    return call


@pytest.fixture
def run(mlflow):
    """A run of the experiment `trees` that MLflow started: its `info`."""
    experiment = mlflow("POST", "experiments/create", name="trees", tags=[{"key": "team", "value": "us"}])["experiment_id"]
    tags = [{"key": "mlflow.runName", "value": "first"}, {"key": "stage", "value": "dev"}]
    return mlflow("POST", "runs/create", experiment_id=experiment, start_time=1_700_000_000_000, tags=tags)["run"]["info"]


def upload(azure, data, run, path, content):
    """Write a file of a run as Azure ML's plug-in does: announced below the experiment's id, then put to the signed URL."""
    home = f"experiments/{run['experiment_id']}/runs/{run['run_id']}/artifacts"
    answer = data("POST", HISTORY, f"{home}/batch/metadata", {"paths": [{"path": path}]}).json()
    if answer["errors"]:
        return answer["errors"][path]["error"]["message"]
    url = answer["artifactContentInformation"][path]["contentUri"]
    headers = {"x-ms-blob-type": "BlockBlob", "x-ms-version": "2021-12-02"}
    assert azure.call("PUT", url, token="", data=content, headers=headers).status_code == 201
    return home


def test_experiments_are_run_historys(mlflow, data):
    """Made, found by name and id, searched, tagged, archived and restored; never renamed."""
    made = mlflow("POST", "experiments/create", name="trees", tags=[{"key": "team", "value": "us"}])["experiment_id"]
    assert data("GET", HISTORY, "experiments/trees").json()["experimentId"] == made
    assert mlflow("POST", "experiments/create", 400, name="Trees")["error_code"] == "RESOURCE_ALREADY_EXISTS"
    assert mlflow("GET", "experiments/get-by-name", 404, experiment_name="none")["error_code"] == "RESOURCE_DOES_NOT_EXIST"
    mlflow("POST", "experiments/create", name="forests")
    mlflow("POST", "experiments/set-experiment-tag", experiment_id=made, key="kind", value="odd")
    found = mlflow("POST", "experiments/search", max_results=1, filter="tags.kind = 'odd' AND name ILIKE 'TR%'")
    assert [(one["name"], one["tags"]) for one in found["experiments"]] == [
        ("trees", [{"key": "team", "value": "us"}, {"key": "kind", "value": "odd"}])
    ]
    assert "next_page_token" not in found
    names, token = [], ""
    for _ in range(2):
        page = mlflow("POST", "experiments/search", max_results=1, page_token=token, order_by=["name DESC"])
        names.append(page["experiments"][0]["name"])
        token = page.get("next_page_token", "")
    assert (names, token) == (["trees", "forests"], "")
    mlflow("POST", "experiments/delete", experiment_id=made)
    assert data("GET", HISTORY, "experiments/trees").json()["archivedTime"]
    assert mlflow("GET", "experiments/get", experiment_id=made)["experiment"]["lifecycle_stage"] == "deleted"
    assert [one["name"] for one in mlflow("POST", "experiments/search", view_type="DELETED_ONLY")["experiments"]] == ["trees"]
    mlflow("POST", "experiments/restore", experiment_id=made)
    assert mlflow("GET", "experiments/get", experiment_id=made)["experiment"]["lifecycle_stage"] == "active"
    assert "not supported" in mlflow("POST", "experiments/update", 400, experiment_id=made, new_name="woods")["message"]


def test_a_run_of_mlflows_is_run_historys_and_a_job_of_arms(azure, lab, mlflow, data, run):
    """Started, logged to, ended by the caller; run history and ARM show the same."""
    run_id = run["run_id"]
    assert (run["status"], run["start_time"], run["run_name"]) == ("RUNNING", 1_700_000_000_000, "first")
    assert run["artifact_uri"].startswith(f"azureml://{scene.LOCATION}.api.azureml.ms/mlflow/v2.0/subscriptions/")
    assert run["artifact_uri"].endswith(f"/experiments/{run['experiment_id']}/runs/{run_id}/artifacts")
    mlflow("POST", "runs/log-batch", run_id=run_id, params=[{"key": "depth", "value": "3"}])
    values = [{"key": "loss", "value": value, "step": step, "timestamp": 1} for step, value in ((1, 0.25), (0, 0.5))]
    later = data("POST", "mlflow/v2.0", "api/2.0/preview/mlflow/runs/log-batch-async", {"run_id": run_id, "metrics": values})
    status = (
        f"api/2.0/preview/mlflow/runs/get-run-data-status?run_id={run_id}&batch_tracking_id={later.json()['batch_tracking_id']}"
    )
    assert data("GET", "mlflow/v2.0", status).json() == {"is_complete": True}
    refusal = mlflow("POST", "runs/log-parameter", 400, run_id=run_id, key="depth", value="4")
    assert "already" in refusal["message"]
    assert (
        mlflow("POST", "runs/log-metric", 400, run_id=run_id, key="loss", value="much")["error_code"] == "INVALID_PARAMETER_VALUE"
    )
    mlflow("POST", "runs/log-inputs", run_id=run_id, datasets=[{"dataset": {"name": "rows", "digest": "1"}, "tags": []}])
    mlflow("POST", "runs/log-model", run_id=run_id, model_json='{"artifact_path": "m"}')
    mlflow("POST", "runs/delete-tag", run_id=run_id, key="stage")
    assert mlflow("POST", "runs/delete-tag", 404, run_id=run_id, key="stage")["error_code"] == "RESOURCE_DOES_NOT_EXIST"
    ended = mlflow("POST", "runs/update", run_id=run_id, status="FINISHED", end_time=1_700_000_060_000, run_name="done")["run_info"]
    assert (ended["status"], ended["end_time"], ended["run_name"]) == ("FINISHED", 1_700_000_060_000, "done")
    shown = mlflow("GET", "runs/get", run_id=run_id)["run"]
    assert [(one["key"], one["value"], one["step"]) for one in shown["data"]["metrics"]] == [("loss", 0.25, 1)]
    assert shown["data"]["params"] == [{"key": "depth", "value": "3"}]
    assert {one["key"] for one in shown["data"]["tags"]} == {"mlflow.runName", "mlflow.rootRunId", "mlflow.log-model.history"}
    assert shown["inputs"]["dataset_inputs"][0]["dataset"]["name"] == "rows"
    history = data("GET", HISTORY, f"experiments/trees/runs/{run_id}").json()
    assert (history["status"], history["endTimeUtc"][:19], history["displayName"]) == ("Completed", "2023-11-14T22:14:20", "done")
    job = azure.arm("GET", f"{lab}/jobs/{run_id}").json()["properties"]
    assert (job["status"], job["experimentName"]) == ("Completed", "trees")
    mlflow("POST", "runs/delete", run_id=run_id)
    assert mlflow("POST", "runs/search", experiment_ids=[run["experiment_id"]]) == {"runs": []}
    mlflow("POST", "runs/restore", run_id=run_id)
    assert mlflow("GET", "runs/get", run_id=run_id)["run"]["info"]["lifecycle_stage"] == "active"


def test_runs_are_searched_as_azure_ml_searches_them(mlflow, run):
    """Metrics, parameters, tags and attributes joined by AND; children have their parent's tag; orders are of attributes only."""
    parent, experiment = run["run_id"], run["experiment_id"]
    child_tags = [{"key": "mlflow.parentRunId", "value": parent}]
    child = mlflow("POST", "runs/create", experiment_id=experiment, start_time=1_800_000_000_000, tags=child_tags)["run"]["info"]
    for run_id, loss in ((parent, 0.5), (child["run_id"], 0.1)):
        mlflow("POST", "runs/log-metric", run_id=run_id, key="val loss", value=loss, timestamp=1)
        mlflow("POST", "runs/log-parameter", run_id=run_id, key="depth", value=str(loss))

    def found(text, **more):
        answer = mlflow("POST", "runs/search", experiment_ids=[experiment], filter=text, **more)
        return [one["info"]["run_id"] for one in answer["runs"]]

    assert found("") == [child["run_id"], parent]
    assert found("metrics.`val loss` < 0.3") == [child["run_id"]]
    assert found("params.depth = '0.5' and attributes.status = 'Running'") == [parent]
    assert found(f"tags.mlflow.parentRunId = '{parent}'") == [child["run_id"]]
    assert found("attributes.run_name LIKE 'fir%'") == [parent]
    assert found("attributes.run_id IN ('x', '" + parent + "')") == [parent]
    assert found("", order_by=["attributes.start_time ASC"]) == [parent, child["run_id"]]
    assert found("", max_results=1) == [child["run_id"]]
    for text, order in (
        ("metrics.a < 1 OR metrics.b < 1", []),
        ("metrics.a = 'x'", []),
        ("color = 'x'", []),
        ("", ["metrics.a ASC"]),
    ):
        refusal = mlflow("POST", "runs/search", 400, experiment_ids=[experiment], filter=text, order_by=order)
        assert refusal["error_code"] == "INVALID_PARAMETER_VALUE"


def test_a_runs_files_become_a_model_that_arm_shows(azure, lab, mlflow, data, run):
    """The plug-in's upload, MLflow's listing, a registered version with its lineage, stages and tags."""
    home = upload(azure, data, run, "model/MLmodel", b"flavors: {}")
    upload(azure, data, run, "model/data/model.pkl", b"pickle")
    assert "already exists" in upload(azure, data, run, "model/MLmodel", b"again")
    assert data("GET", HISTORY, f"{home}/contentinfo?path=model/MLmodel").json()["contentUri"]
    assert mlflow("GET", "artifacts/list", run_id=run["run_id"])["files"] == [{"path": "model", "is_dir": True}]
    listed = mlflow("GET", "artifacts/list", run_id=run["run_id"], path="model")
    assert listed["root_uri"] == run["artifact_uri"]
    assert listed["files"] == [{"path": "model/MLmodel", "is_dir": False, "file_size": 11}, {"path": "model/data", "is_dir": True}]
    assert mlflow("GET", "artifacts/list", run_id=run["run_id"], path="model/MLmodel")["files"] == []

    model = {"name": "oak", "source": f"{run['artifact_uri']}/model", "run_id": run["run_id"]}
    assert mlflow("POST", "model-versions/create", 404, **model)["error_code"] == "RESOURCE_DOES_NOT_EXIST"
    mlflow("POST", "registered-models/create", name="oak", description="a tree")
    assert mlflow("POST", "registered-models/create", 400, name="oak")["error_code"] == "RESOURCE_ALREADY_EXISTS"
    for number in ("1", "2"):
        made = mlflow("POST", "model-versions/create", **model, tags=[{"key": "n", "value": number}])["model_version"]
        assert (made["version"], made["status"], made["current_stage"]) == (number, "READY", "None")
    assert (
        "does not exist" in mlflow("POST", "model-versions/create", 400, name="oak", source=f"{run['artifact_uri']}/no")["message"]
    )
    arm = azure.arm("GET", f"{lab}/models/oak/versions/2").json()["properties"]
    assert (arm["modelType"], arm["jobName"], arm["tags"]) == ("mlflow_model", run["run_id"], {"n": "2"})
    assert arm["modelUri"].endswith(f"/datastores/workspaceartifactstore/paths/ExperimentRun/dcid.{run['run_id']}/model")
    uri = mlflow("GET", "model-versions/get-download-uri", name="oak", version="2")["artifact_uri"]
    assert uri == f"{run['artifact_uri']}/model"

    for number, archive in (("1", False), ("2", True)):
        mlflow(
            "POST",
            "model-versions/transition-stage",
            name="oak",
            version=number,
            stage="Production",
            archive_existing_versions=archive,
        )
    newest = mlflow("POST", "registered-models/get-latest-versions", name="oak", stages=["production"])["model_versions"]
    assert [one["version"] for one in newest] == ["2"]
    assert mlflow("GET", "model-versions/get", name="oak", version="1")["model_version"]["current_stage"] == "Archived"
    mlflow("POST", "registered-models/set-tag", name="oak", key="team", value="us")
    mlflow("DELETE", "model-versions/delete-tag", name="oak", version="1", key="n")
    mlflow("PATCH", "model-versions/update", name="oak", version="1", description="old")
    found = mlflow("GET", "model-versions/search", filter="name = 'oak'")["model_versions"]
    assert [(one["version"], one.get("description"), one["tags"]) for one in found] == [
        ("2", "", [{"key": "n", "value": "2"}]),
        ("1", "old", []),
    ]
    shown = mlflow("GET", "registered-models/search", filter="name LIKE 'o%'")["registered_models"]
    assert [(one["name"], one["description"], one["tags"]) for one in shown] == [
        ("oak", "a tree", [{"key": "team", "value": "us"}])
    ]
    mlflow("DELETE", "model-versions/delete", name="oak", version="1")
    assert azure.arm("GET", f"{lab}/models/oak/versions/1").status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "api/2.0/mlflow/logged-models"),
        ("POST", "api/2.0/mlflow/registered-models/rename"),
        ("DELETE", "api/2.0/mlflow/registered-models/delete"),
        ("POST", "api/3.0/mlflow/traces"),
    ],
)
def test_what_azure_mls_server_does_not_have_is_a_404_without_a_body(data, method, path):
    """As users of MLflow 3 report it: azure-sdk-for-python#44896."""
    answer = data(method, "mlflow/v2.0", path, {"name": "x"})
    assert (answer.status_code, answer.text) == (404, "")
