"""The jobs backend: a thread for each job, nodes shared in turn, everything ended when the local Azure ends.

Not here: what a job does (`job.py`), how nodes are counted (`nodes.py`).
"""

from __future__ import annotations

import logging
import threading
import uuid
from typing import TYPE_CHECKING

from infra.local.emulator.runner import job, nodes, outcomes
from infra.local.emulator.runner.prepared import already
from infra.local.emulator.runner.task import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from infra.local.emulator.backends import JobRequest, Work
    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World

_LOG = logging.getLogger("emulator.runner")
_LOOK_S = 0.2
_STOP_S = 3.0
COMPUTE_TYPE = "microsoft.machinelearningservices/workspaces/computes"


class ProcessJobs:
    """Runs jobs as processes; see `backends.JobsBackend`.

    Args:
        world: the state.
        python: the interpreter of the prepared environment.
        prepare: installs the environment when it is first needed.
        extra: more environment variables for jobs, asked for when one starts (proxy and certificates).
    """

    def __init__(
        self, world: World, python: Path, *, prepare: Callable[[], None] = already, extra: Callable[[], Mapping[str, str]] = dict
    ) -> None:
        self._world = world
        self._python = python
        self._prepare = prepare
        self._extra = extra
        self._lock = threading.Lock()
        self._tasks: dict[tuple[str, str], tuple[threading.Event, threading.Thread]] = {}  # its event ends it
        self._waiting: dict[str, list[str]] = {}  # compute id → run ids, in the order they came
        self._stopped = threading.Event()
        threading.Thread(target=self._watch, name="clock", daemon=True).start()

    def submit(self, request: JobRequest) -> None:
        """Take a job; it lives in a thread of its own."""
        task = Task(
            world=self._world,
            request=request,
            folder=self._world.workdir / "jobs" / uuid.uuid4().hex,
            python=self._python,
            prepare=self._prepare,
            canceled=threading.Event(),
            extra=dict(self._extra()),
            take_nodes=self._take_nodes,
            release_nodes=self._release_nodes,
        )
        key = (request.workspace_id.lower(), request.run_id.lower())
        self._start(key, task.canceled, lambda: job.live(task))

    def conduct(self, workspace_id: str, run_id: str, work: Work) -> None:
        """Take a job made of jobs; it lives in a thread of its own."""
        canceled = threading.Event()
        self._start((workspace_id.lower(), run_id.lower()), canceled, lambda: work(canceled))

    def _start(self, key: tuple[str, str], canceled: threading.Event, live: Callable[[], None]) -> None:
        def whole() -> None:
            try:
                live()
            finally:
                with self._lock:
                    self._tasks.pop(key, None)

        thread = threading.Thread(target=whole, name=f"job {key[1]}", daemon=True)
        with self._lock:
            self._tasks[key] = (canceled, thread)
        thread.start()

    def cancel(self, workspace_id: str, run_id: str) -> None:
        """End a job soon; one that nothing runs behind (it was seeded) ends at once."""
        with self._lock:
            found = self._tasks.get((workspace_id.lower(), run_id.lower()))
        if found is not None:
            found[0].set()
        else:
            self._world.runs.update(workspace_id, run_id, status="Canceled")

    def forget(self, workspace_id: str) -> None:
        """End the jobs of a workspace."""
        with self._lock:
            found = [event for (owner, _), (event, _) in self._tasks.items() if owner == workspace_id.lower()]
        for event in found:
            event.set()

    def stop(self) -> None:
        """End every process; waits for them, but not for long (each would end with this process anyway)."""
        self._stopped.set()
        with self._lock:
            found = list(self._tasks.values())
        for event, _ in found:
            event.set()
        for _, thread in found:
            thread.join(_STOP_S)

    # ── nodes ────────────────────────────────────────────────────────────────────────────────────────────────────────
    def _take_nodes(self, task: Task) -> bool:
        request = task.request
        if not request.target:
            return not task.canceled.is_set()
        compute_id = _compute_id(request)
        with self._lock:
            self._waiting.setdefault(compute_id, []).append(request.run_id)
        try:
            while not task.canceled.is_set():
                if self._try_take(compute_id, request):
                    return True
                task.canceled.wait(_LOOK_S)
            return False
        finally:
            with self._lock:
                self._waiting[compute_id].remove(request.run_id)

    def _try_take(self, compute_id: str, request: JobRequest) -> bool:
        with self._lock:
            if self._waiting[compute_id][0] != request.run_id:
                return False
        with self._world.lock:
            compute = self._world.resources.get(compute_id)
            if compute is None:
                raise outcomes.bad_request("ComputeNotFound", f"The compute target {request.target!r} does not exist any more.")
            return nodes.take(compute, request.run_id, request.nodes, self._world.now())

    def _release_nodes(self, task: Task) -> None:
        if not task.request.target:
            return
        with self._world.lock:
            compute = self._world.resources.get(_compute_id(task.request))
            if compute is not None:
                nodes.release(compute, task.request.run_id, self._world.now())

    def _watch(self) -> None:
        """What the clock does by itself: idle nodes leave, minimum nodes come, schedules start jobs."""
        while not self._stopped.wait(_LOOK_S):
            for name, look in list(self._world.looks.items()):
                try:
                    look()
                except Exception:  # noqa: BLE001 - the clock must go on for the others
                    _LOG.exception("by the clock: %s", name)
            with self._world.lock:
                for compute in self._computes():
                    nodes.settle(compute, self._world.now())

    def _computes(self) -> list[Resource]:
        return self._world.resources.of_type(COMPUTE_TYPE)


def _compute_id(request: JobRequest) -> str:
    return f"{request.workspace_id}/computes/{request.target}"
