"""The proxy: Azure's real host names lead to the local Azure, and nothing else leads anywhere."""

import select
import socket
import ssl
import subprocess
from pathlib import Path

import pytest
import requests

from infra.local.emulator import __main__ as emulator
from infra.local.emulator import scene
from infra.local.emulator.sockets import server
from tests.functional.emulator.client import ARM, Client, LocalAzure


def test_a_host_that_is_not_azures_is_refused_in_one_clear_line(local_azure: LocalAzure) -> None:
    """CONNECT example.com:443 answers 403 and says which host."""
    port = int(local_azure.proxy.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n")
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"the local Azure has no host example.com:443" in answer


def test_plain_http_is_not_forwarded(local_azure: LocalAzure) -> None:
    """A plain http request for a foreign host is refused by the proxy itself."""
    answer = requests.get("http://example.com/", proxies={"http": local_azure.proxy}, timeout=10)
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "host",
    [
        "management.azure.com",
        "management.usgovcloudapi.net",
        "management.chinacloudapi.cn",
        "login.microsoftonline.us",
        "westeurope.api.azureml.ms",
        "westeurope.experiments.azureml.net",
        "line.westeurope.inference.ml.azure.com",
    ],
)
def test_each_azure_host_has_a_certificate_of_its_own_name(azure: Client, host: str) -> None:
    """TLS succeeds with the written ca.pem alone, for every cloud's hosts."""
    assert azure.session.get(f"https://{host}/nothing/here", timeout=20).status_code in {400, 401, 404, 405}


def test_curl_gets_through_with_two_settings(local_azure: LocalAzure) -> None:
    """The article's own tool: only the proxy and the CA file are named."""
    url = f"{ARM}/subscriptions?api-version=2022-12-01"
    command = [
        "curl",
        "--silent",
        "--show-error",
        "--proxy",
        local_azure.proxy,
        "--cacert",
        local_azure.ca,
        "--write-out",
        "%{http_code}",
        url,
    ]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
    assert "AuthenticationFailed" in said
    assert said.endswith("401")


def test_the_ca_file_holds_the_public_roots_too(tmp_path: Path) -> None:
    """One variable suffices: a client that sets REQUESTS_CA_BUNDLE keeps the public roots. Tests do without: it takes time."""
    bundle = tmp_path / "ca.pem"
    for public in (True, False):
        server.Authority().write_bundle(bundle, public=public)
        assert (bundle.read_text().count("BEGIN CERTIFICATE") > 100) is public
        assert len(ssl.create_default_context(cafile=str(bundle)).get_ca_certs()) > 100 * public
    assert emulator.arguments(["--state", "x", "--roots", "public"]).roots == "public"


def test_storage_hosts_are_azurite_itself(azure: Client) -> None:
    """ACCOUNT.blob.core.windows.net answers with storage's own refusal, its Host kept."""
    answer = azure.session.get(f"https://{scene.STORAGE_ACCOUNT}.blob.core.windows.net/missing/blob", timeout=20)
    assert answer.status_code in {403, 404}
    assert answer.headers["server"].startswith("Azurite")


def test_a_storage_account_made_later_works_like_the_scenes(azure: Client) -> None:
    """Created through ARM, it is served by an Azurite of its own under its own host name and key."""
    body = {"location": scene.LOCATION, "sku": {"name": "Standard_LRS"}, "kind": "StorageV2"}
    arm_id = f"{scene.GROUP_ID}/providers/Microsoft.Storage/storageAccounts/laterstorage"
    first = azure.arm("PUT", arm_id, body, version="2023-05-01")
    assert (first.status_code, first.headers["Retry-After"]) == (202, "17")
    done = azure.arm("GET", first.headers["Location"])
    assert (done.status_code, done.json()["properties"]["provisioningState"]) == (200, "Succeeded")
    key = azure.arm("POST", f"{arm_id}/listKeys", version="2023-05-01").json()["keys"][0]["value"]

    from azure.storage.blob import BlobServiceClient

    url = "https://laterstorage.blob.core.windows.net"
    options = {"proxies": {"https": azure.azure.proxy}, "connection_verify": azure.azure.ca}
    with BlobServiceClient(url, credential={"account_name": "laterstorage", "account_key": key}, **options) as service:
        service.create_container("box")
        blob = service.get_blob_client("box", "name with space.txt")
        blob.upload_blob(b"x" * 300_000)
        assert blob.download_blob().readall() == b"x" * 300_000
    assert azure.arm("DELETE", arm_id, version="2023-05-01").status_code == 200


def test_a_client_that_never_speaks_holds_nobody_up(azure: Client, local_azure: LocalAzure) -> None:
    """A tunnel without a TLS handshake must not block the next connection."""
    port = int(local_azure.proxy.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as silent:
        silent.sendall(b"CONNECT management.azure.com:443 HTTP/1.1\r\n\r\n")
        assert silent.recv(100).startswith(b"HTTP/1.1 200")
        assert azure.arm("GET", "/subscriptions", version="2022-12-01").status_code == 200


def test_connections_are_kept_alive(azure: Client) -> None:
    """Two requests of one session use one TLS connection."""
    token = {"Authorization": f"Bearer {azure.token()}"}
    with requests.Session() as session:
        session.trust_env, session.verify, session.proxies = False, azure.azure.ca, {"https": azure.azure.proxy}
        for _ in range(3):
            assert session.get(f"{ARM}/subscriptions?api-version=2022-12-01", headers=token, timeout=20).status_code == 200
        pools = session.get_adapter(ARM).proxy_manager[azure.azure.proxy].pools
        assert [pools[key].num_connections for key in pools.keys()] == [1]  # noqa: SIM118 - no mapping of urllib3's


def test_a_client_that_dies_in_its_handshake_holds_nobody_up(local_azure: LocalAzure) -> None:
    """Killed with the server's answer unread, its connection is reset; the TLS server shakes hands with one client at a time."""
    port = int(local_azure.proxy.rpartition(":")[2])
    arriving, leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
    half = ssl.create_default_context(cafile=local_azure.ca).wrap_bio(arriving, leaving, server_hostname="management.azure.com")
    with pytest.raises(ssl.SSLWantReadError):
        half.do_handshake()
    hello = leaving.read()
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(b"CONNECT management.azure.com:443 HTTP/1.1\r\nHost: management.azure.com:443\r\n\r\n")
            assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
            connection.sendall(hello)
            assert select.select([connection], [], [], 10)[0], "the server did not answer"
    answer = requests.get(ARM, proxies={"https": local_azure.proxy}, verify=local_azure.ca, timeout=20)
    assert answer.status_code in {400, 401, 404}
