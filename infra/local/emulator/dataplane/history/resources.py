"""Run history's runs: read, query, change, cancel; their details with log files as signed URLs.

Not here: starting a run (`execution`), its files (`artifacts`) and values (`metrics`).
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from infra.local.emulator import clouds, scene, web
from infra.local.emulator.arm import odata
from infra.local.emulator.dataplane import scope
from infra.local.emulator.dataplane.data import resources as data_assets
from infra.local.emulator.dataplane.execution import run_definitions
from infra.local.emulator.dataplane.history import experiments
from infra.local.emulator.dataplane.history import responses as run_fields
from infra.local.emulator.runs import TERMINAL, Run
from infra.local.emulator.storage import files as storage
from infra.local.emulator.storage import locations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.local.emulator.world import World

routes = web.Routes(r".*")
BASE = f"/history/v1.0{scope.WORKSPACE}"
RUN = f"{BASE}/runs/{{run}}"
EXPERIMENT_RUN = f"{BASE}/experiments/{{experiment}}/runs/{{run}}"
_EXPERIMENT_ID_RUN = f"{BASE}/experimentids/{{experiment}}/runs/{{run}}"
_STATUSES = frozenset({"NotStarted", "Starting", "Preparing", "Queued", "Running", "Finalizing", *TERMINAL})
_EVENT = "Microsoft.MachineLearning.Run."
# What a run on the caller's machine says of itself, and its status from then on; the others are acknowledged.
_EVENTS = {"Start": "Running", "Completed": "Completed", "Failed": "Failed", "Canceled": "Canceled", "Queued": "Queued"}
_OTHER_EVENTS = frozenset({"Error", "Heartbeat", "QueueingInfo", "Warning", "CancelRequested"})


def answer_page(  # noqa: PLR0913 - a query has this many parts
    world: World,
    request: web.Request,
    found: list[Run],
    *,
    condition: str | None,
    order: str | None,
    top: object,
    token: str | None,
    token_name: str,
) -> web.Response:
    """One page of runs, filtered and ordered; the newest first unless another order is asked for.

    Raises:
        web.Refused: 400.
    """
    try:
        holds = odata.parse(condition, run_fields.known)
        matching = [run for run in reversed(found) if holds(run_fields.lookup(run))]
        matching = odata.ordered(matching, order, run_fields.known, run_fields.lookup)
    except odata.FilterError as error:
        raise scope.bad(request, str(error), "InvalidFilter") from None
    shown_runs = [run_fields.shown(world, run) for run in matching]
    return web.answer(scope.page(request, shown_runs, top=scope.count_of(request, top), token=token, token_name=token_name))


def _by_query(world: World, request: web.Request, found: list[Run]) -> web.Response:
    query = request.query
    order = query.get("$orderby")
    if order and query.get("$sortorder"):
        order = f"{order} {query['$sortorder']}"
    return answer_page(
        world,
        request,
        found,
        condition=query.get("$filter"),
        order=order,
        top=query.get("$top"),
        token=query.get("$continuationtoken"),
        token_name="$continuationToken",  # noqa: S106 - a name
    )


@routes.route("POST", f"{BASE}/experiments/{{experiment}}/runs:query")
@routes.route("POST", f"{BASE}/runs:query")
def query(world: World, request: web.Request) -> web.Response:
    """`{"filter","orderBy","top","continuationToken"}`."""
    owner, asked = scope.workspace_id(world, request), scope.body(request)
    return answer_page(
        world,
        request,
        world.runs.of(owner, experiment=request.params.get("experiment")),
        condition=scope.text(request, asked, "filter"),
        order=scope.text(request, asked, "orderBy"),
        top=scope.field(asked, "top"),
        token=scope.text(request, asked, "continuationToken"),
        token_name="continuationToken",  # noqa: S106 - a name
    )


@routes.route("GET", f"{BASE}/experiments/{{experiment}}/runs")
@routes.route("GET", f"{BASE}/runs")
def list_runs(world: World, request: web.Request) -> web.Response:
    """The runs of an experiment or of the workspace."""
    owner = scope.workspace_id(world, request)
    return _by_query(world, request, world.runs.of(owner, experiment=request.params.get("experiment")))


@routes.route("GET", f"{BASE}/computes/{{compute}}/runs")
def of_compute(world: World, request: web.Request) -> web.Response:
    """The runs on a compute target."""
    owner, wanted = scope.workspace_id(world, request), request.params["compute"].lower()
    return _by_query(world, request, [run for run in world.runs.of(owner) if (run.target or "").lower() == wanted])


@routes.route("GET", f"{RUN}/children")
@routes.route("GET", f"{EXPERIMENT_RUN}/children")
def children(world: World, request: web.Request) -> web.Response:
    """The child runs of a run."""
    parent = scope.run(world, request)
    return _by_query(world, request, world.runs.of(parent.workspace_id, parent=parent.run_id))


@routes.route("GET", RUN)
@routes.route("GET", EXPERIMENT_RUN)
@routes.route("GET", _EXPERIMENT_ID_RUN)
def get(world: World, request: web.Request) -> web.Response:
    """One run."""
    return web.answer(run_fields.shown(world, scope.run(world, request)))


@routes.route("GET", f"{RUN}/details")
@routes.route("GET", f"{EXPERIMENT_RUN}/details")
def details(world: World, request: web.Request) -> web.Response:
    """One run with its definition and its log files as signed URLs."""
    run = scope.run(world, request)
    all_fields = run_fields.shown(world, run)
    names = (
        "runId", "target", "status", "parentRunId", "startTimeUtc", "endTimeUtc", "error", "warnings", "tags", "properties",
        "revision",
    )  # fmt: skip
    return web.answer(
        {
            **{name: all_fields[name] for name in names},
            "services": {},
            "inputDatasets": [],
            "outputDatasets": [],
            "runDefinition": run.definition,
            "logFiles": log_files(world, request, run),
            "submittedBy": run.created_by,
        }
    )


def log_files(world: World, request: web.Request, run: Run) -> dict[str, str]:
    """The log files of a run by name, as URLs with a signature.

    Raises:
        FetchError: the workspace's storage is gone.
    """
    suffix, folder = storage.storage_suffix(request.host), locations.run_folder(world, run.workspace_id, run.run_id)
    return {name: storage.sas_url(world, folder.child(path), suffix=suffix) for name, path in sorted(run.log_files.items())}


@routes.route("POST", f"{BASE}/rundata")
def run_data(world: World, request: web.Request) -> web.Response:
    """`{"runId","selectRunMetadata","selectRunDefinition","selectJobSpecification"}`."""
    asked, owner = scope.body(request), scope.workspace_id(world, request)
    run = world.runs.get(owner, scope.text(request, asked, "runId") or "")
    if run is None:
        raise scope.not_found(request, f"RunId {scope.field(asked, 'runId')} was not found.", "RunNotFound")
    metadata = {**run_fields.shown(world, run), "outputs": data_assets.outputs_of(world, run)}
    return web.answer(
        {
            "runMetadata": metadata if scope.field(asked, "selectRunMetadata") is not False else None,
            "runDefinition": run.definition if run.kind == "v1" and scope.field(asked, "selectRunDefinition") else None,
            "jobSpecification": run.definition if run.kind != "v1" and scope.field(asked, "selectJobSpecification") else None,
            "systemSettings": None,
        }
    )


def _made(world: World, request: web.Request) -> Run | None:
    """A new run of the experiment in the path, which runs on the caller's machine; None when the run is there already.

    Raises:
        web.Refused: 404 for an unknown experiment or parent, 400 for a bad id.
    """
    owner = scope.workspace_id(world, request)
    if world.runs.get(owner, request.params["run"]) is not None:
        return None
    asked, wanted = scope.body(request), request.params["experiment"].lower()
    known = (one for one in experiments.all_of(world, owner) if wanted in {one["name"].lower(), one["experimentId"]})
    experiment = next(known, None)
    if experiment is None:
        raise scope.not_found(request, f"Experiment {request.params['experiment']} was not found.", "ExperimentNotFound")
    parent = scope.text(request, asked, "parentRunId")
    if parent and world.runs.get(owner, parent) is None:
        raise scope.not_found(request, f"RunId {parent} was not found.", "RunNotFound")
    if not run_definitions.RUN_ID.fullmatch(request.params["run"]):
        raise scope.bad(request, f"The run id {request.params['run']!r} is invalid.", "InvalidRunId")
    return world.runs.create(
        Run(
            run_id=request.params["run"],
            workspace_id=owner,
            experiment=experiment["name"],
            experiment_id=experiment["experimentId"],
            created_at=world.now(),
            parent_run_id=parent,
            target=scope.text(request, asked, "target"),
            created_by=request.principal.object_id if request.principal else "",
        )
    )


def _alone(request: web.Request, field: str) -> Iterator[tuple[dict[str, Any], web.Request]]:
    """Each item of a list in the body, and the request that it would be by itself."""
    asked = scope.field(scope.body(request), field)
    if not isinstance(asked, list):
        raise scope.bad(request, f"The field {field} is a list.")
    for one in asked:
        item = one if isinstance(one, dict) else {}
        name = scope.text(request, item, "runId") or scope.text(request, scope.mapping(request, item, "data"), "runId") or ""
        yield item, replace(request, params={**request.params, "run": name}, body=json.dumps(item).encode())


@routes.route("PATCH", f"{BASE}/experiments/{{experiment}}/batch/runs")
def modify_many(world: World, request: web.Request) -> web.Response:
    """`{"runs":[{"runId",…}]}`, as the SDK v1 makes children: each as one PATCH would, with its errors beside."""
    runs: dict[str, Any] = {}
    errors: dict[str, Any] = {}
    for _, alone in _alone(request, "runs"):
        try:
            runs[alone.params["run"]] = json.loads(modify(world, alone).body)
        except web.Refused as refused:
            errors[alone.params["run"]] = json.loads(refused.response.body)
    return web.answer({"runs": runs, "errors": errors})


@routes.route("POST", f"{BASE}/experiments/{{experiment}}/batch/events")
def many_events(world: World, request: web.Request) -> web.Response:
    """`{"events":[{"name","data":{"RunId"}}]}`: what several runs say of themselves."""
    errors = []
    for item, alone in _alone(request, "events"):
        try:
            event(world, alone)
        except web.Refused as refused:
            errors.append({"key": item, "value": json.loads(refused.response.body)})
    return web.answer({"errors": errors})


@routes.route("PATCH", RUN)
@routes.route("PATCH", EXPERIMENT_RUN)
@routes.route("PATCH", _EXPERIMENT_ID_RUN)
def modify(world: World, request: web.Request) -> web.Response:
    """Merge displayName, description, tags, properties, hidden into a run.

    One that does not exist is made, as the SDK v1 relies on. Only of a run that no service runs the status can be set.
    """
    run = (_made(world, request) if "experiment" in request.params else None) or scope.run(world, request)
    asked = scope.body(request)
    changes: dict[str, Any] = {}
    if (status := scope.text(request, asked, "status")) is not None and not run.definition:
        if status not in _STATUSES:
            raise scope.bad(request, f"The status {status!r} is not one of {', '.join(sorted(_STATUSES))}.")
        changes["status"] = status
    for name, attribute in (("name", "display_name"), ("displayName", "display_name"), ("description", "description")):
        if (value := scope.text(request, asked, name)) is not None:
            changes[attribute] = value
    if (hidden := scope.field(asked, "hidden")) is not None:
        changes["archived"] = bool(hidden)
    for name in ("tags", "properties"):
        if given := scope.texts(request, asked, name):
            changes[name] = {**getattr(run, name), **given}
    world.runs.update(run.workspace_id, run.run_id, **changes)
    return web.answer(run_fields.shown(world, run))


@routes.route("POST", f"{EXPERIMENT_RUN}/events")
@routes.route("POST", f"{_EXPERIMENT_ID_RUN}/events")
def event(world: World, request: web.Request) -> web.Response:
    """What a run says of itself: started, completed, failed (its error comes first), canceled; a job's status is not its own."""
    run, asked = scope.run(world, request), scope.body(request)
    name = (scope.text(request, asked, "name") or "").removeprefix(_EVENT)
    if name not in _EVENTS and name not in _OTHER_EVENTS:
        raise scope.bad(request, f"The event {scope.field(asked, 'name')!r} is unknown.")
    if name in _EVENTS and not run.definition:
        world.runs.update(run.workspace_id, run.run_id, status=_EVENTS[name])
    if name == "Error" and not run.definition:
        given = scope.mapping(request, scope.mapping(request, asked, "data"), "ErrorResponse")
        world.runs.update(run.workspace_id, run.run_id, error=scope.mapping(request, given, "error") or None)
    return web.empty(200)


