"""One queue message's worth of looking: the references of one workspace, or the verdicts on what is in it.

A worker claims its unit by etag and says while it works that it is alive; what it writes has its attempt in its name, so that
of two workers at one unit only one's pages count. A unit too large for one message goes on in the next where it stopped. Not
here: when units are looked at, and what comes after (runs).
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared.cleanup.facts import inventory, locks, survey
from shared.cleanup.policy import policies
from shared.cleanup.run import claims, report_lines, scopes
from shared.cleanup.verdict import judge, marks
from shared.endpoints import snapshots
from shared.rest import errors, ids
from shared.text import times

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from shared.cleanup.facts.locks import Locks
    from shared.cleanup.facts.survey import Surveys
    from shared.cleanup.policy.model import Judged, Mark, Policy, Subject
    from shared.cleanup.run.claims import Claim, Services
    from shared.cleanup.run.journal import Run, Unit
    from shared.cleanup.run.report_lines import Line

SUBSCRIPTION = "subscription"
PLAN = "plan"  # the lines of the dry run that is carried out
ABOVE = frozenset({"workspace", "leftover"})  # kinds that are judged for the subscription as a whole
QUEUED = timedelta(minutes=1)  # how long a message may wait for its turn before it is sent again
BUDGET = timedelta(seconds=150)  # of one message, of the 300 seconds that host.json gives a function
TRIES = 6  # of one step of a unit, before it is given up
PUT_OFF_S = 15.0
TAKEN = ("delete", "archive")  # actions after which it is no longer there, or no longer seen


def survey_unit(held: Claim) -> Unit:
    """Read what one workspace, or the registries, refer to, and keep it; returns the unit after that.

    Raises:
        PutOffError: a list could not be read now.
        ConflictError: another worker has the unit.
    """
    services, unit, now = held.services, held.unit, held.services.clock()
    try:
        found = _surveyed(held, now)
    except errors.TransientError as problem:
        if unit.tries < TRIES:
            raise claims.PutOffError(max(problem.delay_s, PUT_OFF_S)) from problem
        found = survey.Survey(home=_home(unit), at=now, problem=f"{problem.error.code}: {problem.error.message}")
    if found.problem and unit.tries < TRIES // 2:
        raise claims.PutOffError(PUT_OFF_S)
    services.blobs.put(_survey_blob(held.run, unit.key), json.dumps(found.to_json()).encode())
    return _counted(replace(held.unit, surveyed=held.run.round, tries=0, problem=found.problem[:500]), held, now)


def given_up(held: Claim) -> Unit:
    """End a step of a unit that failed again and again: what it would have found stays unknown, and so everything is kept."""
    services, unit = held.services, held.unit
    reason = f"checking it failed {unit.tries - 1} times; the app's log has the reason"
    if held.run.phase == "survey":
        found = survey.Survey(home=_home(unit), at=services.clock(), problem=reason)
        services.blobs.put(_survey_blob(held.run, unit.key), json.dumps(found.to_json()).encode())
        return replace(unit, surveyed=held.run.round, tries=0, problem=reason)
    return replace(unit, judged=True, tries=0, problem=reason)


def merged(run: Run, units: list[Unit], services: Services) -> bytes:
    """Return the surveys of all units as one blob's content, one a line; and of what was not seen, that it was not."""
    found = (services.blobs.get(_survey_blob(run, unit.key)) for unit in units if not unit.skipped)
    blind = (survey.unseen(other, problem, services.clock()).to_json() for other, problem in run.unseen)
    return b"\n".join((*filter(None, found), *(json.dumps(each).encode() for each in blind)))


def surveys(run: Run, services: Services) -> Surveys:
    """Return the merged surveys of the run's present round.

    Raises:
        ValueError: the run has none.
    """
    content = services.blobs.get(references_blob(run))
    if content is None:
        raise ValueError(f"the references of run {run.name} no longer exist")
    return survey.merge(survey.Survey.from_json(json.loads(line)) for line in content.splitlines())


def references_blob(run: Run) -> str:
    """Return where the merged surveys of a round are."""
    return f"{report_lines.PREFIX}{run.name}/references-{run.round:03d}.json"


def frozen(run: Run, services: Services) -> tuple[Policy, ...]:
    """Return the policies as they were when the run began."""
    content = services.blobs.get(policies_blob(run.name))
    return tuple(policies.from_json(policy) for policy in json.loads(content)) if content else ()


def policies_blob(run: str) -> str:
    """Return where a run's policies are."""
    return f"{report_lines.PREFIX}{run}/policies.json"


def judge_unit(held: Claim) -> Unit:
    """Judge what is in one unit, and write its lines; returns the unit after that, which may leave the rest to the next message.

    Raises:
        PutOffError: a list could not be read now.
        ConflictError: another worker has the unit.
    """
    services, began = held.services, held.services.clock()
    known = surveys(held.run, services)
    chosen = [policy for policy in frozen(held.run, services) if (policy.kind in ABOVE) == (held.unit.sort == SUBSCRIPTION)]
    writer = report_lines.Writer(services, held.run.name, held.unit)
    done, problem, skipped = True, "", ""
    try:
        if held.unit.sort == SUBSCRIPTION:
            _subscription(chosen, known, held, writer)
        else:
            done, skipped = _workspace(chosen, known, held, writer)
    except errors.TransientError as failure:
        if held.unit.tries < TRIES:
            raise claims.PutOffError(max(failure.delay_s, PUT_OFF_S)) from failure
        problem = f"it was not fully judged: {failure.error.code}: {failure.error.message}"
    except errors.PermanentError as failure:
        problem = f"it was not fully judged: {failure.error.code}: {failure.error.message}"
    writer.flush()
    after = replace(
        held.unit,
        judged=done,
        tries=0,
        pages=tuple(writer.pages),
        counts=writer.counts,
        problem=problem[:500] or held.unit.problem,
        skipped=skipped,
    )
    return _counted(after, held, began)


