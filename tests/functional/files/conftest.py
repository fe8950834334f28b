"""A workspace in the local Azure and a caller of the app, for requests that bring files."""

from __future__ import annotations

import io
import time
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import requests
from azure.storage.blob import BlobServiceClient

from infra.local.emulator import scene

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from infra.local import stack
    from infra.local.azurite import Azurite

WORKSPACE = "ml-files"
WAIT_S = 150.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Sends requests to the app with its function key."""

    url: str
    session: requests.Session

    def send(self, method: str, path: str, **more: Any) -> requests.Response:
        """Send one request below the workspace; a path with a leading slash is below `/api`."""
        whole = f"{self.url}/api{path}" if path.startswith("/") else f"{self.url}/api/workspaces/{WORKSPACE}/{path}"
        return self.session.request(method, whole, timeout=120, **more)

    def ended(self, answer: requests.Response) -> dict[str, Any]:
        """Follow a 202 to its end and return the operation; any other success is returned as it came."""
        assert answer.ok, answer.text
        if answer.status_code != requests.codes.accepted:
            return {"status": "Succeeded", "properties": {"result": answer.json()}}
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            found = self.session.get(answer.headers["Operation-Location"], params={"wait": "20"}, timeout=60).json()
            if found["status"] in ("Succeeded", "Failed", "Canceled"):
                return dict(found)
        raise AssertionError(f"not ended after {WAIT_S} s: {found}")

    def resource(self, answer: requests.Response) -> dict[str, Any]:
        """Return the resource that a request ended with."""
        operation = self.ended(answer)
        assert operation["status"] == "Succeeded", operation
        return dict(operation["properties"]["result"])


@pytest.fixture(scope="session")
def caller(app: stack.App) -> Iterator[Caller]:
    """A caller, in front of a workspace that is there."""
    with requests.Session() as session:
        session.trust_env = False
        session.headers["x-functions-key"] = app.key
        made = Caller(url=app.url, session=session)
        body = {
            "location": scene.LOCATION,
            "identity": {"type": "SystemAssigned"},
            "properties": {
                "storageAccount": scene.STORAGE_ID,
                "keyVault": scene.KEY_VAULT_ID,
                "applicationInsights": scene.INSIGHTS_ID,
            },
        }
        made.resource(made.send("PUT", f"/workspaces/{WORKSPACE}", json=body, headers={"Prefer": "wait=30"}))
        yield made


@pytest.fixture(scope="session")
def lying(azurite: Azurite, caller: Caller) -> Iterator[Callable[[str], dict[str, bytes]]]:
    """Read what lies below an `https://account.blob…` or datastore URI of the workspace."""
    with BlobServiceClient.from_connection_string(azurite.connection_string(scene.STORAGE_ACCOUNT)) as service:

        def read(uri: str) -> dict[str, bytes]:
            if "/paths/" in uri:
                container = caller.send("GET", "datastores/workspaceblobstore").json()["properties"]["containerName"]
                path = uri.partition("/paths/")[2]
            else:
                container, _, path = uri.partition(".net/")[2].partition("/")
            client = service.get_container_client(container)
            path = path.rstrip("/")
            return {
                name.removeprefix(path).lstrip("/"): client.download_blob(name).readall()
                for name in client.list_blob_names(name_starts_with=path)
                if name == path or not path or name.startswith(f"{path}/")
            }

        yield read


def zipped(files: dict[str, bytes | str]) -> bytes:
    """Return a zip of the files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


@pytest.fixture(scope="session")
def zip_of() -> Callable[[dict[str, bytes | str]], bytes]:
    """See `zipped`."""
    return zipped
