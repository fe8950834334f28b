"""Events fire the rules that want them: once, in order, within their limits, whatever dies in between."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from shared.api.access import approvals
from shared.catalog.grants import Grant
from shared.hooks import authors, event_target, events, inbox, lineage, matching, rule_store
from shared.notify import notices
from tests.fake_azure import ACCOUNT_KEY, WORKSPACE, Fault
from tests.fakes import Killed, unavailable
from tests.unit.hooks.conftest import ML, Hooks, registered

if TYPE_CHECKING:
    from shared.catalog.statuses import OfApproval
    from shared.hooks.events import Event

COPY = """
rules:
  - name: copy
    on: {types: [ModelRegistered]}
    if: data.modelTags.stage == 'production'
    do:
      - name: first
        request: PUT workspaces/w1/models/${{ data.modelName }}-a/versions/${{ data.modelVersion }}
        body: {properties: {modelUri: here}}
      - name: second
        request: PUT workspaces/w1/computes/c-${{ steps.first.body.properties.modelUri }}
        body: {location: westeurope, properties: {computeType: AmlCompute}}
      - name: third
        request: GET workspaces/w1/computes/c-${{ steps.first.body.properties.modelUri }}
        expect: status == `200` && body.properties.provisioningState == 'Succeeded'
"""
WRITES = [r"^PUT workspaces/w1/models/credit-a/versions/1$", r"^PUT workspaces/w1/computes/c-here$"]


def test_a_chain_takes_values_from_the_event_and_from_earlier_answers(hooks: Hooks) -> None:
    """Each request waits for the end of the operation that the one before became."""
    hooks.rules(COPY)
    hooks.happen(registered(stage="production"))
    hooks.drive()
    (firing,) = hooks.firings()
    assert firing.status == "Succeeded", firing.error
    assert [hooks.steward.azure.count(write) for write in WRITES] == [1, 1]
    assert [call.path for call in hooks.calls][-1] == "workspaces/w1/computes/c-here"


def test_an_event_that_meets_no_condition_does_nothing(hooks: Hooks) -> None:
    """A rule's `if` is over the event's data, whatever the casing of its keys."""
    hooks.rules(COPY)
    hooks.happen(registered(stage="test"), registered(2))
    hooks.drive()
    assert not hooks.firings()
    assert not hooks.calls


@pytest.mark.parametrize(("decided", "ends"), [("Approved", "Succeeded"), ("Refused", "Failed"), ("Expired", "Failed")])
def test_a_request_that_needs_an_approval_is_waited_for(hooks: Hooks, decided: OfApproval, ends: str) -> None:
    """202 for the approval is no success: the next step is taken once it is given, and none where it is not."""
    hooks.settings = replace(hooks.settings, approvals=frozenset({"workspaces"}))
    hooks.restart()
    hooks.steward.azure.put(f"{WORKSPACE}9", {"location": "westeurope", "properties": {}})
    rest = "      - {name: after, notify: done}\n"
    hooks.rules(f"rules:\n- name: gone\n  on: {{types: [ModelRegistered]}}\n  do:\n      - request: DELETE workspaces/w19\n{rest}")
    hooks.happen(registered())
    hooks.drive(70)
    (firing,) = hooks.firings()
    assert (firing.status, firing.position) == ("Running", 0)
    assert firing.view()["steps"][0]["approval"] == firing.approval
    known = approvals.load(firing.approval, hooks.app)
    done = replace(known.value, status=decided, by="somebody else", answered=200 if decided == "Approved" else 0)
    approvals.save(known, done, hooks.app)
    hooks.drive()
    (firing,) = hooks.firings()
    assert (firing.status, firing.error and firing.error.code) == (ends, None if ends == "Succeeded" else f"Approval{decided}")
    assert [call.method for call in hooks.calls].count("NOTIFY") == (ends == "Succeeded")


def test_an_event_that_comes_again_changes_nothing(hooks: Hooks) -> None:
    """Delivered twice, in another message, after the end, in another casing of its source."""
    hooks.rules(COPY)
    event = registered(stage="production")
    hooks.happen(event, event)
    hooks.happen(event)
    hooks.drive()
    hooks.happen(replace(event, source=event.source.upper()))
    hooks.drive()
    assert len(hooks.firings()) == 1
    assert [hooks.steward.azure.count(write) for write in WRITES] == [1, 1]


@pytest.mark.parametrize("after", [False, True])
def test_a_kill_at_any_call_leaves_one_chain_done_once(*, after: bool) -> None:
    """Before or after each call to storage, queue or Azure in turn."""
    for nth in itertools.count(1):
        hooks = Hooks()
        hooks.rules(COPY)
        hooks.happen(registered(stage="production"))
        hooks.steward.fuse.blow(nth, after=after)
        hooks.drive(2 * 3600)
        survived = hooks.steward.fuse.armed
        hooks.steward.fuse.disarm()
        statuses = [firing.status for firing in hooks.firings()]
        assert statuses == ["Succeeded"], (nth, [firing.error for firing in hooks.firings()])
        assert [hooks.steward.azure.count(write) for write in WRITES] == [1, 1], nth
        if survived:
            return


def test_a_failed_step_ends_the_chain_with_the_reason(hooks: Hooks) -> None:
    """Azure's own error, and nothing after it."""
    hooks.rules(COPY.replace("computeType: AmlCompute", "computeType: Quantum"))
    hooks.happen(registered(stage="production"))
    hooks.drive()
    (firing,) = hooks.firings()
    assert firing.status == "Failed"
    assert firing.error
    assert "computeType" in firing.error.message
    assert "third" not in firing.answers


