"""The app on storage in memory with expiries: requests go in over HTTP, and time passes as far as a test says."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shared import services
from tests import front
from tests.fake_azure import GROUP, WORKSPACE
from tests.faults.test_every_machine import QUEUES, Platform

if TYPE_CHECKING:
    from collections.abc import Iterator

CLUSTER = {"location": "westeurope", "properties": {"computeType": "AmlCompute"}}
COMPUTE = "workspaces/w1/computes/gpu"
LOCKS = f"{GROUP}/providers/Microsoft.Authorization/locks"
TOLD = {"notify": ("queue:told",)}


@dataclass(kw_only=True)
class Stage:
    """The app and its clock.

    Attributes:
        world: Storage, queues, Azure.
    """

    world: Platform = field(default_factory=lambda: Platform(settings=TOLD))

    def __post_init__(self) -> None:
        self.azure, self.clock = self.world.steward.azure, self.world.clock

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Send a request, and return status and JSON of the answer."""
        content = body if isinstance(body, str) else json.dumps(body) if body is not None else ""
        return front.told(front.respond(method, path, content, **{"content_type": "application/json", **headers}))

    def put(self, path: str = COMPUTE, body: Any = None, **headers: str) -> dict[str, Any]:
        """Create something that expires, wait for it, and return its expiry."""
        status, answer = self.send("PUT", path, CLUSTER if body is None else body, **headers)
        assert status in (200, 201, 202), answer
        name = answer["properties"]["expires"]["name"]
        self.wait(60)
        return self.expiry(name)

    def expiry(self, name: str) -> dict[str, Any]:
        """Return an expiry as callers read it."""
        status, found = self.send("GET", f"expiries/{name}")
        assert status == 200, found
        return dict(found)

    def wait(self, seconds: float) -> None:
        """Let time pass: the platform delivers messages when they are due, and fires the timer each minute."""
        end = self.clock() + timedelta(seconds=seconds)
        while self.clock() <= end:
            while self.world._deliver():
                pass
            if self.clock().second == 0 and self.clock().microsecond == 0:
                self.world._tick()
                while self.world._deliver():
                    pass
            waiting = [held.visible_at for name in QUEUES for held in self.world.queue(name).messages]
            minute = self.clock().replace(second=0, microsecond=0) + timedelta(minutes=1)
            if (following := min([minute, *waiting])) > end:
                break
            self.clock.now = max(following, self.clock() + timedelta(microseconds=1))
        self.clock.now = end

    def deletes(self) -> list[str]:
        """Return what was deleted in Azure."""
        return [each for each in self.azure.effects if each.startswith("DELETE")]

    def told(self) -> list[str]:
        """Return the types of the events of expiries that receivers got, in their order."""
        found = [json.loads(held.text)["type"].removeprefix("azureml-steward.") for held in self.world.told.messages]
        return [each for each in found if each.startswith("expiry.")]

    def sent_at(self, method: str) -> datetime:
        """Return when the newest request of a method was accepted."""
        return next(each.created_at for each in self.world.app.ledger.newest(top=9) if each.method == method)

    def lock(self) -> None:
        """Lock the resource group."""
        self.azure.put(f"{LOCKS}/held", {"properties": {"level": "CanNotDelete"}})
        self.azure.resources[f"{LOCKS}/held".lower()]["id"] = f"{GROUP}{LOCKS.removeprefix(GROUP)}/held"

    def namesake(self, path: str = f"{WORKSPACE}/computes/gpu") -> None:
        """Delete a resource behind the app's back, and make another one of its name."""
        del self.azure.resources[path.lower()]
        self.azure._store(path, CLUSTER, "Succeeded")


@pytest.fixture
def stage() -> Iterator[Stage]:
    """See `Stage`."""
    yield Stage()
    services.use(None)
