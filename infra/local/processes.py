"""Starts the parts of the local stack as child processes and makes sure that none outlives us.

A part writes to a log file of its own and says ``READY …`` on standard output when it can be used. What the parts are
is ``stack.py``'s business.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[2]
_READY = re.compile(r"^READY\b.*$", re.MULTILINE)
_PR_SET_PDEATHSIG = 1
_LAST_WORDS = 1500
_READY_WITHIN_S = 120.0


class PartError(Exception):
    """A part did not start or ended by itself; the message names it, its log file and its last words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A running child process.

    Attributes:
        name: As shown to people.
        log: Where its output goes.
        ready: Its READY line.
        process: The process, leader of a process group of its own.
    """

    name: str
    log: Path
    ready: str
    process: subprocess.Popen[bytes]

    def check(self) -> None:
        """Raise when the process has ended.

        Raises:
            PartError: It has.
        """
        code = self.process.poll()
        if code is not None:
            raise PartError(f"the {self.name} ended by itself (exit code {code}), {_last_words(self.log)}")


@contextlib.contextmanager
def part(name: str, command: Sequence[str], *, log: Path, env: Mapping[str, str]) -> Iterator[Part]:
    """Run ``command`` for the length of a ``with`` block, entered when it says READY.

    At the end it gets SIGTERM and ten seconds; then its whole process group is killed.

    Raises:
        PartError: It ended, or said nothing for a minute.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists():
        log.replace(log.with_name(f"{log.name}.1"))  # what it said last time
    with log.open("wb") as sink:
        process = subprocess.Popen(
            list(command),
            env=dict(env),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - only from the main thread
        )
    try:
        yield Part(name=name, log=log, ready=_wait_until_ready(name, process, log), process=process)
    finally:
        _stop(process)


def choose_port(wanted: int) -> int:
    """``wanted`` when it is free, else a free one; 0 always takes a free one."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise PartError("there is no free port on 127.0.0.1")


def _wait_until_ready(name: str, process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + _READY_WITHIN_S
    while True:
        ended = process.poll() is not None  # looked at before the log, so that its last line is not missed
        said = _READY.search(log.read_text(errors="replace"))
        if said:
            return said[0]
        if ended:
            raise PartError(f"the {name} did not start (exit code {process.returncode}), {_last_words(log)}")
        if time.monotonic() > deadline:
            raise PartError(f"the {name} was not ready after {_READY_WITHIN_S:.0f} s, {_last_words(log)}")
        time.sleep(0.02)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=10)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # whatever it started and left behind
    process.wait()


def _end_with_parent() -> None:
    # Linux sends this child SIGTERM when we are gone, however that comes about (man 2 prctl).
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _last_words(log: Path) -> str:
    said = log.read_text(errors="replace").strip()[-_LAST_WORDS:]
    return f"see {log}; its end:\n{said}" if said else f"{log} is empty"
