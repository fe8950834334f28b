"""One job with all that its life needs. Not here: its life (`job.py`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from infra.local.emulator.backends import JobRequest
    from infra.local.emulator.runner import command
    from infra.local.emulator.world import World

LOG_NAMES = {"v1": "azureml-logs/70_driver_log.txt"}
LOG_NAME = "user_logs/std_log.txt"


@dataclass(slots=True, kw_only=True)
class Task:
    """One job with all that its life needs.

    Attributes:
        folder: its own, with `code` (the working folder), `data` and the log; removed at the end.
        python: the interpreter of the prepared environment.
        prepare: installs that environment when it is first needed.
        canceled: set to end it.
        extra: environment variables for every job (proxy, certificates).
        take_nodes: waits until the job has its nodes or `canceled` is set; True when it has them.
        release_nodes: gives them back, if it had any.
    """

    world: World
    request: JobRequest
    folder: Path
    python: Path
    prepare: Callable[[], None]
    canceled: threading.Event
    extra: Mapping[str, str]
    take_nodes: Callable[[Task], bool]
    release_nodes: Callable[[Task], None]
    shipped: int = -1
    shipped_at: float = 0.0
    bound: command.Bound | None = None

    @property
    def log_name(self) -> str:
        """The name of the job's log in run history."""
        return LOG_NAMES.get(self.request.kind, LOG_NAME)

    @property
    def code(self) -> Path:
        """The working folder."""
        return self.folder / "code"

    @property
    def log(self) -> Path:
        """The log on this machine."""
        return self.folder / "log.txt"
