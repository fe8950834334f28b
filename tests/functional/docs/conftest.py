"""A stack of the pages' own, with previews on, and what they take for granted: resources beside Azure ML, a receiver."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import requests
from azure.storage.blob import BlobServiceClient

from infra.local import stack
from infra.local.emulator import scene

if TYPE_CHECKING:
    from collections.abc import Iterator

ARM = "https://management.azure.com"
THERE = {
    "Microsoft.ManagedIdentity/userAssignedIdentities/ml-identity": "2023-01-31",
    "Microsoft.ContainerService/managedClusters/aks": "2024-09-01",
    "Microsoft.Compute/virtualMachines/vm": "2024-07-01",
}


@pytest.fixture(scope="module")
def receiver() -> Iterator[str]:
    """A webhook of the reader's: it takes whatever comes."""

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/ended"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, receiver: str) -> Iterator[stack.Stack]:
    """Everything, fresh: the pages' names are free."""
    settings = {"STEWARD_PREVIEWS": "true", "STEWARD_CALLBACK_HOSTS": urlsplit(receiver).netloc}
    options = stack.Options(state=tmp_path_factory.mktemp("docs"), settings=settings)
    with stack.start(options) as parts:
        seed(parts)
        yield parts


def seed(parts: stack.Stack) -> None:
    """Make what lies outside of the app's kinds, and the files that the pages find in storage."""
    with requests.Session() as session:
        session.trust_env = False
        session.proxies = {"https": parts.azure.proxy}
        session.verify = str(parts.azure.ca)
        form = {
            "grant_type": "client_credentials",
            "client_id": scene.CLIENT_ID,
            "client_secret": scene.CLIENT_SECRET,
            "scope": f"{ARM}/.default",
        }
        signed_in = session.post(f"https://login.microsoftonline.com/{scene.TENANT_ID}/oauth2/v2.0/token", data=form, timeout=30)
        session.headers["Authorization"] = f"Bearer {signed_in.json()['access_token']}"
        registered = {name.partition("/")[0]: "Registered" for name in THERE}
        assert session.put(f"{parts.azure.control}/_control/providers", json=registered, timeout=30).ok
        for name, version in THERE.items():
            body: dict[str, Any] = {"location": scene.LOCATION, "properties": {}}
            answer = session.put(f"{ARM}{scene.GROUP_ID}/providers/{name}?api-version={version}", json=body, timeout=30)
            assert answer.ok, answer.text
    with BlobServiceClient.from_connection_string(parts.storage.connection_string(scene.STORAGE_ACCOUNT)) as service:
        rows = service.create_container("rows")
        rows.upload_blob("2026/a.csv", b"1,2\n")
        rows.upload_blob("models/factor.txt", b"2")
        rows.upload_blob("table/MLTable", b"paths:\n  - file: ./a.csv\ntransformations:\n  - read_delimited: {delimiter: ','}\n")
        customers = [f"{bill},{bill % 7},{'yes' if bill > 60 else 'no'}" for bill in range(1, 121)]
        rows.upload_blob("table/a.csv", "\n".join(["bill,months,left", *customers]).encode())
