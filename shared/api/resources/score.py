"""Score an online endpoint or a v1 web service: at once, or as an operation that stores the body and the answer."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from shared.api import answer
from shared.api.resources import payload, submission
from shared.endpoints import async_scores, score_answers, scoring, snapshots, waking
from shared.operations import models
from shared.rest import errors

if TYPE_CHECKING:
    from shared.api.answer import Answer
    from shared.api.call import App, Call
    from shared.catalog.paths import Target
    from shared.operations.models import Operation

EACH = "each"


def score(call: Call, target: Target, app: App) -> Answer | Operation:
    """Send the body to the endpoint and return its answer unchanged, 4xx and 5xx included; wake a parked endpoint."""
    each = call.choice(EACH, (async_scores.LINE,))
    if each or ("respond-async" in call.prefers and _keeps(target)):
        return _keep(call, target, each, app)
    call.refuse_asks()
    began = time.monotonic()
    try:
        found = app.scoring.score(target, call.body, call.headers)
    except snapshots.EndpointParkedError as parked:
        return _keep(call, target, "", app) if call.wait_s else _wake(call, target, parked, app)
    headers = score_answers.passed_back(found.headers)
    if time.monotonic() - began < call.wait_s:  # the endpoint is not parked and answered within the caller's wait
        headers |= answer.waited(call)
    media = found.headers.get("content-type", "application/json")
    return replace(answer.of_bytes(found.content, media, found.status, headers), foreign=True)


def refuse_lines(call: Call, target: Target) -> None:
    """Refuse `?each=line` for requests that cannot score line by line.

    Raises:
        BadRequestError: `InvalidParameter`.
    """
    if call.text(EACH) and not _keeps(target):
        message = f"'{EACH}' applies to POST of an online endpoint's score, not to this {call.method}. Omit it."
        raise errors.BadRequestError("InvalidParameter", message, target=EACH)


def _keeps(target: Target) -> bool:
    """Return whether a score can be an operation: batch endpoints start a job instead, v1 services answer only at once."""
    return target.plane == "arm" and target.action is not None and target.action.name == models.SCORE


def _keep(call: Call, target: Target, each: str, app: App) -> Operation:
    """Make the call an operation that wakes the endpoint if necessary, scores, and stores the answer."""
    call.refuse_asks("Prefer", "Idempotency-Key", "Callback-Url")
    sent = scoring.sent_on(call.headers)
    asked = async_scores.request(call.body, sent, each=each, keyed=bool(call.idempotency_key()))
    brought = payload.Brought(target=target, body=asked.pop("body"), plan=asked.pop("plan"))
    return submission.submit(call, brought, app, queued=True, query="", **asked)


def _wake(call: Call, target: Target, found: snapshots.EndpointParkedError, app: App) -> Answer:
    """Wake the endpoint, once for any number of calls, and answer 503 with Retry-After."""
    wake, error, pause_s = waking.begun(target, found, app)
    headers = {"Retry-After": str(round(pause_s)), "Operation-Location": answer.to_follow(call, f"operations/{wake.id}")}
    return answer.of_json({"error": error.to_json()}, 503, headers)
