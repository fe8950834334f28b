"""One local Azure for these tests, on free ports, in front of an Azurite of its own; and a client that speaks through it."""

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from infra.local import azurite
from infra.local.emulator import scene
from tests.functional.emulator.client import Client, LocalAzure

ROOT = Path(__file__).parents[3]
ML_PYTHON = ROOT / ".local" / "ml" / "bin" / "python"


@pytest.fixture(scope="session")
def local_azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAzure]:
    """The running local Azure."""
    state = tmp_path_factory.mktemp("azure")
    with azurite.start(None, accounts=scene.AZURITE_ACCOUNTS) as storage, (state / "log").open("w") as log:
        command = [
            *(sys.executable, "-m", "infra.local.emulator", "--state", str(state), "--blob-port", str(storage.blob_port)),
            *("--queue-port", str(storage.queue_port), "--table-port", str(storage.table_port)),
        ]
        if ML_PYTHON.exists():
            command += ["--ml-python", str(ML_PYTHON)]
        environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
        try:
            line = process.stdout.readline() if process.stdout else ""
            assert line.startswith("READY "), (state / "log").read_text()
            words = dict(word.split("=", 1) for word in line.split()[1:])
            with requests.Session() as session:
                yield LocalAzure(proxy=words["proxy"], ca=words["ca"], control=words["control"], process=process, session=session)
        finally:
            process.terminate()
            process.wait(timeout=20)
            if process.stdout:
                process.stdout.close()


@pytest.fixture
def azure(local_azure: LocalAzure) -> Client:
    """A client of a local Azure that holds the scene and nothing else, and moves at once."""
    client = Client(local_azure)
    client.control("POST", "reset")
    client.control("DELETE", "transitions")
    return client


@pytest.fixture
def upload(azure: Client) -> Callable[[str, dict[str, bytes]], str]:
    """Puts files into storage as a client does (startPendingUpload, then the SAS): the blob folder's URI."""
    versions = itertools.count(1)

    def put(workspace_id: str, files: dict[str, bytes]) -> str:
        path = f"{workspace_id}/codes/upload/versions/{next(versions)}/startPendingUpload"
        place = azure.arm("POST", path, {"pendingUploadType": "TemporaryBlobReference"}).json()["blobReferenceForConsumption"]
        base, _, signature = place["credential"]["sasUri"].partition("?")
        for name, content in files.items():
            headers = {"x-ms-blob-type": "BlockBlob", "x-ms-version": "2021-12-02"}
            answer = azure.session.put(f"{base}/{name}?{signature}", data=content, headers=headers, timeout=30)
            assert answer.status_code == 201, answer.text
        return str(place["blobUri"])

    return put
