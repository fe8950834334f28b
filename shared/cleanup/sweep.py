"""One run of the clean-up: look at each workspace, judge each resource, act where the rules and the limit allow, report.

Everything it does is an operation like a caller's own: recorded, followed, audited under `cleanup:{report}`. Each resource
and all that refers to it is read again right before it is given up. Not here: the rules themselves (verdicts).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from shared.catalog import bodies, kinds, paths
from shared.cleanup import inventory, reports, verdicts
from shared.cleanup.reports import Line, Report
from shared.operations import flows, models, steps
from shared.rest import errors, ids

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.cleanup.references import References
    from shared.cleanup.reports import Mode
    from shared.cleanup.verdicts import Rules, Verdict
    from shared.operations.storage import Blobs
    from shared.settings import Settings

log = logging.getLogger("steward.cleanup")

TIMER_BUDGET = timedelta(seconds=180)  # of the 300 that host.json gives a function
REQUEST_BUDGET = timedelta(seconds=100)  # of the 230 that the platform lets an HTTP caller wait
COMPUTES = "workspaces/computes"
VERSIONS = "workspaces/models/versions"


class Services(steps.Services, Protocol):
    """What a run needs of the composition root."""

    @property
    def blobs(self) -> Blobs: ...  # noqa: D102
    @property
    def settings(self) -> Settings: ...  # noqa: D102


@dataclass(slots=True, kw_only=True)
class _Run:
    """A run under way."""

    services: Services
    report: Report
    rules: Rules
    limit: int
    deadline: datetime
    acted: int = 0

    @property
    def out_of_time(self) -> bool:
        return self.services.clock() >= self.deadline


def sweep(services: Services, *, mode: Mode, caller: str, budget: timedelta) -> Report:
    """Run the clean-up over the workspaces of the configured resource group or subscription, and return its report.

    Args:
        services: The composition root.
        mode: `dryRun` only reports what it would do.
        caller: Who asked; stands in the report.
        budget: How long the run may look and act; workspaces it does not get to come first in the next run.

    Raises:
        BadRequestError: `ScopeMissing`; no subscription is configured.
        StewardError: the list of workspaces could not be read, or the app's storage is out of reach.
    """
    settings, now = services.settings, services.clock()
    if not settings.subscription_id:
        message = "The clean-up works in the configured subscription, and the setting STEWARD_SUBSCRIPTION_ID is empty."
        raise errors.BadRequestError("ScopeMissing", message, target="STEWARD_SUBSCRIPTION_ID")
    rules = verdicts.Rules(
        model_days=settings.cleanup_model_days, model_keep=settings.cleanup_model_keep, idle_minutes=settings.cleanup_idle_minutes
    )
    shown: dict[str, Any] = {"modelDays": rules.model_days, "modelKeep": rules.model_keep, "idleMinutes": rules.idle_minutes}
    shown |= {"limit": settings.cleanup_limit, "protectTag": verdicts.KEEP_TAG}
    report = Report(name=reports.new_name(now), mode=mode, caller=caller, started_at=now, rules=shown)
    run = _Run(services=services, report=report, rules=rules, limit=settings.cleanup_limit, deadline=now + budget)
    earlier = reports.newest(3, services)  # settles them, too
    reports.save(report, services)
    try:
        for workspace in _left_first(inventory.workspaces(settings.subscription_id, settings.resource_group, services), earlier):
            _look_at(workspace, run)
    except errors.StewardError as problem:
        report.notes.append(f"The workspaces could not be listed: {problem.error.code}: {problem.error.message}")
        _end(run)
        raise
    return _end(run)


def _end(run: _Run) -> Report:
    report = run.report
    report.swept_at = run.services.clock()
    reports.save(report, run.services)
    reports.settled(report, run.services)
    looked = len(report.lines) + report.unlisted
    log.info("clean-up %s (%s): looked at %d, %d to act on", report.name, report.mode, looked, run.acted)
    return report


def _left_first(found: list[dict[str, Any]], earlier: list[Report]) -> list[dict[str, Any]]:
    """Put first what the last run had no time for."""
    left = {each["id"].lower() for each in (earlier[0].workspaces if earlier else []) if each["status"] == "left"}
    return sorted(found, key=lambda workspace: workspace["id"].lower() not in left)


def _look_at(body: dict[str, Any], run: _Run) -> None:
    """Judge one workspace; whatever of it cannot be read is kept, and the report says why."""
    workspace = ids.parse(body["id"])
    entry = {"id": workspace.path, "status": "read"}
    run.report.workspaces.append(entry)
    state = str(bodies.dig(body, "properties.provisioningState") or "Succeeded")
    if run.out_of_time:
        entry |= {"status": "left", "reason": "the run's time was up; the next run begins here"}
    elif verdicts.is_protected(body):
        entry |= {"status": "skipped", "reason": f"it has the tag {verdicts.KEEP_TAG}"}
    elif state != "Succeeded":
        entry |= {"status": "skipped", "reason": f"its provisioningState is {state}"}
    else:
        try:
            found = inventory.references(workspace, run.services)
            _computes(workspace, found, run)
            _models(workspace, found, run)
        except errors.StewardError as problem:
            reason = (
                f"nothing more of it was judged, because it could not be read whole: {problem.error.code}: {problem.error.message}"
            )
            entry |= {"status": "unreadable", "reason": reason}
        if run.out_of_time and entry["status"] == "read":
            entry |= {"status": "left", "reason": "the run's time was up before all of it was looked at"}


def _computes(workspace: ids.ResourceId, found: References, run: _Run) -> None:
    for body in inventory.listing(workspace.child("computes"), run.services):
        if run.out_of_time:
            return
        compute = workspace.child("computes", str(body["name"]))
        verdict = _compute_verdict(compute, body, found, run)

        def again(compute: ids.ResourceId = compute) -> Verdict:
            return _compute_again(compute, run)

        _settle(compute, COMPUTES, verdict, again, run)


def _models(workspace: ids.ResourceId, found: References, run: _Run) -> None:
    for container in inventory.listing(workspace.child("models"), run.services, "listViewType=All"):
        if run.out_of_time:
            return
        model = workspace.child("models", str(container["name"]))
        for version, verdict in _version_verdicts(model, container, found, run):
            named = model.child("versions", version)

            def again(named: ids.ResourceId = named) -> Verdict:
                return _version_again(named, run)

            _settle(named, VERSIONS, verdict, again, run)


def _compute_verdict(compute: ids.ResourceId, body: dict[str, Any], found: References, run: _Run) -> Verdict:
    """Judge a compute by itself, and only where that leaves the question open by its runs."""
    now = run.services.clock()
    verdict = verdicts.compute(compute.name, body, found, run.rules, now)
    if verdict.action == "none":
        return verdict
    try:
        runs = inventory.runs_on(compute.ancestor(1), compute.name, run.services)
    except errors.StewardError as problem:
        return replace(verdict, action="none", reason=f"its runs could not be read: {problem.error.code}: {problem.error.message}")
    return verdicts.after_runs(verdict, runs, run.rules, now)


def _version_verdicts(model: ids.ResourceId, container: dict[str, Any], found: References, run: _Run) -> list[tuple[str, Verdict]]:
    """Judge all versions of a model, archived and anonymous ones included (`listViewType`, facts §7)."""
    listed = inventory.listing(model.child("versions"), run.services, "listViewType=All")
    versions = [verdicts.version_of(body) for body in listed]
    if verdicts.is_protected(container):
        kept = verdicts.Verdict(reason=f"its model has the tag {verdicts.KEEP_TAG}")
        return [(version.name, kept) for version in versions]
    judged = verdicts.model_versions(model.name, versions, found, run.rules, run.services.clock())
    return [(version.name, verdict) for version, verdict in judged]


def _compute_again(compute: ids.ResourceId, run: _Run) -> Verdict:
    """Judge a compute anew, by what Azure tells now."""
    if refusal := _refusal(compute, run):
        return refusal
    body = inventory.read(compute, run.services)
    if body is None:
        return verdicts.Verdict(reason="it is gone already")
    return _compute_verdict(compute, body, inventory.references(compute.ancestor(1), run.services), run)


def _version_again(named: ids.ResourceId, run: _Run) -> Verdict:
    """Judge a model version anew, among its siblings, by what Azure tells now."""
    if refusal := _refusal(named, run):
        return refusal
    model = named.ancestor(2)
    container = inventory.read(model, run.services)
    if container is None:
        return verdicts.Verdict(reason="it is gone already")
    judged = dict(_version_verdicts(model, container, inventory.references(named.ancestor(1), run.services), run))
    return judged.get(named.name) or verdicts.Verdict(reason="it is gone already")


def _refusal(resource: ids.ResourceId, run: _Run) -> Verdict | None:
    """Keep what an operation of ours is working on, and what is in a workspace that was protected or changed meanwhile."""
    under_way = run.services.ledger.newest(top=5, partition=models.partition_of(resource))
    if operation := next((operation for operation in under_way if not operation.ended), None):
        return verdicts.Verdict(reason=f"operation {operation.id} ({operation.method}) on it is under way")
    body = inventory.read(resource.ancestor(1), run.services)
    if body is None or verdicts.is_protected(body):
        return verdicts.Verdict(
            reason="its workspace is gone" if body is None else f"its workspace has the tag {verdicts.KEEP_TAG}"
        )
    return None


def _settle(resource: ids.ResourceId, kind: str, verdict: Verdict, again: Callable[[], Verdict], run: _Run) -> None:
    """Put a verdict into the report, and carry it out when the run enforces and has not reached its limit."""
    line = Line(id=resource.path, kind=kind, reason=verdict.reason, action=verdict.action, evidence=verdict.evidence)
    if verdict.action == "none":
        run.report.add(line)
    elif run.acted >= run.limit:
        note = f"The limit of {run.limit} was reached; the rest is left to later runs."
        if note not in run.report.notes:
            run.report.notes.append(note)
        run.report.add(replace(line, outcome="limit reached"))
    elif run.report.mode == "dryRun":
        run.acted += 1
        run.report.add(replace(line, outcome="would delete" if verdict.action == "delete" else "would stop"))
    elif run.out_of_time:
        run.report.add(replace(line, outcome="not submitted", reason=f"{line.reason}; but the run's time was up"))
    else:
        _act(resource, line, again, run)


def _act(resource: ids.ResourceId, line: Line, again: Callable[[], Verdict], run: _Run) -> None:
    """Look again; then record the act in the report, and submit it."""
    try:
        now = again()
    except errors.StewardError as problem:
        now = verdicts.Verdict(reason=f"it could not be read again: {problem.error.code}: {problem.error.message}")
    if now.action != line.action:
        run.report.add(replace(line, action="none", reason=f"seen again: {now.reason}", evidence=now.evidence))
        return
    request = _request(resource, line, run.report.name)
    operation = f"{models.partition_of(resource)}-{models.new_suffix(request.idempotency_key, request.caller)}"
    position = len(run.report.lines)
    run.report.add(replace(line, outcome="submitted", operation=operation, reason=now.reason, evidence=now.evidence))
    run.acted += 1
    reports.save(run.report, run.services)
    try:
        flows.submit(request, run.services, respond_async=True)
    except errors.PermanentError as problem:
        refused = replace(run.report.lines[position], outcome="failed", error=problem.error.to_json())
        run.report.lines[position] = refused


def _request(resource: ids.ResourceId, line: Line, name: str) -> flows.Request:
    """Return the operation that carries out a verdict; its key makes a second submission of the same act the same operation."""
    kind = kinds.by_type()["arm", kinds.ML.lower(), line.kind.lower()]
    stop = line.action == "stop"
    return flows.Request(
        target=paths.Target(kind=kind, id=resource, action=kind.action("stop") if stop else None),
        method="POST" if stop else "DELETE",
        api_version=kind.api_version,
        query="" if stop else kind.delete_query,
        idempotency_key=f"{name} {line.action} {resource.key}",
        caller=f"cleanup:{name}",
    )
