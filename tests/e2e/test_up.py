"""`make up`: what it prints works, and it keeps the app alive until it is told to end."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).parents[2]


@pytest.fixture
def up(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A running `up` on free ports, whose output goes to `up.log`; every part has started."""
    free = [option for name in ("port", "azure-port", "blob-port", "queue-port", "table-port") for option in (f"--{name}", "0")]
    options = [*free, "--set", "STEWARD_PREVIEWS=true", "--transitions", "immediate", "--state", str(tmp_path)]
    command = [sys.executable, "-m", "infra.local", "up", *options]
    with (tmp_path / "up.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait_for(lambda: "ctrl-C" in (tmp_path / "up.log").read_text(), process)
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(timeout=60)


@pytest.mark.skipif(not shutil.which("curl"), reason="the lines are for curl")
def test_the_lines_that_it_prints_work(up: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """They can be pasted as they are: a list, a 202, the operation that it made; and what the commands of docs/ need."""
    printed = [line.strip() for line in (tmp_path / "up.log").read_text().splitlines()]
    (source,) = [line for line in printed if line.startswith(". ")]
    lines = [f"{source}\n{line}" for line in printed if line.startswith("curl")]
    groups, made, operations = (
        subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True).stdout for line in lines
    )
    assert len(json.loads(groups)["value"]) == 3
    assert made.startswith("HTTP/1.1 202")
    assert "ml-first" in json.loads(operations)["value"][0]["properties"]["target"]

    scene = f'{source}\ncurl -sS -X POST "$CONTROL/_control/scenes" -d \'{{"name": "docs"}}\''
    assert "rows/2026/a.csv" in subprocess.run(["bash", "-c", scene], capture_output=True, text=True, check=True).stdout
    assert json.loads((tmp_path / "settings.json").read_text())["Values"]["STEWARD_PREVIEWS"] == "true"


def test_an_app_that_is_killed_comes_back_and_ctrl_c_ends_everything(up: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """Same address, same keys, the same storage behind it; then exit code 0 and no process left."""
    said = (tmp_path / "up.log").read_text()
    address = re.search(r"app +(http://\S+)/api", said)
    key = re.search(r"function key (\S+)", said)
    assert address
    assert key
    headers = {"x-functions-key": key[1]}

    os.kill(_host(tmp_path), signal.SIGKILL)
    _wait_for(lambda: "started again" in (tmp_path / "up.log").read_text(), up)
    _wait_for(lambda: _status(f"{address[1]}/api/operations", headers) == 200, up)

    up.send_signal(signal.SIGINT)
    assert up.wait(timeout=60) == 0
    assert _processes(tmp_path) == {}


def _status(url: str, headers: dict[str, str]) -> int:
    try:
        return requests.get(url, headers=headers, timeout=10).status_code
    except requests.ConnectionError:
        return 0


def _wait_for(condition, process: subprocess.Popen[bytes], limit_s: float = 60.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert process.poll() is None, "up has ended"
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)


def _host(state: Path) -> int:
    """The process id of the Functions host that works on this folder."""
    return next(pid for pid, line in _processes(state).items() if "infra.local.host " in line)


def _processes(state: Path) -> dict[int, str]:
    """Process id and command line of every process that names the folder."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(state) in line and int(entry.name) != os.getpid():
            found[int(entry.name)] = line
    return found
