"""Jobs as ARM shows them: a view of run history. They run as real processes; v1 runs appear here too.

A job's PUT is no long-running operation: 201 with Location = the job, whose `properties.status` shows the rest. A job
that exists cannot be changed but for a few fields.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.arm import gateway, lists, writes
from infra.local.emulator.machine_learning import scope, statuses
from infra.local.emulator.machine_learning.jobs import command as command_jobs
from infra.local.emulator.machine_learning.jobs import composed as composed_jobs
from infra.local.emulator.machine_learning.jobs import responses, state
from infra.local.emulator.machine_learning.jobs import spark as spark_jobs
from infra.local.emulator.resources import Resource
from infra.local.emulator.runner import stage

if TYPE_CHECKING:
    from infra.local.emulator.runs import Run
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
JOB = f"{scope.WORKSPACE}/jobs/{{job}}"
SCHEDULE_PROPERTY = "azureml.schedule"  # among a run's properties: the name of the schedule that started it
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-_]{0,254}")
_TYPES = ("Command", "Pipeline", "Sweep", "AutoML", "Spark")
_COMPARED = (
    "jobType", "command", "codeId", "environmentId", "computeId", "experimentName", "inputs", "outputs", "limits", "resources",
)  # fmt: skip
_WORDS = {"experimentName": "Experiment", "codeId": "CodeId", "environmentId": "EnvironmentId", "computeId": "ComputeId"}


@routes.route("GET", JOB)
def get(world: World, request: web.Request) -> web.Response:
    """One job."""
    workspace = scope.workspace(world, request, "jobs")
    return web.answer(responses.body_of(workspace, _existing(world, request, workspace)))


def _existing(world: World, request: web.Request, workspace: Resource) -> Run:
    run = world.runs.get(workspace.id, request.params["job"])
    if run is None:
        raise scope.missing("Job", request.params["job"])
    return run


@routes.route("GET", f"{scope.WORKSPACE}/jobs")
def list_all(world: World, request: web.Request) -> web.Response:
    """The jobs, newest first; filtered by type, view, tag, property and schedule, not by status, as in Azure."""
    workspace = scope.workspace(world, request, "jobs")
    view, kind = request.query.get("listviewtype", "ActiveOnly").lower(), request.query.get("jobtype", "").lower()
    found = [run for run in reversed(world.runs.of(workspace.id)) if run.parent_run_id is None]
    found = [run for run in found if view == "all" or run.archived is (view == "archivedonly")]
    for name in ("tag", "properties"):
        if wanted := request.query.get(name):
            key, given, value = wanted.partition("=")
            found = [run for run in found if key in (own := _labels(run, name)) and (not given or str(own[key]) == value)]
    if wanted := request.query.get("scheduleid"):
        found = [run for run in found if run.properties.get(SCHEDULE_PROPERTY, "").lower() == wanted.lower()]
    if wanted := request.query.get("scheduled"):
        found = [run for run in found if (SCHEDULE_PROPERTY in run.properties) is (wanted.lower() == "true")]
    bodies = [responses.body_of(workspace, run) for run in found]
    return lists.page(world, request, [body for body in bodies if not kind or body["properties"]["jobType"].lower() == kind])


def _labels(run: Run, name: str) -> dict[str, str]:
    return run.tags if name == "tag" else run.properties


# ── create ───────────────────────────────────────────────────────────────────────────────────────────────────────────
@routes.route("PUT", JOB)
def put(world: World, request: web.Request) -> web.Response:
    """Start a job (201), or change what may be changed of one (200)."""
    workspace = scope.workspace(world, request, "jobs")
    properties, name = scope.properties_of(gateway.body_object(request)), request.params["job"]
    if not _NAME.fullmatch(name):
        raise scope.invalid(f"The job name '{name}' is invalid.", "InvalidJobName")
    found = world.runs.get(workspace.id, name)
    if found is not None:
        _update(world, workspace, found, properties)
        return web.answer(responses.body_of(workspace, found))
    run = start(world, scope.caller(request), workspace, name, properties)
    headers = {"location": scope.resource_url(request, f"{workspace.id}/jobs/{name}")}
    return web.answer(responses.body_of(workspace, run), status=201, headers=headers)


def start(world: World, by: str, workspace: Resource, name: str, properties: dict[str, Any]) -> Run:
    """Start a job of any type.

    Raises:
        web.Refused: 400, with what is wrong; 503 without a backend.
    """
    kind = scope.one_of(scope.text_of(properties, "jobType"), _TYPES, "jobType")
    judge = {"Command": command_jobs.request, "Spark": spark_jobs.request}.get(kind)
    job = judge(world, workspace, name, properties) if judge else None
    play = composed_jobs.play_of(world, workspace, properties, kind) if job is None else None
    if world.jobs_backend is None:
        raise scope.refused(503, "ServiceError", "No jobs backend is set up: start the local Azure with --ml-python.")
    run = world.runs.create(state.run(world, by, workspace, kind, name, properties))
    if job is not None:
        world.jobs_backend.submit(job)
    elif play is not None:
        stage.conduct(world, world.jobs_backend, run.workspace_id, name, play)
    return run


def _update(world: World, workspace: Resource, run: Run, properties: dict[str, Any]) -> None:
    now = responses.body_of(workspace, run)["properties"]
    changed = [name for name in _COMPARED if properties.get(name) is not None and _plain(properties[name]) != _plain(now.get(name))]
    if changed:
        words = ",  ".join(_WORDS.get(name, name[0].upper() + name[1:]) for name in changed)
        text = (
            "A job with this name already exists. If you are trying to create a new job, use a different name. If you are trying "
            f"to update an existing job, the existing job's {words} cannot be changed. Only description, tags, displayName, "
            "properties, and isArchived can be updated."
        )
        raise scope.refused(400, "UserError", text, inner=("Immutable", "JobPropertyImmutable"))
    fields = {"description": "description", "displayName": "display_name", "isArchived": "archived", "tags": "tags"}
    first = {"description": "", "displayName": run.run_id, "isArchived": False, "tags": {}}
    given = {name: value for name, value in properties.items() if value is not None}
    changes = {fields[name]: value for name, value in writes.changed(world, responses.TYPE, given, first).items()}
    if isinstance(properties.get("properties"), dict):
        changes["properties"] = {**run.properties, **properties["properties"]}
    world.runs.update(workspace.id, run.run_id, **changes)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if item is not None and item != {}}
    return value.lower() if isinstance(value, str) else value


# ── cancel and delete ────────────────────────────────────────────────────────────────────────────────────────────────
@routes.route("POST", f"{JOB}/cancel")
def cancel(world: World, request: web.Request) -> web.Response:
    """202 `null` with a Location only; 200 without a body when the job has ended already."""
    workspace = scope.workspace(world, request, "jobs")
    run = _existing(world, request, workspace)
    if run.ended:
        return web.empty(200)
    world.runs.update(workspace.id, run.run_id, status="CancelRequested")
    if world.jobs_backend is not None:
        world.jobs_backend.cancel(workspace.id.lower(), run.run_id)
    else:  # nothing runs here: it was seeded
        world.runs.update(workspace.id, run.run_id, status="Canceled")
    target = Resource(id=f"{workspace.id}/jobs/{run.run_id}", body={})
    operation = statuses.begin(
        world, request, target, kind="job.cancel", finish=lambda: None, prefix="jc", ready=lambda: run.ended, workspace=workspace
    )
    return web.answer(None, status=202, headers=statuses.result_headers(world, operation, timeout="PT1H"))


@routes.route("DELETE", JOB)
def delete(world: World, request: web.Request) -> web.Response:
    """202 `null`; a job that has not ended is refused."""
    workspace = scope.workspace(world, request, "jobs")
    run = world.runs.get(workspace.id, request.params["job"])
    if run is None:
        return web.empty(204)
    if not run.ended:
        raise scope.refused(
            409,
            "UserError",
            f"The job {run.run_id} is in status {run.status}; cancel it first.",
            inner=("Conflict", "JobNotTerminal"),
        )
    target = Resource(id=f"{workspace.id}/jobs/{run.run_id}", body={})
    operation = statuses.begin(
        world,
        request,
        target,
        kind="job.delete",
        prefix="jd",
        finish=lambda: world.runs.delete(workspace.id, run.run_id) and None,
        workspace=workspace,
        verb="Deleting",
    )
    return web.answer(None, status=202, headers=statuses.frontend_headers(world, operation))
