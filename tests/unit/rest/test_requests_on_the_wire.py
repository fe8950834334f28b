"""What leaves the client, byte for byte, and what comes of each kind of answer or silence."""

from __future__ import annotations

import json
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from shared.operations import steps
from shared.rest import client, clouds, errors, streams, tokens, transport

NOW = 1_800_000_000.0
FUNCTION_S = 300  # host.json's functionTimeout
ARM = "https://management.azure.com/subscriptions/s1/resourceGroups?api-version=2022-09-01"
SIGNED = (
    "https://westeurope.api.azureml.ms/mfe/oe:1f0c:2%2fb/%7Euser/a%20b/../x"
    "?api-version=2024-10-01&t=638&c=MII%2bx%2F%3d%3D&s=a+b~c%7e'(!)*&h=-_.&$skipToken=NTA%3d&q=[x]|{y}^`\\\"<>"
)
RESET = b"RESET"
CLOSE = b"CLOSE"
TRICKLE = b"TRICKLE"


def answer(status: int, body: bytes = b"", media: str = "application/json", **headers: str) -> bytes:
    """Return a raw HTTP answer."""
    lines = [f"HTTP/1.1 {status} Reason", f"Content-Length: {len(body)}", *([f"Content-Type: {media}"] if media else [])]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def test_a_signed_url_reaches_azure_byte_for_byte(azure, wire):
    """docs/protocol.md §3.9: lower-case escapes, needless escapes, dot segments and odd characters stay."""
    azure.send("GET", SIGNED)
    assert wire.seen[0].line == f"GET {SIGNED.removeprefix('https://westeurope.api.azureml.ms')} HTTP/1.1"


def test_a_signed_url_reaches_storage_byte_for_byte(azure, wire):
    """A SAS signature is base64 in percent-encoding; the request carries no token."""
    wire.will(answer(201, media=""))
    url = "https://acct.blob.core.windows.net/c/my%20code.zip?sv=2024&sig=aB%2bc%2Fd%3d"
    assert azure.send_signed("PUT", url, content=b"zip", headers={"x-ms-blob-type": "BlockBlob"}).status == 201
    assert wire.seen[0].line == "PUT /c/my%20code.zip?sv=2024&sig=aB%2bc%2Fd%3d HTTP/1.1"
    assert (wire.seen[0].body, wire.seen[0].headers["x-ms-blob-type"]) == (b"zip", "BlockBlob")
    assert "authorization" not in wire.seen[0].headers


def test_only_what_cannot_stand_in_a_request_line_is_encoded(azure, wire):
    """A space, a line break or a letter that is not ASCII would break the request, or smuggle a second one."""
    azure.send("GET", "https://management.azure.com/a b\r\nx: y/\u00e9?q=%zz")
    assert wire.seen[0].line == "GET /a%20b%0D%0Ax:%20y/%C3%A9?q=%zz HTTP/1.1"


def test_a_request_carries_token_ids_and_json(azure, wire, credential):
    """The token's audience follows the host; every request has an id of its own; JSON is UTF-8."""
    azure.send("PUT", ARM, body={"tags": {"owner": "J\u00fcrgen"}}, headers={"x-extra": "1"})
    azure.send("GET", "https://westeurope.api.azureml.ms/x")
    first, second = wire.seen
    assert (first.headers["authorization"], second.headers["authorization"]) == ("Bearer first-token", "Bearer second-token")
    assert credential.scopes == ["https://management.azure.com/.default", "https://ml.azure.com/.default"]
    assert json.loads(first.body) == {"tags": {"owner": "J\u00fcrgen"}}
    assert (first.headers["content-type"], first.headers["x-extra"]) == ("application/json", "1")
    assert "content-type" not in second.headers
    assert len({first.headers["x-ms-client-request-id"], second.headers["x-ms-client-request-id"]}) == 2


