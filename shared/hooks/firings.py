"""A rule that fired: its requests one after the other, each step one queue message, recorded before it is sent.

A firing's id is derived from the rule and from what it fires once for, so that an event that comes twice finds the firing
of the first time. Each request carries an Idempotency-Key made of the firing and the step: taken twice, it is done once.
Not here: which rules fire (intake), what a request does (the API itself, handed in as `perform`).
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from shared.api.access import approvals
from shared.chains import expressions
from shared.durable import aside, due, lease, messages, records, storage, worker
from shared.durable.aside import UnreadableError
from shared.durable.worker import Next
from shared.hooks.firing_record import NOTIFY, Answer, Call, Firing
from shared.rest import errors
from shared.telemetry import lines, meters, trace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from shared.durable.messages import Message
    from shared.durable.records import Versioned
    from shared.durable.storage import Queue, Row, Rows
    from shared.hooks.rules import Asking, Step
    from shared.operations.ledger import Ledger

log = logging.getLogger("steward.hooks")

PARTITION = "firing"
RECIPES = "recipe"  # the runs of recipes, which are rows of the same table
KEPT = (PARTITION, RECIPES)
ROW_LIMIT = 400_000  # characters of a firing as JSON; a table row takes 1 MiB of UTF-16
ANSWER_LIMIT = 16 * 1024  # characters of an answer kept for later steps; a larger one is told by its size
PRIVATE = "The answer may hold keys or tokens: `expect` can read it, and it is not recorded."
NO_RECEIVER = "The setting STEWARD_NOTIFY names no receiver of a 'notify' step."
ATTEMPTS = 12
LONGEST_PAUSE_S = 600.0
GRACE = lease.LEASE  # how long after its due time a step counts as lost
LOOK_AGAIN = timedelta(minutes=1)  # at an approval that a request waits for
WAIT_AGAIN = timedelta(minutes=10)  # how often a firing looks itself whether the operation it waits for has ended
NOT_DONE = (408, 429, 500, 502, 503, 504)


class Services(worker.World, approvals.Services, Protocol):
    """What firings need of the composition root."""

    @property
    def hook_rows(self) -> Rows: ...  # noqa: D102
    @property
    def event_queue(self) -> Queue: ...  # noqa: D102
    @property
    def ledger(self) -> Ledger: ...  # noqa: D102

    def perform(self, call: Call) -> Answer:
        """Make a rule's request of the app's API."""


def id_of(rule: str, once: str) -> str:
    """Return the id of the firing of a rule for one value of `oncePer` (an event's key where the rule has none)."""
    return hashlib.sha256(f"{rule}\n{once}".encode()).hexdigest()[:40]


def begin(firing: Firing, services: Services, *, delay_s: float = 0.0) -> bool:
    """Record a firing and queue its first step; False when it exists already (its step is queued again if it was lost).

    Raises:
        BadRequestError: `EventTooLarge`; the event and its resource do not fit a row.
        TransientError: the app's storage is out of reach; nothing was recorded.
    """
    first = replace(firing, due_at=firing.due_at + timedelta(seconds=delay_s))
    if not first.ended:
        services.due.put(worker.entry(MACHINE, (first.id,), delay_s, services))
    if table(services).insert(first) is None:
        return False
    if not first.ended and not due.is_long(delay_s):
        services.event_queue.send(_message(first.id), delay_s=delay_s)
    return True


def table(services: Services) -> records.Table[Firing]:
    """Return all firings."""
    return records.Table(rows=services.hook_rows, row_of=row_of, from_row=from_row, name="firings")


def load(firing_id: str, services: Services) -> Versioned[Firing] | None:
    """Return a firing, or None."""
    return table(services).load(PARTITION, firing_id)


def newest(top: int, services: Services, *, before: str = "", **wanted: str) -> list[Firing]:
    """Return the newest firings, newest first: of a `rule`, a `status`, or the key of an `event` where one is given.

    Args:
        top: How many.
        services: The composition root.
        before: Only those before that place (`place`), '' for all.
        wanted: What they must be of.
    """
    equal = {name: value for name, value in wanted.items() if value}
    return table(services).newest(top, before=before, partition=PARTITION, equal=equal or None)


def place(firing: Firing) -> str:
    """Return its place in the order of time."""
    return records.place(firing.created_at, firing.id)


def cancel(firing_id: str, services: Services) -> Firing | None:
    """Take no further step of a firing, and return it; None for one that is not there. What was submitted goes on in Azure."""
    while known := load(firing_id, services):
        if known.value.ended:
            return known.value
        message = "It was cancelled: no further step is taken. An operation that it waited for goes on; cancel that by itself."
        error = errors.AzureError(code="Canceled", message=message, target=known.value.step.name)
        canceled = replace(_failed(known.value, error, services.clock()), status="Canceled")
        try:
            return worker.record(MACHINE, Next(known=known, value=canceled, delay_s=None), services).value
        except storage.ConflictError:  # a step was recorded meanwhile
            continue
    return None


def wake(firing_id: str, services: Services) -> None:
    """Put a firing on the queue: an operation that it waits for has ended."""
    services.event_queue.send(_message(firing_id))


def _message(firing_id: str) -> str:
    return messages.Message(machine="firing", key=(firing_id,)).to_text()


def _advanced(known: Versioned[Firing], _message: Message, services: Services) -> Next[Versioned[Firing], Firing]:
    firing = known.value
    try:
        moved, delay_s = _moved(firing, services)
    except errors.TransientError as problem:
        moved, delay_s = _again(firing, problem.error, services.clock(), problem.delay_s)
    except (errors.PermanentError, expressions.NothingThereError) as problem:
        error = problem.error if isinstance(problem, errors.PermanentError) else None
        said = error or errors.AzureError(code="ExpressionFoundNothing", message=f"{problem}.", target=firing.step.name)
        moved, delay_s = _failed(firing, said, services.clock()), None
    moved = replace(moved, due_at=services.clock() + timedelta(seconds=delay_s or 0.0) + GRACE)
    try:
        row_of(moved)
    except errors.BadRequestError as problem:  # the answers fill the row
        moved, delay_s = _failed(firing, problem.error, services.clock()), None
    return Next(known=known, value=moved, delay_s=delay_s)


def _ended(before: Versioned[Firing], saved: Versioned[Firing], _services: Services) -> None:
    moved = saved.value
    if moved.ended and not before.value.ended:
        code = moved.error.code if moved.error else ""
        meters.count("steward.firings", 1, rule=moved.rule.name, status=moved.status)
        lines.event(log, logging.INFO, "firing.ended", firing=moved.id, rule=moved.rule.name, status=moved.status, code=code)


def _give_up(known: Versioned[Firing], reason: str, services: Services) -> Next[Versioned[Firing], Firing]:
    error = errors.AzureError(code="StewardInternalError", message=reason)
    return Next(known=known, value=_failed(known.value, error, services.clock()), delay_s=None)


def _overdue(before: datetime, services: Services) -> Iterator[Versioned[Firing]]:
    yield from table(services).find(partition=PARTITION, equal={"status": "Running"}, below={"due_at": before})


def _purge(before: datetime, services: Services) -> int:
    """Delete firings that ended before that moment, and what was remembered only for a time."""
    return records.purge(
        services.hook_rows, services.clock(), lambda row: row.partition not in KEPT or row.columns["ended_at"] < before
    )


# A step is claimed by no worker: two that take it at once send the same request under the same key, which the API carries out
# once, and only one of them can record what came of it.
MACHINE = worker.Machine["Services", "Versioned[Firing]", "Firing"](
    name="firing",
    queue=messages.EVENT_QUEUE,
    record=Firing,
    send=lambda services: services.event_queue,
    load=lambda message, services: load(str(message.key[0]), services),
    advance=_advanced,
    save=lambda step, services: table(services).save(step.known, step.value),
    key=lambda known: (known.value.id,),
    step=lambda _known: 0,
    due_at=lambda known: None if known.value.ended else known.value.due_at,
    lease=GRACE,
    give_up=_give_up,
    overdue=_overdue,
    purge=_purge,
    after=_ended,
    renew=lambda known, at, services: table(services).save(known, replace(known.value, due_at=at)),
    within=lambda known: trace.bound(known.value.trace),
)


def _moved(firing: Firing, services: Services) -> tuple[Firing, float | None]:
    """Return the firing after one more step, and the pause before the next (None when it has ended)."""
    step, now = firing.step, services.clock()
    if firing.approval:
        return _approved(firing, services)
    if firing.operation:
        return _waited(firing, services)
    if step.when and not expressions.holds(step.when, firing.seen()):
        return _on(firing, {"skipped": True}, now)
    return _taken(firing, services.perform(call_of(firing, step)), now)


def _taken(firing: Firing, answer: Answer, now: datetime) -> tuple[Firing, float | None]:
    """Return the firing after the first answer to a step: it goes on, waits, or takes the step again."""
    if answer.skipped:
        return _on(firing, {"skipped": True, "reason": answer.skipped}, now)
    if answer.operation:
        return replace(firing, operation=answer.operation, attempts=0), WAIT_AGAIN.total_seconds()
    if answer.approval:
        return replace(firing, approval=answer.approval, attempts=0), LOOK_AGAIN.total_seconds()
    if answer.status in NOT_DONE:
        return _again(firing, error_of(answer), now, None)
    return _answered(firing, answer, now)


def _approved(firing: Firing, services: Services) -> tuple[Firing, float | None]:
    answer = decided(firing.approval, firing.step.name, services)
    if answer is None:
        return firing, LOOK_AGAIN.total_seconds()
    known = replace(firing, approval="")
    if answer.operation:
        return _waited(replace(known, operation=answer.operation), services)
    return _answered(known, answer, services.clock())


def decided(approval_id: str, step: str, services: Services) -> Answer | None:
    """Return what a request that waited for an approval came to; None while it waits.

    Raises:
        BadRequestError: `ApprovalRefused`, `ApprovalExpired`; `ApprovalNotFound`, it is no longer kept.
    """
    found = approvals.load(approval_id, services).value
    if found.status == "Pending" or (found.status == "Approved" and not found.answered):
        return None
    if found.status != "Approved":
        message = f"Its request was {found.status.lower()}" + (f" by {found.by}." if found.by else ".")
        raise errors.BadRequestError(f"Approval{found.status}", message, target=step)
    return Answer(status=found.answered, operation=found.operation)


def _waited(firing: Firing, services: Services) -> tuple[Firing, float | None]:
    answer = end_of(firing.operation, services.ledger)
    if answer is None:
        return firing, WAIT_AGAIN.total_seconds()
    return _answered(replace(firing, operation=""), answer, services.clock(), operation=firing.operation)


def end_of(operation_id: str, ledger: Ledger) -> Answer | None:
    """Return what an operation that a step waits for came to; None while it goes on, or cannot be read now.

    Raises:
        BadRequestError: `OperationNotFound`; it is no longer kept.
    """
    try:
        stored = ledger.load(operation_id)
    except UnreadableError as problem:  # it may be readable again
        aside.note(f"operation {operation_id}", problem)
        return None
    if stored is None:
        raise errors.BadRequestError("OperationNotFound", f"The operation {operation_id} is no longer kept.")
    operation = stored.operation
    if not operation.ended:
        return None
    body: Any = ledger.whole(operation).result
    if operation.status != "Succeeded":
        error = operation.error or errors.AzureError(code=operation.status, message="The operation ended without a reason.")
        body = {"error": error.to_json()}
    return Answer(status=operation.end_status, body=body)


def _answered(firing: Firing, answer: Answer, now: datetime, *, operation: str = "") -> tuple[Firing, float | None]:
    """Go on after an answer: it must be a success, or what `expect` says."""
    step = firing.step
    taken = {"status": answer.status, "body": kept(answer), **({"operation": operation} if operation else {})}
    known = replace(firing, answers={**firing.answers, step.name: taken})
    if step.expect:
        if not expressions.holds(step.expect, {**known.seen(), "status": answer.status, "body": answer.body}):
            message = f"The answer of '{step.name}' ({answer.status}) is not what the rule expects: {step.expect}"
            return _failed(known, errors.AzureError(code="NotExpected", message=message, target=step.name), now), None
    elif answer.status >= 400:
        return _failed(known, error_of(answer), now), None
    return _on(known, taken, now)


def _on(firing: Firing, taken: Mapping[str, Any], now: datetime) -> tuple[Firing, float | None]:
    moved = replace(
        firing, answers={**firing.answers, firing.step.name: taken}, position=firing.position + 1, attempts=0, operation=""
    )
    if moved.position < len(moved.rule.steps):
        return moved, 0.0
    return moved.over("Succeeded", now), None


def _again(firing: Firing, error: errors.AzureError, now: datetime, delay_s: float | None) -> tuple[Firing, float | None]:
    attempts = firing.attempts + 1
    if attempts >= ATTEMPTS:
        return _failed(firing, error, now), None
    return replace(firing, attempts=attempts, error=None), max(delay_s or 0.0, min(2.0**attempts, LONGEST_PAUSE_S))


def _failed(firing: Firing, error: errors.AzureError, now: datetime) -> Firing:
    return firing.over("Failed", now, error)


def preview(firing: Firing, step: Step) -> dict[str, Any]:
    """Return what a step would send as far as that is known before it: answers of earlier steps are not."""
    does = {"name": step.name, "method": step.method or NOTIFY}
    try:
        call = call_of(firing, step)
    except (expressions.NothingThereError, errors.BadRequestError) as unknown:
        return {**does, "path": step.path or step.notify, "body": step.body, "unknown": str(unknown)}
    return {**does, "path": call.path, **({"headers": dict(call.headers)} if call.headers else {}), "body": call.body}


def call_of(firing: Firing, step: Step) -> Call:
    """Return the request of a step.

    Raises:
        NothingThereError: an expression of its path or headers finds nothing.
        BadRequestError: `InvalidPath`; a value would leave its segment.
    """
    return Call(
        **request_of(step, firing.seen()),
        key=f"{firing.id}-{step.name}",
        caller=f"rule:{firing.rule.name}",
        firing=firing.id,
        depth=firing.depth,
        author=firing.rule.author,
    )


def request_of(step: Asking, seen: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of a call that a step's own fields make.

    Raises:
        NothingThereError: an expression of its path or headers finds nothing.
        BadRequestError: `InvalidPath`; a value would leave its segment.
    """
    path = expressions.text(step.path, seen, encode=segment)
    return {
        "method": step.method or NOTIFY,
        "path": path if step.method else expressions.text(step.notify, seen),
        "headers": {name: expressions.text(value, seen) for name, value in step.headers.items()},
        "body": expressions.render(step.body, seen),
    }


def segment(text: str) -> str:
    """Return a value as it stands in a path: always within its own segment."""
    if text in (".", "..", ""):
        raise errors.BadRequestError(
            "InvalidPath", f"An expression of the path finds '{text}', which names nothing.", target="request"
        )
    return quote(text, safe="")


def kept(answer: Answer) -> Any:
    """Return what is recorded of an answer for later steps."""
    if answer.private:
        return {"$omitted": PRIVATE}
    length = len(json.dumps(answer.body))
    return answer.body if length <= ANSWER_LIMIT else {"$omitted": length}


def error_of(answer: Answer) -> errors.AzureError:
    """Return the error that an answer is."""
    inner = answer.body.get("error") if isinstance(answer.body, dict) else None
    if isinstance(inner, dict) and isinstance(inner.get("code"), str) and isinstance(inner.get("message"), str):
        return errors.AzureError(code=inner["code"], message=inner["message"])
    return errors.AzureError(code="RequestFailed", message=f"The answer was {answer.status}.")


def row_of(firing: Firing) -> Row:
    """Return the row of a firing.

    Raises:
        BadRequestError: `EventTooLarge`; it does not fit.
    """
    chunks = records.chunked(firing.to_json())
    length = sum(map(len, chunks.values()))
    if length > ROW_LIMIT + (2 * ANSWER_LIMIT if firing.ended else 0):  # the last answer, or an error, still fits the row
        message = f"The event and its resource have {length} characters; {ROW_LIMIT} fit a firing."
        raise errors.BadRequestError("EventTooLarge", message)
    columns: dict[str, Any] = {"rule": firing.rule.name, "status": firing.status, "created_at": firing.created_at}
    columns |= {"due_at": firing.due_at, **chunks, **({"event": firing.event_key} if firing.event_key else {})}
    if firing.ended_at:
        columns["ended_at"] = firing.ended_at
    return storage.Row(partition=PARTITION, key=firing.id, columns=columns)


def from_row(row: Row) -> Firing:
    """Read back what `row_of` made."""
    return Firing.from_json(records.joined(row.columns))
