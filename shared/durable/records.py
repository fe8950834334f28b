"""Records in a table: inserted, loaded, and changed by etag, while other workers change them, and also where an answer is lost.

A write whose answer was lost is recognised as this worker's own; a row that cannot be read is passed over. Not here: what a
record means and which row it has (each machine), JSON of a dataclass (codec).
"""

from __future__ import annotations

import heapq
import json
import secrets
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from shared.durable import storage, unreadable
from shared.rest import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from shared.durable.storage import Change, Row, Rows

COLUMN_LIMIT = 30_000  # characters in one string column; the service takes 32 K of UTF-16
WRITER = "writer"  # column that is another one with every write: it shows whose write a row is
CREATED = "created_at"


@dataclass(frozen=True, slots=True, kw_only=True)
class Versioned[T]:
    """A record as it stands in its table, with the etag that a change must name."""

    value: T
    etag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table[T]:
    """Records of one kind.

    Attributes:
        rows: The table.
        row_of, from_row: The record's row and back.
        name: What the rows are, for operators.
    """

    rows: Rows
    row_of: Callable[[T], Row]
    from_row: Callable[[Row], T]
    name: str

    def insert(self, value: T) -> Versioned[T] | None:
        """Record something new; None when its row is there already."""
        try:
            return self._written("insert", value, "")
        except storage.ConflictError:
            return None

    def load(self, partition: str, key: str) -> Versioned[T] | None:
        """Return a record, or None."""
        row = self.rows.get(partition, key)
        return self._known(row) if row else None

    def save(self, known: Versioned[T], value: T) -> Versioned[T]:
        """Replace a record.

        Raises:
            ConflictError: another worker changed it since it was read.
        """
        return self._written("replace", value, known.etag)

    def find(self, **asked: Any) -> Iterator[Versioned[T]]:
        """Yield the records of a query (`storage.Rows.query`) that can be read."""
        yield from unreadable.readable(self.rows.query(**asked), self._known, self.name)

    def newest(self, top: int, *, skip: Sequence[str] = (), before: str = "", **asked: Any) -> list[T]:
        """Return the newest records of a query, newest first: those before a `place`; rows whose key is in `skip` are left out."""
        rows = (row for row in self.rows.query(**asked) if row.key not in skip)
        dated = unreadable.readable(rows, lambda row: (place(created(row), row.key), row), self.name)
        later = (each for each in dated if not before or each[0] < before)
        found = (row for _, row in heapq.nlargest(top, later, key=lambda each: each[0]))
        return list(unreadable.readable(found, self.from_row, self.name))

    def _known(self, row: Row) -> Versioned[T]:
        return Versioned(value=self.from_row(row), etag=row.etag)

    def _written(self, verb: storage.Verb, value: T, etag: str) -> Versioned[T]:
        row = replace(self.row_of(value), etag=etag)
        return Versioned(value=value, etag=write(self.rows, [storage.Change(verb=verb, row=row)])[0])


def write(rows: Rows, changes: Sequence[Change]) -> list[str]:
    """Write a record's row with what belongs to it, and return the etags, or only the row's when its answer was lost.

    A library that repeats a write by itself is refused its own first one, and a connection that breaks says nothing at all;
    then the row shows whose write it is. The worker that claimed a request must know that it did: it alone knows that the
    request was not sent. What did not arrive is written once more, so that a broken connection does not cost an answer of Azure's.

    Raises:
        ConflictError: another worker changed the row.
        TransientError: the table is out of reach; the write may have arrived.
    """
    first = changes[0].row
    row = replace(first, columns={**first.columns, WRITER: secrets.token_hex(8)})
    stamped = [replace(changes[0], row=row), *changes[1:]]
    try:
        return rows.write(stamped)
    except (storage.ConflictError, errors.TransientError) as problem:
        if etag := _etag_if_ours(rows, row, problem):
            return [etag]
        if isinstance(problem, storage.ConflictError):
            raise
    try:
        return rows.write(stamped)
    except (storage.ConflictError, errors.TransientError) as problem:
        if etag := _etag_if_ours(rows, row, problem):
            return [etag]
        raise


def _etag_if_ours(rows: Rows, row: Row, problem: Exception) -> str:
    """Return the etag of a row that stands as it was written, '' when it does not; raise `problem` when that cannot be seen."""
    try:
        known = rows.get(row.partition, row.key)
    except errors.TransientError:
        raise problem from None
    return known.etag if known and known.columns.get(WRITER) == row.columns[WRITER] else ""


def purge(rows: Rows, before: datetime, old: Callable[[Row], bool] = lambda _row: True) -> int:
    """Delete the rows that ended before a moment and are `old`; return how many."""
    count = 0
    for row in rows.query(below={"ended_at": before}, columns=["ended_at"]):
        if old(row):
            with suppress(storage.ConflictError):
                rows.write([storage.Change(verb="delete", row=row)])
                count += 1
    return count


def created(row: Row) -> datetime:
    """Return when what a row holds was recorded first."""
    at = row.columns[CREATED]
    if not isinstance(at, datetime):
        message = f"{CREATED} is {at!r}; expected a moment"
        raise TypeError(message)
    return at


def place(at: datetime, key: str) -> str:
    """Return the place of a record in the order of time: texts that sort alike, and that a nextLink can carry."""
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%S%f}Z-{key}"


def chunked(value: Any) -> dict[str, str]:
    """Return the columns that hold a JSON value; `joined` reads them back."""
    text = json.dumps(value)  # ASCII: one character is one unit of the column's limit
    return {f"json{n}": text[at : at + COLUMN_LIMIT] for n, at in enumerate(range(0, len(text), COLUMN_LIMIT))}


def joined(columns: Mapping[str, Any]) -> Any:
    """Return the value of columns that `chunked` made."""
    names = sorted((name for name in columns if name.startswith("json")), key=lambda name: int(name[4:]))
    return json.loads("".join(columns[name] for name in names))
