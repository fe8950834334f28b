"""The workflow of docs/callers.md: its shape, and its steps in a shell as GitHub's runner gives them one."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from pathlib import Path

    from tests.functional.callers.conftest import Place

JOB = """
command: python train.py
code: src
environment: azureml:plain:1
compute: azureml:trainer
"""
CLUSTER = {
    "location": "westeurope",
    "properties": {"computeType": "AmlCompute", "properties": {"vmSize": "Standard_DS3_v2", "scaleSettings": {"maxNodeCount": 1}}},
}
AZ = """#!/bin/sh
[ "$1 $2 $3" = "functionapp keys list" ] && echo "$THE_KEY"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How a job on GitHub went."""

    code: int
    log: str
    summary: str


@pytest.fixture(scope="module")
def workflow(blocks: dict[tuple[str, str], list[str]]) -> Any:
    """The page's workflow."""
    return yaml.safe_load(blocks["GitHub Actions", "yaml"][0].replace("\non:\n", '\n"on":\n'))


@pytest.fixture(scope="module", autouse=True)
def trainable(place: Place) -> None:
    """What the job names: an environment and a cluster."""
    made = place.send("PUT", "workspaces/ml-team/environments/plain/versions/1", json={"properties": {"image": "python:3.13"}})
    assert made.ok, made.text
    assert (made := place.send("PUT", "workspaces/ml-team/computes/trainer", json=CLUSTER)).ok, made.text


def run(workflow: Any, place: Place, folder: Path, script: str, number: int = 1) -> Ran:
    """Take the steps of the job, each in a shell of its own, until one fails."""
    (folder / "src").mkdir(exist_ok=True)
    (folder / "src" / "train.py").write_text(script)
    (folder / "job.yml").write_text(JOB)
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin" / "az").write_text(AZ)
    (folder / "bin" / "az").chmod(0o755)
    handed_on, summary = folder / "env", folder / "summary"
    handed_on.write_text(""), summary.write_text("")
    plain = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    given = {
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "STEWARD": place.steward,
        "THE_KEY": place.key,
        "GITHUB_ENV": str(handed_on),
        "GITHUB_STEP_SUMMARY": str(summary),
        "GITHUB_REPOSITORY": "contoso/churn",
        "GITHUB_RUN_ID": folder.name,
        "GITHUB_RUN_ATTEMPT": str(number),
    }
    log, code = "", 0
    for step in workflow["jobs"]["train"]["steps"]:
        if code or "run" not in step:
            continue
        more = dict(line.split("=", 1) for line in handed_on.read_text().splitlines())
        done = subprocess.run(
            ["bash", "-e", "-c", step["run"]],
            cwd=folder,
            env={**plain, **given, **more},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        log, code = log + done.stdout + done.stderr, done.returncode
    return Ran(code=code, log=log, summary=summary.read_text())


def test_the_workflow_has_the_shape_of_one(workflow: Any) -> None:
    """It may sign in and read, each step does one thing, and no secret stands in it."""
    assert set(workflow) == {"name", "on", "permissions", "env", "jobs"}
    assert workflow["permissions"] == {"contents": "read", "id-token": "write"}
    (job,) = workflow["jobs"].values()
    assert set(job) == {"runs-on", "timeout-minutes", "steps"}
    for step in job["steps"]:
        assert set(step) <= {"name", "uses", "with", "run"}
        assert ("uses" in step) != ("run" in step)
    assert "secrets." not in str(workflow)


def test_a_job_that_completes_is_a_step_that_succeeds(workflow: Any, place: Place, tmp_path: Path) -> None:
    """The step lasts as long as the job; the key is masked, and the same run of it is the same job."""
    ran = run(workflow, place, tmp_path, "print('trained')")
    assert (ran.code, ran.summary) == (0, "Completed\n"), ran.log
    assert f"::add-mask::{place.key}" in ran.log
    assert place.key not in ran.log.replace(f"::add-mask::{place.key}", "")
    before = len(place.azure.call("GET", "requests?method=PUT&path=/jobs/"))
    assert run(workflow, place, tmp_path, "print('trained')").code == 0
    assert len(place.azure.call("GET", "requests?method=PUT&path=/jobs/")) == before


def test_a_job_that_fails_is_a_step_that_fails_with_azures_message(workflow: Any, place: Place, tmp_path: Path) -> None:
    """As an annotation, which GitHub shows on the run's page; what Azure refuses at once is told in the same way."""
    ran = run(workflow, place, tmp_path, "raise SystemExit(3)")
    assert (ran.code, ran.summary) == (1, "")
    assert "::error title=Azure Machine Learning, 4" in ran.log
    assert '"code":' in ran.log
    place.azure.call("POST", "faults", json={"action": "respond", "method": "PUT", "match": "/jobs/", "status": 400, "body": {}})
    refused = run(workflow, place, tmp_path, "print('trained')", number=2)
    assert (refused.code, refused.summary) == (1, "")
    assert "::error title=Azure Machine Learning, 400::" in refused.log
