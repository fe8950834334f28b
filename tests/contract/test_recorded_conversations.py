"""Conversations as Azure ML was recorded to hold them, raw bytes on the wire, against the whole way of an operation.

Each replays one kind of the recordings: which URLs are asked, in which order, and how the operation ends. Every poll has its
headers in the casing, its body in the form (nothing, `null`, `{}`) and its ids in the spelling that was seen.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from azure.core.credentials import AccessToken

from shared.rest import addresses, client, clouds, tokens, transport
from tests import wire as wires
from tests.fake_azure import GROUP, SUBSCRIPTION, WORKSPACE
from tests.steward import Steward

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = 1_800_000_000.0
LOCATIONS = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.MachineLearningServices/locations/westeurope"
SIGNED = f"&t=638978471323232457&c={'MIIHhzCCBm-gAwIBAgIT' * 20}&s=hMMvsHnPhvc0yLV1_-%2f%3D&h=vK0yFg912O8zmEqSN0lWaVLri"
ARM = "https://management.azure.com"
VERSION = "api-version=2025-12-01"


class Credential:
    """Signs in whenever it is asked to; counts how often."""

    def __init__(self) -> None:
        self.given = 0

    def get_token(self, *_scopes: str, **_: Any) -> AccessToken:
        """Return the next token."""
        self.given += 1
        return AccessToken(f"token-{self.given}", int(NOW) + 3_600)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One certificate for every host."""
    return wires.certify(tmp_path_factory.mktemp("wire") / "wire.pem")


