"""The description of what is this app's own: operations, uploads, clean-up, events, pages. One row each.

Not here: the kinds of the table (resources), the v1 paths (regional).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shared.openapi import parts, request_bodies
from shared.openapi.parts import ref

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from shared.openapi.parts import Json

TAGS = {
    "Operations": "What the app is doing or did for its callers.",
    "Clean-up": "What is stale or idle, by policy: dry runs, reports, approval.",
    "Events": "Events in, rules, and what came of them.",
    "Files": "Large files, and what a YAML would be sent as.",
    "Pages": "The same for everybody; no key is asked for, but for the details of health.",
}
REPORT, FIRING, OPERATION = ref("schemas", "Report"), ref("schemas", "Firing"), ref("schemas", "Operation")
JSON: parts.Json = {}
MARKS: parts.Json = {
    "type": "object",
    "required": ["value", "count"],
    "properties": {"value": {"type": "array", "items": ref("schemas", "Mark")}, "count": {"type": "integer", "minimum": 0}},
}
NUMBER: parts.Json = {"type": "integer", "minimum": 0}
FLAG: parts.Json = {"type": "boolean"}
MODE: parts.Json = {"type": "string", "enum": ["dryRun", "enforce"]}
PLACE: parts.Json = {"type": "string", "minLength": 1}
FILE_NAME: parts.Json = {"type": "string", "pattern": "^[a-zA-Z0-9][a-zA-Z0-9._-]{0,99}$"}
FORMAT: parts.Json = {"type": "string", "enum": ["json", "html", "csv"]}
SHOW: parts.Json = {"type": "string", "enum": ["all", "changes"]}
FIRED: parts.Json = {"type": "string", "enum": ["Running", "Succeeded", "Failed", "Refused"]}
STATUS: parts.Json = {"type": "string", "enum": list(parts.STATUSES)}
YAML, TEXT = "application/yaml", "text/plain"
EVENT: parts.Json = ref("schemas", "Event")
EVENTS: parts.Json = {
    "application/json": {"anyOf": [EVENT, {"type": "array", "items": EVENT}]},
    "application/cloudevents+json": EVENT,
    "application/cloudevents-batch+json": {"type": "array", "items": EVENT},
}


def _top(most: int) -> Json:
    return {**NUMBER, "maximum": most}


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One operation.

    Attributes:
        id: Its operation id.
        call: Verb and path below the prefix.
        tag: Group.
        summary: What it does.
        query: Schema by parameter; a name of `components/parameters` stands for itself.
        path: Schema by parameter of the path, where it is not any text.
        body: Schema by media type.
        needed: The body is required.
        answers: Schema of each status' JSON; None is an answer without a body. Other media: `answers_as`.
        answers_as: Further media types of a 200.
        problems: Refusals besides 400, 401, 500 and 503.
        anonymous: No key is asked for.
        polled: Clients of ARM follow it with whatever query their first request had, which says nothing here.
    """

    id: str
    call: str
    tag: str
    summary: str
    query: Mapping[str, Json | str] = field(default_factory=dict)
    path: Mapping[str, Json] = field(default_factory=dict)
    body: Mapping[str, Json] = field(default_factory=dict)
    needed: bool = False
    answers: Mapping[str, Json | None] = field(default_factory=lambda: {"200": JSON})
    answers_as: tuple[str, ...] = ()
    problems: Mapping[str, str] = field(default_factory=dict)
    anonymous: bool = False
    polled: bool = False


ASKS = {
    "$skip": "How many to leave out.",
    "$top": "How many of a page.",
    "abandon": "`true`: only stop following it; what Azure does goes on.",
    "api-version": "What Event Grid's own senders name; it changes nothing.",
    "below": "Only what concerns this resource and everything below it: an ARM id, or a path below /api.",
    "format": "Instead of what `Accept` says.",
    "location": "The region of what the YAML describes, where it needs one.",
    "mode": "`dryRun`, unless said otherwise, changes nothing.",
    "name": "What the file is called in messages.",
    "path": "The path below /api that the YAML would be sent to.",
    "policy": "Names of policies, by commas; all of them, unless said otherwise.",
    "resource": "Only this resource: an ARM id, or a path below /api.",
    "rule": "Firings of this rule.",
    "show": "`changes`: only what something is done to.",
    "status": "Those in this state.",
    "target": "Operations on this resource: an ARM id, or a path below /api.",
    "workspace": "Only what is in these workspaces: names, by commas.",
}

