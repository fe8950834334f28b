"""How a run of the clean-up moves: list the workspaces, survey what refers to what, judge, choose, act, settle.

Record before message, and every part is continued after a crash: a message that is lost or dies leaves a row that is overdue,
and `reconcile` sends it again. Nothing is begun anew. Not here: looking at one workspace (units), choosing within limits
(choose), carrying one act out (conduct).
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.cleanup import choose, conduct, inventory, journal, lines, policies, savings, units
from shared.cleanup.journal import Run, Unit
from shared.cleanup.messages import Message
from shared.operations import storage
from shared.rest import errors, ids

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from shared.cleanup.journal import Kept, Status
    from shared.cleanup.model import Mode, Policy
    from shared.cleanup.units import Services

log = logging.getLogger("steward.cleanup")

LEASE = timedelta(seconds=30)  # without a sign of life; two workers at one run do no harm but look twice
BUDGET = timedelta(seconds=60)  # of one message's acts
SETTLE_S = (2.0, 30.0)  # first and longest pause between looks at the operations of a run
LOST_AFTER = 20  # steps of a run that led nowhere, before it is given up
STORAGE_PAUSE_S = 10.0
NEVER = 1_000_000  # the round in which a unit is surveyed that is only judged


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What starts a run.

    Attributes:
        mode: `dryRun`: no policy enforces.
        caller: Who asks.
        at: When it came due, None for now.
        seed: The same seed at the same moment is the same run; '' for none.
        notes: What the report says from the beginning.
    """

    mode: Mode
    caller: str
    at: datetime | None = None
    seed: str = ""
    notes: tuple[str, ...] = ()


def start(chosen: Sequence[Policy], asked: Asked, services: Services) -> Run:
    """Begin a run.

    Raises:
        BadRequestError: `CleanupOff`, `ScopeMissing`, `NoPolicy`.
        TransientError: the app's storage is out of reach.
    """
    check(services)
    if not chosen:
        raise errors.BadRequestError("NoPolicy", "There is no policy to run.", target="policy", status=404)
    now = services.clock()
    frozen = [replace(policy, mode="dryRun") if asked.mode == "dryRun" else policy for policy in chosen]
    run = Run(
        name=journal.new_name(asked.at or now, asked.seed),
        mode=asked.mode,
        caller=asked.caller,
        created_at=now,
        due_at=now + LEASE,
        policies=tuple(policy.name for policy in frozen),
    )
    for note in asked.notes:
        run = run.noted(note)
    return _enter(run, frozen, services)


def approve(name: str, *, caller: str, services: Services) -> Run:
    """Begin the run that carries out exactly what a dry run has chosen, each judged again; the same one when it was begun before.

    Raises:
        BadRequestError: `ReportNotFound`, `NotApprovable`, `CleanupOff`.
    """
    check(services)
    kept = services.journal.load(name)
    if kept is None:
        raise errors.BadRequestError("ReportNotFound", f"There is no clean-up report '{name[:100]}'.", target="id", status=404)
    if kept.value.approved and (before := services.journal.load(kept.value.approved)):
        return before.value
    _check_approvable(kept.value, services)
    now = services.clock()
    frozen = [replace(policy, mode="enforce") for policy in units.frozen(kept.value, services)]
    run = Run(
        name=journal.new_name(now, f"approve {name}"),
        mode="enforce",
        caller=caller,
        created_at=now,
        due_at=now + LEASE,
        policies=kept.value.policies,
        plan=name,
    )
    begun = replace(kept.value, approved=run.name)
    try:
        services.journal.save(kept, begun)
    except storage.ConflictError:  # somebody else approved it at this moment
        return approve(name, caller=caller, services=services)
    return _enter(run, frozen, services)


def _check_approvable(run: Run, services: Services) -> None:
    why = ""
    if not run.ended:
        why = "it has not ended"
    elif run.status != "Completed":
        why = "it did not complete"
    elif not lines.read(services.blobs, conduct.plan_blob(run.name)):
        why = "it has nothing that was not carried out"
    if why:
        raise errors.BadRequestError("NotApprovable", f"Report {run.name} cannot be approved: {why}.", target="id", status=409)


