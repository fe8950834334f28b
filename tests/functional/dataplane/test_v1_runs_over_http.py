"""The article's way of running: startrun with a zip and a definition, then run history; by plain requests."""

import io
import json
import zipfile

import pytest

from infra.local.emulator import scene

API = f"https://{scene.LOCATION}.api.azureml.ms"
TRAIN = """
import os, sys, joblib, requests
from sklearn.linear_model import LinearRegression
model = LinearRegression().fit([[0], [1], [2]], [1, 3, 5])
joblib.dump(model, "outputs/model.pkl")
print("Hello, REST!", sys.argv[1])
"""
LOG_BY_MLFLOW = """
import os, requests
base = os.environ["MLFLOW_TRACKING_URI"].replace("azureml", "https", 1) + "/api/2.0/mlflow/"
headers = {"Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"]}
for step, value in enumerate([0.5, 0.25]):
    body = {"run_id": os.environ["MLFLOW_RUN_ID"], "key": "loss", "value": value, "step": step, "timestamp": 1700000000000}
    requests.post(base + "runs/log-metric", json=body, headers=headers).raise_for_status()
requests.post(base + "runs/log-batch", json={"run_id": os.environ["MLFLOW_RUN_ID"], "params": [{"key": "depth", "value": "3"}],
    "tags": [{"key": "stage", "value": "dev"}]}, headers=headers).raise_for_status()
"""
TRAIN_WITH_MLFLOW = """
import os, mlflow
from pathlib import Path
from sklearn.linear_model import LinearRegression
mlflow.set_experiment(os.environ["MLFLOW_EXPERIMENT_NAME"])
mlflow.autolog(log_models=False)
with mlflow.start_run() as run:
    model = LinearRegression().fit([[0.0], [1.0], [2.0]], [0.0, 2.0, 4.0])
    mlflow.log_text("noted", "notes.txt")
    Path("report.csv").write_text("a,b")
    mlflow.log_artifact("report.csv", "reports")
    mlflow.sklearn.log_model(model, "line", registered_model_name="line", pip_requirements=["scikit-learn"])
again = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/line")
mlflow.MlflowClient().set_tag(run.info.run_id, "predicted", round(float(again.predict([[21.0]])[0])))
assert run.info.run_id in list(mlflow.search_runs()["run_id"])
"""


def zipped(**files):
    """A zip of `name → text`; `__` in a name is a dot."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for name, text in files.items():
            made.writestr(name.replace("__", "."), text)
    return buffer.getvalue()


def definition(script="hello.py", **change):
    """The article's run definition."""
    environment = {
        "Python": {"CondaDependencies": {"dependencies": ["python=3.6.2", {"pip": ["azureml-defaults"]}]}},
        "Docker": {"BaseImage": "mcr.microsoft.com/azureml/base:intelmpi2018.3-ubuntu16.04"},
    }
    configuration = {
        "Script": script,
        "Arguments": ["234"],
        "SourceDirectoryDataStore": None,
        "Framework": "Python",
        "Communicator": "None",
        "Target": "cpu-compute",
        "MaxRunDurationSeconds": 1200,
        "NodeCount": 1,
        "Environment": environment,
        "History": {"OutputCollection": True},
    }
    return {"Configuration": {**configuration, **change}}


@pytest.fixture
def startrun(azure, lab):
    """Posts a startrun."""

    def post(project, run_definition, *, experiment="my-first-experiment", query=""):
        url = f"{API}/execution/v1.0{lab}/experiments/{experiment}/startrun?api-version=2019-11-01{query}"
        text = run_definition if isinstance(run_definition, str) else json.dumps(run_definition)
        files = {"projectZipFile": ("train.zip", project), "runDefinitionFile": ("definition.json", text)}
        return azure.call("POST", url, files=files)

    return post


@pytest.fixture
def history(azure, lab):
    """One call to run history."""

    def call(method, path, body=None, *, service="history/v1.0"):
        return azure.call(method, f"{API}/{service}{lab}/{path}", json=body)

    return call


@pytest.fixture
def finished(startrun, history, until):
    """Runs a script to its end; its run id."""

    def run(script_text, **options):
        answer = startrun(zipped(hello__py=script_text), definition(**options))
        assert answer.status_code == 200, answer.text
        run_id = answer.json()["runId"]
        ended = {"Completed", "Failed", "Canceled"}
        until(lambda: history("GET", f"runs/{run_id}").json()["status"] in ended)
        return run_id

    return run


