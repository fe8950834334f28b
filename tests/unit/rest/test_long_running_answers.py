"""One answer at a time: what Azure's first answers and polls mean, row by row of what real traffic shows."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.durable import codec
from shared.rest import long_running as lro
from shared.rest.client import Response
from tests import tables

NOW = datetime(2027, 1, 15, 8, tzinfo=UTC)
ARM = "https://management.azure.com"
RESOURCE = (
    f"{ARM}/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w/x/y?api-version=2025-12-01"
)
RESOURCE_ID = RESOURCE.removeprefix(ARM).partition("?")[0]
LOCATION = f"{ARM}/subscriptions/s/providers/Microsoft.MachineLearningServices/locations/l"
STATUS = f"{LOCATION}/mfeOperationsStatus/oe:1:2?api-version=1&t=6&c=M%2bI&s=a%3D&h=_-"
RESULT = f"{LOCATION}/mfeOperationResults/oe:1:2?api-version=1&t=6&s=b"
NULL, EMPTY = None, None


def follow(method="PUT", style="resource", url=RESOURCE, **more):
    """Return where an operation stands."""
    return lro.Follow(style=style, url=url, resource_url=RESOURCE, method=method, **more)


def resource(state=None, **properties):
    """Return a resource in `state`."""
    return {"id": "/x/y", "name": "y", "properties": {**({"provisioningState": state} if state else {}), **properties}}


def answer(status, body=None, **headers):
    """Return an answer; `location=…` and `aao=…` become headers."""
    named = {"aao": "azure-asyncoperation", "retry_after": "retry-after"}
    return Response(status=status, url="", headers={named.get(name, name): value for name, value in headers.items()}, body=body)


# method, status, headers, body → style and URL polled next, or Done
FIRST_ANSWERS = [
    ("PUT workspace", "PUT", 202, {"location": RESULT, "aao": STATUS}, EMPTY, ("status_url", STATUS)),
    ("PATCH workspace", "PATCH", 202, {"location": RESULT, "aao": STATUS}, EMPTY, ("status_url", STATUS)),
    ("DELETE workspace", "DELETE", 202, {"location": RESULT, "aao": STATUS}, EMPTY, ("status_url", STATUS)),
    ("POST resyncKeys", "POST", 202, {"location": RESULT, "aao": STATUS}, EMPTY, ("status_url", STATUS)),
    ("POST diagnose", "POST", 202, {"location": RESULT}, EMPTY, ("location", RESULT)),
    ("PUT outbound rule", "PUT", 202, {"location": RESULT, "aao": STATUS}, EMPTY, ("status_url", STATUS)),
    ("PUT registry", "PUT", 202, {"location": RESULT, "aao": STATUS}, EMPTY, ("status_url", STATUS)),
    ("PUT compute", "PUT", 201, {"aao": STATUS}, resource("Creating"), ("status_url", STATUS)),
    ("PATCH compute", "PATCH", 202, {"aao": STATUS}, resource("Updating"), ("status_url", STATUS)),
    ("DELETE compute", "DELETE", 202, {"aao": STATUS}, EMPTY, ("status_url", STATUS)),
    ("POST compute start", "POST", 202, {"aao": STATUS}, EMPTY, ("status_url", STATUS)),
    ("PUT online endpoint", "PUT", 201, {"location": RESOURCE, "aao": STATUS}, resource("Creating"), ("status_url", STATUS)),
    ("PUT deployment again", "PUT", 201, {"location": RESOURCE, "aao": STATUS}, resource("Updating"), ("status_url", STATUS)),
    ("PUT batch deployment, Succeeded already", "PUT", 201, {"location": RESOURCE, "aao": STATUS}, resource("Succeeded"),
     ("status_url", STATUS)),
    ("PUT batch endpoint, update without headers", "PUT", 200, {}, resource("Succeeded"), "done"),
    ("DELETE online endpoint", "DELETE", 202, {"location": RESULT, "aao": STATUS}, NULL, ("status_url", STATUS)),
    ("DELETE newest batch", "DELETE", 202, {"location": RESULT, "aao": STATUS}, EMPTY, ("status_url", STATUS)),
    ("PUT schedule", "PUT", 201, {"location": RESOURCE, "aao": STATUS}, resource("Creating"), ("status_url", STATUS)),
    ("POST cancel", "POST", 202, {"location": RESULT}, NULL, ("location", RESULT)),
    ("POST cancel, nothing to cancel", "POST", 200, {}, EMPTY, "done"),
    ("POST regenerateKeys", "POST", 202, {"location": RESULT}, NULL, ("location", RESULT)),
    ("PUT model version", "PUT", 201, {"location": RESOURCE}, resource("Succeeded"), "done"),
    ("PUT datastore", "PUT", 200, {}, resource(), "done"),
    ("PUT connection", "PUT", 200, {}, {"properties": {}}, "done"),
    ("DELETE datastore", "DELETE", 200, {}, EMPTY, "done"),
    ("DELETE storage account, not there", "DELETE", 204, {}, EMPTY, "done"),
    ("PUT registry asset", "PUT", 202, {"location": "https://westeurope.api.azureml.ms/assetstore/v1.0/operations/1"}, NULL,
     ("location", "https://westeurope.api.azureml.ms/assetstore/v1.0/operations/1")),
    ("PUT storage account", "PUT", 202, {"location": RESULT, "retry_after": "17"}, EMPTY, ("location", RESULT)),
    ("PUT with the status URL in the body only", "PUT", 201, {},
     resource("Creating", properties={"AzureAsyncOperationUri": STATUS}), ("status_url", STATUS)),
    ("PUT done, with the status URL of the last change in the body", "PUT", 200, {},
     resource("Succeeded", properties={"AzureAsyncOperationUri": STATUS}), "done"),
    ("PUT that names no URL", "PUT", 201, {}, resource("Creating"), ("resource", RESOURCE)),
    ("PUT 202 that names no URL", "PUT", 202, {}, EMPTY, ("resource", RESOURCE)),
    ("DELETE 202 that names no URL", "DELETE", 202, {}, EMPTY, ("resource", RESOURCE)),
    ("PUT key vault", "PUT", 200, {}, resource("RegisteringDns"), ("resource", RESOURCE)),
    ("PUT 201 whose Location is the resource", "PUT", 201, {"location": RESOURCE}, resource("Updating"), ("resource", RESOURCE)),
    ("PUT 201 whose Location is the resource in another spelling", "PUT", 201, {"location": RESOURCE.upper()},
     resource("Updating"), ("resource", RESOURCE)),
    ("PUT 201 whose Location is an operation", "PUT", 201, {"location": RESULT}, resource("Creating"), ("location", RESULT)),
    ("PUT 200 whose Location is an operation", "PUT", 200, {"location": RESULT}, resource("Updating"), ("location", RESULT)),
    ("PUT 201 done, whose Location is another id of it", "PUT", 201, {"location": RESULT}, resource("Succeeded"), "done"),
    ("PUT 201 without a state, whose Location is another id of it", "PUT", 201, {"location": RESULT}, resource(), "done"),
    ("PUT 200 with the state of the operation before", "PUT", 200, {"aao": STATUS}, resource("Failed"), ("status_url", STATUS)),
    ("PUT 200 that says both done and where to ask", "PUT", 200, {"aao": STATUS}, resource("Succeeded"), ("status_url", STATUS)),
    ("status URL from the root", "PUT", 202, {"aao": "/subscriptions/s/op/1?c=%2b"}, EMPTY,
     ("status_url", f"{ARM}/subscriptions/s/op/1?c=%2b")),
    ("status URL from the root without its slash", "PATCH", 200, {"aao": "subscriptions/s/op/1*C?c=%2b"}, EMPTY,
     ("status_url", f"{ARM}/subscriptions/s/op/1*C?c=%2b")),
]  # fmt: skip


@tables.each(("method", "status", "headers", "body", "then"), [row[1:] for row in FIRST_ANSWERS])
def test_the_first_answer_tells_where_to_look_next(method, status, headers, body, then):
    """docs/protocol.md §2: a Location on a 201 is the resource; a 202 may lack Location or status URL; URLs stay byte for byte."""
    outcome = lro.begin(follow(method), answer(status, body, **headers), now=NOW)
    if then == "done":
        assert outcome == lro.Done(body=body)
    else:
        assert isinstance(outcome, lro.Pending)
        assert (outcome.follow.style, outcome.follow.url) == then
        assert outcome.delay_s > 0


JOB = {"state_field": "properties.status"}


@pytest.mark.parametrize("status", [200, 201])
@pytest.mark.parametrize("state", ["Preparing", "NotStarted", "Starting", "Running", "Queued", "Finalizing", "CancelRequested"])
def test_a_job_is_followed_by_its_own_status(status, state):
    """docs/protocol.md §2: a job's PUT is no long-running operation and has no provisioningState."""
    body = {"name": "j", "properties": {"status": state}}
    outcome = lro.begin(follow(**JOB), answer(status, body, location=RESOURCE), now=NOW)
    assert isinstance(outcome, lro.Pending)
    assert (outcome.follow.style, outcome.follow.url, outcome.follow.state, outcome.body) == ("resource", RESOURCE, state, body)


