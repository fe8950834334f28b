"""The machine of a recipe's run: each step runs when its needs have ended, and each request has a key of run and step.

A request that is sent twice is carried out once by that key. Each answer is recorded before the next step is taken; several
steps may be taken for one message. Not here: what comes next (recipe_run, pure), what a request does (the API, as `perform`).
"""

from __future__ import annotations

import hashlib
import logging
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from shared.catalog import bodies
from shared.chains import asking, expressions
from shared.chains.asked import NOTIFY, Answer, Call, Taken
from shared.durable import messages, records, storage, worker
from shared.durable.worker import Next
from shared.hooks import firings
from shared.notify import notices, notifications
from shared.recipes import undo_checks
from shared.recipes.created import created
from shared.recipes.recipe import CLASSES
from shared.recipes.recipe_run import LOST, Run
from shared.rest import errors
from shared.telemetry import lines, meters, trace
from shared.text import words

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from shared.durable.messages import Message
    from shared.durable.records import Versioned
    from shared.durable.storage import Row
    from shared.recipes.recipe import Step

log = logging.getLogger("steward.recipes")

PARTITION = firings.RECIPES
ROW_LIMIT = 400_000  # characters of a run as JSON; a table row takes 1 MiB of UTF-16
STEPS_LIMIT = 25  # that are taken for one message
BUDGET = timedelta(seconds=60)  # of one message
SEND_WITHIN = timedelta(seconds=60)  # of the last look
RETRY_S = 5.0  # before the first of the tries that `retry` asks for


class Services(firings.Services, undo_checks.Services, notifications.Services, Protocol):
    """What runs need of the composition root."""


def begin(run: Run, services: Services) -> Run | None:
    """Record a run and queue its first step; None if it already exists.

    Raises:
        BadRequestError: `RunTooLarge`.
        TransientError: the app's storage is out of reach; nothing was recorded.
    """
    row_of(run)
    services.due.put(worker.entry(MACHINE, (run.id,), 0.0, services))
    made = table(services).insert(run)
    if made is None:
        return None
    wake(run.id, services)
    return made.value


def table(services: Services) -> records.Table[Run]:
    """Return all runs."""
    return records.Table(rows=services.hook_rows, row_of=row_of, from_row=from_row, name="runs of recipes")


def load(run_id: str, services: Services) -> Versioned[Run] | None:
    """Return a run, or None."""
    return table(services).load(PARTITION, run_id)


def wake(run_id: str, services: Services, *, delay_s: float = 0.0) -> None:
    """Put a run on the queue."""
    services.queue.send(messages.Message(machine="recipe", key=(run_id,)).to_text(), delay_s=delay_s)


def changed(run_id: str, change: Any, services: Services) -> Run:
    """Record a caller's decision about a run, even while its steps are running.

    Args:
        run_id: The run, which exists.
        change: The run → the changed run, None for no change.
        services: The app.
    """
    while True:
        known = load(run_id, services)
        if known is None:
            raise missing(run_id)
        moved: Run | None = change(known.value)
        if moved is None:
            return known.value
        try:
            step = Next(known=known, value=moved, delay_s=None if moved.ended else 0.0)
            return worker.record(MACHINE, step, services).value
        except storage.ConflictError:  # a step was recorded meanwhile
            continue


def missing(run_id: str) -> errors.BadRequestError:
    """Return the refusal for a run that does not exist."""
    message = f"There is no recipe run '{run_id[:60]}'; GET recipes/runs lists them."
    return errors.BadRequestError("RunNotFound", message, target="id", status=404)


def cancel(run_id: str, services: Services) -> Run:
    """Stop a run before its next step, and return it; submitted operations continue in Azure."""
    message = "The run was canceled. No further step starts. Operations under way continue; cancel them separately."
    error = errors.AzureError(code="Canceled", message=message)
    return changed(run_id, lambda run: None if run.ended else run.over("Canceled", services.clock(), error), services)


def approve(run_id: str, name: str, who: str, services: Services) -> Run:
    """Record that a step was approved."""

    def approved(run: Run) -> Run | None:
        taken = run.taken(name)
        if run.ended or taken.state != "Running":
            return None
        return run.having(name, asking.ended(replace(taken, by=who, at=None), "Succeeded", services.clock()))

    return changed(run_id, approved, services)


