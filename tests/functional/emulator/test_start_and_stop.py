"""The process: one ready line, many clients at once, and an end that leaves nothing behind."""

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.functional.emulator.bodies import PLACE
from tests.functional.emulator.client import Client, LocalAzure

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
