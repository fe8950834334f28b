"""A run as its caller reads it: what it looked at, what became of each resource, what it cost and saves; page by page.

Lines come from the pages that the run wrote; what became of an act is laid over them here. Not here: HTML and CSV (pages).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from shared.cleanup.report import savings
from shared.cleanup.run import journal, outcomes, report_lines, units
from shared.rest import errors, ids
from shared.text import times

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from shared.cleanup.run.claims import Services
    from shared.cleanup.run.journal import Run, Unit
    from shared.cleanup.run.report_lines import Line

TOP = 1_000
MOST = 10_000  # lines in one answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What part of a report is asked for.

    Attributes:
        skip, top: Which lines.
        changes: Only those that something is, or would be, done about.
    """

    skip: int = 0
    top: int = TOP
    changes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A run with what there is to read of it.

    Attributes:
        acts: What it carries out, with what became of each so far.
        plan: What it would carry out if its policies enforced.
        enforced: Policies that do.
        more: Where the next page begins, 0 when there is none.
    """

    run: Run
    units: tuple[Unit, ...]
    acts: tuple[Line, ...]
    plan: tuple[Line, ...]
    enforced: frozenset[str]
    lines: tuple[Line, ...]
    more: int
    totals: Mapping[str, Any]


def load(name: str, page: Page, services: Services) -> Report:
    """Return a page of a report.

    Raises:
        BadRequestError: `ReportNotFound` (404).
        TransientError: the app's storage is out of reach.
    """
    kept = services.journal.load(name)
    if kept is None:
        raise journal.missing(name)
    run = kept.value
    found = tuple(unit.value for unit in services.journal.units(name))
    acts = tuple(outcomes.of(run, services))
    plan = tuple(report_lines.read(services.blobs, outcomes.plan_blob(name)))
    enforced = frozenset(policy.name for policy in units.frozen(run, services) if policy.mode == "enforce")
    shown, more = _lines(found, (acts, plan), page, services)
    known = {line.key: line for line in (*acts, *plan)}
    others = {line.id.lower(): line.policy for line in (*plan, *acts)}
    over = run.ended or run.phase in ("act", "settle")
    told = tuple(
        known.get(line.key) or _told(line, others.get(line.id.lower(), ""), enforces=line.policy in enforced, chosen=over)
        for line in shown
    )
    totals = run.totals if run.ended else savings.totals(run, acts, services)[0]
    return Report(run=run, units=found, acts=acts, plan=plan, enforced=enforced, lines=told, more=more, totals=totals)


def summary(run: Run, totals: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return a run without its resources."""
    out: dict[str, Any] = {"id": f"/cleanup/reports/{run.name}", "name": run.name, "status": run.status, "mode": run.mode}
    out |= {"caller": run.caller, "startTime": times.iso(run.created_at)}
    if run.ended_at:
        out["endTime"] = times.iso(run.ended_at)
    else:
        out["phase"] = run.phase
    out |= {"traceId": run.trace.id, "policies": list(run.policies)}
    out |= {"scope": list(run.scope)} if run.scope else {}
    out |= {"approves": run.plan} if run.plan else {}
    out |= {"approvedBy": run.approved} if run.approved else {}
    told = totals or run.totals
    shown = {name: told[name] for name in ("looked", "outcomes", "savings", "requests") if name in told}
    return {**out, **shown, "notes": list(run.notes)}


def view(report: Report) -> dict[str, Any]:
    """Return a page of a report as JSON; the caller adds the link to the next."""
    out = summary(report.run, report.totals)
    out["workspaces"] = [_workspace(unit) for unit in report.units if unit.id and (unit.judges or unit.problem)]
    by_policy = report.totals.get("policies", {})
    out["byPolicy"] = by_policy
    out["subscriptions"] = report.totals.get("subscriptions", [])
    out["resources"] = [told(line) for line in report.lines]
    return out


def told(line: Line) -> dict[str, Any]:
    """Return one line as JSON."""
    out = line.to_json()
    for name in ("did", "step", "stamp"):
        out.pop(name, None)
    out["outcome"] = savings.text(line)
    return out


def _workspace(unit: Unit) -> dict[str, Any]:
    status = (
        "skipped" if unit.skipped else "unreadable" if unit.problem else "read" if unit.judged or not unit.judges else "waiting"
    )
    reason = unit.skipped or unit.problem
    return {"id": unit.id, "status": status, **({"reason": reason} if reason else {})}


def _lines(
    found: Sequence[Unit], changes: tuple[Sequence[Line], Sequence[Line]], page: Page, services: Services
) -> tuple[list[Line], int]:
    """Return the lines of a page, and where the next begins."""
    if page.changes:
        every: Iterator[Line] = itertools.chain(*changes)
        shown = list(itertools.islice(every, page.skip, page.skip + page.top))
        whole = sum(len(each) for each in changes)
    else:
        shown = list(report_lines.window(services, found, page.skip, page.top))
        whole = sum(count for unit in found for _, count in unit.pages)
    end = page.skip + len(shown)
    return shown, end if shown and end < whole else 0


def _told(line: Line, other: str, *, enforces: bool, chosen: bool) -> Line:
    """Return a line that is not one of the run's acts with what became of it; `other` is the policy that has the resource."""
    if line.step == "act" and line.action == "notify":
        return replace(line, outcome="done", did="notified") if enforces else replace(line, outcome="planned")
    if line.is_todo and other:
        return replace(line, outcome="kept", reason=f"the policy {other} has it; otherwise: {line.reason}")
    if line.is_todo:
        return replace(line, outcome="limit reached" if chosen else "planned")
    return line


def place(line: Line) -> tuple[str, str, str]:
    """Return a resource's workspace, its path in that, and its subscription, for people."""
    try:
        parsed = ids.parse(line.id)
    except errors.BadRequestError:
        return "", line.id, ""
    if parsed.types[:1] != ("workspaces",):
        whole = "/".join(itertools.chain(*zip(parsed.types, parsed.names, strict=False)))
        return parsed.resource_group, whole, parsed.subscription
    below = "/".join(itertools.chain(*zip(parsed.types[1:], parsed.names[1:], strict=False)))
    return parsed.names[0], below or "the workspace itself", parsed.subscription
