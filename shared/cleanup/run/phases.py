"""The phases of a run of the clean-up: list the workspaces, survey what refers to what, judge, choose, act, settle.

Each phase ends by saving the next one and sending its messages; whatever dies in between is found by its entry in the due index.
Not here: who begins a run and who wakes it (runs), looking at one workspace (units), carrying one act out (conduct).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared.cleanup.facts import inventory, survey
from shared.cleanup.report import savings
from shared.cleanup.run import choose, conduct, journal, outcomes, report_lines, scopes, units
from shared.cleanup.run.journal import Run, Unit
from shared.durable.records import Versioned
from shared.durable.worker import Next
from shared.rest import errors, ids
from shared.settings import SUBSCRIPTIONS
from shared.telemetry import lines as log_lines
from shared.telemetry import meters

if TYPE_CHECKING:
    from datetime import datetime

    from shared.cleanup.run.claims import Services
    from shared.cleanup.run.journal import Phase, Status

log = logging.getLogger("steward.cleanup")

LEASE = timedelta(seconds=30)  # without a sign of life; two workers at one run do no harm but look twice
CLAIM_WITHIN = timedelta(seconds=10)  # a claim that took longer is made again: it might end before what follows is written
BUDGET = timedelta(seconds=60)  # of one message's acts
SETTLE_S = (2.0, 30.0)  # first and longest pause between looks at the operations of a run
NEVER = 1_000_000  # the round in which a unit is surveyed that is only judged
OFF = "The clean-up was switched off by the setting STEWARD_CLEANUP."


type Step = Next[Versioned[Run], Run]


def take(kept: Versioned[Run], services: Services) -> Step | None:
    """Take the next step of a run as a whole; what its units do is theirs.

    Raises:
        ConflictError: another worker took it.
    """
    if not services.settings.cleanup and kept.value.phase != "settle":
        return stop(kept, OFF, services)
    match kept.value.phase:
        case "list":
            return _list(kept, services)
        case "plan":
            return _plan(kept, services)
        case "act":
            return _act(kept, services)
        case "settle":
            return _settle(kept, services)
        case _:  # survey and judge are their units' work
            return onward(kept, services)


def _list(kept: Versioned[Run], services: Services) -> Step:
    """Find the workspaces: all of all subscriptions are surveyed, those that lie where the clean-up judges are judged.

    In a later round, what was made since then is surveyed with the rest, and not judged. A subscription that cannot be listed is
    not seen: what could be in use from there is kept. When none can, the run fails.
    """
    run, now = kept.value, services.clock()
    if unusable := services.settings.problem(SUBSCRIPTIONS):
        return stop(kept, unusable, services, status="Failed")
    found, unseen = list[ids.ResourceId](), list[tuple[str, str]]()
    for subscription in services.settings.subscriptions:
        try:
            found += map(inventory.workspace_id, inventory.workspaces(subscription, "", services))
        except errors.StewardError as problem:
            if isinstance(problem, errors.TransientError) and run.lost < units.TRIES:
                return _next(kept, replace(run, lost=run.lost + 1), delay_s=max(problem.delay_s, units.PUT_OFF_S))
            reason = f"its workspaces could not be listed: {problem.error.code}: {problem.error.message}"
            unseen.append((subscription, reason[:400]))
    run = replace(run, unseen=tuple(unseen), lost=0)
    for subscription, reason in unseen:
        run = run.noted(f"Subscription {subscription} could not be read: {reason}")
    if len(unseen) == len(services.settings.subscriptions):
        return stop(replace(kept, value=run), run.notes[-1], services, status="Failed")
    first, due, places = run.round == 0, now + units.QUEUED, scopes.places(services.settings)
    entered = [_planned_unit(run, due, services)] if first and run.plan else []
    for other in ("", *services.settings.other_subscriptions):
        entered.append(Unit(key=journal.key_in(survey.REGISTRIES, other), other=other, due_at=due, judges=False))
        if first and not run.plan:
            entered.append(Unit(key=journal.key_in(units.SUBSCRIPTION, other), other=other, due_at=due, surveyed=NEVER))
    for place in found:
        judges = first and not run.plan and any(scopes.lies_in(place, each) for each in places) and scopes.reaches(run, place)
        entered.append(Unit(key=journal.unit_key(place.key), id=place.path, due_at=due, judges=judges))
    services.journal.enter(run.name, entered)
    acts = len(report_lines.read(services.blobs, outcomes.acts_blob(run.name))) if first and run.plan else run.acts
    surveying = replace(run, phase="survey", round=run.round + 1, surveyed_from=now, acts=acts)
    return _next(kept, surveying, delay_s=LEASE.total_seconds())


def _planned_unit(run: Run, due: datetime, services: Services) -> Unit:
    """Make the dry run's choice this run's acts and, as one page, its lines."""
    left_out = frozenset(run.left_out)
    planned = [line for line in report_lines.read(services.blobs, outcomes.plan_blob(run.plan)) if line.id.lower() not in left_out]
    report_lines.put(services.blobs, outcomes.acts_blob(run.name), planned)
    name = f"{report_lines.PREFIX}{run.name}/lines/{units.PLAN}"
    report_lines.put(services.blobs, f"{name}.json", planned)
    counts: dict[str, dict[str, int]] = {}
    for line in planned:
        report_lines.count(counts, line)
    pages = ((name, len(planned)),)
    return Unit(key=units.PLAN, due_at=due, judges=False, surveyed=NEVER, judged=True, pages=pages, counts=counts)


def onward(kept: Versioned[Run], services: Services) -> Step | None:
    """Go on to the next phase once every unit is done with this one."""
    run = kept.value
    found = [unit.value for unit in services.journal.units(run.name)]
    if not found or not all(is_done(unit, run) for unit in found):
        return None
    if run.phase == "judge":
        return _next(kept, replace(run, phase="plan"))
    services.blobs.put(units.references_blob(run), units.merged(run, found, services))
    after = replace(run, phase=run.after, surveyed_at=services.clock())
    return _next(kept, after, delay_s=LEASE.total_seconds() if run.after == "judge" else 0.0)


def _plan(kept: Versioned[Run], services: Services) -> Step:
    """Choose what is carried out, within each policy's limits, before the first act."""
    run, chosen = kept.value, units.frozen(kept.value, services)
    found = [unit.value for unit in services.journal.units(run.name)]
    looked = {name: numbers["looked"] for name, numbers in savings.by_policy(found).items()}
    choice = choose.within_limits(report_lines.todo(services, found), chosen, looked)
    enforced = {policy.name for policy in chosen if policy.mode == "enforce"}
    acts = [line for line in choice.chosen if line.policy in enforced]
    report_lines.put(services.blobs, outcomes.acts_blob(run.name), acts)
    report_lines.put(services.blobs, outcomes.plan_blob(run.name), [line for line in choice.chosen if line.policy not in enforced])
    planned = replace(run, phase="act", acts=len(acts), next=0, totals={"doubled": choice.doubled})
    for note in choice.notes:
        planned = planned.noted(note)
    for unit in found:
        if unit.problem and len(planned.notes) < journal.NOTE_LIMIT:
            planned = planned.noted(f"{ids.parse(unit.id).name if unit.id else unit.key}: {unit.problem}")
    return _next(kept, planned)