def cancel(name: str, services: Services) -> Run:
    """Stop a run: what was submitted goes on, and nothing more is.

    Raises:
        BadRequestError: `ReportNotFound`.
    """
    while True:
        kept = services.journal.load(name)
        if kept is None:
            raise errors.BadRequestError("ReportNotFound", f"There is no clean-up report '{name[:100]}'.", target="id", status=404)
        try:
            return kept.value if kept.value.ended else _stop(kept, "It was canceled.", services).value
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
    if not services.settings.subscription_id:
        message = "The clean-up works in the configured subscription, and the setting STEWARD_SUBSCRIPTION_ID is empty."
        raise errors.BadRequestError("ScopeMissing", message, target="STEWARD_SUBSCRIPTION_ID")


def step(text: str, services: Services, *, redelivered: bool = False) -> None:
    """Take the step that a message names; a stale message does nothing.

    Args:
        text: The message.
        services: The composition root.
        redelivered: The platform delivers it again: whoever had it died or failed.

    Raises:
        ValueError: the message cannot be read (it will end in the poison queue).
    """
    message = Message.from_text(text)
    try:
        kept = services.journal.load(message.run)
        if kept is None or kept.value.ended:
            return
        if message.unit:
            _unit_step(kept.value, message, services, redelivered=redelivered)
        elif kept.value.step == message.number:
            _run_step(kept, services)
    except storage.ConflictError:
        log.info("clean-up %s: another worker goes on with %s", message.run, message.unit or "the run")
    except errors.TransientError as problem:  # the app's own storage
        log.warning("clean-up %s waits for storage: %s", message.run, problem)
        services.cleanup_queue.send(text, delay_s=STORAGE_PAUSE_S)


def reconcile(services: Services) -> int:
    """Send again what is overdue of every open run; returns how many messages."""
    sent = 0
    for run in list(services.journal.runs(only_open=True)):
        kept = services.journal.load(run.name)
        if kept is None or kept.value.ended:
            continue
        try:
            sent += _wake(kept, services)
        except storage.ConflictError:
            continue
    return sent


def _enter(run: Run, frozen: Sequence[Policy], services: Services) -> Run:
    """Record a run and send its first message; what it needs is there before its row is."""
    content = json.dumps([policies.to_json(policy) for policy in frozen]).encode()
    services.blobs.put(units.policies_blob(run.name), content)
    if services.journal.insert(run):
        _send(run, services)
    known = services.journal.load(run.name)
    return known.value if known else run


def _send(run: Run, services: Services, *, delay_s: float = 0.0) -> None:
    services.cleanup_queue.send(Message(run=run.name, number=run.step).to_text(), delay_s=delay_s)


def _send_unit(run: Run, unit: Unit, services: Services, *, delay_s: float = 0.0) -> None:
    services.cleanup_queue.send(Message(run=run.name, unit=unit.key, number=unit.attempt).to_text(), delay_s=delay_s)


def _move(kept: Kept[Run], run: Run, services: Services, *, delay_s: float = 0.0) -> Kept[Run]:
    """Save a run's next step and put it on the queue."""
    due = services.clock() + timedelta(seconds=delay_s) + LEASE
    saved = services.journal.save(kept, replace(run, step=kept.value.step + 1, due_at=due))
    _send(saved.value, services, delay_s=delay_s)
    return saved


def _run_step(kept: Kept[Run], services: Services) -> None:
    if not services.settings.cleanup and kept.value.phase != "settle":
        _stop(kept, "The clean-up was switched off by the setting STEWARD_CLEANUP.", services)
        return
    match kept.value.phase:
        case "list":
            _list(kept, services)
        case "plan":
            _plan(kept, services)
        case "act":
            _act(kept, services)
        case "settle":
            _settle(kept, services)
        case _:  # survey and judge are their units' work
            advance(kept.value.name, services)


def _unit_step(run: Run, message: Message, services: Services, *, redelivered: bool) -> None:
    if not services.settings.cleanup:
        kept = services.journal.load(run.name)
        if kept:
            _stop(kept, "The clean-up was switched off by the setting STEWARD_CLEANUP.", services)
        return
    if run.phase not in ("survey", "judge"):
        return
    held = units.claim(run, message.unit, message.number, services, redelivered=redelivered)
    if held is None or _is_done(held.unit, run):
        return
    try:
        if held.unit.tries > units.TRIES + 1:
            units.give_up(held)
        elif run.phase == "survey":
            units.survey_unit(held)
        elif not units.judge_unit(held):
            _send_unit(run, held.unit, services)
            return
    except units.PutOffError as later:
        held.save(replace(held.unit, due_at=services.clock() + timedelta(seconds=later.delay_s) + LEASE))
        _send_unit(run, held.unit, services, delay_s=later.delay_s)
        return
    advance(run.name, services)


