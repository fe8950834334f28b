"""A rule's request through the app's own front door: the very functions that serve callers, called in place.

Not here: which requests (shared.hooks.firings).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import azure.functions as func

from functions import act, browse, http, provision, terms
from shared import services
from shared.catalog import bodies
from shared.hooks import lineage
from shared.hooks.firing_record import NOTIFY, Answer
from shared.operations import redaction
from shared.operations.models import Operation
from shared.rest import errors
from shared.telemetry import trace

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.hooks.firing_record import Call

ROOT = "https://rules.invalid/api/"  # never sent anywhere; a name that RFC 2606 keeps from meaning anything
MARKED = frozenset({"jobs", "models"})  # whose properties Azure's events of them carry
_VERBS: dict[str, Callable[[func.HttpRequest], func.HttpResponse | Operation]] = {
    "GET": browse.browse,
    "POST": act.act,
    "PUT": provision.change,
    "PATCH": provision.change,
    "DELETE": provision.change,
}


def perform(call: Call) -> Answer:
    """Carry out one request of a rule.

    Raises:
        TransientError: it could not be accepted now.
    """
    if call.method == NOTIFY:
        return _notify(call)
    with terms.acting_for(call):
        try:
            req = _request(call)
            http.check(req)
            outcome = _VERBS[call.method](req)
        except errors.PermanentError as problem:
            return Answer(status=problem.status, body={"error": problem.error.to_json()})
    if isinstance(outcome, Operation):
        if not outcome.ended:
            return Answer(status=202, operation=outcome.id)
        if outcome.status == "Succeeded":
            return Answer(status=outcome.http_status or 200, body=outcome.result)
        error = outcome.error or errors.AzureError(code=outcome.status, message="The operation ended without a reason.")
        return Answer(status=max(outcome.http_status, 409), body={"error": error.to_json()})
    return _passed(call, outcome)


def _passed(call: Call, outcome: func.HttpResponse) -> Answer:
    """Return an answer of Azure's; what may hold keys is private, the rest goes without those it has."""
    body = _json(outcome.get_body())
    if outcome.status_code >= 400:  # an error's code and message
        return Answer(status=outcome.status_code, body=body)
    path = urlsplit(ROOT + call.path).path.removeprefix("/api/")
    kept = redaction.of_answer(call.method, path, services.get().settings, body)
    return Answer(status=outcome.status_code, body=body if kept is None else kept, private=kept is None)


def _notify(call: Call) -> Answer:
    """Have whoever the settings name told what a rule says."""
    from shared.notify import notices, notifications

    app = services.get()
    data = call.body if isinstance(call.body, dict) else {"value": call.body} if call.body is not None else {}
    here = trace.current()
    notice = notices.Notice(
        about=call.firing,
        type=call.path,
        subject=call.key,
        at=app.clock(),
        data={**data, "rule": call.caller},
        depth=call.depth,
        trace=here.header if here else "",
    )
    notifications.tell(notice, app.settings.notify, app)
    return Answer(status=202, body={"told": len(app.settings.notify), "eventId": notice.id})


def _request(call: Call) -> func.HttpRequest:
    url = ROOT + call.path
    body = _marked(call)
    content = b"" if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    headers = {"content-type": "application/json", **{name.lower(): value for name, value in call.headers.items()}}
    return func.HttpRequest(
        method=call.method,
        url=url,
        headers=headers,
        params=dict(parse_qsl(urlsplit(url).query, keep_blank_values=True)),
        route_params={},
        body=content,
    )


def _marked(call: Call) -> Any:
    """Return the body with where it comes from in the properties of a job or model, which Azure's events of it carry."""
    kinds_named = {segment.lower() for segment in urlsplit(call.path).path.split("/")}
    if call.method not in ("PUT", "POST") or not isinstance(call.body, dict) or not MARKED & kinds_named:
        return call.body
    if not isinstance(bodies.dig(call.body, "properties"), dict):
        return call.body
    inner = call.body["properties"]
    own = inner.get("properties") if isinstance(inner.get("properties"), dict) else {}
    mark = f"{call.caller.removeprefix('rule:')}/{call.firing}/{call.depth}"
    return {**call.body, "properties": {**inner, "properties": {**own, lineage.ORIGIN: mark}}}


def _json(content: bytes) -> Any:
    try:
        return json.loads(content) if content else None
    except ValueError:
        return content.decode("utf-8", errors="replace")
