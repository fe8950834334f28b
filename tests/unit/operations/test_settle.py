"""What an answer means: verdicts on lost answers, refusals, registration. Pure: no storage, no Azure."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from shared.catalog import kinds
from shared.operations import settle
from shared.operations.models import Operation
from shared.rest import errors
from shared.rest.client import Response
from tests import tables
from tests.fakes import START

SENT = START + timedelta(minutes=5)
NOW = SENT + timedelta(minutes=2)
BEFORE, AFTER = (SENT - timedelta(days=3)).isoformat(), (SENT + timedelta(seconds=5)).isoformat()
ML = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
URL = f"https://management.azure.com{ML}?api-version=1"


def _operation(method: str = "PUT", path: str = "workspaces", **changes: Any) -> Operation:
    plane = "history" if path.endswith("/runs") else "arm"
    kind = kinds.by_type()[plane, kinds.ML.lower(), path.lower()]
    names = "".join(f"/{segment}/n" for segment in path.split("/")[1:])
    operation = Operation(
        id=f"{'a' * 20}-{'b' * 20}",
        target=f"{ML}{names}",
        kind=settle.kind_key(kind),
        method=method,
        plane="arm",
        path=f"{ML}{names}",
        query="api-version=1",
        created_at=START,
        due_at=NOW,
        phase="sending",
        status="Running",
        sent_at=SENT,
        sent_azure=SENT,
        calls={"write": 1},
    )
    return replace(operation, **changes)


def _resource(state: str = "", created: str = BEFORE, modified: str = "", **more: Any) -> dict[str, Any]:
    properties = {"provisioningState": state} if state else {}
    system = {"createdAt": created, "lastModifiedAt": modified or created} if created else {}
    return {"name": "n", "properties": {**properties, **more}, "systemData": system}


def _found(body: Any) -> Response:
    return Response(status=200, url=URL, body=body)


GONE = Response(status=404, url=URL, body={"error": {"code": "ResourceNotFound", "message": "gone"}})
EMPTY_GONE = Response(status=404, url=URL)

ASKED: dict[str, Any] = {"location": "westeurope", "tags": {"v": "2"}}
AS_ASKED: dict[str, Any] = {"location": "westeurope", "tags": {"v": "2"}}
OTHERWISE: dict[str, Any] = {"location": "westeurope", "tags": {"v": "1"}}
AT_THE_SEND = (SENT - timedelta(milliseconds=500)).isoformat()


def _there(state: str, modified: str, created: str = BEFORE, **more: Any) -> Response:
    return _found({**_resource(state, created, modified), **more})


def _instance(name: str, at: str, status: str) -> Response:
    last = {"operationName": name, "operationTime": at, "operationStatus": status}
    return _found(_resource("Succeeded", properties={"lastOperation": last}))


COMPUTES = "workspaces/computes"
# (what, operation, what a GET says now, verdict): arrived → goes on, again → sent again, later → looked at again,
# unknown → OutcomeUnknown
LOST = [
    ("PUT, nothing there", _operation(body=ASKED), GONE, "again"),
    ("PUT, nothing there and no body", _operation(path=COMPUTES), EMPTY_GONE, "again"),
    ("PUT, being made as asked", _operation(body=ASKED), _there("Creating", AFTER, AFTER, **AS_ASKED), "arrived"),
    ("PUT, another one being made", _operation(body=ASKED), _there("Creating", AFTER, AFTER, **OTHERWISE), "later"),
    ("PUT, there as asked", _operation(body=ASKED), _there("Succeeded", AFTER, AFTER, **AS_ASKED), "arrived"),
    ("PUT, another one there", _operation(body=ASKED), _there("Succeeded", AFTER, AFTER, **OTHERWISE), "unknown"),
    ("PUT over, not touched", _operation(body=ASKED), _there("Succeeded", BEFORE, **OTHERWISE), "again"),
    ("PUT over, being changed", _operation(body=ASKED), _there("Updating", AFTER, **OTHERWISE), "later"),
    ("PUT over, being changed, and as asked before that", _operation(body=ASKED), _there("Updating", BEFORE, **AS_ASKED), "later"),
    ("PUT over, being changed as asked", _operation(body=ASKED), _there("Updating", AFTER, **AS_ASKED), "arrived"),
    ("PUT over, changed since as asked", _operation(body=ASKED), _there("Succeeded", AFTER, **AS_ASKED), "arrived"),
    ("PUT over, changed since by another client", _operation(body=ASKED), _there("Succeeded", AFTER, **OTHERWISE), "unknown"),
    ("PUT over, changed half a second before", _operation(body=ASKED), _there("Succeeded", AT_THE_SEND, **OTHERWISE), "unknown"),
    ("PUT over, Failed before", _operation(body=ASKED), _there("Failed", BEFORE, **AS_ASKED), "again"),
    ("PUT over, failed since", _operation(body=ASKED), _there("Failed", AFTER, **AS_ASKED), "failed"),
    ("PUT over, no dates, as asked", _operation(body=ASKED), _found(AS_ASKED), "arrived"),
    ("PUT over, no dates, otherwise", _operation(body=ASKED), _found(OTHERWISE), "unknown"),
    ("PUT over, one tag more than asked", _operation(body=ASKED),
     _there("Succeeded", AFTER, location="westeurope", tags={"v": "2", "w": "1"}), "unknown"),
    ("PUT over, with the tags of before, asked for none", _operation(body={"location": "westeurope"}),
     _there("Succeeded", AFTER, **OTHERWISE), "unknown"),
    ("PUT in Azure's own spelling", _operation(path=COMPUTES, body={"location": "West Europe", "properties": {
        "computeType": "AmlCompute", "vmSize": "Standard_DS3_v2", "idle": "PT120S", "subnet": "/Subscriptions/S", "extra": None}}),
     _there("Succeeded", AFTER, location="westeurope", properties={"computeType": "amlcompute", "vmSize": "STANDARD_DS3_V2",
        "idle": "PT2M", "subnet": "/subscriptions/s", "provisioningState": "Succeeded"}), "arrived"),
    ("PUT over, dates in properties", _operation(path=COMPUTES),
     _found(_resource("Succeeded", "", modifiedOn=BEFORE)), "again"),
    ("PUT over, the later of two dates is after the send", _operation(path=COMPUTES, body=ASKED),
     _found({**_resource("Succeeded", BEFORE, BEFORE, modifiedOn=AFTER), **OTHERWISE}), "unknown"),
    ("PUT asset, there", _operation(path="workspaces/models/versions", body={"properties": {"path": "a"}}),
     _found(_resource("", AFTER, path="a")), "arrived"),
    ("PUT of a secret that was not kept, changed since", _operation(secret=True), _there("Succeeded", AFTER), "unknown"),
    ("PATCH, not touched", _operation("PATCH", body={"tags": {"v": "2"}}), _there("Succeeded", BEFORE, **OTHERWISE), "again"),
    ("PATCH, changed since as asked", _operation("PATCH", body={"tags": {"v": "2"}}),
     _there("Succeeded", AFTER, tags={"v": "2", "w": "1"}), "arrived"),
    ("PATCH, changed since by another client", _operation("PATCH", body={"tags": {"v": "2"}}),
     _there("Succeeded", AFTER, **OTHERWISE), "unknown"),
    ("PATCH, only the case of a tag differs", _operation("PATCH", body={"tags": {"v": "Two"}}),
     _there("Succeeded", AFTER, tags={"v": "two"}), "unknown"),
    ("PATCH, being changed", _operation("PATCH", body={"tags": {"v": "2"}}), _there("Updating", AFTER, **OTHERWISE), "later"),
    ("PATCH, nothing there", _operation("PATCH"), GONE, "again"),
    ("PATCH of a run, not touched", _operation("PATCH", "workspaces/experiments/runs", body={"tags": {"v": "2"}}),
     _found({"runId": "n", "status": "Running", "createdUtc": BEFORE, "lastModifiedUtc": BEFORE}), "again"),
    ("DELETE, gone", _operation("DELETE"), GONE, "arrived"),
    ("DELETE, gone without a word", _operation("DELETE", COMPUTES), EMPTY_GONE, "arrived"),
    ("DELETE, going", _operation("DELETE"), _found(_resource("Deleting")), "arrived"),
    ("DELETE, still there", _operation("DELETE"), _found(_resource("Succeeded")), "again"),
    ("DELETE, another one made since", _operation("DELETE"), _found(_resource("Succeeded", AFTER)), "unknown"),
    ("repeatable action", _operation("POST", "workspaces", action="resyncKeys"), _found(_resource("Succeeded")), "again"),
    ("stop, not done", _operation("POST", COMPUTES, action="stop"), _instance("Start", BEFORE, "Succeeded"), "again"),
    ("stop, done", _operation("POST", COMPUTES, action="stop"), _instance("Stop", AFTER, "Succeeded"), "arrived"),
    ("stop, and started since by another client", _operation("POST", COMPUTES, action="stop"),
     _instance("Start", AFTER, "Succeeded"), "unknown"),
    ("restart, not done", _operation("POST", COMPUTES, action="restart"), _instance("Create", BEFORE, "Succeeded"), "again"),
    ("restart, going on", _operation("POST", COMPUTES, action="restart"), _instance("Restart", AFTER, "InProgress"), "later"),
    ("restart, done", _operation("POST", COMPUTES, action="restart"), _instance("Restart", AFTER, "Succeeded"), "arrived"),
    ("restart, failed", _operation("POST", COMPUTES, action="restart"), _instance("Restart", AFTER, "RestartFailed"), "failed"),
    ("restart, one just before", _operation("POST", COMPUTES, action="restart"), _instance("Restart", AT_THE_SEND, "Succeeded"),
     "unknown"),
    ("action that harms twice", _operation("POST", COMPUTES, action="restart"), _found(_resource("Succeeded")), "unknown"),
    ("action that harms twice, something at work", _operation("POST", COMPUTES, action="restart"),
     _found(_resource("Updating")), "unknown"),
    ("action that harms twice, changed since", _operation("POST", "workspaces/onlineEndpoints", action="regenerateKeys"),
     _found(_resource("Succeeded", BEFORE, AFTER)), "unknown"),
    ("action on nothing", _operation("POST", COMPUTES, action="restart"), EMPTY_GONE, "again"),
    ("job, nothing there", _operation(path="workspaces/jobs"), GONE, "again"),
    ("job under a name of ours, by a clock far behind", _operation(path="workspaces/jobs", target=f"{ML}/jobs/job-{'b' * 20}"),
     _found(_resource("", BEFORE, status="Running")), "arrived"),
    ("job, there as asked", _operation(path="workspaces/jobs", body={"properties": {"command": "a", "environmentId": "e"}}),
     _found(_resource("", AFTER, status="Running", command="a", environmentId="E")), "arrived"),
    ("job, another one there", _operation(path="workspaces/jobs", body={"properties": {"command": "a"}}),
     _found(_resource("", AFTER, status="Running", command="b")), "unknown"),
    ("job of that name from before", _operation(path="workspaces/jobs"), _found(_resource("", BEFORE, status="Running")), "again"),
    ("run, nothing there", _operation("POST", "workspaces/experiments/runs", plane="execution", action="startrun"), GONE, "again"),
    ("run, there", _operation("POST", "workspaces/experiments/runs", plane="execution", action="startrun"),
     _found({"runId": "n", "status": "Queued", "createdUtc": AFTER}), "arrived"),
    ("no permission to look", _operation(), Response(status=403, url=URL), "unknown"),
]  # fmt: skip


@tables.each(("operation", "answer", "verdict"), [case[1:] for case in LOST])
def test_a_lost_answer_is_settled_by_a_look_at_the_target(operation: Operation, answer: Response, verdict: str) -> None:
    """Only what was asked for, found in the target, proves arrival: other clients make every other state, too."""
    step = settle.arrived(operation, answer, operation.body, URL, NOW)
    after = step.operation
    if verdict == "again":
        assert (after.phase, step.delay_s) == ("accepted", 0.0)
    elif verdict == "later":
        assert (after.phase, after.status, step.delay_s) == ("sending", "Running", settle.BUSY_DELAY_S)
    elif verdict == "unknown":
        assert (after.status, after.http_status) == ("Failed", 500)
        assert after.error
        assert (after.error.code, after.error.target) == ("OutcomeUnknown", operation.target)
    elif verdict == "failed":
        assert (after.status, after.http_status) == ("Failed", 422)
    else:
        assert after.phase == "following" or after.status == "Succeeded"


def test_an_unknown_outcome_names_each_field_that_differs_and_no_secret() -> None:
    """The caller compares them side by side."""
    path = "workspaces/datastores"
    asked = {"properties": {"description": "x" * 200, "credentials": {"secrets": {"key": "SECRET"}}, "tags": {"v": "2"}}}
    there = {"description": "", "credentials": {"secrets": {"key": "OTHER-SECRET"}}, "tags": {"v": "1"}}
    error = settle.arrived(
        _operation(path=path, body=asked), _found(_resource("", BEFORE, AFTER, **there)), asked, URL, NOW
    ).operation.error
    assert error
    assert [(each.target, each.message) for each in error.details] == [
        ("properties.description", f"asked for '{'x' * 78}…, found ''"),
        ("properties.tags.v", "asked for '2', found '1'"),
    ]


EXACT = (SENT - timedelta(milliseconds=500, microseconds=1)).isoformat()


@pytest.mark.parametrize(
    ("before", "found", "verdict"),
    [
        ({**_resource("Succeeded", BEFORE, EXACT), **OTHERWISE}, _there("Succeeded", EXACT, **OTHERWISE), "accepted"),
        ({**_resource("Succeeded", BEFORE, EXACT), "etag": "1"}, _there("Succeeded", EXACT, **OTHERWISE, etag="2"), "ended"),
        ({**_resource("Succeeded", BEFORE, EXACT), "etag": "1"}, _there("Succeeded", EXACT, **OTHERWISE, etag="1"), "accepted"),
        ({**_resource("Succeeded", BEFORE, BEFORE), **OTHERWISE}, _there("Succeeded", EXACT, **OTHERWISE), "ended"),
    ],
    ids=["the same moment", "another etag", "the same etag", "another moment"],
)  # fmt: skip
def test_what_stands_as_the_operation_before_left_it_did_not_arrive(before: dict[str, Any], found: Response, verdict: str) -> None:
    """Two changes within a second: the moment of the first says nothing about the second."""
    assert settle.arrived(_operation(body=ASKED), found, ASKED, URL, NOW, earlier=[before]).operation.phase == verdict


def test_a_delete_right_after_the_create_is_sent_again() -> None:
    """The operation before left this very resource, however short ago."""
    before = _resource("Succeeded", AT_THE_SEND)
    assert settle.arrived(_operation("DELETE"), _found(before), None, URL, NOW).operation.ended
    assert settle.arrived(_operation("DELETE"), _found(before), None, URL, NOW, earlier=[before]).operation.phase == "accepted"


@pytest.mark.parametrize("ahead", [timedelta(minutes=15), timedelta(minutes=-15)])
def test_no_clock_of_ours_decides(ahead: timedelta) -> None:
    """Azure's `Date` beside the look dates the send where the process that sent had not heard from Azure."""
    answer = _there("Succeeded", (SENT + ahead - timedelta(seconds=30)).isoformat(), **OTHERWISE)
    dated = replace(answer, headers={"date": format_datetime(NOW + ahead, usegmt=True)})
    assert settle.arrived(_operation(body=ASKED, sent_azure=None), dated, ASKED, URL, NOW).operation.phase == "accepted"