def test_discovery_names_the_regional_servers(azure, lab):
    """The workspace's discoveryUrl answers without a token, with a flat map."""
    url = azure.arm("GET", lab).json()["properties"]["discoveryUrl"]
    found = azure.call("GET", url, token="").json()
    assert found["api"] == API
    assert found["history"] == f"https://{scene.LOCATION}.experiments.azureml.net"
    assert found["modelmanagement"] == f"https://{scene.LOCATION}.modelmanagement.azureml.net"


def test_the_articles_run_completes_with_log_and_model(azure, lab, finished, history):
    """Startrun → run history → details → the log behind its signed URL → the model as an artifact."""
    run_id = finished(TRAIN)
    assert run_id.startswith("my-first-experiment_")
    run = history("GET", f"experiments/my-first-experiment/runs/{run_id}").json()
    assert (run["status"], run["target"], run["scriptName"]) == ("Completed", "cpu-compute", "hello.py"), run["error"]
    assert run["startTimeUtc"] <= run["endTimeUtc"]
    details = history("GET", f"experiments/my-first-experiment/runs/{run_id}/details").json()
    (name, url), *_ = details["logFiles"].items()
    assert name == "azureml-logs/70_driver_log.txt"
    assert url.startswith(f"https://{scene.STORAGE_ACCOUNT}.blob.core.windows.net/azureml/ExperimentRun/dcid.{run_id}/")
    log = azure.session.get(url, timeout=30)
    assert log.status_code == 200
    assert "Hello, REST! 234" in log.text
    assert details["runDefinition"]["Configuration"]["Script"] == "hello.py"
    listed = history("GET", f"experiments/my-first-experiment/runs/{run_id}/artifacts").json()["value"]
    assert {artifact["path"] for artifact in listed} >= {"outputs/model.pkl", "azureml-logs/70_driver_log.txt"}
    info = history("GET", f"runs/{run_id}/artifacts/contentinfo?path=outputs/model.pkl").json()
    content = f"artifacts/content/ExperimentRun/dcid.{run_id}/outputs/model.pkl"
    direct = history("GET", content, service="artifact/v2.0")
    assert azure.session.get(info["contentUri"], timeout=30).content == direct.content != b""


def test_the_experiments_host_serves_the_same_history(azure, lab, finished):
    """What discovery calls `history` is another host in public Azure."""
    run_id = finished("print(1)")
    url = f"https://{scene.LOCATION}.experiments.azureml.net/history/v1.0{lab}/runs/{run_id}"
    assert azure.call("GET", url).json()["runId"] == run_id
    assert azure.call("GET", url, token=azure.token("https://ml.azure.com")).status_code == 200


def test_a_run_logs_metrics_through_mlflow(finished, history, lab, azure):
    """The job's own token and tracking address work from inside the job; three APIs show the same values."""
    run_id = finished(LOG_BY_MLFLOW)
    run = history("GET", f"runs/{run_id}").json()
    assert (run["status"], run["tags"]) == ("Completed", {"stage": "dev"}), run["error"]
    assert run["properties"]["mlflow.param.depth"] == "3"
    listed = history("POST", f"runs/{run_id}/list", {}, service="metric/v2.0").json()["value"]
    assert [metric["name"] for metric in listed] == ["loss"]
    full = history("POST", f"runs/{run_id}/full", {"metricName": "loss"}, service="metric/v2.0").json()["value"]
    assert [(value["step"], value["data"]["loss"]) for value in full] == [(0, 0.5), (1, 0.25)]
    old = history("POST", "experiments/my-first-experiment/metrics:query", {"filter": f"RunId eq '{run_id}'"}).json()["value"]
    assert old[0]["cells"] == [{"loss": 0.5}, {"loss": 0.25}]
    shown = history("GET", f"api/2.0/mlflow/runs/get?run_id={run_id}", service="mlflow/v1.0").json()["run"]
    assert shown["data"]["metrics"][0]["value"] == 0.25
    assert history("POST", f"runs/{run_id}/full", {"metricName": "absent"}, service="metric/v2.0").status_code == 404


