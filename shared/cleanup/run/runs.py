"""The runs of the clean-up: begun, approved, canceled; each message one step; what is overdue sent again.

Record before message, and every part is continued after a crash: a message that is lost or dies leaves a row that is overdue,
and `reconcile` sends it again. Nothing is begun anew. Not here: what each phase does (phases).
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.cleanup.policy import policies
from shared.cleanup.policy.scopes import EVERYTHING, Scope
from shared.cleanup.run import claims, journal, outcomes, phases, report_lines, turns, units
from shared.cleanup.run.journal import Run
from shared.durable import storage, sweep, worker
from shared.rest import errors
from shared.telemetry import trace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from shared.cleanup.policy.model import Mode, Policy
    from shared.cleanup.run.claims import Services
    from shared.durable.messages import Message
    from shared.durable.records import Versioned

log = logging.getLogger("steward.cleanup")

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
        notify: Whom the caller wants told of its end, besides whoever the settings name.
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
        raise errors.BadRequestError("NoPolicy", "There is no policy to run.", target="policy", status=404)
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


def approve(name: str, *, caller: str, services: Services, notify: tuple[str, ...] = ()) -> Run:
    """Begin the run that carries out exactly what a dry run has chosen, each judged again; the same one when it was begun before.

    Raises:
        BadRequestError: `ReportNotFound`, `NotApprovable`, `CleanupOff`.
    """
    check(services)
    kept = services.journal.load(name)
    if kept is None:
        raise journal.missing(name)
    if kept.value.approved and (before := services.journal.load(kept.value.approved)):
        return before.value
    _check_approvable(kept.value, services)
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
        after="act",
        notify=_told(notify, services),
    )
    if not kept.value.approved:
        try:
            services.journal.save(kept, replace(kept.value, approved=run.name))
        except storage.ConflictError:  # somebody else approved it at this moment
            return approve(name, caller=caller, services=services, notify=notify)
    return _enter(run, frozen, services)


def _check_approvable(run: Run, services: Services) -> None:
    why = ""
    if not run.ended:
        why = "it has not ended"
    elif run.status != "Completed":
        why = "it did not complete"
    elif not report_lines.read(services.blobs, outcomes.plan_blob(run.name)):
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
            raise journal.missing(name)
        try:
            return kept.value if kept.value.ended else phases.stop(kept, "It was canceled.", services).value
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
    worker.take(machine(redelivered=redelivered), text, services)


def machine(*, redelivered: bool = False) -> worker.Machine[Services, Versioned[Run]]:
    """Return the machine of runs and their units; what fails again and again is given up by the timer."""

    def advance(kept: Versioned[Run], message: Message, services: Services) -> None:
        if message.key[1]:
            _unit_step(kept.value, message, services, redelivered=redelivered)
        else:
            phases.take(kept, services)

    return worker.Machine(
        name="clean-up",
        forms=("run",),
        queue=lambda services: services.cleanup_queue,
        load=lambda message, services: services.journal.load(str(message.key[0])),
        stale=lambda kept, message: kept.value.ended or (not message.key[1] and kept.value.step != message.step),
        advance=advance,
        within=lambda kept: trace.bound(kept.value.trace),
    )


def reconcile(services: Services) -> int:
    """Send again what is overdue of every open run; returns how many messages. One that fails does not stand in others' way."""

    def look(run: Run) -> int:
        kept = services.journal.load(run.name)
        return _wake(kept, services) if kept and not kept.value.ended else 0

    return sweep.rows(list(services.journal.runs(only_open=True)), look, lambda run: f"clean-up {run.name}")


def _enter(run: Run, frozen: Sequence[Policy], services: Services, *, turn: bool = False) -> Run:
    """Record a run and send its first message; what it needs is there before its row is.

    Raises:
        BadRequestError: `CleanupUnderWay`; it needs a `turn`, and another run has one of its policies in hand.
    """
    content = json.dumps([policies.to_json(policy) for policy in frozen]).encode()
    services.blobs.put(units.policies_blob(run.name), content)
    if services.journal.insert(run):
        if turn and (other := turns.take(run, services)):
            services.journal.remove(run.name)
            message = f"Report {other} has the same policy and scope in hand. Wait for its end, or cancel it."
            raise errors.BadRequestError("CleanupUnderWay", message, target="policy", status=409)
        phases.send(run, services)
    known = services.journal.load(run.name)
    return known.value if known else run


def _unit_step(run: Run, message: Message, services: Services, *, redelivered: bool) -> None:
    if not services.settings.cleanup:
        kept = services.journal.load(run.name)
        if kept:
            phases.stop(kept, phases.OFF, services)
        return
    if run.phase not in ("survey", "judge"):
        return
    held = claims.claim(run, str(message.key[1]), message.step, services, redelivered=redelivered)
    if held is None or phases.is_done(held.unit, run):
        return
    try:
        if held.unit.tries > units.TRIES + 1:
            units.give_up(held)
        elif run.phase == "survey":
            units.survey_unit(held)
        elif not units.judge_unit(held):
            phases.send_unit(run, held.unit, services)
            return
    except claims.PutOffError as later:
        held.save(replace(held.unit, due_at=services.clock() + timedelta(seconds=later.delay_s) + phases.LEASE))
        phases.send_unit(run, held.unit, services, delay_s=later.delay_s)
        return
    phases.advance(run.name, services)


def _wake(kept: Versioned[Run], services: Services) -> int:
    """Send again what is overdue of one run."""
    run, now, sent = kept.value, services.clock(), 0
    if run.phase in ("survey", "judge"):
        for held in list(services.journal.units(run.name)):
            unit = held.value
            if unit.due_at <= now and not phases.is_done(unit, run):
                services.journal.save_unit(run.name, held, replace(unit, due_at=now + units.QUEUED))
                phases.send_unit(run, unit, services)
                sent += 1
    if run.due_at > now:
        return sent
    if run.lost >= LOST_AFTER and run.phase not in ("survey", "judge"):
        phases.end(
            kept, "Failed", services, note=f"The step '{run.phase}' failed {run.lost} times; the app's log holds the reason."
        )
        return sent
    phases.move(kept, replace(run, lost=run.lost + 1), services)
    return sent + 1