def _advanced(known: Versioned[Run], _message: Message, services: Services) -> Next[Versioned[Run], Run] | None:
    """Run the steps that can run now, and record each before the next."""
    saved, run, looked = known, known.value, set[str]()
    began_at, count = services.clock(), 0
    while (step := run.next(services.clock(), looked)) and count < STEPS_LIMIT and services.clock() - began_at < BUDGET:
        if run != saved.value:  # what the step before came to; it keeps the lease, too
            run = replace(run, due_at=services.clock() + LOST)
            saved = _saved(saved, run, services)
        moved = _step(run, step, services)
        before, after = run.taken(step.name), moved.taken(step.name)
        if after.state == "Running" and after.fresh == before.fresh:  # one whose place was just looked at is sent next
            looked.add(step.name)
        run, count = moved, count + 1
    now = services.clock()
    run = run.settled(now)
    if run == known.value:
        return None
    delay_s = None if run.ended else 0.0 if run.next(now, looked) else run.pause_s(now)
    run = replace(run, due_at=now + timedelta(seconds=delay_s or 0.0) + LOST)
    try:
        row_of(run)
    except errors.BadRequestError as problem:  # the answers fill the row
        run, delay_s = run.over("Failed", now, problem.error), None
    return Next(known=replace(known, etag=saved.etag), value=run, delay_s=delay_s)


def _saved(known: Versioned[Run], value: Run, services: Services) -> Versioned[Run]:
    """Save a run; where another worker did, that one may have missed what this one saw: it is looked at again.

    Raises:
        ConflictError: another worker changed it.
    """
    try:
        return table(services).save(known, value)
    except storage.ConflictError:
        wake(value.id, services, delay_s=1.0)
        raise


def _step(run: Run, step: Step, services: Services) -> Run:
    """Run one step as far as possible now."""
    now, taken = services.clock(), run.taken(step.name)
    if taken.state == "Waiting":
        taken = replace(taken, state="Running", began_at=now)
    moved = asking.guarded(lambda: _TAKE[step.verb](run, step, taken, services), step, taken, now)
    return run.having(step.name, moved)


@dataclass(frozen=True, slots=True)
class _Chain:
    """A run as its steps are taken (asking.Chain): a failure is tried again as `retry` says, and what was made is kept."""

    run: Run
    sort = "recipe"

    def seen(self) -> dict[str, Any]:
        return self.run.seen()

    def call_of(self, step: Step, _taken: Taken) -> Call:
        return call_of(self.run, step)

    def failed(self, step: Step, taken: Taken, status: int, error: errors.AzureError, now: datetime) -> Taken:
        return _tried(step, taken, status, error, now)

    def made(self, step: Step, taken: Taken, answer: Answer, services: Services) -> dict[str, str]:
        return _made(step, taken, answer, services)


def _request(run: Run, step: Step, taken: Taken, services: Services) -> Taken:
    chain, now = _Chain(run), services.clock()
    if taken.fresh is None and not taken.operation and not taken.approval:
        if left_out := asking.unmet(step, taken, chain, now):
            return left_out
        if look := _before(call_of(run, step)):
            found = services.perform(look)
            return replace(taken, fresh=found.status == 404, at=now)
    return asking.take(step, taken, chain, services)


def _before(call: Call) -> Call | None:
    """Return the request that shows whether what a PUT makes is there already, None where nothing need be looked at."""
    if call.method != "PUT":
        return None
    return replace(call, method="GET", path=call.path.partition("?")[0], body=None, headers={}, key=f"{call.key}-before")


def call_of(run: Run, step: Step) -> Call:
    """Return the request of a step.

    Raises:
        NothingThereError: an expression of its path or headers finds nothing.
        BadRequestError: `InvalidPath`; a value would leave its segment.
    """
    tries, names = run.taken(step.name).tries, {each.name for each in run.recipe.steps}
    more = f"-{tries}" if tries else ""
    if more and f"{step.name}{more}" in names:  # that is the key of another step's first try
        more = f".{tries}"
    return _call(run, step, asking.request_of(step, run.seen()), more)


