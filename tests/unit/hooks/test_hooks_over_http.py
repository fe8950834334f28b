"""The hooks' own API: deliveries and handshakes in, rules by file, what an event would do, what fired."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote

import azure.functions as func
import pytest

from functions import hooks as triggers
from shared.hooks import rule_store
from tests import front
from tests.fake_azure import WORKSPACE
from tests.unit.hooks.conftest import ML, Hooks

RULES = """
rules:
  - name: copy
    description: keeps a copy
    on: {types: [ModelRegistered]}
    if: data.modelTags.stage == 'production'
    do:
      - name: first
        request: PUT workspaces/w1/models/${{ data.modelName }}-a/versions/${{ data.modelVersion }}
        body: {properties: {modelUri: here}}
      - request: GET workspaces/w1/models/${{ steps.first.body.name }}
"""
EVENT = {
    "id": "e1",
    "topic": WORKSPACE,
    "eventType": f"{ML}.ModelRegistered",
    "subject": "models/credit:1",
    "data": {"ModelName": "credit", "ModelVersion": "1", "ModelTags": {"stage": "production"}},
}


def send(method: str, path: str, body: Any = b"", **headers: str) -> Any:
    """Send a request; returns status, headers and JSON."""
    answer = front.respond(method, path, body if isinstance(body, bytes | str) else json.dumps(body), **headers)
    content = answer.get_body()
    named = {name.lower(): value for name, value in answer.headers.items()}
    is_json = content and "json" in f"{answer.mimetype} {named.get('content-type', '')}"
    return answer.status_code, named, json.loads(content) if is_json else content


def test_a_delivery_is_stored_before_it_is_answered(hooks: Hooks) -> None:
    """200: Event Grid may forget it, and Microsoft's own client takes nothing else for success."""
    status, _, body = send("POST", "events", [EVENT])
    key = body["events"][0].pop("key")
    assert (status, body) == (200, {"accepted": 1, "messages": 1, "events": [{"id": "e1"}]})
    assert re.fullmatch(r"[0-9a-f]{40}", key)
    assert len(hooks.steward.event_queue.messages) == 1


def test_both_handshakes_are_answered(hooks: Hooks) -> None:
    """Event Grid's own, and CloudEvents' by OPTIONS."""
    asked = [{**EVENT, "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent", "data": {"validationCode": "c-1"}}]
    assert send("POST", "events", asked)[2] == {"validationResponse": "c-1"}
    status, headers, _ = send("OPTIONS", "events", webhook_request_origin="eventgrid.azure.net")
    assert (status, headers["webhook-allowed-origin"]) == (200, "eventgrid.azure.net")
    assert not hooks.steward.event_queue.messages


@pytest.mark.parametrize("origin", ["", "x" * 300, "a\r\nb", "<script>"])
def test_a_handshake_without_a_host_is_refused(hooks: Hooks, origin: str) -> None:
    """What is echoed is a host name and nothing else."""
    assert hooks
    status, headers, body = send("OPTIONS", "events", webhook_request_origin=origin)
    assert (status, body["error"]["target"]) == (400, "WebHook-Request-Origin")
    assert "webhook-allowed-origin" not in headers


def test_a_malformed_delivery_is_refused_and_nothing_is_queued(hooks: Hooks) -> None:
    """400 names the event and the field."""
    status, _, body = send("POST", "events", [EVENT, {**EVENT, "id": 7}])
    assert (status, body["error"]["code"], body["error"]["target"]) == (400, "InvalidEvent", "[1].id")
    assert not hooks.steward.event_queue.messages


@pytest.mark.parametrize("cloud", [False, True])
def test_the_trigger_takes_both_schemas(hooks: Hooks, *, cloud: bool) -> None:
    """The platform's library reads each into a class of its own."""
    if cloud:
        given: Any = func.CloudEvent(
            id="e1", source=WORKSPACE, type=EVENT["eventType"], specversion="1.0", subject="models/credit:1", data=EVENT["data"]
        )
    else:
        from azure.functions._eventgrid import EventGridEvent

        given = EventGridEvent(
            id="e1", data=EVENT["data"], topic=WORKSPACE, subject="models/credit:1", event_type=EVENT["eventType"],
            event_time=None, data_version="1",
        )  # fmt: skip
    hooks.rules(RULES)
    triggers.on_event_grid(given)
    hooks.drive()
    assert [firing.rule.name for firing in hooks.firings()] == ["copy"]


