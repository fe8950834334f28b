"""Asynchronous scoring as an operation: it stays in phase `preparing` until its endpoint has answered.

Its body waits in the operation, or in a blob when it is large. A step wakes the endpoint if that is parked, takes a place at it,
claims the call by etag, and asks. What was certainly not scored is repeated; what the model may have run only with an
Idempotency-Key. Not here: the call itself (scoring), how many at once (score_gates), what becomes of answers (score_answers).
"""

from __future__ import annotations

import json
import time
from base64 import b64decode, b64encode
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared.catalog import paths
from shared.endpoints import score_answers, snapshots
from shared.endpoints.score_answers import Kept
from shared.files.plans import Plan, Task
from shared.operations import models, settle
from shared.operations.settle import Step
from shared.rest import client, errors, ids, long_running, streams

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from datetime import datetime

    from shared.catalog.paths import Target
    from shared.operations.context import Services
    from shared.operations.models import Operation
    from shared.rest.client import Response

BODY = "body"  # the file of a request that is too large for the operation's row
INLINE_LIMIT = 8 * 1024  # bytes of a request that the row holds
LINE = "line"  # of ?each=
LINES_MEDIA = "application/jsonl"
LINES_BUDGET = timedelta(seconds=45)  # of one step; with a slow last call it ends within a function's time
AGAIN = frozenset({408, 429, 503})  # the endpoint did not score
AGAIN_IF_KEYED = AGAIN | {504}
FIRST_PAUSE_S, MOST_PAUSE_S = 2.0, 60.0  # where the endpoint says no Retry-After
SETTLING_S = 5.0  # after a wake, for Azure to show the endpoint without its tag
WAKE_S = 150.0  # over a minute, so that it is no message: the end of the wake calls it back
NOTED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """How far a score has come: its plan's only task.

    Attributes:
        blob: Where the answer goes that is being asked for; '' while the endpoint is not asked.
        at: How many lines are scored.
        parts: Where their answers are.
        wake: The operation that it waits for, which wakes the endpoint; '' for none.
    """

    blob: str = ""
    at: int = 0
    parts: tuple[str, ...] = ()
    wake: str = ""

    def plan(self) -> Any:
        """Return it as an operation stores it."""
        body = {"blob": self.blob, "at": self.at, "parts": list(self.parts), "wake": self.wake}
        return Plan(tasks=(Task(what="score", body=body),)).to_json()

    @classmethod
    def of(cls, operation: Operation, services: Services) -> _Way:
        """Read it back."""
        stored = Plan.from_json(services.ledger.payload(operation.plan)).tasks[0].body or {}
        parts = tuple(stored.get("parts", ()))
        return cls(blob=stored.get("blob", ""), at=stored.get("at", 0), parts=parts, wake=stored.get("wake", ""))


def request(content: bytes, headers: Mapping[str, str], *, each: str, keyed: bool) -> dict[str, Any]:
    """Return what the operation of a score is made of: the members of its `acceptance.Request`.

    Args:
        content: The body.
        headers: Those that the endpoint is sent.
        each: `line` to score the lines of the body one by one.
        keyed: The caller says by an Idempotency-Key that the model may run twice.
    """
    body: dict[str, Any] = {"headers": dict(headers), "each": each, "keyed": keyed}
    plan = Plan(tasks=(Task(what="score"),))
    if len(content) > INLINE_LIMIT:
        return {"body": body, "plan": plan, "files": {BODY: streams.of(content)}}
    return {"body": {**body, "content": b64encode(content).decode()}, "plan": plan}


def step(operation: Operation, services: Services, claim: Callable[[Operation], AbstractContextManager[Operation]]) -> Step:
    """Take the next step; `claim` records that the endpoint is asked now, until it has answered.

    Raises:
        ConflictError: another worker took the step.
        TransientError: ARM or the app's storage did not answer; nothing is lost.
        PermanentError: it cannot be scored.
    """
    way, now = replace(_Way.of(operation, services), wake=""), services.clock()
    keyed = bool(operation.body["keyed"])
    if way.blob and (found := score_answers.find(services.ledger.blobs, way.blob)):  # of a worker that died after that
        return _ended(operation, way.blob, found, services)
    if way.blob and not keyed:
        return _unknown(operation, "The app stopped while the endpoint was asked.", now)
    if now >= _end(operation, services):
        return _too_late(operation, "It did not get a turn.", services)
    target = paths.resolve(operation.path, paths.anywhere(services.settings))
    try:
        services.scoring.open(target)
    except snapshots.EndpointParkedError as parked:
        return _wait_for_wake(operation, replace(way, blob=""), target, parked, services)
    if pause_s := services.score_gates.enter(target.id.key):
        return Step(operation=replace(operation, plan=replace(way, blob="").plan()), delay_s=pause_s)
    call = _Call(operation, target, services)
    try:
        way = replace(way, blob=score_answers.new_name(operation.id, now))
        with claim(replace(operation.counted("write"), status="Running", plan=way.plan())) as asked:
            return call.lines(asked, way) if asked.body["each"] else call.whole(asked, way)
    finally:
        services.score_gates.leave(target.id.key, call.took_s, throttled=call.throttled)