def test_what_is_at_work_on_the_target_is_noted_once_and_waited_for_at_most_a_day() -> None:
    """A change of another client's ends; a state that stays does not keep an operation for ever."""
    step = settle.arrived(_operation(body=ASKED), _there("Updating", AFTER, **OTHERWISE), ASKED, URL, NOW)
    again = settle.arrived(step.operation, _there("Updating", AFTER, **OTHERWISE), ASKED, URL, NOW)
    assert [entry.what for entry in again.operation.timeline] == ["looked up"]
    late = SENT + timedelta(hours=25)
    ended = settle.arrived(again.operation, _there("Updating", AFTER, **OTHERWISE), ASKED, URL, late).operation
    assert ended.error
    assert ended.error.code == "OutcomeUnknown"


def test_what_was_looked_up_stands_in_the_time_line() -> None:
    """The time line explains why something was sent twice."""
    step = settle.arrived(_operation(), GONE, None, URL, NOW)
    assert [(entry.what, entry.detail) for entry in step.operation.timeline] == [("looked up", "the request did not arrive")]


def test_times_without_a_zone_are_utc_and_unreadable_ones_are_none() -> None:
    """docs/protocol.md §8: zones and fractions vary."""
    zoneless = (SENT - timedelta(seconds=5)).replace(tzinfo=None).isoformat()
    assert (
        settle.arrived(_operation(), _found(_resource("Succeeded", BEFORE, zoneless)), None, URL, NOW).operation.phase == "accepted"
    )
    unreadable = settle.arrived(_operation(), _found(_resource("Succeeded", "soon")), None, URL, NOW).operation
    assert unreadable.error
    assert unreadable.error.code == "OutcomeUnknown"


