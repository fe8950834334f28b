"""The app's storage in memory, a clock that only tests move, and a fuse that kills a process at a chosen I/O call.

The same contract tests run on these and on Azurite (tests/contract). Not here: Azure (fake_azure), driving the app (steward).
"""

from __future__ import annotations

import hashlib
import itertools
import operator
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared.durable import storage
from shared.rest import errors, streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
COLUMN_UNITS = 32 * 1024  # UTF-16 units in one string property
ENTITY_BYTES = 1024 * 1024
COLUMN_TYPES = (str, bool, int, float, bytes, datetime)  # nothing that can be changed behind the row's back
MESSAGE_BYTES = 48 * 1024  # in base64 64 KiB
MAX_DELAY_S = 7 * 24 * 3600
STORAGE = ("rows.", "open.", "due.", "hooks.", "deliveries.", "cleanup.", "blobs.", "queue.")  # calls that are no request to Azure
INVISIBLE_S = 600.0  # the platform's visibility timeout while a function runs


class Killed(BaseException):
    """The process died here: nothing may catch it."""


class Clock:
    """Time that stands still until it is moved."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """Return the present."""
        return self.now

    def seconds(self) -> float:
        """Return the present in seconds, for what wants a monotonic clock."""
        return self.now.timestamp()

    def advance(self, seconds: float) -> None:
        """Move on."""
        self.now += timedelta(seconds=seconds)


class Fuse:
    """Counts I/O calls; `blow` makes the n-th from now kill the process, `fail` makes storage fail, before or after it took effect.

    Attributes:
        calls: Names of all calls so far.
        between: Called before each I/O call; a test puts another worker there.
        looking: It is the test that looks: nothing is counted, and nothing fails.
        answered: Called after each answer of storage, as a client that reads its `Date`.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.between: Callable[[str], None] | None = None
        self.looking = False
        self.answered: Callable[[], None] | None = None
        self._left: int | None = None
        self._after = False
        self._failing: tuple[int, int, bool] | None = None
        self._spared = ""
        self._guard = threading.Lock()

    def fail(self, nth: int, *, after: bool, calls: int = 1, spared: str = "") -> None:
        """Have the app's storage fail from the `nth` call to it from now on, for so many calls, but for those named `spared…`."""
        self._failing, self._spared = (nth, calls, after), spared

    def blow(self, nth: int, *, after: bool) -> None:
        """Kill the process at the `nth` I/O call from now (1 is the next)."""
        self._left, self._after = nth, after

    @property
    def armed(self) -> bool:
        """Tell whether the kill is still to come."""
        return self._left is not None

    def disarm(self) -> None:
        """Let the process live, and storage work."""
        self._left = self._failing = None

    @contextmanager
    def call(self, name: str) -> Iterator[None]:
        """Count one I/O call, and die before or after it when its turn has come."""
        if self.looking:
            yield
            return
        if self.between:
            self.between(name)
        with self._guard:
            self.calls.append(name)
            dies = self._left == 1
            self._left = None if dies or self._left is None else self._left - 1
            late = self._fails(name)
        if dies and not self._after:
            raise Killed(f"before {name}")
        if late is False:
            raise unavailable()
        yield
        if dies:
            raise Killed(f"after {name}")
        if late:
            raise unavailable()
        if self.answered and name.startswith(STORAGE):
            self.answered()

    def _fails(self, name: str) -> bool | None:
        """Tell whether storage fails at this call: before it takes effect (False), after it (True), or not (None)."""
        if self._failing is None or not name.startswith(STORAGE) or (self._spared and name.startswith(self._spared)):
            return None
        nth, calls, after = self._failing
        if nth > 1:
            self._failing = (nth - 1, calls, after)
            return None
        self._failing = (1, calls - 1, after) if calls > 1 else None
        return after


