"""What a run of the clean-up looked at, why it kept or took each resource, and how what it did ended: one JSON blob a run.

A report is written before each act and settled once the operations it started have ended, so that it tells the whole story
also when those operations are no longer kept. Not here: deciding (verdicts), acting (sweep).
"""

from __future__ import annotations

import json
import re
import secrets
from collections import Counter, deque
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, Protocol

from shared.operations import models

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.operations.ledger import Ledger
    from shared.operations.storage import Blobs

VERSION = 1
PREFIX = "cleanup/"
LINE_LIMIT = 10_000  # kept resources listed one by one; more are counted only, so that a report stays a few megabytes
INTERRUPTED_AFTER = timedelta(minutes=15)  # host.json ends a function after five
NAME = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")

Mode = Literal["dryRun", "enforce"]
Outcome = Literal[
    "kept", "would delete", "would stop", "limit reached", "submitted", "deleted", "stopped", "failed", "not submitted"
]
DONE: dict[str, Outcome] = {"delete": "deleted", "stop": "stopped"}


class Stores(Protocol):
    """What reports need of the composition root."""

    @property
    def blobs(self) -> Blobs: ...  # noqa: D102
    @property
    def ledger(self) -> Ledger: ...  # noqa: D102
    @property
    def clock(self) -> Callable[[], datetime]: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One resource that was looked at.

    Attributes:
        id: ARM id.
        kind: E.g. `workspaces/computes`.
        reason: Why it is kept, or why it may go.
        evidence: The facts behind the reason.
        action: `none`, `delete` or `stop`.
        outcome: What became of it.
        operation: Id of the operation that carries out the action.
        error: Why that failed.
    """

    id: str
    kind: str
    reason: str
    action: str = "none"
    outcome: Outcome = "kept"
    evidence: tuple[str, ...] = ()
    operation: str = ""
    error: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON, without what is empty."""
        out = {name: value for name, value in asdict(self).items() if value not in ("", (), None)}
        return {**out, "evidence": list(self.evidence)} if self.evidence else out


