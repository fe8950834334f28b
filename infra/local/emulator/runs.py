"""Run history: every v1 run and v2 job with its status, times, logs and metrics.

ARM's jobs and the data plane's runs are two views of this one store. A backend (see `backends.JobsBackend`) writes the
progress; nothing else does, except that a cancel marks `CancelRequested` first.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

TERMINAL = frozenset({"Completed", "Failed", "Canceled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One logged value."""

    name: str
    value: float | str
    step: int
    at: datetime


@dataclass(slots=True, kw_only=True)
class Run:
    """One run or job.

    Attributes:
        workspace_id: lower-cased ARM id.
        kind: `v1` (startrun) or ARM's jobType (`Command`, `Pipeline`, `Sweep`, …).
        target: the compute's name, or None for serverless.
        definition: the v1 run definition or the ARM job's `properties`.
        error: `{"code","message",…}` when it failed.
        log_files: log name, e.g. `user_logs/std_log.txt` → path in the run's blob folder.
    """

    run_id: str
    workspace_id: str
    experiment: str
    created_at: datetime
    kind: str = "v1"
    status: str = "NotStarted"
    number: int = 0
    experiment_id: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    target: str | None = None
    display_name: str = ""
    description: str = ""
    created_by: str = ""
    parent_run_id: str | None = None
    archived: bool = False
    tags: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    definition: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] | None = None
    log_files: dict[str, str] = field(default_factory=dict)
    metrics: list[Metric] = field(default_factory=list)
    modified_at: datetime | None = None

    @property
    def ended(self) -> bool:
        """Whether the status is terminal."""
        return self.status in TERMINAL


class RunExistsError(Exception):
    """A run of this id is already there."""


class Runs:
    """The runs of all workspaces. Thread-safe; `Run` objects are live: change them through `update` only.

    Args:
        now: the world's clock.
        changed: called at each change of a run's status; must be quick.
    """

    def __init__(self, now: Callable[[], datetime], changed: Callable[[Run], None] = lambda _run: None) -> None:
        self._now = now
        self._changed = changed
        self._lock = threading.RLock()
        self._runs: dict[str, dict[str, Run]] = {}  # by workspace, then by run; both lower case

    def create(self, run: Run) -> Run:
        """Add a run and give it its number.

        Raises:
            RunExistsError: the id is taken in this workspace.
        """
        with self._lock:
            of_workspace, key = self._runs.setdefault(run.workspace_id.lower(), {}), run.run_id.lower()
            if key in of_workspace:
                raise RunExistsError(run.run_id)
            run.number = 1 + len(of_workspace)
            run.modified_at = run.created_at
            of_workspace[key] = run
            return run

    def get(self, workspace_id: str, run_id: str) -> Run | None:
        """The run, or None."""
        with self._lock:
            return self._runs.get(workspace_id.lower(), {}).get(run_id.lower())

    def update(self, workspace_id: str, run_id: str, **changes: Any) -> Run | None:
        """Set fields of a run (`status="Running"` also stamps the times); None when it was deleted meanwhile.

        A terminal status is final, and after CancelRequested only a terminal one counts: others are ignored.
        """
        with self._lock:
            run = self.get(workspace_id, run_id)
            if run is None:
                return None
            if run.ended or (run.status == "CancelRequested" and changes.get("status") not in TERMINAL):
                changes.pop("status", None)
            before = run.status
            for name, value in changes.items():
                setattr(run, name, value)
            status = changes.get("status")
            if status == "Running" and run.started_at is None:
                run.started_at = self._now()
            if status in TERMINAL:
                run.ended_at = self._now()
            run.modified_at = self._now()
            if run.status != before:
                self._changed(run)
            return run

    def of(self, workspace_id: str, *, experiment: str | None = None, parent: str | None = None) -> list[Run]:
        """The runs of a workspace, oldest first; of one experiment (any case), or the children of a run."""
        with self._lock:
            return [
                run
                for run in self._runs.get(workspace_id.lower(), {}).values()
                if (experiment is None or run.experiment.lower() == experiment.lower())
                and (parent is None or run.parent_run_id == parent)
            ]

    def workspaces(self) -> set[str]:
        """The ids of the workspaces that have runs."""
        with self._lock:
            return {workspace_id for workspace_id, runs in self._runs.items() if runs}

    def delete(self, workspace_id: str, run_id: str) -> Run | None:
        """Forget a run; it, or None."""
        with self._lock:
            return self._runs.get(workspace_id.lower(), {}).pop(run_id.lower(), None)

    def delete_all(self, workspace_id: str) -> None:
        """Forget the runs of a workspace."""
        with self._lock:
            self._runs.pop(workspace_id.lower(), None)
