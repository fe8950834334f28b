"""Storage without keys, against Azurite's own check of tokens and delegation SAS: rows, messages, uploads, a datastore's files."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import os
import re
import select
import socket
import socketserver
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any, ClassVar

import jwt
import pytest
import requests
from azure.core.credentials import AccessToken
from azure.storage.blob import BlobServiceClient
from azure.storage.blob import _shared_access_signature as signature

from infra.local import azurite
from shared import services
from shared.durable import azure_storage
from shared.files import content, places, transfers
from shared.rest import client, clouds, ids, tokens, transport
from shared.settings import Settings
from tests import wire as wires
from tests.contract import test_rows as promises

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ACCOUNT, KEY = "keyless1", azurite.DEV_KEY
HOST = f"{ACCOUNT}.blob.core.windows.net"
SORTS = ("blob", "queue", "table")
STORE = ids.parse("/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w/datastores/d")


class Identity:
    """Signs in as Entra ID would: a token for storage, with the claims that Azurite reads."""

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        """Return a token for the scopes."""
        now = int(time.time())
        claims = {"aud": scopes[0].removesuffix("/.default"), "iss": "https://sts.windows.net/tenant/", "oid": "o", "tid": "t"}
        claims |= {"iat": now - 60, "nbf": now - 60, "exp": now + 3600}
        return AccessToken(jwt.encode(claims, "any key: the check is basic; 32 bytes", algorithm="HS256"), now + 3600)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for the account's host, with its key."""
    return wires.certify(tmp_path_factory.mktemp("tls") / "azurite.pem")


