"""What the app answers is what openapi.json says it answers: status, content type, headers and body, for a sample of routes."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import requests

from infra.local.emulator import scene

if TYPE_CHECKING:
    from infra.local import stack

WORKSPACE = {
    "location": scene.LOCATION,
    "identity": {"type": "SystemAssigned"},
    "properties": {
        "storageAccount": scene.STORAGE_ID,
        "keyVault": scene.KEY_VAULT_ID,
        "applicationInsights": scene.INSIGHTS_ID,
    },
}
CLUSTER = {
    "properties": {
        "computeType": "AmlCompute",
        "properties": {"vmSize": "STANDARD_DS3_V2", "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 1}},
    },
    "location": scene.LOCATION,
}
EVENT = {"specversion": "1.0", "id": "1", "source": "/somewhere", "type": "some.thing", "subject": "x", "data": {}}
RULES = "rules:\n  - name: described\n    on: {types: [some.thing.else]}\n    do:\n      - {name: look, request: GET workspaces}\n"
W = "workspaces/described"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
# In this order: later ones need what earlier ones made.
SAMPLE: tuple[tuple[str, str, int, dict[str, Any]], ...] = (
    ("GET", "health", 200, {}),
    ("GET", "health/details", 200, {}),
    ("GET", "dashboard", 200, {}),
    ("GET", "dashboard/none", 404, {}),
    ("GET", "docs", 200, {}),
    ("GET", "cleanup/marks", 200, {}),
    ("GET", "subscriptions", 200, {}),
    ("GET", "resourceGroups", 200, {}),
    ("PUT", W, 400, {"json": {}}),
    ("PUT", W, 415, {"data": "x", "headers": {"Content-Type": "image/png"}}),
    ("PUT", f"{W}?preflight=true", 200, {"json": WORKSPACE}),
    ("GET", W, 404, {}),
    ("PUT", W, 202, {"json": WORKSPACE, "headers": {"Prefer": "respond-async"}}),
    ("PUT", W, 200, {"json": WORKSPACE, "headers": {"Prefer": "wait=60"}}),
    ("GET", W, 200, {}),
    ("GET", "workspaces", 200, {}),
    ("GET", f"subscriptions/{scene.SUBSCRIPTION_ID}/workspaces", 200, {}),
    ("PUT", f"{W}/computes/cpu", 201, {"json": CLUSTER, "headers": {"Prefer": "wait=60"}}),
    ("GET", f"{W}/computes", 200, {}),
    ("GET", f"{W}/computes/cpu", 200, {}),
    ("POST", f"{W}/listKeys", 200, {}),
    ("GET", f"{W}/discovery", 200, {}),
    ("GET", f"{W}/jobs?status=Running", 200, {}),
    ("GET", f"{W}/jobs?status=Nonsense", 400, {}),
    ("GET", f"{W}/models", 200, {}),
    ("GET", f"{W}/models/none", 404, {}),
    ("GET", f"locations/{scene.LOCATION}/vmSizes", 200, {}),
    ("GET", "providers/Microsoft.MachineLearningServices/operations", 200, {}),
    ("GET", "providers/Microsoft.Storage/storageAccounts", 200, {}),
    ("POST", f"history/v1.0/{W}/experiments:query", 200, {"json": {}}),
    ("GET", "operations", 200, {}),
    ("GET", "operations?status=Nonsense", 400, {}),
    ("GET", "operations/none", 404, {}),
    ("POST", "uploads", 201, {"json": {"name": "model.pkl"}}),
    ("POST", "translate?path=workspaces/described/computes/gpu", 200, {"data": "type: amlcompute\nsize: STANDARD_DS3_V2\n"}),
    ("GET", "cleanup/policies", 200, {}),
    ("POST", "cleanup/policies", 400, {"data": "policies: 1"}),
    ("POST", "cleanup?mode=dryRun", 202, {}),
    ("POST", "cleanup?mode=nonsense", 400, {}),
    ("GET", "cleanup/reports", 200, {}),
    ("GET", "cleanup/reports/none", 404, {}),
    ("GET", f"cleanup/explain?resource={W}/computes/cpu", 200, {}),
    ("POST", "events", 200, {"json": EVENT}),
    ("OPTIONS", "events", 200, {"headers": {"WebHook-Request-Origin": "example.org"}}),
    ("POST", "events/test", 200, {"json": EVENT}),
    ("GET", "events/rules", 200, {}),
    ("GET", "events/rules/none.yaml", 404, {}),
    ("PUT", "events/rules/described.yaml", 400, {"data": "rules: 1"}),
    ("PUT", "events/rules/described.yaml", 200, {"data": RULES}),
    ("GET", "events/rules/described.yaml", 200, {}),
    ("GET", "events/rules", 200, {}),
    ("DELETE", "events/rules/described.yaml", 204, {}),
    ("POST", "recipes", 400, {"json": {"steps": {}}}),
    ("POST", "recipes", 202, {"json": {"steps": {"pause": {"wait": "PT0S"}}}}),
    ("PUT", "recipes/described", 200, {"json": {"parameters": {"n": 1}, "steps": {"pause": {"wait": "PT0S"}}}}),
    ("POST", "recipes/described?dryRun=true", 200, {"json": {"parameters": {"n": 2}}}),
    ("POST", "recipes/described", 200, {"headers": {"Prefer": "wait=30"}}),
    ("GET", "recipes/described", 200, {}),
    ("GET", "recipes/runs", 200, {}),
    ("GET", "recipes", 200, {}),
    ("POST", "recipes/runs/0/cancel", 404, {}),
    ("DELETE", "recipes/described", 204, {}),
    ("GET", "events/firings", 200, {}),
    ("GET", "events/firings/none", 404, {}),
    ("DELETE", f"{W}/computes/cpu", 204, {"headers": {"Prefer": "wait=60"}}),
)
OWN = ("Operation", "Delivery", "Report", "ReportLine", "Firing", "Mark", "Health", "Upload")
YAML = ("translate", "cleanup/policies", "events/rules")


def described_by(document: Any, verb: str, path: str) -> Any:
    """Return the operation that describes a request: of those that match, the one with the most words."""
    bare = re.sub(r"^subscriptions/[^/]+/(?=.)", "", path.partition("?")[0])
    found = []
    for template, item in document["paths"].items():
        pattern = re.sub(r"{\w+}", "[^/]+", template.replace(".", r"\."))
        if verb.lower() in item and re.fullmatch(pattern, f"/{bare}", re.IGNORECASE):
            found.append((template.count("{"), template))
    return document["paths"][min(found)[1]][verb.lower()]


def resolved(document: Any, part: Any) -> Any:
    """Follow a reference to its component."""
    if "$ref" not in part:
        return part
    _, _, group, name = part["$ref"].split("/")
    return document["components"][group][name]


def closed(document: Any) -> Any:
    """Return the components with nothing further allowed in the app's own answers: a field that is not described is a mistake."""

    def shut(part: Any) -> Any:
        if isinstance(part, list):
            return [shut(each) for each in part]
        if not isinstance(part, dict):
            return part
        inner = {name: shut(each) for name, each in part.items()}
        return {"additionalProperties": False, **inner} if isinstance(part.get("properties"), dict) and "type" in part else inner

    schemas = document["components"]["schemas"]
    return {**document["components"], "schemas": {**schemas, **{name: shut(schemas[name]) for name in OWN}}}


