"""Hyperparameter tuning v1: a form with the JSON `config` starts a sweep of v1 runs; cancel works on any run that is there.

The code is that of a snapshot (`platform_config.Definition.SnapshotId`), which an earlier run brought, or a zip beside the
config (`projectZipFile`). Each trial's script is given the parameters as further arguments. Fields after the official
OpenAPI file of hyperdrive; its own error shape is `{"code","message"}`. Not here: running (`runner/sweeps/sweep.py`).
"""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.dataplane import scope
from infra.local.emulator.dataplane.execution import run_definitions, snapshots
from infra.local.emulator.dataplane.history import experiments
from infra.local.emulator.dataplane.hyperdrive import responses
from infra.local.emulator.runner import stage
from infra.local.emulator.runner.sweeps import policies, sampling, sweep
from infra.local.emulator.runs import Run

if TYPE_CHECKING:
    from infra.local.emulator.backends import JobRequest
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
_RUNS = f"/hyperdrive/v1.0{scope.WORKSPACE}/runs"
_EXPERIMENT_RUNS = f"/hyperdrive/v1.0{scope.WORKSPACE}/experiments/{{experiment}}/runs"
_REQUIRED = ("generator_config", "name", "platform", "platform_config", "policy_config", "primary_metric_config", "user")
_SAMPLING = {"RANDOM": "Random", "GRID": "Grid", "BAYESIANOPTIMIZATION": "Bayesian"}


@routes.route("POST", _RUNS)
@routes.route("POST", _EXPERIMENT_RUNS)
def create(world: World, request: web.Request) -> web.Response:
    """201 `{"code":201,"result"}` with the experiment; its run and its trials are in run history.

    Raises:
        web.Refused: 400, in hyperdrive's own shape; 503 without a backend.
    """
    owner = scope.workspace_id(world, request)
    config, project = _parts(request)
    run = _run(world, request, owner, config)
    try:
        configuration, trial = _trial(world, request, run, config, project)
    except web.Refused as refused:  # the run definition's refusals, in the words of run history's service
        told = json.loads(refused.response.body)["error"]["message"]
        raise _refused(refused.response.status, told) from None
    made = _sweep(config, trial, configuration)
    if world.jobs_backend is None:
        raise _refused(503, "This local Azure was started without a place to run jobs.")
    world.runs.create(run)
    stage.conduct(world, world.jobs_backend, owner, run.run_id, partial(sweep.play, made, {}, {}))
    return web.answer({"code": 201, "result": responses.shown(run, config)}, status=201)


def _refused(status: int, message: str) -> web.Refused:
    return web.Refused(web.answer({"code": status, "message": message}, status=status))


