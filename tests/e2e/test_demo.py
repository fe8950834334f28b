"""The main job, end to end: what `make demo` runs, on free ports and a folder of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.nightly), 2])
def test_the_demo_passes_with_that_many_workers(workers: int, tmp_path: Path) -> None:
    """Every step ends as it should, whichever worker process carries it on, and the exit code says so."""
    free = [option for name in ("port", "azure-port", "blob-port", "queue-port", "table-port") for option in (f"--{name}", "0")]
    command = [sys.executable, "-m", "infra.local", "demo", "--workers", str(workers), "--state", str(tmp_path), *free]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)

    said = f"{done.stdout}\n{done.stderr}\n{_log(tmp_path / 'logs' / 'host.log')}"
    assert done.returncode == 0, said
    steps = json.loads((tmp_path / "report.json").read_text())
    assert [step["step"] for step in steps if not step["ok"]] == [], said
    assert {step["step"].rstrip("abcdef") for step in steps} == set("123456789"), said
    assert "log lines dropped: 0" in said, "a line of the app belonged to no invocation"
    assert f"{len(steps)} of {len(steps)} steps as expected" in done.stdout
    assert _still_running(tmp_path) == []


def _log(file: Path) -> str:
    return file.read_text(errors="replace")[-3000:] if file.exists() else ""


def _still_running(state: Path) -> list[str]:
    """The command lines of processes that name the demo's folder: parts that outlived it."""
    left = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(state) in line and int(entry.name) != os.getpid():
            left.append(line)
    return left
