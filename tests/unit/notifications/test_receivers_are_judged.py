"""Nobody is told who is not listed, and nobody inside: by name, by address, by redirect or by name service."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import trustme
import urllib3
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.notify import receivers
from shared.rest import clouds, errors
from tests import tables

if TYPE_CHECKING:
    from tests.unit.notifications.conftest import Receiver

ALLOWED = (
    "hooks.contoso.com", "*.fabrikam.com", "10.0.0.5", "127.0.0.1:9000", "internal.example:8443", "localhost", "queue:outcomes",
    "queue:steward-operations", "queue:azure-webjobs-host", "t.westeurope-1.eventgrid.azure.net", "*.uksouth-1.eventgrid.azure.net",
    "eventgrid:https://told.westus-1.eventgrid.azure.net/api/events", "http://hooks.contoso.com/told",
)  # fmt: skip


def judged(text: str) -> receivers.Receiver:
    """Read a target."""
    return receivers.parse(text, ALLOWED, clouds.PUBLIC, field="Callback-Url")


@pytest.mark.parametrize(
    ("text", "way", "host"),
    [
        ("https://hooks.contoso.com/ml?code=x", "webhook", "hooks.contoso.com"),
        ("https://HOOKS.contoso.com:443/", "webhook", "hooks.contoso.com"),
        ("https://a.b.fabrikam.com", "webhook", "a.b.fabrikam.com"),
        ("https://internal.example:8443/x", "webhook", "internal.example"),
        ("http://127.0.0.1:9000/x", "webhook", "127.0.0.1"),
        ("eventgrid:https://t.westeurope-1.eventgrid.azure.net/api/events", "topic", "t.westeurope-1.eventgrid.azure.net"),
        ("eventgrid:https://a.uksouth-1.eventgrid.azure.net/api/events", "topic", "a.uksouth-1.eventgrid.azure.net"),
        ("eventgrid:https://told.westus-1.eventgrid.azure.net/api/events", "topic", "told.westus-1.eventgrid.azure.net"),
        ("queue:outcomes", "queue", "outcomes"),
    ],
)
def test_who_is_listed_is_taken(text, way, host):
    """Each of the four ways."""
    found = judged(text)
    assert (found.way, found.host) == (way, host)
    assert "code=" not in found.shown


@tables.each(
    "text",
    [
        "", "x", "ftp://hooks.contoso.com/", "http://hooks.contoso.com/", "https://contoso.com/", "https://fabrikam.com/",
        "https://evilfabrikam.com/", "https://hooks.contoso.com.evil.com/", "https://hooks.contoso.com:8443/",
        "https://user@hooks.contoso.com/", "https://hooks.contoso.com@evil.com/", "https://hooks.contoso.com\\@evil.com/",
        "https://hooks.contoso.com#@evil.com/", "https://10.0.0.5/", "https://127.0.0.1/", "http://127.0.0.1:9001/",
        "https://localhost/", "http://localhost/", "https://[::1]/", "https://0x7f000001/", "https://2130706433/", "https://0177.0.0.1/",
        "https://hooks.contoso.com/\r\nHost: x", "https://hooks.contoso.com/a b", "https://169.254.169.254/metadata",
        "https://xn--n3h.contoso.com./", "https://hooks.contoso.com:99999/",
        "//hooks.contoso.com/", "https:///x", "javascript:alert(1)",
        "eventgrid:https://evil.com/api/events", "eventgrid:http://t.westeurope-1.eventgrid.azure.net/",
        "eventgrid:https://eventgrid.azure.net/",
        "eventgrid:https://t.northeurope-1.eventgrid.azure.net/api/events", "eventgrid:https://t.westeurope-1.eventgrid.azure.net:8443/",
        "eventgrid:https://told.westus-1.eventgrid.azure.net/other", "http://hooks.contoso.com/told",
        "queue:victim-orders", "queue:outcomes2", "queue:azure-webjobs-host", "queue:azure-webjobs-evil",
        "queue:", "queue:A", "queue:steward-operations", "queue:a/../b", "https://hooks.contoso.com/" + "x" * 3_000,
    ],
)  # fmt: skip
def test_who_is_not_listed_is_refused_by_name(text):
    """400 that names the field, before anything is accepted."""
    with pytest.raises(errors.BadRequestError) as refused:
        judged(text)
    assert refused.value.error.code in ("InvalidCallback", "CallbackNotAllowed")
    assert refused.value.error.target == "Callback-Url"


PIECES = (
    "https://", "http://", "queue:", "eventgrid:", "eventgrid:https://", "hooks.contoso.com", ".fabrikam.com", "internal.example",
    "127.0.0.1", "t.westeurope-1.eventgrid.azure.net", "outcomes", "steward-operations", "evil.com", "[::1]", "user", "@", ":",
    ":443", ":8443", ":9000", "/", "/api/events", "\\", "?", "#", ".", "..", "%2e", "%40", "%2f", "\t", "\r\n", " ",
    "\u3002", "\uff0e", "xn--",
)  # fmt: skip


@pytest.mark.sweep
@settings(max_examples=100_000 if tables.WHOLE else 200, deadline=None)
@given(st.text() | st.lists(st.sampled_from(PIECES), min_size=1, max_size=7).map("".join))
def test_any_text_is_judged(text):
    """Read or refused, nothing else; and what is taken is a listed one, for every reader of URLs."""
    try:
        found = judged(text)
    except errors.BadRequestError:
        return
    if found.way == "queue":
        assert text == "queue:outcomes"
        return
    url = found.text.removeprefix("eventgrid:")
    for host in (urllib3.util.parse_url(url).host, urlsplit(url).hostname):
        named = str(host).lower()
        assert named == found.host
        assert named.endswith((".fabrikam.com", ".eventgrid.azure.net")) or named in (
            "hooks.contoso.com",
            "internal.example",
            "127.0.0.1",
        )
    assert urlsplit(url).username is None
    assert urlsplit(url).port in (None, 443, {"internal.example": 8443, "127.0.0.1": 9000}.get(found.host))
    assert urlsplit(url).scheme == ("http" if found.host == "127.0.0.1" else "https")


@tables.each(
    ("address", "public"),
    [
        ("20.50.2.1", True), ("2603:1020::1", True), ("10.1.2.3", False), ("172.16.0.1", False), ("192.168.0.1", False),
        ("127.0.0.1", False), ("169.254.169.254", False), ("100.64.0.1", False), ("0.0.0.0", False), ("224.0.0.1", False),  # noqa: S104
        ("255.255.255.255", False), ("::1", False), ("fe80::1%eth0", False), ("fc00::1", False),
        ("3fff::1", False), ("3fff:fff::1", False), ("::ffff:10.0.0.1", False),
        ("::ffff:20.50.2.1", True), ("2002:0a00:0001::1", False), ("64:ff9b::a00:1", False), ("64:ff9b::7f00:1", False),
        ("168.63.129.16", False), ("::7f00:1", False), ("::ffff:0:127.0.0.1", False), ("fec0::1", False), ("5f00::1", False),
        ("192.88.99.1", False), ("192.0.0.8", False), ("198.18.0.1", False), ("203.0.113.1", False), ("240.0.0.1", False),
        ("64:ff9b:1::1", False), ("100::1", False), ("100:0:0:1::1", False), ("2001:2::1", False), ("2001:20::1", False),
        ("2001:db8::1", False), ("::ffff:192.88.99.1", False), ("2603:1020::5efe:10.0.0.1", False),
        ("2603:1020::200:5efe:127.0.0.1", False), ("3fff:1000::1", True),
        ("64:ff9b::1432:201", True), ("2001:0:1432:201:0:0:80ff:fffe", False), ("nonsense", False),
    ],
)  # fmt: skip
def test_addresses_that_are_not_the_internets(address, public):
    """Private, loopback, link-local, shared, multicast, the platform's own, and all of them dressed as IPv6."""
    assert receivers.is_public(address) is public


