"""The trace of an event, as its sender or its request names it, is the trace of everything that its rules start."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import azure.functions as func
import pytest

from functions import hooks as triggers
from shared.hooks import events
from shared.telemetry import trace
from tests.fake_azure import WORKSPACE
from tests.unit.hooks.conftest import ML, Hooks

ID = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{ID}-00f067aa0ba902b7-01"
OTHER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
CLOUD = {"specversion": "1.0", "id": "c1", "source": WORKSPACE, "type": f"{ML}.ModelRegistered", "subject": "models/credit:1"}
GRID = {"id": "g1", "topic": WORKSPACE, "eventType": f"{ML}.ModelRegistered", "subject": "models/credit:1", "data": {}}
RULES = """
rules:
  - name: put
    on: {types: [ModelRegistered]}
    do:
      - request: PUT workspaces/w1/computes/made
        body: {location: westeurope, properties: {computeType: AmlCompute}}
      - notify: contoso.made
"""


def delivered(body: Any, **headers: str) -> list[str]:
    """Read a delivery and return the traces of its events."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return [event.trace for event in events.from_http(content, named).events]


def test_the_attribute_of_a_cloud_event_is_its_trace() -> None:
    """Distributed Tracing extension, in each mode; `tracestate` beside it is taken and not kept."""
    told = {**CLOUD, "traceparent": PARENT, "tracestate": "rojo=00f067aa0ba902b7"}
    assert delivered(told, content_type="application/cloudevents+json") == [PARENT]
    assert delivered([told, CLOUD], content_type="application/cloudevents-batch+json") == [PARENT, ""]
    binary = {f"ce-{name}": value for name, value in told.items()}
    assert delivered(b"{}", content_type="application/json", **binary) == [PARENT]


def test_the_header_of_the_request_is_the_trace_of_events_without_one() -> None:
    """Of every event that it brings, in either schema; the event's own attribute is about the event and wins."""
    assert delivered([{**CLOUD, "traceparent": PARENT}, CLOUD], traceparent=OTHER) == [PARENT, OTHER]
    assert delivered([GRID, GRID], traceparent=OTHER) == [OTHER, OTHER]
    assert delivered([{**GRID, "traceparent": PARENT}]) == [""], "Event Grid's schema has no such attribute"


NONE = (
    *("", "x", PARENT.upper(), f"{PARENT}-00", f"ff{PARENT[2:]}", f"{PARENT}\n"),
    *(f"00-{'0' * 32}-{'1' * 16}-01", f"00-{ID}-{'0' * 16}-01", 7, None, [PARENT]),
)


@pytest.mark.parametrize("wrong", NONE)
def test_what_is_no_traceparent_is_left_out(wrong: Any) -> None:
    """As a request's header: never an error, and nothing of it is kept; a later version is read as far as this one goes."""
    assert delivered({**CLOUD, "traceparent": wrong}) == [""]
    if isinstance(wrong, str):
        assert delivered(CLOUD, traceparent=wrong) == [""]
    assert delivered({**CLOUD, "traceparent": f"01{PARENT[2:]}-more"}) == [PARENT]


def test_it_survives_the_queue_and_is_seen_by_rules() -> None:
    """A message holds it as CloudEvents writes it; what no sender said is not there."""
    (event,) = events.from_http(json.dumps({**CLOUD, "traceparent": PARENT}).encode(), {}).events
    (text,) = events.packed([event, replace(event, trace="")])
    assert [each.trace for each in events.from_message(text)] == [PARENT, ""]
    assert event.document()["traceparent"] == PARENT
    assert "traceparent" not in replace(event, trace="").to_json()
    assert events.from_message(json.dumps({**CLOUD, "traceparent": PARENT}))[0].trace == PARENT, "Event Grid queued it itself"


@pytest.mark.parametrize("way", ["webhook", "trigger"])
def test_what_its_rules_start_is_part_of_it(way: str, hooks: Hooks) -> None:
    """The firing, its operations and their requests to Azure; also after a restart in between."""
    hooks.rules(RULES)
    if way == "webhook":
        hooks.happen(*events.from_http(json.dumps(CLOUD).encode(), {"traceparent": PARENT}).events)
    else:
        given = {name: value for name, value in CLOUD.items() if name != "specversion"}
        triggers.on_event_grid(func.CloudEvent(specversion="1.0", **given, traceparent=PARENT, data={}))
    hooks.step()
    hooks.restart()
    hooks.drive()
    (firing,) = hooks.firings()
    assert firing.status == "Succeeded", firing.error
    assert firing.view()["traceId"] == ID
    (operation,) = hooks.steward.ledger.newest(top=5)
    assert operation.view()["properties"]["traceId"] == ID
    sent = trace.parse(operation.trace)
    assert sent is not None
    assert sent.sampled


def test_without_one_a_firing_has_a_trace_of_its_own(hooks: Hooks) -> None:
    """The same each time it is looked at."""
    hooks.rules(RULES)
    hooks.happen(*events.from_http(json.dumps(CLOUD).encode(), {}).events)
    hooks.drive()
    (firing,) = hooks.firings()
    (operation,) = hooks.steward.ledger.newest(top=5)
    assert firing.trace == trace.derived(f"firing {firing.id}")
    assert operation.trace_id == firing.trace.id
