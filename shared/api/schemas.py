"""Schemas and parameters that rows of routes name, in JSON Schema. Not here: the document (openapi)."""

from __future__ import annotations

from functools import cache
from typing import Any

Json = dict[str, Any]

STRING: Json = {"type": "string"}
OBJECT: Json = {"type": "object"}
NUMBER: Json = {"type": "integer", "minimum": 0}
SINCE = "A moment (2026-11-30T08:00:00Z), a date, or a length of time before now (PT1H, 7d)."
PERIOD: Json = {name: {"type": "string", "minLength": 1, "description": SINCE} for name in ("since", "until")}


def ref(kind: str, name: str) -> Json:
    """Return a reference to a component: `ref("schemas", "Resource")`."""
    return {"$ref": f"#/components/{kind}/{name}"}


def top(most: int) -> Json:
    """Return the schema of how many a page holds."""
    return {**NUMBER, "maximum": most}


def listed(schema: Json) -> Json:
    """Return the schema of a page of a list."""
    link = {"type": "string", "format": "uri", "description": "The next page, with this app's own address; absent on the last."}
    return {"type": "object", "required": ["value"], "properties": {"value": {"type": "array", "items": schema}, "nextLink": link}}


def _query(name: str, description: str, schema: Json | None = None) -> Json:
    return {"name": name, "in": "query", "description": description, "schema": schema or STRING}


def _header(name: str, description: str, schema: Json | None = None) -> Json:
    return {"name": name, "in": "header", "description": description, "schema": schema or STRING}


@cache
def parameters() -> Json:
    """Return the parameters and headers that several routes take, by the name under which rows refer to them."""
    wait = {"type": "integer", "minimum": 0, "maximum": 60}
    version = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}(-[a-z]{1,20})?$"}
    return {
        "ApiVersion": _query("api-version", "Overrides the table's api-version for this request.", version),
        "Preflight": _query(
            "preflight", "`true`: ask Azure what would stop this, all problems at once; nothing is sent.", {"type": "boolean"}
        ),
        "Force": _query("force", "`true`: delete although a guard of this app names what still uses it.", {"type": "boolean"}),
        "Set": _query(
            "set", "`path=value`: changes a field of a YAML before it is translated.", {"type": "array", "items": STRING}
        ),
        "Top": _query("$top", "How many of a page; Azure decides what it takes.", {"type": "integer", "minimum": 1}),
        "Skip": _query("$skip", "Azure's own token of a page, as its `nextLink` carries it."),
        "SkipToken": _query("$skipToken", "The token of a page, as its `nextLink` carries it."),
        "All": _query(
            "all",
            "`true`: all pages in one answer, as far as size and time allow; the rest by `nextLink`.",
            {"type": "boolean"},
        ),
        "ListViewType": _query(
            "listViewType",
            "Which of archived and active ones.",
            {"type": "string", "enum": ["ActiveOnly", "ArchivedOnly", "All"]},
        ),
        "Wait": _query("wait", "Answer when it has ended, after so many seconds at the latest.", wait),
        "Prefer": _header(
            "Prefer",
            "`wait=N`: answer when the operation has ended, after N seconds (at most 60) at the latest. "
            "`respond-async`: record and queue only, 202 even while ARM is down.",
        ),
        "IdempotencyKey": _header(
            "Idempotency-Key",
            "The same key with the same request gets the operation that it made the first time; with another request 400.",
            {"type": "string", "maxLength": 255},
        ),
        "CallbackUrl": _header(
            "Callback-Url",
            "Receivers of the operation's end: up to five https URLs on the allow-list, separated by commas or spaces.",
        ),
        **{
            name: _header(
                header,
                "When what this makes is to be ended: an ISO 8601 duration such as `PT8H`; also as the parameter `expiresIn`."
                if name == "ExpiresIn"
                else "When it is to be ended: a moment such as `2026-12-01T18:00:00Z`; also as the parameter `expiresAt`.",
            )
            for name, header in (("ExpiresIn", "Expires-In"), ("ExpiresAt", "Expires-At"))
        },
        "UploadId": _header("Upload-Id", "The files of this body are that upload's (POST uploads)."),
        "TraceParent": _header("traceparent", "W3C trace context: the operation and what it asks of Azure carry it on."),
        "ClientRequestId": _header("x-ms-client-request-id", "Sent back on the answer: the first 200 of its printable characters."),
        "WebHookRequestOrigin": {
            **_header(
                "WebHook-Request-Origin", "Who is going to deliver.", {"type": "string", "pattern": "^[a-zA-Z0-9.*:-]{1,255}$"}
            ),
            "required": True,
        },
    }
