"""Runs: run history's own, under MLflow's names. A run that MLflow starts runs on the caller's machine, which ends it, too."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.dataplane import scope
from infra.local.emulator.dataplane.metrics import resources as metrics
from infra.local.emulator.mlflow import filters, wire
from infra.local.emulator.mlflow.experiments import resources as experiments
from infra.local.emulator.mlflow.runs import responses
from infra.local.emulator.runs import Run
from infra.local.emulator.storage import files as storage
from infra.local.emulator.storage import locations

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local.emulator.world import World

routes = web.Routes(r".*")
_ENDS = {"SCHEDULED": "NotStarted", "RUNNING": "Running", "FINISHED": "Completed", "FAILED": "Failed", "KILLED": "Canceled"}
_ATTRIBUTES: dict[str, type] = {
    **dict.fromkeys(("run_id", "run_name", "status", "user_id", "artifact_uri", "experiment_id"), str),
    **dict.fromkeys(("start_time", "end_time", "created", "duration"), float),
}


def existing(world: World, request: web.Request, given: dict[str, Any]) -> Run:
    """The run of `run_id` (older clients: `run_uuid`).

    Raises:
        web.Refused: 404.
    """
    run_id = wire.text(given, "run_id") or wire.required(given, "run_uuid")
    found = world.runs.get(scope.workspace_id(world, request), run_id)
    if found is None:
        raise wire.missing(f"Run with id {run_id} was not found.")
    return found


# ── showing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@routes.route("GET", f"{wire.API}/runs/get")
def get(world: World, request: web.Request) -> web.Response:
    """One run with its latest metrics, its parameters and tags."""
    return web.answer({"run": responses.shown(world, request, existing(world, request, wire.asked(request)))})


@routes.route("GET", f"{wire.API}/metrics/get-history")
def metric_history(world: World, request: web.Request) -> web.Response:
    """Every value of one metric."""
    given = wire.asked(request)
    run, name = existing(world, request, given), wire.required(given, "metric_key")
    return wire.page(
        given, [responses.metric_shown(metric) for metric in run.metrics if metric.name == name], "metrics", size=25_000
    )


@routes.route("POST", f"{wire.API}/runs/search")
def search(world: World, request: web.Request) -> web.Response:
    """The runs of some experiments, newest first unless `order_by` says otherwise."""
    given, owner = wire.asked(request), scope.workspace_id(world, request)
    ids, orders = given.get("experiment_ids") or [], given.get("order_by") or []
    view = experiments.view_of(given, "run_view_type")
    if not isinstance(ids, list) or not isinstance(orders, list):
        raise wire.invalid("experiment_ids and order_by are lists.")
    shown = [
        responses.shown(world, request, run)
        for run in reversed(world.runs.of(owner))
        if experiments.in_view(view, archived=run.archived) and (run.experiment_id in ids)
    ]
    try:
        holds = filters.parse(wire.text(given, "filter"), _ATTRIBUTES)
        found = filters.ordered([one for one in shown if holds(_lookup(one))], orders, _ATTRIBUTES, _lookup)
    except filters.FilterError as error:
        raise wire.invalid(str(error)) from None
    return wire.page(given, found, "runs")


def _lookup(shown: dict[str, Any]) -> filters.Lookup:
    info = shown["info"]
    ended = {"duration": info["end_time"] - info["start_time"]} if info["end_time"] else {}
    by_kind = {
        "attributes": info | {"created": info["start_time"]} | ended,
        **{kind: {one["key"]: one["value"] for one in shown["data"][kind]} for kind in ("metrics", "params", "tags")},
    }
    return lambda kind, key: by_kind[kind].get(key)


@routes.route("GET", f"{wire.API}/artifacts/list")
def artifacts(world: World, request: web.Request) -> web.Response:
    """The files and folders of a run directly below `path`."""
    given = wire.asked(request)
    run, path = existing(world, request, given), wire.text(given, "path").strip("/")
    found: dict[str, dict[str, Any]] = {}
    folder = locations.run_folder(world, run.workspace_id, run.run_id).child(path)
    for name, size in () if storage.exists(world, folder) else storage.files(world, folder):  # a file has nothing below it
        head, _, rest = name.partition("/")
        whole = f"{path}/{head}" if path else head
        found[head] = {"path": whole, "is_dir": True} if rest else {"path": whole, "is_dir": False, "file_size": size}
    files = [found[name] for name in sorted(found)]
    return wire.page(given, files, "files", more={"root_uri": responses.artifact_uri(request, world, run)})


# ── changing ─────────────────────────────────────────────────────────────────────────────────────────────────────────
@routes.route("POST", f"{wire.API}/runs/create")
def create(world: World, request: web.Request) -> web.Response:
    """A run that the caller runs; it is Running at once."""
    given, owner = wire.asked(request), scope.workspace_id(world, request)
    experiment = experiments.existing(world, request, given)
    if experiment["archivedTime"]:
        raise wire.invalid(f"The experiment {experiment['name']!r} is archived.")
    tags = wire.pairs(request, given)
    parent = tags.pop(responses.PARENT_TAG, "")
    if parent and world.runs.get(owner, parent) is None:
        raise wire.missing(f"Run with id {parent} was not found.")
    run = Run(
        run_id=str(uuid.uuid4()),
        workspace_id=owner,
        experiment=experiment["name"],
        experiment_id=experiment["experimentId"],
        created_at=world.now(),
        status="Running",
        started_at=wire.moment(given, "start_time") or world.now(),
        display_name=tags.pop(responses.NAME_TAG, "") or wire.text(given, "run_name"),
        created_by=request.principal.object_id if request.principal else "",
        parent_run_id=parent or None,
        tags=tags,
    )
    return web.answer({"run": responses.shown(world, request, world.runs.create(run))})


@routes.route("POST", f"{wire.API}/runs/update")
def update(world: World, request: web.Request) -> web.Response:
    """Name, status and end of a run. A job's status is the service's own: MLflow's is acknowledged and left alone."""
    given = wire.asked(request)
    run = existing(world, request, given)
    changes: dict[str, Any] = {}
    if name := wire.text(given, "run_name"):
        changes["display_name"] = name
    if status := wire.text(given, "status"):
        if status.upper() not in _ENDS:
            raise wire.invalid(f"The status {status!r} is not one of {', '.join(_ENDS)}.")
        if not run.definition:
            changes["status"] = _ENDS[status.upper()]
    world.runs.update(run.workspace_id, run.run_id, **changes)
    ended = wire.moment(given, "end_time")
    if ended is not None and run.ended and not run.definition:
        world.runs.update(run.workspace_id, run.run_id, ended_at=ended)
    return web.answer({"run_info": responses.info(world, request, run)})


