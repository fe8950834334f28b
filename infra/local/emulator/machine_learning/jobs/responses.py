"""A job as ARM shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.emulator.machine_learning import scope
from infra.local.emulator.resources import Resource, stamp

if TYPE_CHECKING:
    from infra.local.emulator.runs import Run

TYPE = f"{scope.NAMESPACE}/workspaces/jobs"
_OWN = {  # what a job of each type shows besides what all have
    "Command": ("resources", "codeId", "command", "environmentId", "distribution", "limits"),
    "Sweep": ("searchSpace", "samplingAlgorithm", "limits", "objective", "earlyTermination", "trial", "queueSettings"),
    "AutoML": ("taskDetails", "resources", "environmentId", "queueSettings"),
    "Spark": (
        "resources", "codeId", "environmentId", "entry", "args", "conf", "jars", "pyFiles", "files", "archives", "queueSettings",
    ),
    "Pipeline": ("jobs", "settings", "sourceJobId"),
}  # fmt: skip
_IF_GIVEN = {"Spark": ("environmentVariables",)}  # the version that azure-ai-ml sends Spark jobs with does not know it
_MAPS = {
    "Command": ("inputs", "outputs", "environmentVariables", "parameters"),
    "Sweep": ("inputs", "outputs"),
    "AutoML": ("outputs", "environmentVariables"),
    "Spark": ("inputs", "outputs"),
    "Pipeline": ("inputs", "outputs"),
}


def body_of(workspace: Resource, run: Run) -> dict[str, Any]:
    """The job resource of a run."""
    arm_id = f"{workspace.id}/jobs/{run.run_id}"
    extra = {"StartTimeUtc": f"{run.started_at:%Y-%m-%d %H:%M:%S}"} if run.started_at else {}  # no zone, as recorded
    if run.ended_at:
        extra["EndTimeUtc"] = f"{run.ended_at:%Y-%m-%d %H:%M:%S}"
    region = scope.location(workspace)
    given = run.definition if run.kind != "v1" else {}
    properties = {
        "description": run.description or None,
        "tags": run.tags,
        "properties": {**run.properties, **extra},
        "displayName": run.display_name or run.run_id,
        "status": run.status,
        "experimentName": run.experiment,
        "services": {
            "Tracking": _service("Tracking", f"azureml://{region}.api.azureml.ms/mlflow/v1.0{workspace.id}?"),
            "Studio": _service("Studio", f"https://ml.azure.com/runs/{run.run_id}?wsid={workspace.id}"),
        },
        "computeId": f"{workspace.id}/computes/{run.target}" if run.target else None,
        "isArchived": run.archived,
        "identity": None,
        "componentId": None,
        "jobType": run.kind if run.kind != "v1" else "Base",
        **{name: given.get(name) for name in _OWN.get(run.kind, _OWN["Command"])},
        **{name: given.get(name) or {} for name in _MAPS.get(run.kind, _MAPS["Command"])},
        **{name: given[name] for name in _IF_GIVEN.get(run.kind, ()) if name in given},
    }
    who = run.created_by or "system"
    data = {
        "createdAt": stamp(run.created_at),
        "createdBy": who,
        "createdByType": "Application",
        "lastModifiedAt": stamp(run.modified_at or run.created_at),
        "lastModifiedBy": who,
        "lastModifiedByType": "Application",
    }
    return {"id": arm_id, "name": run.run_id, "type": TYPE, "properties": properties, "systemData": data}


def _service(kind: str, endpoint: str) -> dict[str, Any]:
    unset = dict.fromkeys(("port", "status", "errorMessage", "properties", "nodes"))
    return {"jobServiceType": kind, "endpoint": endpoint, **unset}
