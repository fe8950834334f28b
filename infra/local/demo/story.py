"""What the demo's steps share: the callers' tools, the names they use, and what earlier steps found out."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.local.demo.client import StepError
from infra.local.emulator import scene

if TYPE_CHECKING:
    import requests

    from infra.local.demo.client import Control, Steward

HERE = Path(__file__).parent
WORKSPACE = "ml-flats"
COMPUTE = "cpu-cluster"
EXPERIMENT = "flat-prices"
MODEL = "flat-prices"
ENDPOINT = "flat-prices-ep"
DEPLOYMENT = "blue"
ENVIRONMENT = "sklearn"
CODE = "flat-scoring"
STALE_MODEL = "flat-prices-old"
IDLE_COMPUTE = "idle-cluster"

IMAGE = "mcr.microsoft.com/azureml/minimal-ubuntu22.04-py39-cpu-inference:latest"
CONDA = """\
name: sklearn
channels: [conda-forge]
dependencies: [python=3.12, scikit-learn, pip, {pip: [azureml-inference-server-http]}]
"""

WORKSPACE_PATH = f"workspaces/{WORKSPACE}"
WORKSPACE_ID = f"{scene.GROUP_ID}/providers/Microsoft.MachineLearningServices/workspaces/{WORKSPACE}"


@dataclass(slots=True, kw_only=True)
class Story:
    """The tools of the demo and what it has learnt so far.

    Attributes:
        app: The app's HTTP API.
        azure: The local Azure's control route.
        outside: A session that reaches Azure's hosts, for what a caller does without the app (uploading to a SAS).
        storage: Connection string of the app's own storage, where its operator puts policies.
        folder: For files.
        ml_python: The Python that jobs run in, to ask a model file for its own prediction.
        run_id: The v1 run.
        job: The v2 job's name.
        api_server: The workspace's regional API server.
        scored: What the endpoint answered.
    """

    app: Steward
    azure: Control
    outside: requests.Session
    storage: str
    folder: Path
    ml_python: Path
    run_id: str = ""
    job: str = ""
    api_server: str = ""
    scored: list[float] = field(default_factory=list)


def check(true: bool, otherwise: str) -> None:  # noqa: FBT001 - it is the sentence's subject
    """Fail the step unless ``true``.

    Raises:
        StepError: With ``otherwise``.
    """
    if not true:
        raise StepError(otherwise)


def zipped(folder: Path) -> bytes:
    """The files of a folder as a zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                archive.write(file, file.relative_to(folder).as_posix())
    return buffer.getvalue()


def state_of(resource: dict[str, Any]) -> str:
    """A resource's ``provisioningState``."""
    return str(resource["properties"].get("provisioningState"))


def workspace_body(registry_id: str = scene.REGISTRY_ID, *, key_vault_id: str = scene.KEY_VAULT_ID) -> dict[str, Any]:
    """The article's workspace: four existing dependencies and a system-assigned identity."""
    return {
        "location": scene.LOCATION,
        "identity": {"type": "systemAssigned"},
        "properties": {
            "friendlyName": "Flat prices",
            "description": "Made by the demo",
            "storageAccount": scene.STORAGE_ID,
            "keyVault": key_vault_id,
            "applicationInsights": scene.INSIGHTS_ID,
            "containerRegistry": registry_id,
        },
    }


def cluster_body(vm_size: str = "Standard_D1") -> dict[str, Any]:
    """The article's AmlCompute cluster: dedicated, no node to one node, scaled down after half an hour."""
    return {
        "location": scene.LOCATION,
        "properties": {
            "computeType": "AmlCompute",
            "properties": {
                "vmSize": vm_size,
                "vmPriority": "Dedicated",
                "scaleSettings": {"maxNodeCount": 1, "minNodeCount": 0, "nodeIdleTimeBeforeScaleDown": "PT30M"},
            },
        },
    }
