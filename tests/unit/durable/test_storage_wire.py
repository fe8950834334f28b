"""Requests to the app's own storage on a real wire: who we are, what goes out again, and what an answer means."""

from __future__ import annotations

import select
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError

from shared import services
from shared.durable import storage
from shared.durable.account import storage_credentials, storage_wire, table_rows
from shared.durable.storage_clock import StorageClock
from shared.rest import errors
from shared.settings import Settings
from tests import wire as wires
from tests.wire import CLOSE, RESET, answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.wire import Wire

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
ROW = storage.Row(partition="it's", key="a/b", columns={"n": 1}, etag='W/"1"')
CONNECTION = "AccountName=own;AccountKey=c2VjcmV0"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One certificate for every host."""
    return wires.certify(tmp_path_factory.mktemp("tls") / "wire.pem")


@pytest.fixture
def wire(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """Storage; tries follow at once."""
    monkeypatch.setattr(storage_wire, "BACKOFF_S", 0.0)
    with wires.running(certificate, monkeypatch) as running:
        yield running


@pytest.fixture
def app(wire: Wire) -> Iterator[services.Services]:
    """The app on an account that a key opens."""
    yield from _opened(Settings(storage=CONNECTION))


def _opened(settings: Settings) -> Iterator[services.Services]:
    opened = services.Services(settings=settings)
    yield opened
    opened._pool.session.close()


def _rows(app: services.Services) -> table_rows.TableRows:
    return table_rows.TableRows(app._tables, "own")


def _write(*verbs: Any) -> Callable[[services.Services], object]:
    return lambda app: _rows(app).write([storage.Change(verb=verb, row=ROW) for verb in verbs])


CALLS: dict[str, Callable[[services.Services], object]] = {
    "get": lambda app: _rows(app).get("p", "k"),
    "put": lambda app: _rows(app).put(ROW),
    "delete": lambda app: _rows(app).delete("p", "k"),
    "query": lambda app: list(_rows(app).query()),
    "replace": _write("replace"),
    "insert": _write("insert"),
    "delete if": _write("delete"),
    "batch": _write("insert", "replace"),
    "message": lambda app: app.queue_named("own").send("x"),
}
ONCE = ("insert", "delete if", "batch")  # what may not arrive twice


def _asked(wire: Wire, app: services.Services, call: str) -> tuple[int, str]:
    """Make a call; return how many requests it took, and how it ended."""
    try:
        CALLS[call](app)
    except errors.UnreachableError as failed:
        end = str(failed).removeprefix("StorageUnavailable: The app's own storage failed: ")
    except storage.ConflictError:
        end = "conflict"
    else:
        end = "done"
    return len(wire.seen), end


DONE = {
    "get": answer(404, b'{"odata.error":{"code":"ResourceNotFound"}}'),
    "query": answer(200, b'{"value":[]}'),
    "message": answer(201),
    "batch": answer(202, b"HTTP/1.1 204 No Content\r\nETag: 1\r\n\r\n--x\r\nHTTP/1.1 204 No Content\r\nETag: 2\r\n\r\n--x--"),
}


def _done(call: str) -> bytes:
    return DONE.get(call) or answer(204, media="", ETag="1")


@pytest.mark.parametrize("call", CALLS)
def test_a_broken_connection_is_tried_again_where_the_request_may_arrive_twice(
    wire: Wire, app: services.Services, call: str
) -> None:
    """As azure-data-tables and azure-storage-queue do."""
    wire.will(RESET)
    wire.will(_done(call))
    tries, end = _asked(wire, app, call)
    assert (tries, end) == ((1, "ProxyError.") if call in ONCE else (2, "done"))


@pytest.mark.parametrize("call", CALLS)
def test_a_connection_that_storage_closed_meanwhile_costs_nothing(wire: Wire, app: services.Services, call: str) -> None:
    """Azure closes connections that are idle; whatever goes out next finds that before it is sent."""
    wire.will(_done(call), CLOSE)
    wire.will(_done(call))
    assert _asked(wire, app, call) == (1, "done")
    used: Any = app._messages if call == "message" else app._tables
    kept = next(each for each in used._connections.ways.to(used._server).pool.pool.queue if each)
    assert select.select([kept.sock], [], [], 30)[0]  # what storage sent with its farewell has come
    assert _asked(wire, app, call) == (2, "done")
    assert [each.connection for each in wire.seen] == [1, 2]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("call", CALLS)
def test_what_storage_says_is_over_soon_is_tried_again(wire: Wire, app: services.Services, call: str, status: int) -> None:
    """A write that may not arrive twice only where storage says that it failed, or when to come again."""
    for _ in range(2):
        wire.will(answer(status, b'{"odata.error":{"code":"ServerBusy"}}'))
    wire.will(_done(call))
    repeated = call not in ONCE or status in (500, 503, 504)
    assert _asked(wire, app, call) == ((3, "done") if repeated else (1, "ServerBusy."))


def test_storage_says_when_to_come_again_and_three_tries_are_all(wire: Wire, app: services.Services) -> None:
    """A wait that is longer than a caller may wait is no wait."""
    for _ in range(4):
        wire.will(answer(429, retry_after="0"))
    assert _asked(wire, app, "insert") == (3, "HTTP 429.")
    wire.answers = [[answer(429, retry_after="60")]]
    assert _asked(wire, app, "get") == (4, "HTTP 429.")


CONFLICTS = {
    (409, "EntityAlreadyExists"): "conflict",
    (412, "UpdateConditionNotSatisfied"): "conflict",
    (404, "ResourceNotFound"): "conflict",
    (404, "TableNotFound"): "TableNotFound.",
    (409, "TableBeingDeleted"): "TableBeingDeleted.",
    (413, "RequestBodyTooLarge"): "RequestBodyTooLarge.",
    (403, "AuthorizationFailure"): "AuthorizationFailure.",
}


@pytest.mark.parametrize("call", ["insert", "replace", "delete if", "batch", "the whole batch"])
@pytest.mark.parametrize(("status", "code"), CONFLICTS)
def test_a_write_that_does_not_fit_is_a_conflict_and_a_table_that_is_gone_is_none(
    wire: Wire, app: services.Services, call: str, status: int, code: str
) -> None:
    """Nothing was there first where the table is going: an acceptance that tried again at once would do so for ever."""
    body = b'{"odata.error":{"code":"%s","message":{"value":"0:x"}}}' % code.encode()
    part = b"--c\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 %d Reason\r\nContent-ID: 1\r\n\r\n%s\r\n--c--\r\n" % (
        status,
        body,
    )
    wire.will(answer(202, part) if call == "batch" else answer(status, body))
    tries, end = _asked(wire, app, call.removeprefix("the whole "))
    assert (tries, end) == (1, CONFLICTS[status, code])


def test_every_request_is_signed_and_says_when(wire: Wire, app: services.Services) -> None:
    """And storage's clock is heard in each answer."""
    wire.will(answer(404, b'{"odata.error":{"code":"ResourceNotFound"}}', Date="Mon, 02 Mar 2026 09:30:00 GMT"))
    CALLS["get"](app)
    (seen,) = wire.seen
    assert seen.host == "own.table.core.windows.net"
    assert seen.headers["authorization"].startswith("SharedKeyLite own:")
    assert seen.headers["x-ms-date"].endswith("GMT")
    assert isinstance(app.clock, StorageClock)
    assert app.clock.measured


