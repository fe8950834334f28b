"""An event that cannot be worked with takes nothing with it: the others of its delivery are taken in, and it is kept itself."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.chains.asked import Call
from shared.hooks import event_target, events, firings, inbox, lineage, matching
from shared.notify import notices
from shared.rest import errors
from shared.rest.client import Response
from shared.text import times
from tests import tables
from tests.fake_azure import WORKSPACE, Fault
from tests.fakes import unavailable
from tests.unit.hooks.conftest import ML, Hooks, registered

if TYPE_CHECKING:
    from collections.abc import Callable

READS = """
rules:
  - name: look
    on: {types: [ModelRegistered]}
    read: true
    do:
      request: PUT workspaces/w1/models/${{ data.modelName }}-x/versions/${{ data.modelVersion }}
      body: {properties: {modelUri: x}}
"""


OTHERS = """
  - name: writes
    on: {types: ["*"]}
    oncePer: ${{ data.modelName }}
    debounce: 5s
    do:
      request: PUT workspaces/w1/models/${{ data.runId }}/versions/1?x=${{ data.modelName }}
      body: {properties: {"${{ data.modelName }}": "${{ data }}", description: "a ${{ data.modelVersion }}"}}
  - name: tells
    on: {types: ["*"]}
    do: {notify: contoso.it, body: {it: "${{ event }}"}}
"""


def statuses(hooks: Hooks) -> dict[str, str]:
    """Event → how its firing ended."""
    return {firing.document["event"]["id"]: firing.status for firing in hooks.firings()}


def test_a_resource_that_azure_refuses_to_show_refuses_its_own_event_alone(hooks: Hooks) -> None:
    """403 is final: recorded as a refused firing with Azure's words, and the others of the message fire."""
    hooks.rules(READS)
    for name in ("good", "bad"):
        hooks.steward.azure.put(f"{WORKSPACE}/models/{name}/versions/1", {"properties": {}})
    refusal = Response(status=403, url="", body={"error": {"code": "AuthorizationFailed", "message": "Not yours."}})
    hooks.steward.azure.faults.append(Fault(method="GET", match="/models/bad/", response=refusal, times=100))
    hooks.happen(registered(1, name="bad"), registered(1, name="good"))
    hooks.drive()
    assert statuses(hooks) == {"bad-1": "Refused", "good-1": "Succeeded"}
    (refused,) = hooks.firings(status="Refused")
    assert refused.error
    assert refused.error.code == "AuthorizationFailed"
    assert not hooks.trouble
    assert not list(hooks.steward.blobs.names(inbox.DEAD))


def test_what_an_event_of_an_unlisted_subscription_names_is_not_read(hooks: Hooks) -> None:
    """The firing says why; no request and no token goes there."""
    hooks.rules(READS)
    home = WORKSPACE.split("/")[2]
    hooks.happen(replace(registered(1, name="far"), source=WORKSPACE.replace(home, "99999999-0000-0000-0000-000000000009")))
    before = len(hooks.steward.azure.requests)
    hooks.drive()
    (refused,) = hooks.firings()
    assert refused.error
    assert (refused.status, refused.error.code) == ("Refused", "SubscriptionNotListed")
    assert len(hooks.steward.azure.requests) == before