@dataclass(slots=True)
class _Mine:
    """A run in the hands of one worker: of two that carry out its acts, only one writes down what becomes of the next."""

    kept: Versioned[Run]
    services: Services

    def saved(self, **changes: Any) -> None:
        """Save it, with a new end of its lease.

        Raises:
            ConflictError: another worker has it.
        """
        while True:
            now = self.services.clock()
            run = replace(self.kept.value, due_at=now + LEASE, **changes)
            self.kept = self.services.journal.save(self.kept, run)
            if self.services.clock() - now <= CLAIM_WITHIN:
                return


def _act(kept: Versioned[Run], services: Services) -> Step:
    """Carry out one act after the other for a while; the claim is renewed with each."""
    mine, end = _Mine(kept, services), services.clock() + BUDGET
    work = conduct.begin(kept.value, services, mine.saved)
    while (run := mine.kept.value).next < run.acts and services.clock() < end:
        if not services.settings.cleanup:
            return stop(mine.kept, OFF, services)
        try:
            conduct.carry_out(work, run.next)
        except conduct.OldReferencesError:
            return _survey_again(mine.kept, after="act")
        except errors.TransientError as problem:
            return _next(mine.kept, mine.kept.value, delay_s=max(problem.delay_s, conduct.PAUSE_S))
        mine.saved(next=run.next + 1, lost=0)
    done = run.next >= run.acts
    return _next(mine.kept, replace(run, phase="settle", next=0) if done else run)