@pytest.mark.nightly
def test_a_training_script_with_mlflow_leaves_files_and_a_model(azure, lab, finished, history):
    """Autolog, log_text, log_artifact, log_model and search_runs with Microsoft's plug-in: in run history, in storage, in ARM."""
    run_id = finished(TRAIN_WITH_MLFLOW)
    run = history("GET", f"runs/{run_id}").json()
    assert run["status"] == "Completed", run["error"]
    assert run["properties"]["mlflow.param.fit_intercept"] == "True"
    assert run["tags"]["predicted"] == "42"
    names = {one["path"] for one in history("GET", f"runs/{run_id}/artifacts").json()["value"]}
    assert {"notes.txt", "reports/report.csv", "line/MLmodel", "line/model.pkl"} <= names
    model = azure.arm("GET", f"{lab}/models/line/versions/1").json()["properties"]
    assert (model["modelType"], model["jobName"]) == ("mlflow_model", run_id)


def test_a_failing_script_is_a_failed_run_with_its_error(finished, history):
    """Run history wraps the error; the message has the last words of the script."""
    run = history("GET", f"runs/{finished('raise SystemExit(3)')}").json()
    assert run["status"] == "Failed"
    assert run["error"]["error"]["code"] == "UserError"
    assert "exited with status code 3" in run["error"]["error"]["message"]


def test_the_same_run_id_is_refused(startrun, history):
    """A caller that names the run id cannot start it twice."""
    first = startrun(zipped(hello__py="print(1)"), definition(), query="&runId=mine_1")
    assert (first.status_code, first.json()) == (200, {"runId": "mine_1"})
    again = startrun(zipped(hello__py="print(2)"), definition(), query="&runId=mine_1")
    assert again.status_code == 409
    assert again.json()["error"]["innerError"]["innerError"]["code"] == "RunAlreadyExists"


@pytest.mark.parametrize(
    ("project", "run_definition", "code"),
    [
        (b"no zip", definition(), "BadArchive"),
        (zipped(other__py=""), definition(), "ScriptNotFound"),
        (zipped(hello__py=""), definition(Target="absent"), "ComputeNotFound"),
        (zipped(hello__py=""), definition(Target=""), "InvalidTarget"),
        (zipped(hello__py=""), definition(NodeCount=5), "NodeCountExceedsMaximum"),
        (zipped(hello__py=""), definition(Framework="PySpark"), "InvalidRunDefinition"),
        (zipped(hello__py=""), definition(Arguments="234"), "InvalidRunDefinition"),
        (zipped(hello__py=""), definition(MaxRunDurationSeconds=-1), "InvalidRunDefinition"),
        (zipped(hello__py=""), definition(Environment={"Docker": {"BaseImage": "no image"}}), "BadEnvironment"),
        (zipped(hello__py=""), {"Other": 1}, "InvalidRunDefinition"),
        (zipped(hello__py=""), "{", "InvalidRunDefinition"),
        (zipped(hello__py=""), "[]", "InvalidRunDefinition"),
    ],
)
def test_what_cannot_run_is_refused_at_once(startrun, project, run_definition, code):
    """400 in the older services' error shape, the useful code inside, and no run is made."""
    answer = startrun(project, run_definition)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "UserError")
    assert error["innerError"]["innerError"]["code"] == code
    assert answer.json()["componentName"] == "execution"


def test_a_form_that_is_none_is_refused(azure, lab):
    """Missing parts and other content types."""
    url = f"{API}/execution/v1.0{lab}/experiments/e/startrun"
    assert azure.call("POST", url, json={}).status_code == 415
    assert azure.call("POST", url, files={"projectZipFile": zipped(a="")}).status_code == 400
    bad_name = azure.call(
        "POST",
        f"{API}/execution/v1.0{lab}/experiments/..%20/startrun",
        files={"projectZipFile": zipped(hello__py=""), "runDefinitionFile": json.dumps(definition())},
    )
    assert bad_name.status_code == 400


def test_canceling_a_run_ends_it(startrun, history, until):
    """CancelRequested, then Canceled; a second cancel changes nothing."""
    run_id = startrun(zipped(hello__py="import time; time.sleep(300)"), definition()).json()["runId"]
    until(lambda: history("GET", f"runs/{run_id}").json()["status"] == "Running")
    assert history("POST", f"experiments/my-first-experiment/runs/{run_id}/cancel").status_code == 200
    until(lambda: history("GET", f"runs/{run_id}").json()["status"] == "Canceled")
    assert history("POST", f"runs/{run_id}/cancel").json() == {"runId": run_id}
    assert history("GET", f"runs/{run_id}").json()["status"] == "Canceled"


