"""Child processes that never outlive the local Azure, not even when it is killed. Not here: what they run.

`scripts/leash.py` stands between: it ends the command's whole process group when our end of its standard input closes.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LEASH = Path(__file__).parent / "scripts" / "leash.py"
GRACE_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Leashed:
    """A running command."""

    process: subprocess.Popen[bytes]

    def end(self) -> None:
        """SIGTERM to its process group now, SIGKILL after the grace; returns at once, as often as you like."""
        if self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()

    def wait(self, timeout_s: float | None = None) -> int | None:
        """The exit code (128 + n for a signal), or None when it still runs after `timeout_s`."""
        try:
            code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None
        self.end()
        return code


def launch(command: Sequence[str], *, folder: Path, environment: Mapping[str, str], log: Path, grace_s: float = GRACE_S) -> Leashed:
    """Start a command in a folder; its standard output and error are appended to `log`, in order.

    Args:
        command: the program and its arguments; a program that does not exist ends with code 127 and says so in the log.
        folder: the working folder.
        environment: all of its environment variables.
        log: made when absent.
        grace_s: between SIGTERM and SIGKILL.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(LEASH), str(grace_s), *command],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Leashed(process=process)
