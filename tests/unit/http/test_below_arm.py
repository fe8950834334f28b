"""Below `arm/` the app answers as ARM does: first answers, ends, links. Elsewhere long work is 202 with our operation."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from shared.rest.client import Response
from tests.fake_azure import GROUP, SUBSCRIPTION, WORKSPACE, Fault

if TYPE_CHECKING:
    from tests.unit.http.conftest import App

CLUSTER = {"location": "westeurope", "properties": {"computeType": "AmlCompute", "properties": {"vmSize": "Standard_DS3_v2"}}}
JOB = {"properties": {"jobType": "Command"}}
CPU, VERSION = f"{WORKSPACE}/computes/cpu", "?api-version=2025-12-01"


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(
    ("method", "path", "body", "below", "status"),
    [
        ("PUT", CPU, CLUSTER, 201, "Creating"),
        ("PUT", f"{WORKSPACE}/jobs/j1", JOB, 201, "NotStarted"),
        ("PUT", f"{WORKSPACE}2", {"location": "westeurope"}, 202, ""),
        ("PATCH", f"{WORKSPACE}/computes/known", {"properties": {"properties": {"scaleSettings": {}}}}, 202, "Updating"),
        ("POST", f"{WORKSPACE}/computes/known/restart", {}, 202, ""),
        ("DELETE", f"{WORKSPACE}/computes/known", None, 202, ""),
    ],
)
def test_a_first_answer_is_azures_own(app: App, method: str, path: str, body: Any, below: int, status: str, slash: str) -> None:
    """Status and body; with where to follow it here. The same request elsewhere is 202 with the operation."""
    app.steward.azure.put(f"{WORKSPACE}/computes/known", {"properties": {"properties": {}}})
    content = json.dumps(body) if body is not None else b""
    answer = app.send(method, f"arm{slash}{path}{VERSION}", content)
    assert answer.status == below, answer.content
    shown = answer.body if answer.content else {}
    properties = shown.get("properties", {})
    assert properties.get("provisioningState", properties.get("status", "")) == status
    monitor = answer.headers["azure-asyncoperation"]
    assert monitor.startswith("http://localhost:7071/api/operations/")
    assert answer.headers["location"] == f"{monitor}/result"
    assert app.send("GET", monitor).body["status"] == "Running"


def test_elsewhere_long_work_is_202_with_our_operation(app: App) -> None:
    """What Logic Apps and Data Factory follow."""
    answer = app.send("PUT", f"{CPU[1:]}{VERSION}", json.dumps(CLUSTER))
    assert (answer.status, answer.body["name"]) == (202, answer.headers["operation-location"].rpartition("/")[2])


def test_what_is_not_sent_yet_has_no_answer_of_azures(app: App) -> None:
    """202 with our operation: with `respond-async`, and behind another one on the same resource."""
    queued = app.send("PUT", f"arm{CPU}{VERSION}", json.dumps(CLUSTER), prefer="respond-async")
    waiting = app.send("PATCH", f"arm{CPU}{VERSION}", json.dumps({"properties": {"properties": {"scaleSettings": {}}}}))
    assert [(each.status, each.body["status"]) for each in (queued, waiting)] == [(202, "NotStarted")] * 2


@pytest.mark.parametrize(
    ("method", "path", "plain", "declared"),
    [
        ("POST", f"{WORKSPACE}/computes/known/start", 200, 202),
        ("DELETE", f"{WORKSPACE}/computes/known", 204, 204),
        ("DELETE", GROUP, 204, 200),
    ],
)
def test_an_end_has_the_status_that_the_specification_declares(app: App, method: str, path: str, plain: int, declared: int) -> None:
    """A retry with the same key finds it ended, as `Prefer: wait` does; 202 comes with a monitor that has ended."""
    app.steward.azure.put(f"{WORKSPACE}/computes/known", {"properties": {"properties": {}}})
    app.steward.azure.put(GROUP, {"location": "westeurope"})
    for base, status in (("arm", declared), ("", plain)):
        key = f"key-{base}"
        app.send(method, f"{base}{path}{VERSION}".lstrip("/"), idempotency_key=key)
        app.steward.drive()
        again = app.send(method, f"{base}{path}{VERSION}".lstrip("/"), idempotency_key=key)
        assert again.status == status
        assert ("azure-asyncoperation" in again.headers) == (status == 202)
        app.steward.azure.put(f"{WORKSPACE}/computes/known", {"properties": {"properties": {}}})
        app.steward.azure.put(GROUP, {"location": "westeurope"})


def test_a_lists_next_link_stays_below_arm(app: App) -> None:
    """With the base URL that the client was given."""
    url = f"https://management.azure.com{WORKSPACE}/computes{VERSION}&$skipToken=abc"
    page = Response(status=200, url=url, body={"value": [], "nextLink": url}, content=b"{}")
    app.steward.azure.faults.append(Fault(method="GET", match="/computes", response=page))
    answer = app.send("GET", f"arm/{WORKSPACE}/computes{VERSION}")
    assert answer.body["nextLink"] == f"http://localhost:7071/api/arm{WORKSPACE}/computes{VERSION}&$skipToken=abc"


def test_head_says_only_if_a_resource_exists(app: App) -> None:
    """204 or 404, as ARM: `check_existence_by_id` takes no other. A list is as GET."""
    page = Response(status=200, url="", body={"value": []}, content=b"{}")
    app.steward.azure.faults.append(Fault(method="GET", match=r"/computes\?", response=page))
    paths = (WORKSPACE, f"{WORKSPACE}/computes/none", f"{WORKSPACE}/computes")
    assert [app.send("HEAD", f"arm/{path}{VERSION}").status for path in paths] == [204, 404, 200]
    assert app.send("HEAD", f"{WORKSPACE[1:]}{VERSION}").status == 200


def test_what_azure_refuses_is_refused_alike(app: App) -> None:
    """404 in ARM's envelope; an own route is none below arm; another verb is 405 with those there are."""
    missing = app.send("GET", f"arm{WORKSPACE}/datastores/none{VERSION}")
    assert (missing.status, missing.body["error"]["code"]) == (404, "ResourceNotFound")
    assert app.send("GET", "arm/operations/x").status == 404
    wrong = app.send("PUT", f"arm/subscriptions/{SUBSCRIPTION}/locations{VERSION}", "{}")
    assert (wrong.status, wrong.headers["allow"]) == (405, "GET, HEAD")
