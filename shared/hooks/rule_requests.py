"""Carries out a request of a rule or recipe with the same handlers as for callers; the sender is the firing or recipe run.

Not here: which requests are made (firings, recipes).
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote, urlsplit

from shared.api import answer, handling, route
from shared.api import call as api
from shared.api.answer import Later
from shared.api.resources import resource_routes
from shared.catalog import bodies
from shared.chains import asking
from shared.chains.asked import NOTIFY, Answer
from shared.hooks import authors, lineage
from shared.operations import redaction
from shared.operations.models import Operation
from shared.rest import client, errors
from shared.telemetry import trace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.api.route import Route
    from shared.chains.asked import Call
    from shared.notify import notifications

    class Services(api.App, notifications.Services, Protocol):
        """What a rule's requests need of the composition root (shared.services)."""


JSON = "application/json"
MARKED = frozenset({"jobs", "models"})  # kinds whose properties are in Azure's events


def perform(asked: Call, app: Services, rows: Sequence[Route] = ()) -> Answer:
    """Carry out one request of a rule, or of a recipe.

    Args:
        asked: The request.
        app: The composition root.
        rows: The allowed routes besides those of Azure resources.

    Raises:
        TransientError: the request could not be accepted now.
    """
    if asked.method == NOTIFY:
        return _notify(asked, app)
    call = _call(asked)
    path = unquote(call.path).strip("/")
    row = route.find(rows, call.method, path)
    if row:
        call = replace(call, path=path, named=dict(zip(re.findall(r"{(\w+)}", row.template), path.split("/")[1:], strict=False)))
    try:
        outcome = handling.carry_out(call, row or resource_routes.of(asked.method), app)
    except errors.PermanentError as problem:
        return Answer(status=problem.status, body={"error": problem.error.to_json()})
    if isinstance(outcome, Operation):
        if not outcome.ended:
            return Answer(status=202, operation=outcome.id)
        if outcome.status == "Succeeded":
            return Answer(status=outcome.end_status, body=outcome.result)
        error = outcome.error or errors.AzureError(code=outcome.status, message="The operation ended without a reason.")
        return Answer(status=outcome.end_status, body={"error": error.to_json()})
    given = outcome.answer() if isinstance(outcome, Later) else outcome
    return _own(given) if row or given.approval else _passed(call, given, app)


def _own(given: answer.Answer) -> Answer:
    """Return an answer of the app itself: only such an answer can name an approval that a step waits for."""
    return Answer(status=given.status, body=client.parsed(given.content, JSON), approval=given.approval)


def _passed(call: api.Call, outcome: answer.Answer, app: Services) -> Answer:
    """Return an answer of Azure or a model: private if it may hold keys, and without any secrets that it has."""
    body = client.parsed(outcome.content, JSON)
    if outcome.status >= 400:  # an error's code and message
        return Answer(status=outcome.status, body=body, foreign=outcome.foreign)
    kept = redaction.of_answer(call.method, call.path, app.settings, body)
    return Answer(status=outcome.status, body=body if kept is None else kept, private=kept is None, foreign=outcome.foreign)


def _notify(call: Call, app: Services) -> Answer:
    """Send a rule's notification to the receivers of the settings."""
    from shared.notify import notices, notifications

    if not app.settings.notify:
        return Answer(status=0, skipped=asking.NO_RECEIVER)
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


def _call(asked: Call) -> api.Call:
    path, _, query = asked.path.partition("?")
    body = _marked(asked)
    return api.Call(
        method=asked.method,
        path=path,
        query=query,
        headers={"content-type": JSON, **{name.lower(): value for name, value in asked.headers.items()}},
        body=b"" if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode(),
        sender=api.RuleRun(
            key=asked.key,
            caller=asked.caller,
            firing=asked.firing,
            depth=asked.depth,
            grants=authors.grants_of(asked.author),
            author=str(asked.author.get("name", "")),
        ),
    )


def _marked(call: Call) -> Any:
    """Return the body with its origin in the properties of a job or model, which Azure's events include."""
    kinds_named = {segment.lower() for segment in urlsplit(call.path).path.split("/")}
    if not call.depth or call.method not in ("PUT", "POST") or not isinstance(call.body, dict) or not MARKED & kinds_named:
        return call.body
    if not isinstance(bodies.dig(call.body, "properties"), dict):
        return call.body
    inner = call.body["properties"]
    own = inner.get("properties") if isinstance(inner.get("properties"), dict) else {}
    mark = f"{call.caller.removeprefix('rule:')}/{call.firing}/{call.depth}"
    return {**call.body, "properties": {**inner, "properties": {**own, lineage.ORIGIN: mark}}}
