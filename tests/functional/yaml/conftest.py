"""The official SDK's side: one process for the whole corpus, in the environment that has azure-ai-ml."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.local import bootstrap

CORPUS = Path(__file__).parents[2] / "corpus"
FILES = sorted(
    file.relative_to(CORPUS).as_posix() for file in CORPUS.glob("*/*.y*ml") if file.parent.name != "shared"
)  # the folder is the loader


@pytest.fixture(scope="session")
def answers() -> dict[str, dict[str, Any]]:
    """What azure-ai-ml sends for each file of the corpus, by path."""
    subprocess.run([sys.executable, bootstrap.__file__, "sdk"], check=True, capture_output=True)
    cases = [{"file": name, "loader": name.partition("/")[0]} for name in FILES]
    python = bootstrap.SDK_VENV / "bin" / "python"
    command = [str(python), "-W", "ignore", str(Path(__file__).with_name("oracle.py"))]
    done = subprocess.run(command, input=json.dumps(cases), capture_output=True, text=True, cwd=CORPUS, check=False)
    assert not done.returncode, done.stderr[-2000:]
    return {answer["file"]: answer for answer in map(json.loads, done.stdout.splitlines())}