def test_an_answer_that_is_not_expected_ends_the_chain(hooks: Hooks) -> None:
    """`expect` judges the answer instead of its status."""
    hooks.rules(COPY.replace("'Succeeded'", "'Perfect'"))
    hooks.happen(registered(stage="production"))
    hooks.drive()
    (firing,) = hooks.firings()
    assert firing.error
    assert (firing.status, firing.error.code, firing.error.target) == ("Failed", "NotExpected", "third")


KEYS = """
rules:
  - name: keys
    on: {types: [ModelRegistered]}
    do:
      - name: read
        request: POST workspaces/w1/listStorageAccountKeys
        expect: status == `200` && length(body.userStorageKey) > `0`
      - name: use
        request: PUT workspaces/w1/models/${{ steps.read.body.userStorageKey }}/versions/1
        body: {properties: {modelUri: here}}
"""


def test_keys_that_a_step_reads_are_recorded_nowhere(hooks: Hooks) -> None:
    """`expect` sees them; the row, its view and later steps do not."""
    hooks.rules(KEYS)
    hooks.happen(registered())
    hooks.drive()
    (firing,) = hooks.firings()
    assert [call.path for call in hooks.calls] == ["workspaces/w1/listStorageAccountKeys"]
    assert firing.answers["read"]["status"] == 200
    assert "body" not in firing.answers["read"]
    assert firing.error is not None
    assert firing.error.code == "ExpressionFoundNothing"
    assert ACCOUNT_KEY not in json.dumps([row.columns for row in hooks.hook_rows.rows.values()], default=str)


def test_what_a_rule_reads_is_the_resource_as_it_is_now(hooks: Hooks) -> None:
    """An event is late and may be old; `read` asks Azure, and a resource that is gone is null."""
    hooks.rules(
        """
rules:
  - name: look
    on: {types: [ModelRegistered]}
    read: true
    if: resource.properties.flavor == 'new'
    do: {request: "PUT workspaces/w1/models/${{ resource.name }}-seen/versions/1", body: {properties: {modelUri: x}}}
"""
    )
    hooks.steward.azure.put(f"{WORKSPACE}/models/credit/versions/1", {"properties": {"flavor": "new"}})
    hooks.happen(registered(1), registered(2))
    hooks.drive()
    assert [firing.document["event"]["subject"] for firing in hooks.firings()] == ["models/credit:1"]


