"""The caller's trace reaches every request to Azure, whichever process sends it, and everybody who is told of the end."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from shared import services
from shared.api import answer, handling
from shared.api.call import Call
from shared.api.route import Route
from shared.notify import notices
from shared.operations.models import Operation
from shared.rest import client, clouds
from shared.telemetry import trace
from tests import wire as wires
from tests.fake_azure import Fault
from tests.fakes import unavailable
from tests.unit.hooks.conftest import Hooks, registered

ID, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CALLERS = f"00-{ID}-{PARENT}-01"
BODY = {"location": "westeurope", "properties": {}}


@pytest.fixture
def seen(steward):
    """What each request to Azure was part of: trace id and operation."""
    found = []
    send = steward.azure.send

    def noting(*args, **kwargs):
        here = trace.current()
        found.append((here.id if here else "", trace.operation()))
        return send(*args, **kwargs)

    steward.azure.send = noting
    return found


def test_every_request_of_an_operation_is_part_of_the_callers_trace(steward, seen):
    """The PUT in the caller's own request, polls from the queue, the result: other threads, other processes."""
    with trace.bound(trace.parse(CALLERS)):
        operation = steward.submit("PUT", "workspaces/w2", BODY)
    steward.restart()
    steward.drive()
    ended = steward.load(operation)
    assert ended.status == "Succeeded"
    assert len(seen) >= 3
    assert set(seen) == {(ID, operation.id)}
    assert ended.view()["properties"]["traceId"] == ID


def test_without_a_caller_there_is_a_trace_all_the_same(steward, seen):
    """One for each operation."""
    operations = [steward.submit("PUT", f"workspaces/w{number}", BODY) for number in (2, 3)]
    steward.drive()
    traces = {steward.load(operation).trace_id for operation in operations}
    assert len(traces) == 2
    assert {found for found, _ in seen} == traces


def test_the_trace_outlives_trouble(steward, seen):
    """Queued only, Azure away for a while: what is sent in the end still belongs to the caller."""
    steward.azure.faults.append(Fault(method="PUT", match="w2", problem=unavailable(), times=3))
    with trace.bound(trace.parse(CALLERS)):
        operation = steward.submit("PUT", "workspaces/w2", BODY, respond_async=True)
    steward.drive()
    assert steward.load(operation).status == "Succeeded"
    assert {found for found, _ in seen} == {ID}


def test_a_repeated_request_keeps_the_trace_of_the_first(steward):
    """The same Idempotency-Key is the same operation, also when a retry comes with a trace of its own."""
    with trace.bound(trace.parse(CALLERS)):
        first = steward.submit("PUT", "workspaces/w2", BODY, idempotency_key="k1", caller="c")
    again = steward.submit("PUT", "workspaces/w2", BODY, idempotency_key="k1", caller="c")
    assert (again.id, again.trace_id) == (first.id, ID)


def test_an_operation_of_an_older_app_goes_on_without(steward):
    """Its row has no trace: one is made for each step, and nothing pretends to know it."""
    operation = steward.submit("PUT", "workspaces/w2", BODY, respond_async=True)
    stored = operation.to_json()
    del stored["trace"]
    assert Operation.from_json(stored).trace_id == ""
    assert "traceId" not in Operation.from_json(stored).view()["properties"]
    steward.edit(operation, trace="")
    steward.drive()
    assert steward.load(operation).status == "Succeeded"


def test_whoever_is_told_of_the_end_is_told_the_trace(steward):
    """In the data for people, and as CloudEvents' Distributed Tracing attribute; the event's id does not depend on it."""
    with trace.bound(trace.parse(CALLERS)):
        operation = steward.submit("PUT", "workspaces/w2", BODY)
    steward.drive()
    ended = steward.load(operation)
    notice = notices.of_operation(ended)
    event = notice.event("/me")
    assert (event["traceparent"], event["data"]["traceId"]) == (CALLERS, ID)
    old = notices.of_operation(replace(ended, trace="")).event("/me")
    assert old["id"] == event["id"]
    assert "traceparent" not in old
    assert "traceId" not in old["data"]


@pytest.mark.parametrize(("header", "wanted"), [(CALLERS, ID), ("garbage", None), ("", None)])
def test_the_header_of_a_request_is_what_its_handler_works_within(header, wanted):
    """Read once, for every function; what cannot be read begins a trace, and is no error of the caller's."""
    found = []

    def handler(_call, _app):
        found.append(trace.current().id)
        return answer.of_json({})

    route = Route(id="x", call="GET /x", handler=handler, role="anyone")
    handling.answered(Call(method="GET", path="x", headers={"traceparent": header}), route, None)
    assert found[0] == wanted if wanted else len(found[0]) == 32
    assert trace.current() is None


RULES = """
rules:
  - name: copy
    on: {types: [ModelRegistered]}
    do:
      - name: first
        request: PUT workspaces/w1/models/copy/versions/${{ data.modelVersion }}
        body: {properties: {modelUri: here}}
      - name: second
        request: PUT workspaces/w1/computes/cpu${{ data.modelVersion }}
        body: {location: westeurope, properties: {computeType: AmlCompute}}
"""


def test_all_operations_of_a_firing_are_part_of_its_trace():
    """It is derived from the firing's id: a step that is taken again has the same, and nothing is stored for it."""
    hooks = Hooks()
    hooks.rules(RULES)
    hooks.happen(registered(), registered(2))
    hooks.drive()
    services.use(None)
    fired = {firing.id: firing.trace.id for firing in hooks.firings()}
    assert len(set(fired.values())) == 2
    operations = [operation for operation in hooks.app.ledger.newest(top=20) if operation.origin]
    assert len(operations) == 4
    assert all(operation.trace_id == fired[operation.origin] for operation in operations)
    assert {firing.view()["traceId"] for firing in hooks.firings()} == set(fired.values())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """One certificate for every host."""
    return wires.certify(tmp_path_factory.mktemp("wire") / "wire.pem")


class _Tokens:
    def get(self, scope):
        return "token"


def test_each_request_on_the_wire_names_a_span_of_its_own(certificate, monkeypatch):
    """To ARM, to storage by signature, to an endpoint by key; a traceparent among the given headers does not get through."""
    with wires.running(certificate, monkeypatch) as wire:
        azure = client.Client(clouds.PUBLIC, _Tokens())  # type: ignore[arg-type]
        with trace.bound(trace.parse(CALLERS)):
            azure.send("GET", "https://management.azure.com/subscriptions?api-version=1")
            azure.send_signed("PUT", "https://acct.blob.core.windows.net/c?sig=S", content=b"x")
            azure.send_keyed(
                "https://e.westeurope.inference.ml.azure.com/score",
                "k",
                content=b"{}",
                headers={"traceparent": CALLERS},
                timeout_s=5,
            )
        azure.send("GET", "https://management.azure.com/subscriptions?api-version=1")
        azure._pool().close()
    found = [trace.parse(request.headers["traceparent"]) for request in wire.seen]
    assert [each.id for each in found[:3]] == [ID] * 3
    assert found[3].id != ID
    assert len({PARENT, *(each.parent for each in found)}) == 5


def test_what_is_stored_of_a_trace_is_its_header_alone(steward):
    """55 characters of the row."""
    with trace.bound(trace.parse(CALLERS)):
        operation = steward.submit("PUT", "workspaces/w2", BODY, respond_async=True)
    assert json.loads(json.dumps(operation.to_json()))["trace"] == CALLERS
