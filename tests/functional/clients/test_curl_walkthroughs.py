"""Microsoft's walk-throughs for REST, call by call with curl: training, online deployment, batch scoring.

Files are put into the default datastore with the account's key, as `az storage blob upload-batch` does in them.
"""

import json
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from azure.storage.blob import BlobServiceClient

from infra.local.emulator import scene

VERSION = "2022-05-01"
ARM = "https://management.azure.com"
IMAGE = "mcr.microsoft.com/azureml/openmpi3.1.2-ubuntu18.04:20210727.v1"
CONDA = "name: env\ndependencies:\n  - python=3.10\n  - scikit-learn"
TRAIN = b"""
import argparse, pathlib, mlflow
parser = argparse.ArgumentParser()
parser.add_argument("--iris-csv")
parser.add_argument("--learning_rate", type=float, default=0.5)
given = parser.parse_args()
print("rows", pathlib.Path(given.iris_csv).read_text().count(chr(10)))
mlflow.log_metric("test-multi_logloss", given.learning_rate)
"""
SCORE = b"""
import json, os, pathlib
def init():
    global factor
    factor = int(next(pathlib.Path(os.environ["AZUREML_MODEL_DIR"]).rglob("factor.txt")).read_text())
def run(given):
    numbers = json.loads(given)["data"] if isinstance(given, str) else [int(pathlib.Path(one).read_text()) for one in given]
    return [factor * number for number in numbers]
"""
type Curl = Callable[..., Any]


@pytest.fixture
def curl(variables: dict[str, str]) -> Curl:
    """One call of curl with a token: the decoded answer."""

    def call(method: str, url: str, body: Any = None, *, token: str = "", form: dict[str, str] | None = None) -> Any:
        command = ["curl", "--silent", "--show-error", "--fail-with-body", "--location", "--request", method, url]
        if token:
            command += ["--header", f"Authorization: Bearer {token}"]
        if form:
            command += [part for name, value in form.items() for part in ("--data-urlencode", f"{name}={value}")]
        elif body is not None:
            command += ["--header", "Content-Type: application/json", "--data-raw", json.dumps(body)]
        elif method == "POST":
            command += ["--header", "Content-Length: 0"]
        done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, f"{method} {url}: {done.stdout} {done.stderr}"
        return json.loads(done.stdout) if done.stdout else None

    return call


@pytest.fixture
def token(curl: Curl) -> Callable[[str], str]:
    """A token for an audience, from the service principal's secret."""

    def get(audience: str) -> str:
        form = {
            "grant_type": "client_credentials",
            "resource": audience,
            "client_id": scene.CLIENT_ID,
            "client_secret": scene.CLIENT_SECRET,
        }
        return str(curl("POST", f"https://login.microsoftonline.com/{scene.TENANT_ID}/oauth2/token", form=form)["access_token"])

    return get


class Walk:
    """A workspace as the walk-throughs address it."""

    def __init__(self, curl: Curl, token: str, workspace: str) -> None:
        self.curl, self.token = curl, token
        self.id = f"{scene.GROUP_ID}/providers/Microsoft.MachineLearningServices/workspaces/{workspace}"

    def call(self, method: str, path: str, body: Any = None, query: str = "") -> Any:
        """One ARM call below the workspace."""
        return self.curl(method, f"{ARM}{self.id}/{path}?api-version={VERSION}{query}", body, token=self.token)

    def wait(self, answer: Any) -> None:
        """Follow `AzureAsyncOperationUri` until it has ended well."""
        url, deadline = answer["properties"]["properties"]["AzureAsyncOperationUri"], time.monotonic() + 180
        while (status := self.curl("GET", url, token=self.token)["status"]) not in {"Succeeded", "Failed"}:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert status == "Succeeded"

    def ended(self, read: Callable[[], Any]) -> str:
        """A job's last status."""
        deadline = time.monotonic() + 180
        while (status := read()["properties"]["status"]) not in {"Completed", "Failed", "Canceled"}:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        return str(status)


@pytest.fixture
def walk(curl: Curl, token: Callable[[str], str], client_workspace: str) -> Walk:
    """The workspace that MLClient made (it has a cluster `cpu`)."""
    return Walk(curl, token("https://management.azure.com"), client_workspace)


