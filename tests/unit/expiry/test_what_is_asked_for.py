"""Expires-In and Expires-At: what they take, where they are refused, who may send them, and the list of what is to expire."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared import services
from shared.api.access import key_book
from shared.catalog import kinds
from shared.cleanup.policy import targets
from shared.durable.worker import Next
from shared.expiry import expiries
from tests.fake_azure import ML, WORKSPACE
from tests.faults.test_every_machine import Platform
from tests.unit.expiry.conftest import CLUSTER, COMPUTE, Stage

# (headers, the parameters, the header or parameter that is named, what is expected of it)
BAD = [
    ({"expires_in": "8h"}, "", "Expires-In", "PT8H"),
    ({"expires_in": "P1M"}, "", "Expires-In", "no fixed length"),
    ({"expires_in": "PT0S"}, "", "Expires-In", "expected a time in the future"),
    ({"expires_in": "P9999999D"}, "", "Expires-In", "PT8H"),
    ({"expires_at": "tomorrow"}, "", "Expires-At", "2026-12-01T18:00:00Z"),
    ({"expires_at": "2026-12-01"}, "", "Expires-At", "2026-12-01T18:00:00Z"),
    ({"expires_at": "2026-12-01T18:00:00"}, "", "Expires-At", "2026-12-01T18:00:00Z"),
    ({"expires_at": "2026-13-01T18:00:00Z"}, "", "Expires-At", "2026-12-01T18:00:00Z"),
    ({"expires_at": "2020-12-01T18:00:00Z"}, "", "Expires-At", "expected a time in the future"),
    ({"expires_at": "2099-12-01T18:00:00Z"}, "", "Expires-At", "at most P3660D"),
    ({"expires_at": "2099-12-01T18:00:00Z", "expires_in": "PT1H"}, "", "Expires-At", "expected only one of them"),
    ({"expires_in": "PT1H"}, "?expiresAt=2099-12-01T18:00:00Z", "expiresAt", "expected only one of them"),
    ({}, "?expiresIn=soon", "expiresIn", "PT8H"),
]


@pytest.mark.parametrize(("headers", "query", "named", "expected"), BAD)
def test_what_cannot_be_used_is_named(stage: Stage, headers: dict[str, str], query: str, named: str, expected: str) -> None:
    """With what was expected; nothing is sent, and nothing recorded."""
    for path in (f"{COMPUTE}{query}", f"{COMPUTE}{query}{'&' if query else '?'}preflight=true"):
        status, answer = stage.send("PUT", path, CLUSTER, **headers)
        assert (status, answer["error"]["code"], answer["error"]["target"]) == (400, "InvalidExpiry", named), answer
        assert expected in answer["error"]["message"]
    assert not stage.azure.effects
    assert stage.send("GET", "expiries")[1] == {"value": []}


def test_as_a_parameter_beside_a_yaml(stage: Stage) -> None:
    """As `az ml` files have no place for it; Azure is not sent it."""
    text = "name: gpu\ntype: amlcompute\nsize: Standard_DS3_v2\n"
    path = f"{COMPUTE}?expiresIn=PT8H"
    status, answer = stage.send("PUT", path, text, content_type="application/yaml")
    assert status == 202, answer
    assert answer["properties"]["expires"]["name"] == answer["name"]
    assert not [each for each in stage.azure.requests if "expiresIn" in each]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "workspaces/w1/datastores/d", {"properties": {"datastoreType": "AzureBlob"}}),
        ("PUT", "workspaces/w1/models/m/versions/1", {"properties": {}}),
        ("PUT", COMPUTE, {"location": "westeurope", "properties": {"computeType": "VirtualMachine"}}),
        ("POST", f"{COMPUTE}/stop", None),
        ("POST", "workspaces/w1/listKeys", None),
        ("POST", "workspaces/w1/onlineEndpoints/e/score", {}),
        ("PATCH", COMPUTE, {"properties": {"properties": {"scaleSettings": {}}}}),
        ("DELETE", COMPUTE, None),
        ("GET", COMPUTE, None),
    ],
)
def test_what_cannot_keep_it_refuses_it(stage: Stage, method: str, path: str, body: Any) -> None:
    """A header or parameter that were passed over would be money."""
    status, answer = stage.send(method, path, body, expires_in="PT1H")
    assert (status, answer["error"]["code"]) == (400, "UnsupportedHeader"), answer
    status, answer = stage.send(method, f"{path}?expiresIn=PT1H", body)
    assert (status, answer["error"]["code"]) in ((400, "UnsupportedHeader"), (400, "InvalidParameter")), answer
    assert not stage.azure.effects


def test_a_call_that_only_wakes_an_endpoint_refuses_it_too(stage: Stage) -> None:
    """A wake makes nothing new."""
    tags = {"steward-parked": "2026-11-02T04:00:00Z: blue"}
    stage.azure.put(f"{WORKSPACE}/onlineEndpoints/e", {"location": "westeurope", "tags": tags, "properties": {"authMode": "Key"}})
    asked = {"prefer": "respond-async", "expires_in": "PT1H"}
    status, answer = stage.send("POST", "workspaces/w1/onlineEndpoints/e/score", {}, **asked)
    assert (status, answer["error"]["code"], answer["error"]["target"]) == (400, "UnsupportedHeader", "Expires-In")
    assert stage.send("POST", "workspaces/w1/onlineEndpoints/e/score", {}, prefer="respond-async")[0] == 202


def test_a_ceiling_holds_for_a_create_and_for_a_move() -> None:
    """STEWARD_MAX_TTL, counted from when the expiry was set."""
    stage = Stage(world=Platform(settings={"max_ttl": (("computeCluster", timedelta(hours=12)),)}))
    status, answer = stage.send("PUT", COMPUTE, CLUSTER, expires_in="P1D")
    assert (status, answer["error"]["target"]) == (400, "Expires-In")
    assert "at most PT12H for a computeCluster" in answer["error"]["message"]
    made = stage.put(expires_in="PT8H")
    stage.wait(3600)
    assert stage.send("PATCH", f"expiries/{made['name']}", {"in": "PT11H30M"})[0] == 400
    assert stage.send("PATCH", f"expiries/{made['name']}", {"in": "PT10H30M"})[0] == 200
    services.use(None)


@pytest.mark.parametrize(
    "body", [{}, {"in": "PT1H", "at": "2099-01-01T00:00:00Z"}, {"in": 5}, {"until": "x"}, {"at": "2020-01-01T00:00:00Z"}]
)
def test_a_move_that_says_nothing_usable_is_refused(stage: Stage, body: dict[str, Any]) -> None:
    """By its member."""
    made = stage.put(expires_in="PT8H")
    assert stage.send("PATCH", f"expiries/{made['name']}", body)[0] == 400
    assert stage.expiry(made["name"])["at"] == made["at"]


def test_the_answer_of_a_finished_create_carries_it(stage: Stage) -> None:
    """Below `arm/` the resource is as Azure has it."""
    made = stage.put(expires_in="PT8H", idempotency_key="k")
    status, answer = stage.send("PUT", COMPUTE, CLUSTER, expires_in="PT8H", idempotency_key="k")
    assert status in (200, 201)
    expires = answer["properties"]["expires"]
    assert expires == {"at": made["at"], "id": made["id"], "name": made["name"], "operation": made["createdBy"]}
    assert answer["properties"]["computeType"] == "AmlCompute"
    below = stage.send("PUT", f"arm/{COMPUTE}", CLUSTER, expires_in="PT8H", idempotency_key="k")[1]
    assert "expires" not in below["properties"]


def test_the_list_has_the_soonest_first_page_by_page(stage: Stage) -> None:
    """Within a place, or in a state."""
    stage.azure.put(_place("w2"), {"location": "westeurope", "properties": {}})
    names = [stage.put(f"workspaces/w1/computes/c{n}c", expires_in=f"PT{9 - n}H")["name"] for n in range(5)]
    stage.put("workspaces/w2/computes/c9c", expires_in="PT1H")
    found: list[str] = []
    path = "expiries?below=workspaces/w1&status=Pending&$top=2"
    while path:
        status, page = stage.send("GET", path)
        assert status == 200, page
        assert len(page["value"]) <= 2
        found += [each["name"] for each in page["value"]]
        path = page.get("nextLink", "").removeprefix("/api/")
    assert found == names[::-1]
    assert len(stage.send("GET", "expiries")[1]["value"]) == 6
    assert stage.send("GET", "expiries?status=Kept")[1] == {"value": []}
    assert stage.send("GET", "expiries?$skipToken=x")[0] == 400
    assert stage.send("GET", "expiries/nothing")[0] == 404


def _place(name: str) -> str:
    return f"{ML}/workspaces/{name}"


def _key(stage: Stage, name: str, role: str, **scope: list[str]) -> dict[str, str]:
    body = {"role": role, "hash": key_book.hashed(name), "scope": scope}
    assert stage.send("PUT", f"keys/{name}", body)[0] == 200
    return {"x_functions_key": name}


def test_roles_and_scopes_hold(stage: Stage) -> None:
    """A reader reads, an operator changes, each within its places."""
    path = f"expiries/{stage.put(expires_in='PT8H')['name']}"
    reader, other = _key(stage, "reads", "reader"), _key(stage, "other", "operator", below=[_place("w2")])
    for method, body in (("PATCH", {"in": "PT1H"}), ("DELETE", None)):
        status, answer = stage.send(method, path, body, **reader)
        assert (status, answer["error"]["code"]) == (403, "RoleNeeded")
        status, answer = stage.send(method, path, body, **other)
        assert (status, answer["error"]["code"]) == (403, "OutOfScope")
    assert len(stage.send("GET", "expiries", **reader)[1]["value"]) == 1
    assert stage.send("GET", "expiries", **other)[1] == {"value": []}
    assert stage.send("GET", path, **other)[0] == 403
    own = _key(stage, "own", "operator", below=[WORKSPACE])
    assert stage.send("PATCH", path, {"in": "PT1H"}, **own)[0] == 200
    assert stage.send("DELETE", path, **own)[0] == 204


def test_what_needs_an_approval_to_be_deleted_takes_no_expiry() -> None:
    """An approval is another person's answer to a request, and when the time comes there is none."""
    stage = Stage(world=Platform(settings={"approvals": frozenset({"workspaces"})}))
    status, answer = stage.send("PUT", "workspaces/w3x", {"location": "westeurope", "properties": {}}, expires_in="PT1H")
    assert (status, answer["error"]["code"]) == (400, "UnsupportedHeader")
    assert "STEWARD_APPROVALS" in answer["error"]["message"]
    services.use(None)


