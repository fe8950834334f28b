"""A local Azure for Microsoft's own clients, which run in an environment of their own: nothing is set but proxy and CA."""

import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.local import bootstrap, stack
from infra.local.azurite import Azurite, search_path
from infra.local.emulator import scene

SCRIPTS = Path(__file__).parent / "scripts"


def _installed(part: str) -> Path:
    """The interpreter of an environment of bootstrap's, brought up to date first."""
    subprocess.run([sys.executable, str(bootstrap.ROOT / "infra/local/bootstrap.py"), part], check=True)
    return bootstrap.LOCAL / part / "bin" / "python"


@pytest.fixture(scope="session")
def client_python() -> Path:
    """The interpreter that has azure-ai-ml and azure-mgmt-machinelearningservices."""
    return _installed("sdk")


@pytest.fixture(scope="session")
def management_python() -> Path:
    """The interpreter that has the newest azure-mgmt packages of what a workspace stands on."""
    return _installed("mgmt")


@pytest.fixture(scope="session")
def mlflow_python() -> Path:
    """The interpreter that has azureml-mlflow and the newest MLflow that it takes."""
    return _installed("mlflow")


@pytest.fixture(scope="session")
def v1_python() -> Path:
    """The interpreter that has azureml-core."""
    return _installed("v1")


@pytest.fixture(scope="session")
def node() -> str:
    """A Node, with Microsoft's JavaScript clients in the folder of their script."""
    subprocess.run([sys.executable, str(bootstrap.ROOT / "infra/local/bootstrap.py"), "javascript"], check=True)
    return str(shutil.which("node", path=search_path()))


@pytest.fixture(scope="session")
def generators() -> Path:
    """The interpreter beside the generators of clients, which has what their clients import."""
    return _installed("generators")


@pytest.fixture(scope="session")
def typescript() -> str:
    """A Node, with the TypeScript compiler in its folder."""
    subprocess.run([sys.executable, str(bootstrap.ROOT / "infra/local/bootstrap.py"), "typescript"], check=True)
    return str(shutil.which("node", path=search_path()))


@pytest.fixture(scope="session")
def azure_cli() -> Path:
    """`az`, of an environment of its own."""
    return _installed("cli").with_name("az")


@pytest.fixture(scope="session")
def client_options(tmp_path_factory: pytest.TempPathFactory) -> stack.Options:
    """How the parts below are started: without the app's subscription to events."""
    return stack.Options(state=tmp_path_factory.mktemp("clients"), events=False)


@pytest.fixture(scope="session")
def client_storage(client_options: stack.Options) -> Iterator[Azurite]:
    """Storage that only these tests use: two apps on one queue take each other's messages."""
    with stack.start_storage(client_options) as running:
        yield running


@pytest.fixture(scope="session")
def client_azure(client_options: stack.Options, client_storage: Azurite) -> Iterator[stack.Azure]:
    """A local Azure that only these tests use."""
    with stack.start_azure(client_options, client_storage) as running:
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
        "NODE_EXTRA_CA_CERTS": str(client_azure.ca),
        "AZURE_TENANT_ID": scene.TENANT_ID,
        "AZURE_CLIENT_ID": scene.CLIENT_ID,
        "AZURE_CLIENT_SECRET": scene.CLIENT_SECRET,
        "SUBSCRIPTION": scene.SUBSCRIPTION_ID,
        "GROUP": scene.RESOURCE_GROUP,
        "OTHER_GROUP": "rg-analytics",
        "LOCATION": scene.LOCATION,
    }


@pytest.fixture(scope="session")
def through_app(
    client_options: stack.Options, client_storage: Azurite, client_azure: stack.Azure, variables: dict[str, str]
) -> Iterator[dict[str, str]]:
    """What a client is given that is to go through the app: its URL and key, no sign-in of Azure's, and names of its own."""
    dependencies = {
        "storageAccount": scene.STORAGE_ID,
        "keyVault": scene.KEY_VAULT_ID,
        "applicationInsights": scene.INSIGHTS_ID,
        "containerRegistry": scene.REGISTRY_ID,
    }
    with stack.start_app(client_options, client_storage, client_azure) as app:
        kept = {name: value for name, value in variables.items() if name not in ("HTTPS_PROXY", "AZURE_CLIENT_SECRET")}
        yield kept | {"STEWARD": f"{app.url}/api", "KEY": app.key, "DEPENDENCIES": json.dumps(dependencies)}


@pytest.fixture
def run_client(client_python: Path, variables: dict[str, str], tmp_path: Path) -> Callable[..., dict[str, object]]:
    """Runs a script of `scripts/` with the clients' interpreter: the JSON object that it writes, and its `stdout`."""

    def run(script: str, **more: str) -> dict[str, object]:
        return _run(_python(client_python, script), variables | more, tmp_path)

    return run


@pytest.fixture(scope="session")
def client_workspace(client_python: Path, variables: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """A workspace that MLClient made, with a cluster `cpu` and an environment `env`: its name."""
    name = f"lab{uuid.uuid4().hex[:6]}"
    said = _run(_python(client_python, "workspace.py"), variables | {"WORKSPACE": name}, tmp_path_factory.mktemp("workspace"))
    assert said["name"] == name
    return name


@pytest.fixture
def run_command(variables: dict[str, str], tmp_path: Path) -> Callable[..., dict[str, object]]:
    """Runs any client's command line: the JSON object that it writes, and its `stdout`."""

    def run(command: list[str], **more: str) -> dict[str, object]:
        return _run(command, variables | more, tmp_path)

    return run


def _python(interpreter: Path, script: str) -> list[str]:
    """The command that runs a script of `scripts/`."""
    return [str(interpreter), "-W", "ignore", str(SCRIPTS / script)]


def _run(command: list[str], environment: dict[str, str], folder: Path) -> dict[str, object]:
    answer = folder / "answer.json"  # the clients write what they like to standard output
    environment = environment | {"ANSWER": str(answer)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    found: dict[str, object] = json.loads(answer.read_text())
    return found | {"stdout": done.stdout}
