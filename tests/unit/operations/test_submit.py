"""Accepting a request: what is answered at once, what is only recorded, what a repeated key gets."""

from __future__ import annotations

import contextlib
import io
import zipfile
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shared.operations import flows
from shared.rest import errors
from tests.fake_azure import WORKSPACE, Fault, lost, refusal, throttled
from tests.fakes import DownRows, Killed, unavailable

if TYPE_CHECKING:
    from tests.steward import Steward

BODY: dict[str, Any] = {"location": "westeurope", "properties": {}}
SECRET = "hunter2-very-secret"
DATASTORE = "workspaces/w1/datastores/d1"
WITH_SECRET: dict[str, Any] = {
    "properties": {
        "datastoreType": "AzureBlob",
        "credentials": {"credentialsType": "AccountKey", "secrets": {"secretsType": "AccountKey", "key": SECRET}},
    }
}


def test_what_azure_refuses_comes_back_at_once(steward: Steward) -> None:
    """A 4xx is ARM's answer, and nothing is left on the queue."""
    steward.azure.faults.append(Fault(method="PUT", match="w2", response=refusal(400, "InvalidLocation", "no such region")))
    operation = steward.submit("PUT", "workspaces/w2", BODY)
    assert operation.error
    assert (operation.status, operation.http_status, operation.error.code) == ("Failed", 400, "InvalidLocation")
    assert (steward.queue.messages, steward.open.rows) == ([], {})


def test_what_azure_finishes_at_once_comes_back_with_the_resource(steward: Steward) -> None:
    """200 and 201 with a resource that is ready."""
    made = refusal(201, "", "")
    made = type(made)(status=201, url="", body={"name": "1", "properties": {"provisioningState": "Succeeded"}})
    steward.azure.faults.append(Fault(method="PUT", match="models", response=made))
    operation = steward.submit("PUT", "workspaces/w1/models/m/versions/1", {"properties": {}})
    assert (operation.status, operation.http_status, operation.result["name"]) == ("Succeeded", 201, "1")
    assert steward.queue.messages == []


def test_what_takes_time_is_answered_with_its_first_poll_on_the_queue(steward: Steward) -> None:
    """Message before answer, with a delay of its own: Azure ML names none."""
    operation = steward.submit("PUT", "workspaces/w2", BODY)
    assert (operation.phase, operation.status, operation.http_status) == ("following", "Running", 202)
    assert [message.step for message in steward.messages(operation)] == [operation.step]
    assert steward.queue.sent[-1][1] == 2.0


def test_respond_async_records_and_queues_while_azure_is_down(steward: Steward) -> None:
    """Nothing is asked of Azure; the queue does the work when it is back."""
    steward.azure.faults.append(Fault(method="PUT", match="w2", problem=lost(arrived=False), times=3))
    operation = steward.submit("PUT", "workspaces/w2", BODY, respond_async=True)
    assert (operation.phase, operation.status, steward.azure.requests) == ("accepted", "NotStarted", [])
    steward.drive()
    assert steward.load(operation).status == "Succeeded"
    assert steward.azure.count("^PUT workspaces/w2$") == 1


def test_a_repeated_key_gets_the_operation_it_made(steward: Steward) -> None:
    """As that stands now, and Azure hears nothing of it."""
    first = steward.submit("PUT", "workspaces/w2", BODY, idempotency_key="k")
    steward.drive()
    again = steward.submit("PUT", "workspaces/w2", BODY, idempotency_key="k")
    assert (again.id, again.status) == (first.id, "Succeeded")
    assert steward.azure.count("^PUT workspaces/w2$") == 1


@pytest.mark.parametrize(
    "other", [{"body": {"location": "northeurope"}}, {"query": "a=b"}, {"method": "PATCH"}], ids=["body", "query", "method"]
)
def test_a_repeated_key_with_another_request_is_refused(steward: Steward, other: dict[str, Any]) -> None:
    """The caller's mistake, said as such."""
    steward.submit("PUT", "workspaces/w2", BODY, idempotency_key="k")
    changed = {"method": "PUT", "body": BODY, **other}
    with pytest.raises(errors.BadRequestError) as refused:
        steward.submit(changed.pop("method"), "workspaces/w2", changed.pop("body"), idempotency_key="k", **changed)
    assert (refused.value.error.code, refused.value.status) == ("IdempotencyKeyReused", 400)


