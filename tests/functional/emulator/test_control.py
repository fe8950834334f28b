"""The control routes: faults of each kind, transitions, clock, the log of received requests, ageing a resource."""

from typing import Any

import pytest
import requests

from infra.local.emulator import scene
from tests.functional.emulator.bodies import PLACE
from tests.functional.emulator.client import WORKSPACES, Client, workspace_body

NAME = f"{WORKSPACES}/lab"
GROUPS = f"/subscriptions/{scene.SUBSCRIPTION_ID}/resourceGroups"


def test_a_fault_answers_instead_as_often_as_it_says(azure: Client) -> None:
    """`respond`: after `skip`, `times` matching requests are not processed."""
    rule = {
        "action": "respond",
        "method": "GET",
        "match": "resourceGroups",
        "skip": 1,
        "times": 2,
        "status": 503,
        "body": {"error": {"code": "Busy"}},
    }
    azure.control("POST", "faults", {**rule, "headers": {"Retry-After": "7"}})
    answers = [azure.arm("GET", GROUPS, version="2022-09-01") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 503, 503, 200]
    assert (answers[1].json(), answers[1].headers["Retry-After"]) == ({"error": {"code": "Busy"}}, "7")
    assert azure.control("GET", "faults")[0]["used"] == 2


@pytest.mark.parametrize(("action", "arrived"), [("drop_before", False), ("drop_after", True)])
def test_a_dropped_connection_happens_before_or_after_the_work(azure: Client, action: str, arrived: bool) -> None:  # noqa: FBT001
    """The client sees no answer; whether the write arrived, only a GET tells."""
    azure.control("POST", "faults", {"action": action, "method": "PUT", "match": "/workspaces/lab"})
    with pytest.raises(requests.ConnectionError):
        azure.arm("PUT", NAME, workspace_body())
    assert (azure.arm("GET", NAME).status_code == 200) is arrived


def test_a_processed_request_can_be_answered_with_an_error(azure: Client) -> None:
    """`respond_after`: 502 for a DELETE that was done all the same."""
    azure.workspace()
    azure.control("POST", "faults", {"action": "respond_after", "method": "DELETE", "status": 502, "body": "<html>"})
    assert azure.arm("DELETE", NAME).status_code == 502
    assert azure.arm("GET", NAME).status_code == 404


def test_an_operation_can_be_made_to_fail(azure: Client) -> None:
    """`fail_operation`: accepted, and its poll says Failed with the given error."""
    error = {"code": "InternalServerError", "message": "asked for"}
    azure.control("POST", "faults", {"action": "fail_operation", "method": "PUT", "match": "/workspaces/lab", "error": error})
    first = azure.arm("PUT", NAME, workspace_body())
    assert first.status_code == 202
    status = azure.arm("GET", first.headers["Azure-AsyncOperation"]).json()
    assert (status["status"], status["error"]) == ("Failed", error)
    assert azure.arm("GET", NAME).json()["properties"]["provisioningState"] == "Failed"


def test_faults_reach_storage_hosts_too(azure: Client) -> None:
    """What is handed on to Azurite passes the same rules."""
    azure.control("POST", "faults", {"action": "respond", "match": "blob.core.windows.net", "status": 500})
    url = f"https://{scene.STORAGE_ACCOUNT}.blob.core.windows.net/missing/blob"
    assert azure.session.get(url, timeout=20).status_code == 500
    assert azure.session.get(url, timeout=20).status_code in {403, 404}


@pytest.mark.parametrize(
    "rule", [{"action": "explode"}, {"action": "respond", "match": "("}, {"action": "respond", "colour": "red"}]
)
def test_a_fault_that_is_none_is_refused(azure: Client, rule: dict[str, Any]) -> None:
    """400 with the reason."""
    assert requests.post(f"{azure.azure.control}/_control/faults", json=rule, timeout=10).status_code == 400


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "faults", "{"),
        ("PUT", "transitions", "[]"),
        ("GET", "requests?path=(", ""),
        ("GET", "requests?after=x", ""),
        ("POST", "clock", "{}"),
        ("PUT", "limits", '{"speed":1}'),
        ("PATCH", "runs?run=x", '{"colour":"red"}'),
        ("PATCH", "runs?run=x", '{"created_at":"then"}'),
    ],
)
def test_a_wrong_control_request_is_told_what_is_wrong(azure: Client, method: str, path: str, body: str) -> None:
    """400 with a sentence."""
    answer = requests.request(method, f"{azure.azure.control}/_control/{path}", data=body, timeout=10)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_the_log_tells_what_was_received_in_order(azure: Client) -> None:
    """Method, host, path, query, status, the client's request id; filtered by regular expressions; no tokens in it."""
    azure.arm("GET", GROUPS, version="2022-09-01", headers={"x-ms-client-request-id": "me-1"})
    azure.arm("PUT", NAME, workspace_body())
    log = azure.control("GET", "requests?host=management")
    assert [(entry["method"], entry["status"]) for entry in log] == [("GET", 200), ("PUT", 202)]
    assert log[0]["client_request_id"] == "me-1"
    assert log[0]["order"] < log[1]["order"]
    assert log[0]["query"] == "api-version=2022-09-01"
    assert [entry["method"] for entry in azure.control("GET", "requests?method=PUT&path=workspaces/lab$")] == ["PUT"]
    assert [entry["method"] for entry in azure.control("GET", f"requests?host=management&after={log[0]['order']}")] == ["PUT"]
    assert "Bearer" not in str(azure.control("GET", "requests"))
    azure.control("DELETE", "requests")
    assert azure.control("GET", "requests") == []