def test_a_multipart_request_has_the_parts_that_startrun_wants(azure, wire):
    """The article's projectZipFile and runDefinitionFile."""
    parts = {
        "projectZipFile": ("project.zip", b"PK", "application/zip"),
        "runDefinitionFile": ("run.json", b"{}", "application/json"),
    }
    azure.send("POST", "https://westeurope.api.azureml.ms/execution/v1.0/x", files=parts)
    assert wire.seen[0].headers["content-type"].startswith("multipart/form-data; boundary=")
    assert b'name="projectZipFile"; filename="project.zip"\r\nContent-Type: application/zip\r\n\r\nPK' in wire.seen[0].body


def test_connections_are_pooled(azure, wire):
    """Ten requests, one TLS handshake."""
    for _ in range(10):
        azure.send("GET", ARM)
    assert {seen.connection for seen in wire.seen} == {1}


def test_a_password_in_netrc_does_not_replace_the_token(azure, wire, tmp_path, monkeypatch):
    """`requests` reads ~/.netrc unless told otherwise."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine management.azure.com login a password b\n")
    monkeypatch.setenv("NETRC", str(netrc))
    azure.send("GET", ARM)
    assert wire.seen[0].headers["authorization"] == "Bearer first-token"


def test_cookies_are_not_kept(azure, wire):
    """One caller's affinity cookie has no place in another's request."""
    wire.will(answer(200, b"{}", set_cookie="a=b; Path=/"))
    azure.send("GET", ARM)
    azure.send("GET", ARM)
    assert "cookie" not in wire.seen[1].headers


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_an_answer_and_no_token_follows_it(azure, wire, status):
    """A Location of a 3xx could name any host."""
    wire.will(answer(status, location="https://evil.example/steal"))
    response = azure.send("GET", ARM)
    assert (response.status, len(wire.seen), wire.connections) == (status, 1, 1)
    with pytest.raises(errors.RejectedError) as refused:
        response.checked()
    assert refused.value.status == 502


@pytest.mark.parametrize(
    "url", ["https://evil.example/x", "http://management.azure.com/x", "https://e.westeurope.inference.ml.azure.com/score"]
)
def test_a_url_off_the_allow_list_is_not_even_connected_to(azure, wire, credential, url):
    """Refused before a token is asked for."""
    with pytest.raises(errors.BadRequestError, match="HostNotAllowed"):
        azure.send("GET", url)
    assert (wire.connections, credential.scopes) == (0, [])


def test_a_signed_request_to_another_host_than_storage_is_refused(azure, wire):
    """A foreign upload URL would receive the caller's code."""
    with pytest.raises(errors.BadRequestError, match="HostNotAllowed"):
        azure.send_signed("PUT", "https://evil.example/c?sig=secret", content=b"zip")
    assert wire.connections == 0


def test_a_token_for_storage_goes_to_storage_only(azure, wire, credential):
    """Its audience opens nothing else, and no other token ever goes there."""
    url = "https://own.blob.core.windows.net/?restype=service&comp=userdelegationkey"
    wire.will(answer(200, b"<UserDelegationKey/>", media="application/xml"))
    assert azure.send_to_storage("POST", url, content=b"<KeyInfo/>").body == "<UserDelegationKey/>"
    assert credential.scopes == ["https://storage.azure.com/.default"]
    for elsewhere in (ARM, "https://own.blob.core.windows.net.evil.example/", "http://own.blob.core.windows.net/"):
        with pytest.raises(errors.BadRequestError, match="HostNotAllowed"):
            azure.send_to_storage("POST", elsewhere)
    with pytest.raises(errors.BadRequestError, match="HostNotAllowed"):
        azure.send("GET", url)
    assert len(wire.seen) == 1


