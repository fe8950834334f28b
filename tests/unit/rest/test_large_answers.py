"""Content goes through as bytes; more than an app should hold is not read to its end."""

from __future__ import annotations

import pytest

from shared.rest import client, errors, transport

URL = "https://westeurope.api.azureml.ms/artifact/v2.0/x"


def answer(body: bytes, media: str, *, length: int | None = None) -> bytes:
    """Return a raw HTTP answer."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {media}\r\nContent-Length: {len(body) if length is None else length}\r\n\r\n"
    return head.encode() + body


def test_bytes_are_bytes(azure, wire):
    """Whatever they would be as text."""
    content = bytes(range(256))
    wire.will(answer(content, "application/octet-stream"))
    assert azure.send("GET", URL).content == content


def test_a_body_is_sent_as_it_is(azure, wire):
    """With the content type that the caller named."""
    azure.send("POST", URL, content=b"\x00\xff", headers={"Content-Type": "application/octet-stream"})
    assert (wire.seen[0].body, wire.seen[0].headers["content-type"]) == (b"\x00\xff", "application/octet-stream")


def test_json_may_have_a_type_of_its_own(azure, wire):
    """A JSON Patch is sent as one."""
    azure.send("PATCH", URL, body=[{"op": "remove", "path": "/x"}], headers={"Content-Type": "application/json-patch+json"})
    assert wire.seen[0].headers["content-type"] == "application/json-patch+json"


def test_too_large_an_answer_is_refused(azure, wire, monkeypatch):
    """The message names the limit; the connection that still holds the rest is not used again."""
    monkeypatch.setattr(transport, "ANSWER_LIMIT", 1_000)
    wire.will(answer(b"x" * 200_000, "application/octet-stream"))
    with pytest.raises(errors.BadRequestError, match=r"AnswerTooLarge.*1000 bytes"):
        azure.send("GET", URL)
    wire.will(answer(b"{}", "application/json"))
    assert azure.send("GET", URL).body == {}


def test_content_beyond_any_json_is_not_parsed(azure, wire, monkeypatch):
    """It is content, not an answer to read."""
    monkeypatch.setattr(client, "PARSE_LIMIT", 10)
    wire.will(answer(b'{"a": "0123456789"}', "application/json"))
    found = azure.send("GET", URL)
    assert (found.body, found.content) == (None, b'{"a": "0123456789"}')