def test_a_secret_that_did_not_arrive_is_not_sent_again() -> None:
    """It was not kept: the caller is told to send it again."""
    step = settle.arrived(_operation(secret=True), GONE, None, URL, NOW)
    assert step.operation.error
    assert (step.operation.error.code, step.operation.http_status, step.delay_s) == ("NotSent", 503, None)


def test_what_does_not_arrive_for_a_day_is_given_up() -> None:
    """An operation ends."""
    step = settle.arrived(_operation(), GONE, None, URL, START + timedelta(hours=25))
    assert step.operation.error
    assert (step.operation.error.code, step.delay_s) == ("NotSent", None)


def _refusal(status: int, code: str, message: str) -> Response:
    return Response(status=status, url=URL, headers={"x-ms-request-id": "r1"}, body={"error": {"code": code, "message": message}})


BUSY = [
    (409, "ResourceNotReady", "Endpoint e is currently updating"),
    (400, "UserError", "Cannot create a deployment: the endpoint e is in a Updating state"),
    (409, "UserError", "another operation on same entity is already running"),
    (409, "Conflict", "There is already an update operation in progress"),
    (409, "AnotherOperationInProgress", "Try later"),
    (409, "ReferencedResourceNotProvisioned", "not provisioned"),
]


@pytest.mark.parametrize(("status", "code", "message"), BUSY)
def test_a_busy_target_is_asked_again_later(status: int, code: str, message: str) -> None:
    """Only what QUIRKS names counts as busy."""
    step = settle.first_answer(_operation(), _refusal(status, code, message), URL, NOW)
    assert (step.operation.phase, step.delay_s, step.operation.attempts) == ("accepted", settle.BUSY_DELAY_S, 1)
    assert "busy" in [entry.what for entry in step.operation.timeline]


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (409, "Conflict", "The name is taken"),
        (409, "VaultAlreadyExists", "x"),
        (400, "UserError", "bad vmSize"),
        (403, "Forbidden", "no"),
    ],
)
def test_any_other_refusal_is_final_with_azures_own_status(status: int, code: str, message: str) -> None:
    """A 409 is final unless it is known to pass."""
    step = settle.first_answer(_operation(), _refusal(status, code, message), URL, NOW)
    assert step.operation.error
    assert (step.operation.error.code, step.operation.http_status, step.delay_s) == (code, status, None)
    assert ("sent", f"{status} r1") in [(entry.what, entry.detail) for entry in step.operation.timeline]