MISSING, BUSY, LARGE = {"404": "NotFound"}, {"409": "Conflict"}, {"411": "NoLength", "413": "TooLarge"}


def _yaml_files(name: str, path: str, *, tag: str, holds: str) -> tuple[Route, ...]:
    """Return the routes of one YAML file of rules or policies below a path."""
    file = {"file": FILE_NAME}
    return (
        Route(
            id=f"{name}_get",
            call=f"GET {path}/{{file}}",
            tag=tag,
            summary=f"One file of {holds}, as YAML",
            path=file,
            answers={},
            answers_as=(YAML,),
            problems=MISSING,
        ),
        Route(
            id=f"{name}_put",
            call=f"PUT {path}/{{file}}",
            tag=tag,
            summary=f"Store a file of {holds}; refused with line and column when it is wrong",
            path=file,
            body={YAML: parts.STRING},
            needed=True,
            answers={"200": parts.OBJECT},
            problems=LARGE,
        ),
        Route(
            id=f"{name}_delete",
            call=f"DELETE {path}/{{file}}",
            tag=tag,
            summary=f"Remove a file of {holds}",
            path=file,
            answers={"204": None},
            problems=MISSING,
        ),
    )


ROUTES: tuple[Route, ...] = (
    Route(
        id="operations_list",
        call="GET /operations",
        tag="Operations",
        summary="The operations of this app, the newest first",
        query={"status": STATUS, "target": parts.STRING, "below": parts.STRING, "$top": _top(200), "SkipToken": ""},
        answers={"200": ref("schemas", "OperationList")},
    ),
    Route(
        id="operations_get",
        call="GET /operations/{id}",
        tag="Operations",
        summary="One operation: always 200 with its status",
        query={"Wait": ""},
        answers={"200": OPERATION},
        problems=MISSING,
        polled=True,
    ),
    Route(
        id="operations_result",
        call="GET /operations/{id}/result",
        tag="Operations",
        summary="What it came to: 202 while it runs, then the resource or Azure's error",
        query={"Prefer": ""},
        answers={"200": JSON, "201": JSON, "202": OPERATION, "204": None},
        problems={**MISSING, **BUSY, "403": "Forbidden", "429": "Throttled"},
        polled=True,
    ),
    Route(
        id="operations_cancel",
        call="POST /operations/{id}/cancel",
        tag="Operations",
        summary="Cancel: what is not sent yet, or a job or run; with `abandon` only stop following it",
        query={"abandon": FLAG},
        answers={"200": OPERATION},
        problems={**MISSING, **BUSY},
    ),
    Route(
        id="cleanup_run",
        call="POST /cleanup",
        tag="Clean-up",
        summary="Start a run of the clean-up: a dry run unless told otherwise",
        query={
            "policy": parts.STRING,
            "workspace": parts.STRING,
            "resource": PLACE,
            "below": parts.STRING,
            "mode": MODE,
            "Prefer": "",
            "CallbackUrl": "",
        },
        answers={"200": REPORT, "202": REPORT},
        problems={**MISSING, **BUSY},
    ),
    Route(
        id="cleanup_reports_list",
        call="GET /cleanup/reports",
        tag="Clean-up",
        summary="The runs, the newest first, without their resources",
        query={"$top": _top(100)},
        answers={"200": parts.listed(REPORT)},
    ),
    Route(
        id="cleanup_reports_get",
        call="GET /cleanup/reports/{id}",
        tag="Clean-up",
        summary="One report: every resource that was looked at, with the reason",
        query={"format": FORMAT, "show": SHOW, "$top": _top(10_000), "$skip": NUMBER, "SkipToken": ""},
        answers={"200": REPORT},
        answers_as=("text/html", "text/csv"),
        problems=MISSING,
    ),
    Route(
        id="cleanup_reports_result",
        call="GET /cleanup/reports/{id}/result",
        tag="Clean-up",
        summary="What a run came to: 202 while it goes on, then its report",
        answers={"200": REPORT, "202": REPORT},
        problems=MISSING,
    ),
    Route(
        id="cleanup_reports_approve",
        call="POST /cleanup/reports/{id}/approve",
        tag="Clean-up",
        summary="Carry out exactly what that dry run would do, each judged again",
        query={"Prefer": "", "CallbackUrl": ""},
        answers={"200": REPORT, "202": REPORT},
        problems={**MISSING, **BUSY},
    ),
    Route(
        id="cleanup_reports_cancel",
        call="POST /cleanup/reports/{id}/cancel",
        tag="Clean-up",
        summary="Submit nothing more",
        answers={"200": REPORT},
        problems={**MISSING, **BUSY},
    ),
    Route(
        id="cleanup_marks",
        call="GET /cleanup/marks",
        tag="Clean-up",
        summary="What is marked, the first due first",
        query={"$top": _top(500)},
        answers={"200": MARKS},
    ),
    Route(
        id="cleanup_explain",
        call="GET /cleanup/explain",
        tag="Clean-up",
        summary="What each policy finds of one resource, condition by condition",
        query={"resource": PLACE},
        problems={**MISSING, "403": "Forbidden"},
    ),
    Route(
        id="cleanup_policies_list",
        call="GET /cleanup/policies",
        tag="Clean-up",
        summary="The policies in force, and what is wrong with files",
        answers={"200": parts.listed(parts.OBJECT)},
    ),
    Route(
        id="cleanup_policies_check",
        call="POST /cleanup/policies",
        tag="Clean-up",
        summary="How a file of policies reads, or every mistake at its place; nothing is stored",
        query={"name": parts.STRING},
        body={YAML: parts.STRING},
        needed=True,
        answers={"200": parts.listed(parts.OBJECT)},
        problems=LARGE,
    ),
    *_yaml_files("cleanup_policies", "/cleanup/policies", tag="Clean-up", holds="policies"),
    Route(
        id="events_post",
        call="POST /events",
        tag="Events",
        summary="Deliver events: Event Grid's schema or CloudEvents 1.0; 200 once they are stored",
        query={"TraceParent": "", "api-version": parts.STRING},
        body=EVENTS,
        needed=True,
        answers={"200": parts.OBJECT},
        problems=LARGE,
    ),
    Route(
        id="events_handshake",
        call="OPTIONS /events",
        tag="Events",
        summary="The CloudEvents handshake of webhooks (header `WebHook-Request-Origin`)",
        query={"WebHookRequestOrigin": ""},
        answers={"200": None},
    ),
    Route(
        id="events_test",
        call="POST /events/test",
        tag="Events",
        summary="Which rules an event would fire, and what they would send; nothing is sent",
        body=EVENTS,
        needed=True,
        answers={"200": parts.listed(parts.OBJECT)},
        problems=LARGE,
    ),
    Route(
        id="events_rules_list",
        call="GET /events/rules",
        tag="Events",
        summary="The rules in force, and what is wrong with the files that are not",
        answers={"200": parts.listed(parts.OBJECT)},
    ),
    *_yaml_files("events_rules", "/events/rules", tag="Events", holds="rules"),
    Route(
        id="events_firings_list",
        call="GET /events/firings",
        tag="Events",
        summary="Rules that fired, the newest first",
        query={"$top": _top(200), "rule": parts.STRING, "status": FIRED},
        answers={"200": parts.listed(FIRING)},
    ),
    Route(
        id="events_firings_get",
        call="GET /events/firings/{id}",
        tag="Events",
        summary="One of them, step by step",
        answers={"200": FIRING},
        problems=MISSING,
    ),
    Route(
        id="uploads_open",
        call="POST /uploads",
        tag="Files",
        summary="Room for a large file: a signed URL to put it to; a later request names the upload",
        body={"application/json": {"type": "object", "properties": {"name": parts.STRING}}},
        answers={"201": ref("schemas", "Upload")},
        problems={**LARGE, "415": "Unsupported"},
    ),
    Route(
        id="translate",
        call="POST /translate",
        tag="Files",
        summary="The ARM body that a YAML would be sent as, and what would be done first; Azure is asked nothing",
        query={"path": parts.STRING, "Set": "", "location": parts.STRING, "UploadId": ""},
        body={
            YAML: ref("schemas", "Yaml"),
            "multipart/form-data": {"type": "object", "properties": {"spec": parts.STRING, "files": request_bodies.FILE}},
        },
        needed=True,
        answers={"200": parts.OBJECT},
        problems={**MISSING, **BUSY, **LARGE},
    ),
    Route(
        id="health",
        call="GET /health",
        tag="Pages",
        summary="Up or down, and nothing else",
        answers={"200": {"type": "object", "required": ["status"], "properties": {"status": {"enum": ["up", "down"]}}}},
        anonymous=True,
    ),
    Route(
        id="health_details",
        call="GET /health/details",
        tag="Pages",
        summary="What needs somebody; queues and poison, open operations, deliveries, files, what Azure still allows, the sign-in",
        answers={"200": ref("schemas", "Health")},
    ),
    Route(
        id="openapi",
        call="GET /openapi.json",
        tag="Pages",
        summary="This document",
        answers={"200": parts.OBJECT},
        anonymous=True,
    ),
    Route(
        id="docs",
        call="GET /docs",
        tag="Pages",
        summary="This document, to read and to try",
        answers={},
        answers_as=("text/html",),
        anonymous=True,
    ),
    Route(
        id="docs_file",
        call="GET /docs/{file}",
        tag="Pages",
        summary="A file of that page",
        answers={},
        answers_as=("text/javascript", "text/css", TEXT),
        problems=MISSING,
        anonymous=True,
    ),
    Route(
        id="dashboard",
        call="GET /dashboard",
        tag="Pages",
        summary="Operations, workspaces, clean-up, events and health, to look at",
        answers={},
        answers_as=("text/html",),
        anonymous=True,
    ),
    Route(
        id="dashboard_file",
        call="GET /dashboard/{file}",
        tag="Pages",
        summary="A file of that page",
        answers={},
        answers_as=("text/javascript", "text/css", "image/svg+xml"),
        problems=MISSING,
        anonymous=True,
    ),
)


