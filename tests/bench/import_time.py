"""Seconds and megabytes that a fresh interpreter needs to import the app, beside `azure.ai.ml` and, the least, `azure.functions`.

Runs alternate, so that a busy machine slows both; medians are compared. azure-ai-ml stands in an
environment of its own, as the tests need it: the app does not use it.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from infra.local import bootstrap

ROOT = Path(__file__).resolve().parents[2]
CODE = """
import json, sys, time
began = time.perf_counter()
import {module}
seconds = time.perf_counter() - began
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps([seconds, int(status["VmHWM"].split()[0]) / 1024, len(sys.modules)]))
"""  # VmHWM is the process's own; the resource module's number would begin with its parent's


def measure(runs: int = 11) -> dict[str, list[float]]:
    """Seconds, most megabytes in memory and modules loaded (medians) by module.

    Raises:
        subprocess.CalledProcessError: An import or the installation failed.
    """
    own = Path(sys.executable)
    interpreters = {"function_app": own, "azure.functions": own, "azure.ai.ml": _with_azure_ai_ml()}
    for module, python in interpreters.items():
        _once(python, module)  # compiles what is not compiled yet
    samples: dict[str, list[list[float]]] = {module: [] for module in interpreters}
    for _ in range(runs):
        for module, python in interpreters.items():
            samples[module].append(_once(python, module))
    return {module: [statistics.median(column) for column in zip(*rows, strict=True)] for module, rows in samples.items()}


def _once(python: Path, module: str) -> list[float]:
    command = [str(python), "-W", "ignore", "-c", CODE.format(module=module)]
    outside = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}  # a package has bytecode
    done = subprocess.run(command, cwd=ROOT, env=outside, capture_output=True, text=True, check=True)
    sample: list[float] = json.loads(done.stdout.splitlines()[-1])
    return sample


def _with_azure_ai_ml() -> Path:
    subprocess.run([sys.executable, str(ROOT / "infra" / "local" / "bootstrap.py"), "sdk"], cwd=ROOT, check=True)
    return bootstrap.SDK_VENV / "bin" / "python"