def test_rules_are_put_read_listed_and_deleted(hooks: Hooks) -> None:
    """A file that is wrong is refused with line and column, and the one in force stays."""
    assert hooks
    status, _, body = send("PUT", "events/rules/ml", RULES)
    assert (status, body["rules"][0]["name"]) == (200, "copy")
    status, _, body = send("PUT", "events/rules/ml", RULES.replace("if:", "iff:"))
    assert (status, body["error"]["code"]) == (400, "InvalidRules")
    assert "line 6, column 5" in body["error"]["message"]
    assert send("GET", "events/rules/ml")[2].decode() == RULES
    assert [rule["name"] for rule in send("GET", "events/rules")[2]["value"]] == ["copy"]
    assert send("DELETE", "events/rules/ml")[0] == 204
    assert send("GET", "events/rules")[2]["value"] == []
    assert send("GET", "events/rules/ml")[0] == 404


@pytest.mark.parametrize("name", ["../x", "a/b", ".hidden", "x" * 200])
def test_a_file_name_stays_in_its_folder(hooks: Hooks, name: str) -> None:
    """400, and nothing is written."""
    assert send("PUT", f"events/rules/{quote(name, safe='')}", RULES)[0] == 400
    assert not hooks.steward.blobs.blobs


def test_a_broken_file_in_the_container_stops_only_itself(hooks: Hooks) -> None:
    """Somebody wrote it there by hand; the list tells what is wrong."""
    hooks.rules(RULES, "good.yaml")
    hooks.rules("rules: [{name: x", "bad.yaml")
    body = send("GET", "events/rules")[2]
    assert [rule["name"] for rule in body["value"]] == ["copy"]
    assert body["problems"][0]["file"].endswith("bad.yaml")


def test_a_test_shows_what_would_be_sent_and_sends_nothing(hooks: Hooks) -> None:
    """Each rule with the reason; values of earlier answers are not known yet."""
    hooks.rules(RULES)
    other = {**EVENT, "id": "e2", "data": {}}
    body = send("POST", "events/test", [EVENT, other])[2]
    (first,), (second,) = (shown["rules"] for shown in body["value"])
    assert first["fires"]
    assert first["requests"][0]["path"] == "workspaces/w1/models/credit-a/versions/1"
    assert "unknown" in first["requests"][1]
    assert not second["fires"]
    assert "'if' does not hold" in second["reason"]
    assert not hooks.calls
    assert not hooks.firings()
    assert not hooks.steward.event_queue.messages


def test_firings_are_listed_and_read(hooks: Hooks) -> None:
    """Step by step, with the operations they became."""
    hooks.rules(RULES.replace("      - request: GET workspaces/w1/models/${{ steps.first.body.name }}\n", ""))
    send("POST", "events", [EVENT])
    hooks.drive()
    (shown,) = send("GET", "events/firings?$top=5")[2]["value"]
    assert (shown["rule"], shown["status"]) == ("copy", "Succeeded")
    one = send("GET", f"events/firings/{shown['name']}")[2]
    assert one["answers"]["first"]["status"] in (200, 201)
    assert send("GET", "events/firings/nope")[0] == 404


def test_a_rules_request_is_not_a_callers(hooks: Hooks) -> None:
    """The operation says which rule sent it, and how deep."""
    hooks.rules(RULES)
    send("POST", "events", [EVENT])
    hooks.drive()
    operation = hooks.steward.ledger.newest(top=1)[0]
    assert (operation.caller, operation.depth) == ("rule:copy", 1)