def test_a_target_that_is_busy_for_an_hour_is_given_up() -> None:
    """With Azure's own refusal."""
    late = START + timedelta(hours=2)
    step = settle.first_answer(_operation(), _refusal(*BUSY[3]), URL, late)
    assert (step.operation.status, step.operation.http_status) == ("Failed", 409)


def test_a_secret_is_not_kept_for_a_busy_target() -> None:
    """It cannot be sent later."""
    step = settle.first_answer(_operation(secret=True), _refusal(*BUSY[3]), URL, NOW)
    assert (step.operation.status, step.operation.http_status) == ("Failed", 409)


UNREGISTERED = _refusal(409, "MissingSubscriptionRegistration", "not registered to use namespace 'Microsoft.Storage'. See")


def test_a_missing_registration_is_the_next_step_of_the_namespace_that_was_named() -> None:
    """A workspace's refusal may name its storage account's provider."""
    step = settle.first_answer(_operation(), UNREGISTERED, URL, NOW)
    after = step.operation
    assert (after.phase, after.registering, after.attempts, step.delay_s) == ("registering", "Microsoft.Storage", 0, 0.0)


def test_a_refusal_after_the_registration_is_final() -> None:
    """One registration a namespace: no circle."""
    step = settle.first_answer(_operation(registered=("microsoft.storage",)), UNREGISTERED, URL, NOW)
    assert (step.operation.status, step.operation.http_status) == ("Failed", 409)


