"""The part of MLflow's tracking API that a training script uses: metrics, parameters, tags, its own run."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.dataplane import scope
from infra.local.emulator.dataplane.history import experiments
from infra.local.emulator.dataplane.metrics import resources as metrics

if TYPE_CHECKING:
    from infra.local.emulator.runs import Metric, Run
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
_API = f"/mlflow/{{version}}{scope.WORKSPACE}/api/2.0/mlflow"
_STATUSES = {"Completed": "FINISHED", "Failed": "FAILED", "Canceled": "KILLED", "Running": "RUNNING", "Finalizing": "RUNNING"}
PARAMETER = "mlflow.param."  # parameters are kept among the run's properties under this prefix


def _refused(status: int, code: str, message: str) -> web.Refused:
    return web.Refused(web.answer({"error_code": code, "message": message}, status=status))


def _asked_run(world: World, request: web.Request, asked: dict[str, Any]) -> Run:
    run_id = str(asked.get("run_id") or asked.get("run_uuid") or "")
    found = world.runs.get(scope.workspace_id(world, request), run_id)
    if found is None:
        raise _refused(404, "RESOURCE_DOES_NOT_EXIST", f"Run '{run_id}' not found.")
    return found


def _asked(request: web.Request) -> dict[str, Any]:
    return dict(request.query) if request.method == "GET" else scope.body(request)


def _millis(moment: datetime | None) -> int | None:
    return int(moment.timestamp() * 1000) if moment else None


def _metric(metric: Metric) -> dict[str, Any]:
    return {"key": metric.name, "value": metric.value, "timestamp": _millis(metric.at), "step": metric.step}


def _shown(world: World, run: Run) -> dict[str, Any]:
    parameters = {name: value for name, value in run.properties.items() if name.startswith(PARAMETER)}
    latest = {metric.name: metric for metric in run.metrics}
    info = {
        "run_id": run.run_id,
        "run_uuid": run.run_id,
        "run_name": run.display_name or run.run_id,
        "experiment_id": run.experiment_id or experiments.experiment_id(world, run.workspace_id, run.experiment),
        "user_id": run.created_by,
        "status": _STATUSES.get(run.status, "SCHEDULED"),
        "start_time": _millis(run.started_at or run.created_at),
        "end_time": _millis(run.ended_at),
        "artifact_uri": f"azureml://jobs/{run.run_id}/outputs/artifacts/paths",
        "lifecycle_stage": "deleted" if run.archived else "active",
    }
    data = {
        "metrics": [_metric(metric) for metric in latest.values()],
        "params": [{"key": name.removeprefix(PARAMETER), "value": value} for name, value in parameters.items()],
        "tags": [{"key": name, "value": value} for name, value in run.tags.items()],
    }
    return {"info": info, "data": data}


def _log_metric(world: World, run: Run, given: dict[str, Any]) -> None:
    value = given.get("value")
    if not given.get("key") or isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _refused(400, "INVALID_PARAMETER_VALUE", "A metric has a key and a numeric value.")
    try:
        number = float(value)  # MLflow sends NaN and infinities as text
    except ValueError:
        raise _refused(400, "INVALID_PARAMETER_VALUE", f"{value!r} is no number.") from None
    try:
        at = datetime.fromtimestamp(int(given["timestamp"]) / 1000, UTC) if given.get("timestamp") else None
        step = int(given.get("step") or 0)
    except (TypeError, ValueError, OverflowError, OSError):
        raise _refused(400, "INVALID_PARAMETER_VALUE", "The timestamp and the step are whole numbers.") from None
    metrics.log(world, run, str(given["key"]), number, step=step, at=at)


def _log_parameter(world: World, run: Run, given: dict[str, Any]) -> None:
    name, value = PARAMETER + str(given.get("key") or ""), str(given.get("value"))
    old = run.properties.get(name)
    if old is not None and old != value:
        raise _refused(400, "INVALID_PARAMETER_VALUE", f"The parameter {given.get('key')!r} is {old!r} already.")
    world.runs.update(run.workspace_id, run.run_id, properties={**run.properties, name: value})


def _set_tag(world: World, run: Run, given: dict[str, Any]) -> None:
    world.runs.update(run.workspace_id, run.run_id, tags={**run.tags, str(given.get("key")): str(given.get("value"))})


@routes.route("POST", f"{_API}/runs/{{verb}}")
def write(world: World, request: web.Request) -> web.Response:
    """`log-metric`, `log-parameter`, `set-tag`, `log-batch`, `update`."""
    asked, verb = _asked(request), request.params["verb"]
    if verb not in {"log-metric", "log-parameter", "set-tag", "log-batch", "update"}:
        raise _refused(404, "ENDPOINT_NOT_FOUND", f"runs/{verb} is not part of this MLflow endpoint.")
    run = _asked_run(world, request, asked)
    if verb == "update":
        if asked.get("run_name"):
            world.runs.update(run.workspace_id, run.run_id, display_name=str(asked["run_name"]))
        return web.answer({"run_info": _shown(world, run)["info"]})
    batch = asked if verb == "log-batch" else {}
    for metric in [asked] if verb == "log-metric" else scope.objects(request, batch, "metrics"):
        _log_metric(world, run, metric)
    for parameter in [asked] if verb == "log-parameter" else scope.objects(request, batch, "params"):
        _log_parameter(world, run, parameter)
    for tag in [asked] if verb == "set-tag" else scope.objects(request, batch, "tags"):
        _set_tag(world, run, tag)
    return web.answer({})


@routes.route("GET", f"{_API}/runs/get")
def get_run(world: World, request: web.Request) -> web.Response:
    """The run with its latest metrics, its parameters and tags."""
    return web.answer({"run": _shown(world, _asked_run(world, request, _asked(request)))})


@routes.route("GET", f"{_API}/metrics/get-history")
def history(world: World, request: web.Request) -> web.Response:
    """Every value of one metric."""
    asked = _asked(request)
    run = _asked_run(world, request, asked)
    return web.answer({"metrics": [_metric(metric) for metric in run.metrics if metric.name == asked.get("metric_key")]})


@routes.route("GET", f"{_API}/experiments/get-by-name")
@routes.route("GET", f"{_API}/experiments/get")
def get_experiment(world: World, request: web.Request) -> web.Response:
    """An experiment by `experiment_name` or `experiment_id`."""
    asked, owner = _asked(request), scope.workspace_id(world, request)
    for found in experiments.all_of(world, owner):
        if asked.get("experiment_name") == found["name"] or asked.get("experiment_id") == found["experimentId"]:
            stage = "deleted" if found["archivedTime"] else "active"
            shown = {"experiment_id": found["experimentId"], "name": found["name"], "lifecycle_stage": stage, "tags": []}
            return web.answer({"experiment": shown})
    raise _refused(404, "RESOURCE_DOES_NOT_EXIST", "No such experiment.")
