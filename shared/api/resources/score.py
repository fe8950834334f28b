"""Score an online endpoint or a v1 web service: at once, or as an operation that keeps the body and the answer."""

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
    """Send the body to the endpoint as it came, and its answer back as it comes, 4xx and 5xx included; wake a parked one."""
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
    if time.monotonic() - began < call.wait_s:  # the endpoint is not parked, and answered while its caller was ready to wait
        headers |= answer.waited(call)
    media = found.headers.get("content-type", "application/json")
    return replace(answer.of_bytes(found.content, media, found.status, headers), foreign=True)


def refuse_lines(call: Call, target: Target) -> None:
    """Refuse `?each=line` where nothing is scored, or only at once.

    Raises:
        BadRequestError: `InvalidParameter`.
    """
    if call.text(EACH) and not _keeps(target):
        message = f"'{EACH}' is for POST of an online endpoint's score, not for this {call.method}."
        raise errors.BadRequestError("InvalidParameter", message, target=EACH)


def _keeps(target: Target) -> bool:
    """Return whether a score can wait: a batch endpoint's invoke begins a job at once, v1 services are only scored at once."""
    return target.plane == "arm" and target.action is not None and target.action.name == models.SCORE


def _keep(call: Call, target: Target, each: str, app: App) -> Operation:
    """Make an operation of the call: it wakes the endpoint if need be, scores, and keeps the answer."""
    call.refuse_asks("Prefer", "Idempotency-Key", "Callback-Url")
    sent = scoring.sent_on(call.headers)
    asked = async_scores.request(call.body, sent, each=each, keyed=bool(call.idempotency_key()))
    brought = payload.Brought(target=target, body=asked.pop("body"), plan=asked.pop("plan"))
    return submission.submit(call, brought, app, queued=True, query="", **asked)


def _wake(call: Call, target: Target, found: snapshots.EndpointParkedError, app: App) -> Answer:
    """Start the wake, once however many call, and answer 503 that says when to come again."""
    wake, error, pause_s = waking.begun(target, found, app)
    headers = {"Retry-After": str(round(pause_s)), "Operation-Location": answer.to_follow(call, f"operations/{wake.id}")}
    return answer.of_json({"error": error.to_json()}, 503, headers)