def rule(**more: str) -> str:
    """A rule with one request and whatever else it says."""
    said = "\n".join(f"    {name}: {value}" for name, value in more.items())
    return f"""
rules:
  - name: r
    on: {{types: [ModelRegistered]}}
{said}
    do:
      request: PUT workspaces/w1/models/${{{{ data.modelName }}}}-x/versions/${{{{ data.modelVersion }}}}
      body: {{properties: {{modelUri: x}}}}
"""


def test_once_per_fires_once_for_a_value(hooks: Hooks) -> None:
    """Three versions of one model, one firing."""
    hooks.rules(rule(oncePer="${{ data.modelName }}"))
    hooks.happen(registered(1), registered(2), registered(1, name="other"))
    hooks.happen(registered(3))
    hooks.drive()
    assert len(hooks.firings()) == 2


def test_a_rate_puts_off_what_is_beyond_it(hooks: Hooks) -> None:
    """Nothing is dropped: later windows take the rest."""
    hooks.rules(rule(rate="2/1h"))
    hooks.happen(*(registered(number) for number in range(1, 6)))
    hooks.drive(60)
    assert len([firing for firing in hooks.firings() if firing.status == "Succeeded"]) == 2
    hooks.drive(3 * 3600)
    assert len([firing for firing in hooks.firings() if firing.status == "Succeeded"]) == 5


def test_debounce_waits_for_quiet_and_fires_for_the_newest(hooks: Hooks) -> None:
    """Five events within ten seconds, one firing; a later burst fires again."""
    hooks.rules(rule(debounce="30s", oncePer="${{ data.modelName }}"))
    for number in range(1, 6):
        hooks.happen(registered(number))
        hooks.drive(2)
        hooks.steward.clock.advance(2)
    assert not hooks.firings()
    hooks.drive(120)
    assert [firing.document["event"]["subject"] for firing in hooks.firings()] == ["models/credit:5"]
    hooks.happen(registered(6))
    hooks.drive(120)
    assert len(hooks.firings()) == 2


def test_debounce_fires_for_what_happened_last_whatever_came_last(hooks: Hooks) -> None:
    """Event Grid promises no order: an older event that comes late only makes the burst longer."""
    hooks.rules(rule(debounce="30s", oncePer="${{ data.modelName }}"))
    for number in (2, 3, 1):
        hooks.happen(replace(registered(number), time=f"2026-03-02T09:00:0{number}.1234567Z"))
        hooks.drive(2)
    hooks.drive(120)
    assert [firing.document["event"]["subject"] for firing in hooks.firings()] == ["models/credit:3"]


def test_a_message_of_an_earlier_burst_does_not_cut_a_later_one_short(hooks: Hooks) -> None:
    """Its worker died after it had fired, and the platform brings it again in the midst of the next burst."""
    hooks.rules(rule(debounce="30s", oncePer="${{ data.modelName }}"))
    hooks.happen(registered(1))
    hooks.drive(2)
    (old,) = [message.text for message in hooks.steward.event_queue.messages if "debounced" in message.text]
    hooks.drive(60)
    assert len(hooks.firings()) == 1
    hooks.happen(registered(2))
    hooks.drive(2)
    inbox.take(old, hooks.app)
    assert len(hooks.firings()) == 1
    hooks.drive(60)
    assert len(hooks.firings()) == 2


def test_a_rule_cannot_loop_by_what_it_makes(hooks: Hooks) -> None:
    """Each model it registers raises the event that registers the next: refused at the limit, and recorded."""
    hooks.rules(
        """
rules:
  - name: loop
    on: {types: [ModelRegistered]}
    do: {request: "PUT workspaces/w1/models/${{ data.modelName }}x/versions/1", body: {properties: {modelUri: x}}}
"""
    )
    name = "m"
    for _ in range(10):
        hooks.happen(registered(1, name=name))
        hooks.drive()
        hooks.steward.clock.advance(1)
        name += "x"
    statuses = [firing.status for firing in reversed(hooks.firings())]
    assert statuses[: matching.DEPTH_LIMIT] == ["Succeeded"] * matching.DEPTH_LIMIT
    assert statuses[matching.DEPTH_LIMIT] == "Refused"
    refused = next(firing for firing in hooks.firings() if firing.status == "Refused")
    assert refused.error
    assert refused.error.code == "RuleLoop"


