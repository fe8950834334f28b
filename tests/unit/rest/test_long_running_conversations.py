"""Whole conversations in the order in which Azure ML was seen to hold them: create, poll, fail, delete."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from shared.durable import codec
from shared.rest import clouds, long_running
from shared.rest.client import Response

NOW = datetime(2027, 1, 15, 8, tzinfo=UTC)
ARM = "https://management.azure.com"
SUBSCRIPTION = f"{ARM}/subscriptions/s"
WORKSPACE = f"{SUBSCRIPTION}/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
LOCATION = f"{SUBSCRIPTION}/providers/Microsoft.MachineLearningServices/locations/westeurope"
SIGNED = f"&t=638978471323232457&c={'MIIHhzCCBm-gAwIBAgIT' * 130}&s={'hMMvsHnPhvc0yLV1_-' * 19}&h=vK0yFg912O8zmEqSN0lWaVLri"


@dataclass
class Conversation:
    """Azure's part: answers by URL, the last of each repeated; and what was asked."""

    answers: dict[str, list[Response]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def on(self, url, *answers):
        """Say what GET `url` answers, one after the other: (status, body[, headers])."""
        self.answers[url] = [response(*each) for each in answers]
        return self

    def get(self, url):
        """Answer one GET."""
        self.asked.append(url)
        left = self.answers[url]
        return left.pop(0) if len(left) > 1 else left[0]


def response(status, body=None, headers=None):
    """Return an answer."""
    return Response(status=status, url="", headers=headers or {}, body=body)


def follow(conversation, method, resource, first, *, state_field=long_running.PROVISIONING_STATE, limit=60):
    """Follow a request to its end as the queue functions do: each state stored and read back; returns (outcome, states)."""
    template = long_running.Follow(style="resource", url=resource, resource_url=resource, method=method, state_field=state_field)
    outcome, states = long_running.begin(template, first, now=NOW), []
    while isinstance(outcome, long_running.Pending):
        assert len(states) < limit
        states.append(outcome.follow.state)
        assert clouds.scope_for(clouds.PUBLIC, outcome.follow.url)
        stored = codec.read(long_running.Follow, json.loads(json.dumps(codec.written(outcome.follow))))
        outcome = long_running.advance(stored, conversation.get(stored.url), now=NOW)
    return outcome, states


def test_a_workspace_is_created():
    """PUT: 202 with nothing but two URLs; InProgress for minutes; Succeeded; GET."""
    resource, status = (
        f"{WORKSPACE}?api-version=2025-12-01",
        f"{LOCATION}/workspaceOperationsStatus/1?api-version=1&type=async{SIGNED}",
    )
    made = {
        "name": "w",
        "properties": {"provisioningState": "Succeeded", "discoveryUrl": "https://westeurope.api.azureml.ms/discovery"},
    }
    azure = Conversation().on(
        status, *[(200, {"status": "InProgress"})] * 5, (200, {"status": "Succeeded", "percentComplete": 100.0})
    )
    azure.on(resource, (200, made))
    accepted = response(202, None, {"azure-asyncoperation": status, "location": status.replace("type=async", "type=location")})
    outcome, _ = follow(azure, "PUT", resource, accepted)
    assert outcome == long_running.Done(body=made)
    assert azure.asked == [status] * 6 + [resource]


def test_a_workspace_whose_registry_has_no_admin_user_fails_with_the_reason():
    """The article's own example: accepted, then Failed with HTTP 200."""
    resource, status = (
        f"{WORKSPACE}?api-version=2025-12-01",
        f"{LOCATION}/workspaceOperationsStatus/1?api-version=1&type=async{SIGNED}",
    )
    error = {"code": "BadRequest", "message": "Container registry cr has no admin user.", "details": [
        {"code": "ContainerRegistryAdminUserDisabled", "message": "Enable it."}]}  # fmt: skip
    azure = Conversation().on(status, (200, {"status": "InProgress"}), (200, {"status": "Failed", "error": error}))
    outcome, _ = follow(azure, "PUT", resource, response(202, None, {"azure-asyncoperation": status, "location": status}))
    assert isinstance(outcome, long_running.Failed)
    assert (outcome.error.code, outcome.error.message) == ("ContainerRegistryAdminUserDisabled", error["message"])
    assert "MIIH" not in json.dumps(outcome.error.to_json())


@pytest.mark.parametrize("gone", [(404, {"error": {"code": "ResourceNotFound", "message": "m"}}), (404, None)])
def test_a_workspace_is_deleted_even_when_the_operation_is_forgotten_first(gone):
    """The status URL belongs to the workspace's region and may be gone with it; then the resource tells."""
    resource, status = f"{WORKSPACE}?api-version=2025-12-01", f"{LOCATION}/workspaceOperationsStatus/2?api-version=1{SIGNED}"
    azure = Conversation().on(status, (200, {"status": "InProgress"}), (404, {"error": {"code": "NotFound", "message": "m"}}))
    azure.on(resource, (200, {"properties": {"provisioningState": "Deleting"}}), gone)
    outcome, states = follow(azure, "DELETE", resource, response(202, None, {"azure-asyncoperation": status, "location": status}))
    assert outcome == long_running.Done()
    assert "Deleting" in states


def compute(state, errors=None):
    """Return a cluster as Azure shows it: many fields null, no systemData."""
    properties = {
        "computeType": "AmlCompute",
        "provisioningState": state,
        "provisioningErrors": errors,
        "properties": {"errors": None},
    }
    return {"name": "cpu", "tags": None, "properties": properties}


def test_a_cluster_is_created():
    """PUT: 201 with the resource and a status URL, no Location; InProgress; Succeeded; GET."""
    resource = f"{WORKSPACE}/computes/cpu?api-version=2025-12-01"
    status = f"{LOCATION}/computeOperationsStatus/3?api-version=2024-04-01&service=new{SIGNED}"
    azure = Conversation().on(status, (200, {"status": "InProgress"}), (200, {"status": "Succeeded", "percentComplete": 100.0}))
    azure.on(resource, (200, compute("Succeeded")))
    outcome, states = follow(azure, "PUT", resource, response(201, compute("Creating"), {"azure-asyncoperation": status}))
    assert outcome == long_running.Done(body=compute("Succeeded"))
    assert states[0] == "Creating"


def test_a_cluster_without_quota_fails_in_its_resource():
    """The operation says Succeeded, the compute says Failed and lists why."""
    resource, status = f"{WORKSPACE}/computes/cpu?api-version=2025-12-01", f"{LOCATION}/computeOperationsStatus/3?api-version=1"
    failed = compute("Failed", [{"error": {"code": "ClusterMinNodesExceedCoreQuota", "message": "quota"}}])
    azure = Conversation().on(status, (200, {"status": "Succeeded"})).on(resource, (200, failed))
    outcome, _ = follow(azure, "PUT", resource, response(201, compute("Creating"), {"azure-asyncoperation": status}))
    assert isinstance(outcome, long_running.Failed)
    assert (outcome.error.code, outcome.body) == ("ClusterMinNodesExceedCoreQuota", failed)


@pytest.mark.parametrize("action", ["start", "stop"])
def test_a_compute_is_started_and_stopped(action):
    """POST: 202 with a status URL alone; nothing to read afterwards."""
    resource, status = (
        f"{WORKSPACE}/computes/ci?api-version=2025-12-01",
        f"{LOCATION}/computeOperationsStatus/{action}?api-version=1",
    )
    azure = Conversation().on(status, (200, {"status": "InProgress"}), (200, {"status": "Succeeded"}))
    outcome, _ = follow(azure, "POST", resource, response(202, None, {"azure-asyncoperation": status}))
    assert outcome == long_running.Done()
    assert azure.asked == [status, status]


@pytest.mark.parametrize(
    ("end", "kind", "canceled"),
    [("Completed", long_running.Done, False), ("Failed", long_running.Failed, False), ("Canceled", long_running.Failed, True)],
)
def test_a_job_is_followed_to_its_own_end(end, kind, canceled):
    """PUT: 201 and a status of its own; hours of GETs of the job itself."""
    resource = f"{WORKSPACE}/jobs/j?api-version=2025-12-01"
    states = ["NotStarted", "Starting", "Queued", "Running", "Running", "Finalizing"]
    bodies = [{"name": "j", "properties": {"jobType": "Command", "status": state}} for state in [*states, end]]
    azure = Conversation().on(resource, *[(200, body) for body in bodies])
    first = response(201, {"properties": {"status": "Preparing"}}, {"location": resource})
    outcome, seen = follow(azure, "PUT", resource, first, state_field="properties.status")
    assert isinstance(outcome, kind)
    assert outcome.body == bodies[-1]
    assert seen == ["Preparing", *states]
    assert getattr(outcome, "canceled", False) is canceled


def test_a_job_is_canceled():
    """POST cancel: 202, `null`, Location alone; 202 `{}` for half a minute; 200 with nothing at all."""
    resource, results = f"{WORKSPACE}/jobs/j?api-version=2025-12-01", f"{LOCATION}/mfeOperationResults/jc:w:j?api-version=1{SIGNED}"
    azure = Conversation().on(results, (202, {}, {"location": results}), (202, {}, {"location": results}), (200, None))
    outcome, _ = follow(azure, "POST", resource, response(202, None, {"location": results, "x-ms-async-operation-timeout": "PT1H"}))
    assert outcome == long_running.Done()


def endpoint(state, **more):
    """Return an endpoint; it keeps the status URL of its last change in its body."""
    uri = f"{LOCATION}/mfeOperationsStatus/oeidp:0:0?api-version=2022-02-01-preview"
    return {"name": "e", "properties": {"provisioningState": state, "properties": {"AzureAsyncOperationUri": uri}, **more}}


def test_an_endpoint_is_created_and_still_updating_when_its_operation_has_succeeded():
    """PUT: 201; Updating during a create; Succeeded with percentComplete 0; GET says Updating once more."""
    resource, status = (
        f"{WORKSPACE}/onlineEndpoints/e?api-version=2025-12-01",
        f"{LOCATION}/mfeOperationsStatus/oeidp:1:2?api-version=1{SIGNED}",
    )
    running = {"id": "x", "name": "oeidp:1:2", "startTime": "2027", "percentComplete": 0.0, "status": "Updating"}
    azure = Conversation().on(status, *[(200, running)] * 6, (200, {**running, "status": "Succeeded", "percentComplete": 0.0}))
    azure.on(resource, (200, endpoint("Updating")), (200, endpoint("Succeeded", scoringUri="https://e/score")))
    headers = {"azure-asyncoperation": status, "location": resource}
    outcome, _ = follow(azure, "PUT", resource, response(201, endpoint("Creating"), headers))
    assert outcome == long_running.Done(body=endpoint("Succeeded", scoringUri="https://e/score"))
    assert azure.asked == [status] * 7 + [resource] * 2


def test_traffic_is_changed_at_once():
    """PUT again: 200 without headers, Succeeded; the status URL in the body is the last change's."""
    azure = Conversation()
    outcome, _ = follow(
        azure, "PUT", f"{WORKSPACE}/onlineEndpoints/e?api-version=1", response(200, endpoint("Succeeded", traffic={"blue": 100}))
    )
    assert isinstance(outcome, long_running.Done)
    assert azure.asked == []


def test_a_deployment_that_still_has_traffic_is_not_deleted():
    """DELETE: accepted with 202, `null` and two URLs; then Failed with HTTP 200."""
    resource, status = (
        f"{WORKSPACE}/onlineEndpoints/e/deployments/b?api-version=1",
        f"{LOCATION}/mfeOperationsStatus/odidp:1:2?api-version=1{SIGNED}",
    )
    inner = {
        "type": "InnerError",
        "info": {"value": {"code": "BadArgument", "innerError": {"code": "DeploymentHasTraffic", "innerError": None}}},
    }
    error = {"code": "UserError", "message": "Deployment b has live traffic.", "details": [], "additionalInfo": [inner]}
    azure = Conversation().on(
        status, (200, {"status": "Deleting"}), (200, {"status": "Failed", "percentComplete": 100.0, "error": error})
    )
    headers = {"azure-asyncoperation": status, "location": status.replace("sStatus", "Results")}
    outcome, _ = follow(azure, "DELETE", resource, response(202, None, headers))
    assert isinstance(outcome, long_running.Failed)
    assert (outcome.error.code, outcome.error.outer_code) == ("DeploymentHasTraffic", "UserError")


def test_an_endpoint_is_deleted():
    """DELETE: Updating while it goes; the results URL is never asked for."""
    resource, status = (
        f"{WORKSPACE}/onlineEndpoints/e?api-version=1",
        f"{LOCATION}/mfeOperationsStatus/oeidp:5:6?api-version=1{SIGNED}",
    )
    azure = Conversation().on(status, *[(200, {"status": "Updating"})] * 3, (200, {"status": "Succeeded"}))
    outcome, _ = follow(
        azure, "DELETE", resource, response(202, None, {"azure-asyncoperation": status, "location": "https://never.example/"})
    )
    assert outcome == long_running.Done()


def test_a_workspace_is_diagnosed():
    """POST: 202 with Location alone; 202 empty with both URLs again; 200 with the findings."""
    resource, results = f"{WORKSPACE}?api-version=1", f"{LOCATION}/workspaceOperationsStatus/7?api-version=1&type=location{SIGNED}"
    again = {"location": results, "azure-asyncoperation": results.replace("type=location", "type=async")}
    findings = {"value": {"dnsResolutionResults": [], "9": []}}
    azure = Conversation().on(results, (202, None, again), (202, None, again), (200, findings))
    assert follow(azure, "POST", resource, response(202, None, {"location": results}))[0] == long_running.Done(body=findings)


def test_a_storage_account_is_created_at_the_pace_that_azure_names():
    """PUT: 202, Location, Retry-After 17, then 3; the final answer is the resource, read once more."""
    resource = f"{SUBSCRIPTION}/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a?api-version=2023-05-01"
    status = f"{SUBSCRIPTION}/providers/Microsoft.Storage/locations/l/asyncoperations/1?monitor=true&api-version=2023-05-01{SIGNED}"
    made = {"name": "a", "properties": {"provisioningState": "Succeeded"}}
    template = long_running.Follow(style="resource", url=resource, resource_url=resource, method="PUT")
    first = long_running.begin(template, response(202, None, {"location": status, "retry-after": "17"}), now=NOW)
    second = long_running.advance(first.follow, response(202, None, {"location": status, "retry-after": "3"}), now=NOW)
    assert (first.delay_s, second.delay_s) == (17.0, 3.0)
    azure = Conversation().on(status, (200, made)).on(resource, (200, made))
    outcome, _ = follow(azure, "PUT", resource, response(202, None, {"location": status, "retry-after": "17"}))
    assert outcome == long_running.Done(body=made)
