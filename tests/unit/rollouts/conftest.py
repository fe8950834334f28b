"""An app before an endpoint that serves, and what a caller asks of it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shared import services
from shared.api.answer import Later
from shared.api.call import Call, Caller
from shared.rest import errors
from shared.rollouts import rollout_record
from shared.route_table import ROUTES
from tests.fakes import Killed
from tests.faults.test_every_machine import QUEUES, Platform
from tests.serving_azure import PATH, Model, ServingAzure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.catalog.grants import Grant
    from shared.rollouts.rollout_record import Rollout

BODY: dict[str, Any] = {
    "deployment": "green",
    "body": {"like": "blue", "model": "azureml:green:1"},
    "smoke": [{"send": {"x": 1}, "expect": "body.score"}],
    "golden": [{"send": {"x": 2}, "tolerance": 0.05}],
    "steps": [10, 50, 100],
    "bake": "PT10M",
    "gate": {"errorRate": {"atMost": 0.05}, "p95": {"atMostOf": "blue", "times": 1.5}, "leastRequests": 50},
    "keepOld": "PT2H",
}


def asked(app: Any, verb: str, below: str = "", body: Any = None, sender: Caller | None = None, **headers: str) -> Any:
    """Send a request about rollouts of the endpoint to an app; returns the JSON of the answer."""
    path = f"{PATH}/rollout{below}"
    row = next(each for each in ROUTES if each.about and each.verb == verb and each.takes(path))
    content = json.dumps(body).encode() if body is not None else b""
    call = Call(method=verb, path=path, headers=headers, body=content, named=row.named(path), sender=sender or Caller())
    found = row.handler(call, app)
    return json.loads((found.answer() if isinstance(found, Later) else found).content)


class World(Platform):
    """The app, and an Azure that serves."""

    azure: ServingAzure

    def __post_init__(self) -> None:
        super().__post_init__()
        self.azure = ServingAzure(self.clock, self.fuse)
        self.steward.azure = self.azure
        self.restart()

    def send(self, verb: str, below: str = "", body: Any = None, sender: Caller | None = None, **headers: str) -> Any:
        """Send a request; returns the JSON of the answer."""
        return asked(self.app, verb, below, body, sender, **headers)

    def everywhere(self, *grants: Grant) -> list[str]:
        """Return the ids that GET `rollouts` lists for a caller who may do so much."""
        row = next(each for each in ROUTES if each.id == "rollouts")
        call = Call(method="GET", path="rollouts", headers={}, body=b"", named={}, sender=Caller(grants=grants))
        return [each["name"] for each in json.loads(row.handler(call, self.app).content)["value"]]

    def begin(self, sender: Caller | None = None, **changes: Any) -> str:
        """Begin a rollout; returns its id."""
        body = {name: value for name, value in {**BODY, **changes}.items() if value is not None}
        return str(self.send("POST", "", body, sender, **{"idempotency-key": "k", "callback-url": "queue:told"})["name"])

    def record(self) -> Rollout:
        """Return the one rollout; looking is no call of the app's."""
        rows = self.tables["cleanup_rows"].rows.values()
        (found,) = (row for row in rows if row.partition.startswith(rollout_record.PREFIX) and row.key != rollout_record.OPEN)
        return rollout_record.from_row(found)

    def until(self, seconds: float) -> None:
        """Let so much time pass, and the platform work."""
        end = self.clock().timestamp() + seconds
        while self.clock().timestamp() < end:
            try:
                while self._deliver():
                    pass
                self._tick()
            except Killed:
                self.restart()
            self.clock.advance(min(20.0, end - self.clock().timestamp()))

    def minute(self) -> None:
        """Let a minute pass: messages as they come, then the timer; a process that dies is followed by another."""
        end = self.clock() + timedelta(seconds=60)
        while self.clock() < end:
            try:
                while self._deliver():
                    pass
                if self.clock() + timedelta(seconds=1) >= end:
                    self._tick()
            except Killed:
                self.restart()
                continue
            waiting = [held.visible_at for name in QUEUES for held in self.queue(name).messages]
            self.clock.now = max(self.clock() + timedelta(seconds=1), min([end - timedelta(seconds=1), *waiting]))

    def events(self) -> list[str]:
        """Return the types of what others were told, each once, in their order."""
        told = {}
        for held in self.told.messages:
            event = json.loads(held.text)
            told[event["id"]] = event["type"].removeprefix("azureml-steward.rollout.")
        return list(told.values())


@pytest.fixture
def world() -> Iterator[World]:
    """A live deployment `blue`, and good models to roll out."""
    made = World()
    made.azure.serve(green=Model())
    yield made
    services.use(None)


__all__ = ["BODY", "Model", "World", "errors"]
