"""What is kept of an online deployment, and what the serving backend is asked to serve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.emulator.arm import writes
from infra.local.emulator.backends import DeploymentRequest
from infra.local.emulator.machine_learning import references, scope
from infra.local.emulator.resources import Resource
from infra.local.emulator.storage import files as storage

if TYPE_CHECKING:
    from infra.local.emulator import web
    from infra.local.emulator.world import World


TYPE = f"{scope.NAMESPACE}/workspaces/onlineEndpoints/deployments"


def order(world: World, workspace: Resource, arm_id: str, properties: dict[str, Any]) -> DeploymentRequest:
    """What the serving backend is asked to serve.

    Raises:
        web.Refused: 400, a field is missing or names nothing that is there.
    """
    home = workspace.id.lower()
    configuration = properties.get("codeConfiguration") or {}
    if not isinstance(configuration, dict):
        raise scope.invalid("The field codeConfiguration must be an object.", "ValidationError")
    model_id, environment_id = scope.text_of(properties, "model"), scope.text_of(properties, "environmentId")
    model = (
        references.asset(world, workspace, "models", model_id, "Model")
        if model_id and not model_id.startswith("azureml://")
        else None
    )
    if model is None and model_id and "/models/" in model_id.lower():
        model = references.asset(world, workspace, "models", model_id, "Model")
    no_code = model is not None and references.is_mlflow(model)
    environment = references.environment(world, workspace, environment_id) if environment_id else {}
    if not no_code and not configuration and environment and not environment.get("inferenceConfig"):
        raise scope.unreadable("MissingDriverProgram", "Could not find driver program in the request.")
    code_id, script = str(configuration.get("codeId") or ""), str(configuration.get("scoringScript") or "")
    if not no_code:
        for field, value in (
            ("environmentId", environment_id),
            ("codeConfiguration.codeId", code_id),
            ("codeConfiguration.scoringScript", script),
        ):
            if not value:
                raise scope.invalid(f"The field {field} is required unless the model is an MLflow model.", "ValidationError")
    code = references.asset(world, workspace, "codes", code_id, "Code") if code_id else None
    variables = properties.get("environmentVariables") or {}
    return DeploymentRequest(
        deployment_id=arm_id,
        code=storage.fetch(world, home, str(code.properties["codeUri"])) if code else None,
        scoring_script=script,
        model=storage.fetch(world, home, str(model.properties["modelUri"]) if model else model_id, keep_folder=True)
        if model_id
        else None,
        model_folder=f"{model.id.split('/')[-3]}/{model.name}" if model else "",
        environment=environment,
        environment_variables={str(key): str(value) for key, value in variables.items()},
    )


def _defaults() -> dict[str, Any]:
    """What Azure fills in of a deployment's properties."""
    probe = {"initialDelay": "PT10S", "period": "PT10S", "timeout": "PT2S", "successThreshold": 1, "failureThreshold": 30}
    return {
        "description": None,
        "appInsightsEnabled": False,
        "egressPublicNetworkAccess": "Enabled",
        "environmentVariables": {},
        "scaleSettings": {"scaleType": "Default"},
        "requestSettings": {"requestTimeout": "PT5S", "maxConcurrentRequestsPerInstance": 1, "maxQueueWait": "PT0.5S"},
        "livenessProbe": dict(probe),
        "readinessProbe": dict(probe),
    }


def build(
    world: World, request: web.Request, endpoint: Resource, body: dict[str, Any], properties: dict[str, Any], found: Resource | None
) -> Resource:
    """The deployment that a PUT makes or changes."""
    arm_id = f"{endpoint.id}/deployments/{request.params['deployment']}"
    whole = {
        "id": arm_id,
        "name": request.params["deployment"],
        "type": TYPE,
        "location": endpoint.body["location"],
        "tags": writes.kept_whole(world, found, body, "tags") or {},
        "kind": properties["endpointComputeType"],
        "sku": {"name": "Default", "tier": "Standard", "capacity": 1, **(body.get("sku") or {})},
        "properties": {
            **_defaults(),
            **writes.left_out(world, found, properties),
            **properties,
            "properties": {**(properties.get("properties") or {}), "azureml.onlineendpointid": endpoint.id.lower()},
            "provisioningState": "Updating" if found else "Creating",
        },
        "systemData": dict(found.body["systemData"]) if found else {},
    }
    made = Resource(id=arm_id, body=whole, hidden=dict(found.hidden) if found else {})
    made.touched(world.now(), scope.caller(request))
    return made


def stop_serving(world: World, removed: Resource) -> None:
    """End the servers of a deployment that is gone."""
    serving = world.serving.pop(removed.id.lower(), None)
    for handle in (serving, removed.hidden.get("latest")):
        if handle is not None:
            handle.stop()
