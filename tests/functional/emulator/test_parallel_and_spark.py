"""Parallel steps and Spark jobs: mini-batches in worker processes; a Spark job's entry file as a process of its own."""

from collections.abc import Callable
from typing import Any

import pytest

from infra.local.emulator import scene
from tests.functional.emulator.client import Client, until

pytestmark = pytest.mark.nightly

ENTRY = b"""
import argparse, os, pathlib, time
def init():
    global options
    parser = argparse.ArgumentParser()
    parser.add_argument("--times", type=int)
    parser.add_argument("--together", type=int, default=1)
    options = parser.parse_args()
def run(mini_batch):
    found = []
    pathlib.Path(f"here-{os.getpid()}").touch()
    while len(list(pathlib.Path(".").glob("here-*"))) < options.together:
        time.sleep(0.01)
    for name in mini_batch:
        text = pathlib.Path(name).read_text()
        if text == "hang":
            time.sleep(600)
        if text == "die":
            os._exit(9)
        if text != "bad":
            found.append(f"{pathlib.Path(name).name} {int(text) * options.times} {os.getpid()}")
    return found
"""
type Upload = Callable[[str, dict[str, bytes]], str]


def lab(azure: Client, upload: Upload, together: int = 1, **settings: Any) -> str:
    """A workspace with the parallel component `many` over folders of numbers."""
    workspace = azure.workspace()
    azure.arm("PUT", f"{workspace}/environments/env/versions/1", {"properties": {"image": "ubuntu:22.04"}})
    azure.arm("PUT", f"{workspace}/codes/entry/versions/1", {"properties": {"codeUri": upload(workspace, {"entry.py": ENTRY})}})
    spec = {
        "type": "parallel",
        "name": "many",
        "inputs": {"numbers": {"type": "uri_folder"}, "times": {"type": "integer"}},
        "outputs": {"rows": {"type": "uri_file"}},
        "input_data": "${{inputs.numbers}}",
        "mini_batch_size": "2",
        "max_concurrency_per_instance": 2,
        "retry_settings": {"max_retries": 1, "timeout": 60},
        "task": {
            "type": "run_function",
            "code": f"azureml:{workspace}/codes/entry/versions/1",
            "entry_script": "entry.py",
            "environment": f"azureml:{workspace}/environments/env/versions/1",
            "program_arguments": f"--times ${{{{inputs.times}}}} --together {together}",
            "append_row_to": "${{outputs.rows}}",
        },
        **settings,
    }
    azure.arm("PUT", f"{workspace}/components/many/versions/1", {"properties": {"componentSpec": spec}})
    return workspace


def pipeline(workspace: str, uri: str, **node: Any) -> dict[str, Any]:
    """A pipeline of the one parallel step over a folder."""
    inputs = {"numbers": {"job_input_type": "uri_folder", "uri": uri}, "times": {"job_input_type": "literal", "value": "10"}}
    step = {"type": "parallel", "componentId": f"{workspace}/components/many/versions/1", "inputs": inputs, **node}
    outputs = {"rows": {"value": "${{parent.outputs.rows}}", "type": "literal"}}
    jobs = {"many": {**step, "outputs": outputs}}
    return {"properties": {"jobType": "Pipeline", "jobs": jobs, "outputs": {"rows": {"jobOutputType": "uri_file"}}}}


def ended(azure: Client, workspace: str, job: str) -> str:
    """A job's last status."""
    until(lambda: azure.arm("GET", f"{workspace}/jobs/{job}").json()["properties"]["status"] in {"Completed", "Failed"})
    return str(azure.arm("GET", f"{workspace}/jobs/{job}").json()["properties"]["status"])


def child(azure: Client, workspace: str, job: str) -> dict[str, Any]:
    """The only run below a job."""
    return dict(history(azure, workspace, f"{job}/children")["value"][0])


def history(azure: Client, workspace: str, path: str) -> Any:
    """Something of run history."""
    return azure.arm("GET", f"https://{scene.LOCATION}.api.azureml.ms/history/v1.0{workspace}/runs/{path}").json()


def log(azure: Client, workspace: str, run: str) -> str:
    """The text of a run's log."""
    (url,) = history(azure, workspace, f"{run}/details")["logFiles"].values()
    return str(azure.session.get(url, timeout=30).text)