class Credential:
    """Gives a token for each tenant; Entra ID may refuse it."""

    def __init__(self, refusal: Exception | None = None) -> None:
        self.asked: list[str] = []
        self._refusal = refusal

    def get_token(self, *_scopes: str, tenant_id: str = "home", **_: Any) -> AccessToken:
        """See azure-identity."""
        self.asked.append(tenant_id)
        if self._refusal:
            raise self._refusal
        return AccessToken(f"of-{tenant_id}", 4_000_000_000)


@pytest.fixture
def by_identity(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[services.Services, Credential]]:
    """The app on an account without keys."""
    credential = Credential()
    monkeypatch.setattr(services.Services, "_identity", lambda _: credential)
    own = "https://own.{}.core.windows.net/"
    for app in _opened(Settings(table_uri=own.format("table"), queue_uri=own.format("queue"))):
        yield app, credential


def test_one_token_is_enough_for_many_requests(wire: Wire, by_identity: tuple[services.Services, Credential]) -> None:
    """It is kept until it ends."""
    app, credential = by_identity
    for _ in range(3):
        wire.will(_done("put"))
        CALLS["put"](app)
    assert {each.headers["authorization"] for each in wire.seen} == {"Bearer of-home"}
    assert credential.asked == ["home"]


def test_storage_names_the_tenant_that_it_trusts(wire: Wire, by_identity: tuple[services.Services, Credential]) -> None:
    """One more try with a token of that one; what is refused then is refused."""
    app, credential = by_identity
    challenge = (
        "Bearer authorization_uri=https://login.microsoftonline.com/other/oauth2/authorize resource_id=https://storage.azure.com"
    )
    refused = answer(401, b'{"odata.error":{"code":"InvalidAuthenticationInfo"}}', WWW_Authenticate=challenge)
    wire.will(refused)
    wire.will(_done("put"))
    assert _asked(wire, app, "put") == (2, "done")
    assert [each.headers["authorization"] for each in wire.seen] == ["Bearer of-home", "Bearer of-other"]
    wire.will(refused)
    wire.will(refused)
    assert _asked(wire, app, "put") == (4, "InvalidAuthenticationInfo.")
    assert credential.asked == ["home", "other", "other"]