def _parts(request: web.Request) -> tuple[dict[str, Any], bytes | None]:
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise _refused(415, "The content type must be multipart/form-data with the part config.")
    fields, files = request.form()
    text = files.get("config") or fields.get("config", "").encode()
    try:
        config = json.loads(text.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise _refused(400, f"The part config is not valid JSON: {error}") from None
    if not isinstance(config, dict):
        raise _refused(400, "The part config is not a JSON object.")
    for name in _REQUIRED:
        if not config.get(name) and config.get(name) != {}:
            raise _refused(400, f"The field {name} is required.")
    for name in ("generator_config", "platform_config", "policy_config", "primary_metric_config"):
        if not isinstance(config[name], dict):
            raise _refused(400, f"The field {name} must be an object.")
    if config["platform"] != "AML":
        raise _refused(400, f"The platform {config['platform']!r} is not AML.")
    return config, files.get("projectZipFile")


def _run(world: World, request: web.Request, owner: str, config: dict[str, Any]) -> Run:
    name = str(request.params.get("experiment") or scope.field(config["platform_config"], "ExperimentName") or config["name"])
    if not experiments.valid_name(name):
        raise _refused(400, f"The experiment name {name!r} is invalid.")
    known = experiments.ensure(world, owner, name)
    generator, metric = config["generator_config"], config["primary_metric_config"]
    kept = ("generator_config", "policy_config", "primary_metric_config", *responses.LIMITS, "name")
    return Run(
        run_id=f"HD_{uuid.uuid4()}",
        workspace_id=owner,
        experiment=known["name"],
        experiment_id=known["experimentId"],
        created_at=world.now(),
        kind="Sweep",
        display_name=str(config["name"]),
        description=str(config.get("description") or ""),
        created_by=request.principal.app_id if request.principal else "",
        tags={part: _text(config[part]) for part in kept if config.get(part) is not None},
        definition={
            "jobType": "Sweep",
            "searchSpace": generator.get("parameter_space"),
            "samplingAlgorithm": {"samplingAlgorithmType": _SAMPLING.get(str(generator.get("name")).upper())},
            "objective": {"primaryMetric": metric.get("name"), "goal": str(metric.get("goal")).capitalize()},
        },
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _trial(
    world: World, request: web.Request, run: Run, config: dict[str, Any], project: bytes | None
) -> tuple[dict[str, Any], JobRequest]:
    definition = scope.mapping(request, config["platform_config"], "Definition")
    given = scope.mapping(request, definition, "Overrides") or scope.mapping(request, definition, "Configuration")
    content = project or snapshots.find(world, run.workspace_id, str(scope.field(definition, "SnapshotId") or ""))
    if content is None:
        text = "platform_config.Definition names no snapshot of this workspace, and no project zip came along."
        raise scope.bad(request, text, "SnapshotNotFound")
    configuration = run_definitions.configuration_of(request, {"Configuration": given})
    run.target = str(scope.field(configuration, "Target") or "") or None
    run.properties["ContentSnapshotId"] = snapshots.keep(world, run.workspace_id, content)
    job = run_definitions.job_of(request, run, configuration, content)
    run_definitions.check_target(world, request, job)
    return configuration, job


def _sweep(config: dict[str, Any], trial: JobRequest, configuration: dict[str, Any]) -> sweep.Sweep:
    generator, metric = config["generator_config"], config["primary_metric_config"]
    kind, goal = _SAMPLING.get(str(generator.get("name")).upper()), str(metric.get("goal")).upper()
    if kind is None or goal not in {"MAXIMIZE", "MINIMIZE"} or not metric.get("name"):
        raise _refused(400, f"generator_config.name is one of {', '.join(_SAMPLING)}; a metric has a name and a goal.")
    space = generator.get("parameter_space")
    if not isinstance(space, dict) or not space:
        raise _refused(400, "generator_config.parameter_space is required.")
    total, concurrent, minutes = (
        _whole(config, name) for name in ("max_total_jobs", "max_concurrent_jobs", "max_duration_minutes")
    )
    policy = _policy(config["policy_config"])
    if policy is not None and kind == "Bayesian":
        raise _refused(400, "Bayesian sampling does not support early termination.")
    made = sweep.Sweep(
        trial=replace(trial, run_id=""),
        space=space,
        sampling=kind,
        metric=str(metric["name"]),
        maximize=goal == "MAXIMIZE",
        total=total,
        concurrent=min(total, concurrent),
        timeout_s=minutes * 60.0,
        policy=policy,
        definition={"Configuration": configuration},
    )
    try:
        sweep.check(made)
    except sampling.BadSpaceError as error:
        raise _refused(400, str(error)) from None
    return made


def _whole(config: dict[str, Any], name: str) -> int:
    most, default = responses.LIMITS[name]
    value: int | None = config.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise _refused(400, f"{name} is a whole number from 1 to {most}.")
    return value


def _policy(given: dict[str, Any]) -> policies.Policy | None:
    name = str(given.get("name") or "Default").lower()
    if name == "default":
        return None
    kind = next((one for one in policies.KINDS if one.lower() == name), None)
    if kind is None:
        raise _refused(400, f"The policy {given.get('name')!r} is not one of Default, {', '.join(policies.KINDS)}.")
    settings = given.get("properties") or {}
    try:
        return policies.Policy(
            kind=kind,
            interval=max(1, int(settings.get("evaluation_interval") or 1)),
            delay=int(settings.get("delay_evaluation") or 0),
            slack_factor=float(settings.get("slack_factor") or 0),
            slack_amount=float(settings.get("slack_amount") or 0),
            percentage=int(settings.get("truncation_percentage") or 0),
            without_finished=bool(settings.get("exclude_finished_jobs")),
        )
    except (AttributeError, TypeError, ValueError) as error:
        raise _refused(400, f"The properties of the policy are not numbers: {error}") from None


@routes.route("POST", f"{_RUNS}/{{run}}/cancel")
@routes.route("POST", f"{_EXPERIMENT_RUNS}/{{run}}/cancel")
def cancel(world: World, request: web.Request) -> web.Response:
    """`{"code":200,"result":"Cancellation requested for …"}`; 404 for a run that is not there."""
    run = world.runs.get(scope.workspace_id(world, request), request.params["run"])
    if run is None:
        raise _refused(404, f"Run {request.params['run']} was not found.")
    if not run.ended:
        world.runs.update(run.workspace_id, run.run_id, status="CancelRequested")
        if world.jobs_backend is not None:
            world.jobs_backend.cancel(run.workspace_id, run.run_id)
    return web.answer({"code": 200, "result": f"Cancellation requested for {run.run_id}"})
