"""The record of a rollout: its plan, its progress, and its pending notifications. Pure, except for the table.

Not here: its steps (rollouts), how its plan is read (rollout_fields).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from shared.durable import codec, records, storage, versions
from shared.operations import models
from shared.rest import ids
from shared.text import durations, times

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.durable.records import Versioned
    from shared.durable.storage import Row, Rows

VERSION = 1
PREFIX = "rollout-"
OPEN = "open"  # key of the row that says which rollout of the endpoint is under way
KEPT = 60  # notes
MOMENTS = ("created_at", "due_at", "since", "ended_at")

Status = Literal["Running", "Paused", "Succeeded", "RolledBack", "Aborted", "Stopped", "Failed"]
Stage = Literal["create", "smoke", "golden", "mirror", "step", "back", "keep", "done"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """One rollout.

    Attributes:
        endpoint: ARM id.
        plan: As `rollout_fields.parse` returns it; without the body once the deployment is there.
        keys: Of whom that is, as `Grant.of` has them: it goes no further when one is revoked.
        asked_hash: Of the request, for an Idempotency-Key that comes again.
        step: Number of saves: the step that its messages name.
        status: How it is for callers; `Succeeded` while the old deployments are kept, too.
        stage, at: What is done now, and which of its items.
        since: Since when the present share is in force; None while it is not.
        traffic, mirror: As this rollout found or set them last; lower case is compared.
        before: Traffic and mirror of the beginning, for the way back.
        wanted: Traffic and mirror that a write under way sets.
        stamps: Deployment in lower case → when it last changed, as Azure wrote it.
        operation: What is waited for.
        writes: How many changes were begun: part of their keys.
        asked: What a caller wants: `promote`, `pause`, `abort`.
        ending: What the way back ends as.
        tries: Failures in a row.
        live: `errorRate` and `p95` of the live deployment, as last known.
        figures: What the last look at the gate saw, for callers.
        notes: What happened, the oldest first.
        untold, told: Events that are still to be sent, and how many were.
    """

    id: str
    endpoint: str
    plan: Mapping[str, Any]
    caller: str
    created_at: datetime
    due_at: datetime
    keys: tuple[str, ...] = ()
    asked_hash: str = ""
    notify: tuple[str, ...] = ()
    step: int = 0
    status: Status = "Running"
    stage: Stage = "create"
    at: int = 0
    since: datetime | None = None
    traffic: Mapping[str, int] = field(default_factory=dict)
    mirror: Mapping[str, int] = field(default_factory=dict)
    before: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    wanted: Mapping[str, Mapping[str, int]] | None = None
    stamps: Mapping[str, str] = field(default_factory=dict)
    operation: str = ""
    writes: int = 0
    asked: str = ""
    ending: Status = "RolledBack"
    tries: int = 0
    live: Mapping[str, float | None] = field(default_factory=dict)
    figures: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[Mapping[str, Any], ...] = ()
    untold: tuple[Mapping[str, Any], ...] = ()
    told: int = 0
    ended_at: datetime | None = None
    unknown: Mapping[str, Any] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """Whether nothing is left to do and every notification is sent."""
        return self.stage == "done" and not self.untold

    @property
    def under_way(self) -> bool:
        """Whether it keeps another rollout of the endpoint from starting."""
        return self.status in ("Running", "Paused")

    @property
    def new(self) -> str:
        """The new deployment's name."""
        return str(self.plan["deployment"])

    @property
    def old(self) -> list[str]:
        """The deployments that were live, the one with the most traffic first."""
        shares = self.before["traffic"]
        return sorted((name for name in shares if shares[name]), key=lambda name: -shares[name])

    @property
    def percent(self) -> int:
        """The share of the present step."""
        return int(self.plan["steps"][self.at]) if self.stage == "step" else 0

    def noted(self, now: datetime, what: str, reason: str = "") -> Rollout:
        """Return the rollout with a line in its history."""
        line = {"at": times.iso(now), "what": what, **({"reason": reason[:600]} if reason else {})}
        return replace(self, notes=(*self.notes, line)[-KEPT:])

    def telling(self, now: datetime, event: str, reason: str = "") -> Rollout:
        """Return the rollout with a line in its history that is also sent as a notification."""
        said = {"event": event, "at": times.iso(now), "status": self.status, "traffic": dict(self.traffic), "reason": reason[:600]}
        return replace(self.noted(now, event, reason), untold=(*self.untold, said))

    def view(self) -> dict[str, Any]:
        """Return it as callers read it; without the body and the requests, which are their own."""
        out: dict[str, Any] = {"id": f"{self.endpoint}/rollout/{self.id}", "name": self.id, "endpoint": self.endpoint}
        out |= {"deployment": self.new, "status": self.status, "stage": self.stage, "caller": self.caller}
        out |= {"startTime": times.iso(self.created_at), "traffic": dict(self.traffic), "mirrorTraffic": dict(self.mirror)}
        out |= {"before": {name: dict(shares) for name, shares in self.before.items()}, "steps": list(self.plan["steps"])}
        out |= {"percent": self.percent} if self.stage == "step" else {}
        out |= {"since": times.iso(self.since)} if self.since else {}
        out |= {"operation": self.operation} if self.operation else {}
        out |= {"figures": dict(self.figures)} if self.figures else {}
        if self.stage == "keep" and self.since:
            out["oldUntil"] = times.iso(self.since + timedelta(seconds=self.plan["keepOld"]))
        out |= {"endTime": times.iso(self.ended_at)} if self.ended_at else {}
        lengths = {name: durations.text(timedelta(seconds=self.plan[name])) for name in ("bake", "keepOld") if self.plan[name]}
        return {
            **out,
            "gate": self.plan["gate"],
            "unsure": self.plan["unsure"],
            **lengths,
            "history": [dict(each) for each in self.notes],
        }

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        out = codec.written(self)
        moments = {name: times.iso(out[name]) if out[name] else None for name in MOMENTS}
        return {
            **out,
            **moments,
            "keys": list(self.keys),
            "notify": list(self.notify),
            "notes": list(self.notes),
            "untold": list(self.untold),
            "version": VERSION,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Rollout:
        """Read back what `to_json` wrote.

        Raises:
            ValueError: it was written by a newer version of the app.
        """
        versions.check(stored, VERSION, f"rollout {stored['id']}")
        values = codec.members(cls, stored) | codec.moments(stored, MOMENTS)
        values |= {name: tuple(values.get(name) or ()) for name in ("keys", "notify", "notes", "untold")}
        return cls(**values)


def partition_of(endpoint: str) -> str:
    """Return the partition of all rollouts of an endpoint."""
    return PREFIX + models.partition_of(ids.parse(endpoint))


def place(rollout: Rollout) -> str:
    """Return its position in time order."""
    return records.place(rollout.created_at, rollout.id)


def table(rows: Rows) -> records.Table[Rollout]:
    """Return all rollouts."""
    return records.Table(rows=rows, row_of=row_of, from_row=from_row, name="rollouts")


def row_of(rollout: Rollout) -> Row:
    """Return its row."""
    columns: dict[str, Any] = {"rolling": not rollout.over, "status": rollout.status, "created_at": rollout.created_at}
    columns |= {"due_at": rollout.due_at, **records.chunked(rollout.to_json())}
    if rollout.over and rollout.ended_at:
        columns["ended_at"] = rollout.ended_at
    return storage.Row(partition=partition_of(rollout.endpoint), key=rollout.id, columns=columns)


def from_row(row: Row) -> Rollout:
    """Read back what `row_of` made."""
    return Rollout.from_json(records.joined(row.columns))


def insert(rollout: Rollout, rows: Rows) -> Versioned[Rollout] | None:
    """Record a rollout as the one that is under way; None when it, or another one of the endpoint, is there already."""
    mark = storage.Row(partition=partition_of(rollout.endpoint), key=OPEN, columns={"rollout": rollout.id})
    changes = [storage.Change(verb="insert", row=each) for each in (row_of(rollout), mark)]
    try:
        etag = records.write(rows, changes)[0]
    except storage.ConflictError:
        return None
    return records.Versioned(value=rollout, etag=etag)


def save(known: Versioned[Rollout], rollout: Rollout, rows: Rows) -> Versioned[Rollout]:
    """Replace a rollout; one that is no longer under way makes room for the next.

    Raises:
        ConflictError: another worker changed it since it was read.
    """
    row = replace(row_of(rollout), etag=known.etag)
    changes = [storage.Change(verb="replace", row=row)]
    if not rollout.under_way and known.value.under_way:
        mark = rows.get(row.partition, OPEN)
        if mark and mark.columns.get("rollout") == rollout.id:
            changes.append(storage.Change(verb="delete", row=mark))
    return records.Versioned(value=rollout, etag=records.write(rows, changes)[0])
