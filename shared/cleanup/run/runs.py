"""The runs of the clean-up: begun, approved, canceled; and the machines of runs and of their units.

Every part is continued after a crash; nothing is begun again. Not here: what each phase does (phases), looking at a unit (units).
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.cleanup.policy import policies
from shared.cleanup.run import claims, journal, outcomes, phases, report_lines, turns, units
from shared.cleanup.run.claims import Claim
from shared.cleanup.run.journal import Run, Unit
from shared.cleanup.run.scopes import EVERYTHING, Scope
from shared.cleanup.verdict import marks
from shared.durable import messages, storage, worker
from shared.durable.messages import Message
from shared.durable.worker import Next
from shared.rest import errors
from shared.settings import SUBSCRIPTION, SUBSCRIPTIONS
from shared.telemetry import trace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from shared.cleanup.policy.model import Mode, Policy
    from shared.cleanup.run.claims import Services
    from shared.durable.records import Versioned

log = logging.getLogger("steward.cleanup")

LEFT_OUT_LIMIT = 500  # ids in an approval; a row holds them
UNITS_WORK = ("survey", "judge")  # phases of a run that are over when its units are done with them
LOST_AFTER = 20  # steps of a run that led nowhere, before it is given up


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What starts a run.

    Attributes:
        mode: `dryRun`: no policy enforces.
        caller: Who asks.
        at: When it came due, None for now.
        seed: The same seed at the same moment is the same run; '' for none.
        notes: What the report says from the beginning.
        notify: Whom the caller wants notified of its end, besides the receivers of the settings.
        scope: What it keeps to.
    """

    mode: Mode
    caller: str
    at: datetime | None = None
    seed: str = ""
    notes: tuple[str, ...] = ()
    notify: tuple[str, ...] = ()
    scope: Scope = EVERYTHING


def start(chosen: Sequence[Policy], asked: Asked, services: Services) -> Run:
    """Begin a run.

    Raises:
        BadRequestError: `CleanupOff`, `ScopeMissing`, `NoPolicy`, `CleanupUnderWay` (409).
        TransientError: the app's storage is out of reach.
    """
    check(services)
    if not chosen:
        raise errors.BadRequestError("NoPolicy", "No policy is in force, so there is nothing to run.", target="policy", status=404)
    now = services.clock()
    frozen = [replace(policy, mode="dryRun") if asked.mode == "dryRun" else policy for policy in chosen]
    run = Run(
        name=journal.new_name(asked.at or now, asked.seed),
        mode=asked.mode,
        caller=asked.caller,
        created_at=now,
        due_at=now + phases.LEASE,
        policies=tuple(policy.name for policy in frozen),
        notify=_told(asked.notify, services),
        scope=asked.scope.within,
        only=asked.scope.only,
    )
    for note in asked.notes:
        run = run.noted(note)
    return _enter(run, frozen, services, turn=True)


def _told(notify: tuple[str, ...], services: Services) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*notify, *services.settings.notify)))


def approve(name: str, *, caller: str, services: Services, notify: tuple[str, ...] = (), left_out: Sequence[str] = ()) -> Run:
    """Begin the run that carries out what a dry run has chosen, each judged again; the same one when it was begun before.

    Args:
        name: The dry run.
        caller: Who approves it.
        services: What it needs.
        notify: Whom the caller wants notified of its end.
        left_out: Ids of resources that are left as they are.

    Raises:
        BadRequestError: `ReportNotFound`, `NotApprovable`, `CleanupOff`, `InvalidValue`: an id is not among its acts.
    """
    check(services)
    kept = services.journal.load(name)
    if kept is None:
        raise journal.missing(name)
    if kept.value.approved and (before := services.journal.load(kept.value.approved)):
        return before.value
    kept_back = _left_out(kept.value, left_out, services)
    now = services.clock()
    frozen = [replace(policy, mode="enforce") for policy in units.frozen(kept.value, services)]
    run = Run(  # under the name that an approval noted that has not come to begin it, or died before it did
        name=kept.value.approved or journal.new_name(now, f"approve {name}"),
        mode="enforce",
        caller=caller,
        created_at=now,
        due_at=now + phases.LEASE,
        policies=kept.value.policies,
        scope=kept.value.scope,
        only=kept.value.only,
        plan=name,
        left_out=kept_back,
        after="act",
        notify=_told(notify, services),
    )
    if not kept.value.approved:
        try:
            services.journal.save(kept, replace(kept.value, approved=run.name))
        except storage.ConflictError:  # another person approved it at this moment
            return approve(name, caller=caller, services=services, notify=notify, left_out=left_out)
    return _enter(run, frozen, services)


