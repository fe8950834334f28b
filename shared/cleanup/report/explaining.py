"""Why one resource is kept or goes: what every policy of its kind finds of it, each condition with its facts.

Its own workspace and the registries are read now; what other workspaces refer to comes from the newest run that read it, or,
where there is none, is read now, too. Not here: judging (judge).
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shared.catalog import kinds
from shared.cleanup.facts import inventory, locks, pacing, survey
from shared.cleanup.policy import policies
from shared.cleanup.run import units
from shared.cleanup.verdict import judge, marks
from shared.costs import cost_report
from shared.endpoints import snapshots
from shared.text import times

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from shared.cleanup.facts.survey import Surveys
    from shared.cleanup.policy.model import Mark, Policy
    from shared.cleanup.run.claims import Services
    from shared.cleanup.verdict.condition_findings import Finding
    from shared.rest.ids import ResourceId


def explain(resource: ResourceId, services: Services) -> dict[str, Any]:
    """Return what each policy finds of a resource.

    Raises:
        StewardError: it, its locks or its references could not be read.
    """
    azure = replace(pacing.of(services), spending=cost_report.spending(services))
    chosen, problems = policies.load(services.blobs)
    wanted = [policy for policy in chosen if judge.concerns(policy.kind, resource)]
    known, at = _references(resource, wanted, azure, services)
    mark = marks.Marks(services.cleanup_rows).get(resource)
    held = locks.read(resource, azure)
    now, found = services.clock(), []
    for judged, findings in judge.explain(wanted, resource, known, {resource.key: mark} if mark else {}, azure, now):
        policy = next(each for each in wanted if each.name == judged.policy)
        line = units.line_of(judged, policy, mark, held, now)
        conditions = [_condition(name, finding) for name, finding in findings]
        found.append(
            {**_told(policy, judged.verdict.reason), "next": line.reason, "step": line.step or "keep", "conditions": conditions}
        )
    out: dict[str, Any] = {"resource": resource.path, "policies": found}
    out["exists"] = bool(found) or _exists(resource, azure)
    out["referencesOf"] = times.iso(at)
    out["lock"] = held.on(resource) or None
    out["mark"] = _mark(mark)
    out["notes"] = [f"A file of policies has no effect: {problem}" for problem in problems]
    return out


def _exists(resource: ResourceId, azure: pacing.Paced) -> bool:
    kind = kinds.by_type().get(("arm", resource.namespace.lower(), "/".join(resource.types).lower()))
    return inventory.read(resource, azure, kind.api_version if kind else kinds.ML_VERSION) is not None


def _references(
    resource: ResourceId, wanted: Sequence[Policy], azure: pacing.Paced, services: Services
) -> tuple[Surveys, datetime]:
    now = services.clock()
    if not wanted:
        return survey.merge([]), now
    tell = snapshots.specs(services.blobs)
    own = [survey.of(resource.ancestor(1), azure, now, tell)] if resource.types[:1] == ("workspaces",) else []
    for run in services.journal.runs():
        content = services.blobs.get(units.references_blob(run)) if run.round else None
        if content:
            kept = survey.merge(survey.Survey.from_json(json.loads(line)) for line in content.splitlines())
            return kept.replaced(*own), run.surveyed_at or run.created_at
    every = survey.everywhere(azure, now, tell, but=resource.ancestor(1).key, also=resource.subscription)
    return survey.merge([*every, *own]), now


def _told(policy: Policy, reason: str) -> dict[str, Any]:
    return {"policy": policy.name, "mode": policy.mode, "action": policy.action, "verdict": reason}


def _condition(name: str, finding: Finding) -> dict[str, Any]:
    holds = {True: "yes", False: "no", None: "unknown"}[finding.holds]
    out: dict[str, Any] = {"condition": name, "holds": holds, "because": finding.text, "evidence": list(finding.evidence)}
    return {**out, "since": times.iso(finding.since)} if finding.since else out


def _mark(mark: Mark | None) -> dict[str, str] | None:
    if mark is None:
        return None
    return {"policy": mark.policy, "reason": mark.reason, "markedAt": times.iso(mark.at), "due": times.iso(mark.due)}