def test_a_job_without_a_status_is_not_done():
    """`status: null` right after the PUT says nothing; a job must say how it ended."""
    outcome = lro.begin(follow(**JOB), answer(201, {"properties": {"status": None}}), now=NOW)
    assert isinstance(outcome, lro.Pending)
    for _ in range(20):
        outcome = lro.advance(outcome.follow, answer(200, {"properties": {}}), now=NOW)
        if not isinstance(outcome, lro.Pending):
            break
    assert isinstance(outcome, lro.Failed)
    assert (outcome.unknown, outcome.error.code) == (True, "OutcomeUnknown")


def test_changing_a_running_run_does_not_wait_for_its_end():
    """PATCH of a run's tags is done at once, whatever the run does."""
    template = follow("PATCH", state_field="status")
    for state in ("Running", "Failed"):
        assert lro.begin(template, answer(200, {"status": state}), now=NOW) == lro.Done(body={"status": state})


@pytest.mark.parametrize("state", ["Completed", "Failed", "Canceled"])
def test_a_job_that_had_ended_before_is_changed_whatever_its_end_was(state):
    """A PUT that archives an old job is answered 200 with its status: the change succeeded. A new job's PUT is answered 201."""
    body = {"name": "j", "properties": {"status": state, "isArchived": True}}
    assert lro.begin(follow(**JOB), answer(200, body), now=NOW) == lro.Done(body=body)
    assert isinstance(lro.begin(follow(**JOB), answer(201, body), now=NOW), lro.Done) == (state == "Completed")


