"""The life of one job: prepare, queue, run, finalize; each step shows in run history while it happens.

Not here: threads, and sharing nodes among jobs (`backend.py`).
"""

from __future__ import annotations

import json
import logging
import shutil
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.local.emulator.backends import FetchError
from infra.local.emulator.machine_learning.assets import named_outputs
from infra.local.emulator.runner import command, environments, outcomes, prepared, processes, variables
from infra.local.emulator.storage import files as storage
from infra.local.emulator.storage import locations

if TYPE_CHECKING:
    from infra.local.emulator.runner.task import Task

COLLECTED = ("outputs", "logs")  # what run history keeps of the working folder
_RANKS = Path(__file__).parent / "scripts" / "ranks.py"
_LOOK_S = 0.1
_SHIP_S = 1.0
_TAIL_BYTES = 2000
_LOG = logging.getLogger("emulator.runner")


def live(task: Task) -> None:
    """Take a job from NotStarted to its end. Never raises: whatever goes wrong is the job's outcome."""
    try:
        _run_through(task)
        end = outcomes.JobEndedError("Completed")
    except outcomes.JobEndedError as ended:
        end = ended
    except (FetchError, prepared.NotPreparedError, command.BadCommandError, environments.BadEnvironmentError) as mistake:
        end = outcomes.bad_request(type(mistake).__name__.removesuffix("Error"), str(mistake))
        _say(task, str(mistake))
    except Exception as bug:  # noqa: BLE001 - the job must not hang in Running because of a mistake of ours
        _LOG.exception("job %s", task.request.run_id)
        end = outcomes.JobEndedError("Failed", outcomes.error("ServiceError", "InternalError", f"{type(bug).__name__}: {bug}"))
    _finish(task, end)


def _run_through(task: Task) -> None:
    _status(task, "Starting")
    task.code.mkdir(parents=True)
    (task.folder / "tmp").mkdir()
    _say(task, *environments.lines(task.request.environment), "")
    _status(task, "Preparing")
    task.prepare()
    _prepare(task)
    _dwell(task)
    _status(task, "Queued")
    _dwell(task)
    if not task.take_nodes(task):
        raise outcomes.JobEndedError(outcomes.CANCELED)
    _run(task)


def _prepare(task: Task) -> None:
    for name in COLLECTED:
        (task.code / name).mkdir(exist_ok=True)
    if task.request.code is not None:
        task.request.code(task.code)
    if isinstance(task.request.command, str):
        task.bound = command.bind(
            task.request.command,
            inputs=task.request.inputs,
            outputs=task.request.outputs,
            folder=task.folder / "data",
            fetch=lambda uri, into: storage.fetch(task.world, task.request.workspace_id, uri)(into),
        )
    _ship(task)
    _update(task, log_files={task.log_name: task.log_name})


def _command(task: Task) -> list[str]:
    if task.bound is not None:
        line = ["bash", "-c", task.bound.text]
        return line if task.request.ranks is None else [str(task.python), str(_RANKS), json.dumps(task.request.ranks), *line]
    script, *arguments = tuple(task.request.command)
    if not (task.code / script).is_file():
        raise outcomes.bad_request("ScriptNotFound", f"The script {script!r} is not in the project folder.")
    return [str(task.python), script, *arguments]


def _run(task: Task) -> None:
    line = _command(task)
    limit_s = task.request.timeout_s
    _check_canceled(task)
    _status(task, "Running")
    running = processes.launch(line, folder=task.code, environment=variables.of(task), log=task.log)
    began, reason = time.monotonic(), None
    try:
        while (code := running.wait(_LOOK_S)) is None:
            _ship(task, at_most_every_s=_SHIP_S)
            if reason is None and task.canceled.is_set():
                reason = outcomes.JobEndedError(outcomes.CANCELED)
            elif reason is None and limit_s is not None and time.monotonic() - began > limit_s:
                reason = outcomes.timed_out(limit_s)
                _say(task, "", str(reason.error and reason.error["message"]))
            if reason is not None:
                running.end()
    finally:
        running.end()
    _status(task, "Finalizing")
    _collect(task)
    if reason is not None:
        raise reason
    if code != 0:
        raise outcomes.process_failed("bash" if task.bound else line[0].rpartition("/")[2], code, task.log_name, _tail(task.log))


def _collect(task: Task) -> None:
    """Upload what the job wrote: its `outputs` and `logs` folders, and the named outputs of a command job."""
    where = locations.run_folder(task.world, task.request.workspace_id, task.request.run_id)
    for name in COLLECTED:
        storage.write_folder(task.world, where.child(name), task.code / name)
    if task.bound is None or not task.bound.outputs:
        return
    run = task.world.runs.get(task.request.workspace_id, task.request.run_id)
    definition = dict(run.definition) if run else {}
    outputs = {name: dict(given or {}) for name, given in (definition.get("outputs") or {}).items()}
    for name, path in task.bound.outputs.items():
        given = outputs.setdefault(name, {})
        given["uri"] = given.get("uri") or locations.default_output_uri(task.request.run_id, name)
        to = locations.resolve(task.world, task.request.workspace_id, str(given["uri"]))
        if path.is_file():
            storage.write(task.world, to.child(path.name) if str(given["uri"]).endswith("/") else to, path)
        elif path.is_dir():
            storage.write_folder(task.world, to, path)
    _update(task, definition={**definition, "outputs": outputs})


def _finish(task: Task, end: outcomes.JobEndedError) -> None:
    task.release_nodes(task)
    try:
        _ship(task)
        if task.log.exists():
            _update(task, log_files={task.log_name: task.log_name})
    except FetchError as error:  # the workspace's storage is gone; the outcome still counts
        _LOG.warning("log of %s: %s", task.request.run_id, error)
    if end.status == "Completed":
        named_outputs.register(task.world, task.request.workspace_id, task.request.run_id)
    _update(task, status=end.status, error=end.error)
    shutil.rmtree(task.folder, ignore_errors=True)


# ── small steps ──────────────────────────────────────────────────────────────────────────────────────────────────────
def _update(task: Task, **changes: Any) -> None:
    task.world.runs.update(task.request.workspace_id, task.request.run_id, **changes)


def _status(task: Task, status: str) -> None:
    _update(task, status=status)


def _check_canceled(task: Task) -> None:
    if task.canceled.is_set():
        raise outcomes.JobEndedError(outcomes.CANCELED)


def _dwell(task: Task) -> None:
    """Stay in a phase as long as the transitions say; moving the world's clock on ends it."""
    until = task.world.now() + timedelta(seconds=task.world.transitions.phase_delay_s("job.phase"))
    while task.world.now() < until and not task.canceled.is_set():
        task.canceled.wait(min(_LOOK_S, (until - task.world.now()).total_seconds()))
    _check_canceled(task)


def _say(task: Task, *lines: str) -> None:
    task.log.parent.mkdir(parents=True, exist_ok=True)
    with task.log.open("a", encoding="utf-8") as log:
        log.writelines(f"{line}\n" for line in lines)


def _ship(task: Task, *, at_most_every_s: float = 0.0) -> None:
    """Upload the log when it has grown."""
    if not task.log.exists() or time.monotonic() - task.shipped_at < at_most_every_s:
        return
    size = task.log.stat().st_size
    if size != task.shipped:
        where = locations.run_folder(task.world, task.request.workspace_id, task.request.run_id).child(task.log_name)
        storage.write(task.world, where, task.log)
        task.shipped = size
    task.shipped_at = time.monotonic()


def _tail(log: Path) -> str:
    return log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace").strip()