def test_runs_are_queried_filtered_ordered_and_paged(finished, history):
    """OData over status, target, times and tags; newest first; a continuation token only while more follows."""
    first, second = finished("print(1)"), finished("raise SystemExit(1)")
    history("PATCH", f"runs/{first}", {"tags": {"stage": "it's dev"}, "displayName": "one"})

    def query(condition=None, path="experiments/my-first-experiment/runs:query", **more):
        answer = history("POST", path, {"filter": condition, **more})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def ids(*arguments, **options):
        return [run["runId"] for run in query(*arguments, **options)["value"]]

    assert ids() == [second, first]
    assert ids("Status eq 'Failed'") == [second]
    assert ids("ComputeTarget eq 'CPU-compute' and not (Status eq 'Failed' or Status eq 'Canceled')") == [first]
    assert ids("tags/stage eq 'it''s dev'") == [first]
    assert ids("CreatedUtc ge 2020-01-01T00:00:00Z and CreatedUtc lt '2999-01-01T00:00:00Z'", orderBy="CreatedUtc asc") == [
        first,
        second,
    ]
    assert ids("CreatedUtc lt 2020-01-01") == []
    assert "continuationToken" not in query()
    page = query(top=1)
    assert [run["runId"] for run in page["value"]] == [second]
    assert ids(top=1, continuationToken=page["continuationToken"]) == [first]
    of_compute = history("GET", "computes/cpu-compute/runs?$filter=Status eq 'Completed'").json()
    assert [run["runId"] for run in of_compute["value"]] == [first]
    assert history("GET", f"runs/{first}/children").json() == {"value": []}


@pytest.mark.parametrize(
    "condition", ["Status is 'x'", "Status eq", "Nothing eq 'x'", "(Status eq 'x'", "Status eq 'x' 'y'", "; drop"]
)
def test_a_filter_that_cannot_be_read_is_400(history, condition):
    """A clear refusal instead of everything or nothing."""
    answer = history("POST", "experiments/e/runs:query", {"filter": condition})
    assert (answer.status_code, answer.json()["error"]["innerError"]["innerError"]["code"]) == (400, "InvalidFilter")


def test_changes_of_a_run_are_merged(finished, history):
    """PATCH adds tags and properties; tags go by name."""
    run_id = finished("print(1)")
    history("PATCH", f"runs/{run_id}", {"tags": {"a": "1"}, "properties": {"p": "1"}, "description": "first"})
    run = history("PATCH", f"experiments/my-first-experiment/runs/{run_id}", {"tags": {"b": "2"}}).json()
    assert (run["tags"], run["description"], run["properties"]["p"]) == ({"a": "1", "b": "2"}, "first", "1")
    assert history("DELETE", f"runs/{run_id}/tags", ["a"]).json()["tags"] == {"b": "2"}
    data = history("POST", "rundata", {"runId": run_id, "selectRunMetadata": True, "selectRunDefinition": True}).json()
    assert data["runMetadata"]["runId"] == run_id
    assert data["runDefinition"]["Configuration"]["Target"] == "cpu-compute"


def test_experiments_exist_from_their_first_run(finished, history):
    """Listed with their latest run, created by name, archived by id."""
    run_id = finished("print(1)")
    listed = history("GET", "experiments").json()["value"]
    assert [(found["name"], found["latestCreatedRunId"]) for found in listed] == [("my-first-experiment", run_id)]
    made = history("POST", "experiments/second").json()
    assert history("GET", f"experimentids/{made['experimentId']}").json()["name"] == "second"
    history("PATCH", f"experimentids/{made['experimentId']}", {"archive": True, "tags": {"a": "b"}})
    assert len(history("GET", "experiments").json()["value"]) == 1
    assert len(history("POST", "experiments:query", {"viewType": "All"}).json()["value"]) == 2
    assert history("GET", "experiments/third").status_code == 404