@routes.route("POST", f"{wire.API}/runs/delete")
@routes.route("POST", f"{wire.API}/runs/restore")
def archive(world: World, request: web.Request) -> web.Response:
    """Hide a run, or show it again."""
    run = existing(world, request, wire.asked(request))
    world.runs.update(run.workspace_id, run.run_id, archived=request.path.lower().endswith("/delete"))
    return web.answer({})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """What one request logs."""

    metrics: list[dict[str, Any]]
    params: list[dict[str, Any]]
    tags: list[dict[str, Any]]


def _log(world: World, run: Run, batch: _Batch) -> None:
    """Everything is checked before anything is kept."""
    values = [_metric_value(given) for given in batch.metrics]
    own = dict(run.properties)
    for given in batch.params:
        name, value = wire.required(given, "key"), str(given.get("value", ""))
        if own.setdefault(responses.PARAMETER + name, value) != value:
            raise wire.invalid(f"The parameter {name!r} is {own[responses.PARAMETER + name]!r} already and cannot be changed.")
    tags = run.tags | {wire.required(given, "key"): str(given.get("value", "")) for given in batch.tags}
    changes: dict[str, Any] = {"properties": own, "tags": tags}
    if responses.NAME_TAG in tags:
        changes["display_name"] = tags.pop(responses.NAME_TAG)
    world.runs.update(run.workspace_id, run.run_id, **changes)
    for number in values:
        metrics.log(world, run, **number)


