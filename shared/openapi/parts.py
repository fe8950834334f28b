"""What many operations of the description share: parameters, answers, schemas, how to sign in.

Each stands once, under `components`, and operations refer to it. Not here: which operation has which.
"""

from __future__ import annotations

from typing import Any

from shared.api import schemas
from shared.openapi import shapes

Json = dict[str, Any]
ref, listed = schemas.ref, schemas.listed

STRING, OBJECT, STATUSES = schemas.STRING, schemas.OBJECT, shapes.STATUSES


def needs(role: str) -> str:
    """Return what a description says of the role that an operation needs."""
    return f"Needs the role `{role}`."


def content(schema: Json, media: str = "application/json") -> Json:
    """Return the `content` of a body or answer."""
    return {media: {"schema": schema}}


def anything() -> Json:
    """Return the `content` of what is passed on as it is."""
    return {"application/json": {"schema": {}}, "*/*": {"schema": {}}}


def component_parts() -> Json:
    """Return all components but the schemas of single kinds."""
    return {
        "securitySchemes": {
            "key": {"type": "apiKey", "in": "header", "name": "x-functions-key", "description": "A function key of the app."},
            "code": {"type": "apiKey", "in": "query", "name": "code", "description": "The same key, for senders without headers."},
        },
        "parameters": dict(schemas.parameters()),
        "headers": _headers(),
        "responses": _responses(),
        "schemas": _schemas(),
    }


def _headers() -> Json:
    link = {"type": "string", "format": "uri"}
    return {
        "RequestId": {"description": "This request's id.", "schema": {"type": "string", "format": "uuid"}},
        "StatusMonitor": {"description": "Where the operation's status is: always 200.", "schema": link},
        "Result": {"description": "Where the result will be: 202 until then.", "schema": link},
        "RetryAfter": {"description": "When to look again, in seconds.", "schema": {"type": "integer", "minimum": 0}},
        "OperationId": {"description": "The operation that carried this out.", "schema": STRING},
    }


def _problem(description: str, code: str, message: str, target: str = "", *, again: bool = False) -> Json:
    error = {"code": code, "message": message, **({"target": target} if target else {})}
    out: Json = {"description": description, "headers": {"x-ms-request-id": ref("headers", "RequestId")}}
    if again:
        out["headers"]["Retry-After"] = ref("headers", "RetryAfter")
    out["content"] = {"application/json": {"schema": ref("schemas", "Error"), "example": {"error": error}}}
    return out


def _accepted() -> Json:
    """Return the answer to a request that takes time."""
    name, group = (
        "0d6f0d1c2b3a49586776-5a4b3c2d1e0f99887766",
        "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg",
    )
    target = f"{group}/providers/Microsoft.MachineLearningServices/workspaces/churn/computes/cpu"
    started = "2026-11-30T08:00:00.000000Z"
    known = {
        "target": target,
        "kind": "workspaces/computes",
        "request": f"DELETE {target}",
        "phase": "following",
        "caller": "key:ci",
        "azureCalls": {"write": 1},
        "timeline": [{"at": started, "what": "accepted"}],
    }
    shown = {"id": f"/operations/{name}", "name": name, "status": "Running", "startTime": started, "percentComplete": 0.0}
    return {**shown, "properties": known}