def test_an_identity_that_cannot_sign_in_is_storage_out_of_reach(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue tries again; the caller's request is not what is wrong."""
    credential = Credential(ClientAuthenticationError("no such identity"))
    monkeypatch.setattr(services.Services, "_identity", lambda _: credential)
    for app in _opened(Settings(table_uri="https://own.table.core.windows.net")):
        assert _asked(wire, app, "get") == (0, "SignInFailed.")


def test_a_shared_access_signature_goes_with_each_request(wire: Wire) -> None:
    """Behind what is asked."""
    for app in _opened(Settings(storage="AccountName=own;SharedAccessSignature=?sv=1&sig=a%2Bb")):
        wire.will(_done("query"))
        wire.will(_done("message"))
        CALLS["query"](app)
        CALLS["message"](app)
    assert [each.line.split()[1] for each in wire.seen] == [
        "/own()?sv=1&sig=a%2Bb",
        "/own/messages?messagettl=-1&visibilitytimeout=0&sv=1&sig=a%2Bb",
    ]
    assert not any("authorization" in each.headers for each in wire.seen)


@pytest.mark.parametrize("sort", ["table", "queue"])
@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("AccountName=own;AccountKey=c2U=", "https://own.{}.core.windows.net"),
        (
            "DefaultEndpointsProtocol=http;AccountName=own;AccountKey=c2U=;EndpointSuffix=core.chinacloudapi.cn",
            "http://own.{}.core.chinacloudapi.cn",
        ),
        ("TableEndpoint=https://t/x/;QueueEndpoint=https://q/x/;SharedAccessSignature=s", None),
    ],
)
def test_a_connection_string_says_where_storage_is(sort: str, text: str, base: str | None) -> None:
    """By its endpoint, or by the account's name and the cloud's suffix."""
    found, _ = storage_credentials.of_connection_string(text, sort)
    assert found == (base.format(sort) if base else f"https://{sort[0]}/x/")


@pytest.mark.parametrize("text", ["not a connection string", "AccountName=own", "AccountKey=c2U=", "TableEndpoint=https://t"])
def test_a_connection_string_without_a_proof_is_refused(text: str) -> None:
    """It says what is expected."""
    with pytest.raises(ValueError, match="expected AccountName and AccountKey, or SharedAccessSignature"):
        storage_credentials.of_connection_string(text, "table")
