"""Recipes in process: the app's routes as callers ask them, a small Azure, and the platform around both."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shared import machines, services
from shared.api.access import key_book
from shared.cleanup.facts import pacing
from shared.durable import messages
from shared.settings import Settings
from tests import front
from tests.fake_azure import GROUP, SUBSCRIPTION, WORKSPACE
from tests.fakes import FakeQueue, FakeRows
from tests.steward import Steward

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCKS = "providers/Microsoft.Authorization/locks"
LISTS = ("onlineEndpoints", "batchEndpoints", "schedules", "components", "jobs", "services")
CLUSTER = {"location": "westeurope", "properties": {"computeType": "AmlCompute"}}


@dataclass(kw_only=True)
class Kitchen:
    """The app with recipes."""

    steward: Steward = field(default_factory=Steward)
    settings: Settings = field(
        default_factory=lambda: Settings(subscription_id=SUBSCRIPTION, resource_group="rg1", callback_hosts=("queue:told",))
    )

    def __post_init__(self) -> None:
        self.tables = {f"{name}_rows": FakeRows(name, self.steward.fuse) for name in ("hook", "delivery", "cleanup")}
        self.told = FakeQueue(self.steward.clock, self.steward.fuse)
        process = self.steward.process
        self.app = services.Services(settings=self.settings, clock=self.steward.clock)
        for name in ("client", "addresses", "ledger", "queue", "event_queue", "notification_queue", "due"):
            self.app.__dict__[name] = getattr(process, name)
        own = {"blobs": self.steward.blobs, "access_rows": self.steward.access_rows, "reads": pacing.Buckets()}
        self.app.__dict__.update(own | self.tables | {"queue_named": lambda _name: self.told})
        services.use(self.app)
        for path in (f"/subscriptions/{SUBSCRIPTION}/{LOCKS}", f"{GROUP}/{LOCKS}", *(f"{WORKSPACE}/{each}" for each in LISTS)):
            self.steward.azure.resources[path.lower()] = {"value": []}

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Send a request to the app."""
        content = b"" if body is None else body if isinstance(body, str) else json.dumps(body)
        return front.told(front.respond(method, path, content, **headers))

    def key(self, name: str, role: str, below: list[str] | None = None) -> str:
        """Name a key; returns it."""
        secret = f"the key of {name}"
        body = {"role": role, "hash": key_book.hashed(secret)} | ({"scope": {"below": below}} if below else {})
        status, told = self.ask("PUT", f"keys/{name}", body)
        assert status == 200, told
        return secret

    def start(self, steps: dict[str, Any], path: str = "recipes", parameters: Any = None, **headers: str) -> str:
        """Start a recipe of these steps; returns its run's name."""
        body = {"steps": steps} | ({"parameters": parameters} if parameters else {})
        status, run = self.ask("POST", path, body, **headers)
        assert status == 202, run
        return str(run["name"])

    def drive(self, seconds: float = 3600.0) -> None:
        """Let the platform work until nothing is due within so long."""
        clock = self.steward.clock
        end, tick = clock() + timedelta(seconds=seconds), clock() + timedelta(seconds=60)
        while clock() <= end:
            while held := self.steward.queue.receive():
                machines.take(messages.QUEUE, held.text, self.app)
                self.steward.queue.delete(held)
            while held := self.steward.notification_queue.receive():
                machines.take(messages.NOTIFICATION_QUEUE, held.text, self.app)
                self.steward.notification_queue.delete(held)
            if clock() >= tick:
                machines.reconcile(self.app)
                tick = clock() + timedelta(seconds=60)
                continue
            waiting = [held.visible_at for held in self.steward.queue.messages]
            if not waiting and not self.steward.open.rows and not self.steward.due_rows.rows:
                return
            clock.now = max(clock(), min([tick, *waiting]))

    def run(self, name: str) -> Any:
        """Return a run as callers read it."""
        status, run = self.ask("GET", f"recipes/runs/{name}")
        assert status == 200, run
        return run

    def steps(self, name: str) -> dict[str, Any]:
        """Return the steps of a run by name."""
        return {step["name"]: step for step in self.run(name)["properties"]["steps"]}

    def states(self, name: str) -> dict[str, str]:
        """Return the state of each step of a run."""
        return {step: found["status"] for step, found in self.steps(name).items()}


@pytest.fixture
def kitchen() -> Iterator[Kitchen]:
    """A fresh app."""
    yield Kitchen()
    services.use(None)
