"""Sweeps and pipelines over plain ARM: what is refused at once, what a failing step does, what a cancel reaches."""

from collections.abc import Callable
from typing import Any

import pytest

from infra.local.emulator import scene
from tests.functional.emulator.bodies import CLUSTER
from tests.functional.emulator.client import Client, until

pytestmark = pytest.mark.nightly


def lab(azure: Client, **commands: str) -> str:
    """A workspace with a cluster, an environment, and a component for each command (one input `in`, one output `out`)."""
    workspace = azure.workspace()
    azure.arm("PUT", f"{workspace}/computes/cpu", CLUSTER)
    azure.arm("PUT", f"{workspace}/environments/env/versions/1", {"properties": {"image": "ubuntu:22.04"}})
    for name, command in commands.items():
        spec = {
            "type": "command",
            "name": name,
            "inputs": {"in": {"type": "uri_folder", "optional": True}},
            "outputs": {"out": {"type": "uri_folder"}},
            "environment": f"azureml:{workspace}/environments/env/versions/1",
            "command": command,
        }
        azure.arm("PUT", f"{workspace}/components/{name}/versions/1", {"properties": {"componentSpec": spec}})
    return workspace


def pipeline(workspace: str, **steps: dict[str, Any]) -> dict[str, Any]:
    """A pipeline's body."""
    jobs = {
        name: {"type": "command", "componentId": f"{workspace}/components/{step['of']}/versions/1", **step}
        for name, step in steps.items()
    }
    return {"properties": {"jobType": "Pipeline", "jobs": jobs, "settings": {"default_compute": f"{workspace}/computes/cpu"}}}


def after(step: str) -> dict[str, Any]:
    """Inputs that read the output of another step."""
    return {"in": {"job_input_type": "literal", "value": f"${{{{parent.jobs.{step}.outputs.out}}}}"}}


def status(azure: Client, job: str) -> str:
    """A job's status."""
    return str(azure.arm("GET", job).json()["properties"]["status"])


def children(azure: Client, workspace: str, job: str) -> dict[str, str]:
    """Display name to status of the runs below a job."""
    url = f"https://{scene.LOCATION}.api.azureml.ms/history/v1.0{workspace}/runs/{job}/children"
    return {one["displayName"]: one["status"] for one in azure.arm("GET", url).json()["value"]}


@pytest.mark.parametrize(
    ("steps", "code"),
    [
        ({"a": {"of": "ok", "inputs": after("b")}, "b": {"of": "ok", "inputs": after("a")}}, "wait for each other"),
        ({"a": {"of": "ok", "inputs": after("z")}}, "z, which is not there"),
        ({"a": {"of": "missing"}}, "was not found"),
        ({}, "at least one job"),
    ],
)
def test_a_pipeline_that_could_never_run_is_refused_at_once(azure: Client, steps: dict[str, Any], code: str) -> None:
    """400 before any job exists."""
    workspace = lab(azure, ok="true")
    answer = azure.arm("PUT", f"{workspace}/jobs/p", pipeline(workspace, **steps))
    assert answer.status_code == 400
    assert code in answer.json()["error"]["message"]
    assert azure.arm("GET", f"{workspace}/jobs/p").status_code == 404


def test_a_component_by_its_default_label_is_its_newest_version(azure: Client) -> None:
    """As recorded: `versions/azureml_default` answers under the label's id, and a step may name that, or the short form."""
    workspace = lab(azure, ok="true")
    label = f"{workspace}/components/ok/labels/default"
    url = f"{workspace}/components/ok/versions"
    azure.arm("PUT", f"{url}/2", {"properties": azure.arm("GET", f"{url}/1").json()["properties"]})
    default = azure.arm("GET", f"{url}/azureml_default").json()
    assert (default["name"], default["id"], default["properties"]["componentSpec"]["version"]) == ("2", label, "2")
    body = pipeline(workspace, long={"of": "ok", "componentId": label}, short={"of": "ok", "componentId": "azureml:ok@default"})
    assert azure.arm("PUT", f"{workspace}/jobs/p", body).status_code == 201
    until(lambda: status(azure, f"{workspace}/jobs/p") == "Completed")
    assert azure.arm("GET", f"{workspace}/components/none/versions/azureml_default").status_code == 404