def test_a_parallel_step_appends_a_row_for_each_file_from_two_processes(azure: Client, upload: Upload) -> None:
    """Five files in three mini-batches; init() sees the program arguments; the rows are the pipeline's output."""
    workspace = lab(azure, upload, together=2)
    numbers = upload(workspace, {f"f{n}.txt": str(n).encode() for n in range(1, 6)})
    answer = azure.arm("PUT", f"{workspace}/jobs/p", pipeline(workspace, numbers))
    assert answer.status_code == 201, answer.text
    assert ended(azure, workspace, "p") == "Completed", log(azure, workspace, child(azure, workspace, "p")["runId"])
    assert "scored 5 of 5 files in 3 mini-batches" in log(azure, workspace, child(azure, workspace, "p")["runId"])
    show = {
        "jobType": "Command",
        "command": "cat ${{inputs.rows}}",
        "environmentId": f"{workspace}/environments/env/versions/1",
        "inputs": {"rows": {"jobInputType": "uri_file", "uri": "azureml://jobs/p/outputs/rows"}},
    }
    azure.arm("PUT", f"{workspace}/jobs/show", {"properties": show})
    assert ended(azure, workspace, "show") == "Completed"
    rows = [line.split() for line in log(azure, workspace, "show").splitlines() if line.startswith("f")]
    assert [row[:2] for row in rows] == [[f"f{n}.txt", str(n * 10)] for n in range(1, 6)]
    assert len({row[2] for row in rows}) == 2


@pytest.mark.parametrize(
    ("settings", "status"),
    [({"error_threshold": 1}, "Completed"), ({"error_threshold": 0}, "Failed"), ({"mini_batch_error_threshold": 0}, "Completed")],
)
def test_files_without_a_row_count_against_the_error_threshold(
    azure: Client, upload: Upload, settings: dict[str, int], status: str
) -> None:
    """run() gives two rows for three files."""
    workspace = lab(azure, upload, **settings)
    numbers = upload(workspace, {"a.txt": b"1", "b.txt": b"bad", "c.txt": b"3"})
    azure.arm("PUT", f"{workspace}/jobs/p", pipeline(workspace, numbers))
    assert ended(azure, workspace, "p") == status


def test_a_mini_batch_that_hangs_or_dies_is_tried_again_and_then_given_up(azure: Client, upload: Upload) -> None:
    """The others are scored all the same; the threshold of mini-batches then ends the step."""
    workspace = lab(azure, upload, mini_batch_size=1, mini_batch_error_threshold=1, retry_settings={"max_retries": 1, "timeout": 1})
    numbers = upload(workspace, {"a.txt": b"hang", "b.txt": b"2", "c.txt": b"die"})
    azure.arm("PUT", f"{workspace}/jobs/p", pipeline(workspace, numbers))
    assert ended(azure, workspace, "p") == "Failed"
    said = log(azure, workspace, child(azure, workspace, "p")["runId"])
    assert said.count("took longer than 1 seconds") == 2
    assert "2 mini-batches failed; 1 may." in said


def test_a_parallel_step_over_columns_is_refused_by_name(azure: Client, upload: Upload) -> None:
    """partition_keys want a table."""
    workspace = lab(azure, upload, partition_keys='["store"]')
    answer = azure.arm("PUT", f"{workspace}/jobs/p", pipeline(workspace, "azureml:numbers:1"))
    assert answer.status_code == 400
    assert "partition_keys" in answer.json()["error"]["message"]


# ── Spark ────────────────────────────────────────────────────────────────────────────────────────────────────────────
SPARK = {
    "plain.py": b"import os, sys, more\nprint(sys.argv[1:], more.said, os.environ['PYSPARK_SUBMIT_ARGS'])\n"
    b"open(sys.argv[2] + '/made.txt', 'w').write(open(sys.argv[1]).read() * 2)\n",
    "wordcount.py": b"from pyspark.sql import SparkSession\n",
    "lib/more.py": b"said = 'more'\n",
}


def spark(workspace: str, code: str, **change: Any) -> dict[str, Any]:
    """A Spark job's body."""
    azure_code = f"{workspace}/codes/spark/versions/1"
    properties = {
        "jobType": "Spark",
        "codeId": azure_code,
        "entry": {"sparkJobEntryType": "SparkJobPythonEntry", "file": "plain.py"},
        "args": "${{inputs.rows}} ${{outputs.out}}",
        "conf": {"spark.driver.cores": "1", "spark.executor.memory": "2g"},
        "pyFiles": ["lib"],
        "inputs": {"rows": {"jobInputType": "uri_file", "uri": f"{code}/plain.py", "mode": "Direct"}},
        "outputs": {"out": {"jobOutputType": "uri_folder", "mode": "Direct"}},
        "resources": {"instanceType": "standard_e4s_v3", "runtimeVersion": "3.4"},
        **change,
    }
    return {"properties": properties}