def test_a_host_that_parsers_read_differently_is_refused_for_keys_too(azure, wire):
    """urllib.parse and urllib3 disagree about a backslash; an endpoint's key must not depend on who is right."""
    for url in ("https://evil.example\\.westeurope.inference.ml.azure.com/score", "https://a@e.westeurope.inference.ml.azure.com/"):
        with pytest.raises(errors.BadRequestError, match="RequestNotSendable"):
            azure.send_keyed(url, "key", content=b"{}", headers={}, timeout_s=5)
    assert wire.connections == 0


def test_a_header_with_a_line_break_is_refused(azure, wire):
    """Header injection ends as the caller's mistake, not as a retry."""
    with pytest.raises(errors.BadRequestError, match="RequestNotSendable"):
        azure.send("GET", ARM, headers={"x-extra": "a\r\nx-other: b"})
    assert wire.seen == []


def test_an_ended_token_is_renewed_and_the_request_repeated_once(azure, wire):
    """docs/protocol.md §3.10: a poll answered 401 ExpiredAuthenticationToken in mid-operation."""
    ended = b'{"error":{"code":"ExpiredAuthenticationToken","message":"The access token expiry UTC time is earlier."}}'
    wire.will(answer(401, ended))
    assert azure.send("PUT", ARM, body={"a": 1}).status == 200
    assert [seen.headers["authorization"] for seen in wire.seen] == ["Bearer first-token", "Bearer second-token"]
    assert [seen.body for seen in wire.seen] == [b'{"a":1}', b'{"a":1}']


def test_the_challenge_alone_renews_the_token(azure, wire):
    """The header names the reason even when the body is empty."""
    wire.will(answer(401, www_authenticate='Bearer authorization_uri="x", error="invalid_token"'))
    assert azure.send("GET", ARM).status == 200


def test_a_second_401_is_the_answer(azure, wire):
    """One renewal, not a loop."""
    for _ in range(3):
        wire.will(answer(401, www_authenticate='Bearer error="invalid_token"'))
    assert azure.send("GET", ARM).status == 401
    assert len(wire.seen) == 2


def test_a_401_about_permission_is_not_repeated(azure, wire):
    """docs/protocol.md §6.4: the registry host says UserError and 401 when a permission is missing."""
    wire.will(answer(401, b'{"error":{"code":"UserError","message":"no access"}}'))
    assert azure.send("GET", ARM).status == 401
    assert len(wire.seen) == 1


@pytest.mark.parametrize(
    ("status", "kind", "maybe_arrived", "delay_s"),
    [
        (429, errors.ThrottledError, False, 20.0),
        (408, errors.AzureUnavailableError, True, 10.0),
        (500, errors.AzureUnavailableError, True, 10.0),
        (502, errors.AzureUnavailableError, True, 10.0),
        (503, errors.AzureUnavailableError, True, 10.0),
        (504, errors.AzureUnavailableError, True, 10.0),
    ],
)
def test_what_may_pass_later_is_transient_and_says_whether_it_may_have_arrived(azure, wire, status, kind, maybe_arrived, delay_s):
    """docs/protocol.md §1.4 and §3.10: a 429 was not processed, a 5xx may have been; none need name a delay."""
    wire.will(answer(status, b'{"error":{"code":"Code","message":"why"}}'))
    with pytest.raises(kind) as raised:
        azure.send("PUT", ARM, body={})
    assert (raised.value.maybe_arrived, raised.value.delay_s) == (maybe_arrived, delay_s)
    assert "why" in raised.value.error.message
    assert len(wire.seen) == 1