def found(*addresses: str) -> Any:
    """Return a name service that answers so."""
    return lambda _host, port, **_more: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses]


@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["20.50.2.1", "127.0.0.1"], ["169.254.169.254"], ["::1"], []])
def test_a_listed_name_that_leads_inside_is_not_told(addresses, monkeypatch):
    """One address of several is enough: which one would be taken is the attacker's choice."""
    monkeypatch.setattr(socket, "create_connection", lambda *_a, **_k: pytest.fail("connected"))
    outcome = receivers.post(judged("https://hooks.contoso.com/"), b"{}", {}, look_up=found(*addresses))
    assert "not public" in outcome.problem
    assert not outcome.delivered


def test_the_address_that_was_judged_is_the_one_connected_to(monkeypatch):
    """A name that resolves otherwise a moment later changes nothing."""
    asked = []

    def connect(address: Any, **_more: Any) -> Any:
        asked.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connect)
    outcome = receivers.post(judged("https://hooks.contoso.com/"), b"{}", {}, look_up=found("20.50.2.1"))
    assert asked == [("20.50.2.1", 443)]
    assert outcome.problem == "no answer: ConnectionRefusedError"


def local(receiver: Receiver) -> receivers.Receiver:
    """Return the receiver of a test as it is listed."""
    return receivers.parse(receiver.url, (receiver.address,), clouds.PUBLIC, field="x")


