"""Seconds and megabytes that a fresh interpreter needs to import the app, beside ``import azure.ai.ml``.

Runs alternate, so that a busy machine slows both; medians are compared. azure-ai-ml is installed on demand into an
environment of its own: the app does not use it.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OTHERS = ROOT / ".local" / "bench-venv"
OTHER_PACKAGE = "azure-ai-ml"
CODE = """
import json, resource, sys, time
def used_kb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
memory, began = used_kb(), time.perf_counter()
import {module}
seconds = time.perf_counter() - began
print(json.dumps([seconds, (used_kb() - memory) / 1024, len(sys.modules)]))
"""


def measure(runs: int = 11) -> dict[str, list[float]]:
    """Seconds, additional megabytes and modules loaded (medians) by module.

    Raises:
        subprocess.CalledProcessError: An import or the installation failed.
    """
    interpreters = {"function_app": Path(sys.executable), "azure.ai.ml": _with_azure_ai_ml()}
    for module, python in interpreters.items():
        _once(python, module)  # compiles what is not compiled yet
    samples: dict[str, list[list[float]]] = {module: [] for module in interpreters}
    for _ in range(runs):
        for module, python in interpreters.items():
            samples[module].append(_once(python, module))
    return {module: [statistics.median(column) for column in zip(*rows, strict=True)] for module, rows in samples.items()}


def _once(python: Path, module: str) -> list[float]:
    command = [str(python), "-W", "ignore", "-c", CODE.format(module=module)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    sample: list[float] = json.loads(done.stdout.splitlines()[-1])
    return sample


def _with_azure_ai_ml() -> Path:
    python = OTHERS / "bin" / "python"
    if (
        not python.exists()
        or subprocess.run([str(python), "-c", "import azure.ai.ml"], capture_output=True, check=False).returncode
    ):
        sys.stderr.write(f"installing {OTHER_PACKAGE} into .local/bench-venv to compare with\n")
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(OTHERS)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", OTHER_PACKAGE], check=True)
    return python