def test_a_run_of_the_v1_service_is_followed_in_run_history():
    """An answer to startrun holds the runId alone."""
    outcome = lro.begin(follow(state_field="status"), answer(200, {"runId": "r"}), now=NOW)
    assert isinstance(outcome, lro.Pending)
    assert lro.advance(outcome.follow, answer(200, {"status": "Completed"}), now=NOW) == lro.Done(body={"status": "Completed"})


RUNNING_BODIES = [
    {"status": "InProgress"},
    {"id": "x", "name": "x", "startTime": "2025", "percentComplete": 0.0, "status": "Updating"},
    {"id": "x", "status": "Creating"},
    {"id": "x", "status": "Deleting"},
    {"status": "Running", "percentComplete": 100.0},
    {"status": "SomethingNew"},
    {"properties": {"status": "InProgress"}},
]
DONE_BODIES = [
    {"status": "Succeeded", "percentComplete": 100.0},
    {"id": "x", "name": "x", "endTime": "2025", "percentComplete": 100.0, "status": "Succeeded"},
    {"id": "x", "status": "Succeeded"},
    {"status": "Succeeded", "percentComplete": 0.0},
    {"status": "succeeded"},
    {"status": "Completed"},
]


@tables.each("method", ["PUT", "PATCH", "DELETE", "POST"])
@tables.each("body", RUNNING_BODIES)
def test_whatever_is_not_terminal_is_running(method, body):
    """docs/protocol.md §3.2: `Updating` also during a create or delete; percentComplete proves nothing (§3.3)."""
    outcome = lro.advance(follow(method, "status_url", STATUS), answer(200, body), now=NOW)
    assert isinstance(outcome, lro.Pending)
    assert (outcome.follow.style, outcome.follow.url) == ("status_url", STATUS)
    assert outcome.delay_s > 0


@pytest.mark.parametrize("body", DONE_BODIES)
def test_after_success_a_created_resource_is_read_once_more(body):
    """docs/protocol.md §3.11: the status answer does not hold the resource; its GET does."""
    outcome = lro.advance(follow("PUT", "status_url", STATUS, location=RESULT), answer(200, body), now=NOW)
    assert isinstance(outcome, lro.Pending)
    assert (outcome.follow.style, outcome.follow.url, outcome.delay_s) == ("result", RESOURCE, 0.0)
    made = resource("Succeeded")
    assert lro.advance(outcome.follow, answer(200, made), now=NOW) == lro.Done(body=made)


@pytest.mark.parametrize("body", DONE_BODIES)
def test_after_success_a_deletion_is_done(body):
    """docs/protocol.md §3.7: the final Location GET after a delete returned the workspace; it is not asked for."""
    assert lro.advance(follow("DELETE", "status_url", STATUS, location=RESULT), answer(200, body), now=NOW) == lro.Done()