def test_a_redirect_is_an_answer(receiver: Receiver) -> None:
    """Not followed, and no success."""
    receiver.answers = [(302, {"Location": "http://169.254.169.254/"})]
    outcome = receivers.post(local(receiver), b"{}", {})
    assert (outcome.status, outcome.delivered, len(receiver.got)) == (302, False, 1)


def test_a_receiver_that_trickles_does_not_hold_a_worker(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then begins no time-out again: after the deadline it is over. What counts, the status, had come."""
    monkeypatch.setattr(receivers, "DEADLINE_S", 0.3)
    receiver.trickle_s = 20.0
    outcome = receivers.post(local(receiver), b"{}", {})
    assert outcome.problem.startswith("no answer") or outcome.status == 200
    assert len(receiver.got) == 1


def test_nobody_there_is_an_outcome() -> None:
    """Not an exception."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    gone = receivers.parse(f"http://{address}/", (address,), clouds.PUBLIC, field="x")
    assert receivers.post(gone, b"{}", {}).problem == "no answer: ConnectionRefusedError"


@pytest.mark.parametrize("trusted", [True, False])
def test_the_certificate_must_be_the_names(trusted, tmp_path, monkeypatch):
    """TLS is checked against the name that was listed, not against the address."""
    import ssl
    import threading

    authority, other = trustme.CA(), trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("hooks.contoso.com").configure_cert(context)
    (authority if trusted else other).cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    monkeypatch.setattr(receivers, "_address", lambda _receiver, _look_up: "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as server:
        seen = []

        def serve() -> None:
            connection, _ = server.accept()
            try:
                with context.wrap_socket(connection, server_side=True) as channel:
                    seen.append(channel.recv(4096))
                    while not seen[-1].endswith(b"{}"):
                        seen[-1] += channel.recv(4096)
                    channel.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
            except OSError:
                connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        port = server.getsockname()[1]
        listed = receivers.parse(f"https://hooks.contoso.com:{port}/", (f"hooks.contoso.com:{port}",), clouds.PUBLIC, field="x")
        outcome = receivers.post(listed, b"{}", {})
        thread.join(10)
    assert (outcome.status == 204) is trusted
    assert bool(seen) is trusted
    if trusted:
        assert f"Host: hooks.contoso.com:{port}".encode() in seen[0]


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_a_receiver_that_trickles_over_tls_does_not_hold_a_worker(sent, tmp_path, monkeypatch):
    """The deadline holds for the encrypted channel, too: headers without end, or a hundred times "go on"."""
    import ssl
    import threading

    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("hooks.contoso.com").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    monkeypatch.setattr(receivers, "_address", lambda _receiver, _look_up: "127.0.0.1")
    monkeypatch.setattr(receivers, "DEADLINE_S", 0.5)
    given_up = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            connection.settimeout(5)
            with connection, suppress(OSError):
                if not sent:  # not even the handshake
                    given_up.wait(3)
                    return
                with context.wrap_socket(connection, server_side=True) as channel:
                    channel.sendall(sent)
                    for _ in range(60):
                        channel.sendall(sent if sent.endswith(b"\n") else b"x")
                        if given_up.wait(0.05):
                            return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        port = server.getsockname()[1]
        listed = receivers.parse(f"https://hooks.contoso.com:{port}/", (f"hooks.contoso.com:{port}",), clouds.PUBLIC, field="x")
        outcome = receivers.post(listed, b"{}", {})
        held = not thread.is_alive()
        given_up.set()
        thread.join(10)
    assert not held, "the receiver stopped before the app did"
    assert outcome.problem.startswith("no answer") or outcome.status == 200