def _settle(kept: Versioned[Run], services: Services) -> Step:
    """Look how the run's operations ended; judge again and submit again those that were not sent in time."""
    mine, run = _Mine(kept, services), kept.value
    work = conduct.begin(run, services, mine.saved)
    open_acts = 0
    for number in range(run.acts):
        try:
            record = conduct.carry_out(work, number) if run.status == "Running" else conduct.look(work, number)
        except conduct.OldReferencesError:
            return _survey_again(mine.kept, after="settle")
        except errors.TransientError as problem:
            log.info("clean-up %s: act %d waits: %s", run.name, number, problem)
            open_acts += 1
            continue
        open_acts += not record.settled and bool(record.operation)
        if number % 20 == 19:
            mine.saved()
    kept = mine.kept
    if open_acts:
        return _next(kept, replace(kept.value, next=kept.value.next + 1), delay_s=min(SETTLE_S[0] * 1.5**run.next, SETTLE_S[1]))
    return end(kept, "Completed" if run.status == "Running" else run.status, services)


def _survey_again(kept: Versioned[Run], *, after: Phase) -> Step:
    """Read all references again, those of new workspaces too, and then go on where the run was."""
    return _next(kept, replace(kept.value, phase="list", after=after))


def stop(kept: Versioned[Run], note: str, services: Services, *, status: Status = "Stopped") -> Step:
    """Submit nothing more; what was submitted is followed to its end."""
    run = kept.value.noted(note)
    if not run.acts:
        return end(kept, status, services, note=note)
    return _next(kept, replace(run, phase="settle", status=status, next=0))


def end(kept: Versioned[Run], status: Status, services: Services, *, note: str = "") -> Step:
    """End a run: its outcomes and numbers are final."""
    from shared.notify import deliveries

    run = kept.value.noted(note) if note else kept.value
    acts = outcomes.of(run, services)
    report_lines.put(services.blobs, outcomes.ended_blob(run.name), acts)
    totals, notes = savings.totals(run, acts, services)
    for each in notes:
        run = run.noted(each)
    ended = replace(run, phase="ended", status=status, ended_at=services.clock(), totals=totals)
    _tell(ended, services)
    told = tuple(deliveries.shown(each) for each in ended.notify)  # each has a delivery of its own by now
    return Next(known=kept, value=replace(ended, notify=told), delay_s=None)


def _tell(run: Run, services: Services) -> None:
    """Notify the caller that the report is complete; before that is recorded, so that a crash notifies again, under one id."""
    from shared.cleanup.report import reports
    from shared.notify import notices, notifications

    notice = notices.Notice(
        about=run.name,
        type=f"{notices.PREFIX}.cleanup.{run.status.lower()}",
        subject=f"/cleanup/reports/{run.name}",
        at=run.ended_at or services.clock(),
        data=reports.summary(run),
        trace=run.trace.header,
    )
    notifications.tell(notice, run.notify, services)


def measured(run: Run) -> None:
    """Measure what a run looked at, what came of it, and what it saves a day."""
    totals = run.totals
    log.info("clean-up %s (%s) %s: %s", run.name, run.mode, run.status, totals.get("outcomes"))
    meters.count("steward.cleanup.looked", totals["looked"], mode=run.mode)
    for outcome, count in totals["outcomes"].items():
        meters.count("steward.cleanup.acted", count, mode=run.mode, outcome=outcome)
    saves = totals["savings"]
    log_lines.event(
        log,
        logging.INFO,
        "cleanup.ended",
        run=run.name,
        mode=run.mode,
        status=run.status,
        looked=totals["looked"],
        acts=run.acts,
        failed=totals["outcomes"].get("failed", 0),
        nodeHoursADay=saves.get("nodeHoursADay"),
        moneyADay=saves.get("moneyADay"),
        currency=saves.get("currency"),
    )


def is_done(unit: Unit, run: Run) -> bool:
    """Return whether a unit has nothing to do in the run's present phase."""
    return unit.surveyed >= run.round if run.phase == "survey" else unit.judged or not unit.judges


def _next(kept: Versioned[Run], run: Run, *, delay_s: float = 0.0) -> Step:
    return Next(known=kept, value=run, delay_s=delay_s)