def test_a_resource_can_be_aged(azure: Client) -> None:
    """JSON merge patch on what is stored, systemData included."""
    arm_id = azure.workspace()
    patch = {"systemData": {"createdAt": "2020-01-01T00:00:00+00:00"}, "properties": {"friendlyName": None}}
    azure.control("PATCH", f"resources?id={arm_id}", patch)
    body = azure.arm("GET", arm_id).json()
    assert body["systemData"]["createdAt"] == "2020-01-01T00:00:00+00:00"
    assert "friendlyName" not in body["properties"]
    assert arm_id in azure.control("GET", "resources")


def test_transitions_are_set_by_kind(azure: Client) -> None:
    """A kind, then what stands before its dot, then default."""
    azure.control("PUT", "transitions", {"default": "polls:3", "workspace": "immediate"})
    workspace = azure.workspace()
    made = azure.arm("PUT", f"{workspace}/onlineEndpoints/line", {**PLACE, "properties": {"authMode": "Key"}})
    assert azure.arm("GET", made.headers["azure-asyncoperation"]).json()["status"] == "Updating"
    assert azure.control("GET", "state")["operations"][-1]["status"] == "InProgress"
    assert azure.control("DELETE", "transitions") == {"default": "immediate", "speed": 1.0}
    refused = requests.put(f"{azure.azure.control}/_control/transitions", json={"default": "sometimes"}, timeout=10)
    assert refused.status_code == 400


def test_a_reset_leaves_only_the_scene(azure: Client) -> None:
    """Workspaces, faults and the log are gone; groups and the four dependencies are there."""
    azure.workspace()
    azure.control("POST", "reset")
    assert azure.arm("GET", WORKSPACES).json() == {"value": []}
    assert azure.arm("GET", scene.REGISTRY_ID, version="2023-07-01").json()["properties"]["adminUserEnabled"] is True
    assert azure.arm("GET", scene.REGISTRY_WITHOUT_ADMIN_ID, version="2023-07-01").json()["properties"]["adminUserEnabled"] is False


ROUTES = (
    "PUT transitions", "POST faults", "PUT faults", "POST clock", "PATCH resources", "POST resources", "POST runs", "PATCH runs",
    "POST scenes", "POST traffic", "POST tokens", "POST events", "PUT events/retries", "POST events/storm", "PUT hosts",
    "PUT limits", "PUT policies", "PUT taken", "PUT unrecorded", "PUT roles", "PUT providers",
)  # fmt: skip
JUNK: tuple[Any, ...] = (
    None, [], [1], [{}], "x", 5, {"reads": None}, {"default": 5}, {"lifetime_s": "soon"}, {"advance_s": "long"}, {"speed": []},
    {"name": 7}, {"assignments": [1]}, {"put": []}, {"vm_quota_cores": None}, {"count": "many", "subscription": "s"}, [{"id": 5}],
    {"action": "sing"}, [{"name": "n", "match": "("}], {"endpoint": "e", "deployment": "d", "times": "x"}, {"h": 5}, {"h": {}},
    {"speed": 0},
)  # fmt: skip


@pytest.mark.parametrize("route", ROUTES)
def test_what_a_control_route_cannot_read_is_said(azure: Client, route: str) -> None:
    """400 or 404 with a reason, never a bug of the local Azure."""
    method, path = route.split()
    for body in JUNK:
        answer = requests.request(method, f"{azure.azure.control}/_control/{path}", json=body, timeout=30)
        assert answer.status_code < 500, f"{body!r}: {answer.text}"
    for text in ("{", "", "\ud800", "[" * 5000):
        raw = text.encode("utf-8", "surrogatepass")
        answer = requests.request(method, f"{azure.azure.control}/_control/{path}", data=raw, timeout=30)
        assert answer.status_code < 500, f"{text[:20]!r}: {answer.text}"