def _state(state: str) -> Response:
    return Response(status=200, url=URL, body={"registrationState": state})


def test_registration_is_looked_at_then_asked_for_then_waited_for() -> None:
    """`attempts` counts the looks; the second step is the POST."""
    operation = settle.first_answer(_operation(), UNREGISTERED, URL, NOW).operation
    delays = []
    for state in ("NotRegistered", "Registering", "Registering"):
        step = settle.registration(operation, _state(state), NOW)
        operation = step.operation
        delays.append(step.delay_s)
    assert delays == [0.0, settle.REGISTER_DELAY_S, settle.REGISTER_DELAY_S]
    step = settle.registration(operation, _state("Registered"), NOW)
    ready = step.operation
    assert (ready.phase, ready.registering, ready.registered, ready.error) == ("accepted", "", ("microsoft.storage",), None)


def test_a_failed_look_at_the_provider_does_not_skip_its_registration() -> None:
    """The looks are counted apart from failures: a 503 on the POST leads to the POST again."""
    operation = replace(settle.first_answer(_operation(), UNREGISTERED, URL, NOW).operation, attempts=1)
    problem = errors.AzureUnavailableError("503", delay_s=10, maybe_arrived=True)
    step = settle.postponed(operation, problem, NOW)
    assert (step.operation.phase, step.operation.attempts, step.delay_s) == ("registering", 1, 20)