def test_after_success_an_action_with_a_location_is_asked_for_its_result():
    """docs/protocol.md §3.7: diagnose returns its findings there; a bare action has none."""
    outcome = lro.advance(follow("POST", "status_url", STATUS, location=RESULT), answer(200, {"status": "Succeeded"}), now=NOW)
    assert isinstance(outcome, lro.Pending)
    assert (outcome.follow.style, outcome.follow.url) == ("result", RESULT)
    assert isinstance(lro.advance(outcome.follow, answer(202), now=NOW), lro.Pending)
    findings = {"value": {"otherResults": [], "9": []}}
    assert lro.advance(outcome.follow, answer(200, findings), now=NOW) == lro.Done(body=findings)
    assert lro.advance(outcome.follow, answer(404), now=NOW) == lro.Done()
    assert lro.advance(follow("POST", "status_url", STATUS), answer(200, {"status": "Succeeded"}), now=NOW) == lro.Done()


def test_a_failure_is_an_answer_of_200():
    """docs/protocol.md §3.4: deleting a deployment with traffic is accepted and fails in the poll; percentComplete is 100."""
    body = {
        "error": {"code": "UserError", "message": "The deployment still has traffic.", "details": [], "additionalInfo": [
            {"type": "InnerError", "info": {"value": {"code": "BadArgument", "innerError": {"code": "DeploymentHasTraffic"}}}}]},
        "status": "Failed", "percentComplete": 100.0,
    }  # fmt: skip
    outcome = lro.advance(follow("DELETE", "status_url", STATUS), answer(200, body), now=NOW)
    assert isinstance(outcome, lro.Failed)
    assert (outcome.error.code, outcome.error.message, outcome.canceled) == (
        "DeploymentHasTraffic",
        "The deployment still has traffic.",
        False,
    )


@pytest.mark.parametrize(("state", "canceled"), [("Failed", False), ("Canceled", True), ("Cancelled", True), ("CANCELED", True)])
@pytest.mark.parametrize("error", [None, {}, "text", []])
def test_a_terminal_state_without_a_reason_still_has_an_error(state, canceled, error):
    """Azure gave no reason, and that is said."""
    outcome = lro.advance(follow("PUT", "status_url", STATUS), answer(200, {"status": state, "error": error}), now=NOW)
    assert isinstance(outcome, lro.Failed)
    assert (outcome.canceled, outcome.error.code) == (canceled, f"Operation{state.capitalize()}")


def test_a_compute_that_failed_says_why_in_its_provisioning_errors():
    """docs/protocol.md §6.5: HTTP 200, provisioningState Failed, and the reason in a list."""
    body = resource("Failed", provisioningErrors=[{"error": {"code": "ClusterMinNodesExceedCoreQuota", "message": "quota"}}])
    at_result = follow("PUT", "result")
    outcome = lro.advance(at_result, answer(200, body), now=NOW)
    assert isinstance(outcome, lro.Failed)
    assert (outcome.error.code, outcome.body) == ("ClusterMinNodesExceedCoreQuota", body)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (
            {
                "status": "Failed",
                "error": {"error": {"code": "UserError", "message": "exit 1", "innerError": {"code": "ExitCode"}}},
            },
            "ExitCode",
        ),
        ({"status": "Failed", "error": {"code": "Boom", "message": "m"}}, "Boom"),
        ({"status": "Failed", "error": {"error": None}}, "ResourceFailed"),
        ({"status": "Failed", "properties": {"provisioningErrors": [], "error": {}}}, "ResourceFailed"),
        ({"status": "Failed", "properties": "junk", "error": 7}, "ResourceFailed"),
        ({"status": "Canceled"}, "ResourceCanceled"),
    ],
)
def test_a_failed_run_says_why(body, code):
    """Run history wraps the error once more; not every failure has one."""
    outcome = lro.advance(follow("PUT", state_field="status"), answer(200, body), now=NOW)
    assert isinstance(outcome, lro.Failed)
    assert outcome.error.code == code
    assert outcome.canceled == (body["status"] == "Canceled")