def _responses() -> Json:
    monitor, looked = ref("headers", "StatusMonitor"), ref("headers", "RetryAfter")
    follow = {"Operation-Location": monitor, "Azure-AsyncOperation": monitor, "Location": ref("headers", "Result")}
    mistake = "'api-version' is 'x'; expected a date such as 2025-12-01."
    held = "'key:ci' has the role reader; DELETE workspaces/ml1 needs operator."
    known = "The path names no known kind; known: workspaces, workspaces/computes, ..."
    verbs = "There is no PUT of that kind here; there is GET, LIST."
    large = "A request takes 100 MB; POST /api/uploads opens an upload for larger files."
    out: Json = {
        "Accepted": {
            "description": "It takes time: the operation, and where to follow it.",
            "headers": {**follow, "Retry-After": looked, "x-ms-request-id": ref("headers", "RequestId")},
            "content": {"application/json": {"schema": ref("schemas", "Operation"), "example": _accepted()}},
        },
        "Done": {"description": "Done; the answer has no body."},
        "Unauthorized": {"description": "No function key, or a wrong one. The platform's own answer, without a body."},
        "BadRequest": _problem("A mistake in the request; `target` names it.", "InvalidParameter", mistake, "api-version"),
        "Forbidden": _problem(
            "The caller's role or scope does not allow it, or Azure does not allow it to this app.",
            "RoleNeeded",
            held,
        ),
        "NotFound": _problem("There is no such resource, or no such kind.", "UnknownKind", known, "path"),
        "NotAllowed": _problem("Azure does not offer that verb there.", "MethodNotAllowed", verbs),
        "NotAcceptable": _problem("`Accept` names nothing that it gives.", "NotAcceptable", "It answers with …", "Accept"),
        "Conflict": _problem("It conflicts with the current state.", "ResourceInUse", "A workspace uses it.", "id"),
        "Gone": _problem("It is not kept any more.", "AnswerGone", "The answer was taken, or its 24 hours are over.", "result"),
        "Failed": _problem("It was accepted, and failed or was canceled.", "ClusterCoreQuotaReached", "No cores are left."),
        "NoLength": _problem(
            "The body came in chunks and did not arrive.", "LengthRequired", "Send Content-Length.", "Content-Length"
        ),
        "TooLarge": _problem("The request is too large.", "RequestContentTooLarge", large, "body"),
        "Unsupported": _problem("Another content type is expected.", "UnsupportedMediaType", "expected application/json."),
        "Throttled": _problem(
            "Azure throttles; send the request again later.", "TooManyRequests", "Too many requests.", again=True
        ),
        "Internal": _problem("The app failed.", "InternalError", "The app failed; its log has the reason."),
        "BadGateway": _problem("Azure's answer makes no sense.", "UnexpectedNextLink", "Azure's nextLink leads elsewhere."),
        "Other": _problem("Azure's own status, in the same envelope.", "PreconditionFailed", "The condition was not met."),
        "Unavailable": _problem(
            "Nothing was accepted; send the request again.", "Unavailable", "Azure cannot be reached now.", again=True
        ),
    }
    return out


def _schemas() -> Json:
    error: Json = {
        "type": "object",
        "required": ["code", "message"],
        "properties": {
            "code": {"type": "string", "description": "The most useful code, however deep it stood in Azure's answer."},
            "message": STRING,
            "target": {"type": "string", "description": "The field, part or parameter that is meant."},
            "details": {"type": "array", "items": ref("schemas", "ErrorDetail")},
            "additionalInfo": {
                "type": "array",
                "items": OBJECT,
                "description": "Azure's outermost code; an operation's `Explanation`.",
            },
        },
    }
    resource: Json = {
        "type": "object",
        "description": "A resource as Azure shows it; everything that is not named here is Azure's own.",
        "properties": {
            "id": STRING,
            "name": STRING,
            "type": STRING,
            "location": STRING,
            "tags": {"type": ["object", "null"]},
            "properties": {"type": ["object", "null"]},
            "systemData": {"type": ["object", "null"]},
        },
    }
    return {
        "Error": {"type": "object", "required": ["error"], "properties": {"error": ref("schemas", "ErrorDetail")}},
        "ErrorDetail": error,
        "Resource": resource,
        "ResourceList": listed(ref("schemas", "Resource")),
        "ObjectList": listed(OBJECT),
        "ResourceBody": {"type": "object", "description": "ARM's own JSON, passed on unchanged."},
        "Json": {"description": "Azure's own answer, passed on unchanged."},
        "JsonPatch": _json_patch(),
        "Event": _event(),
        "Yaml": {"type": "string", "description": "The YAML that `az ml ... --file` takes."},
        **shapes.schemas(),
        "OperationList": listed(ref("schemas", "Operation")),
        "Preflight": _preflight(),
    }


def _event() -> Json:
    needed: Json = {"type": "string", "pattern": r"\S", "maxLength": 2048}
    free: Json = {"type": ["string", "null"], "maxLength": 2048}
    both: Json = {"id": needed, "subject": free, "data": {}}
    cloud = {**both, "specversion": {"const": "1.0"}, "source": needed, "type": needed, "time": free, "data_base64": STRING}
    grid = {**both, "eventType": needed, "topic": free, "eventTime": free}
    return {
        "description": "An event as CloudEvents 1.0 has it, or Event Grid's own schema.",
        "type": "object",
        "anyOf": [
            {"required": ["specversion", "id", "source", "type"], "properties": cloud},
            {"required": ["id", "eventType"], "properties": grid},
        ],
    }


def _json_patch() -> Json:
    step = {"type": "object", "required": ["op", "path"], "properties": {"op": STRING, "path": STRING, "value": {}}}
    return {"type": "array", "description": "A JSON Patch (RFC 6902).", "items": step}


def _preflight() -> Json:
    return {
        "type": "object",
        "required": ["status", "value"],
        "properties": {
            "status": {"type": "string", "enum": ["ok", "problems", "unknown"]},
            "value": {"type": "array", "items": OBJECT},
        },
    }