@pytest.fixture(scope="module")
def ports(certificate: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """The services of an Azurite that takes tokens: https, and `--oauth basic`."""
    command = [azurite._node(), *(f"--require={each}" for each in azurite.PRELOADED), str(azurite.PROGRAM)]
    command += ["--inMemoryPersistence", "--silent", "--skipApiVersionCheck", "--disableTelemetry", "--oauth", "basic"]
    command += ["--blobPort", "0", "--queuePort", "0", "--tablePort", "0"]
    command += ["--cert", str(certificate), "--key", str(certificate)]
    log = tmp_path_factory.mktemp("azurite") / "log"
    environment = os.environ | {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"}
    with (
        log.open("wb") as out,
        subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=out, stderr=out) as process,
    ):
        deadline = time.monotonic() + azurite.START_LIMIT_S
        found: dict[str, int] = {}
        while len(found) < len(SORTS) and process.poll() is None and time.monotonic() < deadline:
            lines = re.findall(r"Azurite (\w+) service is successfully listening at https://127\.0\.0\.1:(\d+)", log.read_text())
            found = {sort.lower(): int(port) for sort, port in lines}
            time.sleep(0.02)
        try:
            assert sorted(found) == sorted(SORTS), log.read_text()
            yield found
        finally:
            process.kill()


class _Tunnel(socketserver.BaseRequestHandler):
    """CONNECT to a host of the account is Azurite, byte for byte."""

    def handle(self) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            piece = self.request.recv(1)
            if not piece:
                return
            head += piece
        self.request.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with (
            socket.create_connection(("127.0.0.1", self.server.azurite[head.split(b".")[1].decode()])) as other,
            contextlib.suppress(OSError),
        ):
            ends = {self.request: other, other: self.request}
            while True:
                for end in select.select(list(ends), [], [])[0]:
                    data = end.recv(65_536)
                    if not data:
                        return
                    ends[end].sendall(data)


class _Proxy(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    azurite: ClassVar[dict[str, int]] = {}


@pytest.fixture
def reached(ports: dict[str, int], certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Azurite under the account's own host name, by the proxy variables."""
    with _Proxy(("127.0.0.1", 0), _Tunnel) as server:
        server.azurite = ports
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.server_address[1]}")
        for name in ("https_proxy", "NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        yield
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _version_of_azurite(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Microsoft's library sign as of the newest version that Azurite checks, which knows no signed headers yet."""
    sign = signature.sign_string

    def sign_older(key: str, text: str) -> Any:
        fields = text.split("\n")
        return sign(key, "\n".join([*fields[:-7], *fields[-5:]]))

    monkeypatch.setattr(signature, "sign_string", sign_older)
    monkeypatch.setattr(signature, "X_MS_VERSION", "2025-07-05")


@pytest.fixture
def service(reached: None) -> Iterator[BlobServiceClient]:
    """The account by identity, as the app opens its own storage without a connection string."""
    with BlobServiceClient(f"https://{HOST}", credential=Identity()) as opened:
        yield opened


def test_an_upload_is_signed_in_the_identitys_name_where_no_key_is_known(service: BlobServiceClient) -> None:
    """`AzureWebJobsStorage__accountName`: the signed URL takes that one blob and reads nothing."""
    container = service.create_container("signed")
    blobs = azure_storage.AzureBlobs(lambda: container, service.get_user_delegation_key)
    signed = blobs.sign("uploads/1/content", until=dt.datetime.now(dt.UTC) + dt.timedelta(hours=1))
    assert "skoid=" in signed
    put = requests.put(signed, data=b"content", headers={"x-ms-blob-type": "BlockBlob"}, timeout=30)
    assert put.status_code == 201, put.text
    assert blobs.get("uploads/1/content") == b"content"
    assert requests.get(signed, timeout=30).status_code == 403
    other = signed.replace("uploads/1/content", "uploads/2/content")
    assert requests.put(other, data=b"x", headers={"x-ms-blob-type": "BlockBlob"}, timeout=30).status_code == 403


def test_files_reach_a_datastore_whose_account_no_key_opens(service: BlobServiceClient) -> None:
    """The app's own client asks for the delegation key, signs with it, and puts files and blocks by what it signed."""
    container = service.create_container("datastore")
    session = transport.Session()
    own = client.Client(clouds.PUBLIC, tokens.Tokens(Identity), make_session=lambda: session)
    now = dt.datetime.now(dt.UTC)
    key = places._delegation_key(STORE, ACCOUNT, own, now)
    proof = places._sas(ACCOUNT, "datastore", now, user_delegation_key=key)
    place = places.Place(url=f"https://{HOST}/datastore", proof=proof, datastore="d")
    large = os.urandom(2 * transfers.BLOCK + 7)
    files = {"a.txt": b"a", "src/large.bin": large}
    members = [content.Member(name=name, size=len(data), open=lambda data=data: io.BytesIO(data)) for name, data in files.items()]
    assert transfers.transfer(members, place, transfers.Progress(block=transfers.BLOCK), own, lambda: False).done
    assert {blob.name: container.download_blob(blob.name).readall() for blob in container.list_blobs()} == files
    assert transfers.exists(place.below("a.txt"), own)
    assert not transfers.exists(place.below("b.txt"), own)
    session.close()


def test_rows_and_messages_are_written_by_a_token(reached: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in Azure, where account keys are off. Azurite answers 500 to a transaction by token, to azure-data-tables as well."""
    monkeypatch.setattr(services.Services, "_identity", lambda _: Identity())
    uris = {f"{sort}_uri": f"https://{ACCOUNT}.{sort}.core.windows.net" for sort in SORTS}
    app = services.Services(settings=Settings(**uris))
    promises.test_an_inserted_row_reads_back_with_its_etag(app._rows("read"))
    promises.test_an_etag_is_good_for_one_write(app._rows("changed"))
    promises.test_a_delete_names_the_etag_it_was_decided_on(app._rows("deleted"))
    promises.test_a_query_finds_by_ranges_and_reads_only_what_it_names(app._rows("asked"))
    app.notification_queue.send("{}")
    assert (app.depth("steward-notifications"), app.missing()) == (1, [])
    app._pool.session.close()
