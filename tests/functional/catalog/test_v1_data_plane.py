"""The v1 data plane through the app: every area that the article names, handed on as it comes."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

BINARY = bytes(range(256)) * 4
CLUSTER = {
    "location": "westeurope",
    "properties": {
        "computeType": "AmlCompute",
        "properties": {"vmSize": "Standard_D1", "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 1}},
    },
}
MISSING = "workspaces/nowhere"


@pytest.fixture(scope="module")
def run_id(caller, workspace: str) -> str:
    """A v1 run that has ended, with a metric and a file."""
    caller.done("PUT", f"{workspace}/computes/cpu-cluster", json=CLUSTER)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("train.py", "import os, pathlib\npathlib.Path('outputs').mkdir(exist_ok=True)\nprint('trained')\n")
    definition = {"Configuration": {"Script": "train.py", "Target": "cpu-cluster", "Framework": "Python"}}
    files = {"projectZipFile": packed.getvalue(), "runDefinitionFile": json.dumps(definition)}
    made = caller.done("POST", f"{workspace}/experiments/v1/startrun?runId=v1_run", files=files)
    return str(made["runId"])


READS: list[tuple[str, Callable[[Any], bool]]] = [
    ("history/v1.0/{w}/experiments", lambda body: body["value"][0]["name"] == "v1"),
    ("history/v1.0/{w}/experiments/v1", lambda body: body["name"] == "v1"),
    ("history/v1.0/{w}/experiments/v1/runs/v1_run", lambda body: body["runId"] == "v1_run"),
    ("history/v1.0/{w}/experiments/v1/runs/v1_run/details", lambda body: body["status"] == "Completed"),
    ("history/v1.0/{w}/experiments/v1/runs/v1_run/children", lambda body: body == {"value": []}),
    ("history/v1.0/{w}/experiments/v1/runs/v1_run/artifacts", lambda body: body["value"]),
    ("history/v1.0/{w}/runs/v1_run", lambda body: body["status"] == "Completed"),
    ("history/v1.0/{w}/computes/cpu-cluster/runs", lambda body: [run["runId"] for run in body["value"]] == ["v1_run"]),
    ("artifact/v2.0/{w}/artifacts/ExperimentRun/dcid.v1_run", lambda body: body["value"]),
    ("datastore/v1.0/{w}/datastores", lambda body: "workspaceblobstore" in json.dumps(body)),
    ("datastore/v1.0/{w}/datastores/workspaceblobstore", lambda body: body["name"] == "workspaceblobstore"),
    ("datastore/v1.0/{w}/default", lambda body: body["name"] == "workspaceblobstore"),
    ("modelmanagement/v1.0/{w}/models", lambda body: body["value"] == []),
    ("modelmanagement/v1.0/{w}/assets", lambda body: body["value"] == []),
    ("modelmanagement/v1.0/{w}/services", lambda body: body["value"] == []),
]


@pytest.mark.parametrize(("path", "holds"), READS, ids=[path for path, _ in READS])
def test_what_azure_answers_comes_back(caller, workspace, run_id, path, holds):
    """The path is Azure's own, below /api/; the body is Azure's own, too."""
    answer = caller.send("GET", path.format(w=workspace))
    assert answer.status_code == 200, answer.text
    assert holds(answer.json()), answer.text


def test_a_whole_url_of_azures_is_a_path_here(caller, azure, workspace, run_id):
    """The scope may stand in the path, as it does in the article; the request reaches Azure with the same path."""
    from infra.local.emulator import scene

    name = workspace.partition("/")[2]
    path = (
        f"history/v1.0{scene.GROUP_ID}/providers/Microsoft.MachineLearningServices/workspaces/{name}/experiments/v1/runs/{run_id}"
    )
    before = azure.last()
    assert caller.send("GET", f"{path}?api-version=2019-11-01&$select=x%20y").json()["runId"] == run_id
    (sent,) = azure.since(before, path="runs/v1_run$")
    assert (sent["method"], sent["path"]) == ("GET", f"/{path}")
    assert "2019-11-01" in str(sent["query"])


def test_a_query_is_posted_and_paged(caller, workspace, run_id):
    """The body goes to Azure as it is; an answer is not an operation."""
    answer = caller.send(
        "POST", f"history/v1.0/{workspace}/experiments/v1/runs:query", json={"filter": "Status eq 'Completed'", "top": 1}
    )
    assert [run["runId"] for run in answer.json()["value"]] == [run_id]
    assert "Operation-Location" not in answer.headers


def test_tags_of_a_run_are_merged_and_removed(caller, workspace, run_id):
    """PATCH and DELETE are handed on with their bodies."""
    run = f"history/v1.0/{workspace}/experiments/v1/runs/{run_id}"
    assert caller.send("PATCH", run, json={"tags": {"stage": "test"}}).json()["tags"] == {"stage": "test"}
    assert caller.send("DELETE", f"{run}/tags", json=["stage"]).json()["tags"] == {}


def test_an_artifacts_bytes_go_both_ways(caller, workspace, run_id):
    """Content is binary: bytes and content type are untouched."""
    path = f"artifact/v2.0/{workspace}/artifacts/content/ExperimentRun/dcid.{run_id}/data/all.bin"
    sent = caller.send("POST", path, data=BINARY, headers={"Content-Type": "application/octet-stream"})
    assert sent.ok, sent.text
    read = caller.send("GET", path)
    assert read.content == BINARY
    assert read.headers["Content-Type"].startswith("application/octet-stream")


def test_a_refusal_is_azures_own_in_arms_envelope(caller, workspace):
    """Azure's status and its useful inner code."""
    answer = caller.send("GET", f"history/v1.0/{workspace}/runs/nosuch")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "RunNotFound")
    lost = caller.send("GET", f"datastore/v1.0/{MISSING}/datastores")
    assert lost.status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("GET", "artifact/v2.0/{w}/nosuch", 404, "artifacts/{name}/{name},"),
        ("GET", "artifact/v2.0/{w}/artifacts/a/b/content/inf", 404, "the nearest of what there is"),
        ("PUT", "history/v1.0/{w}/rundata", 405, "POST"),
        ("GET", "metric/v2.0/{w}/runs/r/list", 405, "POST"),
        ("GET", "hyperdrive/v1.0/workspaces", 404, "hyperdrive"),
        ("GET", "datastore/v1.0/{w}/datastores/a%2fb", 400, "path"),
    ],
)
def test_what_is_no_row_is_refused_here(caller, workspace, method, path, status, said):
    """The message names what there is."""
    answer = caller.send(method, path.format(w=workspace), json={} if method != "GET" else None)
    assert answer.status_code == status, answer.text
    assert said in answer.json()["error"]["message"]


def test_json_that_is_none_is_refused_with_line_and_column(caller, workspace):
    """What can be judged without Azure is."""
    answer = caller.send(
        "POST", f"history/v1.0/{workspace}/rundata", data='{"runId": }', headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 400
    assert "line 1, column 11" in answer.json()["error"]["message"]


def test_a_v1_run_is_cancelled_by_its_id(caller, workspace, run_id):
    """Run history's and execution's own cancel paths; a run that has ended stays as it is."""
    assert caller.send("POST", f"execution/v1.0/{workspace}/experiments/v1/runId/{run_id}/cancel").ok
