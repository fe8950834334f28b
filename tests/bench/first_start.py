"""``python -m tests.bench.first_start``: from `git clone` to the first answer of the app, with the packages in the caches.

A fresh clone of this repository, `make up` in it, and one request that reaches the local Azure. Whatever the caches of uv and npm
lack is fetched, so the second run is the one that counts. Not here: a process that starts again (cold_start).
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import requests
from rich.console import Console

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 600.0
GOAL_S, GOAL_MB = 45, 350


def run() -> tuple[float, float, float]:
    """Return the seconds until the clone was there, until the first answer 200, and the megabytes that the folder holds then.

    Raises:
        RuntimeError: `make up` ended, or said nothing.
    """
    with tempfile.TemporaryDirectory() as folder:
        clone, log, began = Path(folder) / "clone", Path(folder) / "up.log", time.monotonic()
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
        cloned_s = time.monotonic() - began
        ports = " ".join(f"--{name} 0" for name in ("port", "azure-port", "blob-port", "queue-port", "table-port"))
        with log.open("wb") as said:
            up = subprocess.Popen(
                ["make", "-s", "up", f"ARGS={ports}"], cwd=clone, stdout=said, stderr=said, start_new_session=True
            )
        try:
            _answered(log, up)
            green_s = time.monotonic() - began
        finally:
            os.killpg(up.pid, signal.SIGINT)
            up.wait(timeout=60)
        size = subprocess.run(["du", "-sm", str(clone)], check=True, capture_output=True, text=True).stdout
        return cloned_s, green_s, float(size.split()[0])


def _answered(log: Path, up: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end and up.poll() is None:
        said = log.read_text(errors="replace")
        address, key = re.search(r"app +(http://\S+)/api", said), re.search(r"function key (\S+)", said)
        if address and key:
            url = f"{address[1]}/api/resourceGroups"
            requests.get(url, headers={"x-functions-key": key[1]}, timeout=60).raise_for_status()
            return
        time.sleep(0.05)
    message = f"no first answer: {log.read_text(errors='replace')[-2_000:]}"
    raise RuntimeError(message)


def main() -> None:
    """Measure and print."""
    cloned_s, green_s, megabytes = run()
    took = f"{green_s:.1f} s (goal ≤ {GOAL_S}), {cloned_s:.1f} of them git clone; {megabytes:.0f} MB (goal ≤ {GOAL_MB})"
    Console().print(f"from git clone to the first green request: {took}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