@pytest.mark.parametrize(
    ("text", "delay_s"),
    [
        ("7", 7.0),
        ("2.5", 2.5),
        ("86400", 3600.0),
        ("inf", 3600.0),
        ("-5", 20.0),
        ("0", 20.0),
        ("nan", 20.0),
        ("soon", 20.0),
        ("Mon, 99 Foo 2026 00:00:00 GMT", 20.0),
        ("9" * 400, 3600.0),
        (format_datetime(datetime.fromtimestamp(NOW + 30, UTC), usegmt=True), 30.0),
        (format_datetime(datetime.fromtimestamp(NOW - 30, UTC), usegmt=True), 20.0),
        (format_datetime(datetime.fromtimestamp(NOW + 90_000, UTC), usegmt=True), 3600.0),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date_and_junk_is_ignored(azure, wire, text, delay_s):
    """RFC 9110 §10.2.3; at most an hour, never nothing."""
    wire.will(answer(429, retry_after=text))
    with pytest.raises(errors.ThrottledError) as raised:
        azure.send("GET", ARM)
    assert raised.value.delay_s == pytest.approx(delay_s)


@pytest.mark.parametrize(
    "text", ["", "-", "1e999", "\u00b2", "Thu, 01 Jan 1970", "Wed, 21 Oct 2015 07:28:00 -0000", "0000000000000000000000"]
)
def test_no_retry_after_makes_reading_it_fail(text):
    """Whatever stands there, it is a delay or nothing."""
    response = client.Response(status=429, url=ARM, headers={"retry-after": text})
    delay_s = client.retry_after_s(response, now=datetime.fromtimestamp(NOW, UTC))
    assert delay_s is None or 0 <= delay_s <= client.MAX_DELAY_S


@pytest.mark.parametrize(
    ("content", "media", "body"),
    [
        (b"", "", None),
        (b"null", "application/json; charset=utf-8", None),
        (b'{"a": [NaN, -Infinity, 1e999, 1.5]}', "application/json", {"a": ["NaN", "-Infinity", "1e999", 1.5]}),
        (b"  \r\n", "application/json", None),
        (b"\xef\xbb\xbf", "application/xml", None),
        (b'\xef\xbb\xbf{"a": 1}', "application/json", {"a": 1}),
        (b'{"a": 1}', "", {"a": 1}),
        (b'[1, "x"]', "application/octet-stream", [1, "x"]),
        (b"{broken", "application/json", "{broken"),
        (b'{"a": "\xff"}', "application/json", {"a": "\ufffd"}),
        (b"log line", "text/plain", "log line"),
        (b"[" * 100_000, "application/json", "[" * 100_000),
        (b"\xef\xbb\xbf<Error/>", "application/xml", "<Error/>"),
    ],
)
def test_no_body_makes_reading_the_answer_fail(azure, wire, content, media, body):
    """docs/protocol.md §3.6: empty, `null`, a BOM, JSON without a content type."""
    wire.will(answer(200, content, media))
    response = azure.send("GET", ARM)
    assert (response.body, response.content) == (body, content)


def test_the_request_id_is_kept_whatever_its_header(azure, wire):
    """Azure's id is what support asks for; header names come in any casing (docs/protocol.md §8)."""
    wire.will(answer(200, b"{}", **{"X-Ms-Request-Id": "id-1"}))
    wire.will(answer(200, b"{}", request_id="id-2"))
    assert [azure.send("GET", ARM).request_id for _ in range(2)] == ["id-1", "id-2"]


def test_a_read_is_repeated_once_when_the_pooled_connection_has_died(azure, wire):
    """Azure closes idle connections; the pool notices only when it writes."""
    wire.will(answer(200, b"{}"), CLOSE)
    azure.send("GET", ARM)
    wire.will(RESET)
    wire.will(answer(200, b'{"a": 1}'))
    assert azure.send("GET", ARM).body == {"a": 1}


def test_a_read_is_not_repeated_twice(azure, wire):
    """Twice is an outage, and the queue has its own patience."""
    wire.will(RESET)
    wire.will(RESET)
    with pytest.raises(errors.UnreachableError):
        azure.send("GET", ARM)
    assert len(wire.seen) == 2


@pytest.mark.parametrize("end", [RESET, CLOSE])
def test_a_write_without_an_answer_may_have_arrived_and_is_not_repeated(azure, wire, end):
    """Nothing is done twice: whether it arrived is looked up, not guessed."""
    wire.will(end)
    with pytest.raises(errors.UnreachableError) as raised:
        azure.send("PUT", ARM, body={})
    assert raised.value.maybe_arrived
    assert len(wire.seen) == 1


def test_a_write_whose_answer_breaks_off_may_have_arrived(azure, wire):
    """Headers came, the body did not."""
    wire.will(b"HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\n{", CLOSE)
    with pytest.raises(errors.UnreachableError) as raised:
        azure.send("POST", ARM)
    assert raised.value.maybe_arrived


def test_an_answer_that_is_not_http_counts_as_none(azure, wire):
    """A confused middlebox."""
    wire.will(b"\x00\x01garbage\r\n\r\n", CLOSE)
    with pytest.raises(errors.UnreachableError) as raised:
        azure.send("POST", ARM)
    assert raised.value.maybe_arrived


def test_a_write_that_found_no_connection_did_not_arrive(azure, wire, monkeypatch):
    """Nothing listens: the same request can simply be sent again."""
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with pytest.raises(errors.UnreachableError) as raised:
        azure.send("PUT", ARM, body={})
    assert not raised.value.maybe_arrived
    assert wire.connections == 0


def test_a_write_that_the_proxy_did_not_let_through_did_not_arrive(azure, wire):
    """The tunnel was refused before a byte of ours was sent."""
    wire.refuse_tunnel = b"HTTP/1.1 502 Bad Gateway\r\n\r\n"
    with pytest.raises(errors.UnreachableError) as raised:
        azure.send("PUT", ARM, body={})
    assert not raised.value.maybe_arrived


def test_a_certificate_nobody_vouches_for_ends_before_the_token_is_sent(azure, wire, monkeypatch):
    """Somebody else answers for Azure."""
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    with pytest.raises(errors.UnreachableError) as raised:
        azure.send("PUT", ARM, body={})
    assert not raised.value.maybe_arrived
    assert wire.seen == []


def test_silence_ends_with_the_read_timeout_and_may_have_arrived(azure, wire, monkeypatch):
    """A read that timed out is not repeated at once: that would double the time a function waits."""
    monkeypatch.setattr(client, "READ_TIMEOUT_S", 0.2)
    silent = client._Request(method="GET", url=ARM, timeout_s=0.2)
    wire.will()
    with pytest.raises(errors.UnreachableError) as raised:
        azure._exchange(silent, None)
    assert raised.value.maybe_arrived
    assert len(wire.seen) == 1


@pytest.mark.parametrize(
    "began",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n",
        b"HTTP/1.1 200 OK\r\nX-Long: ",
        b"",
    ],
    ids=["length", "until closed", "chunked", "head", "status line"],
)
def test_an_answer_that_trickles_ends_with_the_deadline(azure, wire, monkeypatch, began):
    """Every byte comes in time and the last never: the time-out between bytes alone would wait for ever."""
    monkeypatch.setattr(client, "SLACK_S", 0.2)
    wire.will(began, TRICKLE)
    slow = client._Request(method="PUT", url=ARM, content=b"{}", timeout_s=0.6)
    with pytest.raises(errors.UnreachableError) as lost:
        azure._transmit(slow, {})
    assert lost.value.maybe_arrived
    assert "not done after 1 s" in lost.value.error.message
    assert azure.send("GET", ARM).status == 200, "the next request has a connection of its own"


def test_a_receiver_that_does_not_read_ends_with_the_deadline(azure, wire, monkeypatch):
    """A few bytes now and then: more than the buffers between us take never leaves."""
    monkeypatch.setattr(client, "SLACK_S", 0.2)
    monkeypatch.setattr(client, "SLOWEST_BYTES_S", 2**40)
    wire.reads_slowly = True
    held = client._Request(method="PUT", url=ARM, content=bytes(32 * 1024 * 1024), timeout_s=0.6)
    with pytest.raises(errors.UnreachableError) as lost:
        azure._transmit(held, {})
    assert "not done after" in lost.value.error.message


def test_a_large_body_has_longer_than_a_small_one():
    """A hundred megabytes at a slow line's pace; the whole stays below what host.json gives a function."""
    small, large = (client._Request(method="PUT", url=ARM, content=bytes(size)) for size in (10, 4 * 1024 * 1024))
    assert small.total_s < large.total_s < FUNCTION_S
    parts, _ = streams.multipart({"projectZipFile": ("p", bytes(100_000_000), "application/zip")})
    assert client._Request(method="POST", url=ARM, content=parts).total_s < FUNCTION_S
    block = client._Request(method="PUT", url=ARM, content=bytes(8 * 1024 * 1024))
    assert steps.UPLOAD_BUDGET.total_seconds() + block.total_s < FUNCTION_S


def test_pressure_is_the_used_share_of_the_read_allowance(azure, wire):
    """docs/protocol.md §8: remaining reads, per region and global; the most seen stands for the allowance."""
    assert azure.pressure("s1") == 0.0
    for remaining, expected in (("250", 0.0), ("125", 0.5), ("0", 1.0), ("250", 0.0)):
        wire.will(answer(200, b"{}", x_ms_ratelimit_remaining_subscription_reads=remaining))
        azure.send("GET", ARM)
        assert azure.pressure("S1") == pytest.approx(expected)
    wire.will(answer(200, b"{}", x_ms_ratelimit_remaining_subscription_global_reads="3750"))
    wire.will(answer(200, b"{}", x_ms_ratelimit_remaining_subscription_global_reads="375"))
    azure.send("GET", ARM)
    azure.send("GET", ARM)
    assert azure.pressure("s1") == pytest.approx(0.9)
    assert azure.pressure("another") == 0.0


@pytest.mark.parametrize("junk", ["", "-1", "many", "\u00b2", "9" * 5000, "0"])
def test_a_rate_limit_header_with_junk_does_no_harm(azure, wire, junk):
    """Also a first answer of 0 leaves a share between 0 and 1."""
    wire.will(answer(200, b"{}", x_ms_ratelimit_remaining_subscription_reads=junk))
    azure.send("GET", ARM)
    assert 0.0 <= azure.pressure("s1") <= 1.0


def test_a_list_is_read_page_by_page_with_nextlink_unchanged(azure, wire):
    """docs/protocol.md §7: nextLink is followed as it stands and is absent on the last page."""
    following = "https://management.azure.com/subscriptions/s1/resourceGroups?$skipToken=NTA%3d&$orderBy=createdtime+desc"
    wire.will(answer(200, json.dumps({"value": [1, 2], "nextLink": following}).encode()))
    wire.will(answer(200, b'{"value": [3]}'))
    assert list(azure.pages(ARM)) == [1, 2, 3]
    assert wire.seen[1].line == "GET /subscriptions/s1/resourceGroups?$skipToken=NTA%3d&$orderBy=createdtime+desc HTTP/1.1"


@pytest.mark.parametrize(
    "page", [b"[]", b"{}", b'{"value": null}', b'{"value": {}}', json.dumps({"value": [1], "nextLink": ARM}).encode()], ids=str
)
def test_a_list_that_cannot_be_read_whole_is_an_error_and_not_a_shorter_list(azure, wire, page):
    """An answer that is no page, and a page that leads back to itself."""
    wire.will(answer(200, page))
    with pytest.raises(errors.RejectedError, match="IncompleteList"):
        list(azure.pages(ARM))
    assert len(wire.seen) == 1


def test_a_nextlink_to_a_foreign_host_gets_no_token(azure, wire):
    """The URL came out of a response; that makes it no better."""
    wire.will(answer(200, b'{"value": [1], "nextLink": "https://evil.example/page2"}'))
    with pytest.raises(errors.BadRequestError, match="HostNotAllowed"):
        list(azure.pages(ARM))


def test_scoring_gets_the_endpoints_key_and_any_answer_back(azure, wire, credential):
    """A scoring script's own 500 is the caller's to see; no token of ours is involved."""
    wire.will(answer(500, b"Traceback", "text/plain", x_ms_run_function_failed="True"))
    url = "https://e.westeurope.inference.ml.azure.com/score"
    response = azure.send_keyed(url, "the-key", content=b'{"data": [1]}', headers={"Content-Type": "application/json"}, timeout_s=5)
    assert (response.status, response.content, response.headers["x-ms-run-function-failed"]) == (500, b"Traceback", "True")
    assert (wire.seen[0].headers["authorization"], wire.seen[0].body) == ("Bearer the-key", b'{"data": [1]}')
    assert credential.scopes == []


def test_nothing_secret_is_logged_or_raised(azure, wire, caplog):
    """Not the token, not the signature, not the body, not even with every logger at DEBUG."""
    caplog.set_level(logging.DEBUG)
    secret_url = "https://westeurope.api.azureml.ms/op/1?api-version=1&s=SIGNATURE"
    azure.send("PUT", secret_url, body={"password": "BODY"})
    wire.will(RESET)
    with pytest.raises(errors.UnreachableError) as raised:
        azure.send("POST", secret_url, body={"password": "BODY"})
    wire.will(answer(201, media=""))
    azure.send_signed("PUT", "https://acct.blob.core.windows.net/c?sig=SIGNATURE", content=b"x")
    shown = caplog.text + repr(raised.value) + repr(raised.value.__cause__) + str(raised.value.__suppress_context__)
    assert "https://westeurope.api.azureml.ms/op/1 -> 200" in caplog.text
    for secret in ("SIGNATURE", "BODY", "first-token"):
        assert secret not in shown
    assert raised.value.__suppress_context__


def test_many_threads_share_one_client(wire, credential):
    """Each thread's target stays its own: the verbatim target travels beside urllib3, not through it."""
    session = transport.Session()
    shared = client.Client(
        clouds.PUBLIC, tokens.Tokens(lambda: credential, clock=lambda: NOW), make_session=lambda: session, clock=lambda: NOW
    )
    start = threading.Barrier(16)

    def read(number: int) -> None:
        start.wait()
        for each in range(5):
            assert shared.send("GET", f"https://management.azure.com/t{number}?x=%2f{each}").status == 200

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(read, range(16)))
    session.close()
    assert sorted(seen.line for seen in wire.seen) == sorted(f"GET /t{n}?x=%2f{e} HTTP/1.1" for n in range(16) for e in range(5))
    assert {seen.headers["authorization"] for seen in wire.seen} == {"Bearer first-token"}


def test_azures_clock_is_learnt_from_its_answers_and_never_from_ours(azure, wire, monotonic):
    """`Date` has whole seconds: the latest bound counts, each host has its own, and one that is set back is believed."""
    url = "https://management.azure.com/subscriptions/s?api-version=1"
    assert azure.azure_now(url) is None
    for passed, date, known in (
        (0.0, "09:00:10", "09:00:10"),
        (0.9, "09:00:10", "09:00:10.9"),
        (0.2, "09:00:12", "09:00:12"),
        (60, "08:00:00", "08:00:00"),
    ):
        monotonic[0] += passed
        wire.will(answer(200, b"{}", date=f"Mon, 02 Mar 2026 {date} GMT"))
        azure.send("GET", url)
        assert azure.azure_now(url) == datetime.fromisoformat(f"2026-03-02T{known}+00:00")
    monotonic[0] += 5
    assert azure.azure_now(url) == datetime(2026, 3, 2, 8, 0, 5, tzinfo=UTC)
    assert azure.azure_now("https://westeurope.api.azureml.ms/x") is None