def test_a_repeated_key_with_other_files_does_not_touch_the_first_ones(steward: Steward) -> None:
    """The first request is still to be sent, with its own code."""
    spec: dict[str, Any] = {"properties": {"jobType": "Command"}}
    first = steward.submit("POST", "workspaces/w1/jobs", spec, files={"x": b"first"}, idempotency_key="k", respond_async=True)
    with pytest.raises(errors.BadRequestError):
        steward.submit("POST", "workspaces/w1/jobs", spec, files={"x": b"second"}, idempotency_key="k", respond_async=True)
    assert steward.ledger.file(first.files["x"]) == b"first"


def test_keys_of_different_callers_do_not_meet(steward: Steward) -> None:
    """A key is the caller's own."""
    first = steward.submit("PUT", "workspaces/w2", BODY, idempotency_key="k", caller="a")
    second = steward.submit("PUT", "workspaces/w2", {"location": "x"}, idempotency_key="k", caller="b")
    assert first.id != second.id


def test_without_a_key_two_requests_are_two_operations(steward: Steward) -> None:
    """And the second waits for the first."""
    first = steward.submit("PUT", "workspaces/w2", BODY)
    second = steward.submit("PUT", "workspaces/w2", BODY)
    assert (first.phase, second.phase) == ("following", "waiting")
    steward.drive()
    assert {steward.load(each).status for each in (first, second)} == {"Succeeded"}


def test_a_job_takes_its_name_from_the_operation(steward: Steward) -> None:
    """So that Azure itself refuses a second one."""
    operation = steward.submit("POST", "workspaces/w1/jobs", {"properties": {"jobType": "Command"}})
    assert operation.target == f"{WORKSPACE}/jobs/job-{operation.suffix}"
    assert operation.method == "PUT"


def test_a_run_takes_the_id_that_its_caller_wants_or_the_operations(steward: Steward) -> None:
    """Sent as `runId`; the run in history is the target."""
    files = {"projectZipFile": b"z", "runDefinitionFile": b"{}"}
    ours = steward.submit("POST", "workspaces/w1/experiments/e/startrun", files=files)
    theirs = steward.submit("POST", "workspaces/w1/experiments/e/startrun", files=files, run_id="mine")
    assert ours.target == f"{WORKSPACE}/experiments/e/runs/e_{ours.suffix}"
    assert theirs.target.endswith("/runs/mine")
    assert any("runId=mine" in sent for sent in steward.azure.requests)


def test_files_reach_azure_as_multipart(steward: Steward) -> None:
    """With the names and types that the article's curl uses."""
    files = {"projectZipFile": b"zip", "runDefinitionFile": b"{}"}
    steward.submit("POST", "workspaces/w1/experiments/e/startrun", files=files)
    body, parts = steward.azure.received[-1]
    assert body is None
    read = {name: (file, content.open().read(), media) for name, (file, content, media) in parts.items()}
    assert read == {
        "projectZipFile": ("projectZipFile", b"zip", "application/zip"),
        "runDefinitionFile": ("runDefinitionFile", b"{}", "application/json"),
    }


# Secrets


