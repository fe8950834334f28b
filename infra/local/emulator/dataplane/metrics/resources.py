"""Values that runs logged themselves: metric v2.0, and history v1.0's older form. Nothing here is made up for a run."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.arm import odata
from infra.local.emulator.dataplane import scope
from infra.local.emulator.dataplane.history import resources as run_routes
from infra.local.emulator.dataplane.history import responses as run_fields
from infra.local.emulator.dataplane.metrics import responses
from infra.local.emulator.runs import Metric

if TYPE_CHECKING:
    from infra.local.emulator.runs import Run
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
_V2 = f"/metric/v2.0{scope.WORKSPACE}/runs/{{run}}"


def log(world: World, run: Run, name: str, value: float | str, *, step: int | None = None, at: datetime | None = None) -> None:
    """Add a value to a run; without a step it is the next one of that name. What JSON has no number for becomes text."""
    if isinstance(value, float) and not math.isfinite(value):
        value = "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    steps = [metric.step for metric in run.metrics if metric.name == name]
    metric = Metric(name=name, value=value, step=len(steps) if step is None else step, at=at or world.now())
    world.runs.update(run.workspace_id, run.run_id, metrics=[*run.metrics, metric])


def time_of(text: object) -> datetime | None:
    """A time in a request, or None."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _names(run: Run) -> list[str]:
    return list(dict.fromkeys(metric.name for metric in run.metrics))


@routes.route("POST", f"{_V2}/list")
@routes.route("GET", f"{_V2}/list")
@routes.route("GET", f"{_V2}/lastvalues")
@routes.route("POST", f"{_V2}/lastvalues")
def list_all(world: World, request: web.Request) -> web.Response:
    """The names and columns; `lastvalues` adds the newest value of each."""
    run = scope.run(world, request)
    last = request.path.lower().endswith("/lastvalues")
    found = [responses.v2(run, name, with_values=last) for name in _names(run)]
    for metric in found:
        metric["value"] = metric["value"][-1:]
    token = scope.text(request, scope.body(request), "continuationToken")
    return web.answer(scope.page(request, found, top=scope.PAGE_SIZE, token=token, token_name="continuationToken"))  # noqa: S106


@routes.route("POST", f"{_V2}/full")
@routes.route("POST", f"{_V2}/sample")
def full(world: World, request: web.Request) -> web.Response:
    """All values of `{"metricName"}` (`startTime`, `endTime` and `maxDataPoints` narrow them).

    Raises:
        web.Refused: 404 for a name that the run did not log.
    """
    run, asked = scope.run(world, request), scope.body(request)
    name = scope.text(request, asked, "metricName") or ""
    if name not in _names(run):
        raise scope.not_found(request, f"The run {run.run_id} has no metric {name!r}.", "MetricNotFound")
    shown = responses.v2(run, name, with_values=True)
    begin, end = time_of(scope.field(asked, "startTime")), time_of(scope.field(asked, "endTime"))
    values = [
        value
        for value in shown["value"]
        if (at := time_of(value["createdUtc"])) and (begin is None or at >= begin) and (end is None or at <= end)
    ]
    most = scope.count_of(request, scope.field(asked, "maxDataPoints")) if scope.field(asked, "maxDataPoints") else len(values)
    shown["value"] = values[:: max(1, -(-len(values) // max(1, most)))]
    return web.answer(shown)


@routes.route("POST", f"{_V2}/batch")
@routes.route("POST", f"{_V2}/batchsync")
def log_v2(world: World, request: web.Request) -> web.Response:
    """What a run sends: `{"values":[{"name","columns","value":[{"data":{column: value},"step","createdUtc"}]}]}`."""
    run = scope.run(world, request)
    for metric in scope.objects(request, scope.body(request), "values"):
        for value in scope.objects(request, metric, "value"):
            for column, logged in scope.mapping(request, value, "data").items():
                _check_value(request, logged)
                log(world, run, str(column), logged, step=_step(request, value), at=time_of(scope.field(value, "createdUtc")))
    return web.empty(200)


@routes.route("POST", f"{run_routes.EXPERIMENT_RUN}/metrics")
@routes.route("POST", f"{run_routes.RUN}/metrics")
@routes.route("POST", f"{run_routes.EXPERIMENT_RUN}/batch/metrics")
def log_v1(world: World, request: web.Request) -> web.Response:
    """What a v1 run sends: `{"name","metricType","cells":[{"name": value}]}`, or several under `values`."""
    run, asked = scope.run(world, request), scope.body(request)
    for metric in scope.objects(request, asked, "values") or [asked]:
        name, cells = scope.text(request, metric, "name"), scope.objects(request, metric, "cells")
        if not name or not cells:
            raise scope.bad(request, "A metric has a name and a list of cells.")
        for cell in cells:
            for column, value in cell.items():
                _check_value(request, value)
                log(world, run, name if len(cell) == 1 else str(column), value, at=time_of(scope.field(metric, "createdUtc")))
    return web.empty(200)


@routes.route("GET", f"{run_routes.EXPERIMENT_RUN}/metricsingest/wait")
def wait_on_ingest(world: World, request: web.Request) -> web.Response:
    """Whether what a run logged can be read: here it can at once."""
    scope.run(world, request)
    return web.answer({})


def _step(request: web.Request, value: dict[str, Any]) -> int | None:
    step = scope.field(value, "step")
    if step is not None and (isinstance(step, bool) or not isinstance(step, int)):
        raise scope.bad(request, "The step of a value is a whole number.")
    return step


def _check_value(request: web.Request, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise scope.bad(request, f"{value!r} is neither a number nor text.")


@routes.route("POST", f"{run_routes.BASE}/experiments/{{experiment}}/metrics:query")
def query_v1(world: World, request: web.Request) -> web.Response:
    """The metrics of an experiment's runs; `filter` is `RunId eq '…'`, alone or joined by `or`."""
    owner, asked = scope.workspace_id(world, request), scope.body(request)
    runs = world.runs.of(owner, experiment=request.params["experiment"])
    try:
        holds = odata.parse(scope.text(request, asked, "filter"), run_fields.known)
    except odata.FilterError as error:
        raise scope.bad(request, str(error), "InvalidFilter") from None
    found = [responses.v1(run, name) for run in runs if holds(run_fields.lookup(run)) for name in _names(run)]
    top, token = scope.count_of(request, scope.field(asked, "top")), scope.text(request, asked, "continuationToken")
    return web.answer(scope.page(request, found, top=top, token=token, token_name="continuationToken"))  # noqa: S106 - a name