def test_a_failed_step_ends_the_pipeline_and_its_successors_never_start(azure: Client) -> None:
    """Failed, with the step's name; the step behind it has no run."""
    workspace = lab(azure, ok="true", bad="exit 3")
    body = pipeline(workspace, first={"of": "bad"}, second={"of": "ok", "inputs": after("first")})
    assert azure.arm("PUT", f"{workspace}/jobs/p", body).status_code == 201
    until(lambda: status(azure, f"{workspace}/jobs/p") == "Failed")
    assert children(azure, workspace, "p") == {"first": "Failed"}


def test_a_cancel_reaches_the_steps(azure: Client) -> None:
    """The process of the running step ends, and the pipeline is Canceled."""
    workspace = lab(azure, slow="sleep 600")
    azure.arm("PUT", f"{workspace}/jobs/p", pipeline(workspace, only={"of": "slow"}))
    until(lambda: children(azure, workspace, "p") == {"only": "Running"})
    assert azure.arm("POST", f"{workspace}/jobs/p/cancel").status_code == 202
    until(lambda: status(azure, f"{workspace}/jobs/p") == "Canceled")
    assert children(azure, workspace, "p") == {"only": "Canceled"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"searchSpace": {}}, "searchSpace"),
        ({"searchSpace": {"x": ["choice", [[]]]}}, "no options"),
        ({"searchSpace": {"x": ["magic", [1]]}}, "not one of"),
        ({"searchSpace": {"x": ["uniform", [0]]}}, "cannot be sampled"),
        ({"samplingAlgorithm": {"samplingAlgorithmType": "Grid"}}, "choices only"),
        ({"objective": {}}, "primaryMetric"),
        ({"limits": {"maxTotalTrials": 0}}, "maxTotalTrials"),
        ({"earlyTermination": {"policyType": "Luck"}}, "policyType"),
        ({"earlyTermination": {"policyType": "Bandit", "slackFactor": -1}}, "slackFactor"),
        (
            {"samplingAlgorithm": {"samplingAlgorithmType": "Bayesian"}, "earlyTermination": {"policyType": "MedianStopping"}},
            "early termination",
        ),
    ],
)
def test_a_sweep_that_could_never_run_is_refused_at_once(azure: Client, change: dict[str, Any], message: str) -> None:
    """400, naming what is wrong."""
    workspace = lab(azure)
    sweep = {
        "jobType": "Sweep",
        "trial": {"command": "echo ${{search_space.x}}", "environmentId": f"{workspace}/environments/env/versions/1"},
        "searchSpace": {"x": ["uniform", [0, 1]]},
        "objective": {"primaryMetric": "m", "goal": "Maximize"},
        **change,
    }
    answer = azure.arm("PUT", f"{workspace}/jobs/s", {"properties": sweep})
    assert answer.status_code == 400, answer.text
    assert message in answer.json()["error"]["message"]


def test_a_sweep_whose_command_names_another_parameter_is_taken_and_fails(azure: Client) -> None:
    """201, as recorded; the job ends Failed."""
    workspace = lab(azure)
    sweep = {
        "jobType": "Sweep",
        "trial": {"command": "echo ${{search_space.x}}", "environmentId": f"{workspace}/environments/env/versions/1"},
        "searchSpace": {"y": ["uniform", [0, 1]]},
        "objective": {"primaryMetric": "m", "goal": "Maximize"},
        "samplingAlgorithm": {"samplingAlgorithmType": "Random"},
    }
    assert azure.arm("PUT", f"{workspace}/jobs/s", {"properties": sweep}).status_code == 201
    until(lambda: status(azure, f"{workspace}/jobs/s") == "Failed")


def test_a_sweep_of_failing_trials_fails(azure: Client) -> None:
    """AllTrialsFailed; each trial has its own outcome."""
    workspace = lab(azure)
    sweep = {
        "jobType": "Sweep",
        "trial": {"command": "exit ${{search_space.x}}", "environmentId": f"{workspace}/environments/env/versions/1"},
        "searchSpace": {"x": ["choice", [[3, 4]]]},
        "samplingAlgorithm": {"samplingAlgorithmType": "Grid"},
        "objective": {"primaryMetric": "m", "goal": "Maximize"},
    }
    azure.arm("PUT", f"{workspace}/jobs/s", {"properties": sweep})
    until(lambda: status(azure, f"{workspace}/jobs/s") == "Failed")
    assert set(children(azure, workspace, "s").values()) == {"Failed"}