@pytest.fixture
def upload(walk: Walk, variables: dict[str, str]) -> Iterator[Callable[[str, bytes], str]]:
    """Puts a file into the default datastore: the datastore's root as a blob URL."""
    store = walk.call("GET", "datastores", query="&isDefault=true")["value"][0]
    key = walk.call("POST", f"datastores/{store['name']}/listSecrets")["key"]
    account, container = store["properties"]["accountName"], store["properties"]["containerName"]
    url = f"https://{account}.blob.core.windows.net"
    proxy, ca = {"https": variables["HTTPS_PROXY"]}, variables["REQUESTS_CA_BUNDLE"]
    with BlobServiceClient(url, credential=key, proxies=proxy, connection_verify=ca) as service:

        def put(path: str, content: bytes) -> str:
            service.get_blob_client(container, path).upload_blob(content, overwrite=True)
            return f"{url}/{container}"

        yield put


def test_training_with_rest(walk: Walk, upload: Callable[[str, bytes], str]) -> None:
    """Environment, data, code; a command job and a sweep of it, each looked at until it has ended."""
    root = upload("src/main.py", TRAIN)
    upload("iris/iris.csv", b"a,b\n1,2\n3,4\n")
    walk.call("PUT", "environments/lightgbm/versions/7", {"properties": {"condaFile": CONDA, "image": IMAGE}})
    data = {"dataType": "uri_file", "dataUri": f"{root}/iris/iris.csv", "description": "Iris"}
    walk.call("PUT", "data/iris/versions/1", {"properties": data})
    walk.call("PUT", "codes/train/versions/1", {"properties": {"description": "Train code", "codeUri": f"{root}/src"}})
    iris = {"iris": {"jobInputType": "uri_file", "uri": f"azureml:{walk.id}/data/iris/versions/1"}}
    shared = {
        "codeId": f"{walk.id}/codes/train/versions/1",
        "environmentId": f"{walk.id}/environments/lightgbm/versions/7",
    }
    where = {"experimentName": "lightgbm-iris", "computeId": f"{walk.id}/computes/cpu", "inputs": iris}
    job = {"jobType": "Command", "command": "python main.py --iris-csv $AZURE_ML_INPUT_iris", **shared, **where}
    name = str(uuid.uuid4())
    walk.call("PUT", f"jobs/{name}", {"properties": job})
    assert walk.ended(lambda: walk.call("GET", f"jobs/{name}")) == "Completed"

    trial = {"command": "python main.py --iris-csv ${{inputs.iris}} --learning_rate ${{search_space.learning_rate}}", **shared}
    sweep = {
        "jobType": "Sweep",
        "trial": trial,
        "samplingAlgorithm": {"samplingAlgorithmType": "Random", "seed": 1},
        "objective": {"primaryMetric": "test-multi_logloss", "goal": "minimize"},
        "searchSpace": {"learning_rate": ["uniform", [0.01, 0.9]]},
        "limits": {"jobLimitsType": "Sweep", "maxTotalTrials": 3, "maxConcurrentTrials": 2, "timeout": "PT120M"},
        **where,
    }
    name = str(uuid.uuid4())
    walk.call("PUT", f"jobs/{name}", {"properties": sweep})
    assert walk.ended(lambda: walk.call("GET", f"jobs/{name}")) == "Completed"
    found = walk.call("GET", f"jobs/{name}")["properties"]
    assert found["properties"]["best_child_run_id"].startswith(f"{name}_")
    assert 0.01 <= float(found["properties"]["score"]) <= 0.9