def _metric_value(given: dict[str, Any]) -> dict[str, Any]:
    value = given.get("value")
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise wire.invalid("A metric has a key and a numeric value.")
    try:
        number = float(value)  # MLflow sends NaN and infinities as text
        step = int(given.get("step") or 0)
    except (TypeError, ValueError):
        raise wire.invalid(f"The value of a metric is a number, its step a whole one; {value!r} is given.") from None
    return {"name": wire.required(given, "key"), "value": number, "step": step, "at": wire.moment(given, "timestamp")}


# What is logged alone, and what a batch of it looks like.
_SINGLE: dict[str, Callable[[dict[str, Any]], _Batch]] = {
    "log-metric": lambda given: _Batch(metrics=[given], params=[], tags=[]),
    "log-parameter": lambda given: _Batch(metrics=[], params=[given], tags=[]),
    "set-tag": lambda given: _Batch(metrics=[], params=[], tags=[given]),
}


@routes.route("POST", f"{wire.API}/runs/log-metric")
@routes.route("POST", f"{wire.API}/runs/log-parameter")
@routes.route("POST", f"{wire.API}/runs/set-tag")
def log_one(world: World, request: web.Request) -> web.Response:
    """One metric, parameter or tag."""
    given = wire.asked(request)
    _log(world, existing(world, request, given), _SINGLE[request.path.lower().rpartition("/")[2]](given))
    return web.answer({})


@routes.route("POST", f"{wire.API}/runs/log-batch")
@routes.route("POST", f"{wire.HOME}/api/2.0/preview/mlflow/runs/log-batch-async")
def log_batch(world: World, request: web.Request) -> web.Response:
    """Several of each. The asynchronous form, which is Azure ML's own, is kept at once, too; its id is then asked for once."""
    given = wire.asked(request)
    found = {name: scope.objects(request, given, name) for name in ("metrics", "params", "tags")}
    _log(world, existing(world, request, given), _Batch(**found))
    later = request.path.lower().endswith("-async") and found["metrics"]
    return web.answer({"batch_tracking_id": str(uuid.uuid4())} if later else {})


@routes.route("GET", f"{wire.HOME}/api/2.0/preview/mlflow/runs/get-run-data-status")
def batch_status(world: World, request: web.Request) -> web.Response:
    """Whether what was logged asynchronously is there."""
    existing(world, request, wire.asked(request))
    return web.answer({"is_complete": True})


@routes.route("POST", f"{wire.API}/runs/delete-tag")
def delete_tag(world: World, request: web.Request) -> web.Response:
    """Remove one tag; 404 when the run does not have it."""
    given = wire.asked(request)
    run, key = existing(world, request, given), wire.required(given, "key")
    if key not in run.tags:
        raise wire.missing(f"The run {run.run_id} has no tag {key!r}.")
    world.runs.update(run.workspace_id, run.run_id, tags={name: value for name, value in run.tags.items() if name != key})
    return web.answer({})


@routes.route("POST", f"{wire.API}/runs/log-inputs")
def log_inputs(world: World, request: web.Request) -> web.Response:
    """The datasets that a run reads."""
    given = wire.asked(request)
    run, datasets = existing(world, request, given), scope.objects(request, given, "datasets")
    for one in datasets:
        wire.required(scope.mapping(request, one, "dataset"), "name")
    with world.lock:
        responses.all_inputs(world).setdefault((world.generation(run.workspace_id), run.run_id), []).extend(datasets)
    return web.answer({})


@routes.route("POST", f"{wire.API}/runs/log-model")
def log_model(world: World, request: web.Request) -> web.Response:
    """What MLflow before 3 notes of a model that it logged: a tag with the list of them."""
    given = wire.asked(request)
    run = existing(world, request, given)
    try:
        described = json.loads(wire.required(given, "model_json"))
    except ValueError:
        raise wire.invalid("The parameter model_json is not valid JSON.") from None
    before = json.loads(run.tags.get(responses.HISTORY_TAG) or "[]")
    world.runs.update(run.workspace_id, run.run_id, tags={**run.tags, responses.HISTORY_TAG: json.dumps([*before, described])})
    return web.answer({})