def test_a_registered_provider_was_not_the_reason_for_an_unknown_api_version() -> None:
    """ARM answers both with NoRegisteredProviderFound: the refusal stands."""
    refusal = _refusal(400, "NoRegisteredProviderFound", "No registered resource provider found for API version '2000-01-01'.")
    operation = settle.first_answer(_operation(), refusal, URL, NOW).operation
    step = settle.registration(operation, _state("Registered"), NOW)
    assert step.operation.error
    assert (step.operation.error.code, step.operation.http_status) == ("NoRegisteredProviderFound", 400)


def test_a_registration_that_never_ends_is_given_up() -> None:
    """After ten minutes of looking."""
    operation = replace(settle.first_answer(_operation(), UNREGISTERED, URL, NOW).operation, attempts=settle.REGISTER_LIMIT)
    step = settle.registration(operation, _state("Registering"), NOW)
    assert step.operation.error
    assert step.operation.error.code == "RegistrationTimeout"


def test_what_cannot_have_arrived_is_sent_again_and_what_may_have_is_looked_up() -> None:
    """The first branch after a TransientError."""
    throttled = errors.ThrottledError("slow down", delay_s=17, maybe_arrived=False)
    broken = errors.UnreachableError("reset", delay_s=5, maybe_arrived=True)
    assert settle.postponed(_operation(), throttled, NOW).operation.phase == "accepted"
    assert settle.postponed(_operation(), throttled, NOW).delay_s == 17
    assert settle.postponed(_operation(), broken, NOW).operation.phase == "sending"


