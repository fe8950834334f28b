"""A batch endpoint runs its deployment's score.py over files, as a job; by plain requests."""

import itertools

import pytest

from infra.local.emulator import scene

SCORE = b"""
import os, pathlib
def init():
    global factor
    factor = int(next(pathlib.Path(os.environ["AZUREML_MODEL_DIR"]).rglob("factor.txt")).read_text())
def run(mini_batch):
    return [f"{pathlib.Path(name).name} {int(pathlib.Path(name).read_text()) * factor}" for name in mini_batch]
"""


@pytest.fixture
def upload(azure, lab):
    """Puts files into storage as a client does; the folder's URI."""
    versions = itertools.count(1)

    def put(files):
        asked = {"pendingUploadType": "TemporaryBlobReference"}
        path = f"{lab}/codes/up/versions/{next(versions)}/startPendingUpload"
        place = azure.arm("POST", path, asked).json()["blobReferenceForConsumption"]
        base, _, signature = place["credential"]["sasUri"].partition("?")
        for name, content in files.items():
            headers = {"x-ms-blob-type": "BlockBlob", "x-ms-version": "2021-12-02"}
            assert azure.session.put(f"{base}/{name}?{signature}", data=content, headers=headers, timeout=30).status_code == 201
        return place["blobUri"]

    return put


@pytest.fixture
def endpoint(azure, lab, upload):
    """A batch endpoint with a default deployment; its body."""
    for asset, properties in {
        "codes/score": {"codeUri": upload({"score.py": SCORE})},
        "models/times": {"modelUri": upload({"factor.txt": b"3"}), "modelType": "custom_model"},
        "environments/e": {"image": "mcr.microsoft.com/azureml/base:1"},
    }.items():
        answer = azure.arm("PUT", f"{lab}/{asset}/versions/1", {"properties": properties})
        assert answer.status_code == 201, answer.text
    arm_id, place = f"{lab}/batchEndpoints/many", {"location": scene.LOCATION}
    assert azure.arm("PUT", arm_id, {**place, "properties": {"authMode": "AADToken"}}).status_code == 201
    deployment = {
        "model": {"referenceType": "Id", "assetId": f"{lab}/models/times/versions/1"},
        "codeConfiguration": {"codeId": f"{lab}/codes/score/versions/1", "scoringScript": "score.py"},
        "environmentId": f"{lab}/environments/e/versions/1",
        "compute": f"{lab}/computes/cpu-compute",
        "miniBatchSize": 2,
    }
    answer = azure.arm("PUT", f"{arm_id}/deployments/blue", {**place, "properties": deployment})
    assert answer.status_code == 201, answer.text
    status = azure.call("GET", answer.headers["Azure-AsyncOperation"]).json()
    assert status["status"] == "Succeeded", status
    body = {**place, "properties": {"authMode": "AADToken", "defaults": {"deploymentName": "blue"}}}
    assert azure.arm("PUT", arm_id, body).status_code in {200, 201}
    return azure.arm("GET", arm_id).json()


def test_a_batch_invocation_writes_one_line_for_each_file(azure, lab, endpoint, upload, until):
    """201 with a job; Completed; predictions.csv in the job's output `score`."""
    uri = endpoint["properties"]["scoringUri"]
    data = upload({f"f{number}.txt": str(number).encode() for number in (1, 2, 3)})
    body = {"properties": {"InputData": {"in": {"JobInputType": "UriFolder", "Uri": data}}}}
    token = azure.token("https://ml.azure.com")
    answer = azure.call("POST", uri, token=token, json=body)
    assert answer.status_code == 201, answer.text
    job = answer.json()
    assert "/batchEndpoints//jobs/" in job["id"]
    assert answer.headers["Location"].startswith(f"https://{scene.LOCATION}.api.azureml.ms/")
    ended = {"Completed", "Failed"}
    until(lambda: azure.call("GET", f"{uri}/{job['name']}", token=token).json()["properties"]["status"] in ended)
    shown = azure.call("GET", f"{uri}/{job['name']}", token=token).json()["properties"]
    assert shown["status"] == "Completed"
    made = {"properties": {"dataUri": f"azureml://jobs/{job['name']}/outputs/score/paths/", "dataType": "uri_folder"}}
    assert azure.arm("PUT", f"{lab}/data/scores/versions/1", made).status_code == 201
    cat = {
        "jobType": "Command",
        "command": "cp ${{inputs.scores}}/predictions.csv outputs/",
        "environmentId": f"{lab}/environments/e/versions/1",
        "inputs": {"scores": {"jobInputType": "uri_folder", "uri": f"{lab}/data/scores/versions/1"}},
    }
    assert azure.arm("PUT", f"{lab}/jobs/reader", {"properties": cat}).status_code == 201
    until(lambda: azure.arm("GET", f"{lab}/jobs/reader").json()["properties"]["status"] in ended)
    api = f"https://{scene.LOCATION}.api.azureml.ms/artifact/v2.0{lab}/artifacts"
    content = azure.call("GET", f"{api}/content/ExperimentRun/dcid.reader/outputs/predictions.csv")
    assert content.text.splitlines() == ["f1.txt 3", "f2.txt 6", "f3.txt 9"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"properties": {"InputData": {"in": {"JobInputType": "Literal", "Uri": "x"}}}}, 400),
        ({"properties": {"InputData": {"in": 1}}}, 400),
        ({"properties": []}, 400),
    ],
)
def test_a_batch_invocation_without_a_usable_input_is_refused(azure, endpoint, body, status):
    """Exactly one folder or file."""
    answer = azure.call("POST", endpoint["properties"]["scoringUri"], token=azure.token("https://ml.azure.com"), json=body)
    assert answer.status_code == status
    assert answer.json()["error"]["code"] == "UserError"


def test_a_batch_endpoint_wants_an_azure_ml_token(azure, endpoint):
    """An ARM token has the wrong audience here; other paths and jobs are not there."""
    uri = endpoint["properties"]["scoringUri"]
    assert azure.call("POST", uri, json={}).status_code == 401
    assert azure.call("GET", f"{uri}/absent", token=azure.token("https://ml.azure.com")).status_code == 404
    unknown = azure.call(
        "POST", uri, token=azure.token("https://ml.azure.com"), json={}, headers={"azureml-model-deployment": "red"}
    )
    assert unknown.status_code == 404
