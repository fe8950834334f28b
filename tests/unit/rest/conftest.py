"""The client on a wire, at a fixed time."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from azure.core.credentials import AccessToken

from shared.rest import client, clouds, tokens, transport
from tests import wire as wires

NOW = 1_800_000_000.0


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """One certificate for every host."""
    return wires.certify(tmp_path_factory.mktemp("wire") / "wire.pem")


@pytest.fixture
def wire(certificate, monkeypatch):
    """See `tests.wire.running`."""
    with wires.running(certificate, monkeypatch) as running:
        yield running


@dataclass
class Credential:
    """Gives tokens `first`, `second`, … and remembers for which scope."""

    given: list[str]
    scopes: list[str] = field(default_factory=list)

    def get_token(self, *scopes: str, **_kwargs: object) -> AccessToken:
        """Return the next token."""
        self.scopes += scopes
        return AccessToken(self.given.pop(0), int(NOW) + 3_600)


@pytest.fixture
def credential():
    """What the client signs in with."""
    return Credential(given=["first-token", "second-token", "third-token", "fourth-token"])


@pytest.fixture
def monotonic():
    """Seconds that pass when a test says so."""
    return [100.0]


@pytest.fixture
def azure(wire, credential, monotonic):
    """A client of the public cloud on the wire, at a fixed time."""
    session = transport.Session()
    signed_in = tokens.Tokens(lambda: credential, clock=lambda: NOW)
    yield client.Client(clouds.PUBLIC, signed_in, make_session=lambda: session, clock=lambda: NOW, monotonic=lambda: monotonic[0])
    session.close()
