"""What this app asks of storage: rows with etags, blobs, and queue messages with a delay.

Tests run the same contract on Azurite (azure_storage) and on the in-memory fakes. Not here: what is stored (ledger).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from shared.rest.streams import Source

PARTITION, KEY = "PartitionKey", "RowKey"  # in a query: the keys, where they need only lie in a range
AFTER = "~"  # what follows a key here sorts after it, and before the next key
CLOCK_SKEW = timedelta(minutes=5)  # between us and the storage service

Verb = Literal["insert", "replace", "delete"]


class ConflictError(Exception):
    """The row exists already, is gone, or has another etag: another worker was there first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One table row: keys, columns (str, int, bool, datetime), the etag it was read with, and when storage last wrote it."""

    partition: str
    key: str
    columns: Mapping[str, Any] = field(default_factory=dict)
    etag: str = ""
    written_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One write in a transaction: `insert` a new row, `replace` or `delete` the row with that etag."""

    verb: Verb
    row: Row


def named(name: str) -> str:
    """Return a blob's name; one that a client of HTTP would read as a way to another blob is not one.

    Raises:
        ValueError: a segment is `.` or `..`.
    """
    if {".", ".."} & set(name.split("/")):
        message = f"a blob's name has no segment of dots: {name[:100]}"
        raise ValueError(message)
    return name


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobInfo:
    """What a blob is at a moment: its size in bytes, and the etag that changes with every write."""

    size: int
    etag: str


class Rows(Protocol):
    """A table."""

    def get(self, partition: str, key: str) -> Row | None:
        """Return the row, or None."""

    def dated(self, partition: str, key: str) -> tuple[Row | None, datetime]:
        """Return the row, or None, and the service's own clock at the answer: an age by no clock of ours."""

    def write(self, changes: Sequence[Change]) -> list[str]:
        """Apply all changes (of one partition) or none, and return the new etags ('' for a deletion).

        Raises:
            ConflictError: one of them did not fit.
        """

    def put(self, row: Row) -> None:
        """Write a row, whatever stands there."""

    def delete(self, partition: str, key: str) -> None:
        """Remove a row if it is there, whatever became of it since it was read."""

    def query(
        self,
        *,
        partition: str = "",
        equal: Mapping[str, Any] | None = None,
        least: Mapping[str, Any] | None = None,
        below: Mapping[str, Any] | None = None,
        columns: Sequence[str] = (),
    ) -> Iterator[Row]:
        """Yield the rows of a partition, or of all, that have all the columns asked about, as asked.

        Moments are compared at least to the millisecond, finer or not as the service does.

        Args:
            partition: '' for all.
            equal: Columns with exactly these values.
            least: Columns, or keys (`PARTITION`, `KEY`), with these values or greater ones.
            below: Columns, or keys, with smaller values.
            columns: What is read of each row; empty for all of it.
        """


class Blobs(Protocol):
    """A container."""

    def put(self, name: str, content: bytes | Source, *, overwrite: bool = True) -> None:
        """Write a blob, in bounded memory; one that is there already is overwritten, or else left as it is, with its etag."""

    def get(self, name: str) -> bytes | None:
        """Return a blob's content, or None."""

    def names(self, prefix: str) -> Iterator[str]:
        """Yield the names that start with `prefix`, in order."""

    def delete(self, name: str) -> None:
        """Remove a blob if it is there."""

    def look(self, name: str) -> BlobInfo | None:
        """Return what a blob is now, or None."""

    def read(self, name: str, offset: int, length: int, *, etag: str) -> bytes:
        """Return a range of a blob that lies within it.

        Raises:
            ConflictError: it has another etag, or is gone.
        """

    def sign(self, name: str, *, until: datetime) -> str:
        """Return a URL to which every holder may write that one blob until then: a secret for the caller, never stored."""


class Queue(Protocol):
    """A queue."""

    def send(self, text: str, *, delay_s: float = 0.0) -> None:
        """Add a message that stays invisible for `delay_s` seconds (at most 7 days)."""


def due(columns: Mapping[str, Any], name: str, now: datetime) -> bool:
    """Return whether the moment in column `name` has passed."""
    moment = columns.get(name)
    return moment is not None and moment <= now
