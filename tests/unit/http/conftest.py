"""The HTTP functions in process, in front of the fakes: requests go in as the platform hands them over."""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import azure.functions as func
import pytest

from functions import act, browse, operations, provision, uploads
from infra.local.host import paths
from shared import services
from shared.rest import addresses
from shared.settings import Settings
from tests.fake_azure import SUBSCRIPTION
from tests.steward import Steward

if TYPE_CHECKING:
    from collections.abc import Iterator

BASE = "http://localhost:7071/api"


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
        """Send one request to whatever function has its route; a whole URL is taken as a nextLink is."""
        url = path if path.startswith(BASE) else f"{BASE}/{path}"
        decoded, params = paths.decode(urlsplit(url).path), dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
        url = urlsplit(url)._replace(path=paths.encode(decoded)).geturl()  # as the platform writes it
        body = content.encode() if isinstance(content, str) else content
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        function, route = _function(method, decoded.removeprefix("/api/"))
        req = func.HttpRequest(method=method, url=url, headers=named, params=params, route_params=route, body=body)
        response = asyncio.run(function(req))
        return Answer(
            status=response.status_code,
            headers={name.lower(): value for name, value in response.headers.items()},
            content=response.get_body(),
        )


def _function(method: str, path: str) -> tuple[Any, dict[str, str]]:
    """Return the function that the platform calls for a path, and its route parameters."""
    first, *rest = path.split("/")
    if first.lower() == "operations" and rest:
        named: dict[str, Any] = {"result": operations.read_result, "cancel": operations.cancel_operation}
        return named.get(rest[-1].lower(), operations.read_operation), {"id": rest[0]}
    own = {"operations": operations.list_operations, "uploads": uploads.open_upload, "translate": uploads.translate}
    if first.lower() in own:
        return own[first.lower()], {}
    by_verb = {"GET": browse._browse, "POST": act._act}
    return by_verb.get(method, provision._provision), {"rest": "/".join(rest)}


@contextmanager
def running(client: Any = None) -> Iterator[App]:
    """A fresh app, with one workspace in Azure, or before a client of the test's own."""
    steward = Steward()
    settings = Settings(subscription_id=SUBSCRIPTION, resource_group="rg1", previews=True)
    own = services.Services(settings=settings, clock=steward.clock)
    for name in ("client", "addresses", "ledger", "queue"):
        own.__dict__[name] = getattr(steward.process, name)
    own.__dict__["blobs"] = steward.blobs
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
