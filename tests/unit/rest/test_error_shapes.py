"""Azure's error bodies, all shapes that were ever seen, are read to the code and message that help."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.rest import client, error_bodies, errors
from tests import tables

TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"

GATEWAY = {"error": {"code": "ResourceNotFound", "message": "The Resource 'x' under resource group 'g' was not found."}}
FRONT_END = {
    "error": {
        "code": "UserError",
        "message": "Job with ID j was not found.",
        "details": [],
        "additionalInfo": [
            {"type": "ComponentName", "info": {"value": "managementfrontend"}},
            {
                "type": "InnerError",
                "info": {"value": {"code": "NotFound", "innerError": {"code": "JobNotFound", "innerError": None}}},
            },
        ],
    }
}
OLDER = {
    "error": {
        "code": "UserError",
        "severity": None,
        "message": "",
        "messageFormat": "Compute {name} is not allowed in {region}.",
        "messageParameters": {"name": "cpu", "region": "westeurope"},
        "target": "properties.vmSize",
        "innerError": {"code": "BadArgument", "innerError": {"code": "InvalidVmSize", "innerError": None}},
        "debugInfo": {"stackTrace": "   at Microsoft.X.Y()"},
    },
    "correlation": {"operation": "1"},
    "environment": "westeurope",
    "componentName": "machinelearningcompute",
    "statusCode": 400,
}
MODEL_MANAGEMENT = {"code": "ModelNotFound", "statusCode": 404, "message": "Model m:1 was not found."}
ENTRA = {
    "error": "invalid_client",
    "error_description": f"AADSTS7000215: Invalid client secret in tenant '{TENANT}'.",
    "error_codes": [7000215],
}
STORAGE = (
    '\ufeff<?xml version="1.0" encoding="utf-8"?><Error><Code>BlobNotFound</Code>'
    "<Message>The &lt;blob&gt; does not exist.\nRequestId:1</Message></Error>"
)

CAPITALS = {
    "Code": "Conflict",
    "Message": "The plan is locked.",
    "Details": [{"Message": "The plan is locked."}, {"ErrorEntity": {}}],
}
GROUP = {"Error": {"Code": "ResourceGroupDeletionBlocked", "Target": None, "Message": "2 resources are left.", "Details": []}}
NESTED = {"error": {"error": {"code": "BadRequest", "message": "See inner.", "details": [{"code": "NoQuota", "message": "No."}]}}}
ODATA = {"odata.error": {"code": "Request_BadRequest", "message": {"lang": "en", "value": "The id is no GUID."}}}
OLDER_ODATA = {"ErrorCode": "NoInfo", "Message": {"Language": "en-US", "Value": "There is none."}, "Values": None}
PROBLEM = {"type": "https://tools.ietf.org/html/rfc9110", "title": "Not Found", "status": 404, "traceId": "00-f5"}
FIELDS = {**PROBLEM, "title": "It is not valid.", "errors": {"displayName": ["It is too short.", "It is empty."]}}
REGISTRY = {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "The manifest is not known.", "detail": {"Tag": "v1"}}]}
JSON_INSIDE = {"error": {"code": "UnknownError", "message": '{"StatusCode":404,"Code":"NoEndpoint","Message":"It is gone."}'}}
JSON_IN_TEXT = '{"error":{"code":"Unauthorized","message":"The access token is not valid."}}'
JSON_IN_XML = f'<string xmlns="http://schemas.example">{JSON_IN_TEXT}</string>'
JSON_WITHIN = {"error": {"code": "BadRequest", "message": f"Conflict response body: {JSON_IN_TEXT} Try again."}}
PATIENT = {"error": "The document could not be read.", "code": 404}


@tables.each(
    ("status", "body", "code", "outer", "message"),
    [
        (404, GATEWAY, "ResourceNotFound", None, "was not found"),
        (404, FRONT_END, "JobNotFound", "UserError", "Job with ID j"),
        (400, OLDER, "InvalidVmSize", "UserError", "Compute cpu is not allowed in westeurope."),
        (404, None, "NotFound", None, "404 without a body"),
        (404, MODEL_MANAGEMENT, "ModelNotFound", None, "Model m:1"),
        (401, ENTRA, "invalid_client", None, "AADSTS7000215"),
        (404, STORAGE, "BlobNotFound", None, "The <blob> does not exist."),
        (409, CAPITALS, "Conflict", None, "The plan is locked."),
        (409, GROUP, "ResourceGroupDeletionBlocked", None, "2 resources are left."),
        (405, {"Message": "GET is not supported."}, "MethodNotAllowed", None, "GET is not supported."),
        (400, NESTED, "NoQuota", "BadRequest", "See inner."),
        (400, ODATA, "Request_BadRequest", None, "The id is no GUID."),
        (404, OLDER_ODATA, "NoInfo", None, "There is none."),
        (404, PROBLEM, "NotFound", None, "Not Found"),
        (400, FIELDS, "BadRequest", None, "It is not valid."),
        (404, REGISTRY, "MANIFEST_UNKNOWN", None, "The manifest is not known."),
        (404, JSON_INSIDE, "NoEndpoint", "UnknownError", "It is gone."),
        (409, JSON_IN_TEXT, "Unauthorized", None, "The access token is not valid."),
        (404, JSON_IN_XML, "Unauthorized", None, "The access token is not valid."),
        (409, JSON_WITHIN, "Unauthorized", "BadRequest", "Conflict response body: The access token is not valid. Try again."),
        (400, {"message": 'Not among [{"name":"A0"}].'}, "BadRequest", None, 'Not among [{"name":"A0"}].'),
        (404, PATIENT, "NotFound", "404", "The document could not be read."),
        (200, {"error": {"message": "It broke."}}, "Unknown", None, "It broke."),
        (502, {"traceId": "00-f5"}, "BadGateway", None, "502 without a message"),
    ])  # fmt: skip
def test_each_shape_is_unfolded_to_its_useful_code_and_message(status, body, code, outer, message):
    """docs/protocol.md §6.1 and §6.2: the shapes of recorded answers; the generic UserError hides the useful code."""
    found = error_bodies.unfold(status, body)
    assert (found.code, found.outer_code) == (code, outer)
    assert message in found.message


def test_a_generic_code_without_inner_errors_takes_the_code_of_its_details():
    """A BadRequest whose details say InvalidParameter is an InvalidParameter."""
    body = {
        "error": {"code": "BadRequest", "message": "See details.", "details": [{"code": "InvalidParameter", "message": "vmSize"}]}
    }
    found = error_bodies.unfold(400, body)
    assert (found.code, found.outer_code, found.details[0].message) == ("InvalidParameter", "BadRequest", "vmSize")


def test_problem_details_name_each_field_at_fault():
    """RFC 9457 as ASP.NET writes it: `errors` is a list of sentences by field."""
    found = error_bodies.unfold(400, FIELDS)
    assert [(detail.target, detail.message) for detail in found.details] == [("displayName", "It is too short.")]


def test_an_html_page_of_a_gateway_becomes_its_text():
    """A proxy between us and Azure answers HTML."""
    found = error_bodies.unfold(502, "<html><body><h1>Bad</h1> <p>gateway</p></body></html>")
    assert found.code == "BadGateway"
    assert found.message.split() == ["Bad", "gateway"]


@pytest.mark.parametrize(
    "body", ["<html></html>", "  \n", "", [], 7, {}, {"error": None}, {"error": {}}, {"error": []}, {"value": []}]
)
def test_a_body_that_says_nothing_still_gives_a_code_and_a_message(body):
    """The status speaks when the body does not."""
    found = error_bodies.unfold(503, body)
    assert (found.code, bool(found.message)) == ("ServiceUnavailable", True)


@pytest.mark.parametrize(
    "hidden",
    [
        "http://mms.azureml.svc.cluster.local:5000/x?y=1",
        "https://jobs.prod.svc:443/run",
        "   at Microsoft.MachineLearning.Common.WebApi.Client.Call(String uri) in /src/Client.cs:line 12",
        "   at A.B+<C>d__1`2.MoveNext()",
        "--- End of stack trace from previous location ---",
        'File "/azureml/server.py", line 3, in handle',
        TENANT,
    ],
)
def test_internal_addresses_stack_traces_and_tenant_ids_are_taken_out(hidden):
    """docs/protocol.md §6.6: bodies quote all three; callers see none."""
    text = f"Call failed in tenant '{hidden}' ." if hidden == TENANT else f"Call failed\n {hidden} \n."
    found = error_bodies.unfold(500, {"error": {"code": "X", "message": text}})
    assert hidden.strip() not in found.message
    assert found.message.startswith("Call failed")


@pytest.mark.parametrize(
    "text",
    [
        f"wrong issuer 'https://sts.windows.net/{TENANT}/'",
        f'{{"tenantId":"{TENANT}"}}',
        f"Tenant: ({TENANT})",
        f"not found in the directory '{TENANT}'",
        f"https://login.microsoftonline.com/{TENANT}/oauth2",
    ],
)
def test_a_tenant_id_is_taken_out_wherever_azure_writes_it(text):
    """The forms that Entra ID and ARM use."""
    assert TENANT not in error_bodies.unfold(401, {"error": {"code": "X", "message": text}}).message


def test_other_ids_stay_in_the_message():
    """A run or request id is what the reader needs."""
    assert TENANT in error_bodies.unfold(400, {"error": {"code": "X", "message": f"Run {TENANT} failed at node 3"}}).message


def test_a_long_message_is_cut():
    """Bodies reach 12 kB of stack trace; an operation's row has room for two."""
    assert len(error_bodies.unfold(400, {"error": {"code": "X", "message": "y" * 50_000}}).message) <= errors.MESSAGE_LIMIT + 1


