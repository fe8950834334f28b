"""Firings: the requests of a rule, one after the other; each step is one queue message and is recorded before it is sent.

A firing's id is derived from the rule and its `oncePer` value, so that an event that is delivered twice finds the first
firing. Not here: which rules fire (matching), how a step is carried out (chains.asking).
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from shared.chains import asking, expressions
from shared.chains.asked import NOTIFY, Call
from shared.durable import due, lease, messages, records, storage, worker
from shared.durable.worker import Next
from shared.hooks.firing_record import Firing
from shared.rest import errors
from shared.telemetry import lines, meters, trace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from shared.chains.asked import Answer, Taken
    from shared.durable.messages import Message
    from shared.durable.records import Versioned
    from shared.durable.storage import Queue, Row, Rows
    from shared.hooks.rules import Step

log = logging.getLogger("steward.hooks")

PARTITION = "firing"
RECIPES = "recipe"  # recipe runs, which are in the same table
KEPT = (PARTITION, RECIPES)
ROW_LIMIT = 400_000  # characters of a firing as JSON; a table row can hold 1 MiB of UTF-16
GRACE = lease.LEASE  # a step this long after its due time counts as lost


class Services(asking.Services, Protocol):
    """What firings need of the composition root."""

    @property
    def hook_rows(self) -> Rows: ...  # noqa: D102
    @property
    def event_queue(self) -> Queue: ...  # noqa: D102


def id_of(rule: str, once: str) -> str:
    """Return the id of the firing of a rule for one value of `oncePer` (an event's key where the rule has none)."""
    return hashlib.sha256(f"{rule}\n{once}".encode()).hexdigest()[:40]


def begin(firing: Firing, services: Services, *, delay_s: float = 0.0) -> bool:
    """Record a firing and queue its first step; False when it already exists (a lost step is queued again).

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
    """Return the table of firings."""
    return records.Table(rows=services.hook_rows, row_of=row_of, from_row=from_row, name="firings")


def load(firing_id: str, services: Services) -> Versioned[Firing] | None:
    """Return a firing, or None."""
    return table(services).load(PARTITION, firing_id)


def newest(top: int, services: Services, *, before: str = "", **wanted: str) -> list[Firing]:
    """Return the newest firings, newest first, optionally only those of a `rule`, a `status`, or the key of an `event`.

    Args:
        top: The maximum number.
        services: The composition root.
        before: Only those before this `place`, '' for all.
        wanted: The filters.
    """
    equal = {name: value for name, value in wanted.items() if value}
    return table(services).newest(top, before=before, partition=PARTITION, equal=equal or None)


def place(firing: Firing) -> str:
    """Return its sort key by time."""
    return records.place(firing.created_at, firing.id)


def cancel(firing_id: str, services: Services) -> Firing | None:
    """Cancel a firing and return it, None when it does not exist. Requests that were sent go on in Azure."""
    while known := load(firing_id, services):
        if known.value.ended:
            return known.value
        message = "The rule run was canceled. No further step starts. An operation under way continues; cancel it separately."
        error = errors.AzureError(code="Canceled", message=message, target=known.value.step.name)
        canceled = replace(_failed(known.value, error, services.clock()), status="Canceled")
        try:
            return worker.record(MACHINE, Next(known=known, value=canceled, delay_s=None), services).value
        except storage.ConflictError:  # a step was recorded meanwhile
            continue
    return None


def wake(firing_id: str, services: Services) -> None:
    """Queue a firing, because an operation that it waits for has ended."""
    services.event_queue.send(_message(firing_id))


def _message(firing_id: str) -> str:
    return messages.Message(machine="firing", key=(firing_id,)).to_text()


def _advanced(known: Versioned[Firing], _message: Message, services: Services) -> Next[Versioned[Firing], Firing]:
    moved, delay_s = _moved(known.value, services)
    moved = replace(moved, due_at=services.clock() + timedelta(seconds=delay_s or 0.0) + GRACE)
    try:
        row_of(moved)
    except errors.BadRequestError as problem:  # the answers fill the row
        moved, delay_s = _failed(known.value, problem.error, services.clock()), None
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
    """Delete firings that ended before `before`, and other rows with a limited lifetime."""
    return records.purge(
        services.hook_rows, services.clock(), lambda row: row.partition not in KEPT or row.columns["ended_at"] < before
    )


# Steps are not claimed: two workers with the same step send the same request with the same key, which the API carries out
# once, and only one of them can record the result.
MACHINE = worker.Machine["Services", "Versioned[Firing]", "Firing"](
    name="firing",
    queue=messages.EVENT_QUEUE,
    record=Firing,
    send=lambda services: services.event_queue,
    load=lambda message, services: load(str(message.key[0]), services),
    advance=_advanced,
    save=lambda step, services: table(services).save(step.known, step.value),
    key=lambda known: (known.value.id,),
    due_at=lambda known: None if known.value.ended else known.value.due_at,
    lease=GRACE,
    give_up=_give_up,
    overdue=_overdue,
    purge=_purge,
    after=_ended,
    renew=lambda known, at, services: table(services).save(known, replace(known.value, due_at=at)),
    within=lambda known: trace.bound(known.value.trace),
)


@dataclass(frozen=True, slots=True)
class _Chain:
    """A firing as an asking.Chain: steps are not retried, and created resources are not recorded."""

    firing: Firing
    sort = "rule"

    def seen(self) -> dict[str, Any]:
        return self.firing.seen()

    def call_of(self, step: Step, _taken: Taken) -> Call:
        return call_of(self.firing, step)

    def failed(self, _step: Step, taken: Taken, _status: int, error: errors.AzureError, now: datetime) -> Taken:
        return asking.failed(taken, error, now)

    def made(self, _step: Step, _taken: Taken, _answer: Answer, _services: Services) -> dict[str, str]:
        return {}


def _moved(firing: Firing, services: Services) -> tuple[Firing, float | None]:
    """Return the firing after one more step, and the pause before the next (None when it has ended)."""
    step, before, now = firing.step, firing.taken, services.clock()
    taken = asking.guarded(lambda: asking.take(step, before, _Chain(firing), services), step, before, now)
    moved = firing.having(taken)
    if taken.state == "Failed":
        return _failed(moved, errors.AzureError.from_json(dict(taken.error or {})), now), None
    if not taken.over:
        return moved, max(0.0, (taken.at - now).total_seconds()) if taken.at else 0.0
    if moved.position < len(moved.rule.steps):
        return moved, 0.0
    return moved.over("Succeeded", now), None


def _failed(firing: Firing, error: errors.AzureError, now: datetime) -> Firing:
    return firing.over("Failed", now, error)


def preview(firing: Firing, step: Step) -> dict[str, Any]:
    """Return the request of a step, without the answers of earlier steps, which are not known yet."""
    does = {"name": step.name, "method": step.method or NOTIFY}
    try:
        call = call_of(firing, step)
    except (expressions.NothingThereError, errors.BadRequestError) as unknown:
        return {**does, "path": step.path or step.notify, "body": step.body, "unknown": str(unknown)}
    return {**does, "path": call.path, **({"headers": dict(call.headers)} if call.headers else {}), "body": call.body}


def call_of(firing: Firing, step: Step) -> Call:
    """Return the request of a step.

    Raises:
        NothingThereError: an expression in its path or headers has no result.
        BadRequestError: `InvalidPath`; a value would leave its segment.
    """
    return Call(
        **asking.request_of(step, firing.seen()),
        key=f"{firing.id}-{step.name}",
        caller=f"rule:{firing.rule.name}",
        firing=firing.id,
        depth=firing.depth,
        author=firing.rule.author,
    )


def row_of(firing: Firing) -> Row:
    """Return the row of a firing.

    Raises:
        BadRequestError: `EventTooLarge`; it does not fit.
    """
    chunks = records.chunked(firing.to_json())
    length = sum(map(len, chunks.values()))
    if length > ROW_LIMIT + (2 * asking.ANSWER_LIMIT if firing.ended else 0):  # the last answer, or an error, still fits the row
        message = f"The event and its resource have {length} characters; a firing can hold {ROW_LIMIT}."
        raise errors.BadRequestError("EventTooLarge", message)
    columns: dict[str, Any] = {"rule": firing.rule.name, "status": firing.status, "created_at": firing.created_at}
    columns |= {"due_at": firing.due_at, **chunks, **({"event": firing.event_key} if firing.event_key else {})}
    if firing.ended_at:
        columns["ended_at"] = firing.ended_at
    return storage.Row(partition=PARTITION, key=firing.id, columns=columns)


def from_row(row: Row) -> Firing:
    """Read a row that `row_of` made."""
    return Firing.from_json(records.joined(row.columns))
