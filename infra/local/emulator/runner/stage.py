"""What a job made of jobs (pipeline, sweep) works with: its run, its log, its children; and how such a job lives.

Not here: which children, and in which order (`pipeline.py`, `sweeps/sweep.py`).
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from infra.local.emulator.backends import FetchError
from infra.local.emulator.machine_learning.assets import named_outputs
from infra.local.emulator.runner import outcomes
from infra.local.emulator.storage import files as storage
from infra.local.emulator.storage import locations

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from infra.local.emulator.backends import JobRequest, JobsBackend
    from infra.local.emulator.runs import Run
    from infra.local.emulator.world import World

LOG_NAMES = {"pipeline": "logs/azureml/executionlogs.txt", "sweep": "azureml-logs/hyperdrive.txt", "automl": "azureml_automl.log"}
_LOOK_S = 0.1
_LOG = logging.getLogger("emulator.runner")

type Play = Callable[[Stage], None]


@dataclass(slots=True, kw_only=True)
class Stage:
    """One job made of jobs.

    Attributes:
        canceled: set to end it.
        children: run ids of those started, in order.
    """

    world: World
    backend: JobsBackend
    workspace_id: str
    run_id: str
    canceled: threading.Event
    children: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    @property
    def run(self) -> Run | None:
        """Its own run; None when it was deleted meanwhile."""
        return self.world.runs.get(self.workspace_id, self.run_id)

    def say(self, line: str) -> None:
        """One more line in the job's log, uploaded at once."""
        self.lines.append(f"[{self.world.now():%Y-%m-%d %H:%M:%S}Z] {line}")
        run = self.run
        name = LOG_NAMES.get((run.kind if run else "").lower(), LOG_NAMES["pipeline"])
        try:
            where = locations.run_folder(self.world, self.workspace_id, self.run_id).child(name)
            storage.write(self.world, where, ("\n".join(self.lines) + "\n").encode())
        except FetchError as error:  # the workspace's storage is gone; the job itself still counts
            _LOG.warning("log of %s: %s", self.run_id, error)
            return
        self.world.runs.update(self.workspace_id, self.run_id, log_files={name: name})

    def start(self, run: Run, work: JobRequest | Play) -> None:
        """Start a child: a command job, or again a job made of jobs."""
        self.world.runs.create(run)
        self.children.append(run.run_id)
        if callable(work):
            conduct(self.world, self.backend, self.workspace_id, run.run_id, work)
        else:
            self.backend.submit(work)

    def child(self, run_id: str) -> Run | None:
        """A child's run."""
        return self.world.runs.get(self.workspace_id, run_id)

    def ended(self, run_id: str) -> bool:
        """Whether a child has ended (or is gone)."""
        found = self.child(run_id)
        return found is None or found.ended

    def pause(self) -> None:
        """A moment, before looking again.

        Raises:
            outcomes.JobEndedError: the job is to be cancelled.
        """
        if self.canceled.wait(_LOOK_S):
            raise outcomes.JobEndedError(outcomes.CANCELED)

    def end(self, run_id: str) -> None:
        """Cancel a child that still runs; returns at once."""
        if not self.ended(run_id):
            self.world.runs.update(self.workspace_id, run_id, status="CancelRequested")
            self.backend.cancel(self.workspace_id, run_id)

    def end_children(self) -> None:
        """Cancel every child that still runs, and wait until all have ended."""
        for run_id in self.children:
            self.end(run_id)
        for run_id in self.children:
            while not self.ended(run_id):
                time.sleep(_LOOK_S)

    def outputs_of(self, run_id: str) -> dict[str, Any]:
        """A child's named outputs, each with its `uri` once it has ended."""
        found = self.child(run_id)
        return dict(found.definition.get("outputs") or {}) if found else {}

    def set_outputs(self, outputs: dict[str, Any]) -> None:
        """The job's own named outputs."""
        run = self.run
        if run is not None:
            before = run.definition.get("outputs") or {}
            whole = {**before, **{name: {**(before.get(name) or {}), **given} for name, given in outputs.items()}}
            self.world.runs.update(self.workspace_id, self.run_id, definition={**run.definition, "outputs": whole})


def conduct(world: World, backend: JobsBackend, workspace_id: str, run_id: str, play: Play) -> None:
    """Have a job made of jobs conducted by the backend; its `Run` is in `world.runs` already."""

    def work(canceled: threading.Event) -> None:
        live(Stage(world=world, backend=backend, workspace_id=workspace_id, run_id=run_id, canceled=canceled), play)

    backend.conduct(workspace_id, run_id, work)


def live(stage: Stage, play: Play) -> None:
    """Take the job to its end. Never raises: whatever goes wrong is the job's outcome."""

    def status(word: str, **changes: Any) -> None:
        stage.world.runs.update(stage.workspace_id, stage.run_id, status=word, **changes)

    status("Preparing")
    status("Running")
    try:
        play(stage)
        end = outcomes.JobEndedError("Completed")
    except outcomes.JobEndedError as ended:
        end = ended
    except FetchError as mistake:
        end = outcomes.bad_request("DataNotFound", str(mistake))
    except Exception as bug:  # noqa: BLE001 - the job must not hang in Running because of a mistake of ours
        _LOG.exception("job %s", stage.run_id)
        end = outcomes.JobEndedError("Failed", outcomes.error("ServiceError", "InternalError", f"{type(bug).__name__}: {bug}"))
    stage.end_children()
    stage.say(f"{end.status}." if end.error is None else f"{end.status}: {end.error['message']}")
    status("Finalizing")
    if end.status == "Completed":
        named_outputs.register(stage.world, stage.workspace_id, stage.run_id)
    status(end.status, error=end.error)