def test_the_mark_of_a_rule_comes_back_with_azures_event(hooks: Hooks) -> None:
    """A job's properties are in its events as runProperties, also when the ledger has forgotten the operation."""
    event = replace(registered(), data={**registered().data, "ModelProperties": {"steward-origin": "r/abc/5"}})
    assert lineage.depth_of(event, (), hooks.app) == 6


def test_an_event_wakes_the_operation_on_its_resource(hooks: Hooks) -> None:
    """The poll that was due in half a minute happens now."""
    operation = hooks.steward.submit(
        "PUT", "workspaces/w1/computes/cpu", {"location": "w", "properties": {"computeType": "AmlCompute"}}
    )
    while not hooks.steward.load(operation).ended and hooks.steward.step():
        continue
    hooks.steward.clock.advance(26)
    for message in hooks.steward.queue.messages:  # as if polls were rare: the event is what tells
        message.visible_at = hooks.steward.clock() + timedelta(hours=1)
    before = hooks.steward.load(operation)
    assert not before.ended
    event = registered()
    compute = f"{WORKSPACE}/computes/cpu"
    hooks.happen(replace(event, type="Microsoft.Resources.ResourceWriteSuccess", subject=compute, data={"resourceUri": compute}))
    assert hooks.step()
    while hooks.step():
        pass
    assert hooks.steward.load(operation).status == "Succeeded"


def bad_day(hooks: Hooks) -> None:
    """Azure cannot be reached for the resource that a rule reads."""
    hooks.steward.azure.faults.append(Fault(method="GET", match="/models/", problem=unavailable(), times=3))


def test_an_event_that_cannot_be_taken_in_now_comes_again(hooks: Hooks) -> None:
    """The others of its message are taken in at once; it has a message of its own with a growing delay."""
    hooks.rules(rule(read="true", **{"if": "resource"}))
    hooks.steward.azure.put(f"{WORKSPACE}/models/credit/versions/1", {"properties": {}})
    bad_day(hooks)
    hooks.happen(registered(1))
    hooks.drive()
    assert [firing.status for firing in hooks.firings()] == ["Succeeded"]


def test_what_never_succeeds_is_put_aside(hooks: Hooks) -> None:
    """After its attempts it lies under hooks/dead, with the reason."""
    hooks.rules(rule(read="true"))
    hooks.steward.azure.faults.append(Fault(method="GET", match="/models/", problem=unavailable(), times=1_000))
    hooks.happen(registered(1))
    hooks.drive(6 * 3600)
    (name,) = hooks.steward.blobs.names(inbox.DEAD)
    kept = json.loads(hooks.steward.blobs.blobs[name])
    assert "StorageUnavailable" in kept["reason"]
    assert "credit-1" in kept["message"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "5",
        '{"version":1,"events":[{}]}',
        '{"firing":"x"}',
        '{"firing":5}',
        '{"blob":"../x"}',
        '{"blob":"hooks/large/../../recipes/x.json"}',
    ],
)
def test_a_hostile_message_is_put_aside_or_ignored(hooks: Hooks, text: str) -> None:
    """The queue function never fails for it."""
    inbox.take(text, hooks.app)
    assert not hooks.calls


def large(event: Event) -> Event:
    """The event with half a megabyte of data."""
    return replace(event, data={**event.data, "more": "x" * 500_000})