class FakeRows:
    """`storage.Rows` in memory, with the limits of the real thing."""

    def __init__(self, name: str = "rows", fuse: Fuse | None = None, clock: Clock | None = None) -> None:
        self.name = name
        self._clock = clock or Clock()
        self.rows: dict[tuple[str, str], storage.Row] = {}
        self._fuse = fuse or Fuse()
        self._etags = itertools.count(1)
        self._guard = threading.Lock()

    def get(self, partition: str, key: str) -> storage.Row | None:
        """See `storage.Rows.get`."""
        with self._fuse.call(f"{self.name}.get"), self._guard:
            row = self.rows.get((partition, key))
        return row and _copied(row, row.columns, row.etag, row.written_at)

    def dated(self, partition: str, key: str) -> tuple[storage.Row | None, datetime]:
        """See `storage.Rows.dated`."""
        return self.get(partition, key), self._clock()

    def write(self, changes: Sequence[storage.Change]) -> list[str]:
        """See `storage.Rows.write`."""
        assert len({change.row.partition for change in changes}) == 1, "a transaction has one partition"
        assert len({change.row.key for change in changes}) == len(changes), "a transaction names a row once"
        with self._fuse.call(f"{self.name}.write"), self._guard:
            for change in changes:
                _check_limits(change.row)
                known = self.rows.get((change.row.partition, change.row.key))
                if (known is not None) if change.verb == "insert" else (known is None or known.etag != change.row.etag):
                    raise storage.ConflictError
            return [self._apply(change) for change in changes]

    def put(self, row: storage.Row) -> None:
        """See `storage.Rows.put`."""
        with self._fuse.call(f"{self.name}.put"), self._guard:
            _check_limits(row)
            self._apply(storage.Change(verb="replace", row=row))

    def delete(self, partition: str, key: str) -> None:
        """See `storage.Rows.delete`."""
        with self._fuse.call(f"{self.name}.delete"), self._guard:
            self.rows.pop((partition, key), None)

    def query(
        self,
        *,
        partition: str = "",
        equal: Mapping[str, Any] | None = None,
        least: Mapping[str, Any] | None = None,
        below: Mapping[str, Any] | None = None,
        columns: Sequence[str] = (),
    ) -> Iterator[storage.Row]:
        """See `storage.Rows.query`."""
        with self._fuse.call(f"{self.name}.query"), self._guard:
            found = [row for key, row in sorted(self.rows.items()) if not partition or key[0] == partition]
        asked = ((operator.eq, equal), (operator.ge, least), (operator.lt, below))
        for row in found:
            has = {**row.columns, storage.PARTITION: row.partition, storage.KEY: row.key}
            if all(name in has and fits(has[name], value) for fits, values in asked for name, value in (values or {}).items()):
                kept = {name: value for name, value in row.columns.items() if not columns or name in columns}
                yield _copied(row, kept, row.etag, row.written_at)

    def _apply(self, change: storage.Change) -> str:
        key = (change.row.partition, change.row.key)
        if change.verb == "delete":
            del self.rows[key]
            return ""
        etag = f'W/"{next(self._etags)}"'
        self.rows[key] = _copied(change.row, change.row.columns, etag, self._clock())
        return etag


class FakeBlobs:
    """`storage.Blobs` in memory."""

    def __init__(self, fuse: Fuse | None = None) -> None:
        self.blobs: dict[str, bytes] = {}
        self._writes: Counter[str] = Counter()
        self._fuse = fuse or Fuse()

    def put(self, name: str, content: bytes | streams.Source, *, overwrite: bool = True) -> None:
        """See `storage.Blobs.put`: each write makes another etag, of the same content, too."""
        storage.named(name)
        with self._fuse.call("blobs.put"):
            if overwrite or name not in self.blobs:
                self.blobs[name] = streams.of(content).open().read()
                self._writes[name] += 1

    def get(self, name: str) -> bytes | None:
        """See `storage.Blobs.get`."""
        storage.named(name)
        with self._fuse.call("blobs.get"):
            return self.blobs.get(name)

    def names(self, prefix: str) -> Iterator[str]:
        """See `storage.Blobs.names`."""
        with self._fuse.call("blobs.names"):
            found = sorted(name for name in self.blobs if name.startswith(prefix))
        yield from found

    def delete(self, name: str) -> None:
        """See `storage.Blobs.delete`."""
        storage.named(name)
        with self._fuse.call("blobs.delete"):
            self.blobs.pop(name, None)

    def look(self, name: str) -> storage.BlobInfo | None:
        """See `storage.Blobs.look`."""
        storage.named(name)
        with self._fuse.call("blobs.look"):
            content = self.blobs.get(name)
        return None if content is None else storage.BlobInfo(size=len(content), etag=self._etag_of(name, content))

    def read(self, name: str, offset: int, length: int, *, etag: str) -> bytes:
        """See `storage.Blobs.read`."""
        storage.named(name)
        with self._fuse.call("blobs.read"):
            content = self.blobs.get(name)
        if content is None or self._etag_of(name, content) != etag:
            raise storage.ConflictError
        assert offset + length <= len(content), "the service refuses a range outside of the blob"
        return content[offset : offset + length]

    def _etag_of(self, name: str, content: bytes) -> str:
        return f'"{self._writes[name]}-{hashlib.sha256(content).hexdigest()[:16]}"'

    def sign(self, name: str, *, until: datetime) -> str:
        """See `storage.Blobs.sign`."""
        storage.named(name)
        return f"https://own.blob.core.windows.net/azureml-steward/{name}?se={until:%Y-%m-%dT%H:%M:%SZ}&sig=OWN-SAS-SECRET"