def test_a_location_poll_goes_on_while_202_and_follows_the_new_location():
    """docs/protocol.md §3.6 and §3.7: 202 with `{}` and Location; it is usually itself, but the newest counts."""
    moved = RESULT + "&u=2"
    first = lro.advance(follow("POST", "location", RESULT), answer(202, {}, location=moved), now=NOW)
    assert isinstance(first, lro.Pending)
    assert first.follow.url == moved
    second = lro.advance(first.follow, answer(202, {}), now=NOW)
    assert isinstance(second, lro.Pending)
    assert second.follow.url == moved


@pytest.mark.parametrize(
    ("method", "status", "body", "done"),
    [
        ("POST", 200, EMPTY, lro.Done()),
        ("POST", 204, EMPTY, lro.Done()),
        ("POST", 200, {"status": "Active", "sparkReady": False}, lro.Done(body={"status": "Active", "sparkReady": False})),
        ("POST", 200, {"status": "Failed"}, lro.Done(body={"status": "Failed"})),
        ("DELETE", 200, resource("Succeeded"), lro.Done()),
        ("DELETE", 204, EMPTY, lro.Done()),
    ],
)
def test_a_location_poll_ends_with_any_other_2xx(method, status, body, done):
    """docs/protocol.md §3.6, §3.7: 200 with nothing; a `status` in such a body is data; after a delete it is the parent."""
    assert lro.advance(follow(method, "location", RESULT), answer(status, body), now=NOW) == done


@pytest.mark.parametrize("status", [200, 201, 204])
def test_a_location_poll_of_a_create_ends_with_the_resource(status):
    """docs/protocol.md §3.8: 200 with an asset id, 200 empty or 204; the resource itself is read."""
    outcome = lro.advance(follow("PUT", "location", RESULT), answer(status, {"assetId": "a"}), now=NOW)
    assert isinstance(outcome, lro.Pending)
    assert (outcome.follow.style, outcome.follow.url, outcome.delay_s) == ("result", RESOURCE, 0.0)


def test_an_operation_azure_no_longer_knows_is_settled_by_the_resource():
    """A 404 on the status URL: after a delete look whether it is gone, after a create look whether it is there."""
    deleted = lro.advance(follow("DELETE", "status_url", STATUS), answer(404), now=NOW)
    assert isinstance(deleted, lro.Pending)
    assert (deleted.follow.style, deleted.follow.url) == ("resource", RESOURCE)
    assert lro.advance(deleted.follow, answer(404), now=NOW) == lro.Done()
    made = lro.advance(follow("PUT", "status_url", STATUS), answer(404), now=NOW)
    assert isinstance(made, lro.Pending)
    assert lro.advance(made.follow, answer(200, resource("Succeeded")), now=NOW) == lro.Done(body=resource("Succeeded"))


@pytest.mark.parametrize("style", ["status_url", "location"])
def test_a_lost_action_is_unknown_not_failed(style):
    """docs/protocol.md §3.6: the Location of regenerateKeys answered 404; that is no proof that the keys were not changed."""
    lost = answer(404, {"error": {"code": "NotFound", "message": "m"}})
    outcome = lro.advance(follow("POST", style, STATUS), lost, now=NOW)
    for _ in range(lro.MISSES_ALLOWED):  # it may only be late
        assert isinstance(outcome, lro.Pending)
        outcome = lro.advance(outcome.follow, lost, now=NOW)
    assert isinstance(outcome, lro.Failed)
    assert (outcome.unknown, outcome.error.code, outcome.error.target) == (True, "OutcomeUnknown", RESOURCE)


@pytest.mark.parametrize(
    "body", [EMPTY, {"error": {"code": "ResourceNotFound", "message": "m"}}, {"error": {"code": "UserError", "message": "m"}}]
)
def test_a_deleted_resource_is_gone_with_or_without_a_body(body):
    """docs/protocol.md §3.11: ARM form for a workspace, nothing at all for a compute."""
    assert lro.advance(follow("DELETE"), answer(404, body), now=NOW) == lro.Done()


def test_a_resource_that_is_being_deleted_is_still_there():
    """docs/protocol.md §3.11: GET is 200 with Deleting, then 404. One that had failed before is not a failed deletion yet."""
    outcome = lro.advance(follow("DELETE"), answer(200, resource("Deleting")), now=NOW)
    assert isinstance(outcome, lro.Pending)
    for _ in range(lro.MISSES_ALLOWED):
        outcome = lro.advance(outcome.follow, answer(200, resource("Failed")), now=NOW)
        assert isinstance(outcome, lro.Pending)
    assert isinstance(lro.advance(outcome.follow, answer(200, resource("Failed")), now=NOW), lro.Failed)


