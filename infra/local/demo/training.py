"""Step 4: an experiment run (v1) and a command job (v2), both from a real script, followed to their ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from infra.local.demo.story import (
    COMPUTE,
    EXPERIMENT,
    HERE,
    IMAGE,
    WORKSPACE_ID,
    WORKSPACE_PATH,
    check,
    zipped,
)

if TYPE_CHECKING:
    from infra.local.demo.story import Story

RUN_DEFINITION = {
    "Configuration": {
        "Script": "train.py",
        "Arguments": ["--trees", "25"],
        "SourceDirectoryDataStore": None,
        "Framework": "Python",
        "Communicator": "None",
        "Target": COMPUTE,
        "MaxRunDurationSeconds": 1200,
        "NodeCount": 1,
        "Environment": {
            "Python": {
                "InterpreterPath": "python",
                "UserManagedDependencies": False,
                "CondaDependencies": {
                    "name": "project_environment",
                    "dependencies": ["python=3.12", {"pip": ["azureml-defaults", "scikit-learn"]}],
                },
            },
            "Docker": {"BaseImage": "mcr.microsoft.com/azureml/base:intelmpi2018.3-ubuntu16.04"},
        },
        "History": {"OutputCollection": True},
    }
}


def start_run(story: Story) -> str:
    """The article's run: a zip and a run definition."""
    files = {
        "projectZipFile": ("train.zip", zipped(HERE / "project"), "application/zip"),
        "runDefinitionFile": ("definition.json", json.dumps(RUN_DEFINITION), "application/json"),
    }
    path = f"{WORKSPACE_PATH}/experiments/{EXPERIMENT}/startrun"
    ended = story.app.follow(story.app.send("POST", path, files=files, expect=202))
    check(ended.status == "Succeeded", f"{ended.status}: {ended.error}")
    run = story.app.result(ended)
    story.run_id = run["runId"]
    check(run["status"] == "Completed", f"run history says {run['status']}")
    return f"{story.run_id} {run['status']}"


def read_log(story: Story) -> str:
    """The log that the script wrote."""
    log = _log(story, f"{WORKSPACE_PATH}/experiments/{EXPERIMENT}/runs/{story.run_id}")
    line = next((line for line in log.splitlines() if line.startswith("r2 on")), "")
    check(bool(line), f"the log does not hold the script's output: {log[-300:]}")
    return line


def start_job(story: Story) -> str:
    """The same as a v2 command job: its code travels with the request."""
    spec = {
        "properties": {
            "jobType": "Command",
            "displayName": "Flat prices",
            "experimentName": EXPERIMENT,
            "command": "python train.py --trees ${{inputs.trees}}",
            "inputs": {"trees": {"jobInputType": "literal", "value": "40"}},
            "environmentId": f"{WORKSPACE_ID}/environments/sklearn/versions/1",
            "computeId": f"{WORKSPACE_ID}/computes/{COMPUTE}",
        }
    }
    environment = {"properties": {"image": IMAGE, "osType": "Linux"}}
    story.app.done("PUT", f"{WORKSPACE_PATH}/environments/sklearn/versions/1", json=environment)
    files = {
        "code": ("train.zip", zipped(HERE / "project"), "application/zip"),
        "spec": ("job.json", json.dumps(spec), "application/json"),
    }
    ended = story.app.follow(story.app.send("POST", f"{WORKSPACE_PATH}/jobs", files=files, expect=202))
    check(ended.status == "Succeeded", f"{ended.status}: {ended.error}")
    job = story.app.result(ended)
    story.job = job["name"]
    check(job["properties"]["status"] == "Completed", f"the job says {job['properties']['status']}")
    log = _log(story, f"{WORKSPACE_PATH}/jobs/{story.job}")
    check("with 40 trees" in log, f"the job's log does not show its input: {log[-300:]}")
    return f"{story.job} {job['properties']['status']}"


def _log(story: Story, path: str) -> str:
    """The log files of a run or job, one after the other."""
    return "\n".join(file["content"] for file in story.app.get(f"{path}/logs")["value"])