@dataclass(slots=True, kw_only=True)
class Held:
    """A message in the queue: invisible until `visible_at`, received `dequeue_count` times."""

    text: str
    visible_at: datetime
    dequeue_count: int = 0


class FakeQueue:
    """`storage.Queue` in memory, and the platform's side of it: receive, delete, come back."""

    def __init__(self, clock: Clock, fuse: Fuse | None = None) -> None:
        self.messages: list[Held] = []
        self.sent: list[tuple[str, float]] = []
        self._clock = clock
        self._fuse = fuse or Fuse()

    def send(self, text: str, *, delay_s: float = 0.0) -> None:
        """See `storage.Queue.send`."""
        assert 0 <= delay_s <= MAX_DELAY_S, f"the service refuses a delay of {delay_s} s"
        assert len(text.encode()) <= MESSAGE_BYTES, f"the service refuses a message of {len(text)} characters in base64"
        with self._fuse.call("queue.send"):
            self.sent.append((text, delay_s))
            self.messages.append(Held(text=text, visible_at=self._clock() + timedelta(seconds=round(delay_s))))

    def receive(self) -> Held | None:
        """Return the next visible message and hide it, as the platform does while a function works on it."""
        visible = [message for message in self.messages if message.visible_at <= self._clock()]
        if not visible:
            return None
        message = min(visible, key=lambda each: each.visible_at)
        message.dequeue_count += 1
        message.visible_at = self._clock() + timedelta(seconds=INVISIBLE_S)
        return message

    def delete(self, message: Held) -> None:
        """Take a message away: its function ended well."""
        self.messages.remove(message)


class DownRows(FakeRows):
    """A table that fails while `down` is set: before taking effect, or after with `late`."""

    down = False
    late = False

    def write(self, changes: Sequence[storage.Change]) -> list[str]:
        """See `storage.Rows.write`."""
        if self.down and not self.late:
            raise unavailable()
        out = super().write(changes)
        if self.down:
            raise unavailable()
        return out

    def put(self, row: storage.Row) -> None:
        """See `storage.Rows.put`."""
        if self.down and not self.late:
            raise unavailable()
        super().put(row)
        if self.down:
            raise unavailable()

    def delete(self, partition: str, key: str) -> None:
        """See `storage.Rows.delete`."""
        if self.down and not self.late:
            raise unavailable()
        super().delete(partition, key)
        if self.down:
            raise unavailable()


def unavailable() -> errors.UnreachableError:
    """Return what the storage wrappers raise while storage is out of reach."""
    message = "The app's own storage failed: ServerBusy."
    return errors.UnreachableError(message, delay_s=5.0, maybe_arrived=True, code="StorageUnavailable")


def _copied(row: storage.Row, columns: Mapping[str, Any], etag: str, written_at: datetime | None) -> storage.Row:
    return storage.Row(partition=row.partition, key=row.key, columns=dict(columns), etag=etag, written_at=written_at)


def _check_limits(row: storage.Row) -> None:
    """Refuse what the table service refuses, as the wrapper reports it."""
    size = 0
    for name, value in row.columns.items():
        assert isinstance(value, COLUMN_TYPES), f"the service takes no {type(value).__name__} in a column"
        units = 4 if not isinstance(value, str) else len(value) if value.isascii() else len(value.encode("utf-16-le")) // 2
        size += 2 * (units + len(name))
        if units > COLUMN_UNITS:
            message = "The app's own storage failed: PropertyValueTooLarge."
            raise errors.UnreachableError(message, delay_s=5.0, maybe_arrived=True, code="StorageUnavailable")
    if size > ENTITY_BYTES:
        message = "The app's own storage failed: EntityTooLarge."
        raise errors.UnreachableError(message, delay_s=5.0, maybe_arrived=True, code="StorageUnavailable")
