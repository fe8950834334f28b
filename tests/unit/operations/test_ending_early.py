"""Cancel, abandon, poison, reconcile: what happens to operations beside their own steps."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shared.durable import messages, worker
from shared.durable.messages import Message
from shared.operations import flows, steps
from shared.rest import errors
from tests.fake_azure import WORKSPACE, Fault, lost, refusal
from tests.fakes import Killed, unavailable
from tests.leases import Leases
from tests.steward import advance, look_after

if TYPE_CHECKING:
    from tests.steward import Steward

BODY: dict[str, Any] = {"location": "westeurope", "properties": {}}
JOB: dict[str, Any] = {"properties": {"jobType": "Command"}}
RUN = {"projectZipFile": b"z", "runDefinitionFile": b"{}"}


def test_what_was_not_sent_is_canceled(steward: Steward) -> None:
    """Azure never hears of it, and its message is stale."""
    operation = steward.submit("PUT", "workspaces/w2", BODY, respond_async=True)
    canceled = flows.cancel(steward.stored(operation), steward.process)
    assert canceled.error
    assert (canceled.status, canceled.error.code) == ("Canceled", "Canceled")
    steward.drive()
    assert steward.azure.requests == []


def test_what_was_not_sent_by_its_time_is_never_sent(steward: Steward) -> None:
    """What was true when it was asked for need not be true any more."""
    by = steward.clock() + timedelta(seconds=60)
    late = steward.submit("DELETE", "workspaces/w1", respond_async=True, send_by=by)
    steward.clock.advance(61)
    steward.drive()
    ended = steward.load(late)
    assert ended.error
    assert (ended.status, ended.error.code) == ("Canceled", "Expired")
    assert steward.azure.requests == []


def test_what_is_sent_by_its_time_goes_its_way(steward: Steward) -> None:
    """The moment is read back from storage."""
    by = steward.clock() + timedelta(seconds=60)
    operation = steward.submit("PATCH", "workspaces/w1", {"tags": {"a": "b"}}, respond_async=True, send_by=by)
    assert steward.load(operation).send_by == by
    steward.drive()
    assert steward.load(operation).status == "Succeeded"


def test_what_waits_for_its_turn_is_canceled_without_disturbing_the_others(steward: Steward) -> None:
    """The one in front goes on, the one behind moves up."""
    first, second, third = (steward.submit("PATCH", "workspaces/w1", {"tags": {"n": str(n)}}) for n in range(3))
    flows.cancel(steward.stored(second), steward.process)
    steward.drive()
    assert [steward.load(each).status for each in (first, second, third)] == ["Succeeded", "Canceled", "Succeeded"]
    assert steward.azure.count("PATCH") == 2


@pytest.mark.parametrize(
    ("path", "body", "files"), [("workspaces/w1/jobs", JOB, {}), ("workspaces/w1/experiments/e/startrun", None, RUN)]
)
def test_a_job_or_run_is_canceled_by_azure_and_followed(steward: Steward, path: str, body: Any, files: dict[str, bytes]) -> None:
    """The operation ends when the job has."""
    operation = steward.submit("POST", path, body, files=files)
    asked = flows.cancel(steward.stored(operation), steward.process)
    assert (asked.status, asked.timeline[-1].what) == ("Running", "cancel requested")
    steward.drive()
    ended = steward.load(operation)
    assert ended.status == "Canceled"
    assert steward.azure.count("cancel") == 1
    assert "cancel requested" in [entry.what for entry in ended.timeline]


def test_anything_else_that_was_sent_cannot_be_canceled(steward: Steward) -> None:
    """Never a hidden delete."""
    operation = steward.submit("PUT", "workspaces/w2", BODY)
    with pytest.raises(errors.BadRequestError) as refused:
        flows.cancel(steward.stored(operation), steward.process)
    assert (refused.value.status, refused.value.error.code) == (409, "NotCancelable")
    steward.drive()
    assert steward.load(operation).status == "Succeeded"


def test_a_job_that_is_being_sent_can_be_canceled_in_a_moment(steward: Steward) -> None:
    """Until Azure has answered there is no job to cancel: the refusal says so, not that there never will be."""
    stored = steward.stored(steward.submit("POST", "workspaces/w1/jobs", JOB, respond_async=True))
    sending = replace(stored, operation=replace(stored.operation, phase="sending"))
    with pytest.raises(errors.BadRequestError, match="try again"):
        flows.cancel(sending, steward.process)


@pytest.mark.parametrize("request_", [("DELETE", ""), ("POST", "/cancel")], ids=["delete", "cancel"])
def test_neither_the_deletion_nor_the_cancel_of_a_job_is_a_job(steward: Steward, request_: tuple[str, str]) -> None:
    """They are followed as what they are and cannot be canceled."""
    method, tail = request_
    steward.azure.put(f"{WORKSPACE}/jobs/j1", {"properties": {"status": "Running"}})
    operation = steward.submit(method, f"workspaces/w1/jobs/j1{tail}")
    assert operation.phase == "following"
    with pytest.raises(errors.BadRequestError):
        flows.cancel(steward.stored(operation), steward.process)


def test_a_cancel_that_azure_refuses_changes_nothing(steward: Steward) -> None:
    """The caller gets Azure's answer; the job is followed on."""
    operation = steward.submit("POST", "workspaces/w1/jobs", JOB)
    steward.azure.faults.append(
        Fault(method="POST", match="/cancel", response=refusal(400, "CancelPipelineRunInTerminalStatus", "it is over"))
    )
    with pytest.raises(errors.RejectedError):
        flows.cancel(steward.stored(operation), steward.process)
    steward.drive()
    assert steward.load(operation).status == "Succeeded"