def test_nobody_claims_a_rules_terms_over_the_wire(hooks: Hooks) -> None:
    """No header makes a caller a rule."""
    send(
        "PUT", "workspaces/w1/models/m/versions/1", {"properties": {}}, content_type="application/json",
        firing="abc", depth="9", origin="x", steward_origin="r/abc/9",
    )  # fmt: skip
    operation = hooks.steward.ledger.newest(top=1)[0]
    assert (operation.origin, operation.depth) == ("", 0)


def test_a_callback_that_is_not_listed_is_refused_before_anything_is_accepted(hooks: Hooks) -> None:
    """400 names the header; no operation."""
    status, _, body = send(
        "PUT", "workspaces/w1/models/m/versions/1", {"properties": {}}, content_type="application/json",
        callback_url="https://evil.example/",
    )  # fmt: skip
    assert (status, body["error"]["code"], body["error"]["target"]) == (400, "CallbackNotAllowed", "Callback-Url")
    assert not hooks.steward.ledger.newest(top=1)


def test_rules_that_were_put_are_in_force_in_every_instance(hooks: Hooks) -> None:
    """Another instance read the files a moment ago, and meets the next event."""
    other = rule_store.Store(hooks.steward.blobs, hooks.steward.clock)
    assert other.rules() == ()
    send("PUT", "events/rules/ml", RULES)
    assert [rule.name for rule in other.rules()] == ["copy"]
    send("DELETE", "events/rules/ml")
    assert other.rules() == ()


TELLS = """
rules:
  - name: tells
    on: {types: [contoso.plan]}
    do:
      - notify: contoso.planned
      - request: GET workspaces/w1/models
"""
PLAN = {"specversion": "1.0", "type": "contoso.plan", "source": "me", "data": {}}


def test_what_an_event_started_is_found_by_its_key(hooks: Hooks) -> None:
    """The answer to the delivery has the key of each event."""
    hooks.rules(TELLS)
    keys = [send("POST", "events", {**PLAN, "id": name}, content_type="application/cloudevents+json")[2] for name in ("a", "b")]
    hooks.drive()
    for name, told in zip(("a", "b"), keys, strict=True):
        key = told["events"][0]["key"]
        found = send("GET", f"events/firings?event={key.upper()}")[2]["value"]
        assert [each["event"]["id"] for each in found] == [name]
    assert send("GET", f"events/firings?event={'0' * 40}")[2]["value"] == []


def test_a_notification_without_a_receiver_is_said_to_be_skipped(hooks: Hooks) -> None:
    """When the file is put, when it is tried, when it fires, and to the operator."""
    warned = send("PUT", "events/rules/tells", TELLS)[2]["rules"][0]["warnings"]
    assert "STEWARD_NOTIFY" in warned[0]
    tried = send("POST", "events/test", {**PLAN, "id": "t"}, content_type="application/cloudevents+json")[2]
    assert "STEWARD_NOTIFY" in tried["value"][0]["rules"][0]["requests"][0]["skipped"]
    assert "skipped" not in tried["value"][0]["rules"][0]["requests"][1]
    send("POST", "events", {**PLAN, "id": "a"}, content_type="application/cloudevents+json")
    hooks.drive()
    step = send("GET", "events/firings")[2]["value"][0]["steps"][0]
    assert step["skipped"] is True
    assert "STEWARD_NOTIFY" in step["reason"]


def test_a_firing_takes_no_further_step_once_it_is_cancelled(hooks: Hooks) -> None:
    """Whatever its message says; a second time changes nothing."""
    hooks.rules(TELLS)
    send("POST", "events", {**PLAN, "id": "a"}, content_type="application/cloudevents+json")
    assert hooks.step()
    (firing,) = hooks.firings()
    status, _, body = send("POST", f"events/firings/{firing.id}/cancel")
    assert (status, body["status"], body["error"]["code"]) == (200, "Canceled", "Canceled")
    hooks.drive()
    assert hooks.firings(status="Canceled")[0].answers == {}
    assert send("POST", f"events/firings/{firing.id}/cancel")[2]["endTime"] == body["endTime"]
    assert send("POST", f"events/firings/{'0' * 40}/cancel")[0] == 404
