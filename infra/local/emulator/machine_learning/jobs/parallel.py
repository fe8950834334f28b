"""Parallel steps of a pipeline (`type: parallel`), judged and turned into a job that runs mini-batches in processes.

The settings are a component's, in the words of the YAML schema; a node may set its own. Not here: the run itself
(`runner/scripts/mini_batches.py`).
"""

from __future__ import annotations

import shlex
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.local.emulator.machine_learning import scope
from infra.local.emulator.machine_learning.jobs import command as command_jobs
from infra.local.emulator.runner.scripts import mini_batches

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.emulator.backends import Fetch, JobRequest
    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World

DRIVER = Path(mini_batches.__file__)
_MOST_WORKERS = 8  # this machine is not a cluster


def request(world: World, workspace: Resource, spec: Mapping[str, Any], properties: dict[str, Any]) -> JobRequest:
    """What runs for a parallel step.

    Args:
        world: the state, under its lock.
        workspace: where it runs.
        spec: the component's specification with the node's own settings over it.
        properties: what any step has: `computeId`, `inputs`, `outputs`, `environmentVariables`, `resources`, …

    Raises:
        web.Refused: 400, with what is wrong.
    """
    task = command_jobs.objects(spec, "task")
    script, data = str(task.get("entry_script") or ""), str(spec.get("input_data") or "")
    for name, value in (("task.entry_script", script), ("task.code", task.get("code")), ("input_data", data)):
        if not value:
            raise scope.invalid(f"The field {name} is required for a parallel step.", "ValidationError")
    if spec.get("partition_keys"):
        text = "partition_keys divide a table; the local Azure makes mini-batches of files only."
        raise scope.invalid(text, "PartitionKeysNotSupported")
    job = command_jobs.request(
        world,
        workspace,
        "",
        {
            **properties,
            "command": _command(spec, task, script, data, job_nodes(properties)),
            "codeId": task["code"],
            "environmentId": task.get("environment") or properties.get("environmentId"),
        },
    )
    return replace(job, code=with_driver(job.code))


def with_driver(code: Fetch | None) -> Fetch:
    """The user's code with the driver beside it."""

    def fill(folder: Path) -> None:
        if code is not None:
            code(folder)
        shutil.copyfile(DRIVER, folder / DRIVER.name)

    return fill


def job_nodes(properties: Mapping[str, Any]) -> int:
    """How many nodes a step asks for."""
    count = (properties.get("resources") or {}).get("instanceCount")
    return count if isinstance(count, int) and count > 0 else 1


def workers(per_node: Any, nodes: int) -> int:
    """How many processes stand for so many on each of so many nodes."""
    return min(_MOST_WORKERS, nodes * (per_node if isinstance(per_node, int) and per_node > 0 else 1))


def _command(spec: Mapping[str, Any], task: Mapping[str, Any], script: str, data: str, nodes: int) -> str:
    retries = command_jobs.objects(spec, "retry_settings")
    options = {
        "--script": script,
        "--mini-batch": _whole(spec, "mini_batch_size", 10),
        "--workers": str(workers(spec.get("max_concurrency_per_instance"), nodes)),
        "--retries": _whole(retries, "max_retries", 3),
        "--timeout": _whole(retries, "timeout", 60),
        "--error-threshold": _whole(spec, "error_threshold", -1),
        "--mini-batch-error-threshold": _whole(spec, "mini_batch_error_threshold", -1),
    }
    line = shlex.join(["python", DRIVER.name, *(part for pair in options.items() for part in pair)])
    append = f' --append-to "{task["append_row_to"]}"' if task.get("append_row_to") else ""
    return f'{line} --input "{data}"{append} -- {task.get("program_arguments") or ""}'


def _whole(settings: Mapping[str, Any], name: str, default: int) -> str:
    value = settings.get(name)
    if value is None:
        return str(default)
    try:
        return str(int(value))
    except (TypeError, ValueError):
        raise scope.invalid(f"The field {name} of a parallel step must be a whole number.", "ValidationError") from None
