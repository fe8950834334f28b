"""Conditions of endpoints and their deployments: traffic, requests, what they hold.

Not here: Azure Monitor's answers (metrics), which of these a policy may name (targets).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.catalog import bodies
from shared.cleanup.verdict import condition_findings
from shared.cleanup.verdict.condition_findings import Finding
from shared.text import durations, times

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from shared.cleanup.facts.workspace_facts import Facts
    from shared.cleanup.policy.model import Subject


def share(endpoint: Mapping[str, Any] | None, deployment: str) -> int | None:
    """Return which part of an online endpoint's traffic, live or mirrored, goes to a deployment, in percent; None: unknown."""
    traffic = bodies.dig(endpoint, "properties.traffic")
    if not isinstance(traffic, dict):
        return None
    mirrored = bodies.dig(endpoint, "properties.mirrorTraffic")
    parts = [part for shares in (traffic, mirrored) if isinstance(shares, dict) for part in shares.items()]
    found = [value for name, value in parts if str(name).lower() == deployment.lower()]
    return sum(found) if all(isinstance(value, int) for value in found) else None


def no_traffic(subject: Subject, length: timedelta, known: Facts) -> Finding:
    """No live or mirrored share goes to any deployment, and the endpoint is unchanged for so long."""
    traffic = bodies.dig(subject.body, "properties.traffic")
    if not isinstance(traffic, dict):
        return Finding(holds=None, text="its traffic is unknown")
    mirrored = bodies.dig(subject.body, "properties.mirrorTraffic")
    shares = {**(mirrored if isinstance(mirrored, dict) else {}), **{name: part for name, part in traffic.items() if part}}
    if busy := next((f"{part} % of its traffic goes to {name}" for name, part in shares.items() if part), ""):
        return Finding(holds=False, text=busy)
    found = condition_findings.age("last changed", subject.changed_at, length, known.now)
    text = f"none of its deployments has had traffic for {durations.words(length)}" if found.holds else found.text
    return Finding(**condition_findings.parts(found, text))


def no_requests(subject: Subject, length: timedelta, known: Facts) -> Finding:
    """Azure Monitor saw none, and it was there for all of the time."""
    age = condition_findings.age("created", subject.created_at, length, known.now)
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


def zero_traffic_for(subject: Subject, length: timedelta, known: Facts) -> Finding:
    """It has no share, neither it nor its endpoint (whose change a change of traffic is) was changed, and nothing named it."""
    part = share(subject.parent, subject.id.name)
    if part is None:
        return Finding(holds=None, text="its endpoint's traffic is unknown")
    if part:
        return Finding(holds=False, text=f"{part} % of the endpoint's traffic goes to it")
    endpoint = subject.id.ancestor(2)
    changes = (known.changed_at(endpoint, subject.parent or {}), subject.changed_at)
    if None in changes:
        return Finding(holds=None, text="when it or its endpoint was last changed is unknown")
    found = condition_findings.age("last changed", times.latest(*changes), length, known.now)
    if not found.holds:
        return Finding(**condition_findings.parts(found, f"it, or its endpoint's traffic, was {found.text}"))
    if seen := [at for name, at in known.requests(endpoint, length).last_at.items() if name in ("", subject.id.name.lower())]:
        return Finding(holds=False, text=f"requests named it until {max(seen):%Y-%m-%dT%H:%MZ}, at 0 % of the traffic")
    return Finding(**condition_findings.parts(found, f"at 0 % of the traffic for more than {durations.words(length)}"))


def no_deployments(subject: Subject, _flag: object, known: Facts) -> Finding:
    """Its list of deployments is empty."""
    there = known.deployments(subject.id)
    if there:
        return Finding(holds=False, text=f"it has {condition_findings.count(len(there), 'deployment')}")
    return Finding(holds=True, text="it has no deployment")