def test_a_new_resource_may_be_404_for_a_while():
    """docs/protocol.md §3.12: right after a registry was made its GET can still be 404; for ever is a failure."""
    outcome = lro.advance(follow("PUT", "result"), answer(404, {"error": {"code": "RegistryNotFound", "message": "m"}}), now=NOW)
    assert isinstance(outcome, lro.Pending)
    assert lro.advance(outcome.follow, answer(200, resource("Succeeded")), now=NOW) == lro.Done(body=resource("Succeeded"))
    for _ in range(lro.MISSES_ALLOWED):
        assert isinstance(outcome, lro.Pending)
        outcome = lro.advance(outcome.follow, answer(404, {"error": {"code": "RegistryNotFound", "message": "m"}}), now=NOW)
    assert isinstance(outcome, lro.Failed)
    assert outcome.error.code == "RegistryNotFound"


def test_a_resource_still_updating_after_success_is_waited_for():
    """Azure/azure-sdk-for-net#36961: the status URL said Succeeded, the endpoint was still Updating."""
    outcome = lro.advance(follow("PUT", "result"), answer(200, resource("Updating")), now=NOW)
    assert isinstance(outcome, lro.Pending)
    assert (outcome.follow.style, outcome.follow.url) == ("result", RESOURCE)
    assert outcome.delay_s > 0


def test_a_resource_with_a_word_of_its_own_for_ready_is_done_after_some_looks():
    """A firewall rule of SQL stays `Ready` for ever after its operation has succeeded; azure-core does not even look."""
    outcome = lro.advance(follow("PUT", "status_url", STATUS, misses=5), answer(200, {"status": "Succeeded"}), now=NOW)
    looks = 0
    while isinstance(outcome, lro.Pending):
        outcome, looks = lro.advance(outcome.follow, answer(200, resource("Ready")), now=NOW), looks + 1
    assert outcome == lro.Done(body=resource("Ready"))
    assert looks == lro.LOOKS_AFTER_SUCCESS + 1


@pytest.mark.parametrize("state", ["Failed", "Canceled"])
def test_an_operation_that_failed_says_so_at_its_location(state):
    """Microsoft.ElasticSan: 201 with a Location; there 202, then 200 with the operation's `status` and `error`."""
    said = {"status": state, "error": {"code": "NetworkAclsValidationFailure", "message": "A subnet has no service endpoint."}}
    outcome = lro.advance(follow("PUT", "location", RESULT), answer(200, said), now=NOW)
    assert isinstance(outcome, lro.Failed)
    assert (outcome.error.code, outcome.canceled) == ("NetworkAclsValidationFailure", state == "Canceled")


def test_a_location_that_answers_with_the_resource_saves_reading_it():
    """Microsoft.Storage: the Location's 200 is the account, its id in any spelling; one that still works is looked at again."""
    ready = {**resource("Succeeded"), "id": RESOURCE_ID.upper()}
    assert lro.advance(follow("PUT", "location", RESULT), answer(200, ready), now=NOW) == lro.Done(body=ready)
    outcome = lro.advance(follow("PUT", "location", RESULT), answer(200, {**resource("Creating"), "id": RESOURCE_ID}), now=NOW)
    assert isinstance(outcome, lro.Pending)
    assert (outcome.follow.style, outcome.follow.url, outcome.follow.misses) == ("result", RESOURCE, 1)


def test_a_deletion_that_its_location_says_goes_on_is_asked_of_the_resource():
    """Microsoft.StreamAnalytics: the Location answers 200 `{"status": "Deleting"}` while it works."""
    outcome = lro.advance(follow("DELETE", "location", RESULT), answer(200, {"status": "Deleting", "error": None}), now=NOW)
    assert isinstance(outcome, lro.Pending)
    assert (outcome.follow.style, outcome.follow.url) == ("resource", RESOURCE)


@pytest.mark.parametrize("given", [{"output": {"ip": "10.0.0.4"}}, [{"name": "extension"}]])
def test_what_an_action_gave_stands_in_its_status_when_it_has_no_location(given):
    """ARM's contract for a POST: `properties` of the status body; empty or absent it is nothing."""
    asked = follow("POST", "status_url", STATUS)
    assert lro.advance(asked, answer(200, {"status": "Succeeded", "properties": given}), now=NOW) == lro.Done(body=given)
    for nothing in ({}, None, "text"):
        assert lro.advance(asked, answer(200, {"status": "Succeeded", "properties": nothing}), now=NOW) == lro.Done()


