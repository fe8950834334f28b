"""What these tests stand on: real storage, the prepared environment, and a world with one workspace in it."""

import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.local import azurite
from infra.local.emulator import scene
from infra.local.emulator.resources import Resource
from infra.local.emulator.runner.backend import ProcessJobs
from infra.local.emulator.storage import StorageAccounts
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
    """Waits for a condition, at most a minute."""

    def wait(condition: Callable[[], object], what: str = "the condition") -> None:
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline, f"{what} did not come true"
            time.sleep(0.05)

    return wait
