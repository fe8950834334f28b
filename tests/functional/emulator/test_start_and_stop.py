"""The process: one ready line, many clients at once, and an end that leaves nothing behind."""

import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.functional.emulator.bodies import PLACE
from tests.functional.emulator.client import WORKSPACES, Client, LocalAzure, workspace_body

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    """Exit code 0 and an empty log; it starts without Azurite, which is only needed when storage is."""
    command = [sys.executable, "-m", "infra.local.emulator", "--state", str(tmp_path / "new" / "state")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("READY proxy=http://127.0.0.1:")
        process.send_signal(number)
        _, log = process.communicate(timeout=20)
    assert (process.returncode, log) == (0, "")


def test_a_workspace_without_reachable_storage_fails_in_its_operation(tmp_path: Path) -> None:
    """No Azurite behind it: the operation says so, soon; the local Azure goes on answering."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    command = [sys.executable, "-m", "infra.local.emulator", "--state", str(tmp_path), "--blob-port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        words = dict(word.split("=", 1) for word in process.stdout.readline().split()[1:])
        client = Client(LocalAzure(proxy=words["proxy"], ca=words["ca"], control=words["control"], process=process))
        try:
            first = client.arm("PUT", f"{WORKSPACES}/lab", workspace_body())
            status = client.arm("GET", first.headers["Azure-AsyncOperation"]).json()
            assert (status["status"], status["error"]["code"]) == ("Failed", "StorageAccountUnreachable")
        finally:
            client.session.close()
            process.terminate()


def test_a_transition_that_is_none_is_named_at_the_start(tmp_path: Path) -> None:
    """The message lists what there is."""
    command = [sys.executable, "-m", "infra.local.emulator", "--state", str(tmp_path), "--transitions", "nonsense"]
    failed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert failed.returncode != 0
    assert "immediate, time or polls:N" in failed.stderr


def test_many_clients_at_once_see_one_world(azure: Client, local_azure: LocalAzure) -> None:
    """Sixteen sessions write and read together: every write is there, and each answer is its own."""
    workspace = azure.workspace()

    def work(n: int) -> list[int]:
        client = Client(local_azure)
        path = f"{workspace}/environments/env-{n}/versions"
        codes = [client.arm("PUT", f"{path}/{v}", {"properties": {"image": f"i:{v}"}}).status_code for v in range(1, 4)]
        codes.append(len(client.arm("GET", path).json()["value"]))
        client.arm("PUT", f"{workspace}/onlineEndpoints/endpoint-{n}", {**PLACE, "properties": {"authMode": "Key"}})
        client.session.close()
        return codes

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(work, range(16))) == [[201, 201, 201, 3]] * 16
    assert len(azure.arm("GET", f"{workspace}/onlineEndpoints").json()["value"]) == 16
