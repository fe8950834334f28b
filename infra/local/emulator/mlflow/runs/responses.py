"""A run as MLflow shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.emulator.dataplane.history import experiments as history
from infra.local.emulator.mlflow import wire

if TYPE_CHECKING:
    from infra.local.emulator import web
    from infra.local.emulator.runs import Metric, Run
    from infra.local.emulator.world import World


PARAMETER = "mlflow.param."  # parameters are kept among the run's properties under this prefix
HISTORY_TAG = "mlflow.log-model.history"
PARENT_TAG = "mlflow.parentRunId"
NAME_TAG = "mlflow.runName"
_STATUSES = {
    "Running": "RUNNING",
    "Finalizing": "RUNNING",
    "CancelRequested": "RUNNING",
    "Completed": "FINISHED",
    "Failed": "FAILED",
    "Canceled": "KILLED",
}


def artifact_uri(request: web.Request, world: World, run: Run) -> str:
    """Where a run's files are, in the form that azureml-mlflow reads; recorded clients show the experiment's id in it."""
    home = wire.HOME.format(**{name: request.params[name] for name in ("version", "subscription", "group", "workspace")})
    experiment = run.experiment_id or history.experiment_id(world, run.workspace_id, run.experiment)
    return f"azureml://{request.host}{home}/experiments/{experiment}/runs/{run.run_id}/artifacts"


def metric_shown(metric: Metric) -> dict[str, Any]:
    """One value of a metric."""
    return {"key": metric.name, "value": metric.value, "timestamp": wire.millis(metric.at), "step": metric.step}


def _parameters(run: Run) -> dict[str, str]:
    return {name.removeprefix(PARAMETER): value for name, value in run.properties.items() if name.startswith(PARAMETER)}


def _latest(run: Run) -> list[Metric]:
    """The value of each metric at its highest step, the later one of two."""
    found: dict[str, Metric] = {}
    for metric in run.metrics:
        if metric.name not in found or metric.step >= found[metric.name].step:
            found[metric.name] = metric
    return list(found.values())


def _tags(run: Run) -> dict[str, str]:
    own = {NAME_TAG: run.display_name or run.run_id, "mlflow.rootRunId": run.parent_run_id or run.run_id}
    return own | ({PARENT_TAG: run.parent_run_id} if run.parent_run_id else {}) | run.tags


def info(world: World, request: web.Request, run: Run) -> dict[str, Any]:
    """What is known of a run without its data."""
    return {
        "run_id": run.run_id,
        "run_uuid": run.run_id,
        "run_name": run.display_name or run.run_id,
        "experiment_id": run.experiment_id or history.experiment_id(world, run.workspace_id, run.experiment),
        "user_id": run.created_by,
        "status": _STATUSES.get(run.status, "SCHEDULED"),
        "start_time": wire.millis(run.started_at or run.created_at),
        "end_time": wire.millis(run.ended_at),
        "artifact_uri": artifact_uri(request, world, run),
        "lifecycle_stage": "deleted" if run.archived else "active",
    }


def shown(world: World, request: web.Request, run: Run) -> dict[str, Any]:
    """A run with its data and its inputs."""
    with world.lock:
        inputs = list(all_inputs(world).get((world.generation(run.workspace_id), run.run_id), ()))
    return {
        "info": info(world, request, run),
        "data": {
            "metrics": [metric_shown(metric) for metric in _latest(run)],
            "params": wire.listed(_parameters(run)),
            "tags": wire.listed(_tags(run)),
        },
        "inputs": {"dataset_inputs": inputs},
    }


def all_inputs(world: World) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """The data sets that runs read, by workspace and run."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = world.notes.setdefault("mlflow_inputs", {})
    return found
