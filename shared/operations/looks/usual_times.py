"""How long Azure usually takes, learned per kind, verb and region: what decides when an operation is looked at.

One row of the ledger's table holds the last durations of each. It is read every ten minutes and written once a minute at most, and
goes with the old operations where nothing is learned any more. Two processes that write at once lose a few durations, which does
no harm, and neither does a row that cannot be read. Not here: what follows from them (rest.poll_delays).
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared.durable import codec, records, storage, versions
from shared.rest import errors, poll_delays

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from shared.durable.storage import Row, Rows
    from shared.operations.models import Operation

log = logging.getLogger("steward.operations")

VERSION = 1
KEY = "durations"  # of the row, and its partition
FEW = 3  # so many make what was recorded elsewhere count no more
KEPT = 12  # durations of one kind, verb and region
WAYS = 300  # kinds, verbs and regions; of more those go that were seen longest ago
DOUBTED = 8  # each so many-th is looked at in half of its usual time, too
FASTER = 0.7  # of the shortest of the last durations
EARLIER = 0.95  # what is over at that look ended a little before
READ_EVERY = timedelta(minutes=10)
WRITE_EVERY = timedelta(minutes=1)
# Seconds, medians of recorded traffic (docs/protocol.md §4): where to begin.
RECORDED: Mapping[str, float] = {
    "workspaces PATCH": 31.0,
    "workspaces/batchEndpoints DELETE": 48.0,
    "workspaces/batchEndpoints PUT": 31.0,
    "workspaces/batchEndpoints/deployments PUT": 30.0,
    "workspaces/computes PUT": 31.0,
    "workspaces/computes start": 122.0,
    "workspaces/computes stop": 89.0,
    "workspaces/jobs cancel": 31.0,
    "workspaces/onlineEndpoints PUT": 30.0,
    "workspaces/onlineEndpoints/deployments PUT": 320.0,
    "workspaces/schedules PUT": 6.0,
    "registries PUT": 27.0,
}
_REGION = re.compile(r"/locations/([a-z0-9]+)/", re.IGNORECASE)


def way(operation: Operation, url: str) -> str:
    """Return what durations are kept by: kind, verb and, where the URL that is polled names it, region."""
    _, _, path = operation.kind.partition("/")
    region = _REGION.search(url)
    return f"{path} {operation.action or operation.method} {region[1].lower() if region else ''}".strip()


class Durations:
    """What is known, of this process and of others."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._known: dict[str, list[float]] = {}
        self._unknown: Mapping[str, Any] = {}
        self._fresh: dict[str, list[float]] = {}  # not written yet
        self._over: set[str] = set()  # whose stored durations count no more
        self._asked = Counter[str]()
        self._read_at: datetime | None = None
        self._written_at: datetime | None = None

    def refresh(self, now: datetime) -> None:
        """Read what others learned, if that was long ago. It is asked before a request is sent: nothing here may fail."""
        if self._read_at is None or now - self._read_at >= READ_EVERY:
            self._read_at = now
            with suppress(errors.TransientError, versions.NewerError):
                self._read()

    def ends(self, way: str, *, crowded: bool = False) -> list[float]:
        """Return when such an operation usually ends, in seconds; [] where that is not known.

        What was only recorded is looked at in a quarter of that time, too, and each eighth of what was learned in the half:
        nothing else would show that it is faster here, or has become so. Of a crowd each eighth shows that for all.
        """
        seen = [*self._known.get(way, ()), *self._fresh.get(way, ())]
        recorded = RECORDED.get(" ".join(way.split(" ")[:2])) if len(seen) < FEW else None
        if not seen and not recorded:
            return []
        ends = poll_delays.usual_ends([*seen, recorded] if recorded else seen)
        self._asked[way] += 1
        doubted = self._asked[way] % DOUBTED == 0 or not (seen or crowded)
        return [ends[0] / (2 if seen else 4), *ends] if doubted else ends

    def learn(self, way: str, over_s: float, looked_s: float, now: datetime) -> None:
        """Take in how long an operation took that succeeded; one that was much faster than usual starts the learning over.

        Args:
            way: Of which it was.
            over_s: When it was seen to be over, in seconds from its beginning.
            looked_s: When it was seen to go on last.
            now: The present.
        """
        seen = [*self._known.get(way, ()), *self._fresh.get(way, ())]
        faster = bool(seen) and over_s < FASTER * min(seen)
        known = faster or over_s - looked_s <= over_s / 2  # else it was looked at once, when it was to end
        took_s = (over_s + looked_s) / 2 if known else over_s * EARLIER
        if faster:
            self._over.add(way)
            self._known.pop(way, None)
            self._fresh.pop(way, None)
        self._fresh.setdefault(way, []).extend([round(took_s, 1)] * (FEW if faster else 1))
        if self._written_at is None or now - self._written_at >= WRITE_EVERY:
            self._written_at = now
            with suppress(errors.TransientError, storage.ConflictError, versions.NewerError):
                self._write(now)

    def _read(self) -> Row | None:
        row = self._rows.get(KEY, KEY)
        if row:
            known, self._unknown = _durations(row)
            self._known = {way: took for way, took in known.items() if way not in self._over}
        return row

    def _write(self, now: datetime) -> None:
        row = self._read()
        fresh, self._fresh = self._fresh, {}
        for each, took in fresh.items():
            self._known[each] = [*self._known.pop(each, ()), *took][-KEPT:]
        ways = dict(list(self._known.items())[-WAYS:])
        columns = {**records.chunked({**self._unknown, "version": VERSION, "ways": ways}), "ended_at": now}
        changed = storage.Row(partition=KEY, key=KEY, columns=columns, etag=row.etag if row else "")
        self._rows.write([storage.Change(verb="replace" if row else "insert", row=changed)])
        self._over.clear()


def _durations(row: Row) -> tuple[dict[str, list[float]], Mapping[str, Any]]:
    """Return the durations that a row holds, and what else it does; nothing where it is damaged.

    Raises:
        NewerError: a later version wrote it; it is left as it is.
    """
    try:
        stored: Mapping[str, Any] = records.joined(row.columns)
        versions.check(stored, VERSION, KEY)
        ways = {str(each): [float(took) for took in found] for each, found in stored["ways"].items()}
        return ways, codec.rest(stored, {"version", "ways"})
    except versions.NewerError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError) as problem:
        log.warning("what was learned of durations cannot be read: %s", problem)
        return {}, {}
