"""A run as run history shows it, and its fields as filters and orders name them. Not here: routes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.emulator.dataplane import scope
from infra.local.emulator.dataplane.history import experiments

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local.emulator.arm import odata
    from infra.local.emulator.runs import Run
    from infra.local.emulator.world import World

_RUN_TYPES = {
    "v1": "azureml.scriptrun",
    "command": "azureml.commandjob",
    "pipeline": "azureml.PipelineRun",
    "sweep": "hyperdrive",
    "automl": "automl",
}


def run_type(run: Run) -> str:
    """`azureml.scriptrun` and the like."""
    return _RUN_TYPES.get(run.kind.lower(), f"azureml.{run.kind.lower()}job")


_FIELDS: dict[str, Callable[[Run], Any]] = {
    "status": lambda run: run.status,
    "computetarget": lambda run: run.target,
    "target": lambda run: run.target,
    "createdutc": lambda run: run.created_at,
    "starttimeutc": lambda run: run.started_at,
    "endtimeutc": lambda run: run.ended_at,
    "runid": lambda run: run.run_id,
    "parentrunid": lambda run: run.parent_run_id,
    "rootrunid": lambda run: run.parent_run_id or run.run_id,
    "runtype": run_type,
    "name": lambda run: run.display_name or None,
    "displayname": lambda run: run.display_name or None,
    "runnumber": lambda run: float(run.number),
    "experimentname": lambda run: run.experiment,
    "archived": lambda run: run.archived,
}


def shown(world: World, run: Run) -> dict[str, Any]:
    """A run as run history shows it."""
    duration = (run.ended_at or world.now()) - run.started_at if run.started_at else None
    return {
        "runNumber": run.number,
        "rootRunId": run.parent_run_id or run.run_id,
        "experimentId": run.experiment_id or experiments.experiment_id(world, run.workspace_id, run.experiment),
        "experimentName": run.experiment,
        "createdUtc": scope.time_text(run.created_at),
        "createdBy": {"userObjectId": run.created_by, "userTenantId": None, "userName": run.created_by},
        "userId": run.created_by,
        "token": None,
        "tokenExpiryTimeUtc": None,
        "error": {"error": run.error, "correlation": None, "environment": None, "location": None} if run.error else None,
        "warnings": None,
        "revision": 1,
        "runId": run.run_id,
        "parentRunId": run.parent_run_id,
        "status": run.status,
        "startTimeUtc": scope.time_text(run.started_at),
        "endTimeUtc": scope.time_text(run.ended_at),
        "heartbeatEnabled": False,
        "options": {"generateDataContainerIdIfNotSpecified": True},
        "name": run.display_name or None,
        "displayName": run.display_name or run.run_id,
        "dataContainerId": f"dcid.{run.run_id}",
        "description": run.description or None,
        "hidden": run.archived,
        "runType": run_type(run),
        "properties": dict(run.properties),
        "scriptName": _script(run),
        "target": run.target,
        **_occupied(run),
        "tags": dict(run.tags),
        "runDefinition": None,
        "createdFrom": None,
        "cancelUri": None,
        "diagnosticsUri": None,
        "lastModifiedUtc": scope.time_text(run.modified_at),
        "duration": _span(duration.total_seconds()) if duration is not None else None,
    }


def _occupied(run: Run) -> dict[str, Any]:
    """What the run asked for and got, as the client's models of run history name it; nothing of one on its caller's machine."""
    asked = scope.field(run.definition, "Configuration" if run.kind == "v1" else "resources") or {}
    if not run.definition:
        return {"compute": None, "computeRequest": None}
    count = scope.field(asked, "NodeCount" if run.kind == "v1" else "instanceCount") or 1
    size = scope.field(asked, "instanceType")
    compute = {"target": run.target, "targetType": None, "vmSize": size, "instanceCount": count, "gpuCount": None}
    return {
        "compute": {**compute, "priority": "Dedicated", "region": None},
        "computeRequest": {"nodeCount": count, "gpuCount": 0},
    }


def _script(run: Run) -> str | None:
    found = scope.field(run.definition, "Configuration") if run.kind == "v1" else None
    return str(scope.field(found, "Script")) if isinstance(found, dict) else None


def _span(seconds: float) -> str:
    """.NET's TimeSpan text."""
    whole, rest = divmod(max(seconds, 0.0), 1)
    minutes, second = divmod(int(whole), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{second:02}.{int(rest * 10**7):07}"


def known(name: str) -> bool:
    """Whether a filter or order may name this field."""
    low = name.lower()
    return low in _FIELDS or low.startswith(("tags/", "tags.", "properties/", "properties."))


def lookup(run: Run) -> odata.Lookup:
    """From the name of a field to its value."""

    def value(name: str) -> Any:
        if name.lower() in _FIELDS:
            return _FIELDS[name.lower()](run)
        where, key = name[: name.index(_separator(name))].lower(), name[name.index(_separator(name)) + 1 :]
        return (run.tags if where == "tags" else run.properties).get(key)

    return value


def _separator(name: str) -> str:
    return "/" if "/" in name else "."