def test_an_abandoned_operation_is_no_longer_followed(steward: Steward) -> None:
    """Azure goes on; whoever waits for the target is next."""
    first = steward.submit("PATCH", "workspaces/w1", {"tags": {"n": "1"}})
    second = steward.submit("PATCH", "workspaces/w1", {"tags": {"n": "2"}})
    ended = flows.cancel(steward.stored(first), steward.process, abandon=True)
    assert ended.error
    assert (ended.status, ended.error.code) == ("Canceled", "Abandoned")
    steward.drive()
    assert steward.load(second).status == "Succeeded"


def test_canceling_what_has_ended_answers_how_it_ended(steward: Steward) -> None:
    """No error: the caller wanted it to be over."""
    operation = steward.submit("PUT", "workspaces/w2", BODY)
    steward.drive()
    assert flows.cancel(steward.stored(operation), steward.process).status == "Succeeded"


def test_a_cancel_that_races_a_worker_judges_anew(steward: Steward) -> None:
    """What was queued when it was read has been sent meanwhile: not cancelable, and no 500."""
    operation = steward.submit("PUT", "workspaces/w2", BODY, respond_async=True)
    seen = steward.stored(operation)
    assert steward.step()
    with pytest.raises(errors.BadRequestError) as refused:
        flows.cancel(seen, steward.process)
    assert refused.value.error.code == "NotCancelable"