@routes.route("GET", f"{EXPERIMENT_RUN}/token")
@routes.route("GET", f"{_EXPERIMENT_ID_RUN}/token")
def token(world: World, request: web.Request) -> web.Response:
    """A token for the run's own calls, the caller's."""
    run = scope.run(world, request)
    who = request.principal
    text, lifetime_s = world.tokens.mint(
        audience=clouds.ML_AUDIENCES[0],
        tenant_id=scene.TENANT_ID,
        app_id=who.app_id if who else "",
        object_id=who.object_id if who else run.created_by,
    )
    return web.answer({"token": text, "expiryTimeUtc": scope.time_text(world.now() + timedelta(seconds=lifetime_s))})


@routes.route("DELETE", f"{RUN}/tags")
@routes.route("DELETE", f"{EXPERIMENT_RUN}/tags")
def delete_tags(world: World, request: web.Request) -> web.Response:
    """The body is a list of names (or `{"tags":[…]}`)."""
    run = scope.run(world, request)
    gone = scope.names(request, "tags")
    world.runs.update(run.workspace_id, run.run_id, tags={name: value for name, value in run.tags.items() if name not in gone})
    return web.answer(run_fields.shown(world, run))


@routes.route("POST", f"{RUN}/cancel")
@routes.route("POST", f"{EXPERIMENT_RUN}/cancel")
@routes.route("POST", f"/execution/v1.0{scope.WORKSPACE}/experiments/{{experiment}}/runId/{{run}}/cancel")
@routes.route("POST", f"/execution/v1.0{scope.WORKSPACE}/experiments/{{experiment}}/runs/{{run}}/cancel")
def cancel(world: World, request: web.Request) -> web.Response:
    """Ask a run to end: CancelRequested, then Canceled. A run that has ended stays as it is."""
    run = scope.run(world, request)
    if not run.ended:
        world.runs.update(run.workspace_id, run.run_id, status="CancelRequested")
        if world.jobs_backend is not None:
            world.jobs_backend.cancel(run.workspace_id, run.run_id)
    return web.answer({"runId": run.run_id})
