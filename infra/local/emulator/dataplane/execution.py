"""Starts v1 runs: `POST …/experiments/{e}/startrun`, multipart with a project zip and a run definition.

What is wrong with a request is said at once, as 400; the run itself is the jobs backend's. Not here: reading runs.
"""

from __future__ import annotations

import io
import json
import re
import uuid
import zipfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.dataplane import experiments, scope
from infra.local.emulator.runner import archive, environments
from infra.local.emulator.runs import Run, RunExistsError
from infra.local.emulator.world import JobRequest

if TYPE_CHECKING:
    from pathlib import Path

    from infra.local.emulator.world import World

routes = web.Routes(r".*")
_EXPERIMENT = f"/execution/v1.0{scope.WORKSPACE}/experiments/{{experiment}}"
_RUN_ID = re.compile(r"[A-Za-z0-9][\w-]{0,255}")
_FRAMEWORKS = {"python", "pytorch", "tensorflow", ""}
_COMMUNICATORS = {"none", ""}


@routes.route("POST", f"{_EXPERIMENT}/startrun")
def start(world: World, request: web.Request) -> web.Response:
    """200 `{"runId"}`; the run is NotStarted and goes on by itself.

    Raises:
        web.Refused: 400 for a bad zip, definition, script, target or id; 409 for a run id that is taken.
    """
    owner = scope.workspace_id(world, request)
    definition, project = _parts(request)
    configuration = _configuration(request, definition)
    run = _run(world, request, owner, definition, configuration)
    job = _job(request, run, configuration, project)
    _check_target(world, request, job)
    if world.jobs_backend is None:
        raise scope.refused(request, 503, "This local Azure was started without a place to run jobs.", code="ServiceError")
    try:
        world.runs.create(run)
    except RunExistsError:
        text = f"A run with id {run.run_id} already exists in the workspace."
        raise scope.refused(request, 409, text, "Conflict", "RunAlreadyExists") from None
    world.jobs_backend.submit(job)
    return web.answer({"runId": run.run_id})


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


def _configuration(request: web.Request, definition: dict[str, Any]) -> dict[str, Any]:
    found = scope.field(definition, "Configuration")
    if not isinstance(found, dict):
        raise scope.bad(request, "The run definition has no Configuration.", "InvalidRunDefinition")
    framework = str(scope.field(found, "Framework") or "")
    if framework.lower() not in _FRAMEWORKS:
        raise scope.bad(request, f"The framework {framework!r} is not supported.", "InvalidRunDefinition")
    communicator = str(scope.field(found, "Communicator") or "")
    if communicator.lower() not in _COMMUNICATORS:
        text = f"The communicator {communicator!r} is not supported here: a run is one process on one machine."
        raise scope.bad(request, text, "InvalidRunDefinition")
    return found


def _run(world: World, request: web.Request, owner: str, definition: dict[str, Any], configuration: dict[str, Any]) -> Run:
    experiment = request.params["experiment"]
    if not experiments.valid_name(experiment):
        raise scope.bad(request, f"The experiment name {experiment!r} is invalid.", "InvalidExperimentName")
    run_id = request.query.get("runid") or f"{experiment}_{int(world.now().timestamp())}_{uuid.uuid4().hex[:8]}"
    if not _RUN_ID.fullmatch(run_id):
        raise scope.bad(request, f"The run id {run_id!r} is invalid.", "InvalidRunId")
    known = experiments.ensure(world, owner, experiment)
    return Run(
        run_id=run_id,
        workspace_id=owner,
        experiment=known["name"],
        experiment_id=known["experimentId"],
        created_at=world.now(),
        kind="v1",
        target=str(scope.field(configuration, "Target") or "") or None,
        created_by=request.principal.app_id if request.principal else "",
        definition=definition,
        properties={"_azureml.ComputeTargetType": "amlctrain", "ContentSnapshotId": str(uuid.uuid4())},
    )


