"""The workflows of GitHub Actions and azure.yaml: no secrets, least permissions, and commands that there are."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
KNOWN_KEYS = {
    "name",
    "runs-on",
    "timeout-minutes",
    "needs",
    "environment",
    "permissions",
    "env",
    "steps",
    "uses",
    "concurrency",
    "if",
}


def load(path: Path) -> dict[str, Any]:
    """Read a workflow; YAML 1.1 takes `on` for a boolean."""
    loaded: dict[Any, Any] = yaml.safe_load(path.read_text())
    return {"on" if key is True else key: value for key, value in loaded.items()}


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the steps of all jobs."""
    return [step for job in workflow["jobs"].values() for step in job.get("steps", [])]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_is_made_of_keys_that_github_knows(path: Path) -> None:
    """A misspelt key is ignored, silently."""
    workflow = load(path)
    assert set(workflow) <= {"name", "on", "permissions", "concurrency", "env", "jobs"}
    for name, job in workflow["jobs"].items():
        assert set(job) <= KNOWN_KEYS, name
        needs = job.get("needs", [])
        assert set([needs] if isinstance(needs, str) else needs) <= set(workflow["jobs"])
        assert ("uses" in job) != ("steps" in job and "runs-on" in job and "timeout-minutes" in job), name
        if "uses" in job:
            assert (ROOT / job["uses"]).exists()
    for step in steps(workflow):
        assert set(step) <= {"name", "id", "uses", "run", "with", "env", "if"}
        assert ("uses" in step) != ("run" in step)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_keeps_no_secret_and_may_do_little(path: Path) -> None:
    """Reading the sources is all, but for the token that the deployment signs in with."""
    text, workflow = path.read_text(), load(path)
    assert "secrets." not in text
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert job.get("permissions", {"contents": "read"}).items() <= {"contents": "read", "id-token": "write"}.items()
    assert ("azure/login@" in text) == ("id-token: write" in text)
    for step in steps(workflow):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_by_their_major_version(path: Path) -> None:
    """`@main` would run whatever is there tomorrow."""
    for step in steps(load(path)):
        if "uses" in step:
            assert re.fullmatch(r"(actions|azure|Azure)/[a-z-]+@v\d+", step["uses"]), step["uses"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_what_a_workflow_runs_is_there(path: Path) -> None:
    """Targets of make, files, outputs of earlier steps; the shell can read it, and no foreign text is pasted into it."""
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    workflow = load(path)
    ids = {step["id"] for step in steps(workflow) if "id" in step}
    assert set(re.findall(r"steps\.(\w+)\.outputs", path.read_text())) <= ids
    for step in steps(workflow):
        script = step.get("run", "")
        assert "${{" not in script, "an expression in a script is a way in: hand it over by env"
        assert subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False).returncode == 0
        for line in script.splitlines():
            words = shlex.split(line, comments=True) if line.count('"') % 2 == 0 and line.startswith("make ") else []
            assert not words or words[1] in targets
        for file in re.findall(r"infra/azure/[\w./]+\.bicep\b", script):
            assert (ROOT / file).exists()


def test_the_deployment_reads_outputs_and_parameter_files_that_there_are() -> None:
    """Each environment of the choice has its parameter file."""
    path = ROOT / ".github" / "workflows" / "deploy.yml"
    main = (ROOT / "infra" / "azure" / "main.bicep").read_text()
    for output in re.findall(r"read_output (\w+)", path.read_text()):
        assert re.search(rf"^output {output} ", main, re.MULTILINE)
    for name in load(path)["on"]["workflow_dispatch"]["inputs"]["environment"]["options"]:
        assert (ROOT / "infra" / "azure" / f"{name}.bicepparam").exists()


def test_azd_finds_the_template_and_the_app() -> None:
    """azure.yaml's service is the tag of the app, and its template has parameters for azd."""
    project = yaml.safe_load((ROOT / "azure.yaml").read_text())
    minimum = re.fullmatch(r">= (\d+)\.(\d+)\.(\d+)", project["requiredVersions"]["azd"])
    assert minimum, "an older one deletes the groups of Azure ML together with the app's"
    assert tuple(map(int, minimum.groups())) >= (1, 25, 0)
    infra = project["infra"]
    assert (ROOT / infra["path"] / f"{infra['module']}.bicep").exists()
    assert (ROOT / infra["path"] / f"{infra['module']}.bicepparam").exists()
    (service,) = project["services"]
    assert f"'azd-service-name': '{service}'" in (ROOT / "infra" / "azure" / "modules" / "function-app.bicep").read_text()
    assert "'azd-env-name': environmentName" in (ROOT / "infra" / "azure" / "main.bicep").read_text()
