"""A chunked body never reaches a function on the platform (host.md H1): every route that takes a body says so, once and alike."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from shared.api import handling
from shared.route_table import ROUTES
from tests import front, tables

if TYPE_CHECKING:
    from shared.api.route import Route
    from tests.unit.http.conftest import App

WITH_BODY = {"POST", "PUT", "PATCH"}


@pytest.mark.usefixtures("app")
@tables.each("row", [each for each in ROUTES if each.verb in WITH_BODY])
def test_a_chunked_body_is_411_on_every_route_that_takes_one(row: Route) -> None:
    """The message says how to send it; nothing is done, also where a body is optional (`POST cleanup` would mean all policies)."""
    path = re.sub("{.+?}", "x", row.template)
    answer = front.respond(row.verb, path, transfer_encoding="chunked", content_type="application/json")
    error = json.loads(answer.get_body())["error"]
    assert (answer.status_code, error["code"], error["target"]) == (411, "LengthRequired", "Content-Length")
    assert "LoadIntoBufferAsync" in error["message"]


def test_a_body_that_arrives_in_spite_of_that_header_is_taken(app: App) -> None:
    """A gateway in front may have put the chunks together."""
    answer = app.send("PUT", "workspaces/ws2", json.dumps({"location": "westeurope"}), transfer_encoding="chunked")
    assert answer.status in (200, 201, 202)


@pytest.mark.parametrize("path", ["workspaces/w1/models/m/versions/1", "translate", "uploads"])
def test_more_than_a_request_takes_is_413_and_names_uploads(app: App, path: str) -> None:
    """Just below the platform's own limit, which answers 500 without a body (host.md H5)."""
    method = "PUT" if path.startswith("workspaces") else "POST"
    answer = app.send(method, path, bytes(handling.BODY_LIMIT + 1))
    assert (answer.status, answer.body["error"]["code"]) == (413, "RequestContentTooLarge")
    assert "POST /api/uploads" in answer.said


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("workspaces/ab%2Fcd", 400, "InvalidPath"),
        ("workspaces/ab%252Fcd", 400, "InvalidPath"),  # host.md H8: the platform shows both as ab%2Fcd
        ("workspaces/%2577s1", 404, "ResourceNotFound"),
        ("workspaces/%77%31", 200, ""),
    ],
)
def test_nothing_in_a_path_is_decoded_twice(app: App, path: str, status: int, code: str) -> None:
    """`%2577s1` is no other spelling of `ws1`."""
    answer = app.send("GET", path)
    assert answer.status == status
    assert not code or answer.body["error"]["code"] == code
