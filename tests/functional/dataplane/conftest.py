"""What these tests stand on: real storage, the prepared environment, and a world with one workspace in it."""

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from infra.local import azurite
from infra.local.emulator import scene
from infra.local.emulator.authorization import seeding as roles_of_the_scene
from infra.local.emulator.resources import Resource
from infra.local.emulator.runner.backend import ProcessJobs
from infra.local.emulator.storage.accounts import StorageAccounts
from infra.local.emulator.world import World

ROOT = Path(__file__).parents[3]
ML_PYTHON = ROOT / ".local" / "ml" / "bin" / "python"


@pytest.fixture(scope="session")
def storage_service() -> Iterator[azurite.Azurite]:
    """A real Azurite that knows the scene's accounts."""
    with azurite.start(None, accounts=scene.AZURITE_ACCOUNTS) as running:
        yield running


@pytest.fixture
def world(storage_service: azurite.Azurite, tmp_path: Path) -> Iterator[World]:
    """A fresh world on the real storage."""
    accounts = StorageAccounts((storage_service.blob_port, storage_service.queue_port, storage_service.table_port))
    accounts.add_scene_account(scene.STORAGE_ACCOUNT)
    made = World(workdir=tmp_path / "work", storage=accounts)
    roles_of_the_scene.seed(made)
    yield made
    made.stop()


@pytest.fixture
def workspace_id(world: World) -> str:
    """A workspace with the blob datastore that Azure makes; lower-cased id."""
    name = f"w{uuid.uuid4().hex[:8]}"
    arm_id = f"{scene.GROUP_ID}/providers/Microsoft.MachineLearningServices/workspaces/{name}"
    body = {"location": scene.LOCATION, "properties": {"storageAccount": scene.STORAGE_ID, "provisioningState": "Succeeded"}}
    world.resources.put(Resource(id=arm_id, body=body))
    blobstore = {"accountName": scene.STORAGE_ACCOUNT, "containerName": f"azureml-blobstore-{name}"}
    world.resources.put(Resource(id=f"{arm_id}/datastores/workspaceblobstore", body={"properties": blobstore}))
    return arm_id.lower()


@pytest.fixture(scope="session")
def ml_python() -> Path:
    """The interpreter of the prepared environment."""
    assert ML_PYTHON.exists(), "the environment for jobs is missing: make installs it"
    return ML_PYTHON


@pytest.fixture
def jobs(world: World, ml_python: Path) -> ProcessJobs:
    """The jobs backend with the prepared environment."""
    world.jobs_backend = ProcessJobs(world, ml_python)
    return world.jobs_backend


@pytest.fixture
def until() -> Callable[..., None]:
    """Waits for a condition, at most three minutes."""

    def wait(condition: Callable[[], object], what: str = "the condition") -> None:
        deadline = time.monotonic() + 180
        while not condition():
            assert time.monotonic() < deadline, f"{what} did not come true"
            time.sleep(0.05)

    return wait


class Azure:
    """Speaks to a local Azure as anything else would: through the proxy, under real host names, with a token."""

    def __init__(self, proxy: str, ca: str) -> None:
        self.control_url = proxy
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.proxies = {"https": proxy}
        self.session.verify = ca

    def token(self, audience: str = "https://management.azure.com") -> str:
        """A token of the scene's service principal."""
        form = {
            "grant_type": "client_credentials",
            "scope": f"{audience}/.default",
            "client_id": scene.CLIENT_ID,
            "client_secret": scene.CLIENT_SECRET,
        }
        url = f"https://login.microsoftonline.com/{scene.TENANT_ID}/oauth2/v2.0/token"
        return str(self.session.post(url, data=form, timeout=30).json()["access_token"])

    def call(self, method: str, url: str, *, token: str | None = None, **options: Any) -> requests.Response:
        """One call with an ARM token (or the one given; empty: none)."""
        bearer = self.token() if token is None else token
        headers = {**({"Authorization": f"Bearer {bearer}"} if bearer else {}), **options.pop("headers", {})}
        return self.session.request(method, url, headers=headers, timeout=60, **options)

    def arm(self, method: str, arm_id: str, body: Any = None) -> requests.Response:
        """One ARM call."""
        return self.call(method, f"https://management.azure.com{arm_id}?api-version=2023-10-01", json=body)

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """One control call."""
        answer = requests.request(method, f"{self.control_url}/_control/{path}", json=body, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(scope="session")
def running_azure(storage_service: azurite.Azurite, tmp_path_factory: pytest.TempPathFactory, ml_python: Path) -> Iterator[Azure]:
    """A local Azure as a process of its own."""
    state = tmp_path_factory.mktemp("azure")
    command = [
        *(sys.executable, "-m", "infra.local.emulator", "--state", str(state), "--ml-python", str(ml_python)),
        *("--blob-port", str(storage_service.blob_port), "--queue-port", str(storage_service.queue_port)),
        *("--table-port", str(storage_service.table_port)),
    ]
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    with (state / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
        try:
            line = process.stdout.readline()
            assert line.startswith("READY "), (state / "log").read_text()
            words = dict(word.split("=", 1) for word in line.split()[1:])
            client = Azure(words["proxy"], words["ca"])
            yield client
            client.session.close()
        finally:
            process.terminate()
            process.wait(timeout=20)
            process.stdout.close()


@pytest.fixture
def azure(running_azure: Azure) -> Azure:
    """The local Azure, with the scene and nothing else in it."""
    running_azure.control("POST", "reset")
    return running_azure


@pytest.fixture
def lab(azure: Azure) -> str:
    """A finished workspace with a small cluster `cpu-compute`: its ARM id."""
    arm_id = f"{scene.GROUP_ID}/providers/Microsoft.MachineLearningServices/workspaces/lab{uuid.uuid4().hex[:6]}"
    dependencies = {
        "storageAccount": scene.STORAGE_ID,
        "keyVault": scene.KEY_VAULT_ID,
        "applicationInsights": scene.INSIGHTS_ID,
        "containerRegistry": scene.REGISTRY_ID,
    }
    body = {"location": scene.LOCATION, "identity": {"type": "SystemAssigned"}, "properties": dependencies}
    settled(azure, azure.arm("PUT", arm_id, body))
    inner = {"vmSize": "Standard_D1", "vmPriority": "Dedicated", "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 1}}
    cluster = {"location": scene.LOCATION, "properties": {"computeType": "AmlCompute", "properties": inner}}
    settled(azure, azure.arm("PUT", f"{arm_id}/computes/cpu-compute", cluster))
    return arm_id


def settled(azure: Azure, answer: requests.Response) -> None:
    """Follow a first answer to its end, which must be Succeeded."""
    assert answer.status_code in {201, 202}, answer.text
    status = azure.call("GET", answer.headers["Azure-AsyncOperation"]).json()
    assert status["status"] == "Succeeded", status
