"""A local Azure for Microsoft's own clients, which run in an environment of their own: nothing is set but proxy and CA."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.local import bootstrap, stack
from infra.local.azurite import Azurite
from infra.local.emulator import scene

SCRIPTS = Path(__file__).parent / "scripts"


@pytest.fixture(scope="session")
def client_python() -> Path:
    """The interpreter that has azure-ai-ml and azure-mgmt-machinelearningservices."""
    subprocess.run([sys.executable, str(bootstrap.ROOT / "infra/local/bootstrap.py"), "sdk"], check=True)
    return bootstrap.SDK_VENV / "bin" / "python"


@pytest.fixture(scope="session")
def client_azure(azurite: Azurite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[stack.Azure]:
    """A local Azure that only these tests use."""
    with stack.start_azure(stack.Options(state=tmp_path_factory.mktemp("clients")), azurite) as running:
        yield running


@pytest.fixture(scope="session")
def variables(client_azure: stack.Azure) -> dict[str, str]:
    """What a shell must export to speak to the local Azure instead of Azure."""
    kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower() and not name.startswith("AZURE_")}
    return kept | {
        "HTTPS_PROXY": client_azure.proxy,
        "NO_PROXY": "127.0.0.1,localhost",
        "REQUESTS_CA_BUNDLE": str(client_azure.ca),
        "SSL_CERT_FILE": str(client_azure.ca),
        "CURL_CA_BUNDLE": str(client_azure.ca),
        "AZURE_TENANT_ID": scene.TENANT_ID,
        "AZURE_CLIENT_ID": scene.CLIENT_ID,
        "AZURE_CLIENT_SECRET": scene.CLIENT_SECRET,
        "SUBSCRIPTION": scene.SUBSCRIPTION_ID,
        "GROUP": scene.RESOURCE_GROUP,
        "OTHER_GROUP": "rg-analytics",
        "LOCATION": scene.LOCATION,
    }


@pytest.fixture
def run_client(client_python: Path, variables: dict[str, str], tmp_path: Path) -> Callable[..., dict[str, object]]:
    """Runs a script of `scripts/` with the clients' interpreter: the JSON object that it writes, and its `stdout`."""

    def run(script: str, **more: str) -> dict[str, object]:
        return _run(client_python, script, variables | more, tmp_path)

    return run


@pytest.fixture(scope="session")
def client_workspace(client_python: Path, variables: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """A workspace that MLClient made, with a cluster `cpu` and an environment `env`: its name."""
    name = f"lab{uuid.uuid4().hex[:6]}"
    said = _run(client_python, "workspace.py", variables | {"WORKSPACE": name}, tmp_path_factory.mktemp("workspace"))
    assert said["name"] == name
    return name


def _run(python: Path, script: str, environment: dict[str, str], folder: Path) -> dict[str, object]:
    answer = folder / "answer.json"  # the clients write what they like to standard output
    command = [str(python), "-W", "ignore", str(SCRIPTS / script)]
    environment = environment | {"ANSWER": str(answer)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    found: dict[str, object] = json.loads(answer.read_text())
    return found | {"stdout": done.stdout}
