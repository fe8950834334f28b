"""The newest clients of Microsoft's beside azure-ai-ml, unchanged, against the local Azure: Python's for ARM, JavaScript's."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.local.emulator import scene

pytestmark = pytest.mark.timeout(300)
HERE = Path(__file__).parent
type Run = Callable[..., dict[str, Any]]


def test_the_newest_management_clients_make_what_a_workspace_stands_on(run_command: Run, management_python: Path) -> None:
    """Names are asked for, resources made, listed, deleted and recovered; tags, existence, a deployment at the subscription."""
    end = uuid.uuid4().hex[:6]
    said = run_command([str(management_python), "-W", "ignore", str(HERE / "scripts/neighbours.py")], WORKSPACE=f"lab{end}")
    assert said["storage"] == [True, "Succeeded", "AlreadyExists", 2, True]
    assert said["vault"] == [True, "AlreadyExists", True, f"kv-{end}", []]
    assert said["registry"] == [f"acr{end}.azurecr.io", f"acr{end}", False]
    assert said["insights"]
    assert said["resources"] == {
        "of type": True,
        "by part": [f"kv-{end}", f"acr{end}", f"ai-{end}"],
        "tagged": [f"ai-{end}"],
        "exists": [True, False],
        "groups": [True, False],
        "tags": {"run": end},
    }
    assert said["deployment"] == ["Succeeded", scene.LOCATION, True, False, "1.0.0.0", True]
    assert said["old version"] == "NoRegisteredProviderFound"


def test_javascripts_clients_work(run_command: Run, node: str, client_workspace: str) -> None:
    """`beginDeleteAndWait` of a compute polls with a parameter of its own; `…ById` sends two slashes."""
    said = run_command([node, str(HERE / "javascript/clients.mjs")], WORKSPACE=client_workspace)
    assert said["learning"] == [client_workspace, "js-cluster", False]
    assert said["resources"] == {
        "byId": client_workspace,
        "exists": [True, False],
        "listed": ["Microsoft.MachineLearningServices/workspaces"],
        "groups": True,
    }
    assert said["storage"] == [True, f"js{client_workspace[-6:]}", 2]