def _left_out(run: Run, given: Sequence[str], services: Services) -> tuple[str, ...]:
    """Return the resources that an approval leaves out, once the dry run can be approved without them."""
    planned = {line.id.lower() for line in report_lines.read(services.blobs, outcomes.plan_blob(run.name))}
    left_out = tuple(sorted({each.lower() for each in given}))
    why = ""
    if not run.ended:
        why = "it has not ended"
    elif run.status != "Completed":
        why = "it did not complete"
    elif not planned:
        why = "nothing in it is left to do"
    elif planned <= set(left_out):
        why = "'except' leaves out all of its resources"
    if why:
        raise errors.BadRequestError("NotApprovable", f"Report {run.name} cannot be approved: {why}.", target="id", status=409)
    if other := next((each for each in left_out if each not in planned), "") or (
        f"more than {LEFT_OUT_LIMIT}" if len(left_out) > LEFT_OUT_LIMIT else ""
    ):
        message = f"'except' holds {other[:200]}; expected at most {LEFT_OUT_LIMIT} ids of resources that the report would change."
        raise errors.BadRequestError("InvalidValue", message, target="except")
    return left_out


def cancel(name: str, services: Services) -> Run:
    """Stop a run: what was submitted goes on, and nothing more is.

    Raises:
        BadRequestError: `ReportNotFound`.
    """
    while True:
        kept = services.journal.load(name)
        if kept is None:
            raise journal.missing(name)
        try:
            if kept.value.ended:
                return kept.value
            return worker.record(RUN, phases.stop(kept, "It was canceled.", services), services).value
        except storage.ConflictError:
            continue


def check(services: Services) -> None:
    """Refuse to begin anything while the clean-up is switched off or has nowhere to work.

    Raises:
        BadRequestError: `CleanupOff` (409), `ScopeMissing`.
    """
    if not services.settings.cleanup:
        message = "The clean-up is switched off by the setting STEWARD_CLEANUP."
        raise errors.BadRequestError("CleanupOff", message, target="STEWARD_CLEANUP", status=409)
    if unusable := services.settings.problem(SUBSCRIPTIONS):
        raise errors.BadRequestError("ScopeMissing", f"{unusable}.", target=SUBSCRIPTIONS)
    if not services.settings.subscription_id:
        message = f"The clean-up works in the app's own subscriptions, and the setting {SUBSCRIPTION} is empty."
        raise errors.BadRequestError("ScopeMissing", message, target=SUBSCRIPTION)


def _enter(run: Run, frozen: Sequence[Policy], services: Services, *, turn: bool = False) -> Run:
    """Record a run and send its first message; what it needs is there before its row is.

    Raises:
        BadRequestError: `CleanupUnderWay`; it needs a `turn`, and another run has one of its policies in hand.
    """
    content = json.dumps([policies.to_json(policy) for policy in frozen]).encode()
    services.blobs.put(units.policies_blob(run.name), content)
    services.due.put(worker.entry(RUN, (run.name,), 0.0, services))
    if services.journal.insert(run):
        if turn and (other := turns.take(run, services)):
            services.journal.remove(run.name)
            message = f"Report {other} is a running clean-up of this policy over the same scope. Wait for its end, or cancel it."
            raise errors.BadRequestError("CleanupUnderWay", message, target="policy", status=409)
        services.cleanup_queue.send(Message(machine="run", key=(run.name,), step=run.step).to_text())
    known = services.journal.load(run.name)
    return known.value if known else run


def _save(step: phases.Step, services: Services) -> Versioned[Run]:
    run = replace(step.value, step=step.known.value.step + 1)
    if step.delay_s is not None:
        run = replace(run, due_at=services.clock() + timedelta(seconds=step.delay_s) + phases.LEASE)
    return services.journal.save(step.known, run)


def _after(before: Versioned[Run], saved: Versioned[Run], services: Services) -> None:
    """Send a message for each unit that has something to do in the phase that has begun; measure what has ended."""
    run = saved.value
    if run.phase == before.value.phase:
        return
    if run.ended:
        phases.measured(run)
    for held in _open_units(run, services):
        services.due.put(worker.entry(UNIT, UNIT.key(held), 0.0, services))
        services.cleanup_queue.send(UNIT.message(held))


def _open_units(run: Run, services: Services) -> Iterator[Claim]:
    """Yield the units of a run that have something to do in its present phase."""
    if run.phase in UNITS_WORK:
        for kept in list(services.journal.units(run.name)):
            if not phases.is_done(kept.value, run):
                yield Claim(run=run, kept=kept, services=services, listed_at=kept.value.due_at)


def _wake(kept: Versioned[Run], services: Services) -> int:
    """Take an overdue step again, or give the run up; its overdue units, too: what begins a phase may die before it sends them."""
    run = kept.value
    for held in _open_units(run, services):
        if held.unit.due_at <= services.clock():
            services.due.put(worker.entry(UNIT, UNIT.key(held), 0.0, services))
            _wake_unit(held, services)
    if run.lost >= LOST_AFTER and run.phase not in UNITS_WORK:
        note = f"The step '{run.phase}' failed {run.lost} times; the app's log has the reason."
        worker.record(RUN, phases.end(kept, "Failed", services, note=note), services)
        return 0
    worker.record(RUN, Next(known=kept, value=replace(run, lost=run.lost + 1), delay_s=0.0), services)
    return 1


