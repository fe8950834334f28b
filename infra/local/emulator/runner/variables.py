"""The environment variables a job sees: Azure ML's own, the user's, and the prepared Python environment in front of PATH."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from infra.local.emulator import scene

if TYPE_CHECKING:
    from infra.local.emulator.runner.task import Task

_FROM_THIS_PROCESS = ("LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")
TOKEN_AUDIENCE = "https://ml.azure.com"  # noqa: S105 - an audience, not a token


def of(task: Task) -> dict[str, str]:
    """All variables of a job's process, in rising order of who wins: this machine, Azure ML, the user."""
    return {
        **{name: os.environ[name] for name in _FROM_THIS_PROCESS if name in os.environ},
        "PATH": os.pathsep.join([str(task.python.parent), os.environ.get("PATH", os.defpath)]),
        "VIRTUAL_ENV": str(task.python.parent.parent),
        "HOME": str(task.folder),
        "TMPDIR": str(task.folder / "tmp"),
        "PYTHONUNBUFFERED": "1",
        **task.extra,
        **_azure_ml(task),
        **(task.bound.variables() if task.bound else {}),
        **{str(name): str(value) for name, value in task.request.environment_variables.items()},
    }


def _azure_ml(task: Task) -> dict[str, str]:
    """What Azure ML's own launcher sets."""
    request, world = task.request, task.world
    _, _, subscription, _, group, *_, workspace = request.workspace_id.split("/")
    with world.lock:
        found = world.resources.get(request.workspace_id)
        region = str(found.body.get("location") if found else scene.LOCATION)
        guid = str(found.properties.get("workspaceId") or "" if found else "")
    run = world.runs.get(request.workspace_id, request.run_id)
    token, lifetime_s = world.tokens.mint(
        audience=TOKEN_AUDIENCE, tenant_id=scene.TENANT_ID, app_id=scene.CLIENT_ID, object_id=scene.OBJECT_ID
    )
    scope = (
        f"/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.MachineLearningServices/workspaces/{workspace}"
    )
    host = f"{region}.api.azureml.ms"
    api = f"https://{host}"
    return {
        "AZUREML_RUN_ID": request.run_id,
        "AZUREML_ROOT_RUN_ID": request.run_id,
        "AZUREML_RUN_TOKEN": token,
        "AZUREML_RUN_TOKEN_EXPIRY": str(int(world.now().timestamp()) + lifetime_s),
        "AZUREML_EXPERIMENT_NAME": request.experiment,
        "AZUREML_EXPERIMENT_ID": run.experiment_id if run else "",
        "AZUREML_EXPERIMENT_SCOPE": f"{scope}/experiments/{request.experiment}",
        "AZUREML_WORKSPACE_ID": guid,
        "AZUREML_WORKSPACE_SCOPE": scope,
        "AZUREML_ARM_SUBSCRIPTION": subscription,
        "AZUREML_ARM_RESOURCEGROUP": group,
        "AZUREML_ARM_WORKSPACE_NAME": workspace,
        "AZUREML_ARM_PROJECT_NAME": request.experiment,
        "AZUREML_SERVICE_ENDPOINT": api,
        "AZUREML_DISCOVERY_SERVICE_ENDPOINT": f"{api}/discovery",
        "AZUREML_NODE_COUNT": str(request.nodes),
        "MLFLOW_TRACKING_URI": f"azureml://{host}/mlflow/v1.0{scope}",  # a scheme that azureml-mlflow knows
        "MLFLOW_TRACKING_TOKEN": token,
        "MLFLOW_RUN_ID": request.run_id,
        "MLFLOW_DISABLE_TELEMETRY": "true",  # a job sends nothing outside
        "MLFLOW_EXPERIMENT_NAME": request.experiment,
    }
