"""A command job's properties, judged and turned into what the runner runs. Not here: the job as a resource (`resources.py`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.emulator.backends import JobRequest
from infra.local.emulator.machine_learning import references, scope
from infra.local.emulator.runner import command as commands
from infra.local.emulator.runner import durations
from infra.local.emulator.storage import files as storage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World

_DISTRIBUTIONS = ("PyTorch", "Mpi", "TensorFlow", "Ray")
_MOST_RANKS = 32


def request(world: World, workspace: Resource, name: str, properties: dict[str, Any]) -> JobRequest:
    """The request of a command job.

    Args:
        world: the state, under its lock.
        workspace: where it runs.
        name: its run id.
        properties: ARM's, of a command job.

    Raises:
        web.Refused: 400, with what is wrong.
    """
    command, environment_id = scope.text_of(properties, "command"), scope.text_of(properties, "environmentId")
    for field, value in (("command", command), ("environmentId", environment_id)):
        if not value.strip():
            raise scope.invalid(f"The field {field} is required for a command job.", "ValidationError")
    code_id = scope.text_of(properties, "codeId")
    code = references.asset(world, workspace, "codes", code_id, "Code") if code_id else None
    uri = str(code.properties["codeUri"]) if code else ""
    limits, resources = properties.get("limits") or {}, properties.get("resources") or {}
    inputs = objects(properties, "inputs")
    outputs = objects(properties, "outputs")
    nodes = _nodes(resources.get("instanceCount"))
    try:
        commands.check(command, inputs, outputs)
    except commands.BadCommandError as error:
        raise scope.invalid(str(error), "InvalidExpression") from None
    return JobRequest(
        workspace_id=workspace.id.lower(),
        run_id=name,
        experiment=scope.text_of(properties, "experimentName") or "Default",
        kind="command",
        command=command,
        code=storage.fetch(world, workspace.id.lower(), uri) if uri else None,
        environment=references.environment(world, workspace, environment_id),
        environment_variables={key: str(value) for key, value in objects(properties, "environmentVariables").items()},
        inputs=inputs,
        outputs=outputs,
        target=references.compute(world, workspace, scope.text_of(properties, "computeId")),
        nodes=nodes,
        ranks=_ranks(objects(properties, "distribution"), nodes),
        timeout_s=durations.seconds(limits.get("timeout")) if limits.get("timeout") else None,
    )


def _nodes(count: Any) -> int:
    if count is None:
        return 1
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise scope.invalid("resources.instanceCount must be a whole number, 1 or more.", "ValidationError")
    return count


def _ranks(distribution: dict[str, Any], nodes: int) -> dict[str, Any] | None:
    """The processes of a distributed job; None for an ordinary one."""
    if not distribution:
        return None
    kind = scope.one_of(str(distribution.get("distributionType") or ""), _DISTRIBUTIONS, "distributionType")
    if kind == "Ray":  # its command runs once, on the head node; there is no cluster here
        return None
    if kind == "TensorFlow":  # its processes are counted as a whole
        workers = count(distribution, "distribution.workerCount", nodes, most=_MOST_RANKS)
        servers = (
            0
            if not distribution.get("parameterServerCount")
            else count(distribution, "distribution.parameterServerCount", 1, most=_MOST_RANKS)
        )
        return {"kind": kind, "nodes": workers, "per_node": 1, "servers": servers}
    per_node = count(distribution, "distribution.processCountPerInstance", 1, most=_MOST_RANKS)
    if nodes * per_node > _MOST_RANKS:
        text = f"The local Azure is one machine: a distributed job has at most {_MOST_RANKS} processes, not {nodes * per_node}."
        raise scope.invalid(text, "TooManyProcesses")
    return {"kind": kind, "nodes": nodes, "per_node": per_node, "servers": 0}


def objects(properties: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A field that is an object, empty when absent.

    Raises:
        web.Refused: 400, when it is something else.
    """
    value = properties.get(name) or {}
    if not isinstance(value, dict):
        raise scope.invalid(f"The field {name} must be an object.", "ValidationError")
    return value


def count(limits: Mapping[str, Any], field: str, default: int, *, most: int) -> int:
    """A limit that is a whole number from 1 to `most`; `field` is its whole name, for the refusal.

    Raises:
        web.Refused: 400, when it is something else.
    """
    value: int | None = limits.get(field.rpartition(".")[2])
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise scope.invalid(f"{field} must be a whole number from 1 to {most}.", "ValidationError")
    return value