def test_delays_double_up_to_ten_minutes() -> None:
    """Nobody hammers a service that is down."""
    problem = errors.AzureUnavailableError("503", delay_s=10, maybe_arrived=True)
    delays = [settle.postponed(_operation(attempts=n), problem, NOW).delay_s for n in range(8)]
    assert delays == [10, 20, 40, 80, 160, 320, 320, 320]
    assert settle.postponed(_operation(attempts=9), _delayed(problem, 60), NOW).delay_s == 600
    for attempts in (0, 9):  # Azure's own Retry-After is never cut short
        assert settle.postponed(_operation(attempts=attempts), _delayed(problem, 3_000), NOW).delay_s == 3_000


def _delayed(problem: errors.AzureUnavailableError, delay_s: float) -> errors.AzureUnavailableError:
    """Return the problem with another delay."""
    return errors.AzureUnavailableError(str(problem), delay_s=delay_s, maybe_arrived=problem.maybe_arrived)


def test_only_the_first_failures_are_listed() -> None:
    """The time line is for people."""
    problem = errors.AzureUnavailableError("503", delay_s=10, maybe_arrived=True)
    operation = _operation()
    for _ in range(9):
        operation = settle.postponed(operation, problem, NOW).operation
    assert [entry.what for entry in operation.timeline] == ["postponed"] * settle.NOTED_ATTEMPTS


def test_a_request_that_azure_cannot_take_for_a_day_ends_with_the_last_reason() -> None:
    """While following there is no such limit: Azure is at work."""
    late = START + timedelta(hours=25)
    problem = errors.AzureUnavailableError("503", delay_s=10, maybe_arrived=False)
    ended = settle.postponed(_operation(phase="accepted"), problem, late)
    assert (ended.delay_s, ended.operation.status, ended.operation.http_status) == (None, "Failed", 503)
    assert settle.postponed(_operation(phase="following"), problem, late).delay_s == 10


def test_a_second_delete_that_finds_nothing_has_succeeded() -> None:
    """The first arrived late; one that was sent once and finds nothing is a 404."""
    assert settle.first_answer(_operation("DELETE", calls={"write": 2}), GONE, URL, NOW).operation.status == "Succeeded"
    assert settle.first_answer(_operation("DELETE"), GONE, URL, NOW).operation.http_status == 404


def test_a_second_job_that_is_refused_is_looked_up_once_more() -> None:
    """Its name is taken by the first, which arrived late: it is followed. If not, the refusal stands."""
    refusal = _refusal(409, "UserError", "already exists")
    step = settle.first_answer(_operation(path="workspaces/jobs", calls={"write": 2}), refusal, URL, NOW)
    assert (step.operation.phase, step.delay_s) == ("sending", 0.0)
    found = settle.arrived(step.operation, _found(_resource("", AFTER, status="Running")), None, URL, NOW).operation
    assert (found.phase, found.error) == ("following", None)
    missing = settle.arrived(step.operation, GONE, None, URL, NOW).operation
    assert missing.error
    assert (missing.error.message, missing.http_status) == ("already exists", 409)


def test_an_end_forgets_what_must_not_be_kept() -> None:
    """Signed poll URLs, the body, the files."""
    pending = Response(
        status=202,
        url=URL,
        headers={"azure-asyncoperation": "https://management.azure.com/op?s=SIG", "location": "https://x/?s=SIG"},
    )
    operation = settle.first_answer(
        _operation("POST", action="diagnose", body={"a": 1}, files={"f": "b"}), pending, URL, NOW
    ).operation
    assert operation.follow
    assert "SIG" in operation.follow.url
    ended = settle.fail(operation, errors.AzureError(code="X", message="m"), NOW, http_status=409).operation
    assert "SIG" not in repr(ended)
    assert (ended.body, ended.files, ended.resource) == (None, {}, None)


def test_changing_a_run_does_not_wait_for_the_run() -> None:
    """A PATCH of tags is done when Azure says 200, though the run goes on."""
    operation = _operation("PATCH", "workspaces/experiments/runs")
    step = settle.first_answer(operation, _found({"runId": "n", "status": "Running"}), URL, NOW)
    assert step.operation.status == "Succeeded"
