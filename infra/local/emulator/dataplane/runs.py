"""Run history's runs: read, query, change, cancel; their details with log files as signed URLs.

Not here: starting a run (`execution`), its files (`artifacts`) and values (`metrics`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.dataplane import experiments, locations, odata, scope, storage
from infra.local.emulator.world import FetchError

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local.emulator.runs import Run
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
BASE = f"/history/v1.0{scope.WORKSPACE}"
RUN = f"{BASE}/runs/{{run}}"
EXPERIMENT_RUN = f"{BASE}/experiments/{{experiment}}/runs/{{run}}"
_RUN_TYPES = {"v1": "azureml.scriptrun", "command": "azureml.commandjob"}


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
        "tags": dict(run.tags),
        "runDefinition": None,
        "createdFrom": None,
        "cancelUri": None,
        "diagnosticsUri": None,
        "lastModifiedUtc": scope.time_text(run.modified_at),
        "duration": _span(duration.total_seconds()) if duration is not None else None,
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
        holds = odata.parse(condition, known)
        matching = [run for run in reversed(found) if holds(lookup(run))]
        matching = odata.ordered(matching, order, known, lookup)
    except odata.FilterError as error:
        raise scope.bad(request, str(error), "InvalidFilter") from None
    shown_runs = [shown(world, run) for run in matching]
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
        condition=scope.field(asked, "filter"),
        order=scope.field(asked, "orderBy"),
        top=scope.field(asked, "top"),
        token=scope.field(asked, "continuationToken"),
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
def get(world: World, request: web.Request) -> web.Response:
    """One run."""
    return web.answer(shown(world, scope.run(world, request)))


@routes.route("GET", f"{RUN}/details")
@routes.route("GET", f"{EXPERIMENT_RUN}/details")
def details(world: World, request: web.Request) -> web.Response:
    """One run with its definition and its log files as signed URLs."""
    run = scope.run(world, request)
    all_fields = shown(world, run)
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
        web.Refused: the workspace's storage is gone.
    """
    suffix = storage.storage_suffix(request.host)
    try:
        folder = locations.run_folder(world, run.workspace_id, run.run_id)
        return {name: storage.sas_url(world, folder.child(path), suffix=suffix) for name, path in sorted(run.log_files.items())}
    except FetchError as error:
        raise scope.refused(request, 409, str(error), "StorageError") from None


@routes.route("POST", f"{BASE}/rundata")
def run_data(world: World, request: web.Request) -> web.Response:
    """`{"runId","selectRunMetadata","selectRunDefinition","selectJobSpecification"}`."""
    asked, owner = scope.body(request), scope.workspace_id(world, request)
    run = world.runs.get(owner, str(scope.field(asked, "runId") or ""))
    if run is None:
        raise scope.not_found(request, f"RunId {scope.field(asked, 'runId')} was not found.", "RunNotFound")
    return web.answer(
        {
            "runMetadata": shown(world, run) if scope.field(asked, "selectRunMetadata") in {None, True} else None,
            "runDefinition": run.definition if run.kind == "v1" and scope.field(asked, "selectRunDefinition") else None,
            "jobSpecification": run.definition if run.kind != "v1" and scope.field(asked, "selectJobSpecification") else None,
            "systemSettings": None,
        }
    )


@routes.route("PATCH", RUN)
@routes.route("PATCH", EXPERIMENT_RUN)
def modify(world: World, request: web.Request) -> web.Response:
    """Merge displayName, description, tags, properties, hidden into a run; nothing else of it can be changed."""
    run, asked = scope.run(world, request), scope.body(request)
    changes: dict[str, Any] = {}
    for name, attribute in (("name", "display_name"), ("displayName", "display_name"), ("description", "description")):
        if (value := scope.field(asked, name)) is not None:
            changes[attribute] = str(value)
    if (hidden := scope.field(asked, "hidden")) is not None:
        changes["archived"] = bool(hidden)
    for name in ("tags", "properties"):
        given = scope.field(asked, name)
        if given is not None and not isinstance(given, dict):
            raise scope.bad(request, f"{name} is an object.")
        if given:
            changes[name] = {**getattr(run, name), **{str(key): str(value) for key, value in given.items()}}
    world.runs.update(run.workspace_id, run.run_id, **changes)
    return web.answer(shown(world, run))


@routes.route("DELETE", f"{RUN}/tags")
@routes.route("DELETE", f"{EXPERIMENT_RUN}/tags")
def delete_tags(world: World, request: web.Request) -> web.Response:
    """The body is a list of names (or `{"tags":[…]}`)."""
    run = scope.run(world, request)
    try:
        asked = request.json()
    except ValueError as error:
        raise scope.bad(request, f"The request body is not valid JSON: {error}", "InvalidJson") from None
    gone = set((scope.field(asked, "tags") if isinstance(asked, dict) else asked) or ())
    world.runs.update(run.workspace_id, run.run_id, tags={name: value for name, value in run.tags.items() if name not in gone})
    return web.answer(shown(world, run))


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
