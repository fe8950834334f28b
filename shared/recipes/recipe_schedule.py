"""The machine of a recipe's schedule: it starts the recipe once for each moment at which that is due, and waits for the next one.

The recipe as it is kept says when it is due, and a start has a key of recipe and moment: whatever comes twice, dies or is changed
meanwhile, a moment has one run. What was missed while the app was down is one start, the latest. Not here: what NCRONTAB means
(cleanup.policy.ncrontab), the run (run_steps).
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared.chains.asked import Call
from shared.cleanup.policy import ncrontab
from shared.durable import codec, lease, messages, records, storage, versions, worker
from shared.durable.worker import Next
from shared.recipes import recipe_store
from shared.rest import errors
from shared.text import times

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from shared.durable.messages import Message
    from shared.durable.records import Versioned
    from shared.durable.storage import Row
    from shared.recipes.run_steps import Services

    type Known = Versioned[Schedule]

log = logging.getLogger("steward.recipes")

VERSION = 1
PARTITION = "schedule"
GRACE = lease.LEASE  # how long after its due time a step counts as lost
ORPHAN = timedelta(minutes=10)  # for so long a PUT may be under way whose recipe is not there yet; a function has five
LOOK_S = 60.0  # how soon it is looked for again
MOMENTS = ("since", "asked_at", "due_at", "last_at", "ended_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """What is known of a recipe's schedule.

    Attributes:
        name: The recipe's.
        since: Up to when every moment has been started, or passed.
        asked_at: When a recipe with a schedule was put under that name last.
        due_at: When its next step is overdue.
        expression: What the recipe's schedule was at the last look, '' before one.
        step: A message of an earlier one is stale.
        last_at, last_run: The moment that was started last, and its run.
        problem: Why the last start failed, '' for none.
    """

    name: str
    since: datetime
    asked_at: datetime
    due_at: datetime
    expression: str = ""
    step: int = 0
    last_at: datetime | None = None
    last_run: str = ""
    problem: str = ""
    ended_at: datetime | None = None
    unknown: Mapping[str, Any] = field(default_factory=dict)

    def missed(self, expression: str, put_at: datetime, now: datetime) -> datetime | None:
        """Return the latest due time without a start: of this schedule since its PUT, and of the one before it."""
        found = ncrontab.due(expression, max(self.since, put_at), now)
        return found or (ncrontab.due(self.expression, self.since, min(put_at, now)) if self.expression else None)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {"version": VERSION} | codec.dated(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Schedule:
        """Read back what `to_json` wrote.

        Raises:
            ValueError: it was written by a newer version of the app.
        """
        versions.check(stored, VERSION, f"the schedule of {stored['name']}")
        return cls(**codec.members(cls, stored) | codec.moments(stored, MOMENTS))


def put(kept: recipe_store.Kept, services: Services) -> None:
    """Keep a recipe that has a schedule: the record comes first, so that a schedule that is kept is looked at, whatever dies.

    Raises:
        BadRequestError: `TooManyRecipes`.
        TransientError: the app's storage is out of reach.
    """
    known = _load(kept.name, services)  # in this order: the answer has storage's clock
    while True:
        now = services.clock()
        services.due.put(worker.entry(MACHINE, (kept.name,), 0.0, services))
        fresh = Schedule(name=kept.name, since=now, asked_at=now, due_at=now + GRACE)
        if known is None:
            saved = _table(services).insert(fresh)
        else:
            fresh = replace(fresh if known.value.ended_at else known.value, asked_at=now, due_at=now + GRACE)
            saved = _saved(known, replace(fresh, step=known.value.step + 1), services)
        if saved:
            break
        known = _load(kept.name, services)
    recipe_store.put(replace(kept, at=services.clock()), services.blobs)
    try:
        services.queue.send(MACHINE.message(saved))
    except errors.TransientError as problem:  # it is recorded: the timer finds it
        log.warning("the schedule of recipe %s waits for the timer: %s", kept.name, problem)


def view(kept: recipe_store.Kept, services: Services) -> dict[str, Any]:
    """Return when a recipe starts next and the result of its last start, {} without a schedule."""
    expression = kept.recipe.schedule
    if not expression:
        return {}
    known = _load(kept.name, services)
    out: dict[str, Any] = {"next": times.iso(ncrontab.following(expression, services.clock()))}
    if known and known.value.last_at:
        out |= {"last": times.iso(known.value.last_at), "lastRun": f"/recipes/runs/{known.value.last_run}"}
    return out | ({"problem": known.value.problem} if known and known.value.problem else {})


def _advanced(known: Known, _message: Message, services: Services) -> Next[Known, Schedule]:
    """Start the recipe if it is due, and wait for the next due time."""
    schedule, now = known.value, services.clock()
    # Read after the clock: what was put or deleted before a moment counts for it.
    kept = recipe_store.find(schedule.name, services.blobs)
    try:
        expression = kept.recipe.schedule if kept else ""
    except errors.BadRequestError as problem:  # a later version's, perhaps
        return _next(known, replace(schedule, problem=_said(problem.error)), ORPHAN.total_seconds(), services)
    if kept is None or kept.at is None or not expression:
        if now - schedule.asked_at < ORPHAN:
            return _next(known, schedule, LOOK_S, services)
        return _next(known, replace(schedule, ended_at=now, expression=""), None, services)
    if at := schedule.missed(expression, kept.at, now):
        schedule = _started(schedule, kept, at, services)
    following = ncrontab.following(expression, now)
    delay_s = math.ceil((following - services.clock()).total_seconds())
    return _next(known, replace(schedule, expression=expression, since=now), delay_s, services)


def _started(schedule: Schedule, kept: recipe_store.Kept, at: datetime, services: Services) -> Schedule:
    """Request the recipe's start, as a rule does, with the rights of the recipe's author. A repeated request is the same run.

    Raises:
        TransientError: it could not be accepted now.
    """
    asked = Call(
        method="POST",
        path=f"recipes/{kept.name}",
        headers={},
        body=None,
        key=f"schedule {kept.name} {times.iso(at)}",
        caller=f"schedule:{kept.name}",
        firing="",
        depth=0,
        author={"name": kept.by, "grants": list(kept.grants)},
    )
    answer = services.perform(asked)
    started = replace(schedule, last_at=at, problem="")
    if answer.status < 400:
        return replace(started, last_run=str(answer.body["name"]))
    error = errors.AzureError.from_json(answer.body["error"])
    if error.code == "IdempotencyKeyReused":  # this moment's run began before the recipe was changed
        return started
    log.warning("recipe %s was due at %s and did not start: %s", kept.name, at, error.message)
    return replace(schedule, problem=f"The start due at {times.iso(at)} failed: {_said(error)}"[:500])


def _said(error: errors.AzureError) -> str:
    return f"{error.code}: {error.message}"[:500]


def _next(known: Known, moved: Schedule, delay_s: float | None, services: Services) -> Next[Known, Schedule]:
    due_at = services.clock() + timedelta(seconds=max(0.0, delay_s or 0.0)) + GRACE
    moved = replace(moved, due_at=due_at, step=known.value.step + 1)
    return Next(known=known, value=moved, delay_s=None if delay_s is None else max(0.0, delay_s))


def _give_up(known: Known, reason: str, services: Services) -> Next[Known, Schedule]:
    """Skip this due time; the schedule continues."""
    now = services.clock()
    return _next(known, replace(known.value, since=now, problem=reason), LOOK_S, services)


def _table(services: Services) -> records.Table[Schedule]:
    return records.Table(rows=services.hook_rows, row_of=row_of, from_row=from_row, name="schedules of recipes")


def _load(name: str, services: Services) -> Known | None:
    return _table(services).load(PARTITION, name)


def _saved(known: Known, value: Schedule, services: Services) -> Known | None:
    """Save a schedule; None where another worker changed it."""
    try:
        return _table(services).save(known, value)
    except storage.ConflictError:
        return None


def row_of(schedule: Schedule) -> Row:
    """Return the row of a schedule."""
    columns: dict[str, Any] = {**records.chunked(schedule.to_json()), "created_at": schedule.asked_at, "due_at": schedule.due_at}
    columns |= {"scheduled": not schedule.ended_at} | ({"ended_at": schedule.ended_at} if schedule.ended_at else {})
    return storage.Row(partition=PARTITION, key=schedule.name, columns=columns)


def from_row(row: Row) -> Schedule:
    """Read back what `row_of` made."""
    return Schedule.from_json(records.joined(row.columns))


def _overdue(before: datetime, services: Services) -> Iterator[Known]:
    yield from _table(services).find(partition=PARTITION, equal={"scheduled": True}, below={"due_at": before})


def _purge(before: datetime, services: Services) -> int:
    return records.purge(services.hook_rows, before, lambda row: row.partition == PARTITION)


MACHINE = worker.Machine["Services", "Versioned[Schedule]", "Schedule"](
    name="schedule",
    queue=messages.QUEUE,
    record=Schedule,
    send=lambda services: services.queue,
    load=lambda message, services: _load(str(message.key[0]), services),
    advance=_advanced,
    save=lambda step, services: _table(services).save(step.known, step.value),
    key=lambda known: (known.value.name,),
    step=lambda known: known.value.step,
    due_at=lambda known: None if known.value.ended_at else known.value.due_at,
    lease=GRACE,
    give_up=_give_up,
    overdue=_overdue,
    purge=_purge,
)