def _call(run: Run, step: Step, asked: dict[str, Any], more: str = "") -> Call:
    return Call(
        **asked,
        key=f"{run.id}-{step.name}{more}",
        caller=f"recipe:{run.recipe.name or 'run'}",
        firing=run.origin,
        depth=run.depth,
        author={"name": run.author or run.caller, "grants": list(run.grants)},
    )


def _made(step: Step, taken: Taken, answer: Answer, services: Services) -> dict[str, str]:
    """Return what a request created, which `undo` may delete: what did not exist before, with Azure's creation time."""
    named = str(bodies.dig(answer.body, "id") or "")
    new = step.method == "PUT" and taken.fresh
    if step.method == "POST" and taken.operation:
        known = services.ledger.load(taken.operation)
        new = known is not None and known.operation.method == "PUT"  # a job, which is named here
    if not new or not named.startswith("/"):
        return {}
    return {"id": named, "created": created(answer.body)}


def _tried(step: Step, taken: Taken, status: int, error: errors.AzureError, now: datetime) -> Taken:
    """Return a failed step, to be started again if `retry` names such a failure."""
    named = {error.code, str(status), *(each.code for each in error.details)}
    named |= {name for name, statuses in CLASSES.items() if status in statuses}
    if taken.tries < step.retry_times and ("Any" in step.retry_on or named & set(step.retry_on)):
        pause = timedelta(seconds=min(RETRY_S * 2**taken.tries, asking.LONGEST_PAUSE_S))
        reason = words.short(f"{error.code}: {error.message}", 300)
        return replace(taken, tries=taken.tries + 1, operation="", attempts=0, at=now + pause, reason=reason, body=None)
    return asking.failed(taken, error, now)


def _notify(run: Run, step: Step, taken: Taken, services: Services) -> Taken:
    return asking.take(step, taken, _Chain(run), services)


def _wait(_run: Run, step: Step, taken: Taken, services: Services) -> Taken:
    now = services.clock()
    until = taken.until or now + timedelta(seconds=step.wait_s)
    if now >= until:
        return asking.ended(taken, "Succeeded", now)
    return replace(taken, until=until, at=until)


def _until(run: Run, step: Step, taken: Taken, services: Services) -> Taken:
    now = services.clock()
    until = taken.until or now + timedelta(seconds=step.for_s)
    taken = replace(taken, until=until)
    answer = services.perform(call_of(run, step))
    known = replace(taken, status=answer.status, body=asking.kept(answer))
    if expressions.holds(step.expect, asking.seen_with(step, known, answer, _Chain(run))):
        return asking.ended(known, "Succeeded", now)
    if now + timedelta(seconds=step.wait_s) > until:
        message = f"'expect' did not hold within {step.for_s:g} s: {step.expect} (the last status was {answer.status})"
        return asking.failed(known, errors.AzureError(code="NeverHeld", message=message, target=step.name), now)
    return replace(taken, status=answer.status, at=now + timedelta(seconds=step.wait_s))


def _approve(run: Run, step: Step, taken: Taken, services: Services) -> Taken:
    now = services.clock()
    if taken.until and now >= taken.until:
        message = f"Not approved within {step.for_s:g} s by {', '.join(step.by)}."
        return asking.failed(taken, errors.AzureError(code="NotApproved", message=message, target=step.name), now)
    until = now + timedelta(seconds=step.for_s)
    told = {"run": run.id, "recipe": run.recipe.name, "step": step.name, "by": list(step.by), "until": until.isoformat()}
    asked: dict[str, Any] = {"method": NOTIFY, "path": f"{notices.PREFIX}.recipe.approvalNeeded", "headers": {}, "body": told}
    services.perform(_call(run, step, asked))
    return replace(taken, until=until, at=until)


def _remove(run: Run, step: Step, taken: Taken, services: Services) -> Taken:
    """Delete what another run created, right after the recorded last look: of two workers, only one continues."""
    now = services.clock()
    if taken.operation or taken.approval:
        return asking.waited(step, taken, _Chain(run), services)
    if not (taken.fresh and taken.at and now - taken.at <= SEND_WITHIN):
        if kept := undo_checks.reason(step.made, services):
            return asking.ended(replace(taken, reason=kept), "Skipped", now)
        return replace(taken, fresh=True, at=services.clock())
    asked: dict[str, Any] = {"method": "DELETE", "path": step.path, "headers": {}, "body": None}
    return asking.answered(step, taken, services.perform(_call(run, step, asked)), _Chain(run), services)