@pytest.fixture
def spark_lab(azure: Client, upload: Upload) -> tuple[str, str]:
    """A workspace with the code of the Spark jobs: its id and the code's URI."""
    workspace = azure.workspace()
    uri = upload(workspace, SPARK)
    azure.arm("PUT", f"{workspace}/codes/spark/versions/1", {"properties": {"codeUri": uri}})
    return workspace, uri


def test_a_spark_job_without_pyspark_runs_as_a_process(azure: Client, spark_lab: tuple[str, str]) -> None:
    """Arguments, Python files, conf and output are there."""
    workspace, uri = spark_lab
    answer = azure.arm("PUT", f"{workspace}/jobs/s", spark(workspace, uri))
    assert answer.status_code == 201, answer.text
    assert ended(azure, workspace, "s") == "Completed", log(azure, workspace, "s")
    shown = azure.arm("GET", f"{workspace}/jobs/s").json()["properties"]
    assert (shown["jobType"], shown["entry"]["file"], shown["conf"]["spark.driver.cores"]) == ("Spark", "plain.py", "1")
    said = log(azure, workspace, "s")
    assert (
        "more --master 'local[*]' --conf spark.driver.cores=1 --conf spark.executor.memory=2g --py-files lib pyspark-shell" in said
    )
    assert shown["outputs"]["out"]["uri"]


@pytest.mark.parametrize(
    "entry", [{"file": "wordcount.py"}, {"sparkJobEntryType": "SparkJobScalaEntry", "className": "org.example.Count"}]
)
def test_a_spark_job_that_needs_spark_fails_and_says_that_there_is_none(
    azure: Client, spark_lab: tuple[str, str], entry: dict[str, str]
) -> None:
    """A user error, as for any entry file that cannot import what it needs."""
    workspace, uri = spark_lab
    azure.arm("PUT", f"{workspace}/jobs/s", spark(workspace, uri, entry=entry))
    assert ended(azure, workspace, "s") == "Failed"
    error = history(azure, workspace, "s")["error"]["error"]
    assert error["code"] == "UserError"
    assert "The local Azure has no Spark" in error["message"]


@pytest.mark.parametrize(
    ("change", "message"),
    [({"codeId": None}, "codeId"), ({"entry": {}}, "entry"), ({"resources": {}}, "instanceType"), ({"jars": "a.jar"}, "jars")],
)
def test_a_spark_job_that_could_never_run_is_refused_at_once(
    azure: Client, spark_lab: tuple[str, str], change: dict[str, Any], message: str
) -> None:
    """400, naming what is wrong."""
    workspace, uri = spark_lab
    answer = azure.arm("PUT", f"{workspace}/jobs/s", spark(workspace, uri, **change))
    assert answer.status_code == 400, answer.text
    assert message in answer.json()["error"]["message"]


def test_a_spark_step_runs_in_a_pipeline(azure: Client, spark_lab: tuple[str, str]) -> None:
    """Its run says Spark; the component's words are those of the YAML."""
    workspace, uri = spark_lab
    spec = {
        "type": "spark",
        "name": "sparkling",
        "inputs": {"rows": {"type": "uri_file"}},
        "outputs": {"out": {"type": "uri_folder"}},
        "code": f"azureml:{workspace}/codes/spark/versions/1",
        "entry": {"file": "plain.py"},
        "args": "${{inputs.rows}} ${{outputs.out}}",
        "py_files": ["lib"],
        "conf": {"spark.driver.cores": 1},
    }
    azure.arm("PUT", f"{workspace}/components/sparkling/versions/1", {"properties": {"componentSpec": spec}})
    step = {
        "type": "spark",
        "componentId": f"{workspace}/components/sparkling/versions/1",
        "inputs": {"rows": {"job_input_type": "uri_file", "uri": f"{uri}/plain.py"}},
        "resources": {"instance_type": "standard_e4s_v3", "runtime_version": "3.4"},
    }
    answer = azure.arm("PUT", f"{workspace}/jobs/p", {"properties": {"jobType": "Pipeline", "jobs": {"spark": step}}})
    assert answer.status_code == 201, answer.text
    assert ended(azure, workspace, "p") == "Completed", log(azure, workspace, child(azure, workspace, "p")["runId"])
    assert child(azure, workspace, "p")["runType"] == "azureml.sparkjob"