def operations() -> Iterator[tuple[str, str, Json]]:
    """Yield (path, verb in lower case, operation) of every route of ours."""
    for route in ROUTES:
        verb, _, path = route.call.partition(" ")
        yield path, verb.lower(), _operation(route, verb, path)


def _operation(route: Route, verb: str, path: str) -> Json:
    given = [
        {"name": name, "in": "path", "required": True, "schema": route.path.get(name, parts.STRING)}
        for name in re.findall(r"{(\w+)}", path)
    ]
    given += [_parameter(name, schema, needed=name == "resource" and verb == "GET") for name, schema in route.query.items()]
    if not route.anonymous:
        given.append(ref("parameters", "ClientRequestId"))
    out: Json = {"operationId": route.id, "tags": [route.tag], "summary": route.summary, "parameters": given}
    answers: Json = {status: _answer(status, schema) for status, schema in route.answers.items()}
    for media in route.answers_as:
        answers.setdefault("200", {"description": "Done.", "content": {}})["content"] |= parts.content(parts.STRING, media)
    usual = {} if route.anonymous else {"400": "BadRequest", "401": "Unauthorized", "500": "Internal", "503": "Unavailable"}
    answers |= {status: ref("responses", name) for status, name in {**usual, **route.problems}.items()}
    out["responses"] = answers
    if route.id == "health":
        answers["503"] = _answer("503", route.answers["200"])
    if route.body:
        taken = {name: {"schema": schema} for name, schema in route.body.items()}
        out["requestBody"] = {"required": route.needed, "content": taken}
        answers["415"] = ref("responses", "Unsupported")
    if route.anonymous:
        out["security"] = []
    return out


def _parameter(name: str, schema: Json | str, *, needed: bool) -> Json:
    if isinstance(schema, str):
        return ref("parameters", name)
    return {"name": name, "in": "query", "description": ASKS[name], "required": needed, "schema": schema}


def _answer(status: str, schema: Json | None) -> Json:
    if schema == OPERATION and status == "202":
        return ref("responses", "Accepted")
    out: Json = {"description": "Under way." if status == "202" else "Done."}
    if schema is not None:
        out["content"] = parts.content(schema)
    return out