def test_a_secret_reaches_azure_and_nothing_else(steward: Steward) -> None:
    """Not a row, not a blob, not a message, not the time line."""
    operation = steward.submit("PUT", DATASTORE, WITH_SECRET)
    assert steward.azure.received[-1][0] == WITH_SECRET
    steward.drive()
    assert steward.load(operation).status == "Succeeded"
    assert SECRET not in _ours(steward)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(method="PUT", match="d1", problem=throttled(20)),
        Fault(method="PUT", match="d1", problem=lost(arrived=False)),
        Fault(method="PUT", match="d1", problem=lost(arrived=True)),
    ],
    ids=["throttled", "unreachable", "broken before it arrived"],
)
def test_a_secret_that_cannot_be_sent_now_is_answered_503_in_the_end(steward: Steward, fault: Fault) -> None:
    """It is not kept for later; when nobody knows whether it arrived, a look settles that."""
    steward.azure.faults.append(Fault(method=fault.method, match=fault.match, problem=fault.problem))
    operation = steward.submit("PUT", DATASTORE, WITH_SECRET)
    steward.drive()
    ended = steward.load(operation)
    assert (ended.status, ended.http_status) == ("Failed", 503)
    assert steward.azure.count("PUT") == 0
    assert SECRET not in _ours(steward)


def test_a_secret_whose_answer_was_lost_is_not_known_to_have_arrived(steward: Steward) -> None:
    """It was not kept, so nothing shows whose secret stands there; and Azure hides it."""
    steward.azure.faults.append(Fault(method="PUT", match="d1", problem=lost(arrived=True), after=True))
    operation = steward.submit("PUT", DATASTORE, WITH_SECRET)
    steward.drive()
    ended = steward.load(operation)
    assert ended.error
    assert (ended.status, ended.error.code) == ("Failed", "OutcomeUnknown")
    assert steward.azure.count("PUT") == 1


def test_a_crash_leaves_nothing_of_a_secret(steward: Steward) -> None:
    """At any call of the accepting process, before and after."""
    steward.submit("PUT", DATASTORE, WITH_SECRET)
    for nth in range(1, len(steward.fuse.calls) + 1):
        for after in (False, True):
            here = type(steward)()
            here.fuse.blow(nth, after=after)
            with pytest.raises(Killed):
                here.submit("PUT", DATASTORE, WITH_SECRET)
            here.restart()
            assert SECRET not in _ours(here)
            here.drive()
            assert SECRET not in _ours(here)
            for operation in here.ledger.newest(top=5):
                unknown = operation.error is not None and operation.error.code == "OutcomeUnknown"
                assert here.azure.count("PUT") == (1 if operation.status == "Succeeded" or unknown else 0)


def test_a_secret_and_respond_async_do_not_go_together(steward: Steward) -> None:
    """Refused before anything is recorded."""
    with pytest.raises(errors.BadRequestError) as refused:
        steward.submit("PUT", DATASTORE, WITH_SECRET, respond_async=True)
    assert (refused.value.status, refused.value.error.code) == (400, "SecretNeedsInline")
    assert steward.rows.rows == {}


def test_a_secret_cannot_wait_for_its_turn(steward: Steward) -> None:
    """Another operation on the datastore is under way: 409, and the lane is as before."""
    first = steward.submit("PUT", DATASTORE, {"properties": {"datastoreType": "AzureBlob"}}, respond_async=True)
    with pytest.raises(errors.BadRequestError) as refused:
        steward.submit("PUT", DATASTORE, WITH_SECRET)
    assert (refused.value.status, refused.value.error.code) == (409, "TargetBusy")
    steward.drive()
    assert steward.load(first).status == "Succeeded"
    assert SECRET not in _ours(steward)


def test_a_secret_whose_turn_comes_while_it_is_turned_away_is_still_turned_away(steward: Steward) -> None:
    """At every call of the refusal the operation before it ends and wakes it."""
    for nth in range(1, 20):
        here = type(steward)()
        first = here.submit("PUT", DATASTORE, {"properties": {"datastoreType": "AzureBlob"}}, respond_async=True)
        seen: list[str] = []

        def other(name: str, here: Steward = here, nth: int = nth, seen: list[str] = seen, first: Any = first) -> None:
            seen.append(name)
            if len(seen) == nth:
                here.fuse.between = None
                flows.cancel(here.stored(first), here.process)

        here.fuse.between = other
        with contextlib.suppress(errors.BadRequestError):  # turned away, or in time for its turn
            assert here.submit("PUT", DATASTORE, WITH_SECRET).phase in ("following", "ended")
        here.fuse.between = None
        here.drive()
        assert SECRET not in _ours(here)