def _job(request: web.Request, run: Run, configuration: dict[str, Any], project: bytes) -> JobRequest:
    environment = scope.field(configuration, "Environment") or {}
    try:
        environments.lines(environment if isinstance(environment, dict) else {"Docker": environment})
        names = archive.names(project)
    except (environments.BadEnvironmentError, archive.BadArchiveError) as error:
        raise scope.bad(request, str(error), type(error).__name__.removesuffix("Error")) from None
    script = str(scope.field(configuration, "Script") or "")
    if not script or PurePosixPath(script).as_posix() not in names:
        raise scope.bad(request, f"The script {script!r} is not in the project zip.", "ScriptNotFound")
    arguments = scope.field(configuration, "Arguments") or []
    if not isinstance(arguments, list):
        raise scope.bad(request, "Arguments is a list.", "InvalidRunDefinition")

    def unpack(folder: Path) -> None:
        archive.unpack(project, folder)

    return JobRequest(
        workspace_id=run.workspace_id,
        run_id=run.run_id,
        experiment=run.experiment,
        kind="v1",
        command=(script, *(str(argument) for argument in arguments)),
        code=unpack,
        environment=environment,
        environment_variables=_variables(request, configuration, environment),
        target=run.target,
        nodes=int(_number(request, configuration, "NodeCount") or 1),
        timeout_s=_number(request, configuration, "MaxRunDurationSeconds"),
    )


def _variables(request: web.Request, configuration: dict[str, Any], environment: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for given in (scope.field(environment, "EnvironmentVariables"), scope.field(configuration, "EnvironmentVariables")):
        if given is not None and not isinstance(given, dict):
            raise scope.bad(request, "EnvironmentVariables is an object.", "InvalidRunDefinition")
        found.update({str(name): str(value) for name, value in (given or {}).items()})
    return found


def _number(request: web.Request, configuration: dict[str, Any], name: str) -> float | None:
    value = scope.field(configuration, name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise scope.bad(request, f"{name} is a positive number.", "InvalidRunDefinition")
    return float(value)


def _check_target(world: World, request: web.Request, job: JobRequest) -> None:
    """The target exists, and could ever have so many nodes."""
    if not job.target or job.target.lower() == "local":
        raise scope.bad(request, "The run definition names no compute target that the service can use.", "InvalidTarget")
    with world.lock:
        compute = world.resources.get(f"{job.workspace_id}/computes/{job.target}")
        state = compute.state if compute else ""
        settings = (compute.properties.get("properties") or {}).get("scaleSettings") if compute else None
    if compute is None:
        text = f"Unknown compute target '{job.target}'. No such compute in the workspace."
        raise scope.bad(request, text, "ComputeNotFound")
    if state in {"Failed", "Deleting"}:
        raise scope.bad(request, f"The compute target '{job.target}' is in state {state}.", "ComputeNotUsable")
    if settings and job.nodes > int(settings.get("maxNodeCount") or 0) > 0:
        text = f"The run asks for {job.nodes} nodes; '{job.target}' has at most {settings['maxNodeCount']}."
        raise scope.bad(request, text, "NodeCountExceedsMaximum")


@routes.route("POST", f"{_EXPERIMENT}/startlocalrun")
def start_local(world: World, request: web.Request) -> web.Response:
    """200 with a zip: what a caller needs to run the definition on its own machine; the run is left to the caller."""
    owner, definition = scope.workspace_id(world, request), scope.body(request)
    configuration = _configuration(request, definition)
    run = _run(world, request, owner, definition, configuration)
    try:
        world.runs.create(run)
    except RunExistsError:
        text = f"A run with id {run.run_id} already exists in the workspace."
        raise scope.refused(request, 409, text, "Conflict", "RunAlreadyExists") from None
    arguments = " ".join(str(argument) for argument in scope.field(configuration, "Arguments") or [])
    lines = f'#!/bin/sh\nAZUREML_RUN_ID={run.run_id} python "{scope.field(configuration, "Script")}" {arguments}\n'
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("azureml-setup/run_definition.json", json.dumps(definition))
        made.writestr("invocation.sh", lines)
    return web.Response(headers=(("Content-Type", "application/octet-stream"), ("x-ms-run-id", run.run_id)), body=buffer.getvalue())
