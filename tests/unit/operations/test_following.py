"""Steps from the queue: polls, throttling, sign-in, registration, code, turns, stale and duplicate messages."""

from __future__ import annotations

import io
import itertools
import json
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from shared.cleanup.run import conduct
from shared.durable import messages, worker
from shared.durable.messages import Message
from shared.operations import steps
from shared.rest import errors, ids
from shared.rest.client import Response
from tests.fake_azure import API, WORKSPACE, Fault, lost, refusal, throttled
from tests.steward import advance, look_after

if TYPE_CHECKING:
    from shared.operations.models import Operation
    from tests.steward import Steward

BODY: dict[str, Any] = {"location": "westeurope", "properties": {}}
JOB: dict[str, Any] = {"properties": {"jobType": "Command"}}
COMPUTE: dict[str, Any] = {"location": "westeurope", "properties": {"computeType": "AmlCompute"}}


def _whats(operation: Operation) -> list[str]:
    return [entry.what for entry in operation.timeline]


def _next(steward: Steward) -> float:
    """Move to the next message's time, deliver it, and return how long that was."""
    start = steward.clock()
    while not steward.queue.messages:  # a long wait is put on the queue by the timer
        steward.clock.advance(60)
        look_after(steward.process)
    steward.clock.now = max(steward.clock(), min(message.visible_at for message in steward.queue.messages))
    assert steward.step()
    return (steward.clock() - start).total_seconds()


def test_the_result_of_a_creation_is_the_resource_as_it_stands_at_the_end(steward: Steward) -> None:
    """Read after Azure says Succeeded; the caller's request amounts to a 200."""
    operation = steward.submit("PUT", "workspaces/w2", BODY)
    steward.drive()
    ended = steward.load(operation)
    assert (ended.status, ended.result["properties"]["provisioningState"]) == ("Succeeded", "Succeeded")
    assert ended.view()["properties"]["result"]["name"] == "w2"


def test_pauses_between_polls_grow_to_the_kinds_longest(steward: Steward) -> None:
    """Azure ML names none."""
    steward.submit("POST", "workspaces/w1/jobs", JOB)
    pauses = [_next(steward) for _ in range(10)]
    assert pauses[0] == 2
    assert pauses == sorted(pauses)
    assert max(pauses) <= 60


def test_where_events_tell_of_ends_no_poll_comes_soon(steward: Steward) -> None:
    """STEWARD_POLL_WITH_EVENTS: every poll is for an event that was lost."""
    steward.process.settings = replace(steward.process.settings, poll_with_events_s=300)
    steward.submit("POST", "workspaces/w1/jobs", JOB)
    assert _next(steward) == 300


def test_azures_own_reason_ends_a_failed_operation(steward: Steward) -> None:
    """HTTP 200 with status Failed."""
    steward.azure.failing[f"{WORKSPACE}/computes/cpu"] = {"code": "ClusterCoreQuotaReached", "message": "no cores left"}
    operation = steward.submit("PUT", "workspaces/w1/computes/cpu", COMPUTE)
    steward.drive()
    ended = steward.load(operation)
    assert ended.error
    assert (ended.status, ended.http_status, ended.error.code) == ("Failed", 422, "ClusterCoreQuotaReached")
    assert "azureStatus" not in ended.view()["properties"]  # what Azure said on the way is over


def test_a_signed_status_url_is_seen_by_nobody(steward: Steward) -> None:
    """Kept until the end, shown never."""
    operation = steward.submit("PUT", "workspaces/w2", BODY)
    assert "sIgNaTuRe" in steward.everything_stored()
    assert "sIgNaTuRe" not in json.dumps(steward.load(operation).view())
    steward.drive()
    assert not steward.queue.messages  # each message that carried it went with its look
    steward.queue.sent.clear()
    assert "sIgNaTuRe" not in steward.everything_stored()