# Our own storage fails


def test_a_ledger_out_of_reach_accepts_nothing(steward: Steward) -> None:
    """The caller hears 503 and Azure nothing."""
    down = DownRows("rows", steward.fuse)
    down.down = True
    steward.process.ledger._rows = down
    with pytest.raises(errors.UnreachableError):
        steward.submit("PUT", "workspaces/w2", BODY)
    assert steward.azure.requests == []


def test_a_queue_out_of_reach_after_acceptance_is_no_failure_of_the_request(steward: Steward, monkeypatch: Any) -> None:
    """It is recorded: the caller gets its operation, and reconcile goes on with it."""

    def fail(*_: Any, **__: Any) -> None:
        raise unavailable()

    monkeypatch.setattr(steward.queue, "send", fail)
    inline = steward.submit("PUT", "workspaces/w2", BODY)
    queued = steward.submit("PUT", "workspaces/w3", BODY, respond_async=True)
    monkeypatch.undo()
    assert (inline.phase, queued.phase) == ("following", "accepted")
    steward.drive()
    assert {steward.load(each).status for each in (inline, queued)} == {"Succeeded"}
    assert steward.azure.count("^PUT") == 2


@pytest.mark.parametrize("late", [False, True], ids=["not written", "written, answer lost"])
def test_a_table_that_fails_after_the_send_does_not_send_twice(steward: Steward, late: bool) -> None:  # noqa: FBT001
    """The answer could not be recorded: a look at the target tells that it arrived."""
    rows = DownRows("rows", steward.fuse)
    steward.rows = rows
    steward.restart()
    rows.late = late

    def watch(name: str) -> None:
        rows.down = rows.down or name.startswith("azure PUT")

    steward.fuse.between = watch
    operation = steward.submit("PUT", "workspaces/w2", BODY)
    steward.fuse.between = None
    rows.down = False
    steward.drive()
    assert steward.load(operation).status == "Succeeded"
    assert steward.azure.count("^PUT") == 1


def test_the_inline_attempt_ends_after_its_budget(steward: Steward) -> None:
    """A slow code upload goes on from the queue; nobody waits for reconcile."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("a.py", "1")

    def slow(name: str) -> None:
        if "startPendingUpload" in name:
            steward.clock.advance(50)

    steward.fuse.between = slow
    operation = steward.submit(
        "POST", "workspaces/w1/jobs", {"properties": {"jobType": "Command"}}, files={"code": content.getvalue()}
    )
    assert operation.phase == "preparing"
    assert [message.step for message in steward.messages(operation)] == [operation.step]
    started = steward.clock()
    while steward.step():
        pass
    assert steward.load(operation).phase == "following"
    assert steward.clock() - started < timedelta(seconds=60)


def test_the_sign_in_that_fails_before_anything_was_sent_is_the_answer(steward: Steward) -> None:
    """Wrong credentials are said at once, not tried for hours."""
    rejected = errors.SignInError(errors.AzureError(code="SignInFailed", message="AADSTS7000215"), status=502)
    steward.azure.sign_in = rejected
    operation = steward.submit("PUT", "workspaces/w2", BODY)
    assert (operation.status, operation.http_status, operation.calls) == ("Failed", 502, {})


def test_a_sign_in_service_that_does_not_answer_leaves_the_request_unsent(steward: Steward) -> None:
    """It is known not to have arrived: no look is needed when it is back."""
    steward.azure.sign_in = errors.UnreachableError("login did not answer", delay_s=15, maybe_arrived=False)
    operation = steward.submit("PUT", "workspaces/w2", BODY)
    assert (operation.phase, operation.calls) == ("accepted", {})
    steward.azure.sign_in = None
    steward.drive()
    assert steward.load(operation).status == "Succeeded"
    assert "looked up" not in [entry.what for entry in steward.load(operation).timeline]


def _ours(steward: Steward) -> str:
    return steward.everything_stored()
