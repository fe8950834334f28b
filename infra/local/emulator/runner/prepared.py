"""The one prepared environment: installed when the first job or deployment needs it, as Azure builds an image then.

Not here: what it holds (infra/local/ml-requirements.txt), how it is installed (infra.local.bootstrap).
"""

from __future__ import annotations

import logging
import subprocess
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_LOG = logging.getLogger("emulator.runner")


class NotPreparedError(Exception):
    """The environment could not be installed; the message says why."""


def already() -> None:
    """The environment is there: nothing is to be done."""


@dataclass(slots=True)
class Setup:
    """The command that installs the environment; it ends at once when everything is in place."""

    command: Sequence[str]
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _done: bool = False

    def __call__(self) -> None:
        """Install the environment at the first call; a second caller waits for the first.

        Raises:
            NotPreparedError: the command failed. The next caller tries again.
        """
        with self._lock:
            if self._done:
                return
            _LOG.warning("installing the environment of jobs and deployments, which is done once")
            ran = subprocess.run(self.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
            _LOG.warning("%s", ran.stdout.strip())
            if ran.returncode:
                message = f"The environment could not be installed: {ran.stdout.strip()[-500:]}"
                raise NotPreparedError(message)
            self._done = True