@pytest.mark.parametrize(
    ("token", "status", "code"), [("", 401, "InvalidToken"), ("rubbish", 401, "InvalidToken"), ("graph", 401, "InvalidAudience")]
)
def test_without_the_right_token_nothing_is_shown(azure, lab, token, status, code):
    """A bearer token for ARM or Azure ML, or 401."""
    bearer = azure.token("https://graph.microsoft.com") if token == "graph" else token
    answer = azure.call("GET", f"{API}/history/v1.0{lab}/experiments", token=bearer)
    assert (answer.status_code, answer.json()["error"]["innerError"]["innerError"]["code"]) == (status, code)
    models = azure.call("GET", f"{API}/modelmanagement/v1.0{lab}/models", token=bearer)
    assert (models.status_code, models.json()["statusCode"]) == (401, 401)
    assert "error" not in models.json()


def test_an_unknown_workspace_or_region_is_404(azure, lab):
    """A workspace lives in one region, and its data plane only there."""
    for host, name in ((API, f"{lab}x"), ("https://eastus.api.azureml.ms", lab)):
        answer = azure.call("GET", f"{host}/history/v1.0{name}/experiments")
        assert answer.status_code == 404
        assert answer.json()["error"]["innerError"]["innerError"]["code"] == "WorkspaceNotFound"
    assert azure.call("GET", f"{API}/history/v9.9{lab}/experiments").status_code == 404


def test_a_command_job_of_arm_is_in_run_history(azure, lab, history, until):
    """Jobs and runs are two views of one store."""
    environment = {"properties": {"image": "mcr.microsoft.com/azureml/base:1"}}
    assert azure.arm("PUT", f"{lab}/environments/e/versions/1", environment).status_code == 201
    job = {
        "jobType": "Command",
        "command": "echo from arm > outputs/said.txt",
        "environmentId": f"{lab}/environments/e/versions/1",
        "computeId": f"{lab}/computes/cpu-compute",
        "experimentName": "both",
    }
    assert azure.arm("PUT", f"{lab}/jobs/job-1", {"properties": job}).status_code == 201
    until(lambda: history("GET", "runs/job-1").json()["status"] == "Completed")
    run = history("GET", "experiments/both/runs/job-1").json()
    assert (run["runType"], run["target"]) == ("azureml.commandjob", "cpu-compute")
    assert "user_logs/std_log.txt" in history("GET", "runs/job-1/details").json()["logFiles"]
    said = history("GET", "artifacts/ExperimentRun/dcid.job-1/content?path=outputs/said.txt", service="artifact/v2.0")
    assert said.text == "from arm\n"


def test_artifacts_can_be_written_and_deleted(history):
    """Artifact v2.0: content, listing, signed URLs to read and to write."""
    url = "artifacts/LocalUpload/mine"
    assert history("POST", f"{url}/content?path=a/b.txt", {"x": 1}, service="artifact/v2.0").status_code == 200
    refused = history("POST", f"{url}/content?path=a/b.txt&allowOverwrite=false", {"x": 2}, service="artifact/v2.0")
    assert refused.status_code == 409
    assert [one["path"] for one in history("GET", url, service="artifact/v2.0").json()["value"]] == ["a/b.txt"]
    signed = history("GET", f"{url}/prefix/contentinfo?path=a", service="artifact/v2.0").json()["value"]
    assert signed[0]["contentUri"].startswith("https://")
    assert history("GET", f"{url}/metadata?path=a/b.txt", service="artifact/v2.0").json()["etag"]
    assert history("DELETE", f"{url}/metadata?path=a/b.txt&hardDelete=true", service="artifact/v2.0").status_code == 200
    assert history("GET", f"{url}/content?path=a/b.txt", service="artifact/v2.0").status_code == 404
    assert history("GET", f"{url}/contentinfo?path=../x", service="artifact/v2.0").status_code == 400


def test_datastores_show_in_their_v1_form(history):
    """The same four that ARM lists, with the key when it is asked for."""
    names = {store["name"] for store in history("GET", "datastores", service="datastore/v1.0").json()["value"]}
    assert {"workspaceblobstore", "workspaceartifactstore"} <= names
    found = history("GET", "datastores/workspaceblobstore?includeSecret=true", service="datastore/v1.0").json()
    assert found["azureStorageSection"]["accountName"] == scene.STORAGE_ACCOUNT
    assert found["azureStorageSection"]["accountKey"]
    hidden = history("GET", "datastores/workspaceblobstore?includeSecret=false", service="datastore/v1.0").json()
    assert hidden["azureStorageSection"]["accountKey"] is None
    assert history("GET", "default", service="datastore/v1.0").json()["name"] == "workspaceblobstore"
    assert history("GET", "datastores/absent", service="datastore/v1.0").status_code == 404