def _is_done(unit: Unit, run: Run) -> bool:
    return unit.surveyed >= run.round if run.phase == "survey" else unit.judged or not unit.judges


def _list(kept: Kept[Run], services: Services) -> None:
    """Find the workspaces: all of the subscription are surveyed, those of the resource group are judged."""
    run, settings, now = kept.value, services.settings, services.clock()
    try:
        found = inventory.workspaces(settings.subscription_id, "", services)
    except errors.TransientError as problem:
        _move(kept, run, services, delay_s=max(problem.delay_s, units.PUT_OFF_S))
        return
    except errors.PermanentError as problem:
        message = f"The workspaces of the subscription could not be listed: {problem.error.code}: {problem.error.message}"
        _end(kept, "Failed", services, note=message)
        return
    group = settings.resource_group.lower()
    due = now + units.QUEUED
    entered = [Unit(key=units.REGISTRIES, due_at=due, judges=False)]
    if not run.plan:
        entered.append(Unit(key=units.SUBSCRIPTION, due_at=due, surveyed=NEVER))
    for body in found:
        place = inventory.workspace_id(body)
        judges = not run.plan and (not group or place.resource_group.lower() == group)
        entered.append(Unit(key=journal.unit_key(place.key), id=place.path, due_at=due, judges=judges))
    if run.plan:
        entered.append(_planned_unit(run, due, services))
    services.journal.enter(run.name, entered)
    surveying = replace(run, phase="survey", round=1, after="act" if run.plan else "judge", surveyed_from=now)
    if run.plan:
        surveying = replace(surveying, acts=len(lines.read(services.blobs, conduct.acts_blob(run.name))))
    saved = _move(kept, surveying, services, delay_s=LEASE.total_seconds())
    _fan_out(saved.value, services)


def _planned_unit(run: Run, due: datetime, services: Services) -> Unit:
    """Make the dry run's choice this run's acts and, as one page, its lines."""
    planned = lines.read(services.blobs, conduct.plan_blob(run.plan))
    lines.put(services.blobs, conduct.acts_blob(run.name), planned)
    name = f"{lines.PREFIX}{run.name}/lines/{units.PLAN}"
    lines.put(services.blobs, f"{name}.json", planned)
    counts: dict[str, dict[str, int]] = {}
    for line in planned:
        lines.count(counts, line)
    pages = ((name, len(planned)),)
    return Unit(key=units.PLAN, due_at=due, judges=False, surveyed=NEVER, judged=True, pages=pages, counts=counts)


def _fan_out(run: Run, services: Services) -> None:
    """Send a message for each unit that has something to do in this phase."""
    for kept in services.journal.units(run.name):
        if not _is_done(kept.value, run):
            _send_unit(run, kept.value, services)


def advance(name: str, services: Services) -> None:
    """Go on to the next phase once every unit is done with this one.

    Raises:
        ConflictError: another worker did.
    """
    kept = services.journal.load(name)
    if kept is None or kept.value.phase not in ("survey", "judge"):
        return
    run = kept.value
    found = [unit.value for unit in services.journal.units(name)]
    if not found or not all(_is_done(unit, run) for unit in found):
        return
    if run.phase == "judge":
        _move(kept, replace(run, phase="plan"), services)
        return
    services.blobs.put(units.references_blob(run), units.merged(run, found, services))
    after = replace(run, phase=run.after, surveyed_at=services.clock())
    if run.after == "judge":
        saved = _move(kept, after, services, delay_s=LEASE.total_seconds())
        _fan_out(saved.value, services)
    else:
        _move(kept, after, services)


def _plan(kept: Kept[Run], services: Services) -> None:
    """Choose what is carried out, within each policy's limits, before the first act."""
    run, chosen = kept.value, units.frozen(kept.value, services)
    found = [unit.value for unit in services.journal.units(run.name)]
    looked = {name: numbers["looked"] for name, numbers in savings.by_policy(found).items()}
    choice = choose.within_limits(lines.todo(services, found), chosen, looked)
    enforced = {policy.name for policy in chosen if policy.mode == "enforce"}
    acts = [line for line in choice.chosen if line.policy in enforced]
    lines.put(services.blobs, conduct.acts_blob(run.name), acts)
    lines.put(services.blobs, conduct.plan_blob(run.name), [line for line in choice.chosen if line.policy not in enforced])
    planned = replace(run, phase="act", acts=len(acts), next=0, totals={"doubled": choice.doubled})
    for note in choice.notes:
        planned = planned.noted(note)
    for unit in found:
        if unit.problem and len(planned.notes) < journal.NOTE_LIMIT:
            planned = planned.noted(f"{ids.parse(unit.id).name if unit.id else unit.key}: {unit.problem}")
    _move(kept, planned, services)