def test_an_event_that_breaks_the_app_is_put_aside_alone(hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it is that nobody thought of."""
    hooks.rules(READS)
    hooks.steward.azure.put(f"{WORKSPACE}/models/good/versions/1", {"properties": {}})
    usual: Callable[..., Any] = lineage.depth_of

    def depth_of(event: events.Event, *more: Any) -> int:
        if event.id == "bad-1":
            raise KeyError("nobody thought of this")
        return int(usual(event, *more))

    monkeypatch.setattr(lineage, "depth_of", depth_of)
    hooks.happen(registered(1, name="bad"), registered(1, name="good"))
    hooks.drive()
    assert statuses(hooks) == {"good-1": "Succeeded"}
    (name,) = hooks.steward.blobs.names(inbox.DEAD)
    kept = json.loads(hooks.steward.blobs.blobs[name])
    assert "KeyError" in kept["reason"]
    assert [event.id for event in events.from_message(kept["message"])] == ["bad-1"]


@pytest.mark.parametrize("member", ["id", "source", "type", "subject", "data"])
def test_half_a_character_is_replaced_at_the_door(member: str) -> None:
    r"""`\\ud800` is JSON and no text (a sender cut an emoji in two): nothing could store, hash or send it."""
    sent = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "subject": "x", "data": "y"} | {
        member: "a\ud800\U0001f600"
    }
    (event,) = events.from_http(json.dumps(sent).encode(), {"content-type": "application/cloudevents+json"}).events
    assert event.to_json()[member] in ("a\ufffd\U0001f600", {"value": "a\ufffd\U0001f600"})


def test_half_a_character_in_the_data_stops_nobody(hooks: Hooks) -> None:
    """No message fails for it."""
    hooks.rules(READS.replace("    read: true\n", ""))
    hooks.happen(registered(1, name="m\ud800"), registered(1, name="good"))
    hooks.drive()
    assert statuses(hooks)["good-1"] == "Succeeded"
    assert not hooks.trouble


def test_a_large_event_waits_for_better_times_in_a_blob_again(hooks: Hooks) -> None:
    """A retry is a message of its own, which must not be larger than a message can be."""
    hooks.rules(READS.replace("    read: true\n", "    read: true\n    if: resource\n"))
    hooks.steward.azure.put(f"{WORKSPACE}/models/credit/versions/1", {"properties": {}})
    hooks.steward.azure.faults.append(Fault(method="GET", match="/models/", problem=unavailable(), times=7))
    event = registered(1)
    hooks.happen(replace(event, data={**event.data, "more": "x" * 120_000}))
    hooks.drive(2 * 3600)
    assert [firing.status for firing in hooks.firings()] == ["Succeeded"]
    assert not hooks.trouble
    assert not list(hooks.steward.blobs.names(inbox.LARGE))


def compute_written(number: int, hooks: Hooks) -> events.Event:
    """Somebody changed a compute, now."""
    path = f"{WORKSPACE}/computes/cpu"
    time = times.iso(hooks.steward.clock())
    kind = "Microsoft.Resources.ResourceWriteSuccess"
    return events.Event(id=f"e{number}", source=WORKSPACE, type=kind, subject=path, time=time, data={"resourceUri": path})


SETS = """
rules:
  - name: sets
    on: {types: [Microsoft.Resources.ResourceWriteSuccess]}
    do: {request: PUT workspaces/w1/computes/cpu, body: {location: w, properties: {computeType: AmlCompute}}}
"""


def test_what_a_rule_did_yesterday_does_not_count_against_todays_event(hooks: Hooks) -> None:
    """Somebody changes a compute every day, a rule follows: after a week it still does. Depth counts causes, not history."""
    hooks.rules(SETS)
    for day in range(2 * matching.DEPTH_LIMIT):
        hooks.happen(compute_written(day, hooks))
        hooks.drive()
        hooks.steward.clock.advance(24 * 3600)
    assert {firing.status for firing in hooks.firings()} == {"Succeeded"}
    assert {firing.depth for firing in hooks.firings()} == {1}


@pytest.mark.parametrize("late_s", [0, 3 * 3600])
def test_what_a_rule_did_counts_however_late_its_event_comes(hooks: Hooks, late_s: int) -> None:
    """Event Grid may deliver a day later; the event says when it happened."""
    hooks.rules(SETS)
    for turn in range(2 * matching.DEPTH_LIMIT):
        event = compute_written(turn, hooks)
        hooks.steward.clock.advance(late_s)
        hooks.happen(event)
        hooks.drive(120)
    found = [firing.status for firing in reversed(hooks.firings())]
    assert found[: matching.DEPTH_LIMIT + 1] == ["Succeeded"] * matching.DEPTH_LIMIT + ["Refused"]


def test_a_notification_of_any_size_fits(hooks: Hooks) -> None:
    """A thousand members of a size that alone would be kept."""
    data = {f"m{number}": "x" * 900 for number in range(200)}
    notice = notices.Notice(about="a", type="t", subject="s", at=hooks.steward.clock(), data=data, depth=2)
    event = notices.fitting(notice.event("app"))
    assert len(json.dumps(event)) <= notices.BODY_LIMIT
    assert event["data"]["stewardDepth"] == 2
    assert event["data"]["truncated"] is True


def test_what_a_rate_puts_off_for_weeks_is_still_sent(hooks: Hooks) -> None:
    """A message can be delayed by seven days at most; the rest of the time it is delayed again."""
    hooks.rules(READS.replace("    read: true\n", "    rate: 1/1d\n"))
    hooks.happen(*(registered(number) for number in range(1, 11)))
    hooks.drive(11 * 24 * 3600)
    ends = sorted(firing.ended_at for firing in hooks.firings(status="Succeeded") if firing.ended_at)
    assert len(ends) == 10
    assert not hooks.trouble
    assert all(later - earlier > timedelta(hours=23) for earlier, later in itertools.pairwise(ends[1:]))


def test_binary_data_of_a_cloud_event_is_read() -> None:
    """`data_base64` is how a client sends bytes: JSON where it says so."""
    sent = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "datacontenttype": "application/json"}
    sent["data_base64"] = "eyJtb2RlbE5hbWUiOiAiY3JlZGl0In0="
    (event,) = events.from_http(json.dumps(sent).encode(), {"content-type": "application/cloudevents+json"}).events
    assert event.data == {"modelName": "credit"}


@pytest.mark.parametrize(
    "data",
    [
        {"runId": "step", "runProperties": {"azureml.pipelinerunid": "whole"}},
        {"runId": "step", "RunProperties": {"azureml.rootPipelineRunId": "whole"}},
        {"runId": "whole_17"},
    ],
)
def test_a_part_of_what_a_rule_started_is_as_deep_as_the_whole(hooks: Hooks, data: dict[str, Any]) -> None:
    """A pipeline's steps and a sweep's trials raise events of their own, which carry no mark: a rule on them would multiply."""
    job = {"properties": {"jobType": "Pipeline", "experimentName": "e", "jobs": {}}}
    path = "workspaces/w1/jobs/whole"
    assert (
        hooks.perform(Call(method="PUT", path=path, headers={}, body=job, key="k", caller="rule:r", firing="f", depth=3)).status
        < 300
    )
    event = events.Event(id="1", source=WORKSPACE, type=f"{ML}.RunCompleted", subject="experiments/e/runs/step", data=data)
    assert lineage.depth_of(event, event_target.of(event), hooks.app) == 4


def test_answers_that_fill_a_firings_row_end_it_with_the_reason(hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not as a message that keeps failing, its step taken again and again."""
    hooks.rules(
        READS.replace("    read: true\n", "").replace("    do:\n      request", "    do:\n    - request")
        + "    - request: GET workspaces/w1\n"
    )
    hooks.happen(registered(1))
    while not hooks.firings():
        assert hooks.step()
    monkeypatch.setattr(firings, "ROW_LIMIT", len(json.dumps(hooks.firings()[0].to_json())) + 10)
    hooks.drive()
    (firing,) = hooks.firings()
    assert firing.error, firing.status
    assert (firing.status, firing.error.code, len(hooks.calls)) == ("Failed", "EventTooLarge", 1)
    assert not hooks.trouble


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1" + "0" * 400 + ".0"])
def test_a_number_too_large_for_a_number_takes_no_neighbour_with_it(hooks: Hooks, number: str) -> None:
    """It is JSON, and Python's infinity is not: it stays a text."""
    hooks.rules(READS.replace("    read: true\n", ""))
    odd = '{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"x":NUMBER}}'.replace("NUMBER", number)
    sent = f"[{odd}, {json.dumps({'specversion': '1.0', **registered(1).to_json()})}]"
    hooks.happen(*events.from_http(sent.encode(), {"content-type": "application/cloudevents-batch+json"}).events)
    hooks.drive()
    assert [firing.status for firing in hooks.firings()] == ["Succeeded"]
    assert not list(hooks.steward.blobs.names(inbox.DEAD))


TEXTS = st.text(max_size=30) | st.sampled_from(
    ["", " ", "..", "a/b", "a\x00b", "%2e", "\ud800", WORKSPACE, f"{WORKSPACE}/models/m", "//", "x" * 2048]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
NAMES = [
    "modelName",
    "ModelVersion",
    "runId",
    "experimentName",
    "serviceName",
    "resourceUri",
    "modelProperties",
    "runProperties",
    "stewardDepth",
    "properties",
]
TYPES = ["ModelRegistered", "ModelDeployed", "RunCompleted", "RunStatusChanged", "DatasetDriftDetected"]


@pytest.mark.sweep
@settings(max_examples=150 if tables.WHOLE else 50, deadline=None)
@given(
    kind=st.sampled_from([*(f"{ML}.{name}" for name in TYPES), "Microsoft.Resources.ResourceWriteSuccess", "azureml-steward.x"]),
    source=TEXTS,
    subject=TEXTS,
    time=TEXTS,
    data=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5) | VALUES,
)
def test_whatever_an_event_holds_its_neighbour_is_taken_in(kind: str, source: str, subject: str, time: str, data: Any) -> None:
    """Read or refused at the door; once accepted, no message fails and nothing is put aside."""
    hooks = Hooks()
    hooks.rules(READS.replace("[ModelRegistered]", '["*"]') + OTHERS)
    sent = {"specversion": "1.0", "id": "odd", "source": source, "type": kind, "subject": subject, "time": time, "data": data}
    try:
        odd = events.from_http(json.dumps(sent).encode(), {"content-type": "application/cloudevents+json"}).events
    except errors.BadRequestError:
        return
    hooks.steward.azure.put(f"{WORKSPACE}/models/good/versions/1", {"properties": {}})
    hooks.happen(*odd, registered(1, name="good"))
    hooks.drive()
    assert not hooks.trouble
    assert not list(hooks.steward.blobs.names(inbox.DEAD))
    assert "Succeeded" in [firing.status for firing in hooks.firings() if firing.document["event"]["id"] == "good-1"]
