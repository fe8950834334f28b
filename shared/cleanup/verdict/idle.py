"""Since when a compute has been idle, with the facts behind it: what its resource shows, then its runs, then its metrics. Pure.

Notebooks and terminals leave no trace outside of an instance; only Azure's own idle shutdown sees them, so an instance that has
it is left to it. What cannot be seen (SSH, custom applications) makes idleness unknown, not likely. Not here: reading the facts
(activity, metrics), for how long it must be idle (conditions).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from shared.catalog import bodies
from shared.cleanup.verdict import condition_findings
from shared.text import times

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from shared.cleanup.facts.activity import Runs

INSTANCE, CLUSTER = "ComputeInstance", "AmlCompute"
STANDARD_APPLICATIONS = frozenset(
    {
        "jupyter",
        "jupyterlab",
        "jupyter lab",
        "rstudio (open source edition)",
        "vs code",
        "vs code (desktop)",
        "vs code (web)",
        "terminal",
        "notebook",
    }
)  # fmt: skip - what every instance has
TOUCHES = (
    "lastActivityTime",
    "lastActivity",
    "lastActiveTime",
    "lastStartTime",
    "lastUsedTime",
    "properties.lastActivityTime",
)  # fmt: skip - not in the published schema; where Azure shows one, it counts
FAILED_OPERATIONS = {"stopfailed": "a full disk can block stopping"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """What is known of a compute's idleness.

    Attributes:
        state: `idle` since `since`; `busy`, or not of a kind that can be idle; `unknown`, because a fact is missing.
        reason: Why it is not idle.
        evidence: The facts, as Azure showed them.
    """

    state: Literal["idle", "busy", "unknown"]
    reason: str = ""
    since: datetime | None = None
    evidence: tuple[str, ...] = ()


def of(body: Mapping[str, Any], changed: datetime | None) -> Idle:
    """Judge a compute by its resource alone; `changed` is when it was made or changed last, our own mark apart."""
    kind = str(bodies.dig(body, "properties.computeType") or "unknown")
    state = str(bodies.dig(body, "properties.provisioningState") or "unknown")
    inner = bodies.dig(body, "properties.properties")
    if kind not in (INSTANCE, CLUSTER) or bodies.dig(body, "properties.isAttachedCompute") is True:
        return Idle(state="unknown", reason=f"Azure does not show whether an attached compute, or one of type {kind}, is idle")
    if state != "Succeeded":
        return Idle(state="unknown" if state == "unknown" else "busy", reason=f"its provisioningState is {state}")
    if not isinstance(inner, dict):
        return Idle(state="unknown", reason="its properties are missing")
    return _instance(inner, changed) if kind == INSTANCE else _cluster(inner, changed)


def after_runs(found: Idle, runs: Runs) -> Idle:
    """Judge an idle compute once more, by what ran on it."""
    last = f", the last at {runs.last_at:%Y-%m-%dT%H:%MZ}" if runs.last_at else ""
    evidence = (*found.evidence, f"looked at {condition_findings.count(runs.count, 'run')}{last}")
    if runs.active:
        return replace(found, state="busy", reason=runs.active, evidence=evidence)
    return replace(found, since=times.latest(found.since, runs.last_at), evidence=evidence)


def after_metrics(found: Idle, last_at: datetime | None, told: str) -> Idle:
    """Judge an idle cluster once more, by when Azure Monitor last saw a node of it at work; `told` is the fact, for people."""
    return replace(found, since=times.latest(found.since, last_at), evidence=(*found.evidence, told))


def used(body: Mapping[str, Any]) -> datetime | None:
    """Return when a compute was last started, stopped, resized or worked with, as far as its resource shows."""
    inner = bodies.dig(body, "properties.properties")
    names = ("lastOperation.operationTime", "allocationStateTransitionTime", *TOUCHES)
    return times.latest(*(bodies.dig(inner, name) for name in names))


def _instance(inner: dict[str, Any], changed: datetime | None) -> Idle:
    state, last = inner.get("state"), inner.get("lastOperation")
    operated = times.moment(last.get("operationTime")) if isinstance(last, dict) else None
    if state != "Running":
        return Idle(state="busy" if state else "unknown", reason=f"its state is {state or 'unknown'}")
    if operated is None or not isinstance(last, dict):
        return Idle(state="unknown", reason="its lastOperation is unknown")
    outcome = str(last.get("operationStatus") or "")
    evidence = [
        f"state {state}",
        f"lastOperation {last.get('operationName')} {outcome} at {operated:%Y-%m-%dT%H:%MZ}",
        _told(changed),
    ]
    if outcome.lower() == "inprogress":
        return Idle(state="busy", reason=f"{last.get('operationName')} is under way", evidence=tuple(evidence))
    if why := FAILED_OPERATIONS.get(outcome.lower()):
        evidence.append(f"its last {last.get('operationName')} failed: {why}")
    if own := inner.get("idleTimeBeforeShutdown"):
        reason = f"Azure's own idle shutdown ({own}) watches it, notebooks and terminals included"
        return Idle(state="unknown", reason=reason, evidence=tuple(evidence))
    if unseen := _unseen(inner):
        return Idle(state="unknown", reason=unseen, evidence=tuple(evidence))
    touched = times.latest(operated, used({"properties": {"properties": inner}}), changed)
    return Idle(state="idle", since=touched, evidence=tuple(evidence))


def _unseen(inner: dict[str, Any]) -> str:
    """Return what use of an instance cannot be seen from outside; '' when there is none."""
    custom = [str(each.get("name")) for each in _dicts(inner.get("customServices"))]
    shown = [str(each.get("displayName")) for each in _dicts(inner.get("applications"))]
    custom += [name for name in shown if name.lower() not in STANDARD_APPLICATIONS and name not in custom]
    if custom:
        return f"the custom application {custom[0]} runs on it, and its use is not visible to Azure"
    if str(bodies.dig(inner, "sshSettings.sshPublicAccess") or "").lower() == "enabled":
        return "it is open to SSH, and sessions are not visible to Azure"
    return ""


def _cluster(inner: dict[str, Any], changed: datetime | None) -> Idle:
    """No node at work, steady for long; nodes that the minimum keeps may be there, idle."""
    wanted = [count for name in ("currentNodeCount", "targetNodeCount") if isinstance(count := inner.get(name), int)]
    if len(wanted) < 2:
        return Idle(state="unknown", reason="its currentNodeCount or targetNodeCount is unknown")
    steady, at = inner.get("allocationState"), times.moment(inner.get("allocationStateTransitionTime"))
    evidence = (f"{condition_findings.count(max(wanted), 'node')}, minimum {least(inner)}, allocation {steady}", _told(changed))
    if working := _working(inner, max(wanted)):
        return replace(working, evidence=evidence)
    if steady != "Steady":
        reason = f"its allocationState is {steady or 'unknown'}"
        return Idle(state="busy" if steady else "unknown", reason=reason, evidence=evidence)
    if at is None:
        return Idle(state="unknown", reason="its allocationStateTransitionTime is unknown", evidence=evidence)
    known = (*evidence, f"steady since {at:%Y-%m-%dT%H:%MZ}")
    return Idle(state="idle", since=times.latest(at, changed), evidence=known)


def _working(inner: dict[str, Any], wanted: int) -> Idle | None:
    """Return why a cluster's nodes are not all idle, or are not known to be."""
    counts = inner.get("nodeStateCounts")
    told = counts if isinstance(counts, dict) else {}
    at_work = next((f"its {name} is {count}" for name, count in told.items() if name != "idleNodeCount" and count), "")
    if at_work:
        return Idle(state="busy", reason=at_work)
    waiting = told.get("idleNodeCount")
    if (wanted or waiting) and waiting != wanted:
        known = isinstance(waiting, int)
        reason = f"{waiting} of its {wanted} nodes are idle" if known else "what its nodes do is unknown"
        return Idle(state="busy" if known else "unknown", reason=reason)
    return None


def least(inner: Mapping[str, Any]) -> int:
    """Return how many nodes a cluster always keeps; only the maximum is required of `scaleSettings` (docs/protocol.md §7.4)."""
    found = bodies.dig(inner, "scaleSettings.minNodeCount")
    return found if isinstance(found, int) else 0


def nodes(inner: Mapping[str, Any]) -> int:
    """Return how many nodes a cluster has or wants, whichever is more, in any state."""
    counts = inner.get("nodeStateCounts")
    by_state = counts.values() if isinstance(counts, dict) else ()
    told = (inner.get("currentNodeCount"), inner.get("targetNodeCount"), *by_state)
    return max((count for count in told if isinstance(count, int)), default=0)


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _told(at: datetime | None) -> str:
    return f"last changed {at:%Y-%m-%dT%H:%MZ}" if at else "last change unknown"
