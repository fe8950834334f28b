"""A chunked body never reaches a function on the platform (host.md H1): every route that takes a body says so, once and alike."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import azure.functions as func
import pytest

from functions import http, routes
from tests.unit.test_app_wiring import MODULES

if TYPE_CHECKING:
    from tests.unit.http.conftest import App

WITH_BODY = {"POST", "PUT", "PATCH"}


def _routes() -> list[Any]:
    """Return name, verb and function of every route that takes a body."""
    own = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
    for module in MODULES:
        own.register_functions(module.blueprint)
    found = []
    for each in own.get_functions():
        trigger = each.get_trigger().get_dict_repr()
        if trigger.get("route") == routes.CATCH_ALL:  # it takes no body: what is below arm/ goes to the functions below
            continue
        verbs = sorted({str(getattr(verb, "value", verb)) for verb in trigger.get("methods") or ()} & WITH_BODY)
        found += [pytest.param(verb, each.get_user_function(), id=f"{verb} {each.get_function_name()}") for verb in verbs]
    return found


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize(("verb", "function"), _routes())
def test_a_chunked_body_is_411_on_every_route_that_takes_one(verb: str, function: Any) -> None:
    """The message says how to send it; nothing is done, also where a body is optional (`POST cleanup` would mean all policies)."""
    headers = {"transfer-encoding": "chunked", "content-type": "application/json"}
    url = "http://localhost:7071/api/workspaces/w1"
    req = func.HttpRequest(method=verb, url=url, headers=headers, params={}, route_params={"id": "x"}, body=b"")
    answer = asyncio.run(function(req))
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
    answer = app.send(method, path, bytes(http.BODY_LIMIT + 1))
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