@pytest.mark.parametrize(("own", "read"), [("", False), ("underlyingResourceAction=Delete", False), ("token=x", True)])
def test_a_message_carries_an_operation_unless_its_query_is_the_callers_own(steward: Steward, own: str, read: bool) -> None:  # noqa: FBT001
    """The query that deletes a compute is the same for all; another one may hold what is to stand in no message."""
    steward.submit("PUT", "workspaces/w1/computes/cpu", COMPUTE)
    steward.drive()
    operation, calls = steward.submit("DELETE", "workspaces/w1/computes/cpu", query=own), len(steward.fuse.calls)
    assert any(messages.CARRIED in held.text for held in steward.queue.messages) != read
    _next(steward)
    assert ("rows.get" in steward.fuse.calls[calls:]) == read
    steward.drive()
    assert steward.load(operation).status == "Succeeded"


@pytest.mark.parametrize("host", ["https://evil.example/status", "http://management.azure.com/x", "//evil.example/x", "file:///x"])
@pytest.mark.parametrize("header", ["azure-asyncoperation", "location"])
def test_a_status_url_on_a_foreign_host_never_sees_a_token(steward: Steward, header: str, host: str) -> None:
    """The resource itself is asked instead, and tells as much."""
    answer = Response(status=202, url="", headers={header: host}, body=None)
    steward.azure.faults.append(Fault(method="PUT", match="w2", response=answer, after=True))
    operation = steward.submit("PUT", "workspaces/w2", BODY)
    steward.drive()
    assert steward.load(operation).status == "Succeeded"
    assert not any("evil" in sent or "file:" in sent or "http:" in sent for sent in steward.azure.requests)


def test_a_throttled_poll_is_repeated_after_the_servers_delay(steward: Steward) -> None:
    """To the second, and the operation goes on."""
    operation = steward.submit("PUT", "workspaces/w2", BODY)
    steward.azure.faults.append(Fault(method="GET", match="operationsStatus", problem=throttled(37)))
    _next(steward)
    assert _next(steward) == 37
    steward.drive()
    assert steward.load(operation).status == "Succeeded"


def test_a_throttled_write_is_sent_again_after_the_servers_delay(steward: Steward) -> None:
    """429 means not processed: no look is needed."""
    steward.azure.faults.append(Fault(method="PUT", match="w2", problem=throttled(37)))
    operation = steward.submit("PUT", "workspaces/w2", BODY)
    assert (operation.phase, operation.status) == ("accepted", "Running")
    assert _next(steward) == 37
    assert steward.load(operation).phase == "following"
    assert steward.load(operation).calls == {"write": 2}


def test_polls_step_back_when_azure_is_crowded(steward: Steward) -> None:
    """Less than 20 % of the allowance left: writes come first."""
    steward.azure.used = 0.85
    steward.submit("PUT", "workspaces/w2", BODY)
    _next(steward)
    assert _next(steward) >= 3 * steps.CROWDED_FACTOR


def test_a_poll_that_azure_fails_is_repeated(steward: Steward) -> None:
    """docs/protocol.md §3.10: 500 twice, then Succeeded on the same URL."""
    broken = errors.AzureUnavailableError("Azure answered 500", delay_s=10, maybe_arrived=True)
    steward.azure.faults.append(Fault(method="GET", match="operationsStatus", problem=broken, times=2))
    operation = steward.submit("PUT", "workspaces/w2", BODY)
    steward.drive()
    ended = steward.load(operation)
    assert (ended.status, _whats(ended).count("postponed")) == ("Succeeded", 2)


def test_an_expired_sign_in_in_the_middle_does_not_fail_what_azure_works_on(steward: Steward) -> None:
    """A 401 to a poll says nothing about the operation: it is asked again, and so is a look-up."""
    expired = refusal(401, "ExpiredAuthenticationToken", "The access token expired")
    steward.azure.faults.append(Fault(method="GET", match="operationsStatus", response=expired, times=3))
    followed = steward.submit("PUT", "workspaces/w2", BODY)
    steward.azure.faults.append(Fault(method="PUT", match="w3", problem=lost(arrived=True), after=True))
    steward.azure.faults.append(Fault(method="GET", match="workspaces/w3", response=expired, times=3))
    looked_up = steward.submit("PUT", "workspaces/w3", BODY)
    steward.drive()
    assert {steward.load(each).status for each in (followed, looked_up)} == {"Succeeded"}


