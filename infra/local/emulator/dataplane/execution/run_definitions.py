"""Reads v1 run definitions: from the JSON of a request to a run and what the backend runs. Not here: routes (`resources.py`)."""

from __future__ import annotations

import re
import uuid
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from infra.local.emulator.backends import JobRequest
from infra.local.emulator.dataplane import scope
from infra.local.emulator.dataplane.history import experiments
from infra.local.emulator.runner import archive, environments
from infra.local.emulator.runs import Run

if TYPE_CHECKING:
    from pathlib import Path

    from infra.local.emulator import web
    from infra.local.emulator.world import World

RUN_ID = re.compile(r"[A-Za-z0-9][\w-]{0,255}")
_FRAMEWORKS = {"python", "pytorch", "tensorflow", ""}
_COMMUNICATORS = {"none", ""}


def configuration_of(request: web.Request, definition: dict[str, Any]) -> dict[str, Any]:
    """The configuration of a run definition.

    Raises:
        web.Refused: 400, it is missing, or cannot run here.
    """
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


def run_of(world: World, request: web.Request, owner: str, definition: dict[str, Any], configuration: dict[str, Any]) -> Run:
    """The run, not yet in run history; its experiment is made.

    Raises:
        web.Refused: 400 for a bad name or id.
    """
    experiment = request.params["experiment"]
    if not experiments.valid_name(experiment):
        raise scope.bad(request, f"The experiment name {experiment!r} is invalid.", "InvalidExperimentName")
    run_id = request.query.get("runid") or f"{experiment}_{int(world.now().timestamp())}_{uuid.uuid4().hex[:8]}"
    if not RUN_ID.fullmatch(run_id):
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


def job_of(request: web.Request, run: Run, configuration: dict[str, Any], project: bytes) -> JobRequest:
    """What the backend runs.

    Raises:
        web.Refused: 400 for a bad environment, project, script or argument.
    """
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


def check_target(world: World, request: web.Request, job: JobRequest) -> None:
    """The target exists, and could ever have so many nodes.

    Raises:
        web.Refused: 400.
    """
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