@pytest.fixture
def azure(certificate: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[wires.Wire]:
    """Azure's part."""
    with wires.running(certificate, monkeypatch) as running:
        yield running


@pytest.fixture
def steward(azure: wires.Wire) -> Iterator[Steward]:
    """The app on fakes, with its real client on the wire."""
    session = transport.Session()
    credential = Credential()
    own = client.Client(clouds.PUBLIC, tokens.Tokens(lambda: credential, clock=lambda: NOW), make_session=lambda: session)
    app = Steward()
    app.process.client = own
    app.process.addresses = addresses.Addresses(own)
    yield app
    session.close()


def told(status: int, body: Any = None, *, raw: bytes | None = None, **headers: str) -> bytes:
    """Return an answer: JSON as ARM sends it, or raw bytes; without a body there is no Content-Type."""
    content = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
    media = "application/json; charset=utf-8" if content else ""
    return wires.answer(status, content, media=media, **headers)


def url(service: str, operation: str, more: str = "") -> str:
    """Return a signed status URL."""
    return f"{ARM}{LOCATIONS}/{service}/{operation}?{VERSION}{more}{SIGNED}"


def asked(azure: wires.Wire) -> list[str]:
    """Return what was asked: method and path without the query, hosts other than ARM's in front."""
    out = []
    for seen in azure.seen:
        method, target, _ = seen.line.split(" ")
        path = target.partition("?")[0].replace(WORKSPACE, "{w}").replace(LOCATIONS, "{l}").replace(GROUP, "{g}")
        out.append(f"{method} {'' if seen.host == 'management.azure.com' else seen.host}{path}")
    return out


def lines(azure: wires.Wire) -> list[str]:
    """Return the request targets, byte for byte."""
    return [seen.line.split(" ")[1] for seen in azure.seen]


NULL = b"null"
RUNNING, SUCCEEDED = {"status": "InProgress"}, {"status": "Succeeded", "percentComplete": 100.0}


def test_a_workspace_is_created_with_a_stumble_on_the_way(azure: wires.Wire, steward: Steward) -> None:
    """202 without a body, lower-case header; a poll fails twice with 500; Succeeded; the resource with nulls and odd ids."""
    status = url("workspaceOperationsStatus", "1", "&type=async")
    location = url("workspaceOperationsStatus", "1", "&type=location")
    made = {
        "id": WORKSPACE.replace("resourceGroups", "resourcegroups").replace("/w1", "/w2"),
        "properties": {
            "provisioningState": "Succeeded",
            "keyVault": f"{GROUP}/providers/Microsoft.Keyvault/vaults/v",
            "description": None,
        },
        "tags": None,
        "etag": None,
    }
    azure.will(told(202, azure_asyncoperation=status, location=location))
    for answer in (
        told(200, RUNNING),
        told(500, raw=b"<html>"),
        told(500),
        told(200, RUNNING),
        told(200, SUCCEEDED),
        told(200, made),
    ):
        azure.will(answer)
    operation = steward.submit("PUT", "workspaces/w2", {"location": "westeurope"})
    steward.drive()
    ended = steward.load(operation)
    assert (ended.status, ended.result, ended.calls) == ("Succeeded", made, {"write": 1, "poll": 4})
    polled = "GET {l}/workspaceOperationsStatus/1"
    put = "PUT {g}/providers/Microsoft.MachineLearningServices/workspaces/w2"
    assert asked(azure) == [put, *[polled] * 5, put.replace("PUT", "GET")]
    assert {line for line in lines(azure) if "OperationsStatus" in line} == {status.removeprefix(ARM)}, "signed URLs byte for byte"


def test_a_poll_that_is_refused_in_mid_operation_signs_in_again(azure: wires.Wire, steward: Steward) -> None:
    """401 ExpiredAuthenticationToken with a challenge; the same URL with a new token goes on."""
    status = url("workspaceOperationsStatus", "1")
    azure.will(told(202, azure_asyncoperation=status))
    expired = {"error": {"code": "ExpiredAuthenticationToken", "message": "The access token expiry UTC time is earlier than now."}}
    azure.will(told(401, expired, www_authenticate='Bearer authorization_uri="x", error="invalid_token"'))
    azure.will(told(200, SUCCEEDED))
    azure.will(told(200, {"properties": {"provisioningState": "Succeeded"}}))
    operation = steward.submit("PATCH", "workspaces/w1", {"tags": {"a": "b"}})
    steward.drive()
    assert steward.load(operation).status == "Succeeded"
    assert [seen.headers["authorization"] for seen in azure.seen[1:3]] == ["Bearer token-1", "Bearer token-2"]


def test_a_cluster_is_created_updated_and_deleted_by_its_status_alone(azure: wires.Wire, steward: Steward) -> None:
    """201 and 202 with Azure-AsyncOperation and no Location; afterwards 404 with nothing at all."""
    status = url("computeOperationsStatus", "3", "&service=new")

    def compute(state: str) -> dict[str, Any]:
        return {"name": "cpu", "tags": None, "properties": {"provisioningState": state, "provisioningErrors": None}}

    azure.will(told(201, compute("Creating"), azure_asyncoperation=status))
    azure.will(told(200, RUNNING))
    azure.will(told(200, SUCCEEDED))
    azure.will(told(200, compute("Succeeded")))
    made = steward.submit("PUT", "workspaces/w1/computes/cpu", {"location": "l", "properties": {"computeType": "AmlCompute"}})
    steward.drive()
    azure.will(told(202, Azure_AsyncOperation=status))
    azure.will(told(200, RUNNING))
    azure.will(told(200, SUCCEEDED))
    gone = steward.submit("DELETE", "workspaces/w1/computes/cpu")
    steward.drive()
    assert [steward.load(each).status for each in (made, gone)] == ["Succeeded", "Succeeded"]
    cluster, polled = "{w}/computes/cpu", "GET {l}/computeOperationsStatus/3"
    assert asked(azure) == [f"PUT {cluster}", polled, polled, f"GET {cluster}", f"DELETE {cluster}", polled, polled]


def test_a_deployment_with_traffic_is_accepted_and_not_deleted(azure: wires.Wire, steward: Steward) -> None:
    """202 with the four characters null and two URLs; Updating; Failed with HTTP 200 and 100 percent; the code is deep inside."""
    status, results = url("mfeOperationsStatus", "od:1:2"), url("mfeOperationResults", "od:1:2")
    info = {"value": {"code": "BadArgument", "innerError": {"code": "DeploymentHasTraffic", "innerError": None}}}
    error = {
        "code": "UserError",
        "message": "Deployment blue has live traffic.",
        "details": [],
        "additionalInfo": [
            {"type": "ComponentName", "info": {"value": "managementfrontend"}},
            {"type": "InnerError", "info": info},
        ],
    }
    azure.will(told(202, raw=NULL, location=results, azure_asyncoperation=status, x_ms_async_operation_timeout="PT30M"))
    azure.will(told(200, {"id": "x", "name": "od:1:2", "status": "Updating", "percentComplete": 0.0}))
    azure.will(told(200, {"error": error, "id": "x", "name": "od:1:2", "status": "Failed", "percentComplete": 100.0}))
    operation = steward.submit("DELETE", "workspaces/w1/onlineEndpoints/e1x/deployments/blue")
    steward.drive()
    ended = steward.load(operation)
    assert ended.error
    assert (ended.status, ended.error.code) == ("Failed", "DeploymentHasTraffic")
    assert "mfeOperationResults" not in "".join(lines(azure))


def test_a_gateway_that_fails_before_the_deletion_is_asked_again(azure: wires.Wire, steward: Steward) -> None:
    """502 BadGatewayConnection to a DELETE; the endpoint is still there and unchanged, so it is sent again."""
    status = url("mfeOperationsStatus", "oe:5:6")
    there = {"properties": {"provisioningState": "Succeeded"}, "systemData": {"lastModifiedAt": "2020-01-01T00:00:00.1234567Z"}}
    azure.will(told(502, {"error": {"code": "BadGatewayConnection", "message": "The network connectivity issue encountered."}}))
    azure.will(told(200, there))
    azure.will(told(202, raw=NULL, azure_asyncoperation=status, location=status.replace("Status", "Results")))
    azure.will(told(200, {"id": "x", "name": "oe:5:6", "status": "Deleting"}))
    azure.will(told(200, {"id": "x", "name": "oe:5:6", "status": "Succeeded"}))
    operation = steward.submit("DELETE", "workspaces/w1/onlineEndpoints/e1x")
    steward.drive()
    assert steward.load(operation).status == "Succeeded"
    endpoint = "{w}/onlineEndpoints/e1x"
    assert asked(azure)[:3] == [f"DELETE {endpoint}", f"GET {endpoint}", f"DELETE {endpoint}"]


def test_a_job_is_followed_by_its_own_status(azure: wires.Wire, steward: Steward) -> None:
    """201, Location is the job itself, no status URL, no provisioningState; it ends as its status does."""

    def job(status: str) -> dict[str, Any]:
        return {"properties": {"jobType": "Command", "status": status, "properties": {"StartTimeUtc": "2025-11-04 09:28:29"}}}

    azure.will(told(201, job("Preparing"), location=f"{ARM}{WORKSPACE}/jobs/j1?{VERSION}"))
    for status in ("NotStarted", "Starting", "Queued", "Running", "Finalizing", "Completed"):
        azure.will(told(200, job(status)))
    operation = steward.submit("PUT", "workspaces/w1/jobs/j1", {"properties": {"jobType": "Command"}})
    steward.drive()
    assert (steward.load(operation).status, len(azure.seen)) == ("Succeeded", 7)


@pytest.mark.parametrize("running", [3, 146])
def test_a_cancel_is_202_for_as_long_as_it_takes(azure: wires.Wire, steward: Steward, running: int) -> None:
    """Location alone and null; 202 with `{}` and itself as Location; 200 with nothing and no Content-Type."""
    results = url("mfeOperationResults", "jc:w:j1")
    azure.will(told(202, raw=NULL, location=results, x_ms_async_operation_timeout="PT1H"))
    for _ in range(running):
        azure.will(told(202, {}, location=results))
    azure.will(told(200))
    operation = steward.submit("POST", "workspaces/w1/jobs/j1/cancel")
    steward.drive()
    assert (steward.load(operation).status, len(azure.seen)) == ("Succeeded", running + 2)


def test_a_cancel_with_nothing_to_cancel_is_done_at_once(azure: wires.Wire, steward: Steward) -> None:
    """200 with nothing, or 400 once a pipeline has ended."""
    azure.will(told(200))
    assert steward.submit("POST", "workspaces/w1/jobs/j1/cancel").status == "Succeeded"
    inner = {"value": {"code": "BadRequest", "innerError": {"code": "CancelPipelineRunInTerminalStatus"}}}
    error = {"code": "UserError", "message": "Terminal.", "additionalInfo": [{"type": "InnerError", "info": inner}]}
    azure.will(told(400, {"error": error}))
    refused = steward.submit("POST", "workspaces/w1/jobs/j1/cancel")
    assert refused.error
    assert (refused.http_status, refused.error.code) == (400, "CancelPipelineRunInTerminalStatus")


def test_an_operation_of_regenerated_keys_that_azure_forgets_is_unknown(azure: wires.Wire, steward: Steward) -> None:
    """202 with Location alone; its Location answers 404 again and again, and the keys cannot be looked at: no proof."""
    results = url("mfeOperationResults", "oe:1:2")
    gone = {"error": {"code": "NotFound", "message": "m", "details": [{"code": "OperationNotFound", "message": "m"}]}}
    azure.will(told(403, {"error": {"code": "AuthorizationFailed", "message": "m"}}))
    azure.will(told(202, raw=NULL, location=results))
    for _ in range(20):
        azure.will(told(404, gone))
    operation = steward.submit("POST", "workspaces/w1/onlineEndpoints/e1x/regenerateKeys", {"keyType": "Primary"})
    steward.drive()
    ended = steward.load(operation)
    assert ended.error
    assert ended.error.code == "OutcomeUnknown"
    assert len(azure.seen) < 15


@pytest.mark.parametrize("looks", [1, 3])
@pytest.mark.parametrize("kind", ["onlineEndpoints", "serverlessEndpoints"])
def test_regenerated_keys_have_ended_when_the_key_is_another_one(
    azure: wires.Wire, steward: Steward, kind: str, looks: int
) -> None:
    """Azure forgets the operation; the key that was asked for has changed at the first look, or at a later one."""
    before = {"primaryKey": "PRIMARY-1", "secondaryKey": "SECONDARY-1"}
    azure.will(told(200, before))
    azure.will(told(202, raw=NULL, location=url("mfeOperationResults", "oe:1:2")))
    for look in range(1, looks):  # the other key is no sign: another caller may have changed it
        azure.will(told(200, {**before, "secondaryKey": "SECONDARY-2"}))
        if look > 1:
            azure.will(told(404, {"error": {"code": "NotFound", "message": "m"}}))
    azure.will(told(200, {**before, "primaryKey": "PRIMARY-2"}))
    operation = steward.submit("POST", f"workspaces/w1/{kind}/e1x/regenerateKeys", {"keyType": "Primary"})
    steward.drive()
    ended = steward.load(operation)
    assert (ended.status, ended.error, ended.result) == ("Succeeded", None, None)
    assert "PRIMARY" not in steward.everything_stored()


def test_a_key_that_was_asked_for_and_is_there_already_is_no_failure(azure: wires.Wire, steward: Steward) -> None:
    """A caller names the value: the key has it, before and after."""
    azure.will(told(200, {"primaryKey": "mine", "secondaryKey": "s"}))
    azure.will(told(202, raw=NULL, location=url("mfeOperationResults", "oe:1:2")))
    azure.will(told(200, {"primaryKey": "mine", "secondaryKey": "s"}))
    body = {"keyType": "Primary", "keyValue": "mine"}
    operation = steward.submit("POST", "workspaces/w1/onlineEndpoints/e1x/regenerateKeys", body)
    assert steward.load(operation).status == "Succeeded"


def test_a_diagnosis_is_the_answer_of_its_location(azure: wires.Wire, steward: Steward) -> None:
    """202 with Location; 202 with nothing and both URLs; 200 with the findings, one key of which is a number."""
    results = url("workspaceOperationsStatus", "7", "&type=location")
    again = {"location": results, "azure_asyncoperation": results.replace("type=location", "type=async")}
    findings = {"value": {"userDefinedRouteResults": [], "networkSecurityRuleResults": [], "9": []}}
    for answer in (told(202, location=results), told(202, **again), told(202, **again), told(200, findings)):
        azure.will(answer)
    operation = steward.submit("POST", "workspaces/w1/diagnose", {"value": {}})
    steward.drive()
    assert (steward.load(operation).status, steward.load(operation).result) == ("Succeeded", findings)


def test_a_provisioned_network_is_active_and_that_is_no_state_of_the_operation(azure: wires.Wire, steward: Steward) -> None:
    """The final Location answers with data: `status` Active, then the operation has succeeded."""
    status, results = url("workspaceOperationsStatus", "8", "&type=async"), url("workspaceOperationsStatus", "8", "&type=location")
    azure.will(told(202, location=results, azure_asyncoperation=status))
    azure.will(told(200, SUCCEEDED))
    azure.will(told(200, {"status": "Active", "sparkReady": False}))
    operation = steward.submit("POST", "workspaces/w1/provisionManagedNetwork", {})
    steward.drive()
    assert (steward.load(operation).status, steward.load(operation).result) == (
        "Succeeded",
        {"status": "Active", "sparkReady": False},
    )


@pytest.mark.parametrize(
    ("kind", "service", "done"),
    [
        ("components", "assetstore", {"assetId": "azureml://registries/r1/components/c/versions/1"}),
        ("environments", "environment", None),
    ],
)
def test_an_asset_of_a_registry_is_followed_on_another_host(
    azure: wires.Wire, steward: Steward, kind: str, service: str, done: Any
) -> None:
    """202 with null; Location on the region's host; 202 with nothing; then 200 with the asset's id, or with nothing."""
    place = f"https://westeurope.api.azureml.ms/{service}/v1.0/operations/o1"
    made = {"properties": {"provisioningState": "Succeeded"}}
    azure.will(told(202, raw=NULL, location=place))
    for answer in (told(202), told(202), told(200, done), told(200, made)):
        azure.will(answer)
    operation = steward.submit("PUT", f"registries/r1/{kind}/c/versions/1", {"properties": {}})
    steward.drive()
    assert steward.load(operation).status == "Succeeded", steward.load(operation)
    assert asked(azure)[1:4] == [f"GET westeurope.api.azureml.ms/{service}/v1.0/operations/o1"] * 3


def test_a_schedule_has_states_of_its_own(azure: wires.Wire, steward: Steward) -> None:
    """Creating while it is made, and the status body's id names another URL, which nobody asks."""
    status = url("mfeOperationsStatus", "s:1:2")
    body = {"id": status.replace("Status", "Results"), "name": "s:1:2", "status": "Creating"}
    made = {"properties": {"provisioningState": "Succeeded", "isEnabled": True}}
    azure.will(
        told(
            201,
            {"properties": {"provisioningState": "Creating"}},
            location=f"{ARM}{WORKSPACE}/schedules/s1",
            azure_asyncoperation=status,
        )
    )
    azure.will(told(200, body))
    azure.will(
        told(200, {**body, "status": "Succeeded", "startTime": "2026-01-01T00:00:00+00:00", "endTime": "2026-01-01 00:00:01"})
    )
    azure.will(told(200, made))
    operation = steward.submit("PUT", "workspaces/w1/schedules/s1", {"properties": {"trigger": {}, "action": {}}})
    steward.drive()
    assert steward.load(operation).result == made


def test_a_workspace_whose_storage_is_not_ready_fails_with_the_code_that_its_message_quotes(
    azure: wires.Wire, steward: Steward
) -> None:
    """Failed with HTTP 200, BadRequest, and the other service's whole answer as JSON in the message."""
    quoted = {
        "error": {"code": "StorageAccountIsNotProvisioned", "message": "The state of the storage account must be 'Succeeded'."}
    }
    error = {"code": "BadRequest", "message": f"Conflict response body: {json.dumps(quoted)}", "details": []}
    azure.will(told(202, azure_asyncoperation=url("workspaceOperationsStatus", "7", "&type=async")))
    azure.will(told(200, RUNNING))
    azure.will(told(200, {"status": "Failed", "percentComplete": 100.0, "error": error}))
    operation = steward.submit("PUT", "workspaces/w2", {"location": "westeurope"})
    steward.drive()
    failure = steward.load(operation).error
    assert failure
    assert (failure.code, failure.outer_code) == ("StorageAccountIsNotProvisioned", "BadRequest")
    assert failure.message == "Conflict response body: The state of the storage account must be 'Succeeded'."


def test_a_storage_account_is_what_its_location_ends_with(azure: wires.Wire, steward: Steward) -> None:
    """202 as plain text with a Location; 202 again with a newer one; 200 with the account, which is read no second time."""
    account = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/acct1"
    first, second = (f"{ARM}/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Storage/operations/{n}?monitor=true" for n in "12")
    made = {"id": account.replace("resourceGroups", "resourcegroups"), "properties": {"provisioningState": "Succeeded"}}
    azure.will(wires.answer(202, b"", media="text/plain; charset=utf-8", location=first, retry_after="17"))
    azure.will(told(202, location=second, retry_after="3"))
    azure.will(told(200, made))
    operation = steward.submit("PUT", account.removeprefix("/"), {"location": "l", "sku": {"name": "S"}, "kind": "StorageV2"})
    steward.drive()
    assert (steward.load(operation).status, steward.load(operation).result) == ("Succeeded", made)
    assert [line.rpartition("/")[2] for line in lines(azure)[1:]] == ["1?monitor=true", "2?monitor=true"]


def test_a_job_that_failed_long_ago_can_be_archived(azure: wires.Wire, steward: Steward) -> None:
    """A PUT to a job that exists is a change: 200 with the job as it stands, which is no end of this operation."""
    job = {"properties": {"jobType": "Command", "status": "Failed", "isArchived": True}}
    azure.will(told(200, job))
    operation = steward.submit("PUT", "workspaces/w1/jobs/j1", {"properties": {"jobType": "Command", "isArchived": True}})
    assert (operation.status, operation.http_status) == ("Succeeded", 200)
    assert asked(azure) == ["PUT {w}/jobs/j1"]


def test_a_refusal_without_retry_after_is_sent_again(azure: wires.Wire, steward: Steward) -> None:
    """429 RetryableError / ReferencedResourceNotProvisioned, as Microsoft.Network answers."""
    details = [{"code": "ReferencedResourceNotProvisioned", "message": "x is not in Succeeded state."}]
    azure.will(told(429, {"error": {"code": "RetryableError", "message": "A retryable error occurred.", "details": details}}))
    azure.will(told(200, {"properties": {"provisioningState": "Succeeded"}}))
    operation = steward.submit("PUT", "workspaces/w1/outboundRules/rule1", {"properties": {"type": "FQDN"}})
    steward.drive()
    assert (steward.load(operation).status, len(azure.seen)) == ("Succeeded", 2)


def test_a_deletion_without_a_body_is_done(azure: wires.Wire, steward: Steward) -> None:
    """200 with nothing for a datastore or connection, 204 where there was none; 404 in a group that is not there."""
    for answer in (told(200), told(204)):
        azure.will(answer)
        assert steward.submit("DELETE", "workspaces/w1/datastores/d1").status == "Succeeded"
    azure.will(told(404, {"error": {"code": "ResourceGroupNotFound", "message": "m"}}, x_ms_failure_cause="gateway"))
    refused = steward.submit("DELETE", "workspaces/w1/datastores/d1")
    assert refused.error
    assert (refused.http_status, refused.error.code) == (404, "ResourceGroupNotFound")


def test_a_v1_service_is_followed_by_the_last_segment_of_its_operation_location(azure: wires.Wire, steward: Steward) -> None:
    """202 with Operation-Location; states of its own, Cancelled with two l among them; the service is read last."""
    base = f"/modelmanagement/v1.0{WORKSPACE}"
    azure.will(told(200, {"properties": {"discoveryUrl": "https://westeurope.api.azureml.ms/discovery"}}))
    azure.will(told(200, {"api": "https://westeurope.api.azureml.ms"}))
    azure.will(told(202, operation_location="/api/subscriptions/x/operations/op-9"))
    for state in ("NotStarted", "Running", "Succeeded"):
        azure.will(told(200, {"id": "op-9", "state": state, "error": None}))
    azure.will(told(200, {"name": "svc", "state": "Healthy"}))
    operation = steward.submit("POST", "modelmanagement/v1.0/workspaces/w1/services", {"name": "svc", "computeType": "ACI"})
    steward.drive()
    assert (steward.load(operation).status, steward.load(operation).result["state"]) == ("Succeeded", "Healthy")
    polled = f"GET westeurope.api.azureml.ms{base}/operations/op-9".replace(WORKSPACE, "{w}")
    assert asked(azure)[3:6] == [polled] * 3
