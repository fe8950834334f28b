"""One function for each condition of `targets.CONDITIONS`: does it hold of a resource, by which facts, since when.

`holds` is None where a fact is missing, and what is not known to hold keeps the resource. Times in the future (clocks differ)
make nothing old. Not here: protection and composition (judge), reading the facts (facts).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.catalog import bodies
from shared.cleanup.facts import survey, workspace_facts
from shared.cleanup.verdict import compute_conditions, condition_findings, endpoint_conditions
from shared.cleanup.verdict.condition_findings import Finding
from shared.text import durations, times

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta

    from shared.cleanup.facts.workspace_facts import Facts
    from shared.cleanup.policy.model import Subject
    from shared.cleanup.policy.targets import Spending, Stuck


def find(name: str, subject: Subject, argument: Any, known: Facts) -> Finding:
    """Return what a condition finds of a resource; a fact that cannot be read makes it unknown.

    Raises:
        ThrottledError: ARM wants a long wait; nothing is known yet.
    """
    try:
        return _CONDITIONS[name](subject, argument, known)
    except workspace_facts.UnknownError as unknown:
        return Finding(holds=None, text=str(unknown))


def _older_than(subject: Subject, length: timedelta, known: Facts) -> Finding:
    if subject.target == "job":
        return condition_findings.age("ended", _ended_at(subject), length, known.now, missing="it has not ended")
    found = condition_findings.age("created", subject.created_at, length, known.now)
    return found if not found.holds else Finding(**condition_findings.parts(found, f"older than {durations.words(length)}"))


def _unchanged_for(subject: Subject, length: timedelta, known: Facts) -> Finding:
    return condition_findings.age("last changed", subject.changed_at, length, known.now)


def _beyond_newest(subject: Subject, kept: int, _known: Facts) -> Finding:
    if subject.created_at is None:
        return Finding(holds=None, text="its place among the versions is not known: systemData.createdAt is missing")
    place = f"version {subject.rank} of {subject.siblings}, counted from the newest"
    fact = (f"{subject.newer_active} newer versions that are not archived",)
    if subject.newer_active < kept:
        return Finding(holds=False, text=f"{place}; the newest {kept} are kept", evidence=fact)
    return Finding(holds=True, text=place, evidence=fact)


def _unreferenced(subject: Subject, _flag: object, known: Facts) -> Finding:
    return unreferenced(subject, known)


def unreferenced(subject: Subject, known: Facts) -> Finding:
    """Return whether nothing refers to an asset, from anywhere, or to a compute, deployment or job, from its own workspace."""
    surveys, kind = known.surveys, subject.id.types[-1].lower()
    here = {"computes": surveys.of_compute, "deployments": surveys.of_deployment, "jobs": surveys.of_job}
    look = here.get(kind, surveys.of_asset)
    who, counts = look(subject.id), surveys.counts
    places = condition_findings.count(sum(home.partition("/")[0] != survey.REGISTRIES for home in surveys.by_home), "workspace")
    looked = f"looked at {', '.join(_count(number, name) for name, number in counts.items())} in {places} and the registries"
    if who:
        return Finding(holds=False, text=f"{who} refers to it", evidence=(looked,))
    own = surveys.problem_of(subject.id)
    if problem := own if kind in here else own or surveys.problem:
        return Finding(holds=None, text=f"what refers to it is not known: {problem}", evidence=(looked,))
    return Finding(holds=True, text=f"no deployment among {counts['deployments']} refers to it", evidence=(looked,))


def _count(number: int, name: str) -> str:
    words = {"services": "v1 service", "jobs": "running job"}
    return condition_findings.count(number, words.get(name, name.removesuffix("s")))


def _stuck_for(subject: Subject, stuck: Stuck, known: Facts) -> Finding:
    """A job that never started has waited since it was made; one that waits again, since it started."""
    status = str(bodies.dig(subject.body, "properties.status") or "unknown")
    if status.lower() not in {name.lower() for name in stuck.statuses}:
        return Finding(holds=None if status == "unknown" else False, text=f"its status is {status}")
    since = times.latest(subject.created_at, _started_at(subject)) if subject.created_at else None
    found = condition_findings.age(f"{status} since", since, stuck.longer_than, known.now)
    if found.holds and since:
        text = f"{status} for {condition_findings.span(known.now - since)}, longer than {durations.words(stuck.longer_than)}"
        return Finding(**condition_findings.parts(found, text))
    return found


def _running_longer_than(subject: Subject, length: timedelta, known: Facts) -> Finding:
    status = str(bodies.dig(subject.body, "properties.status") or "unknown")
    if status.lower() not in ("running", "finalizing"):
        return Finding(holds=None if status == "unknown" else False, text=f"its status is {status}")
    found = condition_findings.age("started", _started_at(subject), length, known.now)
    return (
        found
        if not found.holds
        else Finding(**condition_findings.parts(found, f"running for longer than {durations.words(length)}"))
    )


def _no_runs(subject: Subject, length: timedelta, known: Facts) -> Finding:
    age = condition_findings.age("created", subject.created_at, length, known.now)
    if not age.holds:
        return age
    runs = known.newest_run(subject.id, length)
    if runs.active:
        return Finding(holds=False, text=runs.active)
    if runs.last_at is None:
        return Finding(holds=True, text="no job was ever started in it", evidence=age.evidence, since=age.since)
    found = condition_findings.age("last run", runs.last_at, length, known.now)
    return (
        found
        if not found.holds
        else Finding(**condition_findings.parts(found, f"no job was started for more than {durations.words(length)}"))
    )


def _spent_more_than(subject: Subject, limit: Spending, known: Facts) -> Finding:
    """What is known to be spent is enough to hold; too little of it is only known where everything was seen."""
    spent = known.spent(subject.id, limit.within)
    money, most, length = (f"{spent.money:.2f} {spent.currency}".strip(), f"{limit.amount:g}", durations.words(limit.within))
    evidence = (f"{money} in {length}: an estimate from node-hours and your own prices, not an invoice",)
    if spent.money > limit.amount:
        return Finding(holds=True, text=f"it cost {money} in {length}, more than {most}", evidence=evidence)
    if spent.unknown:
        return Finding(holds=None, text=f"what it cost is not known: {spent.unknown}", evidence=evidence)
    return Finding(holds=False, text=f"it cost {money} in {length}, not more than {most}", evidence=evidence)


def _orphaned(subject: Subject, _flag: object, _known: Facts) -> Finding:
    """Soft evidence, gathered when the resource was listed (leftovers): names and tags are not proof."""
    why = bodies.dig(subject.body, "leftover.why")
    if not why:
        return Finding(holds=False, text="it does not belong to a deleted or failed workspace")
    return Finding(holds=True, text=str(why), evidence=tuple(bodies.dig(subject.body, "leftover.evidence") or ()))


def _started_at(subject: Subject) -> datetime | None:
    body = subject.body
    names = ("properties.startTimeUtc", "properties.properties.StartTimeUtc", "properties.properties.startTimeUtc")
    return times.latest(*(bodies.dig(body, name) for name in names))


def _ended_at(subject: Subject) -> datetime | None:
    names = ("properties.endTimeUtc", "properties.properties.EndTimeUtc", "properties.properties.endTimeUtc")
    return times.latest(*(bodies.dig(subject.body, name) for name in names))


_CONDITIONS: dict[str, Callable[[Subject, Any, Facts], Finding]] = {
    "olderThan": _older_than,
    "unchangedFor": _unchanged_for,
    "beyondNewest": _beyond_newest,
    "unreferenced": _unreferenced,
    "idleFor": compute_conditions.idle_for,
    "outsideHours": compute_conditions.outside_hours,
    "idleNodes": compute_conditions.idle_nodes,
    "failed": compute_conditions.failed,
    "unusedFor": compute_conditions.unused_for,
    "lacksIdleShutdown": compute_conditions.lacks_idle_shutdown,
    "noTraffic": endpoint_conditions.no_traffic,
    "noRequests": endpoint_conditions.no_requests,
    "zeroTrafficFor": endpoint_conditions.zero_traffic_for,
    "noDeployments": endpoint_conditions.no_deployments,
    "stuckFor": _stuck_for,
    "runningLongerThan": _running_longer_than,
    "noRuns": _no_runs,
    "spentMoreThan": _spent_more_than,
    "orphaned": _orphaned,
}
