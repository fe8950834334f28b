"""The ledger: one row per operation, a lane row per target, and a small table of what is still open.

A row's partition is the hash of its lane (its target, or what Azure keeps several targets in), so that an operation and its lane
change in one transaction.
Values over 16 KB go to a blob that is written before the row. Not here: what the next step is (settle), sending (steps).
"""

from __future__ import annotations

import hashlib
import heapq
import itertools
import json
import logging
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared.durable import due, messages, records, storage, unreadable
from shared.durable.due import Entry
from shared.durable.unreadable import UnreadableError
from shared.operations import models, observing
from shared.operations.looks import usual_times
from shared.operations.models import Operation
from shared.rest import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from shared.durable.storage import Blobs, Row, Rows
    from shared.rest import ids
    from shared.rest.streams import Source

log = logging.getLogger("steward.operations")

OPERATION = "operation"  # the machine's name
STEP = "step"  # column of the list of open ones: which step an operation waits for
LANE = "lane"
KEY = "key"
BESIDE = (LANE, KEY, usual_times.KEY)  # keys of rows beside those of operations
ONE_CALL = 1_000  # rows that a table answers at once
LANE_LIMIT = 1_000  # operations on one target at a time; the lane is one column
PAYLOAD_LIMIT = 16 * 1024  # characters of ASCII JSON kept in the row; more goes to a blob
RESULTS_BEFORE = 3  # of how many earlier operations the result is read, to see whether anything changed since
PAYLOADS = ("body", "resource", "result", "plan")
ROW_LIMIT = 515_000  # characters of an operation in all columns; the service takes 1 MiB of UTF-16
BLOB_KEY = "$blob"
LOOKS_APART = 100  # before it is tried again whether a long list has become short
OPERATION_ID = re.compile(r"([0-9a-f]{20})-([0-9a-f]{20})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An operation as it stands in the ledger.

    Attributes:
        operation: It.
        etag: What a write must name.
        lane: The target's lane as it was when the operation entered it, None when that is not known here.
        looked_at: By when a timer looks at it at the latest, as its entry in the list of open ones has it; None where a timer
            may have moved that.
        woken: The operation whose turn it is now that this one left the lane, '' for none.
    """

    operation: Operation
    etag: str
    lane: Row | None = None
    looked_at: datetime | None = None
    woken: str = ""


class Ledger:
    """Operations on two tables and a container; every write names the etag it was decided on."""

    def __init__(self, rows: Rows, open_rows: Rows, blobs: Blobs) -> None:
        self._rows = rows
        self._open = open_rows
        self._blobs = blobs
        self.open = OpenList(open_rows)
        self.durations = usual_times.Durations(rows)
        self.reach: timedelta | None = None  # how far back twice the last page of the newest went: where the next one looks first

    @property
    def rows(self) -> Rows:
        """The table of operations, for lists."""
        return self._rows

    @property
    def blobs(self) -> Blobs:
        """The app's container."""
        return self._blobs

    def insert(
        self,
        operation: Operation,
        files: Mapping[str, Source] | None = None,
        *,
        new_id: bool = False,
        entering: Callable[[Operation], Operation] | None = None,
    ) -> tuple[Stored, bool]:
        """Record a new operation behind those already in its target's lane, and return whether it is new.

        It starts `waiting` when others are before it. An id that exists already is returned as it stands, with False. Most
        targets have nothing else under way, so the lane is read only when a write finds an operation in it.

        Args:
            operation: As accepted.
            files: Content of the blobs that it names, blob → bytes; written before the row.
            new_id: Its id was made up just now, or its key is new: nothing need be looked for.
            entering: Returns it as it is recorded where it is its turn at once: claimed, when it is to be sent now.

        Raises:
            BadRequestError: `TooManyWaiting` (429); a thousand operations on this target have not ended.
        """
        existing = None if new_id else self.load(operation.id)
        if existing:
            return existing, False
        self._announce(operation)
        for blob, content in (files or {}).items():  # named by content: one that is there may be being read, by its etag
            self._blobs.put(blob, content, overwrite=False)
        operation = self._offload(operation)
        lane: Row | None = None
        while True:
            before = _lane_of(lane)
            if len(before) >= LANE_LIMIT:
                message = f"{len(before)} operations on this resource have not ended; send the request again when some have ended."
                raise errors.BadRequestError("TooManyWaiting", message, target=operation.target, status=429)
            entered = replace(operation, phase="waiting") if before else entering(operation) if entering else operation
            changes = [_change("insert", _row_of(entered))]
            changes += [] if operation.scores else [_lane_change(operation, lane, [*before, operation.suffix])]
            try:
                etag, *lane_etag = records.write(self._rows, changes)
            except storage.ConflictError:
                existing = self.load(operation.id)
                if existing:
                    return existing, False
                lane = self._rows.get(operation.partition, LANE)
                continue
            entered_lane = replace(changes[1].row, etag=lane_etag[0]) if lane_etag else None
            return Stored(operation=entered, etag=etag, lane=entered_lane, looked_at=operation.due_at), True

    def first_of(self, key: str, operation: Operation) -> tuple[str, str, bool]:
        """Return hash and target of the request that an idempotency key first came with, and whether that is this one.

        Args:
            key: Hash of caller and Idempotency-Key.
            operation: What the request at hand would be; the key is forgotten with the operations of its time.
        """
        now = operation.created_at
        columns = {"hash": operation.request_hash, "target": operation.target, "created_at": now, "ended_at": now}
        row = storage.Row(partition=f"{KEY}-{key}", key=KEY, columns=columns)
        try:
            self._rows.write([_change("insert", row)])
            known, is_new = row, True
        except storage.ConflictError:
            known, is_new = self._rows.get(row.partition, KEY) or row, False
        return str(known.columns["hash"]), str(known.columns.get("target") or operation.target), is_new

    def load(self, operation_id: str) -> Stored | None:
        """Return the operation of that id, or None.

        Raises:
            UnreadableError: it is there and cannot be read.
        """
        named = OPERATION_ID.fullmatch(operation_id)
        row = self._rows.get(named[1], named[2]) if named else None
        if row is None:
            return None
        operation = operation_of(row)
        moved = operation.lost_since or operation.phase == "waiting"  # by a timer, which looks at those ever more rarely
        return Stored(operation=operation, etag=row.etag, looked_at=None if moved else operation.due_at)

    def save(self, stored: Stored, operation: Operation) -> Stored:
        """Replace `stored` by `operation`.

        Raises:
            ConflictError: another worker changed it since it was read.
        """
        operation = self._offload(operation)
        etag = records.write(self._rows, [_change("replace", _row_of(operation, stored.etag))])[0]
        return Stored(operation=operation, etag=etag, lane=stored.lane, looked_at=stored.looked_at)

    def leave_lane(self, stored: Stored, operation: Operation) -> Stored:
        """Save `operation` and give up its place in the target's lane, in one transaction; it stays on the list of open ones.

        Raises:
            ConflictError: another worker changed the operation since it was read.
        """
        if operation.scores:
            return self.save(stored, operation)
        operation = self._offload(operation)
        lane = stored.lane
        while True:
            lane = lane or self._rows.get(operation.partition, LANE)
            before = _lane_of(lane)
            changes = [_change("replace", _row_of(operation, stored.etag))]
            after = [suffix for suffix in before if suffix != operation.suffix]
            if after != before:
                changes.append(_lane_change(operation, lane, after))
            try:
                etag = records.write(self._rows, changes)[0]
            except storage.ConflictError:
                current = self._rows.get(operation.partition, operation.suffix)
                if current is None or current.etag != stored.etag:
                    raise
                lane = None
                continue
            was_first = bool(before) and before[0] == operation.suffix
            woken = f"{operation.partition}-{after[0]}" if was_first and after else ""
            return Stored(operation=operation, etag=etag, looked_at=stored.looked_at, woken=woken)

    def before(self, operation: Operation) -> str:
        """Return the id of the operation whose turn it is before this one's, '' when it is this one's turn.

        One that is not there any more (its row was deleted by hand) is taken out of the lane: it would never leave it.
        """
        while True:
            lane = self._rows.get(operation.partition, LANE)
            waiting = _lane_of(lane)
            if waiting[:1] in ([], [operation.suffix]):
                return ""
            if self._rows.get(operation.partition, waiting[0]) is not None:
                return f"{operation.partition}-{waiting[0]}"
            with suppress(storage.ConflictError):
                records.write(self._rows, [_lane_change(operation, lane, waiting[1:])])

    def results_before(self, operation: Operation) -> Iterator[Any]:
        """Yield the target as the operations before this one left it, the newest first, as far as it is still known."""
        wanted = {"status": "Succeeded", "target": operation.target.lower()}
        briefs = self._rows.query(partition=operation.partition, equal=wanted, columns=("ended_at", "created_at"))
        ended = [row for row in briefs if isinstance(row.columns.get("ended_at"), datetime) and OPERATION_ID.fullmatch(_id_of(row))]
        for brief in heapq.nlargest(RESULTS_BEFORE, ended, key=lambda row: row.columns["ended_at"]):
            try:
                stored = self.load(_id_of(brief))
                result = self.payload(stored.operation.result) if stored else None
            except (UnreadableError, errors.RejectedError):
                continue
            if isinstance(result, dict):
                yield result

    def open_on(self, *targets: ids.ResourceId) -> dict[str, list[str]]:
        """Return the operations on targets that were open when last written: key of the target → ids.

        Of several targets the list is read as a whole where it is short: that is one call.
        """
        found: dict[str, list[str]] = {}
        wanted: dict[str, set[str]] = {}
        for target in targets:
            for partition in models.partitions_of(target):
                wanted.setdefault(partition, set()).add(target.key)
        for row in self.open.rows_in(wanted):
            here = wanted[row.partition]
            for key in here & {str(row.columns["target"])} if "target" in row.columns else here:
                found.setdefault(key, []).append(_id_of(row))
        return found

    def close(self, operation_id: str) -> None:
        """Take an operation off the list of open ones."""
        partition, _, suffix = operation_id.partition("-")
        self._open.delete(partition, suffix)

    def drop(self, operation_id: str, age: timedelta) -> bool:
        """Remove what an acceptance left that died before its row was written; False when it is younger, or has its row by now.

        Its age is that of the entry by storage's own clock: an acceptance under way is nothing that our clock may end. The
        entry goes first; an acceptance that comes to its row all the same finds its entry put back, and its blobs.
        """
        partition, _, suffix = operation_id.partition("-")
        entry, now = self._open.dated(partition, suffix)
        if entry is None or entry.written_at is None or now - entry.written_at <= age:
            return False
        try:
            self._open.write([_change("delete", entry)])
        except storage.ConflictError:  # it was announced again
            return False
        if self._rows.get(partition, suffix) is not None:
            self._open.put(entry)
            return False
        self._delete_blobs(operation_id)
        return True

    def newest(self, *, top: int, status: str = "", partition: str = "") -> list[Operation]:
        """Return the newest operations, newest first, of a status or of one target's partition when given."""
        found = records.Table(rows=self._rows, row_of=_row_of, from_row=operation_of, name="operations")
        return found.newest(top, skip=BESIDE, partition=partition, equal={"status": status} if status else None)

    def purge(self, ended_before: datetime) -> int:
        """Delete operations that ended before that moment, with their blobs, and return how many.

        One that has not ended and is not on the list of open ones is put back on it: nothing else ever looks for it.
        """
        count = 0
        listed = {_id_of(row) for row in self._open.query(columns=("created_at",))}
        for row, is_due in unreadable.readable(
            self._rows.query(), lambda row: (row, storage.due(row.columns, "ended_at", ended_before)), "operations"
        ):
            if OPERATION_ID.fullmatch(_id_of(row)) and "ended_at" not in row.columns and _id_of(row) not in listed:
                self._relist(row)
            if is_due:
                self._delete_blobs(_id_of(row))
                with suppress(storage.ConflictError):
                    self._rows.write([_change("delete", row)])
                    count += row.key not in BESIDE
        return count

    def _relist(self, row: Row) -> None:
        operation = next(unreadable.readable([row], operation_of, "operations"), None)
        if operation and not operation.ended:
            log.warning("operation %s was not on the list of open ones: put back", operation.id)
            self._open.put(_open_row(operation))

    def payload(self, value: Any) -> Any:
        """Return a body, resource or result, read from its blob when it was too large for the row.

        Raises:
            RejectedError: `PayloadLost`; the blob is gone.
        """
        return json.loads(self.file(value[BLOB_KEY])) if _is_blob(value) else value

    def is_whole(self, operation: Operation) -> bool:
        """Return whether resource and result are in place."""
        return not (_is_blob(operation.resource) or _is_blob(operation.result))

    def whole(self, operation: Operation) -> Operation:
        """Return the operation with resource and result in place, for showing; a lost one is left out."""
        shown: dict[str, Any] = {"resource": operation.resource, "result": operation.result}
        for name, value in shown.items():
            try:
                shown[name] = self.payload(value)
            except errors.RejectedError:
                shown[name] = None
        return replace(operation, **shown)

    def file(self, blob: str) -> bytes:
        """Return the content of a blob that an operation names.

        Raises:
            RejectedError: `PayloadLost`; the blob is gone.
        """
        content = self._blobs.get(blob)
        if content is None:
            message = "A part of the request is no longer in the app's storage; send it again."
            raise errors.RejectedError(errors.AzureError(code="PayloadLost", message=message), status=500)
        return content

    def discard(self, before: Operation | None, operation: Operation) -> None:
        """Delete the blobs that an operation needed before its last step, None for any earlier one, and does not need any more."""
        if operation.plan is not None or (
            before and before.plan is None and before.files == operation.files and not _is_dropped(before, operation)
        ):
            return
        if before and operation.scores and not before.files and not before.body.get("each"):  # its body was in its row
            return
        kept = {str(value[BLOB_KEY]) for name in PAYLOADS if _is_blob(value := getattr(operation, name))} | set(
            operation.files.values()
        )
        for name in list(self._blobs.names(f"operations/{operation.id}/")):
            if name not in kept:
                self._blobs.delete(name)

    def _announce(self, operation: Operation) -> None:
        """Put the operation on the list of open ones; again, with this moment, when an earlier acceptance died after that.

        It may go out over a connection that has been idle and is gone: as a PUT azure-core sends it again, as a POST it would not.
        """
        self._open.put(_open_row(operation))

    def _delete_blobs(self, operation_id: str) -> None:
        for name in list(self._blobs.names(f"operations/{operation_id}/")):
            self._blobs.delete(name)

    def _offload(self, operation: Operation) -> Operation:
        for name in PAYLOADS:
            value = getattr(operation, name)
            folder = f"operations/{operation.id}/"
            if value is None or (_is_blob(value) and str(value[BLOB_KEY]).startswith(folder)):
                continue
            text = json.dumps(value)
            if len(text) > PAYLOAD_LIMIT or _is_blob(value):  # a caller's own "$blob" is a value, never a reference
                # named by content: a worker that loses the race for the row overwrites nothing
                blob = f"{folder}{name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
                self._blobs.put(blob, text.encode())
                operation = replace(operation, **{name: {BLOB_KEY: blob}})  # type: ignore[arg-type]
        return operation


def _id_of(row: Row) -> str:
    return f"{row.partition}-{row.key}"


def _row_of(operation: Operation, etag: str = "") -> Row:
    chunks = records.chunked(operation.to_json())
    if sum(map(len, chunks.values())) > ROW_LIMIT and operation.error:  # without details of details, rather than never written
        chunks = records.chunked(replace(operation, error=replace(operation.error, details=())).to_json())
    columns: dict[str, Any] = {"status": operation.status, "created_at": operation.created_at, **chunks}
    columns |= said(operation)
    if operation.ended_at:
        columns["ended_at"] = operation.ended_at
    return storage.Row(partition=operation.partition, key=operation.suffix, columns=columns, etag=etag)


def said(operation: Operation) -> dict[str, str]:
    """Return the columns by which an operation is found and counted."""
    return {
        "target": operation.target.lower(),
        "caller": operation.caller,
        "kind": operation.kind,
        "outcome": operation.outcome,
        "code": operation.error.code if operation.error and operation.ended else "",
        "trace": operation.trace_id,
    }


def operation_of(row: Row) -> Operation:
    """Read an operation's row.

    Raises:
        UnreadableError: it holds no operation that this version of the app reads.
    """
    try:
        return Operation.from_json(records.joined(row.columns))
    except Exception as problem:
        raise UnreadableError(f"Operation {_id_of(row)}", problem) from problem


class OpenList:
    """The list of open operations: their index by due time (`due.Index`), one row for each.

    A tick reads the list, a page of 1,000 in one call, since it measures how many are open and how old the oldest is. Where more
    are open it reads what is due, and all of them each quarter of an hour.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._many = False
        self._long = 0  # how many looks at some partitions still take the list for a long one

    def put(self, entry: Entry) -> None:
        """See `Index.put`."""
        waits = {due.WAKE_AT: entry.wake_at, STEP: messages.read(entry.text, OPERATION).step} if entry.text else {}
        partition, _, suffix = str(entry.key[0]).partition("-")
        columns = {**entry.columns, due.LOOK_AT: entry.at, **waits}
        self._rows.put(storage.Row(partition=partition, key=suffix, columns=columns))

    def due(self, now: datetime) -> Iterator[Entry]:
        """See `Index.due`; an entry of the first versions has no moment, and is due."""
        if self._many and not due.is_whole(now):
            soon = {due.LOOK_AT: now + timedelta(milliseconds=1)}  # as finely as a table compares
            found = (listed.entry() for listed in unreadable.readable(self._rows.query(below=soon), _opened, "open"))
            yield from (entry for entry in found if entry.at <= now)
            return
        count, oldest = 0, None
        for listed in self.listed():
            count += 1
            oldest = min(oldest or (listed.created_at, listed.id), (listed.created_at, listed.id))
            entry = listed.entry()
            if entry.at <= now:
                yield entry
        self._many = count > ONE_CALL
        observing.opened(count, oldest, now)

    def among(self, places: Collection[tuple[str, str]]) -> Iterator[Entry]:
        """See `Index.among`."""
        yield from (listed.entry() for listed in unreadable.readable(due.among(self._rows, places), _opened, "open"))

    def later(self, entry: Entry, at: datetime) -> None:
        """See `Index.later`."""
        if entry.row:
            with suppress(storage.ConflictError):  # it has gone on, or has ended, meanwhile
                self._rows.write([_change("replace", replace(entry.row, columns={**entry.columns, due.LOOK_AT: at}))])

    def drop(self, entry: Entry) -> None:
        """See `Index.drop`."""
        if entry.row:
            with suppress(storage.ConflictError):
                self._rows.write([_change("delete", entry.row)])

    def rows_in(self, partitions: Collection[str]) -> Iterator[Row]:
        """Yield the rows of some partitions, in one call where the list is short."""
        if len(partitions) > 1 and self._long <= 0:
            listed = list(itertools.islice(self._rows.query(columns=("target",)), ONE_CALL))
            if len(listed) < ONE_CALL:
                yield from (row for row in listed if row.partition in partitions)
                return
            self._long = LOOKS_APART
        self._long -= 1
        for partition in partitions:
            yield from self._rows.query(partition=partition)

    def listed(self, partition: str = "") -> Iterator[Listed]:
        """Yield the list, or one partition of it: no operation is read."""
        yield from unreadable.readable(self._rows.query(partition=partition), _opened, "open")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """An entry of the list of open operations: its id, when it was accepted, and its row."""

    id: str
    created_at: datetime
    row: Row

    def entry(self) -> Entry:
        """Return it as an entry of a due index."""
        columns = self.row.columns
        text = messages.Message(machine=OPERATION, key=(self.id,), step=int(columns[STEP])).to_text() if STEP in columns else ""
        return Entry(
            machine=OPERATION,
            key=(self.id,),
            at=columns.get(due.LOOK_AT) or self.created_at,
            wake_at=columns.get(due.WAKE_AT),
            text=text,
            columns={name: value for name, value in columns.items() if name not in (due.WAKE_AT, STEP)},
            row=self.row,
        )


def _opened(row: Row) -> Listed:
    """Read an entry of the list of open operations."""
    if not OPERATION_ID.fullmatch(_id_of(row)):
        raise ValueError("its keys are not those of an operation")
    return Listed(id=_id_of(row), created_at=records.created(row), row=row)


def _is_blob(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {BLOB_KEY}


def _is_dropped(before: Operation, operation: Operation) -> bool:
    return _is_blob(before.body) and operation.body is None


def listing(operation: Operation) -> dict[str, Any]:
    """Return what the list of open operations keeps of one, beside its moments."""
    return {"target": operation.target.lower(), "created_at": operation.created_at}


def _open_row(operation: Operation) -> Row:
    columns = {**listing(operation), due.LOOK_AT: operation.due_at}
    return storage.Row(partition=operation.partition, key=operation.suffix, columns=columns)


def _lane_of(lane: Row | None) -> list[str]:
    if lane is None:
        return []
    try:
        return [str(suffix) for suffix in json.loads(lane.columns["suffixes"])]
    except (KeyError, TypeError, ValueError) as problem:
        raise UnreadableError(f"The lane of the target (row {lane.partition} {LANE})", problem) from problem


def lane_to_json(lane: Row | None) -> dict[str, Any]:
    """Return what a message carries of a lane: {} where it is not known."""
    return {"lane": lane.columns["suffixes"], "laneEtag": lane.etag} if lane else {}


def lane_from_json(operation: Operation, carried: Mapping[str, Any]) -> Row | None:
    """Return the lane of an operation as a message carries it, None where it does not."""
    if "lane" not in carried:
        return None
    columns = {"suffixes": carried["lane"]}
    return storage.Row(partition=operation.partition, key=LANE, columns=columns, etag=carried["laneEtag"])


def _lane_change(operation: Operation, lane: Row | None, suffixes: list[str]) -> storage.Change:
    row = storage.Row(
        partition=operation.partition,
        key=LANE,
        columns={"suffixes": json.dumps(suffixes)},
        etag=lane.etag if lane else "",
    )
    if lane is None:
        return _change("insert", row)
    return _change("replace" if suffixes else "delete", row)


def _change(verb: storage.Verb, row: Row) -> storage.Change:
    return storage.Change(verb=verb, row=row)