@pytest.mark.parametrize(
    ("status", "body"), [(200, EMPTY), (200, {}), (200, []), (200, "text"), (200, {"status": None}), (200, {"status": 7})]
)
def test_a_status_poll_that_says_nothing_is_asked_again_then_the_resource_is(status, body):
    """A body may be empty or null; after a few of them the resource tells."""
    outcome = lro.Pending(follow=follow("PUT", "status_url", STATUS), delay_s=0)
    for _ in range(lro.MISSES_ALLOWED + 1):
        outcome = lro.advance(outcome.follow, answer(status, body), now=NOW)
        assert isinstance(outcome, lro.Pending)
    assert (outcome.follow.style, outcome.follow.url) == ("resource", RESOURCE)


def test_a_status_poll_of_202_runs_and_of_204_is_done():
    """docs/protocol.md §3.8: the data plane's operations answer by status code alone."""
    running = lro.advance(follow("PUT", "status_url", STATUS, misses=6), answer(202), now=NOW)
    assert isinstance(running, lro.Pending)
    assert running.follow.style == "status_url"
    assert lro.advance(follow("DELETE", "status_url", STATUS), answer(204), now=NOW) == lro.Done()


REFUSALS = pytest.mark.parametrize("status", [302, 400, 401, 403, 409, 410])


def _refused_for_ever(method, style, status):
    """Return what becomes of an operation whose polls are all refused, and the styles it was followed in."""
    refused = answer(status, {"error": {"code": "Why", "message": "m"}})
    outcome, styles = lro.Pending(follow=follow(method, style, STATUS), delay_s=0), []
    for _ in range(3 * lro.MISSES_ALLOWED):
        if isinstance(outcome, lro.Pending):
            styles.append(outcome.follow.style)
            outcome = lro.advance(outcome.follow, refused, now=NOW)
    return outcome, list(dict.fromkeys(styles))


@REFUSALS
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("style", ["status_url", "location"])
def test_a_poll_that_stays_refused_is_given_up_for_the_resource_itself(style, method, status):
    """A role may not read the status URL, or the URL lacks its api-version: that says nothing about the operation."""
    outcome, styles = _refused_for_ever(method, style, status)
    assert styles == [style, "resource"]
    assert isinstance(outcome, lro.Failed)
    assert (outcome.unknown, outcome.error.code, outcome.error.details[0].code) == (True, "OutcomeUnknown", "Why")


@REFUSALS
def test_a_refused_poll_of_what_was_made_ends_as_the_resource_says(status):
    """A container registry that is there was reported as failed."""
    at_resource = follow("PUT", "status_url", STATUS, misses=lro.MISSES_ALLOWED)
    outcome = lro.advance(at_resource, answer(status), now=NOW)
    assert lro.advance(outcome.follow, answer(200, resource("Succeeded")), now=NOW) == lro.Done(body=resource("Succeeded"))


@REFUSALS
@pytest.mark.parametrize("style", ["status_url", "location", "resource", "result"])
def test_a_refused_poll_of_an_action_leaves_its_outcome_unknown(style, status):
    """No resource shows what an action did; Azure's reason is in the details."""
    outcome, styles = _refused_for_ever("POST", style, status)
    assert (styles, outcome.unknown, outcome.error.code) == ([style], True, "OutcomeUnknown")


@REFUSALS
def test_what_has_succeeded_stays_so_though_its_result_cannot_be_read(status):
    """The status said so before."""
    assert _refused_for_ever("PUT", "result", status)[0] == lro.Done()


def test_a_lost_first_answer_is_taken_up_from_the_resource():
    """A GET after a crash proves that the write arrived; from then on the resource is polled."""
    outcome = lro.resume(follow("PUT"), answer(200, resource("Creating")), now=NOW)
    assert isinstance(outcome, lro.Pending)
    assert (outcome.follow.style, outcome.follow.url) == ("resource", RESOURCE)
    assert lro.resume(follow("PUT"), answer(200, resource("Succeeded")), now=NOW) == lro.Done(body=resource("Succeeded"))


def test_the_pause_grows_to_its_bound_when_azure_names_none():
    """docs/protocol.md §1: no Azure ML answer carries Retry-After; our own pause is short at first."""
    outcome, pauses = lro.Pending(follow=follow("PUT", "status_url", STATUS, interval_s=2.0, max_interval_s=30.0), delay_s=0), []
    for _ in range(12):
        outcome = lro.advance(outcome.follow, answer(200, {"status": "InProgress"}), now=NOW)
        pauses.append(outcome.delay_s)
    assert pauses[0] == 2.0
    assert pauses == sorted(pauses)
    assert pauses[-1] == 30.0


