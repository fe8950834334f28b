"""A function key that came in the URL stands in the URLs to follow, and nowhere else: some callers can send it in no other way."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from tests.unit.http.conftest import App

BODY = '{"location": "westeurope"}'
URLS = ("location", "operation-location", "azure-asyncoperation")


def test_a_key_in_the_url_goes_on_in_the_urls_to_follow(app: App) -> None:
    """Byte for byte, whatever else the query holds; following keeps it."""
    answer = app.send("PUT", "workspaces/work1?api-version=2025-12-01&Code=a%2Bb%3D%3D", BODY, prefer="respond-async")
    assert answer.status == 202
    assert {urlsplit(answer.headers[name]).query for name in URLS} == {"Code=a%2Bb%3D%3D"}
    assert urlsplit(answer.headers["location"]).path.endswith("/result")
    again = app.send("GET", answer.headers["location"])
    assert (again.status, again.headers["location"]) == (202, answer.headers["location"])


@pytest.mark.parametrize("headers", [{}, {"x_functions_key": "SECRET"}])
def test_a_key_in_the_header_stands_in_no_url(app: App, headers: dict[str, str]) -> None:
    """With both, the platform reads the header: what stands in the URL need not be a key at all."""
    path = "workspaces/work1?code=SECRET" if headers else "workspaces/work1"
    answer = app.send("PUT", path, BODY, prefer="respond-async", **headers)
    assert {urlsplit(answer.headers[name]).query for name in URLS} == {""}


def test_a_key_in_the_url_is_neither_recorded_nor_sent_to_azure(app: App, caplog: pytest.LogCaptureFixture) -> None:
    """Not in the body, the operation, its rows, its message, the log, or Azure's URL."""
    answer = app.send("PUT", "workspaces/work1?code=SECRET", BODY)
    monitor = app.send("GET", answer.headers["operation-location"].replace("SECRET", ""))
    steward = app.steward
    kept = [*steward.rows.rows.values(), *steward.open.rows.values(), *steward.blobs.blobs.items(), *steward.queue.messages]
    assert "/workspaces/work1?" in str(steward.azure.requests)
    for text in (answer.content, monitor.content, kept, steward.azure.requests, caplog.text):
        assert "SECRET" not in str(text)


def test_the_same_request_with_another_key_is_the_same_request(app: App) -> None:
    """A retry after the key was renewed."""
    first = app.send("PUT", "workspaces/work1?code=OLD", BODY, idempotency_key="k")
    again = app.send("PUT", "workspaces/work1?code=NEW", BODY, idempotency_key="k")
    assert again.headers["location"] == first.headers["location"].replace("OLD", "NEW")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:7071", "localhost:7071@evil.example"])
def test_a_key_goes_to_no_host_that_the_request_names(app: App, host: str) -> None:
    """The Host header is the sender's: links lead to the app's own address, in every answer that has one."""
    below = f"http://{host}/api"
    answer = app.send("PUT", f"{below}/workspaces/work1?code=KEY", BODY, prefer="respond-async", host=host)
    assert {urlsplit(answer.headers[name]).netloc for name in URLS} == {"localhost:7071"}
    app.send("PUT", "workspaces/work2", BODY, prefer="respond-async")
    page = app.send("GET", f"{below}/operations?$top=1&code=KEY", host=host)
    assert page.body["nextLink"].startswith("http://localhost:7071/api/operations?")
    for each in (answer, page, app.send("GET", f"{below}/openapi.json", host=host), app.send("GET", f"{below}/nothing", host=host)):
        assert "evil.example" not in str((each.headers, each.content))
