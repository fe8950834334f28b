"""The record of an expiry, its row, and how the app knows that a resource is still the same one. Pure.

Not here: its steps (expiries), the request headers that set one (api.resources.expiry_headers).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared.catalog import bodies, expiry_tag, statuses
from shared.durable import codec, records, storage, versions
from shared.text import times

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.durable.storage import Row, Rows

VERSION = 1
PREFIX = "expiry-"
AHEAD = {"inADay": timedelta(days=1), "inAnHour": timedelta(hours=1)}  # how long before its time an expiry is announced
# What Azure says of when and as what it made a resource: a name can be given again, these cannot.
IDENTITY = ("systemData.createdAt", "properties.workspaceId", "properties.createdOn", "properties.creationTime")

Status = statuses.OfExpiry
OPEN: tuple[Status, ...] = ("Pending", "Acting")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """One expiry.

    Attributes:
        id: The id of the operation that creates, or changes, the resource.
        target: The resource.
        kind, act: Its kind, and how it is ended: a row of `kinds.Ending`.
        at: When it is due.
        due_at: When its next step is overdue.
        caller: Who asked for it.
        made: What identifies the resource, as Azure showed it after the create had succeeded; {} before.
        moved: Whether `at` was changed.
        tags: The texts that its tag may have; () if Azure shows no such tag.
        untagged: Why the tag does not show `at`, '' if it does.
        announced: The rows of `AHEAD` that no longer need an announcement.
        attempt, failures: The number of attempts and failures of the act; a later attempt is another operation.
        tries: How often in a row the present step was postponed.
        operation: The operation of the act, '' before it.
        looked_at: When the last look before the act began.
        reason: Why it ended as it did, or what it waits for.
    """

    id: str
    target: str
    kind: str
    act: str
    at: datetime
    created_at: datetime
    due_at: datetime
    caller: str = ""
    status: Status = "Pending"
    made: Mapping[str, str] = field(default_factory=dict)
    moved: bool = False
    tags: tuple[str, ...] = ()
    untagged: str = ""
    announced: tuple[str, ...] = ()
    attempt: int = 0
    failures: int = 0
    tries: int = 0
    operation: str = ""
    looked_at: datetime | None = None
    reason: str = ""
    ended_at: datetime | None = None
    unknown: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Whether it has ended; only a changed time opens it again."""
        return self.status not in OPEN

    def over(self, status: Status, now: datetime, reason: str) -> Expiry:
        """Return the expiry as ended."""
        return replace(self, status=status, ended_at=now, reason=reason[:500], tries=0)

    def due(self, at: datetime, now: datetime) -> Expiry:
        """Return the expiry with another time; announcements whose time has passed are left out."""
        return replace(self, at=at, announced=tuple(name for name, ahead in AHEAD.items() if now >= at - ahead))

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {"version": VERSION} | codec.dated(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Expiry:
        """Read back what `to_json` wrote.

        Raises:
            ValueError: it was written by a newer version of the app.
        """
        versions.check(stored, VERSION, f"expiry {stored['id']}")
        values = codec.members(cls, stored) | codec.moments(stored, ("at", "created_at", "due_at", "looked_at", "ended_at"))
        return cls(**{**values, "announced": tuple(values["announced"]), "tags": tuple(values.get("tags", ()))})

    def view(self) -> dict[str, Any]:
        """Return it as callers read it."""
        out: dict[str, Any] = {"id": f"/expiries/{self.id}", "name": self.id, "status": self.status, "at": times.iso(self.at)}
        out |= {"target": self.target, "kind": self.kind, "act": self.act, "caller": self.caller}
        out |= {"createdAt": times.iso(self.created_at), "createdBy": f"/operations/{self.id}"}
        out |= {"untagged": self.untagged} if self.untagged else {"tag": expiry_tag.TAG} if self.tags else {}
        out |= {"operation": f"/operations/{self.operation}"} if self.operation else {}
        out |= {"endedAt": times.iso(self.ended_at)} if self.ended_at else {}
        return out | ({"reason": self.reason} if self.reason else {})


def identity(body: Mapping[str, Any]) -> dict[str, str]:
    """Return what identifies a resource among all that ever had its name; {} if Azure shows none of it."""
    return {path: str(value) for path in IDENTITY if (value := bodies.dig(body, path))}


def same(made: Mapping[str, str], body: Mapping[str, Any]) -> bool:
    """Return whether a body is that of the same resource; a missing value counts as another resource."""
    return bool(made) and all(_equal(value, bodies.dig(body, path)) for path, value in made.items())


def _equal(one: str, other: Any) -> bool:
    return (times.moment(one) or one.lower()) == (times.moment(other) or str(other).lower())


def table(rows: Rows) -> records.Table[Expiry]:
    """Return all expiries."""
    return records.Table(rows=rows, row_of=row_of, from_row=from_row, name="expiries")


def place_of(expiry_id: str) -> tuple[str, str]:
    """Return partition and key of an expiry's row: those on one target are in one partition."""
    lane, _, suffix = expiry_id.partition("-")
    return f"{PREFIX}{lane}", suffix


def row_of(expiry: Expiry) -> Row:
    """Return the row of an expiry."""
    columns: dict[str, Any] = {**records.chunked(expiry.to_json()), "created_at": expiry.created_at}
    columns |= {"expires_at": expiry.at, "due_at": expiry.due_at, "expiring": not expiry.ended, "state": expiry.status}
    columns |= {"target": expiry.target.lower()} | ({"ended_at": expiry.ended_at} if expiry.ended_at else {})
    partition, key = place_of(expiry.id)
    return storage.Row(partition=partition, key=key, columns=columns)


def from_row(row: Row) -> Expiry:
    """Read back what `row_of` made."""
    return Expiry.from_json(records.joined(row.columns))