def check(document: Any, operation: Any, answer: requests.Response) -> None:
    """Judge an answer by the description of its operation.

    Raises:
        AssertionError: it is not as described.
    """
    assert str(answer.status_code) in operation["responses"], (operation["operationId"], answer.status_code, answer.text[:300])
    said = resolved(document, operation["responses"][str(answer.status_code)])
    for name in said.get("headers", {}):
        assert name in answer.headers or name == "Operation-Id", (operation["operationId"], name)
    media = answer.headers.get("Content-Type", "").partition(";")[0]
    if not answer.content:
        return
    assert media in said["content"], (operation["operationId"], media)
    if media == "application/json":
        schema = {**said["content"][media]["schema"], "components": closed(document)}
        checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
        jsonschema.Draft202012Validator(schema, format_checker=checker).validate(answer.json())


def test_answers_are_as_described(app: stack.App, caller: requests.Session, described: Any) -> None:
    """Created, read, listed, refused and deleted: every answer of a long conversation."""
    for verb, path, status, more in SAMPLE:
        sent = dict(more)
        if "data" in sent and path.startswith(YAML):
            sent["headers"] = {"Content-Type": "application/yaml"}
        answer = caller.request(verb, f"{app.url}/api/{path}", timeout=100, **sent)
        assert answer.status_code == status, (verb, path, answer.status_code, answer.text[:500])
        check(described, described_by(described, verb, path), answer)
        if status == requests.codes.accepted and path == W:
            monitor = caller.get(f"{answer.headers['Operation-Location']}?wait=60", timeout=100)
            check(described, described_by(described, "GET", "operations/x"), monitor)
            result = caller.get(answer.headers["Location"], timeout=100)
            check(described, described_by(described, "GET", "operations/x/result"), result)


