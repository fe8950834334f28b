"""The description of what is this app's own: operations, uploads, clean-up, events, pages; from the rows of their routes.

Not here: the rows (each room's own), the kinds of the table (resources), the v1 paths (regional).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from shared.openapi import parts
from shared.openapi.parts import ref

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shared.api.route import Route
    from shared.openapi.parts import Json

TAGS = {
    "Operations": "What the app is doing or did for its callers.",
    "Expiries": "What ends at a set time; a create asks for it with `Expires-In` or `Expires-At`.",
    "Clean-up": "What is stale or idle, by policy: dry runs, reports, approval.",
    "Events": "Events, rules, and their results.",
    "Recipes": "Several requests as one: run, kept by name, approved, taken back.",
    "Files": "Large files, and what a YAML would be sent as.",
    "Access": "Who may do what, what they did, and what waits for another caller's approval.",
    "Pages": "The same for every caller; only the details of health need a key.",
}
TAG_OF = {
    "operations": "Operations",
    "load": "Operations",
    "parked": "Operations",
    "rollouts": "workspaces / onlineEndpoints",
    "expiries": "Expiries",
    "cleanup": "Clean-up",
    "events": "Events",
    "recipes": "Recipes",
    "uploads": "Files",
    "translate": "Files",
    "keys": "Access",
    "audit": "Access",
    "approvals": "Access",
    "workspaces": "workspaces / onlineEndpoints",
}  # by segment
OPERATION = ref("schemas", "Operation")
ASKS = {
    "$skip": "How many entries to skip.",
    "$top": "How many entries per page.",
    "abandon": "`true`: only stop following it; what Azure does goes on.",
    "take": "`true`: the answer to a score is deleted once it is read.",
    "api-version": "What Event Grid's own senders name; it changes nothing.",
    "by": "What is summed up together; `owner`, unless said otherwise.",
    "caller": "Only those of this caller, as `caller` shows it: `key:NAME`, a sign-in's name, `rule:NAME`.",
    "dryRun": "`true`: what would be done, and all problems at once; nothing is changed.",
    "recipe": "Runs of this recipe.",
    "step": "The step that is approved, where several wait for it.",
    "below": "Only what concerns this resource and everything below it: an ARM id, or a path below /api.",
    "find": "Text in the id, target, kind, caller, error code or trace id, in any casing.",
    "kind": "Only operations on this kind of resource, as `kind` shows it.",
    "outcome": "As `status`, with `Refused` (Azure refused it at once) apart from `Failed`.",
    "event": "Firings for this event: its key, as POST events answers it.",
    "since": "From this moment on: ISO 8601, or a length of time before now (PT1H, 7d).",
    "until": "Before this moment: ISO 8601, or a length of time before now; now, unless said otherwise.",
    "format": "Instead of what `Accept` says.",
    "location": "The region of what the YAML describes, where it needs one.",
    "mode": "`dryRun`, unless said otherwise, changes nothing.",
    "name": "What the file is called in messages.",
    "path": "The path below /api that the YAML would be sent to.",
    "policy": "Names of policies, separated by commas; by default all of them.",
    "resource": "Only this resource: an ARM id, or a path below /api.",
    "rule": "Firings of this rule.",
    "show": "`changes`: only what something is done to.",
    "status": "Those in this state.",
    "target": "Operations on this resource: an ARM id, or a path below /api.",
    "workspace": "Only what is in these workspaces: names, separated by commas.",
}


def operations(rows: Sequence[Route]) -> Iterator[tuple[str, str, Json]]:
    """Yield (path, verb in lower case, operation) of every route of ours."""
    for route in rows:
        if route.own:
            yield f"/{route.template}", route.verb.lower(), _operation(route)


def _operation(route: Route) -> Json:
    given = [
        {"name": name, "in": "path", "required": True, "schema": route.path.get(name, parts.STRING)}
        for name in re.findall(r"{(\w+)}", route.template)
    ]
    given += [_parameter(name, schema, needed=name == "resource" and route.verb == "GET") for name, schema in route.query.items()]
    if not route.anonymous:
        given.append(ref("parameters", "ClientRequestId"))
    out: Json = {
        "operationId": route.id,
        "tags": [TAG_OF.get(route.template.partition("/")[0], "Pages")],
        "summary": route.summary,
        "parameters": given,
        "x-role": route.role,
    }
    if not route.anonymous:
        out["description"] = parts.needs(route.role) + (" The whole app is concerned: no scope." if route.whole else "")
    answers: Json = {status: _answer(status, schema) for status, schema in route.answers.items()}
    for media in route.answers_as:
        answers.setdefault("200", {"description": "Done.", "content": {}})["content"] |= parts.content(parts.STRING, media)
    usual = {"400": "BadRequest", "401": "Unauthorized", "403": "Forbidden", "500": "Internal", "503": "Unavailable"}
    usual = {} if route.anonymous else {**usual, "406": "NotAcceptable"}
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