def test_each_kind_can_do_what_its_row_says() -> None:
    """Its table has the verb or the action, and policies know its name or nothing of it."""
    for kind in kinds.KINDS:
        for ending in kind.endings:
            assert "DELETE" in kind.verbs if ending.act == "delete" else kind.action(ending.act), kind.path
            assert targets.TARGETS[ending.name].type == kind.path if ending.name in targets.TARGETS else ending.act == "delete"


def test_a_step_that_is_recorded_meanwhile_refuses_no_caller(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The app writes down when the resource was made while its caller moves the time: both are kept."""
    name, real, seen = stage.put(expires_in="PT8H")["name"], expiries.move, []

    def raced(known: Any, at: datetime, services: Any) -> Any:
        if not seen:
            expiries.MACHINE.save(Next(known=known, value=replace(known.value, tries=1), delay_s=0.0), services)
        seen.append(known.etag)
        return real(known, at, services)

    monkeypatch.setattr(expiries, "move", raced)
    status, moved = stage.send("PATCH", f"expiries/{name}", {"at": "2030-01-01T00:00:00Z"})
    assert (status, len(set(seen))) == (200, 2)
    assert moved["at"] == stage.expiry(name)["at"] == "2030-01-01T00:00:00.000000Z"


def test_an_expiry_deletes_nothing_that_needs_an_approval_by_now(stage: Stage) -> None:
    """The setting came after the expiry: the workspace stays, and the expiry says why."""
    made = stage.put("workspaces/w7x", {"location": "westeurope", "properties": {}}, expires_in="PT8H")
    running = services.get()
    vars(running)["settings"] = replace(running.settings, approvals=frozenset({"workspaces"}))
    stage.wait(9 * 3600)
    kept = stage.expiry(made["name"])
    assert (kept["status"], "STEWARD_APPROVALS" in kept["reason"]) == ("Kept", True)
    assert not stage.deletes()