def test_a_poison_message_marks_its_operation_and_frees_the_lane(steward: Steward, monkeypatch: Any) -> None:
    """Every attempt at a step failed; the next on the target has its turn."""
    first = steward.submit("PATCH", "workspaces/w1", {"tags": {"n": "1"}})
    second = steward.submit("PATCH", "workspaces/w1", {"tags": {"n": "2"}})

    def fail(*_: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(steps, "_poll", fail)
    while not steward.poisoned:
        steward.clock.advance(10)
        steward.step()
    monkeypatch.undo()
    ended = steward.load(first)
    assert ended.error
    assert (ended.status, ended.http_status, ended.error.code) == ("Failed", 500, "StewardInternalError")
    assert len(steward.trouble) == 5
    steward.drive()
    assert steward.load(second).status == "Succeeded"


def test_a_poison_message_that_is_stale_marks_nothing(steward: Steward) -> None:
    """Reconcile took the operation further while the message was failing."""
    operation = steward.submit("PUT", "workspaces/w2", BODY)
    text = Message(machine="operation", key=(operation.id,), step=operation.step).to_text()
    steward.clock.advance(120)
    look_after(steward.process)
    assert worker.give_up((steps.MACHINE,), text, steward.process, "why") is False
    steward.drive()
    assert steward.load(operation).status == "Succeeded"


def test_a_poison_message_stays_while_storage_is_out_of_reach(steward: Steward, monkeypatch: Any) -> None:
    """A poison queue has no second poison queue: what its function returns from is deleted."""
    operation = steward.submit("PUT", "workspaces/w2", BODY)
    text = Message(machine="operation", key=(operation.id,), step=operation.step).to_text()

    def fail(*_: Any, **__: Any) -> None:
        raise unavailable()

    monkeypatch.setattr(steward.rows, "write", fail)
    with pytest.raises(errors.TransientError):
        worker.give_up((steps.MACHINE,), text, steward.process, "why")


def test_reconcile_wakes_exactly_what_is_overdue(steward: Steward) -> None:
    """A first look is lost fifty seconds after the send, not before; what is on its way is left alone."""
    lost_one = steward.submit("PUT", "workspaces/w2", BODY)
    steward.queue.messages.clear()
    steward.clock.advance(15)
    fresh = steward.submit("PUT", "workspaces/w3", BODY)
    assert look_after(steward.process) == 0
    steward.clock.advance(33)
    assert look_after(steward.process) == 0
    steward.clock.advance(3)
    assert look_after(steward.process) == 1
    assert [message.step for message in steward.messages(lost_one)] == [lost_one.step + 1]
    assert [message.step for message in steward.messages(fresh)] == [fresh.step]
    assert look_after(steward.process) == 0


def test_reconcile_leaves_alone_what_waits_for_its_turn(steward: Steward) -> None:
    """However long that takes."""
    steward.submit("PATCH", "workspaces/w1", {"tags": {}})
    waiting = steward.submit("PATCH", "workspaces/w1", {"tags": {}})
    steward.clock.advance(3_600)
    look_after(steward.process)
    assert steward.load(waiting).step == waiting.step


def test_reconcile_wakes_one_whose_turn_came_while_its_waker_died(steward: Steward) -> None:
    """The end of the first was recorded, the wake-up of the second was not."""
    first = steward.submit("PATCH", "workspaces/w1", {"tags": {"n": "1"}}, respond_async=True)
    second = steward.submit("PATCH", "workspaces/w1", {"tags": {"n": "2"}}, respond_async=True)
    while steward.queue.messages[0].text != steward.queue.messages[-1].text:
        steward.queue.messages.pop()
    stored = steward.stored(first)
    ended = replace(stored.operation, phase="ended", status="Canceled", ended_at=steward.clock())
    steward.ledger.leave_lane(stored, ended)
    steward.drive()
    assert steward.load(second).status == "Succeeded"


def test_reconcile_tidies_the_list_of_open_operations(steward: Steward) -> None:
    """An end whose process died before the list was put right."""
    operation = steward.submit("PUT", "workspaces/w2", BODY)
    left = dict(steward.open.rows)
    steward.drive()
    steward.open.rows.update(left)
    steward.clock.advance(60)  # a timer looks at an entry once its moment has come
    assert look_after(steward.process) == 0
    assert steward.open.rows == {}
    assert steward.load(operation).status == "Succeeded"


def test_an_acceptance_that_died_is_forgotten_after_ten_minutes_not_before(steward: Steward) -> None:
    """It may still be writing its files."""
    steward.fuse.blow(5, after=False)
    with pytest.raises(Killed):
        steward.submit("POST", "workspaces/w1/jobs", JOB, files={"x": b"content"})
    assert steward.blobs.blobs
    steward.clock.advance(540)
    look_after(steward.process)
    assert (len(steward.blobs.blobs), len(steward.open.rows)) == (1, 1)
    steward.clock.advance(120)
    look_after(steward.process)
    assert (steward.blobs.blobs, steward.open.rows) == ({}, {})


def test_one_operation_that_cannot_be_read_does_not_stop_the_others(steward: Steward) -> None:
    """A row of a newer app, in the middle of a deploy."""
    newer, other = steward.submit("PUT", "workspaces/w2", BODY), steward.submit("PUT", "workspaces/w3", BODY)
    key = (newer.partition, newer.suffix)
    row = steward.rows.rows[key]
    steward.rows.rows[key] = replace(
        row, columns={**row.columns, "json0": row.columns["json0"].replace('"version": 1', '"version": 9')}
    )
    steward.queue.messages.clear()
    steward.clock.advance(300)
    assert look_after(steward.process) == 1
    assert [message.key[0] for message in map(_message, steward.queue.messages)] == [other.id]


def _message(held: Any) -> Message:
    return messages.read(held.text, "operation")


def test_a_write_under_way_is_not_looked_up_while_its_worker_lives(steward: Steward, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lease is renewed. A look that came too early would find nothing and send it a second time."""
    operation, leases = steward.submit("PUT", "workspaces/w2", BODY, respond_async=True), Leases(steward.clock, monkeypatch)
    other_process: list[int] = []

    def slow(name: str) -> None:
        if name.startswith("azure PUT"):
            steward.fuse.between = None
            for _ in range(18):
                leases.advance(10)
                other_process.append(look_after(steward.process))

    steward.fuse.between = slow
    assert steward.step()
    assert set(other_process) == {0}
    steward.drive()
    assert steward.load(operation).status == "Succeeded"
    assert steward.azure.count("PUT") == 1


@pytest.mark.parametrize("sent", [False, True], ids=["before-it-sent", "after-it-sent"])
def test_a_worker_that_was_frozen_records_nothing_over_the_work_of_others(
    steward: Steward, monkeypatch: pytest.MonkeyPatch, *, sent: bool
) -> None:
    """Its lease ran out meanwhile: another worker looked the write up, and took the operation to its end."""
    operation, leases = steward.submit("PUT", "workspaces/w2", BODY, respond_async=True), Leases(steward.clock, monkeypatch)
    leases.frozen = True
    (message,) = steward.queue.messages
    send, ended = steward.azure.send, []

    def frozen(method: str, url: str, **options: Any) -> Any:
        monkeypatch.setattr(steward.azure, "send", send)
        answer = send(method, url, **options) if sent else None
        steward.queue.messages.clear()
        steward.drive()
        ended.append(steward.stored(operation))
        return answer or send(method, url, **options)

    monkeypatch.setattr(steward.azure, "send", frozen)
    assert advance(message.text, steward.process) is None
    (other,) = ended
    assert (other.operation.status, steward.stored(operation).etag) == ("Succeeded", other.etag)
    assert not steward.trouble


def test_a_worker_that_lost_its_lease_during_the_send_records_nothing(steward: Steward, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sign of life finds another etag in the row."""
    operation, leases = steward.submit("PUT", "workspaces/w2", BODY, respond_async=True), Leases(steward.clock, monkeypatch)
    taken: list[Any] = []

    def stolen(name: str) -> None:
        if name.startswith("azure PUT"):
            steward.fuse.between = None
            taken.append(steward.edit(operation, lost_since=steward.clock()))
            leases.advance(10)

    steward.fuse.between = stolen
    assert steward.step()
    assert steward.stored(operation).etag == taken[0].etag


def test_a_crash_while_a_target_is_busy_for_long_is_settled_like_any_other(steward: Steward) -> None:
    """Many busy answers are no reason to give up on a look."""
    operation = steward.submit("PUT", "workspaces/w2", BODY)
    steward.drive()
    steward.azure.faults.append(Fault(method="PATCH", match="w2", response=refusal(409, "Conflict", "another operation"), times=30))
    patch = steward.submit("PATCH", "workspaces/w2", {"tags": {"a": "b"}})
    while steward.load(patch).attempts < 30:
        steward.clock.advance(15)
        steward.step()
    steward.azure.faults.append(Fault(method="PATCH", match="w2", problem=lost(arrived=True), after=True))
    steward.drive()
    assert steward.load(patch).status == "Succeeded"
    assert steward.azure.count("PATCH") == 1
    assert steward.load(operation).status == "Succeeded"


def test_a_write_that_nobody_could_settle_for_a_day_ends_unknown(steward: Steward, monkeypatch: Any) -> None:
    """Every look killed its process."""
    steward.azure.faults.append(Fault(method="PUT", match="w2", problem=lost(arrived=True)))
    operation = steward.submit("PUT", "workspaces/w2", BODY)

    def die(*_: Any) -> None:
        raise Killed

    monkeypatch.setattr(steps, "_look_up", die)
    steward.drive()
    ended = steward.load(operation)
    assert ended.error
    assert (ended.error.code, ended.error.target) == ("OutcomeUnknown", operation.target)
    assert ended.ended_at
    assert ended.ended_at - ended.created_at < timedelta(hours=26)


def test_what_was_claimed_as_it_was_recorded_and_never_sent_is_not_sent_later(steward: Steward) -> None:
    """Its process died before the wire; the look finds that nothing arrived, and by then its moment is over."""
    by = steward.clock() + timedelta(seconds=30)
    steward.fuse.between = lambda name: steward.fuse.blow(1, after=False) if name.startswith("azure DELETE") else None
    with pytest.raises(Killed):
        steward.submit("DELETE", "workspaces/w1", send_by=by)
    steward.fuse.between = None
    steward.restart()
    steward.drive()
    (ended,) = steward.process.ledger.newest(top=1)
    assert ended.error
    assert (ended.status, ended.error.code) == ("Canceled", "Expired")
    assert steward.azure.count("DELETE") == 0


@pytest.mark.parametrize(("later", "call"), [(False, "open.put"), (False, "rows.write"), (True, "rows.write")])
def test_what_stood_still_before_the_wire_is_not_sent_after_its_moment(steward: Steward, call: str, *, later: bool) -> None:
    """Seed 189 of the clean-ups: a process was frozen while it recorded a deletion, and sent it 95 s after its last look."""
    by = steward.clock() + timedelta(seconds=30)

    def stands(name: str) -> None:
        if name == call:
            steward.fuse.between = None
            steward.clock.advance(40)

    def submit() -> None:
        steward.submit("DELETE", "workspaces/w1", send_by=by, respond_async=later)

    if later:
        submit()
    steward.fuse.between = stands
    if not later:
        submit()
    steward.drive()
    (ended,) = steward.process.ledger.newest(top=1)
    assert ended.error
    assert (ended.status, ended.error.code) == ("Canceled", "Expired")
    assert steward.azure.count("DELETE") == 0
    assert steward.fuse.between is None
