"""Starts v1 runs: `POST …/experiments/{e}/startrun`, multipart with a project zip and a run definition.

What is wrong with a request is said at once, as 400; the run itself is the jobs backend's. Not here: reading runs.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.dataplane import scope
from infra.local.emulator.dataplane.execution import run_definitions, snapshots
from infra.local.emulator.runs import RunExistsError

if TYPE_CHECKING:
    from infra.local.emulator.runs import Run
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
_EXPERIMENT = f"/execution/v1.0{scope.WORKSPACE}/experiments/{{experiment}}"


@routes.route("POST", f"{_EXPERIMENT}/startrun")
def start(world: World, request: web.Request) -> web.Response:
    """200 `{"runId"}`; the run is NotStarted and goes on by itself.

    Raises:
        web.Refused: 400 for a bad zip, definition, script, target or id; 409 for a run id that is taken.
    """
    definition, project = _parts(request)
    return _started(world, request, definition, project)


@routes.route("POST", f"{_EXPERIMENT}/snapshotrun")
def start_snapshot(world: World, request: web.Request) -> web.Response:
    """The same for a project that an earlier run brought: a JSON definition with its `snapshotId`.

    Raises:
        web.Refused: 400, as for `start`, and for a snapshot that is not there.
    """
    definition = scope.body(request)
    project = snapshots.find(world, scope.workspace_id(world, request), str(scope.field(definition, "snapshotId") or ""))
    if project is None:
        raise scope.bad(request, "The run definition names no snapshot of this workspace.", "SnapshotNotFound")
    return _started(world, request, definition, project)


def _started(world: World, request: web.Request, definition: dict[str, Any], project: bytes) -> web.Response:
    owner = scope.workspace_id(world, request)
    configuration = run_definitions.configuration_of(request, definition)
    run = run_definitions.run_of(world, request, owner, definition, configuration)
    job = run_definitions.job_of(request, run, configuration, project)
    run_definitions.check_target(world, request, job)
    if world.jobs_backend is None:
        raise scope.refused(request, 503, "This local Azure was started without a place to run jobs.", code="ServiceError")
    run.properties["ContentSnapshotId"] = snapshots.keep(world, owner, project)
    _create(world, request, run)
    world.jobs_backend.submit(job)
    return web.answer({"runId": run.run_id})


def _create(world: World, request: web.Request, run: Run) -> None:
    try:
        world.runs.create(run)
    except RunExistsError:
        text = f"A run with id {run.run_id} already exists in the workspace."
        raise scope.refused(request, 409, text, "Conflict", "RunAlreadyExists") from None


def _parts(request: web.Request) -> tuple[dict[str, Any], bytes]:
    """The run definition and the project zip of the form; either may have been sent as a file or as a field."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise scope.refused(request, 415, "The content type must be multipart/form-data.", "UnsupportedMediaType")
    fields, files = request.form()
    parts = {**{name: text.encode() for name, text in fields.items()}, **files}
    for name in ("runDefinitionFile", "projectZipFile"):
        if name not in parts:
            raise scope.bad(request, f"The multipart form lacks the part {name}.", "MissingFormPart")
    try:
        definition = json.loads(parts["runDefinitionFile"].decode("utf-8-sig"))
    except ValueError as error:
        raise scope.bad(request, f"The run definition is not valid JSON: {error}", "InvalidRunDefinition") from None
    if not isinstance(definition, dict):
        raise scope.bad(request, "The run definition is not a JSON object.", "InvalidRunDefinition")
    return definition, parts["projectZipFile"]


@routes.route("POST", f"{_EXPERIMENT}/startlocalrun")
def start_local(world: World, request: web.Request) -> web.Response:
    """200 with a zip: what a caller needs to run the definition on its own machine; the run is left to the caller."""
    owner, definition = scope.workspace_id(world, request), scope.body(request)
    configuration = run_definitions.configuration_of(request, definition)
    run = run_definitions.run_of(world, request, owner, definition, configuration)
    _create(world, request, run)
    arguments = " ".join(str(argument) for argument in scope.field(configuration, "Arguments") or [])
    lines = f'#!/bin/sh\nAZUREML_RUN_ID={run.run_id} python "{scope.field(configuration, "Script")}" {arguments}\n'
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("azureml-setup/run_definition.json", json.dumps(definition))
        made.writestr("invocation.sh", lines)
    return web.Response(headers=(("Content-Type", "application/octet-stream"), ("x-ms-run-id", run.run_id)), body=buffer.getvalue())
