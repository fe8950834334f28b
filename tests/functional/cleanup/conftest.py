"""Storage, a local Azure and the app with its clean-up, for these tests alone: what they delete is nobody else's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import requests
from azure.storage.blob import BlobServiceClient

from infra.local import stack
from infra.local.demo.client import Control, Steward
from infra.local.emulator import scene

if TYPE_CHECKING:
    from collections.abc import Iterator

APP = """\
import azure.functions as func

from functions import act, browse, cleanup, operations, poll, provision, reconcile

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
for each in (act, browse, cleanup, operations, poll, provision, reconcile):
    app.register_functions(each.blueprint)
"""
SETTINGS = {
    "STEWARD_CLEANUP_MODE": "enforce",
    "STEWARD_CLEANUP_MODEL_KEEP": "1",
    "STEWARD_CLEANUP_SCHEDULE": "0 0 3 1 1 *",
}
WORKSPACE = "ml-clean"
WORKSPACE_ID = f"{scene.GROUP_ID}/providers/Microsoft.MachineLearningServices/workspaces/{WORKSPACE}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """ARM as any caller reaches it, and the control route to age what it made."""

    session: requests.Session
    control: Control

    def put(self, path: str, body: dict[str, Any]) -> None:
        """Make a resource of the workspace ('' is the workspace itself)."""
        url = f"https://management.azure.com{WORKSPACE_ID}{path and '/' + path}?api-version=2025-12-01"
        answer = self.session.put(url, json={"location": scene.LOCATION, **body}, timeout=30)
        assert answer.ok, answer.text

    def age(self, path: str, body: dict[str, Any]) -> None:
        """Merge `body` into what is stored."""
        self.control.call("PATCH", "resources", params={"id": f"{WORKSPACE_ID}/{path}"}, json=body)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[stack.Stack]:
    """The three parts, on free ports."""
    root = tmp_path_factory.mktemp("app")
    (root / "function_app.py").write_text(APP)
    for name in ("functions", "shared", "host.json"):
        (root / name).symlink_to(stack.ROOT / name)
    options = stack.Options(state=tmp_path_factory.mktemp("cleanup"), settings=SETTINGS, root=root)
    with stack.start(options) as parts:
        yield parts


@pytest.fixture(scope="module")
def steward(running: stack.Stack) -> Iterator[Steward]:
    """A caller of the app."""
    caller = Steward(running.app.url, running.app.key, running.app.master_key)
    yield caller
    caller.close()


@pytest.fixture(scope="module")
def arm(running: stack.Stack) -> Iterator[Arm]:
    """ARM with a token, past the app."""
    session, control = requests.Session(), Control(running.azure.control)
    session.trust_env = False
    session.proxies = {"https": running.azure.proxy}
    session.verify = str(running.azure.ca)
    form = {"grant_type": "client_credentials", "client_id": scene.CLIENT_ID, "client_secret": scene.CLIENT_SECRET}
    form["scope"] = "https://management.azure.com/.default"
    answer = session.post(f"https://login.microsoftonline.com/{scene.TENANT_ID}/oauth2/v2.0/token", data=form, timeout=30)
    session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    yield Arm(session=session, control=control)
    control.close()
    session.close()


@pytest.fixture(scope="module")
def model_uri(running: stack.Stack) -> str:
    """A file that models can point to."""
    with BlobServiceClient.from_connection_string(running.storage.connection_string(scene.STORAGE_ACCOUNT)) as service:
        service.create_container("models").upload_blob("model.txt", b"y = x")
    return f"https://{scene.STORAGE_ACCOUNT}.blob.core.windows.net/models/model.txt"