REPORT = """
import os, sys, time, requests
url = os.environ["MLFLOW_TRACKING_URI"].replace("azureml", "https", 1) + "/api/2.0/mlflow/runs/log-metric"
for step in range(3 if float(sys.argv[1]) > 0.5 else 6000):
    body = {"run_id": os.environ["MLFLOW_RUN_ID"], "key": "m", "value": float(sys.argv[1]), "step": step, "timestamp": 1}
    requests.post(url, json=body, headers={"Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"]})
    time.sleep(0.1)
"""


@pytest.mark.parametrize(
    "policy",
    [
        {"policyType": "Bandit", "slackFactor": 0.2, "evaluationInterval": 1, "delayEvaluation": 2},
        {"policyType": "MedianStopping", "evaluationInterval": 1},
        {"policyType": "TruncationSelection", "truncationPercentage": 34, "evaluationInterval": 3},
    ],
)
def test_a_policy_ends_the_trial_that_falls_behind(
    azure: Client, upload: Callable[[str, dict[str, bytes]], str], policy: dict[str, Any]
) -> None:
    """The one that would go on for ten minutes is Canceled, the sweep Completed with the best."""
    workspace = lab(azure)
    uri = upload(workspace, {"report.py": REPORT.encode()})
    azure.arm("PUT", f"{workspace}/codes/report/versions/1", {"properties": {"codeUri": uri}})
    sweep = {
        "jobType": "Sweep",
        "trial": {
            "command": "python report.py ${{search_space.x}}",
            "environmentId": f"{workspace}/environments/env/versions/1",
            "codeId": f"{workspace}/codes/report/versions/1",
        },
        "searchSpace": {"x": ["choice", [[0.8, 0.9, 0.1]]]},
        "samplingAlgorithm": {"samplingAlgorithmType": "Grid"},
        "objective": {"primaryMetric": "m", "goal": "Maximize"},
        "limits": {"maxTotalTrials": 3, "maxConcurrentTrials": 3},
        "earlyTermination": policy,
    }
    answer = azure.arm("PUT", f"{workspace}/jobs/s", {"properties": sweep})
    assert answer.status_code == 201, answer.text
    until(lambda: status(azure, f"{workspace}/jobs/s") in {"Completed", "Failed"})
    job = azure.arm("GET", f"{workspace}/jobs/s").json()["properties"]
    assert (job["status"], job["properties"]["best_child_run_id"]) == ("Completed", "s_1")
    ended = children(azure, workspace, "s")
    assert (ended["s_1"], ended["s_2"]) == ("Completed", "Canceled")


def test_a_sweep_in_a_pipeline_is_written_as_in_yaml(azure: Client) -> None:
    """Snake case, seconds, a rule and a policy; the swept parameter is an input of the component."""
    workspace = lab(azure)
    spec = {
        "type": "command",
        "name": "try",
        "inputs": {"rate": {"type": "number"}},
        "environment": f"azureml:{workspace}/environments/env/versions/1",
        "command": "echo ${{inputs.rate}}",
    }
    azure.arm("PUT", f"{workspace}/components/try/versions/1", {"properties": {"componentSpec": spec}})
    node = {
        "type": "sweep",
        "trial": {"componentId": f"{workspace}/components/try/versions/1"},
        "sampling_algorithm": {"type": "random", "rule": "sobol"},
        "objective": {"goal": "minimize", "primary_metric": "loss"},
        "search_space": {"rate": {"type": "uniform", "min_value": 0, "max_value": 1}},
        "limits": {"max_total_trials": 3, "max_concurrent_trials": 3, "timeout": 600},
        "early_termination": {"policy_type": "Bandit", "evaluation_interval": 1, "slack_factor": 0.2},
    }
    answer = azure.arm("PUT", f"{workspace}/jobs/p", {"properties": {"jobType": "Pipeline", "jobs": {"search": node}}})
    assert answer.status_code == 201, answer.text
    until(lambda: status(azure, f"{workspace}/jobs/p") in {"Completed", "Failed"})
    url = f"https://{scene.LOCATION}.api.azureml.ms/history/v1.0{workspace}/runs/p/children"
    (search,) = azure.arm("GET", url).json()["value"]
    assert search["runType"] == "hyperdrive"
    trials = azure.arm("GET", url.replace("/p/", f"/{search['runId']}/")).json()["value"]
    assert {one["status"] for one in trials} == {"Completed"}
    assert sorted(float(one["properties"]["hyperparameter.rate"]) for one in trials) == [0.25, 0.5, 0.75]