def test_online_deployment_with_rest(walk: Walk, upload: Callable[[str, bytes], str]) -> None:
    """Code, model, environment, endpoint, deployment, a token, a score, the logs."""
    root = upload("score/score.py", SCORE)
    upload("model/factor.txt", b"2")
    walk.call("PUT", "codes/score-sklearn/versions/1", {"properties": {"codeUri": f"{root}/score"}})
    uri = f"azureml:/{walk.id.replace('/providers/Microsoft.MachineLearningServices', '')}"
    model = {"modelUri": f"{uri}/datastores/workspaceblobstore/paths/model"}
    walk.call("PUT", "models/sklearn/versions/1", {"properties": model})
    walk.call("PUT", "environments/sklearn-env/versions/3", {"properties": {"condaFile": CONDA, "image": IMAGE}})
    name = f"endpt-{uuid.uuid4().hex[:6]}"
    endpoint = {
        "identity": {"type": "systemAssigned"},
        "properties": {"authMode": "AMLToken"},
        "location": scene.LOCATION,
    }
    walk.wait(walk.call("PUT", f"onlineEndpoints/{name}", endpoint))
    deployment = {
        "location": scene.LOCATION,
        "sku": {"capacity": 1, "name": "Standard_DS2_v2"},
        "properties": {
            "endpointComputeType": "Managed",
            "scaleSettings": {"scaleType": "Default"},
            "model": f"{walk.id}/models/sklearn/versions/1",
            "codeConfiguration": {"codeId": f"{walk.id}/codes/score-sklearn/versions/1", "scoringScript": "score.py"},
            "environmentId": f"{walk.id}/environments/sklearn-env/versions/3",
            "instanceType": "Standard_DS2_v2",
        },
    }
    walk.wait(walk.call("PUT", f"onlineEndpoints/{name}/deployments/blue", deployment))
    walk.wait(
        walk.call("PUT", f"onlineEndpoints/{name}", endpoint | {"properties": {"authMode": "AMLToken", "traffic": {"blue": 100}}})
    )
    scoring_uri = walk.call("GET", f"onlineEndpoints/{name}")["properties"]["scoringUri"]
    key = walk.call("POST", f"onlineEndpoints/{name}/token")["accessToken"]
    assert walk.curl("POST", scoring_uri, {"data": [1, 2]}, token=key) == [2, 4]
    logs = walk.call("POST", f"onlineEndpoints/{name}/deployments/blue/getLogs", {"tail": 100})
    assert "POST /score 200" in logs["content"]
    walk.call("DELETE", f"onlineEndpoints/{name}")


def test_batch_scoring_with_rest(walk: Walk, upload: Callable[[str, bytes], str], token: Callable[[str], str]) -> None:
    """Code, containers and versions, endpoint, deployment, default; an invocation, its job looked at on the scoring host."""
    root = upload("batch/digits.py", SCORE)
    upload("mnist/factor.txt", b"3")
    upload("digits/one.txt", b"1")
    walk.call("PUT", "codes/score-mnist/versions/1", {"properties": {"description": "Score code", "codeUri": f"{root}/batch"}})
    walk.call("PUT", "models/mnist", {"properties": {"description": "Container for the mnist model"}})
    model = {"modelUri": f"azureml:/{walk.id}/datastores/workspaceblobstore/paths/mnist"}
    walk.call("PUT", "models/mnist/versions/1", {"properties": model})
    walk.call("PUT", "environments/mnist-env", {"properties": {}})
    walk.call("PUT", "environments/mnist-env/versions/5", {"properties": {"condaFile": CONDA, "image": IMAGE}})
    name = f"batch-{uuid.uuid4().hex[:6]}"
    endpoint = {"properties": {"authMode": "aadToken"}, "location": scene.LOCATION}
    walk.wait(walk.call("PUT", f"batchEndpoints/{name}", endpoint))
    deployment = {
        "location": scene.LOCATION,
        "properties": {
            "model": {"referenceType": "Id", "assetId": f"{walk.id}/models/mnist/versions/1"},
            "codeConfiguration": {"codeId": f"{walk.id}/codes/score-mnist/versions/1", "scoringScript": "digits.py"},
            "environmentId": f"{walk.id}/environments/mnist-env/versions/5",
            "compute": f"{walk.id}/computes/cpu",
            "resources": {"instanceCount": 1},
            "maxConcurrencyPerInstance": "4",
            "retrySettings": {"maxRetries": 3, "timeout": "PT30S"},
            "errorThreshold": "10",
            "loggingLevel": "info",
            "miniBatchSize": "5",
        },
    }
    walk.wait(walk.call("PUT", f"batchEndpoints/{name}/deployments/first", deployment))
    default = {"properties": {"authMode": "aadToken", "defaults": {"deploymentName": "first"}}, "location": scene.LOCATION}
    walk.wait(walk.call("PUT", f"batchEndpoints/{name}", default))
    scoring_uri = walk.call("GET", f"batchEndpoints/{name}")["properties"]["scoringUri"]
    scoring_token = token("https://ml.azure.com")
    asked = {"properties": {"InputData": {"digits": {"JobInputType": "UriFolder", "Uri": f"{root}/digits"}}}}
    job = walk.curl("POST", scoring_uri, asked, token=scoring_token)["id"].rpartition("/")[2]
    assert walk.ended(lambda: walk.curl("GET", f"{scoring_uri}/{job}", token=scoring_token)) == "Completed"
    walk.call("DELETE", f"batchEndpoints/{name}")
