"""The app is an ARM endpoint: Microsoft's management clients work through it with nothing but URL and key changed."""

from __future__ import annotations

import re
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(300)
HERE = Path(__file__).parent
ROOT = HERE.parents[2]
type Run = Callable[..., dict[str, Any]]
CALLS = {"python": 38, "learning": 18, "javascript": 16}  # of each script, at the least: 40 in all are asked for


def _judged(said: dict[str, Any], least: int) -> None:
    """Every call gave what was expected."""
    wrong = [f"{call}: {given!r}, expected {wanted!r}" for call, given, wanted in said["said"] if given != wanted]
    assert not wrong, "\n".join(wrong)
    assert len(said["said"]) >= least, len(said["said"])


def test_what_a_workspace_stands_on(run_command: Run, management_python: Path, through_app: dict[str, str]) -> None:
    """Storage, vault, registry, Insights; resources listed and by id; names; template deployments read."""
    script = [str(management_python), "-W", "ignore", str(HERE / "scripts/through_app.py")]
    _judged(run_command(script, **through_app, END=uuid.uuid4().hex[:6]), CALLS["python"])


def test_azure_ml(run_command: Run, client_python: Path, through_app: dict[str, str]) -> None:
    """Workspace, cluster, instance, connections: made, listed, changed, deleted; first answers are 201 with the resource."""
    script = [str(client_python), "-W", "ignore", str(HERE / "scripts/learning_through_app.py")]
    _judged(run_command(script, **through_app, END=uuid.uuid4().hex[:6]), CALLS["learning"])


@pytest.mark.parametrize(("language", "name", "says"), [("python", "a.py", "churnarm1"), ("javascript", "a.mjs", "rg-steward")])
def test_the_pages_examples(
    language: str, name: str, says: str, node: str, management_python: Path, through_app: dict[str, str], tmp_path: Path
) -> None:
    """docs/arm-clients.md, as it stands there."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```", (ROOT / "docs/arm-clients.md").read_text(), re.DOTALL | re.MULTILINE)
    folder = HERE / "javascript" if language == "javascript" else tmp_path  # its packages are found from where it stands
    script = folder / f"page-{uuid.uuid4().hex}-{name}"
    script.write_text(blocks[0])
    program = [node] if language == "javascript" else [str(management_python), "-W", "ignore"]
    try:
        done = subprocess.run([*program, str(script)], env=through_app, capture_output=True, text=True, timeout=120, check=False)
    finally:
        script.unlink()
    assert done.stdout.strip() == says, done.stderr


def test_javascript(run_command: Run, node: str, through_app: dict[str, str]) -> None:
    """Cluster, endpoint, job, resources by id (two slashes in front), names."""
    script = [node, str(HERE / "javascript/through_app.mjs")]
    _judged(run_command(script, **through_app, END=uuid.uuid4().hex[:6]), CALLS["javascript"])
