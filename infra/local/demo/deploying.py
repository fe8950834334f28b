"""Steps 5 and 6: register the trained model, deploy it to an online endpoint, score it."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

from infra.local.demo.client import StepError
from infra.local.demo.story import (
    CODE,
    CONDA,
    DEPLOYMENT,
    ENDPOINT,
    ENVIRONMENT,
    HERE,
    IMAGE,
    MODEL,
    WORKSPACE_ID,
    WORKSPACE_PATH,
    check,
    state_of,
)
from infra.local.emulator import scene

if TYPE_CHECKING:
    from infra.local.demo.story import Story

ENDPOINT_PATH = f"{WORKSPACE_PATH}/onlineEndpoints/{ENDPOINT}"
FLATS = [[50.0, 2.0, 10.0], [120.0, 4.0, 40.0], [75.5, 3.0, 0.0]]


def model_body(run_id: str, description: str = "Made by the demo") -> dict[str, Any]:
    """A model version whose file is what a run left in ``outputs/``."""
    uri = f"azureml://jobs/{run_id}/outputs/artifacts/paths/outputs/model.pkl"
    return {"properties": {"modelType": "custom_model", "modelUri": uri, "description": description}}


def register_model(story: Story) -> str:
    """The run's model becomes version 1, and is in the list."""
    path = f"{WORKSPACE_PATH}/models/{MODEL}"
    made = story.app.done("PUT", f"{path}/versions/1", json=model_body(story.run_id))
    check(state_of(made) == "Succeeded", f"provisioningState is {state_of(made)}")
    models = [model["name"] for model in story.app.list(f"{WORKSPACE_PATH}/models")]
    versions = [version["name"] for version in story.app.list(f"{path}/versions")]
    check(models == [MODEL], f"the models are {models}")
    check(versions == ["1"], f"its versions are {versions}")
    return f"{MODEL}:1"


def upload_code(story: Story) -> str:
    """The entry script goes to the workspace's own storage, by the signed address that Azure gives for it."""
    path = f"{WORKSPACE_PATH}/codes/{CODE}/versions/1"
    body = {"pendingUploadType": "TemporaryBlobReference"}
    pending = story.app.send("POST", f"{path}/startPendingUpload", json=body).json()["blobReferenceForConsumption"]
    container, _, signature = pending["credential"]["sasUri"].partition("?")
    uploaded = story.outside.put(
        f"{container}/score.py?{signature}",
        data=(HERE / "serving" / "score.py").read_bytes(),
        headers={"x-ms-blob-type": "BlockBlob", "x-ms-version": "2021-08-06"},
        timeout=60,
    )
    check(uploaded.status_code == 201, f"the upload was answered {uploaded.status_code}: {uploaded.text[:300]}")
    story.app.done("PUT", path, json={"properties": {"codeUri": pending["blobUri"]}})
    environment = {"properties": {"image": IMAGE, "condaFile": CONDA, "osType": "Linux"}}
    story.app.done("PUT", f"{WORKSPACE_PATH}/environments/{ENVIRONMENT}/versions/2", json=environment)
    return "score.py uploaded"


def deploy(story: Story) -> str:
    """Endpoint, then deployment, then traffic: each an operation of its own."""
    endpoint = {
        "location": scene.LOCATION,
        "identity": {"type": "SystemAssigned"},
        "properties": {"authMode": "Key"},
    }
    deployment = {
        "location": scene.LOCATION,
        "sku": {"name": "Default", "capacity": 1},
        "properties": {
            "endpointComputeType": "Managed",
            "instanceType": "Standard_DS2_v2",
            "model": f"{WORKSPACE_ID}/models/{MODEL}/versions/1",
            "environmentId": f"{WORKSPACE_ID}/environments/{ENVIRONMENT}/versions/2",
            "codeConfiguration": {"codeId": f"{WORKSPACE_ID}/codes/{CODE}/versions/1", "scoringScript": "score.py"},
        },
    }
    story.app.done("PUT", ENDPOINT_PATH, json=endpoint)
    story.app.done("PUT", f"{ENDPOINT_PATH}/deployments/{DEPLOYMENT}", json=deployment)
    endpoint["properties"]["traffic"] = {DEPLOYMENT: 100}  # type: ignore[index]  # the literal above is a dict of dicts
    made = story.app.done("PUT", ENDPOINT_PATH, json=endpoint)
    check(made["properties"]["traffic"] == {DEPLOYMENT: 100}, f"traffic is {made['properties'].get('traffic')}")
    return f"100 % to {DEPLOYMENT}"


def score(story: Story) -> str:
    """The endpoint's answer, by key, is what the model file itself predicts."""
    keys = story.app.send("POST", f"{ENDPOINT_PATH}/listKeys").json()
    uri = story.app.get(ENDPOINT_PATH)["properties"]["scoringUri"]
    direct = story.outside.post(uri, json={"data": FLATS}, headers={"Authorization": f"Bearer {keys['primaryKey']}"}, timeout=60)
    check(direct.ok, f"with its key the endpoint answers {direct.status_code}: {direct.text[:300]}")
    story.scored = story.app.send("POST", f"{ENDPOINT_PATH}/score", json={"data": FLATS}).json()
    check(story.scored == direct.json(), f"the app says {story.scored}, the endpoint {direct.json()}")
    expected = _models_own_prediction(story)
    check(story.scored == expected, f"the endpoint says {story.scored}, the model {expected}")
    return ", ".join(f"{price:,.0f}" for price in story.scored) + " = the model's own"


def token(story: Story) -> str:
    """A token for ARM and Azure ML, for what a caller does without the app."""
    form = {"grant_type": "client_credentials", "client_id": scene.CLIENT_ID, "client_secret": scene.CLIENT_SECRET}
    form["resource"] = "https://management.azure.com/"
    answer = story.outside.post(f"https://login.microsoftonline.com/{scene.TENANT_ID}/oauth2/token", data=form, timeout=30)
    return str(answer.json()["access_token"])


def _models_own_prediction(story: Story) -> list[float]:
    """Download the run's artifact as any client of Azure would, and ask the file."""
    model = story.outside.get(
        f"{story.api_server}/artifact/v2.0{WORKSPACE_ID}/artifacts/content/ExperimentRun/dcid.{story.run_id}/outputs/model.pkl",
        headers={"Authorization": f"Bearer {token(story)}"},
        timeout=60,
    )
    check(model.ok, f"the artifact was answered {model.status_code}: {model.text[:300]}")
    file = story.folder / "model.pkl"
    file.write_bytes(model.content)
    asked = subprocess.run(
        [str(story.ml_python), str(HERE / "predict.py"), str(file)],
        input=json.dumps(FLATS),
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode:
        raise StepError(f"the downloaded model does not predict: {asked.stderr[-300:]}")
    predicted: list[float] = json.loads(asked.stdout)
    return predicted
