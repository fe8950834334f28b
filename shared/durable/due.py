"""Waits: up to a minute is a message's delay, a longer one is an entry of the due index that the minute's timer asks for.

The platform's scaler counts messages that are still invisible, and would start instances for them. Every open record has an
entry: it says when a timer must look at the record at the latest, or which message is to be on the queue in time. An entry that
its record has left behind is dropped when its minute comes. Not here: what a timer does with an entry (sweep).
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from shared.durable import storage, unreadable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from typing import Any

    from shared.durable.storage import Row, Rows

LONGEST_MESSAGE_S = 60.0  # a longer wait is no message
TICK = timedelta(seconds=20)  # how often the timer looks at the indexes
AHEAD = timedelta(seconds=70)  # what a tick puts on the queue: all until the next tick, and some seconds, for ticks come late
WHOLE = timedelta(minutes=15)  # how often the tables themselves are asked: for what has no entry, such as rows of an older version
LOOK_AT = "look_at"  # column: when a timer must look at a record at the latest
WAKE_AT = "wake_at"  # column of an entry whose record's next step is not on the queue: when that is to be taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of a due index.

    Attributes:
        machine, key: The record, as its messages name it.
        at: When a timer must look at it at the latest.
        wake_at, text: The message that is to be on the queue, and when it is to be taken; '' where the queue has it already.
        columns: What else the index keeps of the record.
        row: The entry as it was read.
    """

    machine: str
    key: tuple[str | int, ...]
    at: datetime
    wake_at: datetime | None = None
    text: str = ""
    columns: Mapping[str, Any] = field(default_factory=dict)
    row: Row | None = None


class Index(Protocol):
    """Entries, asked for by their moments."""

    def put(self, entry: Entry) -> None:
        """Write an entry."""

    def due(self, now: datetime) -> Iterator[Entry]:
        """Yield the entries whose moment has come; the others are not read."""

    def among(self, places: Collection[tuple[str, str]]) -> Iterator[Entry]:
        """Yield the entries in these rows, by partition and key, but for those that are gone."""

    def later(self, entry: Entry, at: datetime) -> None:
        """Look at an entry's record again at that moment; its message, if it had one, is on the queue."""

    def drop(self, entry: Entry) -> None:
        """Remove an entry, unless it was changed since it was read."""


class DueIndex:
    """The due index of all machines: a table whose partitions are minutes, so that a tick reads only what has come due."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def put(self, entry: Entry) -> None:
        """See `Index.put`."""
        self._rows.put(_row(entry))

    def due(self, now: datetime) -> Iterator[Entry]:
        """See `Index.due`."""
        found = self._rows.query(below={storage.PARTITION: _minute(now + timedelta(minutes=1))})
        yield from (entry for entry in unreadable.readable(found, _entry, "due") if entry.at <= now)

    def among(self, places: Collection[tuple[str, str]]) -> Iterator[Entry]:
        """See `Index.among`."""
        yield from unreadable.readable(among(self._rows, places), _entry, "due")

    def later(self, entry: Entry, at: datetime) -> None:
        """See `Index.later`."""
        moved = _row(replace(entry, at=at, wake_at=None, text=""))
        etag = entry.row.etag if entry.row and entry.row.partition == moved.partition else ""
        with suppress(storage.ConflictError):  # the record has an entry of its own there: that one counts, with its message
            self._rows.write([storage.Change(verb="replace" if etag else "insert", row=replace(moved, etag=etag))])
        if not etag:
            self.drop(entry)

    def drop(self, entry: Entry) -> None:
        """See `Index.drop`."""
        if entry.row:
            with suppress(storage.ConflictError):
                self._rows.write([storage.Change(verb="delete", row=entry.row)])


def among(rows: Rows, places: Collection[tuple[str, str]]) -> Iterator[Row]:
    """Yield the rows of an index at these places, in one call: they lie together, for a tick named them as it had read them."""
    (partition, key), (last, last_key) = min(places), max(places)
    if partition == last:
        found = rows.query(partition=partition, least={storage.KEY: key}, below={storage.KEY: last_key + storage.AFTER})
    else:
        found = rows.query(least={storage.PARTITION: partition}, below={storage.PARTITION: last + storage.AFTER})
    wanted = set(places)
    yield from (row for row in found if (row.partition, row.key) in wanted)


def is_long(delay_s: float) -> bool:
    """Return whether a wait is an entry of the index instead of a message."""
    return delay_s > LONGEST_MESSAGE_S


def is_whole(now: datetime) -> bool:
    """Return whether this is the tick of a quarter of an hour that asks for everything."""
    return now.minute % (WHOLE.total_seconds() // 60) == 0 and now.second < TICK.total_seconds()


def _minute(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y%m%dT%H%M}"


def _row(entry: Entry) -> Row:
    columns: dict[str, Any] = {**entry.columns, "machine": entry.machine, "key": json.dumps(entry.key), LOOK_AT: entry.at}
    if entry.wake_at:
        columns |= {WAKE_AT: entry.wake_at, "text": entry.text}
    name = hashlib.sha256(f"{entry.machine}\n{columns['key']}".encode()).hexdigest()[:40]
    return storage.Row(partition=_minute(entry.at), key=name, columns=columns)


def _entry(row: Row) -> Entry:
    columns = row.columns
    return Entry(
        machine=columns["machine"],
        key=tuple(json.loads(columns["key"])),
        at=columns[LOOK_AT],
        wake_at=columns.get(WAKE_AT),
        text=columns.get("text", ""),
        columns={name: value for name, value in columns.items() if name not in (WAKE_AT, "text")},
        row=row,
    )
