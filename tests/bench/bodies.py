"""What the benches provision: a workspace on the scene's resources, a cluster, an environment, a job, an endpoint that echoes."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

import requests

from infra.local.emulator import scene

if TYPE_CHECKING:
    from infra.local import stack
    from infra.local.demo.client import Steward

WORKSPACE = "workspaces/ml-bench"
ENDPOINT = f"{WORKSPACE}/onlineEndpoints/echo-bench"
WORKSPACE_ID = f"{scene.GROUP_ID}/providers/Microsoft.MachineLearningServices/{WORKSPACE}"
SCORE = "def init():\n    pass\n\ndef run(raw_data):\n    return [0.5]\n"
_HEAD = {"location": scene.LOCATION, "identity": {"type": "SystemAssigned"}}


def workspace(caller: Steward) -> None:
    """Have a workspace with an environment and an idle cluster."""
    bare(caller, WORKSPACE)
    caller.done("PUT", f"{WORKSPACE}/environments/plain/versions/1", json=environment())
    caller.done("PUT", f"{WORKSPACE}/computes/cpu0", json=cluster())


def bare(caller: Steward, path: str) -> None:
    """Have a workspace with nothing in it."""
    own = {"storageAccount": scene.STORAGE_ID, "keyVault": scene.KEY_VAULT_ID, "applicationInsights": scene.INSIGHTS_ID}
    caller.done("PUT", path, json={**_HEAD, "properties": own})


def endpoint(caller: Steward, script: str = SCORE) -> tuple[str, str]:
    """Have an endpoint of that workspace serve a script; returns its scoring URI and key."""
    caller.done("PUT", ENDPOINT, json={**_HEAD, "properties": {"authMode": "Key"}})
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("score.py", script)
    properties = {
        "endpointComputeType": "Managed",
        "instanceType": "Standard_DS2_v2",
        "environmentId": "azureml:plain:1",
        "codeConfiguration": {"scoringScript": "score.py"},
    }
    spec = {"location": scene.LOCATION, "sku": {"name": "Default", "capacity": 1}, "properties": properties}
    files = {"spec": ("spec.json", json.dumps(spec)), "code": ("code.zip", packed.getvalue())}
    caller.done("PUT", f"{ENDPOINT}/deployments/blue", files=files)
    caller.done("PUT", ENDPOINT, json={**_HEAD, "properties": {"authMode": "Key", "traffic": {"blue": 100}}})
    key = caller.send("POST", f"{ENDPOINT}/listKeys").json()["primaryKey"]
    return str(caller.get(ENDPOINT)["properties"]["scoringUri"]), str(key)


def transitions(azure: stack.Azure, mode: str, speed: float = 1.0) -> None:
    """Have the local Azure move otherwise from now on: `immediate`, `time` or `polls:N`."""
    body = {"default": mode, "speed": speed}
    requests.put(f"{azure.control}/_control/transitions", json=body, timeout=30).raise_for_status()


def environment() -> dict[str, Any]:
    """An environment's version."""
    return {"properties": {"image": "mcr.microsoft.com/azureml/a:1"}}


def cluster(size: str = "Standard_D1") -> dict[str, Any]:
    """A cluster without nodes."""
    scale = {"minNodeCount": 0, "maxNodeCount": 1}
    inner = {"vmSize": size, "vmPriority": "Dedicated", "scaleSettings": scale}
    return {"location": scene.LOCATION, "properties": {"computeType": "AmlCompute", "properties": inner}}


def job() -> dict[str, Any]:
    """A job that does nothing."""
    own = {"environmentId": f"{WORKSPACE_ID}/environments/plain/versions/1", "computeId": f"{WORKSPACE_ID}/computes/cpu0"}
    return {"properties": {"jobType": "Command", "command": "true", **own}}