_TAKE = {
    "request": _request, "notify": _notify, "wait": _wait, "until": _until, "approve": _approve, "remove": _remove,
}  # fmt: skip


def notice_of(run: Run) -> notices.Notice:
    """Return the notification of a run's end."""
    data: dict[str, Any] = {"run": run.id, "recipe": run.recipe.name, "status": run.status, "caller": run.caller}
    data |= {"error": run.error.to_json()} if run.error else {}
    return notices.Notice(
        about=run.id,
        type=f"{notices.PREFIX}.recipe.{run.status.lower()}",
        subject=f"/recipes/runs/{run.id}",
        at=run.ended_at or run.created_at,
        data=data,
        depth=run.depth,
        trace=run.trace,
    )


def _after(before: Versioned[Run], saved: Versioned[Run], services: Services) -> None:
    run = saved.value
    if not run.ended:
        return
    told = notifications.tell(notice_of(run), run.notify, services)
    if told != run.notify:
        with suppress(storage.ConflictError):  # another worker did the same
            table(services).save(saved, replace(run, notify=told))
    if not before.value.ended:
        code = run.error.code if run.error else ""
        meters.count("steward.recipes", 1, recipe=run.recipe.name, status=run.status)
        lines.event(log, logging.INFO, "recipe.ended", run=run.id, recipe=run.recipe.name, status=run.status, code=code)


def _give_up(known: Versioned[Run], reason: str, services: Services) -> Next[Versioned[Run], Run]:
    error = errors.AzureError(code="StewardInternalError", message=reason)
    return Next(known=known, value=known.value.over("Failed", services.clock(), error), delay_s=None)


def _overdue(before: datetime, services: Services) -> Iterator[Versioned[Run]]:
    yield from table(services).find(partition=PARTITION, equal={"status": "Running"}, below={"due_at": before})


def _purge(before: datetime, services: Services) -> int:
    return records.purge(services.hook_rows, before, lambda row: row.partition == PARTITION)


# A step is claimed by no worker: two that take it at once send the same request under the same key, which the API carries out
# once, and only one of them can record what came of it.
MACHINE = worker.Machine["Services", "Versioned[Run]", "Run"](
    name="recipe",
    queue=messages.QUEUE,
    record=Run,
    send=lambda services: services.queue,
    load=lambda message, services: load(str(message.key[0]), services),
    advance=_advanced,
    save=lambda step, services: _saved(step.known, step.value, services),
    key=lambda known: (known.value.id,),
    due_at=lambda known: None if known.value.ended else known.value.due_at,
    lease=LOST,
    give_up=_give_up,
    overdue=_overdue,
    purge=_purge,
    after=_after,
    within=lambda known: trace.bound(trace.parse(known.value.trace) or trace.derived(f"recipe {known.value.id}")),
)


def row_of(run: Run) -> Row:
    """Return the row of a run.

    Raises:
        BadRequestError: `RunTooLarge`; it does not fit.
    """
    chunks = records.chunked(run.to_json())
    length = sum(map(len, chunks.values()))
    if length > ROW_LIMIT + (2 * asking.ANSWER_LIMIT if run.ended else 0):  # the last answer, or an error, still fits the row
        message = f"The recipe and its answers have {length} characters; a run can hold {ROW_LIMIT}."
        raise errors.BadRequestError("RunTooLarge", message)
    columns: dict[str, Any] = {"recipe": run.recipe.name, "caller": run.caller, "status": run.status, "created_at": run.created_at}
    columns |= {"due_at": run.due_at, **chunks}
    if run.ended_at:
        columns["ended_at"] = run.ended_at
    return storage.Row(partition=PARTITION, key=run.id, columns=columns)


def from_row(row: Row) -> Run:
    """Read back what `row_of` made."""
    return Run.from_json(records.joined(row.columns))


def suffix_of(*named: str) -> str:
    """Return six characters that are always the same for a place and a name, for names that must be unique in Azure."""
    return hashlib.sha256("\n".join(named).encode()).hexdigest()[:6]
