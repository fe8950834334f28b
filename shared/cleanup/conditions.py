"""One function for each condition of `targets.CONDITIONS`: does it hold of a resource, by which facts, since when.

`holds` is None where a fact is missing, and what is not known to hold keeps the resource. Times in the future (clocks differ)
make nothing old. Not here: protection and composition (judge), reading the facts (facts).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared.catalog import bodies
from shared.cleanup import durations, facts, idle, times

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from shared.cleanup.facts import Facts
    from shared.cleanup.hours import Hours
    from shared.cleanup.model import Subject
    from shared.cleanup.targets import Stuck

BROKEN_STATES = frozenset({"createfailed", "setupfailed", "usersetupfailed", "unusable"})
STOPPED_STATES = frozenset({"stopped", *BROKEN_STATES})
NOT_STARTED = "it has not started"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one condition found.

    Attributes:
        holds: None when that is not known.
        text: Part of the reason: why it holds, or why it does not.
        evidence: The facts behind it.
        since: Since when it has held, where that is a moment.
    """

    holds: bool | None
    text: str
    evidence: tuple[str, ...] = ()
    since: datetime | None = None


def find(name: str, subject: Subject, argument: Any, known: Facts) -> Finding:
    """Return what a condition finds of a resource; a fact that cannot be read makes it unknown.

    Raises:
        ThrottledError: ARM wants a long wait; nothing is known yet.
    """
    try:
        return _CONDITIONS[name](subject, argument, known)
    except facts.UnknownError as unknown:
        return Finding(holds=None, text=str(unknown))


