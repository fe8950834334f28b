"""Child processes of the stack: ready when they say so, explained when they fail, gone when we are."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.local import processes

ROOT = Path(__file__).parents[3]


def test_a_part_is_entered_when_it_says_ready_and_ended_with_the_block(tmp_path: Path) -> None:
    """The READY line is handed on; the process is gone afterwards."""
    code = "import time; print('starting', flush=True); print('READY http://here', flush=True); time.sleep(99)"
    with processes.part("thing", [sys.executable, "-c", code], log=tmp_path / "log", env=os.environ) as part:
        assert part.ready == "READY http://here"
        part.check()
    assert part.process.returncode == -signal.SIGTERM


def test_a_part_that_does_not_start_is_named_with_its_last_words(tmp_path: Path) -> None:
    """Which part, which exit code, which file, and what it said."""
    command = [sys.executable, "-c", "import sys; sys.exit('no such thing')"]
    with (
        pytest.raises(processes.PartError, match=r"thing did not start \(exit code 1\)(.|\n)*log(.|\n)*no such thing"),
        processes.part("thing", command, log=tmp_path / "log", env=os.environ),
    ):
        pytest.fail("it did not start")


def test_a_part_that_ends_by_itself_is_noticed(tmp_path: Path) -> None:
    """`up` looks at its parts while it waits."""
    with processes.part("thing", [sys.executable, "-c", "print('READY')"], log=tmp_path / "log", env=os.environ) as part:
        part.process.wait()
        with pytest.raises(processes.PartError, match="thing ended by itself"):
            part.check()


def test_a_busy_port_is_replaced_by_a_free_one() -> None:
    """Nobody's server is disturbed."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        busy = taken.getsockname()[1]
        assert processes.choose_port(busy) not in (0, busy)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help is Linux's")
def test_a_part_ends_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    """The kernel tells the child when its parent is gone."""
    code = f"""
import os, sys, time
from pathlib import Path
from infra.local import processes
child = [sys.executable, "-c", "import os, time; print('READY', os.getpid(), flush=True); time.sleep(99)"]
with processes.part("thing", child, log=Path({str(tmp_path / "log")!r}), env=os.environ) as part:
    print(part.ready.split()[1], flush=True)
    time.sleep(99)
"""
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
    deadline = time.monotonic() + 120
    while _runs(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(child)


def _runs(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