def test_what_was_put_aside_is_kept_for_a_while(hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as operations are, and never more than a number of them: the oldest go."""
    monkeypatch.setattr(inbox, "DEAD_LIMIT", 3)
    for number in range(6):
        inbox.bury(f"not json {number}", hooks.app, "it cannot be read")
        hooks.steward.clock.advance(86_400)
    names = sorted(hooks.steward.blobs.names(inbox.DEAD))
    assert inbox.forget(hooks.app, hooks.steward.clock() - timedelta(days=30)) == 3
    assert sorted(hooks.steward.blobs.names(inbox.DEAD)) == names[3:]
    assert inbox.forget(hooks.app, hooks.steward.clock() - timedelta(days=1.5)) == 2
    assert sorted(hooks.steward.blobs.names(inbox.DEAD)) == names[5:]


def test_an_event_too_large_for_a_message_waits_in_a_blob(hooks: Hooks) -> None:
    """Event Grid takes events up to 1 MB, a queue message 48 KiB; one too large for a firing is refused and recorded."""
    hooks.rules(rule())
    hooks.happen(large(registered(1)), registered(2))
    hooks.drive()
    assert sorted(firing.status for firing in hooks.firings()) == ["Refused", "Succeeded"]
    assert not list(hooks.steward.blobs.names(inbox.LARGE))


def test_a_value_of_an_event_never_leaves_its_segment(hooks: Hooks) -> None:
    """A model called `../../x?y=` makes no other request."""
    hooks.rules(rule())
    hooks.happen(registered(1, name="../../computes/c?x="))
    hooks.drive()
    assert all(call.path.startswith("workspaces/w1/models/..%2F..%2F") for call in hooks.calls)
    assert not hooks.steward.azure.effects


def test_two_workers_with_one_message_do_the_work_once(hooks: Hooks) -> None:
    """The queue delivers at least once."""
    hooks.rules(COPY)
    hooks.happen(registered(stage="production"))
    for _ in range(200):
        for message in list(hooks.steward.event_queue.messages):
            if message.visible_at <= hooks.steward.clock():
                inbox.take(message.text, hooks.app)
        if not hooks.step():
            hooks.steward.clock.advance(5)
    assert [firing.status for firing in hooks.firings()] == ["Succeeded"]
    assert [hooks.steward.azure.count(write) for write in WRITES] == [1, 1]


def test_status_events_out_of_order_read_the_truth(hooks: Hooks) -> None:
    """`read` sees the job as it is, whichever of its events comes last."""
    hooks.rules(
        """
rules:
  - name: failed
    on: {types: [RunStatusChanged]}
    read: true
    if: resource.properties.status == 'Failed'
    oncePer: ${{ data.runId }}
    do: {request: "PUT workspaces/w1/models/failed-${{ data.runId }}/versions/1", body: {properties: {modelUri: x}}}
"""
    )
    hooks.steward.azure.put(f"{WORKSPACE}/jobs/j1", {"properties": {"status": "Failed"}})
    base = registered()
    for number, status in enumerate(["Failed", "Running", "Queued"]):
        data = {"runId": "j1", "runStatus": status}
        hooks.happen(replace(base, id=str(number), type=f"{ML}.RunStatusChanged", subject="experiments/e/runs/j1", data=data))
    hooks.drive()
    assert len(hooks.firings()) == 1


def test_killed_twice_is_still_once(hooks: Hooks) -> None:
    """A kill within the recovery from a kill."""
    hooks.rules(COPY)
    hooks.happen(registered(stage="production"))
    for nth in (9, 7, 5, 11, 3):
        hooks.steward.fuse.blow(nth, after=nth % 2 == 0)
        try:
            hooks.drive(600)
        except Killed:
            hooks.restart()
    hooks.steward.fuse.disarm()
    hooks.drive(4 * 3600)
    assert [firing.status for firing in hooks.firings()] == ["Succeeded"]
    assert [hooks.steward.azure.count(write) for write in WRITES] == [1, 1]


def test_a_notification_of_ours_that_comes_back_knows_how_deep_it_is(hooks: Hooks) -> None:
    """A rule over `azureml-steward.operation.failed` cannot loop through what it makes fail."""
    now = hooks.steward.clock()
    target = f"{WORKSPACE}/computes/cpu"
    notice = notices.Notice(about="o", type="azureml-steward.operation.failed", subject=target, at=now, data={}, depth=4)
    event = events.of(notice.event("/azureml-steward"))
    assert [found.path for found in event_target.of(event)] == [target]
    assert lineage.depth_of(event, (), hooks.app) == 5


def test_files_beyond_the_limit_are_told_of(hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not left out in silence."""
    monkeypatch.setattr(rule_store, "FILE_LIMIT", 1)
    hooks.rules(rule(), "a.yaml")
    hooks.rules(rule().replace("name: r", "name: second"), "b.yaml")
    assert [found.name for found in hooks.app.rule_store.rules()] == ["r"]
    assert [(problem.file, problem.error.code) for problem in hooks.app.rule_store.problems()] == [
        ("hooks/rules/b.yaml", "TooManyFiles")
    ]


def test_what_an_event_brought_is_gone_once_its_firing_has_ended(hooks: Hooks) -> None:
    """Its data, the resource that the rule read, and what steps were answered; while it runs, no view has the data."""
    hooks.rules(
        """
rules:
  - name: look
    on: {types: [ModelRegistered]}
    read: true
    do:
      - {name: read, request: "GET workspaces/w1/models/credit/versions/1"}
      - {name: put, request: "PUT workspaces/w1/models/seen/versions/1", body: {properties: {modelUri: x}}}
"""
    )
    hooks.steward.azure.put(f"{WORKSPACE}/models/credit/versions/1", {"properties": {"flavor": "CANARY-resource"}})
    hooks.happen(registered(1, secret="CANARY-data"))
    hooks.step()
    assert "CANARY-data" in str([firing.document for firing in hooks.firings()])
    assert "CANARY" not in str([firing.view() for firing in hooks.firings()])
    hooks.drive()
    assert [firing.status for firing in hooks.firings()] == ["Succeeded"]
    assert "CANARY" not in repr(hooks.hook_rows.rows)


def test_a_rule_whose_author_is_limited_to_places_knows_of_events_there_alone(hooks: Hooks) -> None:
    """Neither what others' events say nor the resource that they name is its author's to see; one that names none is."""
    lead = authors.line("key:half", (Grant(role="admin", below=(WORKSPACE.lower(),)),)).decode()
    hooks.rules(f"{lead}rules: [{{name: all, on: {{types: ['*.*']}}, read: true, do: {{request: GET workspaces/w1}}}}]")
    own, other = registered(name="own"), replace(registered(name="other"), source=f"{WORKSPACE}2")
    group = WORKSPACE.partition("/providers")[0]
    named = {"type": "Microsoft.Resources.ResourceWriteSuccess", "source": group}
    hooks.steward.azure.put(f"{WORKSPACE}2/computes/cpu", {"properties": {}})
    before = len(hooks.steward.azure.requests)
    hooks.happen(
        own, other,
        replace(own, id="1", subject=f"{WORKSPACE}2/computes/cpu", data={}, **named),
        replace(own, id="2", subject=f"{WORKSPACE}/computes/cpu", data={}, **named),
        replace(own, id="3", subject="none", data={}, **named),
        replace(own, id="4", type="Microsoft.Storage.BlobCreated", source=f"{group}/providers/Microsoft.Storage/x/y/z", data={}),
        replace(own, id="5", type="contoso.any", source="/contoso", subject="s", data={}),
    )  # fmt: skip
    hooks.drive()
    assert sorted(firing.document["event"]["id"] for firing in hooks.firings()) == ["2", "5", "own-1"]
    assert not [each for each in hooks.steward.azure.requests[before:] if "/w12" in str(each)]
    (shown,) = matching.matches(other, hooks.app)
    assert (shown.firing, "scope of the rule's author" in shown.reason) == (None, True)