def _surveyed(held: Claim, now: datetime) -> survey.Survey:
    unit = held.unit
    if unit.sort == survey.REGISTRIES:
        return survey.registries(unit.other or held.services.settings.subscription_id, held.azure, now, _home(unit))
    return survey.of(ids.parse(unit.id), held.azure, now, snapshots.specs(held.services.blobs))


def _subscription(chosen: list[Policy], known: Surveys, held: Claim, writer: report_lines.Writer) -> None:
    services = held.services
    scope = scopes.place_of(held.unit.other, services.settings)
    records, kept_by = marks.Marks(services.cleanup_rows), dict[str, locks.Locks]()
    places = [ids.parse(kept.value.id) for kept in services.journal.units(held.run.name) if kept.value.id]
    marked = {place.key: mark for place in places if (mark := records.get(place))}
    for judged in judge.subscription(chosen, scope, known, marked, held.azure, services.clock()):
        if not scopes.holds(held.run, judged.subject.id):
            continue
        group = judged.subject.id.resource_group.lower()
        if group not in kept_by:
            kept_by[group] = locks.read(judged.subject.id, held.azure)
        mark = marked.get(judged.subject.id.key)
        writer.add(line_of(judged, _policy(chosen, judged), mark, kept_by[group], services.clock()))


def _workspace(chosen: list[Policy], known: Surveys, held: Claim, writer: report_lines.Writer) -> tuple[bool, str]:
    """Judge one workspace, kind after kind, until the budget is spent; return whether all was, and why it was skipped."""
    services, place, end = held.services, ids.parse(held.unit.id), held.services.clock() + BUDGET
    body = inventory.read(place, held.azure)
    if body is None:
        return True, "it is gone"
    marked = marks.Marks(services.cleanup_rows).of(place)
    held_by = locks.read(place, held.azure)
    names = list(dict.fromkeys(policy.kind for policy in chosen))
    for position in range(held.unit.done, len(names)):
        own, last = [policy for policy in chosen if policy.kind == names[position]], held.unit.after
        for judged in judge.workspace(own, body, known, marked, held.azure, services.clock(), after=held.unit.after):
            group = judged.subject.id.names[1]
            if last not in (group, held.unit.after) and services.clock() >= end:
                _reached(held, writer, done=position, after=last)
                return False, ""
            last = group
            if not scopes.holds(held.run, judged.subject.id):
                continue
            mark = marked.get(judged.subject.id.key)
            writer.add(line_of(judged, _policy(own, judged), mark, held_by, services.clock()))
        _reached(held, writer, done=position + 1, after="")
        if services.clock() >= end:
            return position + 1 == len(names), ""
    return True, ""


def _reached(held: Claim, writer: report_lines.Writer, *, done: int, after: str) -> None:
    """Write down how far a unit has got: what comes next goes on there, also when this worker dies."""
    writer.flush()
    unit = replace(held.unit, done=done, after=after, tries=1, pages=tuple(writer.pages), counts=writer.counts)
    held.save(replace(unit, due_at=held.services.clock() + claims.LEASE))


def line_of(judged: Judged, policy: Policy, mark: Mark | None, held_by: Locks, now: datetime) -> Line:
    """Return what a run says of a resource: the verdict, what follows from it, and what a lock has to say to that."""
    verdict = judged.verdict
    following = marks.after(policy, judged, mark, now)
    step, action, reason = following.step, verdict.action, following.reason
    if action not in ("none", "notify") and (lock := held_by.on(judged.subject.id)):
        step, action, reason = "", "none", f"{lock}; otherwise: {reason}"
    return report_lines.Line(
        id=judged.subject.id.path,
        kind=judged.subject.target,
        policy=policy.name,
        reason=reason,
        action=action if step in ("act", "mark", "wait") else "none",
        step=step,
        evidence=verdict.evidence,
        since=verdict.since,
        due=following.due,
        saves=dict(verdict.saves),
        notify=_notify(policy, judged) if action != "none" else {},
        stamp=_stamp(judged.subject) if step == "act" and action in TAKEN else "",
        outcome="planned" if step in ("act", "mark", "lift") else "kept",
    )


def _stamp(subject: Subject) -> str:
    return " ".join(times.iso(at) if at else "?" for at in (subject.created_at, subject.changed_at))


def _notify(policy: Policy, judged: Judged) -> dict[str, Any]:
    """Return what is recorded for the notification: as the policy has it, and what the owner's tag says."""
    found: dict[str, Any] = dict(policy.notify)
    tag = str(found.get("ownerTag") or "")
    if tag:
        tags: Mapping[str, str] = marks.tags_of(judged.subject.target, judged.subject.body)
        found["owner"] = next((value for name, value in tags.items() if name.lower() == tag.lower()), "")
    return found


def _policy(chosen: list[Policy], judged: Judged) -> Policy:
    return next(policy for policy in chosen if policy.name == judged.policy)


def _home(unit: Unit) -> str:
    return survey.home_of(ids.parse(unit.id)) if unit.id else survey.registries_home(unit.other)


def _survey_blob(run: Run, key: str) -> str:
    return f"{report_lines.PREFIX}{run.name}/surveys/{key}.json"


def _counted(unit: Unit, held: Claim, began: datetime) -> Unit:
    count = held.azure.count
    seconds = (held.services.clock() - began).total_seconds()
    return replace(unit, calls=unit.calls + count.arm + count.other, seconds=unit.seconds + seconds)