def _purge(before: datetime, services: Services) -> int:
    """Forget runs that began before a moment, with their reports, and marks that were due before it."""
    old = [run for run in services.journal.runs() if run.created_at < before and run.ended]
    for run in old:
        for name in list(services.blobs.names(f"{report_lines.PREFIX}{run.name}/")):
            services.blobs.delete(name)
        services.journal.remove(run.name)
    marks.Marks(services.cleanup_rows).forget(before)
    turns.forget(services)
    return len(old)


def _overdue(before: datetime, services: Services) -> Iterator[Versioned[Run]]:
    for run in list(services.journal.runs(only_open=True)):
        if run.due_at < before and (kept := services.journal.load(run.name)):
            yield kept


RUN = worker.Machine["Services", "Versioned[Run]", "Run"](
    name="run",
    queue=messages.CLEANUP_QUEUE,
    record=Run,
    send=lambda services: services.cleanup_queue,
    load=lambda message, services: services.journal.load(str(message.key[0])),
    advance=lambda kept, _message, services: phases.take(kept, services),
    save=_save,
    key=lambda kept: (kept.value.name,),
    step=lambda kept: kept.value.step,
    due_at=lambda kept: None if kept.value.ended else kept.value.due_at,
    lease=phases.LEASE,
    give_up=lambda kept, reason, services: phases.end(kept, "Failed", services, note=reason),
    overdue=_overdue,
    purge=_purge,
    retention="cleanup_days",
    after=_after,
    wake=_wake,
    within=lambda kept: trace.bound(kept.value.trace),
)


def _held(message: Message, services: Services) -> Claim | None:
    kept = services.journal.load(str(message.key[0]))
    return claims.load(kept.value, str(message.key[1]), services) if kept else None


def _looked(held: Claim, _message: Message, services: Services) -> Next[Claim, Unit] | None:
    """Look at one unit for one message; a phase that its last unit is done with is over."""
    if not services.settings.cleanup:
        if kept := services.journal.load(held.run.name):
            worker.record(RUN, phases.stop(kept, phases.OFF, services), services)
        return None
    claims.take(held)
    try:
        if held.unit.tries > units.TRIES + 1:
            unit = units.given_up(held)
        else:
            unit = units.survey_unit(held) if held.run.phase == "survey" else units.judge_unit(held)
    except claims.PutOffError as later:
        return Next(known=held, value=held.unit, delay_s=later.delay_s)
    return Next(known=held, value=unit, delay_s=None if phases.is_done(unit, held.run) else 0.0)


def _save_unit(step: Next[Claim, Unit], services: Services) -> Claim:
    due_at = services.clock() + timedelta(seconds=step.delay_s or 0.0) + units.QUEUED
    step.known.save(replace(step.value, due_at=due_at))
    return step.known


def _unit_due(held: Claim) -> datetime | None:
    works = held.run.phase in UNITS_WORK and not phases.is_done(held.unit, held.run)
    return held.unit.due_at if works else None


def _onward(_before: Claim, saved: Claim, services: Services) -> None:
    kept = services.journal.load(saved.run.name) if _unit_due(saved) is None else None
    if kept and kept.value.phase in UNITS_WORK and (step := phases.onward(kept, services)):
        worker.record(RUN, step, services)


def _overdue_units(before: datetime, services: Services) -> Iterator[Claim]:
    for run in list(services.journal.runs(only_open=True)):
        yield from (held for held in _open_units(run, services) if held.unit.due_at < before)


def _wake_unit(held: Claim, services: Services) -> int:
    held.save(replace(held.unit, due_at=services.clock() + units.QUEUED))
    services.cleanup_queue.send(UNIT.message(held))
    return 1


UNIT = worker.Machine["Services", "Claim", "Unit"](
    name="unit",
    queue=messages.CLEANUP_QUEUE,
    record=Unit,
    send=lambda services: services.cleanup_queue,
    load=_held,
    advance=_looked,
    save=_save_unit,
    key=lambda held: (held.run.name, held.unit.key),
    step=lambda held: held.unit.attempt,
    due_at=_unit_due,
    lease=units.QUEUED,
    give_up=lambda held, _reason, _services: Next(known=held, value=units.given_up(held), delay_s=None),
    overdue=_overdue_units,
    purge=lambda _before, _services: 0,  # units go with their run
    takes_over=True,
    listed_at=lambda held: held.listed_at,
    after=_onward,
    wake=_wake_unit,
    within=lambda held: trace.bound(held.run.trace),
)