@pytest.mark.parametrize("text", [" ", "http://", "tenant ", "\n at", "<", "<Code>", "at a.b(", "(" * 3])
def test_a_hostile_message_does_not_keep_the_patterns_busy(text):
    """No pattern backtracks without bound: a careless one takes hours for these, and the runner's timeout would end it."""
    assert error_bodies.unfold(400, text * 200_000)
    assert error_bodies.unfold(400, {"message": text * 200_000})


NAMES = [
    "error",
    "code",
    "message",
    "details",
    "innerError",
    "additionalInfo",
    "type",
    "info",
    "value",
    "target",
    "error_description",
]
NAMES += ["messageFormat", "messageParameters"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(NAMES),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@given(status=st.integers(100, 599), body=JSON)
@settings(max_examples=300, deadline=None)
def test_no_body_whatsoever_makes_reading_it_fail(status, body):
    """Junk where an error should be is still an answer; what was read can be stored and read back."""
    found = error_bodies.unfold(status, body)
    assert found.code
    assert found.message
    assert errors.AzureError.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_details_nested_without_end_are_cut_off():
    """A body made of nothing but details ends after a few levels."""
    body: dict = {"code": "Bottom", "message": "m"}
    for _ in range(900):
        body = {"code": "X", "message": "m", "details": [body]}
    depth, found = 0, error_bodies.unfold(400, {"error": body})
    while found.details:
        depth, found = depth + 1, found.details[0]
    assert depth == error_bodies.DEPTH_LIMIT


@pytest.mark.parametrize(
    ("error", "permanent", "status"),
    [
        (errors.BadRequestError("A", "m"), True, 400),
        (errors.OperationFailedError(errors.AzureError(code="A", message="m")), True, 422),
        (errors.OutcomeUnknownError("m", target="/t"), True, 500),
        (errors.ThrottledError("m", delay_s=1, maybe_arrived=False), False, 429),
        (errors.AzureUnavailableError("m", delay_s=1, maybe_arrived=True), False, 503),
        (errors.UnreachableError("m", delay_s=1, maybe_arrived=True), False, 503),
    ],
)
def test_every_error_says_what_now_and_with_which_status(error, permanent, status):
    """The tree's first branch is the one that flows decide by."""
    assert isinstance(error, errors.PermanentError if permanent else errors.TransientError)
    assert error.status == status


@pytest.mark.parametrize(
    ("outer", "below"),
    [
        ({"code": "ValidationError", "message": "x"}, "details"),
        ({"code": "Invalid"}, ""),
        ({"code": "BadArgument"}, ""),
        ({"code": "UserError", "message": "x"}, "details"),
        ({"code": "DeploymentFailed", "message": "One or more validation errors occurred."}, "details"),
    ],
)
def test_a_code_that_a_message_quotes_is_in_the_answer(outer: dict[str, str], below: str) -> None:
    """The quoted error is the cause; what stood above it says only who passes it on."""
    inner = {"error": {"code": "MissingApiVersionParameter", "message": "The api-version is required."}}
    quoting = f"Could not read the target resource - {json.dumps(inner)}"
    said = {**outer, "details": [{"code": "Invalid", "message": quoting}]} if below else {**outer, "message": quoting}
    shown = error_bodies.unfold(400, {"error": said}).to_json()
    assert "MissingApiVersionParameter" in json.dumps(shown)
    if outer["code"] != "DeploymentFailed":
        assert (shown["code"], shown["additionalInfo"][0]["info"]["value"]) == ("MissingApiVersionParameter", outer["code"])


def test_an_answer_without_a_body_is_told_by_what_was_asked_for():
    """ARM answers so of a compute that is not there; the query, which may be signed, is no part of it."""
    group = "/subscriptions/s/resourceGroups/g"
    workspace = f"{group}/providers/Microsoft.MachineLearningServices/workspaces/w"
    for path, said in (
        (f"{workspace}/computes/c", "There is no compute 'c' in workspace 'w'."),
        (f"{workspace}/onlineEndpoints/e/deployments/b", "There is no deployment 'b' in online endpoint 'e' in workspace 'w'."),
        (f"{workspace}/data/d/versions/1", "There is no version '1' in data 'd' in workspace 'w'."),
        ("/subscriptions/s/providers/Microsoft.MachineLearningServices/registries/r", "There is no registry 'r'."),
        (group, "There is no resource group 'g'."),
        (f"{workspace}/computes/c/start", f"Azure answered 404 without a body: {workspace}/computes/c/start"),
        ("/history/v1.0/x", "Azure answered 404 without a body: /history/v1.0/x"),
    ):
        error = client.Response(status=404, url=f"https://management.azure.com{path}?api-version=2025-12-01&sig=x").error()
        assert (error.code, error.target, error.message) == ("NotFound", path, said)
    error = client.Response(status=403, url=f"https://management.azure.com{workspace}").error()
    assert error.message == f"Azure answered 403 without a body: {workspace}"


@pytest.mark.parametrize("code", ["NoSuchEndpoint", "NoSuchService", "OperationNotFound"])
@pytest.mark.parametrize("general", ["The specified resource was not found.", "The requested resource was not found"])
def test_a_general_refusal_says_what_is_missing(code: str, general: str) -> None:
    """Recorded for endpoints, services and operations: the useful code and sentence stand in the details."""
    detail = {"code": code, "message": "There is none with name x in ws."}
    found = error_bodies.unfold(404, {"error": {"code": "NotFound", "message": general, "details": [detail]}})
    assert (found.code, found.outer_code) == (code, "NotFound")
    assert found.message == f"{general} There is none with name x in ws."
    plain = error_bodies.unfold(404, {"error": {"code": "NotFound", "message": general}})
    assert (plain.code, plain.message) == ("NotFound", general)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Request: GET data-store.westeurope.svc/datastore/v1.0/x failed.", "Request: GET [internal address] failed."),
        ("Request: POST metastorefe.cluster-7/metastore/v1/y", "Request: POST [internal address]"),
        ("Host model-api.azureml.svc.cluster.local:8080 is away.", "Host [internal address] is away."),
        ("http://a.b.svc:80/x?getSecret=True", "[internal address]"),
        ("Request: GET https://management.azure.com/x", "Request: GET https://management.azure.com/x"),
        ("See https://example.com/Service.svc for more.", "See https://example.com/Service.svc for more."),
    ],
)
def test_no_internal_address_leaves_in_any_text(said: str, shown: str) -> None:
    """With a scheme or without, in message, target and those of details; public addresses stay."""
    detail = {"code": "D", "message": said, "target": said}
    found = error_bodies.unfold(500, {"error": {"code": "C", "message": said, "target": said, "details": [detail]}})
    assert {found.message, found.target, found.details[0].message, found.details[0].target} == {shown}