def span(length: timedelta) -> str:
    """Return a length of time as a fact names it: `13 hours`, `2 days`."""
    minutes = max(0, int(length.total_seconds() // 60))
    for size, noun in ((24 * 60, "day"), (60, "hour")):
        if minutes >= 2 * size:
            return f"{minutes // size} {noun}s"
    return f"{minutes} minute{'' if minutes == 1 else 's'}"


def share(endpoint: Mapping[str, Any] | None, deployment: str) -> int | None:
    """Return which part of an online endpoint's traffic, live or mirrored, goes to a deployment, in percent; None: not told."""
    traffic = bodies.dig(endpoint, "properties.traffic")
    if not isinstance(traffic, dict):
        return None
    mirrored = bodies.dig(endpoint, "properties.mirrorTraffic")
    parts = [part for shares in (traffic, mirrored) if isinstance(shares, dict) for part in shares.items()]
    found = [value for name, value in parts if str(name).lower() == deployment.lower()]
    return sum(found) if all(isinstance(value, int) for value in found) else None


def _older_than(subject: Subject, length: timedelta, known: Facts) -> Finding:
    if subject.target == "job":
        return _age("ended", _ended_at(subject), length, known.now, missing="it has not ended")
    found = _age("created", subject.created_at, length, known.now)
    return found if not found.holds else Finding(**_with(found, f"older than {durations.words(length)}"))


def _unchanged_for(subject: Subject, length: timedelta, known: Facts) -> Finding:
    return _age("last changed", subject.changed_at, length, known.now)


def _age(verb: str, at: datetime | None, length: timedelta, now: datetime, *, missing: str = "") -> Finding:
    if at is None:
        return Finding(holds=False if missing else None, text=missing or f"when it was {verb} is not told")
    fact = f"{verb} {at:%Y-%m-%dT%H:%MZ}"
    if at > now:
        return Finding(holds=False, text=f"{fact}, which is in the future: the clocks differ", evidence=(fact,))
    if now - at <= length:
        return Finding(holds=False, text=f"{verb} {span(now - at)} ago, not more than {durations.words(length)}", evidence=(fact,))
    return Finding(holds=True, text=f"{verb} more than {durations.words(length)} ago", evidence=(fact,), since=at)


def _with(found: Finding, text: str) -> dict[str, Any]:
    return {"holds": found.holds, "text": text, "evidence": found.evidence, "since": found.since}


def _beyond_newest(subject: Subject, kept: int, _known: Facts) -> Finding:
    if subject.created_at is None:
        return Finding(holds=None, text="which of the versions it is, is not known: systemData.createdAt is missing")
    place = f"version {subject.rank} of {subject.siblings}, counted from the newest"
    fact = (f"{subject.newer_active} newer versions that are not archived",)
    if subject.newer_active < kept:
        return Finding(holds=False, text=f"{place}; the newest {kept} are kept", evidence=fact)
    return Finding(holds=True, text=place, evidence=fact)


def _unreferenced(subject: Subject, _flag: object, known: Facts) -> Finding:
    return unreferenced(subject, known)


def unreferenced(subject: Subject, known: Facts) -> Finding:
    """Tell whether nobody refers to an asset, from any workspace or registry, or to a compute of its own workspace."""
    surveys, is_compute = known.surveys, subject.id.types[-1].lower() == "computes"
    who = surveys.of_compute(subject.id) if is_compute else surveys.of_asset(subject.id)
    counts = surveys.counts
    looked = f"looked at {', '.join(_count(number, name) for name, number in counts.items())} in {len(surveys.by_home)} surveys"
    if who:
        return Finding(holds=False, text=f"{who} refers to it", evidence=(looked,))
    own = surveys.problem_of(subject.id)
    if problem := own if is_compute else own or surveys.problem:
        return Finding(holds=None, text=f"it is not known who refers to it: {problem}", evidence=(looked,))
    return Finding(holds=True, text=f"no deployment among {counts['deployments']} refers to it", evidence=(looked,))


def _count(number: int, name: str) -> str:
    words = {"services": "v1 services", "jobs": "running jobs"}
    return f"{number} {words.get(name, name)}"


def _idle_for(subject: Subject, length: timedelta, known: Facts) -> Finding:
    found = idle.of(subject.body, _changed(subject))
    if found.state == "idle" and _more(found.since, length, known.now):
        found = idle.after_runs(found, known.runs_on(subject.id, length))
    if found.state == "idle" and bodies.dig(subject.body, "properties.computeType") == idle.CLUSTER:
        found = _by_metrics(found, subject, length, known)
    if found.state != "idle" or found.since is None:
        reason = found.reason or "it is not known since when it is idle"
        return Finding(holds=False if found.state == "busy" else None, text=reason, evidence=found.evidence)
    if not _more(found.since, length, known.now):
        text = f"idle for {span(known.now - found.since)}, not for {durations.words(length)}"
        return Finding(holds=False, text=text, evidence=found.evidence)
    text = f"idle for {span(known.now - found.since)}, longer than {durations.words(length)}, no run under way"
    return Finding(holds=True, text=text, evidence=found.evidence, since=found.since)


def _by_metrics(found: idle.Idle, subject: Subject, length: timedelta, known: Facts) -> idle.Idle:
    """Let Azure Monitor speak too: where it knows of a node at work, that counts; where it knows nothing, the rest decides."""
    try:
        use = known.active_nodes(subject.id.ancestor(1), length)
    except facts.UnknownError as unknown:
        return idle.after_metrics(found, None, f"Azure Monitor: {unknown}"[:200])
    at = use.last_at.get(subject.id.name.lower())
    seen = f"a node at work until {at:%Y-%m-%dT%H:%MZ}" if at else f"no node at work since {use.since:%Y-%m-%dT%H:%MZ}"
    return idle.after_metrics(found, at, f"Azure Monitor saw {seen}")


def _more(since: datetime | None, length: timedelta, now: datetime) -> bool:
    return since is not None and now - since > length


def _outside_hours(subject: Subject, hours: Hours, known: Facts) -> Finding:
    inner = bodies.dig(subject.body, "properties.properties")
    state, last = bodies.dig(inner, "state"), bodies.dig(inner, "lastOperation")
    local = (f"working hours are {hours}",)
    if hours.hold(known.now):
        return Finding(holds=False, text=f"these are working hours: {hours}", evidence=local)
    if state != "Running":
        return Finding(holds=False if state else None, text=f"its state is {state or 'not told'}", evidence=local)
    if str(bodies.dig(last, "operationStatus") or "").lower() == "inprogress":
        return Finding(holds=False, text=f"{bodies.dig(last, 'operationName')} is under way", evidence=local)
    runs = known.runs_on(subject.id, timedelta(hours=1))
    if runs.active:
        return Finding(holds=False, text=runs.active, evidence=local)
    ended = hours.ended(known.now)
    since = f"since {ended:%Y-%m-%dT%H:%MZ}" if ended else "now"
    return Finding(holds=True, text=f"running outside of working hours {since}, no run under way", evidence=local, since=ended)


def _idle_nodes(subject: Subject, _flag: object, _known: Facts) -> Finding:
    inner = bodies.dig(subject.body, "properties.properties")
    if not isinstance(inner, dict) or bodies.dig(subject.body, "properties.provisioningState") != "Succeeded":
        return Finding(holds=None, text="what its nodes do is not told")
    least, waiting = idle.least(inner), bodies.dig(inner, "nodeStateCounts.idleNodeCount")
    if not least:
        return Finding(holds=False, text="its minimum is 0 nodes")
    if not isinstance(waiting, int):
        return Finding(holds=None, text="how many of its nodes are idle is not told")
    if not waiting:
        return Finding(holds=False, text="none of its nodes is idle")
    return Finding(holds=True, text=f"{waiting} idle nodes, of which its minimum keeps {least}")


def _failed(subject: Subject, _flag: object, _known: Facts) -> Finding:
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
    return Finding(holds=False if state else None, text=f"its provisioningState is {state or 'not told'}", evidence=evidence)


def _unused_for(subject: Subject, length: timedelta, known: Facts) -> Finding:
    """Nothing ran on it, and nobody started, stopped or changed it. Of a running instance nobody knows (notebooks)."""
    kind = bodies.dig(subject.body, "properties.computeType")
    state = str(bodies.dig(subject.body, "properties.properties.state") or "not told")
    if kind == idle.INSTANCE and state.lower() not in STOPPED_STATES:
        text = f"its state is {state}; only of a stopped instance it is known that nobody uses it"
        return Finding(holds=None if state == "not told" else False, text=text)
    touched = times.latest(idle.used(subject.body), _changed(subject))
    found = _age("last used", touched, length, known.now)
    if not found.holds:
        return found
    runs = known.runs_on(subject.id, length)
    if runs.active:
        return Finding(holds=False, text=runs.active, evidence=found.evidence)
    found = _age("last used", times.latest(touched, runs.last_at), length, known.now)
    text = f"unused for more than {durations.words(length)}" if found.holds else found.text
    return Finding(**{**_with(found, text), "evidence": (*found.evidence, f"looked at {runs.count} runs")})


def _lacks_idle_shutdown(subject: Subject, _flag: object, _known: Facts) -> Finding:
    inner = bodies.dig(subject.body, "properties.properties")
    if not isinstance(inner, dict) or bodies.dig(subject.body, "properties.provisioningState") != "Succeeded":
        return Finding(holds=None, text="its settings are not told")
    if own := inner.get("idleTimeBeforeShutdown"):
        return Finding(holds=False, text=f"it has idle shutdown after {own}")  # lowering it would begin its idle time anew
    return Finding(holds=True, text="it has no idle shutdown", evidence=(f"state {inner.get('state')}",))


def _no_traffic(subject: Subject, length: timedelta, known: Facts) -> Finding:
    traffic = bodies.dig(subject.body, "properties.traffic")
    if not isinstance(traffic, dict):
        return Finding(holds=None, text="its traffic is not told")
    mirrored = bodies.dig(subject.body, "properties.mirrorTraffic")
    shares = {**(mirrored if isinstance(mirrored, dict) else {}), **{name: part for name, part in traffic.items() if part}}
    if busy := next((f"{part} % of its traffic goes to {name}" for name, part in shares.items() if part), ""):
        return Finding(holds=False, text=busy)
    found = _age("last changed", subject.changed_at, length, known.now)
    text = f"none of its deployments has had traffic for {durations.words(length)}" if found.holds else found.text
    return Finding(**_with(found, text))


def _no_requests(subject: Subject, length: timedelta, known: Facts) -> Finding:
    """Azure Monitor saw none, and it was there for all of the time."""
    age = _age("created", subject.created_at, length, known.now)
    if not age.holds:
        return age
    of_deployment = subject.id.types[-1].lower() == "deployments"
    endpoint = subject.id.ancestor(2)
    use = known.requests(endpoint, length)
    seen = [at for name, at in use.last_at.items() if not of_deployment or name in ("", subject.id.name.lower())]
    if seen:
        return Finding(holds=False, text=f"Azure Monitor saw requests until {max(seen):%Y-%m-%dT%H:%MZ}")
    fact = f"no RequestsPerMinute from {use.since:%Y-%m-%dT%H:%MZ} to {use.until:%Y-%m-%dT%H:%MZ}"
    return Finding(holds=True, text=f"no request for {durations.words(length)}", evidence=(fact,), since=use.since)


def _zero_traffic_for(subject: Subject, length: timedelta, known: Facts) -> Finding:
    """It has no share, neither it nor its endpoint (whose change a change of traffic is) was touched, and nobody named it."""
    part = share(subject.parent, subject.id.name)
    if part is None:
        return Finding(holds=None, text="its endpoint's traffic is not told")
    if part:
        return Finding(holds=False, text=f"{part} % of the endpoint's traffic goes to it")
    endpoint = subject.id.ancestor(2)
    changes = (known.changed_at(endpoint, subject.parent or {}), subject.changed_at)
    if None in changes:
        return Finding(holds=None, text="when it or its endpoint was last changed is not told")
    found = _age("last changed", times.latest(*changes), length, known.now)
    if not found.holds:
        return Finding(**_with(found, f"it, or its endpoint's traffic, was {found.text}"))
    if seen := [at for name, at in known.requests(endpoint, length).last_at.items() if name in ("", subject.id.name.lower())]:
        return Finding(holds=False, text=f"requests named it until {max(seen):%Y-%m-%dT%H:%MZ}, at 0 % of the traffic")
    return Finding(**_with(found, f"at 0 % of the traffic for more than {durations.words(length)}"))


def _no_deployments(subject: Subject, _flag: object, known: Facts) -> Finding:
    there = known.deployments(subject.id)
    if there:
        return Finding(holds=False, text=f"it has {len(there)} deployment{'' if len(there) == 1 else 's'}")
    return Finding(holds=True, text="it has no deployment")


def _stuck_for(subject: Subject, stuck: Stuck, known: Facts) -> Finding:
    """A job that never started has waited since it was made; one that waits again, since it started."""
    status = str(bodies.dig(subject.body, "properties.status") or "not told")
    if status.lower() not in {name.lower() for name in stuck.statuses}:
        return Finding(holds=None if status == "not told" else False, text=f"its status is {status}")
    since = times.latest(subject.created_at, _started_at(subject)) if subject.created_at else None
    found = _age(f"{status} since", since, stuck.longer_than, known.now)
    if found.holds and since:
        text = f"{status} for {span(known.now - since)}, longer than {durations.words(stuck.longer_than)}"
        return Finding(**_with(found, text))
    return found


def _running_longer_than(subject: Subject, length: timedelta, known: Facts) -> Finding:
    status = str(bodies.dig(subject.body, "properties.status") or "not told")
    if status.lower() not in ("running", "finalizing"):
        return Finding(holds=None if status == "not told" else False, text=f"its status is {status}")
    found = _age("started", _started_at(subject), length, known.now)
    return found if not found.holds else Finding(**_with(found, f"running for longer than {durations.words(length)}"))


def _no_runs(subject: Subject, length: timedelta, known: Facts) -> Finding:
    age = _age("created", subject.created_at, length, known.now)
    if not age.holds:
        return age
    runs = known.newest_run(subject.id)
    if runs.active:
        return Finding(holds=False, text=runs.active)
    if runs.last_at is None:
        return Finding(holds=True, text="no job was ever started in it", evidence=age.evidence, since=age.since)
    found = _age("last run", runs.last_at, length, known.now)
    return found if not found.holds else Finding(**_with(found, f"no job was started for more than {durations.words(length)}"))


def _orphaned(subject: Subject, _flag: object, _known: Facts) -> Finding:
    """Soft evidence, gathered when the resource was listed (leftovers): names and tags are not proof."""
    why = bodies.dig(subject.body, "leftover.why")
    if not why:
        return Finding(holds=False, text="it belongs to no workspace that is gone or failed")
    return Finding(holds=True, text=str(why), evidence=tuple(bodies.dig(subject.body, "leftover.evidence") or ()))


def _changed(subject: Subject) -> datetime | None:
    """Return when it was made or changed last, as if our own mark had not touched it."""
    return times.latest(subject.created_at, subject.changed_at)


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
    "idleFor": _idle_for,
    "outsideHours": _outside_hours,
    "idleNodes": _idle_nodes,
    "failed": _failed,
    "unusedFor": _unused_for,
    "lacksIdleShutdown": _lacks_idle_shutdown,
    "noTraffic": _no_traffic,
    "noRequests": _no_requests,
    "zeroTrafficFor": _zero_traffic_for,
    "noDeployments": _no_deployments,
    "stuckFor": _stuck_for,
    "runningLongerThan": _running_longer_than,
    "noRuns": _no_runs,
    "orphaned": _orphaned,
}