def test_a_sign_in_that_fails_in_the_middle_is_tried_again_later(steward: Steward) -> None:
    """The secret was rotated: once it is put right, the operation ends well."""
    rejected = errors.SignInError(errors.AzureError(code="SignInFailed", message="AADSTS7000222: expired"), status=502)
    fault = Fault(method="GET", match="operationsStatus", times=4)
    fault.problem = rejected  # type: ignore[assignment]
    steward.azure.faults.append(fault)
    operation = steward.submit("PUT", "workspaces/w2", BODY)
    steward.drive()
    assert steward.load(operation).status == "Succeeded"


@pytest.mark.parametrize("after", [False, True], ids=["did not arrive", "arrived"])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "workspaces/w2", BODY),
        ("PUT", "workspaces/w1/computes/cpu", COMPUTE),
        ("PATCH", "workspaces/w1", {"tags": {"a": "b"}}),
        ("DELETE", "workspaces/w1/computes/ci", None),
        ("POST", "workspaces/w1/jobs", JOB),
        ("POST", "workspaces/w1/computes/ci/stop", None),
    ],
)
def test_a_connection_that_breaks_during_a_write_is_settled_by_a_look(
    steward: Steward,
    method: str,
    path: str,
    body: dict[str, Any] | None,
    after: bool,  # noqa: FBT001
) -> None:
    """Whether or not it arrived, the write takes effect once (a repeatable action may do so twice)."""
    steward.azure.put(f"{WORKSPACE}/computes/ci", {"properties": {"computeType": "ComputeInstance"}})
    verb = "PUT" if path.endswith("/jobs") else method
    steward.azure.faults.append(Fault(method=verb, match=path.replace("/jobs", "/jobs/"), problem=lost(arrived=True), after=after))
    operation = steward.submit(method, path, body)
    assert operation.phase == "sending"
    steward.drive()
    ended = steward.load(operation)
    assert ended.status == "Succeeded"
    assert steward.azure.count(f"^{verb} ") == 1 or path.endswith("/stop")


def test_a_job_that_arrives_late_is_not_started_twice(steward: Steward) -> None:
    """The look finds nothing, the second PUT is refused because the first came in between: it is followed."""
    steward.azure.faults.append(Fault(method="PUT", match="/jobs/", problem=lost(arrived=True)))
    operation = steward.submit("POST", "workspaces/w1/jobs", JOB)
    _next(steward)  # the look: nothing there
    steward.azure._put(f"https://management.azure.com{operation.target}?api-version=1", operation.target, JOB)
    steward.drive()
    assert steward.load(operation).status == "Succeeded"
    assert steward.azure.count("PUT") == 1


def test_a_missing_provider_is_registered_as_steps_of_the_operation(steward: Steward) -> None:
    """Looked at, registered, waited for; then the request is sent again."""
    steward.azure.registration = "NotRegistered"
    operation = steward.submit("PUT", "workspaces/w2", BODY)
    assert (operation.phase, operation.error is not None) == ("registering", True)
    assert "error" not in operation.view()
    steward.drive()
    ended = steward.load(operation)
    assert (ended.status, steward.azure.count("register")) == ("Succeeded", 1)
    assert {"registering", "registered"} <= set(_whats(ended))


def test_a_registration_that_azure_does_not_take_at_first_is_sent_again(steward: Steward) -> None:
    """A 503 to the register call must not end in waiting for what was never asked."""
    steward.azure.registration = "NotRegistered"
    broken = errors.AzureUnavailableError("Azure answered 503", delay_s=10, maybe_arrived=True)
    steward.azure.faults.append(Fault(method="POST", match="/register", problem=broken, times=2))
    operation = steward.submit("PUT", "workspaces/w2", BODY)
    steward.drive()
    assert steward.load(operation).status == "Succeeded"


