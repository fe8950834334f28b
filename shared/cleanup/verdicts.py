"""What may go, and exactly why: facts in, a verdict with its reason out. Pure; the time is an argument.

A fact that is missing keeps the resource. Not here: reading the facts (inventory), acting on a verdict (sweep).
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from shared.catalog import bodies
from shared.cleanup import times

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.cleanup.references import References

KEEP_TAG = "steward-keep"

Action = Literal["none", "delete", "stop"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """When something is stale or idle.

    Attributes:
        model_days: A model version must be older than this …
        model_keep: … and there must be at least so many newer ones.
        idle_minutes: A compute must have been idle for longer than this.
    """

    model_days: int
    model_keep: int
    idle_minutes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What may be done to one resource: `none`, with the reason to keep it; or an action, with the reason for that.

    Attributes:
        evidence: The facts behind the reason, as Azure told them.
        since: Since when a compute has been idle.
    """

    reason: str
    action: Action = "none"
    evidence: tuple[str, ...] = ()
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """What ran, or runs, on a compute.

    Attributes:
        count: How many were looked at; reading stops at the first that is under way.
        active: The first that is under way, e.g. `run train-7 is Queued`; '' when there is none.
        last_at: When the last of them began or ended.
    """

    count: int = 0
    active: str = ""
    last_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """What matters of a model version."""

    name: str
    created_at: datetime | None
    changed_at: datetime | None
    archived: bool
    protected: bool


def version_of(body: dict[str, Any]) -> Version:
    """Read a model version; assets keep their tags in `properties.tags` (facts §7)."""
    return Version(
        name=str(body["name"]),
        created_at=times.moment(bodies.dig(body, "systemData.createdAt")),
        changed_at=times.moment(bodies.dig(body, "systemData.lastModifiedAt")),
        archived=bool(bodies.dig(body, "properties.isArchived")),
        protected=is_protected(body),
    )


def is_protected(body: dict[str, Any]) -> bool:
    """Tell whether the resource has the tag `steward-keep`, whatever its value, as a resource or as an asset."""
    found = [body.get("tags"), bodies.dig(body, "properties.tags")]
    return any(str(name).strip().lower() == KEEP_TAG for tags in found if isinstance(tags, dict) for name in tags)


def model_versions(
    model: str, versions: Sequence[Version], references: References, rules: Rules, now: datetime
) -> list[tuple[Version, Verdict]]:
    """Judge all versions of one model, oldest first.

    Args:
        model: The model's name.
        versions: All there are, archived and anonymous ones included: with some missing the order would be wrong.
        references: Of the whole workspace.
        rules: What is stale.
        now: The present.
    """
    created = sorted(version.created_at for version in versions if version.created_at)
    active = sorted(version.created_at for version in versions if version.created_at and not version.archived)
    ordered = sorted(versions, key=lambda version: (version.created_at is None, version.created_at or now, version.name))
    judged = []
    for version in ordered:
        if version.created_at is None:
            judged.append((version, Verdict(reason="its age is not known: systemData.createdAt is missing")))
            continue
        rank = 1 + len(created) - bisect_right(created, version.created_at)
        newer = len(active) - bisect_right(active, version.created_at)  # archived ones do not count among the newest
        place = f"version {rank} of {len(versions)}, counted from the newest"
        judged.append((version, _judged(model, version, (newer, place), references, rules, now)))
    return judged


def _judged(
    model: str, version: Version, standing: tuple[int, str], references: References, rules: Rules, now: datetime
) -> Verdict:
    newer, place = standing
    touched = max(moment for moment in (version.created_at, version.changed_at) if moment)
    if version.protected:
        return Verdict(reason=f"it has the tag {KEEP_TAG}")
    if now - touched <= timedelta(days=rules.model_days):
        word = "changed" if touched != version.created_at else "created"
        return Verdict(reason=f"{word} {_span(now - touched)} ago, not older than {rules.model_days} days")
    if newer < rules.model_keep:
        return Verdict(reason=f"{place}; the newest {rules.model_keep} are kept")
    if who := references.of_model(model, version.name):
        return Verdict(reason=f"{who} refers to it")
    reason = f"older than {rules.model_days} days, {place}, no deployment among {references.deployments} refers to it"
    evidence = (
        f"created {version.created_at:%Y-%m-%dT%H:%MZ}, last changed {touched:%Y-%m-%dT%H:%MZ}",
        f"{newer} newer versions that are not archived",
        f"looked at {references.deployments} deployments, {references.schedules} schedules, {references.services} v1 services",
    )
    return Verdict(action="delete", reason=reason, evidence=evidence)


def compute(name: str, body: dict[str, Any], references: References, rules: Rules, now: datetime) -> Verdict:
    """Judge a compute by what its resource tells; one that may go must still be judged by its runs (`after_runs`)."""
    kind = str(bodies.dig(body, "properties.computeType") or "unknown")
    state = str(bodies.dig(body, "properties.provisioningState") or "not told")
    inner = bodies.dig(body, "properties.properties")
    if is_protected(body):
        return Verdict(reason=f"it has the tag {KEEP_TAG}")
    if kind not in ("AmlCompute", "ComputeInstance") or bodies.dig(body, "properties.isAttachedCompute") is True:
        return Verdict(reason=f"an attached compute, or one of type {kind}, is never touched")
    if state != "Succeeded" or not isinstance(inner, dict):
        return Verdict(reason=f"its provisioningState is {state}" if state != "Succeeded" else "its properties are missing")
    found = _instance(body, inner) if kind == "ComputeInstance" else _cluster(body, inner)
    if found.action == "none":
        return found
    if who := references.of_compute(name):
        return Verdict(reason=f"{who} refers to it", evidence=found.evidence)
    return _long_enough(found, rules, now)