def test_what_the_app_makes_of_its_own_is_described_field_by_field(
    app: stack.App, caller: requests.Session, described: Any
) -> None:
    """An operation that failed, a report with its resources, a firing with its steps, health: nothing in them is undescribed."""

    def asked(verb: str, path: str, *, headers: dict[str, str] | None = None, **more: Any) -> Any:
        answer = caller.request(verb, f"{app.url}/api/{path}", headers=headers, timeout=100, **more)
        check(described, described_by(described, verb, path), answer)
        return answer.json()

    wrong = {**WORKSPACE, "properties": {**WORKSPACE["properties"], "containerRegistry": scene.REGISTRY_WITHOUT_ADMIN_ID}}
    asked("PUT", "workspaces/refused", json=wrong, headers={"Prefer": "wait=60", "traceparent": f"00-{TRACE}-{'1' * 16}-01"})
    (failed,) = (each for each in asked("GET", "operations")["value"] if each["properties"]["target"].endswith("/refused"))
    shown = asked("GET", f"operations/{failed['name']}")
    assert shown["status"] == "Failed"
    assert shown["properties"]["traceId"] == TRACE

    deadline = time.monotonic() + 120
    while "error" in (run := asked("POST", "cleanup?mode=dryRun&policy=failed-workspaces", headers={"Prefer": "wait=60"})):
        assert run["error"]["code"] == "CleanupUnderWay"  # the timer's own run, or another test's, has that policy in hand
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert asked("GET", f"cleanup/reports/{run['name']}")["status"] == "Completed"

    rules = "rules:\n  - {name: seen, on: {types: [some.other]}, do: {request: GET workspaces/refused-too}}\n"
    caller.put(f"{app.url}/api/events/rules/seen", data=rules, headers={"Content-Type": "application/yaml"}, timeout=60)
    event = {**EVENT, "id": "seen-1", "type": "some.other", "traceparent": f"00-{TRACE}-{'2' * 16}-01"}
    asked("POST", "events", json=event)
    deadline = time.monotonic() + 120
    while not (fired := [each for each in asked("GET", "events/firings?rule=seen")["value"] if each["status"] != "Running"]):
        assert time.monotonic() < deadline, "the rule did not fire"
        time.sleep(0.1)
    assert asked("GET", f"events/firings/{fired[0]['name']}")["traceId"] == TRACE
    points = asked("GET", "health/details")["attention"]
    expected = {"FiringsFailed", "OperationsFailed"}  # some of this session do
    assert {each["code"] for each in points} <= expected
    assert asked("GET", "load")["outcomes"]["Succeeded"] > 0
    for path in ("parked", "health/poison", "cleanup/savings"):
        asked("GET", path)


def test_without_a_key_the_platform_says_401(app: stack.App, anybody: requests.Session, described: Any) -> None:
    """Its own answer, empty; the document says so."""
    answer = anybody.get(f"{app.url}/api/workspaces", timeout=60)
    assert answer.status_code == requests.codes.unauthorized
    check(described, described_by(described, "GET", "workspaces"), answer)


@pytest.mark.parametrize("scheme", ["key", "code"])
def test_both_ways_to_show_the_key_work(scheme: str, app: stack.App, anybody: requests.Session, described: Any) -> None:
    """As `securitySchemes` describes them."""
    told = described["components"]["securitySchemes"][scheme]
    given = {told["name"]: app.key}
    more: dict[str, Any] = {"headers": given} if told["in"] == "header" else {"params": given}
    assert anybody.get(f"{app.url}/api/operations", timeout=60, **more).status_code == requests.codes.ok


def test_every_list_of_a_workspace_is_as_described(app: stack.App, caller: requests.Session, described: Any) -> None:
    """All kinds that are listed right below a workspace, v1's too."""
    made = caller.put(f"{app.url}/api/workspaces/all-lists", json=WORKSPACE, headers={"Prefer": "wait=60"}, timeout=100)
    assert made.status_code in (200, 201), made.text
    asked = 0
    for template, item in described["paths"].items():
        if re.fullmatch(r"/workspaces/{workspaceName}/\w+", template) and item.get("get", {}).get("operationId", "").endswith(
            "_list"
        ):
            answer = caller.get(f"{app.url}/api{template.replace('{workspaceName}', 'all-lists')}", timeout=100)
            assert answer.status_code == requests.codes.ok, (template, answer.text[:300])
            check(described, item["get"], answer)
            asked += 1
    assert asked > 15
