"""Invokes batch endpoints: `POST https://{endpoint}.{region}.inference.ml.azure.com/jobs` starts a job over files.

The job runs the deployment's own score.py (`runner/scripts/mini_batches.py`) and is in run history as any other. Not here: batch
endpoints as resources, which are ARM's; deployments of pipeline components (`batch_pipelines.py`).
"""

from __future__ import annotations

import shlex
import shutil
import uuid
from typing import TYPE_CHECKING, Any

from infra.local.emulator import clouds, web
from infra.local.emulator.backends import JobRequest
from infra.local.emulator.dataplane import scope
from infra.local.emulator.identity.state import TokenRefusedError
from infra.local.emulator.machine_learning import references
from infra.local.emulator.machine_learning.jobs import parallel as parallel_steps
from infra.local.emulator.machine_learning.jobs import responses as jobs_responses
from infra.local.emulator.runner import durations
from infra.local.emulator.runs import Run, RunExistsError
from infra.local.emulator.serving import batch_pipelines
from infra.local.emulator.serving.deployments import NO_CODE_SCRIPT
from infra.local.emulator.storage import files as storage

if TYPE_CHECKING:
    from pathlib import Path

    from infra.local.emulator.backends import Fetch
    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World

ENDPOINT_TYPE = "microsoft.machinelearningservices/workspaces/batchendpoints"
ENDPOINT_PROPERTY, DEPLOYMENT_PROPERTY = "azureml.batchendpointname", "azureml.batchdeploymentname"
_MODEL_FOLDER = ".azureml-model"
_MINI_BATCH_S = 30.0  # retrySettings.timeout when none is given
_INPUT_TYPES = {"urifolder": "uri_folder", "urifile": "uri_file"}


def endpoint_of(world: World, host: str) -> Resource | None:
    """The batch endpoint that a scoring host belongs to."""
    name, region, *_ = host.split(".")
    with world.lock:
        for found in world.resources.of_type(ENDPOINT_TYPE):
            if found.name.lower() == name and str(found.body.get("location") or "").replace(" ", "").lower() == region:
                return found
    return None


def answer(world: World, request: web.Request, endpoint: Resource) -> web.Response:
    """`POST /jobs` starts a job, `GET /jobs/{job}` shows it; an Entra ID token for Azure ML opens both."""
    try:
        principal = world.tokens.check(request.headers.get("authorization"), clouds.ML_AUDIENCES)
    except TokenRefusedError:
        raise _refused(request, 401, "The request carries no valid token for https://ml.azure.com.", "InvalidToken") from None
    workspace = world.resources.get("/".join(endpoint.id.split("/")[:9]))
    parts = request.path.strip("/").split("/")
    if workspace is None or parts[0] != "jobs":
        raise _refused(request, 404, f"A batch endpoint has no {request.path}.", "NotFound")
    if request.method == "POST" and len(parts) == 1:
        return _start(world, request, workspace, endpoint, principal.app_id)
    run = world.runs.get(workspace.id, parts[1]) if request.method == "GET" and len(parts) == 2 else None
    if run is None:
        raise _refused(request, 404, f"Job {parts[-1]} was not found.", "JobNotFound")
    return web.answer(_shown(workspace, run))


def _refused(request: web.Request, status: int, message: str, inner: str) -> web.Refused:
    region = request.host.split(".")[1]
    return web.Refused(
        web.service_error(status, "UserError", message, inner=("BadArgument", inner), component="batch-scoring", location=region)
    )


def _shown(workspace: Resource, run: Run) -> dict[str, Any]:
    body = jobs_responses.body_of(workspace, run)
    body["id"] = f"{workspace.id}/batchEndpoints//jobs/{run.run_id}"  # with the double slash of recorded traffic
    return body