class _Again(Exception):  # noqa: N818 - it is no error
    """The endpoint did not score; it is to be asked again."""

    def __init__(self, why: str, delay_s: float | None) -> None:
        super().__init__(why)
        self.why, self.delay_s = why, delay_s


class _Call:
    """Asks an endpoint for one operation, and remembers how that went for the gate."""

    def __init__(self, operation: Operation, target: Target, services: Services) -> None:
        self._target, self._services = target, services
        self._keyed, self._headers = bool(operation.body["keyed"]), operation.body["headers"]
        self.took_s: float | None = None
        self.throttled = False

    def whole(self, operation: Operation, way: _Way) -> Step:
        """Score the body as it is."""
        now = self._services.clock
        try:
            answer = self._ask(_content(operation, self._services))
        except _Again as again:
            return _later(operation, way, again, self._services)
        except snapshots.EndpointParkedError as parked:  # after it was looked at: nothing was there to score
            return _wait_for_wake(operation, replace(way, blob=""), self._target, parked, self._services)
        except errors.OutcomeUnknownError as problem:
            return settle.fail(operation, problem.error, now(), http_status=problem.status)
        media = answer.headers.get("content-type", "application/json")
        headers = score_answers.passed_back(answer.headers)
        kept = Kept(status=answer.status, media=media, headers=headers, content=answer.content)
        score_answers.keep(self._services.ledger.blobs, way.blob, kept)
        return _ended(operation, way.blob, kept, self._services)

    def lines(self, operation: Operation, way: _Way) -> Step:
        """Score the lines one by one, as many as one step takes; a line that fails has an error in its place."""
        blobs, clock = self._services.ledger.blobs, self._services.clock
        lines = [line for line in _content(operation, self._services).splitlines() if line.strip()]
        out: list[bytes] = []
        end, again = clock() + LINES_BUDGET, None
        try:
            while way.at + len(out) < len(lines) and clock() < end:
                out.append(self._line(lines[way.at + len(out)]))
        except _Again as problem:
            again = problem
        except snapshots.EndpointParkedError as parked:
            again = _Again(parked.error.message, SETTLING_S)
        answers = b"".join(line + b"\n" for line in out)
        at = way.at + len(out)
        if at == len(lines):
            whole = b"".join(self._services.ledger.file(part) for part in way.parts) + answers
            kept = Kept(status=200, media=LINES_MEDIA, headers={}, content=whole)
            score_answers.keep(blobs, way.blob, kept)
            return _ended(operation, way.blob, kept, self._services)
        if out:
            part = f"operations/{operation.id}/lines/{at:09d}"
            blobs.put(part, answers)
            way = replace(way, at=at, parts=(*way.parts, part))
            operation = replace(operation, attempts=0, percent=round(100 * at / len(lines), 1))
        if again:
            return _later(operation, way, again, self._services)
        return Step(operation=replace(operation, plan=replace(way, blob="").plan()), delay_s=0.0)

    def _line(self, line: bytes) -> bytes:
        """Return a line's answer, as one line."""
        try:
            answer = self._ask(line)
        except errors.OutcomeUnknownError as problem:
            return _compact({"error": problem.error.to_json()})
        except errors.PermanentError as problem:
            return _compact({"error": {**problem.error.to_json(), "status": problem.status}})
        if answer.status < 400:
            return _compact(answer.body)
        said = answer.content.decode("utf-8", errors="replace")[: errors.MESSAGE_LIMIT]
        return _compact({"error": {"code": "ScoreFailed", "message": said, "status": answer.status}})

    def _ask(self, content: bytes) -> Response:
        began = time.monotonic()
        try:
            answer = self._services.scoring.score(self._target, content, self._headers)
        except errors.TransientError as problem:
            self.throttled = True
            if problem.maybe_arrived and not self._keyed:
                raise _lost(problem.error.message, self._target.id.path) from None
            raise _Again(problem.error.message, None) from None
        if answer.status in (AGAIN_IF_KEYED if self._keyed else AGAIN):
            self.throttled = True
            pause_s = client.retry_after_s(answer, now=self._services.clock())
            raise _Again(f"The endpoint answered {answer.status}.", pause_s)
        self.took_s = time.monotonic() - began
        return answer


