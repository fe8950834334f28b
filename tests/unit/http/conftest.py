"""The HTTP functions in process, in front of the fakes: requests go in as the platform hands them over."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from shared import services
from shared.rest import addresses
from shared.settings import Settings
from tests import front
from tests.fake_azure import SUBSCRIPTION
from tests.fakes import FakeQueue, FakeRows
from tests.steward import Steward

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def body(self) -> Any:
        """Its JSON."""
        return json.loads(self.content)

    @property
    def said(self) -> str:
        """The error's message."""
        return str(self.body["error"]["message"])


@dataclass(frozen=True, kw_only=True)
class App:
    """The functions, and everything behind them."""

    steward: Steward

    def send(self, method: str, path: str, content: bytes | str = b"", **headers: str) -> Answer:
        """Send one request to the function of its route; a whole URL is taken as a nextLink is."""
        response = front.respond(method, path, content, **headers)
        return Answer(
            status=response.status_code,
            headers={name.lower(): value for name, value in response.headers.items()},
            content=response.get_body(),
        )


@contextmanager
def running(client: Any = None) -> Iterator[App]:
    """A fresh app, with one workspace in Azure, or before a client of the test's own."""
    steward = Steward()
    settings = Settings(subscription_id=SUBSCRIPTION, resource_group="rg1", previews=True, address=front.BASE)
    own = services.Services(settings=settings, clock=steward.clock)
    for name in ("client", "addresses", "ledger", "queue", "due", "scoring", "score_gates"):
        own.__dict__[name] = getattr(steward.process, name)
    own.__dict__["blobs"] = steward.blobs
    own.__dict__["access_rows"] = steward.access_rows
    for name in ("cleanup_rows", "hook_rows", "delivery_rows", "cost_rows"):
        own.__dict__[name] = FakeRows(name.partition("_")[0], steward.fuse)
    for name in ("cleanup_queue", "event_queue", "notification_queue"):
        own.__dict__[name] = FakeQueue(steward.clock, steward.fuse)
    if client:
        own.__dict__["client"] = steward.process.client = client
        own.__dict__["addresses"] = steward.process.addresses = addresses.Addresses(client)
    services.use(own)
    try:
        yield App(steward=steward)
    finally:
        services.use(None)


@pytest.fixture
def app() -> Iterator[App]:
    """See `running`."""
    with running() as opened:
        yield opened


@pytest.fixture(scope="session")
def run_app() -> Any:
    """`running`, for tests that need an app for each example."""
    return running