@dataclass(slots=True, kw_only=True)
class Report:
    """A run of the clean-up; only the run itself, and later `settled`, change it.

    Attributes:
        name: Its id; begins with the time, so that names sort by age.
        mode: `dryRun` reports only.
        caller: Who asked: `timer`, or a caller of the API.
        rules: What counted as stale or idle, and how many resources the run might act on.
        swept_at: When the run itself ended; None while it is under way, or when it was killed.
        ended_at: When the last of its operations had ended.
        status: `Running`, then `Completed`; `Interrupted` when the run was killed.
        notes: What the run as a whole has to say, e.g. that its limit was reached.
        workspaces: Each workspace with `status` (`read`, `unreadable`, `skipped`, `left`) and why.
        lines: Each resource; kept ones beyond `LINE_LIMIT` are only counted in `unlisted`.
    """

    name: str
    mode: Mode
    caller: str
    started_at: datetime
    rules: dict[str, Any]
    swept_at: datetime | None = None
    ended_at: datetime | None = None
    status: Literal["Running", "Completed", "Interrupted"] = "Running"
    notes: list[str] = field(default_factory=list)
    workspaces: list[dict[str, str]] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    unlisted: int = 0

    def add(self, line: Line) -> None:
        """Note a resource that is kept, or that would be acted on."""
        if line.outcome == "kept" and len(self.lines) >= LINE_LIMIT:
            self.unlisted += 1
        else:
            self.lines.append(line)

    def view(self, *, resources: bool = True) -> dict[str, Any]:
        """Return the report as callers read it; without its resources for a list."""
        out: dict[str, Any] = {"id": f"/cleanup/reports/{self.name}", "name": self.name, "status": self.status, "mode": self.mode}
        out |= {"caller": self.caller, "startTime": models.iso(self.started_at)}
        if self.ended_at:
            out["endTime"] = models.iso(self.ended_at)
        outcomes = Counter(line.outcome for line in self.lines)
        outcomes["kept"] += self.unlisted
        out |= {"rules": self.rules, "looked": len(self.lines) + self.unlisted, "outcomes": dict(sorted(outcomes.items()))}
        for name in ("deleted", "stopped", "failed"):
            out[name] = [line.id for line in self.lines if line.outcome == name]
        out |= {"notes": self.notes, "workspaces": self.workspaces}
        if resources:
            out["resources"] = [line.to_json() for line in self.lines]
            out["unlisted"] = self.unlisted
        return out

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON to store: what callers read, and a version."""
        swept = models.iso(self.swept_at) if self.swept_at else None
        return {"version": VERSION, **self.view(), "sweptTime": swept}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Report:
        """Read back what `to_json` wrote.

        Raises:
            ValueError: the report was written by a newer version of the app.
        """
        if stored["version"] > VERSION:
            message = f"report {stored['name']} has version {stored['version']}; this app reads up to {VERSION}"
            raise ValueError(message)
        times = {name: datetime.fromisoformat(stored[name]) for name in ("startTime", "sweptTime", "endTime") if stored.get(name)}
        return cls(
            **{name: stored[name] for name in ("name", "mode", "caller", "rules", "status", "notes", "workspaces", "unlisted")},
            started_at=times["startTime"],
            swept_at=times.get("sweptTime"),
            ended_at=times.get("endTime"),
            lines=[Line(**{**line, "evidence": tuple(line.get("evidence", ()))}) for line in stored["resources"]],
        )


def new_name(now: datetime) -> str:
    """Return a name that sorts by time."""
    return f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def save(report: Report, stores: Stores) -> None:
    """Write the report.

    Raises:
        TransientError: the app's storage is out of reach.
    """
    stores.blobs.put(f"{PREFIX}{report.name}.json", json.dumps(report.to_json(), ensure_ascii=False).encode())


def load(name: str, stores: Stores) -> Report | None:
    """Return the report of that name with its operations as they stand now, or None.

    Raises:
        TransientError: the app's storage is out of reach.
    """
    content = stores.blobs.get(f"{PREFIX}{name}.json") if NAME.fullmatch(name) else None
    return settled(Report.from_json(json.loads(content)), stores) if content else None


def newest(top: int, stores: Stores) -> list[Report]:
    """Return the newest reports, newest first.

    Raises:
        TransientError: the app's storage is out of reach.
    """
    blobs = deque(stores.blobs.names(PREFIX), maxlen=top)
    names = [blob.removeprefix(PREFIX).removesuffix(".json") for blob in reversed(blobs)]
    return [report for name in names if (report := load(name, stores))]


def settled(report: Report, stores: Stores) -> Report:
    """Take up how the report's operations stand; once all have ended, and the run itself, that is stored for good."""
    if report.status != "Running":
        return report
    killed = report.swept_at is None and stores.clock() - report.started_at > INTERRUPTED_AFTER
    ends = [report.swept_at or report.started_at]
    for position, line in enumerate(report.lines):
        if line.outcome == "submitted":
            stored = stores.ledger.load(line.operation)
            report.lines[position], ended_at = _after(
                line, stored.operation if stored else None, over=killed or bool(report.swept_at)
            )
            ends += [ended_at] if ended_at else []
    if any(line.outcome == "submitted" for line in report.lines) or not (report.swept_at or killed):
        return report
    report.status = "Interrupted" if killed else "Completed"
    report.ended_at = max(ends)
    if killed:
        report.notes.append("The run was killed before it ended; what it had not looked at is left to the next run.")
    save(report, stores)
    return report


def _after(line: Line, operation: models.Operation | None, *, over: bool) -> tuple[Line, datetime | None]:
    """Return the line after its operation, and when that ended; an operation that is not there was never accepted."""
    if operation is None:
        return (replace(line, outcome="not submitted") if over else line), None
    if not operation.ended:
        return line, None
    if operation.status == "Succeeded":
        return replace(line, outcome=DONE[line.action]), operation.ended_at
    return replace(line, outcome="failed", error=operation.error.to_json() if operation.error else None), operation.ended_at