def jobs_of(world: World, request: web.Request) -> web.Response:
    """The jobs that invocations of an endpoint (or of one of its deployments) started, as the regional front end lists them."""
    workspace = scope.workspace(world, request)
    wanted = {ENDPOINT_PROPERTY: request.params["endpoint"], DEPLOYMENT_PROPERTY: request.params.get("deployment")}
    found = [
        jobs_responses.body_of(workspace, run)
        for run in reversed(world.runs.of(workspace.id))
        if all(value is None or run.properties.get(name, "").lower() == value.lower() for name, value in wanted.items())
    ]
    return web.answer({"value": found})


def _deployment(world: World, request: web.Request, endpoint: Resource) -> Resource:
    defaults = endpoint.properties.get("defaults") or {}
    name = request.headers.get("azureml-model-deployment") or str(defaults.get("deploymentName") or "")
    if not name:
        raise _refused(request, 400, "The endpoint has no default deployment, and the request names none.", "NoDeployment")
    with world.lock:
        found = world.resources.get(f"{endpoint.id}/deployments/{name}")
    if found is None or found.state != "Succeeded":
        raise _refused(request, 404, f"The deployment {name} was not found, or is not ready.", "DeploymentNotFound")
    return found


def _input(request: web.Request, properties: dict[str, Any]) -> dict[str, Any]:
    given = [one for one in scope.mapping(request, properties, "InputData").values() if isinstance(one, dict)]
    if len(given) != 1:
        raise _refused(request, 400, "InputData names exactly one input.", "InvalidInputData")
    kind = _INPUT_TYPES.get(str(scope.field(given[0], "JobInputType") or "").replace("_", "").lower())
    uri = scope.text(request, given[0], "Uri")
    if kind is None or not uri:
        raise _refused(request, 400, "An input is a UriFolder or a UriFile with its Uri.", "InvalidInputData")
    return {"jobInputType": kind, "uri": uri}


def _output(request: web.Request, properties: dict[str, Any]) -> dict[str, Any]:
    given = [one for one in scope.mapping(request, properties, "OutputData").values() if isinstance(one, dict)]
    uri = scope.text(request, given[0], "Uri") if given else None
    return {"jobOutputType": "uri_folder", **({"uri": uri} if uri else {})}


def _start(world: World, request: web.Request, workspace: Resource, endpoint: Resource, by: str) -> web.Response:
    properties = scope.mapping(request, scope.body(request), "properties")
    deployment = _deployment(world, request, endpoint)
    if world.jobs_backend is None:
        raise _refused(request, 503, "This local Azure was started without a place to run jobs.", "ServiceUnavailable")
    name = scope.text(request, properties, "name") or f"batchjob-{uuid.uuid4()}"
    marks = {ENDPOINT_PROPERTY: endpoint.name, DEPLOYMENT_PROPERTY: deployment.name}
    try:
        if batch_pipelines.component_of(deployment):
            run = batch_pipelines.start(world, request, workspace, deployment, name, by, marks)
        else:
            run = _score(world, request, workspace, deployment, name, by, marks)
    except RunExistsError:
        raise _refused(request, 409, f"The job {name} exists already.", "JobAlreadyExists") from None
    api = f"https://{request.host.split('.')[1]}.{clouds.sibling('management.azure.com', 'ml_api')}"
    return web.answer(_shown(workspace, run), status=201, headers={"Location": f"{api}/history/v1.0{workspace.id}/runs/{name}"})


def _score(
    world: World, request: web.Request, workspace: Resource, deployment: Resource, name: str, by: str, marks: dict[str, str]
) -> Run:
    """Start the job of a deployment of a model."""
    properties = scope.mapping(request, scope.body(request), "properties")
    data, score = _input(request, properties), _output(request, properties)
    job = _job(world, request, workspace, deployment, name, data, score)
    run = Run(
        run_id=name,
        workspace_id=job.workspace_id,
        experiment=job.experiment,
        created_at=world.now(),
        kind="Command",
        target=job.target,
        created_by=by,
        properties=marks,
        definition={"jobType": "Command", "command": job.command, "inputs": {"data": data}, "outputs": {"score": score}},
    )
    world.runs.create(run)
    if world.jobs_backend is not None:
        world.jobs_backend.submit(job)
    return run


