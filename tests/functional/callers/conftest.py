"""A stack for the callers of the docs: a workspace `ml-team`, a webhook that may be called back, and the pages themselves."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from infra.local import stack
from infra.local.demo.client import Control
from infra.local.emulator import scene
from tests.functional.callers.logic_apps import Callbacks, callbacks
from tests.functional.callers.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
PAGES = ("callers.md", "logic-apps.md", "data-factory.md")
QUOTA = {"code": "ClusterCoreQuotaReached", "message": "No cores are left."}
WORKSPACE = {
    "location": scene.LOCATION,
    "identity": {"type": "SystemAssigned"},
    "properties": {
        "storageAccount": scene.STORAGE_ID,
        "keyVault": scene.KEY_VAULT_ID,
        "applicationInsights": scene.INSIGHTS_ID,
        "containerRegistry": scene.REGISTRY_ID,
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The app, the local Azure, and who calls.

    Attributes:
        steward: The app's address, with `/api`.
        session: Past the proxies of this machine, without a key.
        azure: The local Azure's control routes.
        arm: A session of the local Azure's client, under Azure's host names.
    """

    steward: str
    key: str
    session: requests.Session
    azure: Control
    arm: requests.Session

    def wire(self, **elsewhere: Any) -> Wire:
        """Return a new wire."""
        return Wire(session=self.session, **elsewhere)

    def fail_next(self, path: str) -> None:
        """Let the next operation on that path be accepted, and fail."""
        fault = {"action": "fail_operation", "method": "PUT", "match": path, "error": QUOTA}
        self.azure.call("POST", "faults", json=fault)

    def send(self, method: str, path: str, **more: Any) -> requests.Response:
        """Send a request to the app with its key, and wait."""
        headers = {"x-functions-key": self.key, "Prefer": "wait=60", **more.pop("headers", {})}
        return self.session.request(method, f"{self.steward}/{path}", headers=headers, timeout=90, **more)


@pytest.fixture(scope="session")
def called_back() -> Iterator[Callbacks]:
    """The host that the settings allow to be called back."""
    with callbacks() as listening:
        yield listening


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory, called_back: Callbacks) -> Iterator[Place]:
    """Everything, with what the examples take for granted: the workspace."""
    port = called_back.server.server_port
    options = stack.Options(
        state=tmp_path_factory.mktemp("callers"),
        settings={"STEWARD_CALLBACK_HOSTS": f"127.0.0.1:{port} *.westeurope-1.eventgrid.azure.net"},
        events=False,
    )
    with stack.start(options) as parts, requests.Session() as session, requests.Session() as arm:
        session.trust_env = arm.trust_env = False
        arm.proxies, arm.verify = {"https": parts.azure.proxy}, str(parts.azure.ca)
        form = {"grant_type": "client_credentials", "client_id": scene.CLIENT_ID, "client_secret": scene.CLIENT_SECRET}
        signed_in = arm.post(
            f"https://login.microsoftonline.com/{scene.TENANT_ID}/oauth2/v2.0/token",
            data={**form, "scope": "https://management.azure.com/.default"},
            timeout=30,
        )
        arm.headers["Authorization"] = f"Bearer {signed_in.json()['access_token']}"
        made = Place(
            steward=f"{parts.app.url}/api", key=parts.app.key, session=session, azure=Control(parts.azure.control), arm=arm
        )
        answer = made.send("PUT", "workspaces/ml-team", json=WORKSPACE)
        assert answer.ok, answer.text
        yield made


@pytest.fixture(autouse=True)
def untroubled(place: Place) -> Iterator[None]:
    """No fault outlives its test."""
    yield
    place.azure.call("DELETE", "faults")


@pytest.fixture(scope="session")
def blocks() -> dict[tuple[str, str], list[str]]:
    """(Section, language) → the pages' blocks, in order."""
    text = "\n".join((ROOT / "docs" / page).read_text(encoding="utf-8") for page in PAGES)
    found: dict[tuple[str, str], list[str]] = {}
    for section in re.split(r"^##? ", text, flags=re.MULTILINE)[1:]:
        for language, text in re.findall(r"^```(\w+)[^\n]*\n(.*?)^```", section, re.DOTALL | re.MULTILINE):
            found.setdefault((section.splitlines()[0], language), []).append(text)
    return found
