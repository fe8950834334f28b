"""Deliveries: one row for each notice and receiver, with the last attempts.

Not here: the content (notices), the attempts (notifications).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from shared.durable import codec, records, storage, versions
from shared.notify import notices
from shared.text import times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from shared.durable.storage import Row, Rows
    from shared.notify.notices import Notice
    from shared.settings import Settings

VERSION = 1
COLUMNS = frozenset({"version", "status", "target", "event", "tried", "attempts", "created_at", "next_at", "ended_at"}) | {
    records.WRITER
}  # fmt: skip

Status = Literal["Pending", "Delivered", "Failed", "Gone"]


class Services(Protocol):
    """What deliveries need of the composition root."""

    @property
    def clock(self) -> Callable[[], datetime]: ...  # noqa: D102
    @property
    def delivery_rows(self) -> Rows: ...  # noqa: D102
    @property
    def settings(self) -> Settings: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """The delivery of a notice to one receiver.

    Attributes:
        about, key: The keys of the row.
        target: The receiver, as configured.
        event: The CloudEvent.
        attempts: The last few, each `{"at", "status"|"problem"}`.
        tried: The number of attempts.
    """

    about: str
    key: str
    target: str
    event: Mapping[str, Any]
    created_at: datetime
    status: Status = "Pending"
    tried: int = 0
    attempts: tuple[Mapping[str, Any], ...] = ()
    next_at: datetime | None = None
    ended_at: datetime | None = None
    unknown: Mapping[str, Any] = field(default_factory=dict)

    def view(self) -> dict[str, Any]:
        """Return the JSON that callers see, without the target's query, which may be a secret."""
        out: dict[str, Any] = {"target": shown(self.target), "type": self.event["type"], "eventId": self.event["id"]}
        out |= {"status": self.status, "attempts": [dict(each) for each in self.attempts], "tried": self.tried}
        if self.next_at and self.status == "Pending":
            out["nextAttempt"] = times.iso(self.next_at)
        return out


def shown(target: str) -> str:
    """Return a target without its query, which may be a secret."""
    return target.partition("?")[0]


def new(notice: Notice, target: str, services: Services) -> Delivery:
    """Return a new delivery of a notice to a target."""
    now = services.clock()
    return Delivery(
        about=notice.about,
        key=hashlib.sha256(f"{target}\n{notice.id}".encode()).hexdigest()[:40],
        target=target,
        event=notices.fitting(notice.event(services.settings.source)),
        created_at=now,
        next_at=now,
    )


def table(services: Services) -> records.Table[Delivery]:
    """Return the table of deliveries."""
    return records.Table(rows=services.delivery_rows, row_of=row_of, from_row=from_row, name="deliveries")


def of(about: str, services: Services) -> list[Delivery]:
    """Return the deliveries of one operation, report or firing, oldest first."""
    found = (known.value for known in table(services).find(partition=about))
    return sorted(found, key=lambda delivery: (delivery.created_at, delivery.key))


def in_state(state: Status, services: Services) -> Iterator[Delivery]:
    """Yield all deliveries in a state, unordered."""
    yield from (known.value for known in table(services).find(equal={"status": state}))


def views(about: str, services: Services) -> list[dict[str, Any]]:
    """Return the deliveries of one operation, report or firing as callers see them, oldest first."""
    return [delivery.view() for delivery in of(about, services)]


def row_of(delivery: Delivery) -> Row:
    """Return the row of a delivery."""
    columns: dict[str, Any] = {
        **delivery.unknown,
        "version": VERSION,
        "status": delivery.status,
        "target": delivery.target,
        "event": json.dumps(delivery.event),
        "tried": delivery.tried,
        "attempts": json.dumps(delivery.attempts),
        "created_at": delivery.created_at,
    }
    columns |= {name: value for name, value in (("next_at", delivery.next_at), ("ended_at", delivery.ended_at)) if value}
    return storage.Row(partition=delivery.about, key=delivery.key, columns=columns)


def from_row(row: Row) -> Delivery:
    """Read a row that `row_of` made."""
    columns = row.columns
    versions.check(columns, VERSION, f"delivery {row.partition} {row.key}")
    return Delivery(
        about=row.partition,
        key=row.key,
        target=columns["target"],
        event=json.loads(columns["event"]),
        created_at=columns["created_at"],
        status=columns["status"],
        tried=columns["tried"],
        attempts=tuple(json.loads(columns["attempts"])),
        next_at=columns.get("next_at"),
        ended_at=columns.get("ended_at"),
        unknown=codec.rest(columns, COLUMNS),
    )
