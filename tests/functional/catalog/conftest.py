"""A caller of the app, and the local Azure's log of what reached it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import requests

from infra.local.emulator import scene

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.local import stack

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
DEADLINE_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Calls the app as anybody does: HTTP and a function key."""

    url: str
    session: requests.Session

    def send(self, method: str, path: str, **more: Any) -> requests.Response:
        """Send one request."""
        return self.session.request(method, f"{self.url}/api/{path}", timeout=60, **more)

    def done(self, method: str, path: str, **more: Any) -> Any:
        """Send one request and follow it to its end; return the body."""
        answer = self.send(method, path, **more)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        if answer.status_code != 202 or "Location" not in answer.headers:
            return answer.json() if answer.content else None
        end = time.monotonic() + DEADLINE_S
        monitor = answer.headers["Operation-Location"]
        while time.monotonic() < end:
            state = self.session.get(f"{monitor}?wait=5", timeout=60).json()
            if state["status"] not in ("NotStarted", "Running"):
                assert state["status"] == "Succeeded", state["error"]
                return state["properties"].get("result")
        raise AssertionError(f"{method} {path} did not end in {DEADLINE_S} s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Azure:
    """The local Azure's control routes."""

    url: str
    session: requests.Session

    def last(self) -> int:
        """Return the number of the newest request."""
        log = self.session.get(f"{self.url}/_control/requests", timeout=30).json()
        return max((entry["order"] for entry in log), default=0)

    def since(self, order: int, **filters: str) -> list[dict[str, Any]]:
        """Return what was received after `order`."""
        found: list[dict[str, Any]] = self.session.get(
            f"{self.url}/_control/requests", params={"after": str(order), **filters}, timeout=30
        ).json()
        return found

    def seed(self, *resources: tuple[str, dict[str, Any]]) -> None:
        """Put resources into the local Azure, each an id and a body, as if they had been made."""
        body = [{"id": arm_id, "body": each} for arm_id, each in resources]
        answer = self.session.post(f"{self.url}/_control/resources", json=body, timeout=30)
        assert answer.ok, answer.text

    def put(self, route: str, body: Any) -> None:
        """Set something."""
        answer = self.session.put(f"{self.url}/_control/{route}", json=body, timeout=30)
        assert answer.ok, answer.text


@pytest.fixture(scope="session")
def caller(app: stack.App) -> Iterator[Caller]:
    """Somebody with a function key."""
    with requests.Session() as session:
        session.trust_env = False
        session.headers["x-functions-key"] = app.key
        yield Caller(url=app.url, session=session)


@pytest.fixture(scope="session")
def azure(emulator: stack.Azure) -> Iterator[Azure]:
    """The local Azure behind the app."""
    with requests.Session() as session:
        session.trust_env = False
        yield Azure(url=emulator.control, session=session)


@pytest.fixture(scope="module")
def workspace(caller: Caller, request: pytest.FixtureRequest) -> str:
    """A workspace of this module's own: `workspaces/{name}`."""
    name = "ws-" + request.module.__name__.rpartition("test_")[2].replace("_", "-")[:28]
    caller.done("PUT", f"workspaces/{name}", json=WORKSPACE)
    return f"workspaces/{name}"