def _act(kept: Kept[Run], services: Services) -> None:
    """Carry out one act after the other for a while; the claim is renewed with each."""
    work, end = conduct.begin(kept.value, services), services.clock() + BUDGET
    while kept.value.next < kept.value.acts and services.clock() < end:
        if not services.settings.cleanup:
            _stop(kept, "The clean-up was switched off by the setting STEWARD_CLEANUP.", services)
            return
        run = kept.value
        try:
            conduct.carry_out(work, run.next)
        except conduct.OldReferencesError:
            _survey_again(kept, services, after="act")
            return
        except errors.TransientError as problem:
            _move(kept, run, services, delay_s=max(problem.delay_s, conduct.PAUSE_S))
            return
        kept = services.journal.save(kept, replace(run, next=run.next + 1, lost=0, due_at=services.clock() + LEASE))
    done = kept.value.next >= kept.value.acts
    _move(kept, replace(kept.value, phase="settle", next=0) if done else kept.value, services)


def _settle(kept: Kept[Run], services: Services) -> None:
    """Look how the run's operations ended; judge again and submit anew those that were not sent in time."""
    work, run = conduct.begin(kept.value, services), kept.value
    open_acts = 0
    for number in range(run.acts):
        try:
            record = conduct.carry_out(work, number) if run.status == "Running" else conduct.look(work, number)
        except conduct.OldReferencesError:
            _survey_again(kept, services, after="settle")
            return
        except errors.TransientError as problem:
            log.info("clean-up %s: act %d waits: %s", run.name, number, problem)
            open_acts += 1
            continue
        open_acts += not record.settled and bool(record.operation)
        if number % 20 == 19:
            kept = services.journal.save(kept, replace(kept.value, due_at=services.clock() + LEASE))
    if open_acts:
        _move(kept, replace(kept.value, next=kept.value.next + 1), services, delay_s=min(SETTLE_S[0] * 1.5**run.next, SETTLE_S[1]))
        return
    _end(kept, "Completed" if run.status == "Running" else run.status, services)


def _survey_again(kept: Kept[Run], services: Services, *, after: str) -> None:
    """Read all references anew, and then go on where the run was."""
    run = kept.value
    again = replace(run, phase="survey", after=after, round=run.round + 1, surveyed_from=services.clock())  # type: ignore[arg-type]
    saved = _move(kept, again, services, delay_s=LEASE.total_seconds())
    _fan_out(saved.value, services)


def _stop(kept: Kept[Run], note: str, services: Services) -> Kept[Run]:
    """Submit nothing more; what was submitted is followed to its end."""
    run = kept.value.noted(note)
    if run.status == "Running" and run.phase not in ("act", "settle", "survey"):
        return _end(kept, "Stopped", services, note=note)
    return _move(kept, replace(run, phase="settle", status="Stopped", next=0), services)


def _end(kept: Kept[Run], status: Status, services: Services, *, note: str = "") -> Kept[Run]:
    run = kept.value.noted(note) if note else kept.value
    outcomes = conduct.outcomes(run, services)
    lines.put(services.blobs, conduct.outcomes_blob(run.name), outcomes)
    totals, notes = savings.totals(run, outcomes, services)
    for each in notes:
        run = run.noted(each)
    ended = replace(run, phase="ended", status=status, ended_at=services.clock(), totals=totals, step=run.step + 1)
    saved = services.journal.save(kept, ended)
    log.info("clean-up %s (%s) %s: %s", run.name, run.mode, status, totals.get("outcomes"))
    return saved


def _wake(kept: Kept[Run], services: Services) -> int:
    """Send again what is overdue of one run."""
    run, now, sent = kept.value, services.clock(), 0
    if run.phase in ("survey", "judge"):
        for held in list(services.journal.units(run.name)):
            unit = held.value
            if unit.due_at <= now and not _is_done(unit, run):
                services.journal.save_unit(run.name, held, replace(unit, due_at=now + units.QUEUED))
                _send_unit(run, unit, services)
                sent += 1
    if run.due_at > now:
        return sent
    if run.lost >= LOST_AFTER and run.phase not in ("survey", "judge"):
        _end(kept, "Failed", services, note=f"The step '{run.phase}' failed {run.lost} times; the app's log holds the reason.")
        return sent
    _move(kept, replace(run, lost=run.lost + 1), services)
    return sent + 1
