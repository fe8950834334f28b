"""Conditions of computes: idle, unused, outside of working hours, idle nodes, no idle shutdown; and of anything, failed.

Not here: since when a compute is idle (idle), which of these a policy may name (targets).
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from shared.catalog import bodies
from shared.cleanup.facts import workspace_facts
from shared.cleanup.verdict import condition_findings, idle
from shared.cleanup.verdict.condition_findings import Finding
from shared.text import durations, times

if TYPE_CHECKING:
    from datetime import datetime

    from shared.cleanup.facts.workspace_facts import Facts
    from shared.cleanup.policy.hours import Hours
    from shared.cleanup.policy.model import Subject

BROKEN_STATES = frozenset({"createfailed", "setupfailed", "usersetupfailed", "unusable"})
STOPPED_STATES = frozenset({"stopped", *BROKEN_STATES})


def idle_for(subject: Subject, length: timedelta, known: Facts) -> Finding:
    """By all that Azure shows: its resource, what ran on it, and of a cluster Azure Monitor."""
    found = idle.of(subject.body, _changed(subject))
    if found.state == "idle" and _more(found.since, length, known.now):
        found = idle.after_runs(found, known.runs_on(subject.id, length))
    if found.state == "idle" and bodies.dig(subject.body, "properties.computeType") == idle.CLUSTER:
        found = _by_metrics(found, subject, length, known)
    if found.state != "idle" or found.since is None:
        reason = found.reason or "since when it is idle is not known"
        return Finding(holds=False if found.state == "busy" else None, text=reason, evidence=found.evidence)
    if not _more(found.since, length, known.now):
        text = f"idle for {condition_findings.span(known.now - found.since)}, not for {durations.words(length)}"
        return Finding(holds=False, text=text, evidence=found.evidence)
    text = f"idle for {condition_findings.span(known.now - found.since)}, longer than {durations.words(length)}, no run under way"
    return Finding(holds=True, text=text, evidence=found.evidence, since=found.since)


def _by_metrics(found: idle.Idle, subject: Subject, length: timedelta, known: Facts) -> idle.Idle:
    """Let Azure Monitor speak too: where it knows of a node at work, that counts; where it knows nothing, the rest decides."""
    try:
        use = known.active_nodes(subject.id.ancestor(1), length)
    except workspace_facts.UnknownError as unknown:
        return idle.after_metrics(found, None, f"Azure Monitor: {unknown}"[:200])
    at = use.last_at.get(subject.id.name.lower())
    seen = f"a node at work until {at:%Y-%m-%dT%H:%MZ}" if at else f"no node at work since {use.since:%Y-%m-%dT%H:%MZ}"
    return idle.after_metrics(found, at, f"Azure Monitor saw {seen}")


def _more(since: datetime | None, length: timedelta, now: datetime) -> bool:
    return since is not None and now - since > length


def outside_hours(subject: Subject, hours: Hours, known: Facts) -> Finding:
    """It runs, no one works now, and no run is under way on it."""
    inner = bodies.dig(subject.body, "properties.properties")
    state, last = bodies.dig(inner, "state"), bodies.dig(inner, "lastOperation")
    local = (f"working hours are {hours}",)
    if hours.hold(known.now):
        return Finding(holds=False, text=f"these are working hours: {hours}", evidence=local)
    if state != "Running":
        return Finding(holds=False if state else None, text=f"its state is {state or 'unknown'}", evidence=local)
    if str(bodies.dig(last, "operationStatus") or "").lower() == "inprogress":
        return Finding(holds=False, text=f"{bodies.dig(last, 'operationName')} is under way", evidence=local)
    runs = known.runs_on(subject.id, timedelta(hours=1))
    if runs.active:
        return Finding(holds=False, text=runs.active, evidence=local)
    ended = hours.ended(known.now)
    since = f"since {ended:%Y-%m-%dT%H:%MZ}" if ended else "now"
    return Finding(holds=True, text=f"running outside of working hours {since}, no run under way", evidence=local, since=ended)


def idle_nodes(subject: Subject, _flag: object, _known: Facts) -> Finding:
    """Its minimum keeps nodes, and nodes are idle."""
    inner = bodies.dig(subject.body, "properties.properties")
    if not isinstance(inner, dict) or bodies.dig(subject.body, "properties.provisioningState") != "Succeeded":
        return Finding(holds=None, text="what its nodes do is unknown")
    least, waiting = idle.least(inner), bodies.dig(inner, "nodeStateCounts.idleNodeCount")
    if not least:
        return Finding(holds=False, text="its minimum is 0 nodes")
    if not isinstance(waiting, int):
        return Finding(holds=None, text="how many of its nodes are idle is unknown")
    if not waiting:
        return Finding(holds=False, text="none of its nodes is idle")
    return Finding(holds=True, text=f"{condition_findings.count(waiting, 'idle node')}, of which its minimum keeps {least}")


def failed(subject: Subject, _flag: object, _known: Facts) -> Finding:
    """Of any kind: its provisioning failed. An instance may be unusable besides, a cluster have unusable nodes only."""
    state = bodies.dig(subject.body, "properties.provisioningState")
    inner = bodies.dig(subject.body, "properties.properties")
    own = str(bodies.dig(inner, "state") or "")
    problems = bodies.dig(subject.body, "properties.provisioningErrors")
    codes = [str(bodies.dig(each, "error.code")) for each in problems or () if bodies.dig(each, "error.code")]
    evidence = (f"provisioning error {codes[0]}",) if codes else ()
    if str(state).lower() == "failed":
        return Finding(holds=True, text="its provisioningState is Failed", evidence=evidence)
    if subject.target.startswith("compute") and own.lower() in BROKEN_STATES:
        return Finding(holds=True, text=f"its state is {own}", evidence=evidence)
    unusable, there = bodies.dig(inner, "nodeStateCounts.unusableNodeCount"), bodies.dig(inner, "currentNodeCount")
    if subject.target.startswith("compute") and isinstance(unusable, int) and unusable and unusable == there:
        return Finding(holds=True, text=f"all of its {unusable} nodes are unusable", evidence=evidence)
    return Finding(holds=False if state else None, text=f"its provisioningState is {state or 'unknown'}", evidence=evidence)


def unused_for(subject: Subject, length: timedelta, known: Facts) -> Finding:
    """Nothing ran on it, and no one started, stopped or changed it. Of a running instance that is unknown (notebooks)."""
    kind = bodies.dig(subject.body, "properties.computeType")
    state = str(bodies.dig(subject.body, "properties.properties.state") or "unknown")
    if kind == idle.INSTANCE and state.lower() not in STOPPED_STATES:
        text = f"its state is {state}; only a stopped instance is known to be unused"
        return Finding(holds=None if state == "unknown" else False, text=text)
    touched = times.latest(idle.used(subject.body), _changed(subject))
    found = condition_findings.age("last used", touched, length, known.now)
    if not found.holds:
        return found
    runs = known.runs_on(subject.id, length)
    if runs.active:
        return Finding(holds=False, text=runs.active, evidence=found.evidence)
    found = condition_findings.age("last used", times.latest(touched, runs.last_at), length, known.now)
    text = f"unused for more than {durations.words(length)}" if found.holds else found.text
    return Finding(
        **{
            **condition_findings.parts(found, text),
            "evidence": (*found.evidence, f"looked at {condition_findings.count(runs.count, 'run')}"),
        }
    )


def lacks_idle_shutdown(subject: Subject, _flag: object, _known: Facts) -> Finding:
    """No `idleTimeBeforeShutdown`; one that is set is never changed."""
    inner = bodies.dig(subject.body, "properties.properties")
    if not isinstance(inner, dict) or bodies.dig(subject.body, "properties.provisioningState") != "Succeeded":
        return Finding(holds=None, text="its settings are unknown")
    if own := inner.get("idleTimeBeforeShutdown"):
        return Finding(holds=False, text=f"it has idle shutdown after {own}")  # lowering it would begin its idle time again
    return Finding(holds=True, text="it has no idle shutdown", evidence=(f"state {inner.get('state')}",))


def _changed(subject: Subject) -> datetime | None:
    """Return when it was made or changed last, as if our own mark had not touched it."""
    return times.latest(subject.created_at, subject.changed_at)
