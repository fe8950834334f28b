"""Runs the demo and reads the report it leaves: seconds, and which calls each step made to ARM."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ARM = "management.azure.com"


def run() -> tuple[float, list[dict[str, Any]]]:
    """One demo on free ports: seconds from start to exit, and its steps.

    Raises:
        RuntimeError: The demo failed.
    """
    ports = [part for name in ("port", "azure-port", "blob-port", "queue-port", "table-port") for part in (f"--{name}", "0")]
    with tempfile.TemporaryDirectory() as state:
        command = [sys.executable, "-m", "infra.local", "demo", "--state", state, *ports]
        began = time.monotonic()
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        seconds = time.monotonic() - began
        if done.returncode:
            raise RuntimeError(f"the demo failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        steps: list[dict[str, Any]] = json.loads((Path(state) / "report.json").read_text())
    return seconds, steps


def arm_calls(step: dict[str, Any]) -> str:
    """A step's ARM calls in words, e.g. ``1 PUT, 3 polls, 1 GET``."""
    kinds = Counter(_kind(call) for call in step["calls"] if call.startswith(ARM))
    return ", ".join(f"{count} {kind}{'s' if kind == 'poll' and count > 1 else ''}" for kind, count in kinds.items()) or "none"


def _kind(call: str) -> str:
    _, method, path = call.split(" ", 2)
    is_poll = "operationsstatus" in path.lower() or "operationresults" in path.lower() or "/asyncoperations/" in path.lower()
    return "poll" if is_poll else method