def test_a_busy_target_is_tried_again_until_it_is_free(steward: Steward) -> None:
    """Somebody else's update is running."""
    steward.azure._put(f"https://management.azure.com{WORKSPACE}?api-version=1", WORKSPACE, BODY)
    operation = steward.submit("PATCH", "workspaces/w1", {"tags": {"a": "b"}})
    assert (operation.phase, _whats(operation)[-1]) == ("accepted", "busy")
    steward.drive()
    assert steward.load(operation).status == "Succeeded"


def _zip(**files: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return out.getvalue()


def test_code_is_uploaded_registered_and_named_in_the_job(steward: Steward) -> None:
    """Three steps in the accepting request, each to be repeated without harm."""
    operation = steward.submit("POST", "workspaces/w1/jobs", JOB, files={"code": _zip(**{"a b.py": "1", "sub/c.py": "2"})})
    assert operation.phase == "following"
    job = steward.azure.get(operation.target)
    assert job
    assert steward.azure.get(job["properties"]["codeId"]) is not None
    blobs = [effect for effect in steward.azure.effects if effect.startswith("BLOB")]
    assert sorted(name.rpartition("upload1/")[2] for name in blobs) == ["a%20b.py", "sub/c.py"]  # several at once
    assert "SAS-SECRET" not in steward.everything_stored()


def test_the_same_code_is_registered_once(steward: Steward) -> None:
    """Its name is its content."""
    code = {"code": _zip(a="1")}
    first = steward.submit("POST", "workspaces/w1/jobs", JOB, files=code)
    second = steward.submit("POST", "workspaces/w1/jobs", JOB, files=code)
    assert steward.azure.count("PUT workspaces/w1/codes") == 1
    jobs = [steward.azure.get(each.target) for each in (first, second)]
    assert jobs[0]
    assert jobs[1]
    assert jobs[0]["properties"]["codeId"] == jobs[1]["properties"]["codeId"]


def test_a_code_upload_that_breaks_goes_on_from_the_queue(steward: Steward) -> None:
    """Each of its calls may fail once."""
    for fault in ("startPendingUpload", "azureml-blobstore", "/codes/.*/versions/1\\?"):
        method = "POST" if fault.startswith("start") else "PUT"
        steward.azure.faults.append(Fault(method=method, match=fault, problem=lost(arrived=True), after=True))
    operation = steward.submit("POST", "workspaces/w1/jobs", JOB, files={"code": _zip(a="1")})
    steward.drive()
    assert steward.load(operation).status == "Succeeded"
    assert steward.azure.count("PUT workspaces/w1/jobs") == 1


def test_a_refused_code_ends_the_operation_with_azures_answer(steward: Steward) -> None:
    """No job is started without its code."""
    steward.azure.faults.append(Fault(method="POST", match="startPendingUpload", response=refusal(403, "Forbidden", "no")))
    operation = steward.submit("POST", "workspaces/w1/jobs", JOB, files={"code": _zip(a="1")})
    assert (operation.status, operation.http_status) == ("Failed", 403)
    assert steward.azure.count("jobs") == 0


def test_a_job_is_followed_to_its_own_end(steward: Steward) -> None:
    """`properties.status`, not `provisioningState`, says that it is done."""
    operation = steward.submit("POST", "workspaces/w1/jobs", JOB)
    assert operation.status == "Running"
    steward.drive()
    ended = steward.load(operation)
    assert ended.result["properties"]["status"] == "Completed"
    assert ended.ended_at
    assert (ended.ended_at - ended.created_at).total_seconds() >= 300


def test_a_run_is_followed_in_run_history_on_the_regional_server(steward: Steward) -> None:
    """Found through the workspace's discoveryUrl."""
    files = {"projectZipFile": b"z", "runDefinitionFile": b"{}"}
    operation = steward.submit("POST", "workspaces/w1/experiments/e/startrun", files=files)
    steward.drive()
    assert steward.load(operation).result["status"] == "Completed"
    assert any(sent.startswith(f"GET {API}/history/v1.0/") for sent in steward.azure.requests)


def test_a_jobs_lane_is_free_while_it_runs(steward: Steward) -> None:
    """It can be cancelled by Azure's own action, and deleted, while its operation follows it."""
    job = steward.submit("POST", "workspaces/w1/jobs", JOB)
    cancel = steward.submit("POST", f"workspaces/w1/jobs/{job.target.rpartition('/')[2]}/cancel")
    assert cancel.phase == "following"
    steward.drive()
    assert (steward.load(job).status, steward.load(cancel).status) == ("Canceled", "Succeeded")


def test_the_clean_up_cancels_a_job_that_the_app_follows(steward: Steward) -> None:
    """Its own operation is no work under way that keeps it; for any other act it is."""
    job = steward.submit("POST", "workspaces/w1/jobs", JOB)
    assert steward.load(job).phase == "following"
    target = ids.parse(job.target)
    assert conduct.under_way(target, "cancel", steward) is None
    assert (found := conduct.under_way(target, "delete", steward)) is not None
    assert found.id == job.id


def test_operations_on_one_target_go_in_order(steward: Steward) -> None:
    """Each begins when the one before it has ended, without waiting for the timer."""
    operations = [steward.submit("PATCH", "workspaces/w1", {"tags": {"n": str(n)}}) for n in range(3)]
    steward.drive()
    ended = [steward.load(each) for each in operations]
    assert [each.status for each in ended] == ["Succeeded"] * 3
    for before, after in itertools.pairwise(ended):
        assert before.ended_at
        assert after.sent_at
        assert 0 <= (after.sent_at - before.ended_at).total_seconds() < 1
    workspace = steward.azure.get(WORKSPACE)
    assert workspace
    assert workspace["tags"] == {"n": "2"}


def test_operations_on_different_targets_do_not_wait_for_each_other(steward: Steward) -> None:
    """A lane is a target's."""
    phases = {steward.submit("PUT", f"workspaces/{name}", BODY).phase for name in ("w2", "w3", "w4")}
    assert phases == {"following"}


def test_two_spellings_of_a_target_share_a_lane(steward: Steward) -> None:
    """Azure's ids compare in any casing."""
    steward.submit("PATCH", "workspaces/w1", {"tags": {}})
    assert steward.submit("PATCH", "WORKSPACES/W1", {"tags": {}}).phase == "waiting"


def test_a_stale_message_does_nothing(steward: Steward) -> None:
    """Its step is behind the row's, or its operation has ended or gone."""
    operation = steward.submit("PUT", "workspaces/w2", BODY)
    before = len(steward.azure.requests)
    for step in (operation.step - 1, operation.step + 1):
        assert advance(Message(machine="operation", key=(operation.id,), step=step).to_text(), steward.process) is None
    assert advance(Message(machine="operation", key=(f"{'0' * 20}-{'0' * 20}",), step=0).to_text(), steward.process) is None
    assert len(steward.azure.requests) == before
    steward.drive()
    assert advance(_text(operation.id, steward.load(operation).step), steward.process) is None


def test_a_duplicate_message_does_nothing_the_second_time(steward: Steward) -> None:
    """The queue delivers at least once."""
    operation = steward.submit("PUT", "workspaces/w2", BODY, respond_async=True)
    text = steward.queue.sent[-1][0]
    advance(text, steward.process)
    advance(text, steward.process)
    assert steward.azure.count("PUT") == 1
    steward.drive()
    assert steward.load(operation).status == "Succeeded"


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "{}", '{"operation": 1, "step": 2}', '{"operation": "a-b", "step": "1"}', "{"], ids=repr
)
def test_a_message_of_nobody_is_an_error_for_the_poison_queue(steward: Steward, text: str) -> None:
    """The poison function puts it aside."""
    with pytest.raises(ValueError, match=r".*"):
        advance(text, steward.process)
    with pytest.raises(ValueError, match=r".*"):
        worker.give_up((steps.MACHINE,), text, steward.process, "why")


def test_a_message_of_a_newer_app_is_left_to_it(steward: Steward) -> None:
    """During a deploy both versions read one queue."""
    newer = json.dumps({"version": 2, "operation": "a-b", "step": 1})
    with pytest.raises(ValueError, match="version 2"):
        advance(newer, steward.process)


def _text(operation: str, step: int) -> str:
    return Message(machine="operation", key=(operation,), step=step).to_text()