def woken(operation: Operation, services: Services) -> None:
    """Call back the scores that waited for a wake that has ended; done again, it costs only messages that say nothing new.

    Raises:
        TransientError: the app's storage is out of reach.
    """
    endpoint = ids.parse(operation.target)
    services.scoring.forget(endpoint)
    for each in services.ledger.open.listed(models.scores_of(endpoint)):
        if text := each.entry().text:
            services.queue.send(text)


def missed(operation: Operation, services: Services) -> bool:
    """Return whether the wake that a score has just begun to wait for has ended meanwhile: it has called back only those before.

    Raises:
        TransientError: the app's storage is out of reach.
    """
    wake = _Way.of(operation, services).wake
    stored = services.ledger.load(wake) if wake else None
    if stored is None or not stored.operation.ended:
        return False
    services.scoring.forget(ids.parse(operation.target))
    return True


def _wait_for_wake(
    operation: Operation, way: _Way, target: Target, parked: snapshots.EndpointParkedError, services: Services
) -> Step:
    """Wait for the endpoint's wake, begun now or by another call; a wake that fails while a score waits for it ends the score."""
    wake, error, pause_s = services.wake(target, parked)
    if wake.status == "Failed" and wake.ended_at and wake.ended_at > operation.created_at:
        return settle.fail(operation, error, services.clock(), http_status=parked.status)
    if wake.status == "Succeeded":
        pause_s = SETTLING_S
    elif not wake.ended:
        pause_s, way = WAKE_S, replace(way, wake=wake.id)
    if not any(entry.what == "waits" and wake.id in entry.detail for entry in operation.timeline):
        operation = operation.noted(services.clock(), "waits", f"operation {wake.id} wakes the endpoint")
    return Step(operation=replace(operation, status="Running", plan=way.plan()), delay_s=pause_s)


def _later(operation: Operation, way: _Way, again: _Again, services: Services) -> Step:
    """Ask again after the endpoint's own Retry-After, else after a pause that doubles."""
    pause_s = again.delay_s
    if pause_s is None:
        pause_s = min(FIRST_PAUSE_S * 2 ** min(operation.attempts, 10), MOST_PAUSE_S)
    now = services.clock()
    if now + timedelta(seconds=pause_s) >= _end(operation, services):
        return _too_late(operation, again.why, services)
    if operation.attempts < NOTED:
        operation = operation.noted(now, "postponed", f"{again.why} It is asked again in {pause_s:.0f} s.")
    waiting = replace(operation, attempts=operation.attempts + 1, plan=replace(way, blob="").plan())
    return Step(operation=waiting, delay_s=pause_s)


def _ended(operation: Operation, name: str, answer: Kept, services: Services) -> Step:
    now = services.clock()
    result = score_answers.result(name, answer, services.settings.score_hours)
    operation = operation.noted(now, "answered", f"{answer.status}, {len(answer.content)} bytes")
    if answer.status < 400:
        return settle.moved(replace(operation, http_status=answer.status), long_running.Done(body=result), now)
    message = f"The endpoint answered {answer.status}; GET operations/{operation.id}/result has its answer as it came."
    error = errors.AzureError(code="ScoreFailed", message=message, target=operation.target)
    return settle.fail(operation, error, now, http_status=answer.status, body=result)


def _end(operation: Operation, services: Services) -> datetime:
    return operation.created_at + timedelta(hours=services.settings.score_hours)


def _too_late(operation: Operation, why: str, services: Services) -> Step:
    message = f"It was not scored within {services.settings.score_hours} hours (STEWARD_SCORE_HOURS). {why} Score again."
    error = errors.AzureError(code="Expired", message=message, target=operation.target)
    return settle.fail(operation, error, services.clock(), http_status=503)


def _unknown(operation: Operation, why: str, now: datetime) -> Step:
    problem = _lost(why, operation.target)
    return settle.fail(operation, problem.error, now, http_status=problem.status)


def _lost(why: str, target: str) -> errors.OutcomeUnknownError:
    message = (
        f"{why} The model may have run, and its answer is lost. The request has no Idempotency-Key, so it is not repeated. "
        "Score again if the model may run twice; with an Idempotency-Key the app repeats it by itself."
    )
    return errors.OutcomeUnknownError(message, target=target)


def _content(operation: Operation, services: Services) -> bytes:
    if blob := operation.files.get(BODY):
        return services.ledger.file(blob)
    return b64decode(operation.body["content"])


def _compact(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", errors="replace")
