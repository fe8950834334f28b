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
    """Reading the sources is all, but for the token that the deployment signs in with, and for writing a release."""
    text, workflow = path.read_text(), load(path)
    assert "secrets." not in text
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        releases = "gh release create" in "".join(step.get("run", "") for step in job.get("steps", []))
        most = {"contents": "write"} if releases else {"contents": "read", "id-token": "write"}
        assert job.get("permissions", {"contents": "read"}).items() <= most.items()
    assert ("azure/login@" in text) == ("id-token: write" in text)
    for step in steps(workflow):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_by_commit(path: Path) -> None:
    """A tag can be moved to other code, in a job that may deploy. The tag stands beside it, for people and for dependabot."""
    used = [line.partition("uses: ")[2] for line in path.read_text().splitlines() if "uses: " in line and "uses: ./" not in line]
    assert used
    for action in used:
        assert re.fullmatch(r"(actions|azure|Azure)/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


def test_one_action_has_one_commit() -> None:
    """An action that was renewed in one place only is two versions of it."""
    lines = "".join(path.read_text() for path in WORKFLOWS)
    pins = set(re.findall(r"uses: ([\w/-]+)@([0-9a-f]{40} # v[\d.]+)", lines))
    assert len(pins) == len({name for name, _ in pins}) > 5


def test_dependabot_looks_at_everything_that_is_pinned() -> None:
    """Actions, Python and Node; each folder that it is sent to has files of that kind."""
    wanted = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())["updates"]
    kinds = {"github-actions": ".github/workflows/*.yml", "pip": "*requirements*.txt", "npm": "package.json"}
    assert {each["package-ecosystem"] for each in wanted} == set(kinds)
    for each in wanted:
        for folder in each.get("directories", [each.get("directory")]):
            assert list(ROOT.joinpath(folder.lstrip("/")).glob(kinds[each["package-ecosystem"]])), folder


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


def test_the_deployment_finds_what_the_template_made() -> None:
    """Each environment of the choice has its parameter file; the app is found by the tag and in the group of main.bicep."""
    path = ROOT / ".github" / "workflows" / "deploy.yml"
    main = (ROOT / "infra" / "azure" / "main.bicep").read_text()
    (tag,) = re.findall(r"tags\.app=='([\w-]+)'", path.read_text())
    assert f"app: '{tag}'" in main
    assert "param resourceGroupName string = 'rg-steward-${environmentName}'" in main
    assert "format('rg-steward-{0}'," in path.read_text()
    for name in load(path)["on"]["workflow_dispatch"]["inputs"]["environment"]["options"]:
        assert (ROOT / "infra" / "azure" / f"{name}.bicepparam").exists()


def test_a_pipeline_without_an_owners_rights_deploys_the_package_alone() -> None:
    """`infra: false`, or the variable DEPLOY_INFRA for tags: no deployment of the subscription is made; all later steps run."""
    deploy = load(ROOT / ".github" / "workflows" / "deploy.yml")
    assert deploy["on"]["workflow_dispatch"]["inputs"]["infra"]["type"] == "boolean"
    asked = [step["if"] for step in steps(deploy) if "az deployment sub" in step.get("run", "")]
    assert asked == ["${{ inputs.infra || (github.event_name == 'push' && vars.DEPLOY_INFRA != 'false') }}"]
    assert [step["name"] for step in steps(deploy) if "if" in step] == ["Bring Azure to what infra/azure describes"]


def test_a_private_app_is_deployed_by_a_runner_of_ones_own() -> None:
    """The job that calls the app runs where the repository's variable says; what anybody's pull request starts does not."""
    jobs = load(ROOT / ".github" / "workflows" / "deploy.yml")["jobs"]
    assert jobs["deploy"]["runs-on"] == "${{ vars.RUNNER || 'ubuntu-24.04' }}"
    assert "vars.RUNNER" not in (ROOT / ".github" / "workflows" / "check.yml").read_text()


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


def test_azd_deploys_the_package_that_was_built_from_the_lock() -> None:
    """Its folder, as it is: Azure builds nothing from requirements.txt, whose lines are not pinned."""
    (service,) = yaml.safe_load((ROOT / "azure.yaml").read_text())["services"].values()
    assert service["remoteBuild"] is False
    words = shlex.split(service["hooks"]["prepackage"]["run"])
    assert words[:2] == ["make", "package"]
    assert words[2] == f"ARGS=--folder {service['dist']}"


@pytest.mark.parametrize(("tag", "known"), [("v0.3.0", True), ("v99.0.0", False)])
def test_a_release_has_the_changelogs_section_of_its_version(tag: str, tmp_path: Path, *, known: bool) -> None:
    """And only that; a tag that the changelog does not know makes no release."""
    (script,) = (
        step["run"] for step in steps(load(ROOT / ".github/workflows/release.yml")) if "CHANGELOG.md" in step.get("run", "")
    )
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist/azureml-steward.zip").write_bytes(b"zip")
    (tmp_path / "CHANGELOG.md").write_text((ROOT / "CHANGELOG.md").read_text())
    given = {"GITHUB_REF_NAME": tag, "PATH": "/usr/local/bin:/usr/bin:/bin"}
    done = subprocess.run(["bash", "-ec", script], cwd=tmp_path, env=given, check=False, capture_output=True, text=True)
    assert (done.returncode == 0) is known, done.stderr
    if known:
        notes = (tmp_path / "dist/notes.md").read_text()
        assert "Roles and scopes" in notes
        assert "## 0." not in notes
