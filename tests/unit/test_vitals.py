"""What the app tells of itself: queues, open operations, allowances, the sign-in; each for itself."""

from __future__ import annotations

from typing import Any

import pytest

from shared import services, vitals
from shared.rest import errors
from shared.settings import Settings
from tests.steward import Steward

DEPTHS = {"steward-operations": 4, "steward-cleanup-poison": 2}


class Client:
    """Azure as far as vitals ask."""

    throttled = 3
    refusal: errors.StewardError | None = None

    def allowances(self) -> list[tuple[str, str, int, int]]:
        """See `Client.allowances`."""
        return [("s1", "reads", 200, 250)]

    def token(self, scope: str) -> str:
        """See `Client.token`."""
        assert scope == "https://management.azure.com/.default"
        if self.refusal:
            raise self.refusal
        return "a token"


@pytest.fixture
def steward() -> Steward:
    """The app's storage."""
    return Steward()


@pytest.fixture
def app(steward: Steward, monkeypatch: pytest.MonkeyPatch) -> services.Services:
    """The services that vitals look at."""
    app = services.Services(settings=Settings(), clock=steward.clock)
    app.__dict__.update(client=Client(), ledger=steward.ledger, blobs=steward.blobs)
    monkeypatch.setattr(services.Services, "depth", lambda _, name: DEPTHS.get(name, 0))
    return app


def submit(steward: Steward, name: str) -> Any:
    """Record an operation that waits to be sent."""
    body = {"location": "westeurope", "identity": {"type": "SystemAssigned"}, "properties": {}}
    return steward.submit("PUT", f"workspaces/{name}", body, respond_async=True)


def test_every_queue_is_told_with_its_poison(app: services.Services) -> None:
    """A queue that nobody has written to yet is empty."""
    found = {each["name"]: each for each in vitals.look(app)["queues"]}
    assert set(found) == set(vitals.QUEUES)
    assert found["steward-operations"] == {"name": "steward-operations", "messages": 4, "poison": 0}
    assert found["steward-cleanup"]["poison"] == 2


def test_the_oldest_open_operation_is_told_with_its_age(app: services.Services, steward: Steward) -> None:
    """The first that was accepted and has not ended; one that ended but still stands on the list does not count as it."""
    assert vitals.look(app)["operations"] == {"open": 0}
    first = submit(steward, "ws-first")
    steward.clock.advance(100)
    submit(steward, "ws-second")
    steward.clock.advance(20)
    found = vitals.look(app)["operations"]
    assert found["open"] == 2
    assert (found["oldest"]["name"], found["oldest"]["ageS"]) == (first.id, 120)

    steward.edit(first, phase="ended", status="Canceled")
    assert vitals.look(app)["operations"]["oldest"]["target"].endswith("ws-second")


def test_events_put_aside_are_counted(app: services.Services, steward: Steward) -> None:
    """They wait below `hooks/dead/` for somebody to look."""
    steward.blobs.put("hooks/dead/1.json", b"{}")
    steward.blobs.put("hooks/other.json", b"{}")
    assert vitals.look(app)["eventsPutAside"]["count"] == 1


def test_what_azure_still_allows_is_told(app: services.Services) -> None:
    """As its last answers told this process."""
    found = vitals.look(app)["throttling"]
    assert found == {"refused": 3, "allowances": [{"subscription": "s1", "allowance": "reads", "left": 200, "of": 250}]}


def test_a_part_that_cannot_be_read_hides_no_other(app: services.Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason stands where the numbers would, and no token or header does."""

    def down(_self: Any, _name: str) -> int:
        raise errors.UnreachableError("The app's own storage failed.", delay_s=5, maybe_arrived=True, code="StorageUnavailable")

    assert vitals.look(app)["status"] == "up"
    monkeypatch.setattr(services.Services, "depth", down)
    refusal = errors.RejectedError(errors.AzureError(code="SignInFailed", message="No token."), status=502)
    monkeypatch.setattr(Client, "refusal", refusal)
    found = vitals.look(app)
    assert found["status"] == "degraded"
    assert found["queues"]["error"]["code"] == "StorageUnavailable"
    assert found["token"] == {"error": {"code": "SignInFailed", "message": "No token."}}
    assert found["operations"] == {"open": 0}