def _job(
    world: World,
    request: web.Request,
    workspace: Resource,
    deployment: Resource,
    name: str,
    data: dict[str, Any],
    score: dict[str, Any],
) -> JobRequest:
    properties = deployment.properties
    configuration = properties.get("codeConfiguration") or {}
    script = str(configuration.get("scoringScript") or "")
    with world.lock:
        code_id = str(configuration.get("codeId") or "")
        code = references.asset(world, workspace, "codes", code_id, "Code") if code_id else None
        environment_id = str(properties.get("environmentId") or "")
        environment = references.environment(world, workspace, environment_id) if environment_id else {}
        target = references.compute(world, workspace, str(properties.get("compute") or ""))
        model_id = str((properties.get("model") or {}).get("assetId") or "")
        model = references.asset(world, workspace, "models", model_id, "Model") if model_id else None
    home = workspace.id.lower()
    if code is not None and script:
        fill_code = storage.fetch(world, home, str(code.properties["codeUri"]))
    elif model is not None and references.is_mlflow(model):
        script, fill_code = NO_CODE_SCRIPT.name, _no_code
    else:
        raise _refused(
            request, 400, "The deployment has neither code with a scoring script nor an MLflow model.", "NoScoringScript"
        )
    fill_model = storage.fetch(world, home, str(model.properties["modelUri"]), keep_folder=True) if model else None
    return JobRequest(
        workspace_id=home,
        run_id=name,
        experiment=deployment.id.split("/")[-3],
        kind="command",
        command=_command(properties, script),
        code=_filled(fill_code, fill_model),
        environment=environment,
        environment_variables={str(key): str(value) for key, value in (properties.get("environmentVariables") or {}).items()},
        inputs={"data": data},
        outputs={"score": score},
        target=target,
    )


def _no_code(folder: Path) -> None:
    shutil.copyfile(NO_CODE_SCRIPT, folder / NO_CODE_SCRIPT.name)


def _filled(code: Fetch, model: Fetch | None) -> Fetch:
    def fill(folder: Path) -> None:
        parallel_steps.with_driver(code)(folder)
        (folder / _MODEL_FOLDER).mkdir(exist_ok=True)
        if model is not None:
            model(folder / _MODEL_FOLDER)

    return fill


def _command(properties: dict[str, Any], script: str) -> str:
    """How the driver is called for a deployment's settings."""
    given = properties.get("retrySettings")
    retries = given if isinstance(given, dict) else {}
    nodes = parallel_steps.job_nodes(properties)
    options = {
        "--script": script,
        "--model": _MODEL_FOLDER,
        "--mini-batch": _whole(properties.get("miniBatchSize"), 10, least=1),
        "--workers": str(parallel_steps.workers(properties.get("maxConcurrencyPerInstance"), nodes)),
        "--error-threshold": _whole(properties.get("errorThreshold"), -1),
        "--retries": _whole(retries.get("maxRetries"), 3),
        "--timeout": str(durations.seconds(retries.get("timeout")) or _MINI_BATCH_S),
    }
    line = shlex.join(["python", parallel_steps.DRIVER.name, *(part for pair in options.items() for part in pair)])
    line += ' --input "${{inputs.data}}" --output "${{outputs.score}}"'
    if str(properties.get("outputAction") or "AppendRow").lower() == "summaryonly":
        return line
    file = shlex.quote(str(properties.get("outputFileName") or "predictions.csv"))
    return f'{line} --append-to "${{{{outputs.score}}}}" --file {file}'


def _whole(value: object, default: int, *, least: int = -1) -> str:
    """A whole number of a deployment's settings, or its default."""
    if isinstance(value, str) and value.lstrip("-").isdecimal():  # Azure reads numbers out of text, too
        value = int(value)
    usable = isinstance(value, int) and not isinstance(value, bool) and value >= least
    return str(value if usable else default)
