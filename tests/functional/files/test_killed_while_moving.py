"""The worker dies while it moves a large upload; started again, the file arrives whole and its version is made once."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from azure.storage.blob import BlobServiceClient

from infra.local import stack
from infra.local.emulator import scene
from shared import services, settings
from shared.durable import storage, storage_clock
from shared.files import plans
from shared.rest import errors
from tests.overdue import overdue_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.nightly

LIMIT_S = 180.0
SIZE = 160 * 1024 * 1024
PATH = "workspaces/ml-killed/models/m/versions/1"


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[stack.Stack]:
    """A stack of its own: its worker will die."""
    with stack.start(stack.Options(state=tmp_path)) as running:
        yield running


def until[T](condition: Callable[[], T], what: str) -> T:
    """Wait for a condition and return what it gave."""
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        with contextlib.suppress(requests.ConnectionError):
            if found := condition():
                return found
        time.sleep(0.01)
    raise AssertionError(f"never came: {what}")


def workers(pid: int) -> list[int]:
    """Return the host's child processes, whichever of its threads began them."""
    return [int(child) for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()]


def test_a_transfer_survives_its_worker(parts: stack.Stack) -> None:
    """Killed between two blocks: nothing is registered until all of it is there."""
    own = services.Services(settings=settings.from_environ({"AzureWebJobsStorage": parts.storage.connection_string()}))
    session = requests.Session()
    session.trust_env = False
    session.headers["x-functions-key"] = parts.app.master_key
    api = f"{parts.app.url}/api"
    used = {"storageAccount": scene.STORAGE_ID, "keyVault": scene.KEY_VAULT_ID, "applicationInsights": scene.INSIGHTS_ID}
    body = {"location": scene.LOCATION, "identity": {"type": "SystemAssigned"}, "properties": used}
    session.put(f"{api}/workspaces/ml-killed", json=body, headers={"Prefer": "wait=30"}, timeout=60).raise_for_status()
    opened = session.post(f"{api}/uploads", json={"name": "m.bin"}, timeout=60).json()
    content = os.urandom(SIZE)
    put = requests.put(opened["sasUri"], data=content, headers={"x-ms-blob-type": "BlockBlob"}, timeout=100)
    put.raise_for_status()

    headers = {"Upload-Id": opened["id"], "Prefer": "respond-async"}
    begun = session.put(f"{api}/{PATH}", json={"properties": {}}, headers=headers, timeout=60).json()["name"]
    until(lambda: _task(own, begun).digest, "the digest: what follows is the transfer")
    host = parts.app.part.process.pid
    for pid in (killed := workers(host)):
        os.kill(pid, signal.SIGKILL)
    until(lambda: set(workers(host)) - set(killed), "a new worker")
    stored = own.ledger.load(begun)
    assert stored
    assert stored.operation.phase == "preparing", "it was killed too late to prove anything"
    assert until(lambda: _status(session, f"{api}/{PATH}"), "an answer") == 404

    def ended() -> dict[str, Any] | None:
        found = session.get(f"{api}/operations/{begun}", params={"wait": "1"}, timeout=60).json()
        current = own.ledger.load(begun)
        if current and not current.operation.ended and current.operation.step == stored.operation.step:
            with contextlib.suppress(storage.ConflictError, errors.TransientError):  # skip the minutes that reconcile waits
                overdue = own.ledger.save(current, replace(current.operation, due_at=storage_clock.utc_now())).operation
                own.ledger.open.put(overdue_entry(overdue))
            session.post(f"{parts.app.url}/admin/functions/reconcile_operations", json={"input": ""}, timeout=60)
        return dict(found) if found.get("endTime") else None

    operation = until(ended, "the end")
    assert operation["status"] == "Succeeded", operation
    uri = operation["properties"]["result"]["properties"]["modelUri"]
    with BlobServiceClient.from_connection_string(parts.storage.connection_string(scene.STORAGE_ACCOUNT)) as service:
        container = next(each.name for each in service.list_containers() if each.name.startswith("azureml-blobstore"))
        assert service.get_blob_client(container, uri.partition("/paths/")[2]).download_blob().readall() == content
    session.close()


def _task(own: services.Services, operation_id: str) -> plans.Task:
    stored = own.ledger.load(operation_id)
    assert stored
    return (
        plans.Plan.from_json(own.ledger.payload(stored.operation.plan)).tasks[0]
        if stored.operation.plan
        else plans.Task(what="upload")
    )


def _status(session: requests.Session, url: str) -> int:
    """Return the status of a GET, 0 while the new worker is not ready to answer."""
    status = session.get(url, timeout=60).status_code
    return 0 if status >= 500 else status
