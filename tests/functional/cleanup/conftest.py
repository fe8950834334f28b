"""Storage, a local Azure and the app with its clean-up, for these tests alone: what they delete is nobody else's."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import BlobServiceClient

from infra.local import stack
from infra.local.demo import run
from infra.local.demo.client import Control, Steward
from shared.services import CONTAINER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE_S = 260.0  # what was being sent when its worker was killed is looked at after three minutes
TIMER_S = 3.0
STALE_MODELS = """
disable: ["*"]
policies:
  - name: models
    kind: modelVersion
    staleWhen: {olderThan: P90D, beyondNewest: 3, unreferenced: true}
    action: delete
    mode: enforce
    limits: {count: 1000}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What the tests work with.

    Attributes:
        app: A caller of the app.
        control: The local Azure's control route.
        blobs: The app's own storage, as its operator reaches it.
        parts: The running parts.
        facts: What was seeded: id in lower case → fact.
    """

    app: Steward
    control: Control
    blobs: BlobServiceClient
    parts: stack.Stack
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def seed(self, **sizes: Any) -> None:
        """Begin again with the clean-up's scene."""
        self.control.call("POST", "reset")
        made = self.control.call("POST", "scenes", json={"name": "cleanup", **sizes})
        self.facts.clear()
        self.facts.update({fact["id"].lower(): fact for fact in [*made["stale"], *made["kept"]]})

    def policies(self, text: str, name: str = "ours") -> None:
        """Put a file of policies into the app's storage, once the app has read it without fault."""
        self.app.send("POST", "cleanup/policies", data=text)
        container = self.blobs.get_container_client(CONTAINER)
        with contextlib.suppress(ResourceExistsError):
            container.create_container()
        container.upload_blob(f"cleanup/policies/{name}.yaml", text.encode(), overwrite=True)

    def stale(self, *kinds: str) -> set[str]:
        """Return the ids of what is stale in a workspace, of those kinds."""
        return {key for key, fact in self.facts.items() if fact["stale"] and fact["kind"] in kinds and "/workspaces/" in key}

    def there(self) -> set[str]:
        """Return the ids of everything seeded that is still there."""
        known = {arm_id.lower() for arm_id in self.control.call("GET", "resources")}
        return set(self.facts) & known

    def body(self, arm_id: str) -> dict[str, Any]:
        """Return a resource as it is stored."""
        found: dict[str, Any] = self.control.call("GET", "resources", params={"id": arm_id})
        return found

    def begin(self, query: str) -> str:
        """Begin a run; its name."""
        return str(self.app.send("POST", f"cleanup?{query}", expect=202).json()["name"])

    def ended(self, name: str) -> dict[str, Any]:
        """Return a report once the run has ended, with all its resources."""
        self.until(name, lambda report: "endTime" in report)
        report: dict[str, Any] = self.app.get(f"cleanup/reports/{name}?$top=10000")
        return report

    def until(self, name: str, true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return a report once something is true of it; the timer fires more often than each minute."""
        deadline, timer, report = time.monotonic() + PATIENCE_S, 0.0, dict[str, Any]()
        while time.monotonic() < deadline:
            answer = self.app.send("GET", f"cleanup/reports/{name}?$top=1", expect=(200, 500, 503))  # 500: its worker was killed
            report = answer.json() if answer.ok else report
            if report and true(report):
                return report
            time.sleep(0.5)
            if answer.ok and time.monotonic() > timer:
                self.app.run_timer("cleanup_timer")
                self.app.run_timer("reconcile_operations")  # an operation may have lost its worker, too
                timer = time.monotonic() + TIMER_S
        pytest.fail(f"not ended: { {name: report[name] for name in ('status', 'phase', 'notes')} }")


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The three parts, on free ports; two worker processes."""
    options = run.widened(stack.Options(state=tmp_path_factory.mktemp("cleanup"), workers=2))
    with stack.start(options) as parts, BlobServiceClient.from_connection_string(parts.storage.connection_string()) as blobs:
        app, control = Steward(parts.app.url, parts.app.key, parts.app.master_key), Control(parts.azure.control)
        yield Place(app=app, control=control, blobs=blobs, parts=parts)
        app.close()
        control.close()
