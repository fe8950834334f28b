"""Schemas and parameters that several routes share, in JSON Schema. Not here: the document (openapi)."""

from __future__ import annotations

from functools import cache
from typing import Any

Json = dict[str, Any]

STRING: Json = {"type": "string"}
OBJECT: Json = {"type": "object"}
NUMBER: Json = {"type": "integer", "minimum": 0}
SINCE = "A time (2026-11-30T08:00:00Z), a date, or a duration before now (PT1H, 7d)."
PERIOD: Json = {name: {"type": "string", "minLength": 1, "description": SINCE} for name in ("since", "until")}


def ref(kind: str, name: str) -> Json:
    """Return a reference to a component: `ref("schemas", "Resource")`."""
    return {"$ref": f"#/components/{kind}/{name}"}


def top(most: int) -> Json:
    """Return the schema of `$top`, the maximum number of items on a page."""
    return {**NUMBER, "maximum": most}


def listed(schema: Json) -> Json:
    """Return the schema of one page of a list."""
    link = {"type": "string", "format": "uri", "description": "The URL of the next page on this app; absent on the last page."}
    return {"type": "object", "required": ["value"], "properties": {"value": {"type": "array", "items": schema}, "nextLink": link}}


def _query(name: str, description: str, schema: Json | None = None) -> Json:
    return {"name": name, "in": "query", "description": description, "schema": schema or STRING}


def _header(name: str, description: str, schema: Json | None = None) -> Json:
    return {"name": name, "in": "header", "description": description, "schema": schema or STRING}


@cache
def parameters() -> Json:
    """Return the parameters and headers that several routes share, by the names that rows use for them."""
    wait = {"type": "integer", "minimum": 0, "maximum": 60}
    version = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}(-[a-z]{1,20})?$"}
    return {
        "ApiVersion": _query("api-version", "Overrides the table's api-version for this request.", version),
        "Preflight": _query(
            "preflight", "`true`: check the request against Azure, change nothing, list all problems.", {"type": "boolean"}
        ),
        "Force": _query("force", "`true`: delete it even if a guard of this app finds that it is in use.", {"type": "boolean"}),
        "Set": _query(
            "set", "`path=value`: changes a field of a YAML before it is translated.", {"type": "array", "items": STRING}
        ),
        "Top": _query("$top", "The maximum number of items on a page; Azure sets the limits.", {"type": "integer", "minimum": 1}),
        "Skip": _query("$skip", "Azure's own page token, from `nextLink`."),
        "SkipToken": _query("$skipToken", "The page token, from `nextLink`."),
        "All": _query(
            "all",
            "`true`: all pages in one answer, as far as size and time allow; `nextLink` leads to the rest.",
            {"type": "boolean"},
        ),
        "ListViewType": _query(
            "listViewType",
            "Whether to list active resources, archived ones, or both.",
            {"type": "string", "enum": ["ActiveOnly", "ArchivedOnly", "All"]},
        ),
        "Wait": _query("wait", "Answer when the operation has ended, or after this number of seconds.", wait),
        "Prefer": _header(
            "Prefer",
            "`wait=N`: answer when the operation has ended, or after N seconds (at most 60). "
            "`respond-async`: record and queue only, 202 even while ARM is down.",
        ),
        "IdempotencyKey": _header(
            "Idempotency-Key",
            "A repeated request with the same key gets the operation of the first one; another request with that key gets 400.",
            {"type": "string", "maxLength": 255},
        ),
        "CallbackUrl": _header(
            "Callback-Url",
            "URLs to notify when the operation ends: up to five https URLs on the allow-list, separated by commas or spaces.",
        ),
        **{
            name: _header(
                header,
                "Delete or stop the new resource after this ISO 8601 duration, such as `PT8H`; also as the parameter `expiresIn`."
                if name == "ExpiresIn"
                else "Delete or stop it at this time, such as `2026-12-01T18:00:00Z`; also as the parameter `expiresAt`.",
            )
            for name, header in (("ExpiresIn", "Expires-In"), ("ExpiresAt", "Expires-At"))
        },
        "UploadId": _header("Upload-Id", "The id of the upload that holds the files of this request (POST uploads)."),
        "TraceParent": _header("traceparent", "W3C trace context, passed on to the operation and its requests to Azure."),
        "ClientRequestId": _header("x-ms-client-request-id", "Returned with the answer: the first 200 printable characters."),
        "WebHookRequestOrigin": {
            **_header(
                "WebHook-Request-Origin", "The sender of the events.", {"type": "string", "pattern": "^[a-zA-Z0-9.*:-]{1,255}$"}
            ),
            "required": True,
        },
    }