def after_runs(verdict: Verdict, runs: Runs, rules: Rules, now: datetime) -> Verdict:
    """Judge an idle compute once more, by what ran on it."""
    last = f", the last at {runs.last_at:%Y-%m-%dT%H:%MZ}" if runs.last_at else ""
    known = replace(verdict, evidence=(*verdict.evidence, f"looked at {runs.count} runs{last}"))
    if runs.active:
        return replace(known, action="none", reason=runs.active)
    since = max(moment for moment in (verdict.since, runs.last_at) if moment)
    found = _long_enough(replace(known, since=since), rules, now)
    return replace(found, reason=f"{found.reason}, no run among {runs.count} is under way") if found.action != "none" else found


def _instance(body: dict[str, Any], inner: dict[str, Any]) -> Verdict:
    """Running, and nobody started, stopped or changed it: what `lastOperation` tells. Notebooks and SSH are not visible."""
    state, last = inner.get("state"), inner.get("lastOperation")
    if state != "Running":
        return Verdict(reason=f"its state is {state or 'not told'}")
    if own := inner.get("idleTimeBeforeShutdown"):
        return Verdict(reason=f"Azure's own idle shutdown ({own}) watches it, notebooks and terminals included")
    operated = times.moment(last.get("operationTime")) if isinstance(last, dict) else None
    if operated is None or not isinstance(last, dict):
        return Verdict(reason="its lastOperation is not told")
    if str(last.get("operationStatus") or "").lower() == "inprogress":
        return Verdict(reason=f"{last.get('operationName')} is under way")
    evidence = (f"state {state}", f"lastOperation {last.get('operationName')} at {operated:%Y-%m-%dT%H:%MZ}", _changes(body))
    return Verdict(action="stop", reason="", evidence=evidence, since=times.latest(operated, *_times(body)))


def _cluster(body: dict[str, Any], inner: dict[str, Any]) -> Verdict:
    """No node, none wanted, none kept by its minimum, and steady for long."""
    wanted = [inner.get("currentNodeCount"), inner.get("targetNodeCount")]
    least = bodies.dig(inner, "scaleSettings.minNodeCount") or 0  # only the maximum is required (facts §7)
    steady, at = inner.get("allocationState"), times.moment(inner.get("allocationStateTransitionTime"))
    if not all(isinstance(count, int) for count in wanted):
        return Verdict(reason="its currentNodeCount or targetNodeCount is not told")
    states = inner.get("nodeStateCounts")
    by_state = states.values() if isinstance(states, dict) else ()
    nodes = max(count for count in (*wanted, *by_state) if isinstance(count, int))
    evidence = (f"{nodes} nodes, minimum {least}, allocation {steady}", _changes(body))
    if least or nodes:
        reason = f"its minimum is {least} nodes" if least else f"it has or wants {nodes} nodes"
        return Verdict(reason=reason, evidence=evidence)
    if steady != "Steady" or at is None:
        untold = "its allocationStateTransitionTime is not told"
        return Verdict(reason=untold if steady == "Steady" else f"its allocationState is {steady or 'not told'}", evidence=evidence)
    known = (*evidence, f"steady since {at:%Y-%m-%dT%H:%MZ}")
    return Verdict(action="delete", reason="", evidence=known, since=times.latest(at, *_times(body)))


def _long_enough(found: Verdict, rules: Rules, now: datetime) -> Verdict:
    if found.since is None:
        return replace(found, action="none", reason="it is not known since when it is idle")
    idle = now - found.since
    if idle <= timedelta(minutes=rules.idle_minutes):
        return replace(
            found, action="none", reason=f"idle for {_span(max(idle, timedelta(0)))}, not for {rules.idle_minutes} minutes"
        )
    what = "no nodes and idle" if found.action == "delete" else "running and idle"
    return replace(found, reason=f"{what} for {_span(idle)}, longer than {rules.idle_minutes} minutes")


def _times(body: dict[str, Any]) -> list[Any]:
    names = ("properties.createdOn", "properties.modifiedOn", "systemData.createdAt", "systemData.lastModifiedAt")
    return [bodies.dig(body, name) for name in names]


def _changes(body: dict[str, Any]) -> str:
    changed = times.latest(*_times(body))
    return f"last changed {changed:%Y-%m-%dT%H:%MZ}" if changed else "last change not told"


def _span(length: timedelta) -> str:
    minutes = int(length.total_seconds() // 60)
    for size, noun in ((24 * 60, "day"), (60, "hour")):
        if minutes >= 2 * size:
            return f"{minutes // size} {noun}s"
    return f"{minutes} minute{'' if minutes == 1 else 's'}"
