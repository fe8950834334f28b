"""A request that is sent again with its Idempotency-Key is the same request, whatever has happened in between."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.fake_azure import WORKSPACE

if TYPE_CHECKING:
    from tests.unit.http.conftest import App

ENVIRONMENT = "image: python:3.13\n"


def test_a_yaml_without_a_version_is_one_request_however_many_versions_there_are_by_then(app: App) -> None:
    """The version is looked up for each; the first one's counts."""

    def put(key: str) -> dict[str, object]:
        answer = app.send("PUT", "workspaces/w1/environments/e", ENVIRONMENT, content_type="application/yaml", idempotency_key=key)
        assert answer.status in (200, 201, 202), answer.content
        return {
            "operation": answer.headers.get("operation-id") or answer.headers.get("operation-location"),
            "status": answer.status,
        }

    first = put("k")
    app.steward.azure.put(f"{WORKSPACE}/environments/e", {"properties": {"nextVersion": "2"}})
    assert put("k") == first
    assert app.steward.azure.count("^PUT workspaces/w1/environments/e/versions") == 1
    assert put("another key") != first
    assert app.steward.azure.count("^PUT workspaces/w1/environments/e/versions/2$") == 1


def test_a_version_that_is_asked_for_is_part_of_the_request(app: App) -> None:
    """With it and without it are two requests, even where both mean the same."""
    body = '{"location": "westeurope"}'
    assert app.send("PUT", "workspaces/work2", body, idempotency_key="k").status == 202
    assert app.send("PUT", "workspaces/work2", body, idempotency_key="k").status == 202
    again = app.send("PUT", "workspaces/work2?api-version=2025-12-01", body, idempotency_key="k")
    assert (again.status, again.body["error"]["code"]) == (400, "IdempotencyKeyReused")
    assert re.search(
        r"another request: (PUT|POST|DELETE|PATCH) /subscriptions/\S+ at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ, operation \S+\.",
        again.said,
    )


def test_who_prefers_to_follow_gets_the_operation_also_when_it_has_ended(app: App) -> None:
    """Its id is at the same place for whoever sends the request again; the result is told by `Location`, and by a wait."""
    put = {"prefer": "respond-async", "idempotency_key": "k"}
    first = app.send("PUT", "workspaces/w1/environments/e/versions/1", '{"properties": {"image": "i"}}', **put)
    app.steward.drive()
    again = app.send("PUT", "workspaces/w1/environments/e/versions/1", '{"properties": {"image": "i"}}', **put)
    assert (first.status, again.status) == (202, 202)
    assert again.body["name"] == first.body["name"]
    assert (first.body["status"], again.body["status"]) == ("NotStarted", "Succeeded")
    assert app.send("GET", again.headers["location"], prefer="respond-async").status == 201
    put["prefer"] = "respond-async, wait=5"
    assert app.send("PUT", "workspaces/w1/environments/e/versions/1", '{"properties": {"image": "i"}}', **put).status == 201
