"""What a model answers a step is content: it is followed nowhere, tries nothing again, and none of it is kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from shared import services
from shared.hooks import inbox, rule_store
from shared.notify import receivers
from shared.notify.receivers import Outcome
from tests import front
from tests.faults.test_every_machine import Platform, _registered
from tests.serving_azure import PATH, Model
from tests.unit.http.test_canaries_of_every_machine import stored

if TYPE_CHECKING:
    from collections.abc import Iterator

SAID = "CANARYanswer"
WAITS = {"id": "/approvals/20260101T000000Z-0000000000000000", "name": "x", "status": "Pending", "note": SAID}
ERROR = {"error": {"code": "QuotaExceeded", "message": SAID}}
STEP = {"request": f"POST {PATH}/score", "headers": {"azureml-model-deployment": "blue"}, "body": {"x": 1}}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    """The app, and an Azure that serves."""
    made = Platform()
    monkeypatch.setattr(receivers, "post", lambda *_, **__: Outcome(status=200))
    yield made
    services.use(None)


def serve(world: Platform, model: Model) -> None:
    """Let the live deployment answer so."""
    azure: Any = world.steward.azure
    azure.serve()
    azure.models = dict.fromkeys(azure.models, model)


def send(method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    """Send a request, as the unnamed key."""
    return front.told(front.respond(method, path, b"" if body is None else json.dumps(body), **headers))


def _recipe(_world: Platform) -> str:
    retry = {"times": 3, "on": ["QuotaExceeded"]}
    status, run = send("POST", "recipes", {"steps": {"score": {**STEP, "retry": retry}}})
    assert status == 202, run
    return f"recipes/runs/{run['name']}"


def _rule(world: Platform) -> str:
    rules = {"rules": [{"name": "asks", "on": {"types": ["ModelRegistered"]}, "do": [{"name": "score", **STEP}]}]}
    world.steward.blobs.blobs[f"{rule_store.PREFIX}a.yaml"] = json.dumps(rules).encode()
    inbox.store([_registered()], world.app)
    return ""


BEGIN = {"recipe": _recipe, "rule": _rule}


@pytest.mark.parametrize(
    ("status", "says", "ends"),
    [
        (202, WAITS, "Succeeded"),
        (200, WAITS, "Succeeded"),
        (302, ERROR, "Succeeded"),
        (422, ERROR, "Failed"),
        (409, SAID, "Failed"),
        (200, b"[" * 1_500 + b"]" * 1_500, "Succeeded"),
        (200, b"[" * 100_000, "Succeeded"),
        (422, b'{"error":' * 1_500 + b"1" + b"}" * 1_500, "Failed"),
        (200, b'{"n": [1' + b"0" * 5_000 + b", NaN]}", "Succeeded"),
    ],
)
@pytest.mark.parametrize("whose", BEGIN)
def test_it_is_read_and_neither_followed_nor_kept(world: Platform, whose: str, status: int, says: Any, ends: str) -> None:
    """A 202 that names an approval or an operation, an error that looks like Azure's, one that is nested without an end."""
    monitor = "https://localhost/api/operations/0000-1"
    headers = {"operation-location": monitor, "location": monitor, "operation-id": "1"}
    serve(world, Model(status=status, whole=says, headers=headers))
    name = BEGIN[whose](world)
    world.drive()
    where = name or f"events/firings/{send('GET', 'events/firings')[1]['value'][0]['name']}"
    found = send("GET", where)[1]
    (step,) = found["steps"] if whose == "rule" else found["properties"]["steps"]
    assert (found["status"], step.get("answer", step["status"])) == (ends, status), found
    assert world.steward.fuse.calls.count("azure SCORE") == 1
    assert SAID not in json.dumps(found) + stored(world)