@pytest.mark.parametrize(
    ("text", "delay_s"),
    [("17", 17.0), ("0", 1.0), ("-3", 1.0), ("soon", 2.0), (format_datetime(NOW.replace(minute=1), usegmt=True), 60.0)],
)
def test_the_pause_is_azures_when_it_names_one(text, delay_s):
    """Other providers do (storage 17, then 3); zero would be a busy loop."""
    outcome = lro.begin(follow("PUT"), answer(202, location=RESULT, retry_after=text), now=NOW)
    assert isinstance(outcome, lro.Pending)
    assert outcome.delay_s == delay_s


@pytest.mark.parametrize(
    ("percent", "shown"), [(0.0, 0.0), (40, 40.0), (100.0, 100.0), ("40", None), (None, None), (float("nan"), None), (-1, None)]
)
def test_percent_is_passed_on_when_it_is_one(percent, shown):
    """For the reader only; nothing is decided by it."""
    outcome = lro.advance(
        follow("PUT", "status_url", STATUS), answer(200, {"status": "Running", "percentComplete": percent}), now=NOW
    )
    assert isinstance(outcome, lro.Pending)
    assert outcome.percent == shown


NAMES = [
    "status",
    "properties",
    "provisioningState",
    "error",
    "code",
    "message",
    "percentComplete",
    "AzureAsyncOperationUri",
    "provisioningErrors",
]
WORDS = st.sampled_from(
    ["Succeeded", "Failed", "Canceled", "Updating", "Creating", "Deleting", "InProgress", "Completed", STATUS, "/op", "//h/op", "x"]
)
BODIES = st.recursive(
    st.none() | WORDS | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)
HEADERS = st.dictionaries(
    st.sampled_from(["location", "azure-asyncoperation", "retry-after"]),
    WORDS | st.text(max_size=8) | st.sampled_from(["5", "-1", "nan", "1e400"]),
    max_size=3,
)


def answers(*statuses):
    """Return any answer with one of `statuses`."""
    return st.builds(
        lambda status, headers, body: Response(status=status, url="", headers=headers, body=body),
        st.sampled_from(statuses),
        HEADERS,
        BODIES,
    )


@given(
    method=st.sampled_from(["PUT", "PATCH", "DELETE", "POST"]),
    state_field=st.sampled_from([lro.PROVISIONING_STATE, "properties.status", "status"]),
    first=answers(200, 201, 202, 204),
    polls=st.lists(answers(200, 201, 202, 204, 301, 400, 401, 403, 404, 409, 412), max_size=12),
)
@settings(max_examples=400 if tables.WHOLE else 100, deadline=None)
@pytest.mark.sweep
def test_no_sequence_of_answers_breaks_the_machine(method, state_field, first, polls):
    """Any answers in any order: it ends, or goes on with a delay; and every state survives being stored."""
    outcome = lro.begin(follow(method, state_field=state_field), first, now=NOW)
    for poll in polls:
        if not isinstance(outcome, lro.Pending):
            break
        assert 0 <= outcome.delay_s <= 3_600
        assert outcome.follow.url
        assert codec.read(lro.Follow, json.loads(json.dumps(codec.written(outcome.follow)))) == outcome.follow
        outcome = lro.advance(outcome.follow, poll, now=NOW)
    if isinstance(outcome, lro.Failed):
        assert outcome.error.code
        assert outcome.error.message


@given(
    polls=st.lists(st.sampled_from([401, 403, 404]), min_size=30, max_size=30),
    method=st.sampled_from(["PUT", "DELETE", "POST"]),
)
@settings(max_examples=100, deadline=None)
def test_silence_and_refusals_do_not_go_on_for_ever(polls, method):
    """However Azure says nothing, the operation ends after a bounded number of polls."""
    outcome = lro.Pending(follow=follow(method, "status_url", STATUS), delay_s=0)
    for poll in polls:
        if isinstance(outcome, lro.Pending):
            outcome = lro.advance(outcome.follow, answer(poll), now=NOW)
    assert not isinstance(outcome, lro.Pending)


def test_following_is_stored_and_read_back_whole():
    """A deploy in mid-operation loses nothing, the signed URL least of all."""
    stands = replace(follow("PUT", "status_url", STATUS, location=RESULT), misses=3, state="Updating", interval_s=4.5)
    assert codec.read(lro.Follow, json.loads(json.dumps(codec.written(stands)))) == stands
