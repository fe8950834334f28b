"""Lists of operations, the newest first and a page at a time.

The ledger's table knows no order by time: a page scans it, in spans that double going back, and of each row only what decides
travels. What is shown is then read row by row, or with the scan where that finds little more. Not here: the rows (ledger).
"""

from __future__ import annotations

import heapq
import re
from dataclasses import dataclass
from datetime import MAXYEAR, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from shared.durable import records, unreadable
from shared.durable.unreadable import UnreadableError
from shared.operations import ledger as ledgers
from shared.operations import models
from shared.operations.ledger import OPERATION_ID
from shared.rest import errors
from shared.telemetry import threads
from shared.text import times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from shared.durable.storage import Row
    from shared.operations.ledger import Ledger
    from shared.operations.models import Operation
    from shared.rest import ids

FIRST_SPAN = timedelta(days=1)
SHORTEST = timedelta(minutes=1)
SPANS = 5  # 31 days, as long as ended operations are kept by default; then everything before that
TICK = timedelta(milliseconds=1)  # a table compares moments at least so finely; we compare the rest
DECIDING = ("created_at", "status", "target", "caller", "kind", "outcome", "code", "trace")
READS_AT_ONCE = 8
_TOKEN = re.compile(rf"(\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{6}}Z)_({OPERATION_ID.pattern})?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a page ends: what comes next was accepted before that moment, or then and has a smaller id."""

    at: datetime
    id: str = ""

    @property
    def token(self) -> str:
        """What a nextLink carries."""
        return f"{times.iso(self.at)}_{self.id}"

    @classmethod
    def of(cls, token: str) -> Place | None:
        """Read a token, '' for the beginning.

        Raises:
            BadRequestError: `InvalidParameter`; it is not one of ours.
        """
        if not token:
            return None
        found = _TOKEN.fullmatch(token)
        at = times.moment(found[1]) if found else None
        if found is None or at is None or at.year == MAXYEAR:
            message = f"'$skipToken' is '{token[:100]}'; expected the one that a nextLink of this list holds."
            raise errors.BadRequestError("InvalidParameter", message, target="$skipToken")
        return cls(at=at, id=found[2] or "")


class Brief(NamedTuple):
    """When an operation was accepted, its id, and the columns by which it is found; of older versions' rows there are fewer.

    `row` is all of it, where the scan read that.
    """

    at: datetime
    id: str
    columns: Mapping[str, Any]
    row: Row | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is listed.

    Attributes:
        top: Operations of a page.
        status, outcome, kind: '' for any.
        find: Lower-case text in its id, target, kind, caller, error code or trace; '' for any.
        since: Accepted then or later, None for all.
        target: Of one target, None for all; a list of one target reads only the rows of its lane.
        below: Lower-case ARM id: only what is about it or anything below it; '' for all.
        caller: Who asked; '' for anyone.
        shown: Whether an operation is shown at all; a page may hold fewer than asked for.
        place: Where the last page ended.
    """

    top: int = 0
    status: str = ""
    outcome: str = ""
    kind: str = ""
    find: str = ""
    since: datetime | None = None
    target: ids.ResourceId | None = None
    below: str = ""
    place: Place | None = None
    caller: str = ""
    shown: Callable[[Operation], bool] | None = None


def page(wanted: Wanted, ledger: Ledger, now: datetime, overdue: Callable[[], bool]) -> tuple[list[Operation], Place | None]:
    """Return one page and where the next begins, None after the last.

    Args:
        wanted: What is listed.
        ledger: Where from.
        now: The spans count from here.
        overdue: Says when to stop looking; the page then holds fewer than asked for, perhaps none, and another follows.
    """
    found: list[Brief] = []
    place = wanted.place
    if not wanted.top:
        return [], None
    decided = wanted.status or wanted.outcome or wanted.kind or wanted.caller or wanted.find or wanted.below
    columns = DECIDING if decided else (records.CREATED,)
    first = not (decided or wanted.target or wanted.since or wanted.place)
    reach = ledger.reach if first else None
    for begin in _begins(wanted, now, reach):
        left = wanted.top - len(found)
        few = wanted.target or (reach and begin == now - reach)  # about as many as are shown: they are read at once
        newest = heapq.nlargest(left + 1, _briefs(wanted, ledger, begin, place, () if few else columns))
        found += newest[:left]
        if len(newest) > left:
            place = Place(at=found[-1].at, id=found[-1].id)
            if first:
                ledger.reach = max(2 * (now - place.at), SHORTEST)
            break
        place = Place(at=begin) if begin and begin != wanted.since else None
        if overdue():
            break
    read = list(_pool().map(lambda brief: _read(brief, ledger), found))
    return [each for each in read if each and (wanted.shown is None or wanted.shown(each))], place


def between(begin: datetime, end: datetime, ledger: Ledger, *, caller: str = "") -> Iterator[tuple[datetime, str]]:
    """Yield moment and id of the operations that were accepted in a time, of one caller where that is named."""
    yield from ((each.at, each.id) for each in briefs(Wanted(caller=caller, since=begin, place=Place(at=end)), ledger))


def briefs(wanted: Wanted, ledger: Ledger) -> Iterator[Brief]:
    """Yield what is known at a glance of every operation that is wanted, in no order; of older versions' rows nothing is."""
    yield from _briefs(wanted, ledger, wanted.since, wanted.place)


def _begins(wanted: Wanted, now: datetime, reach: timedelta | None) -> Iterator[datetime | None]:
    """Yield how far back each scan goes, None for all the way; after `reach` spans double with the distance from now."""
    if reach and reach < FIRST_SPAN:
        yield now - reach
    for doubled in range(1, 0 if wanted.target else SPANS + 1):
        begin = now - FIRST_SPAN * (2**doubled - 1)
        if wanted.since and begin <= wanted.since:
            break
        if wanted.place is None or begin < wanted.place.at:
            yield begin
    yield wanted.since


@cache
def _pool() -> threads.Pool:
    return threads.Pool(max_workers=READS_AT_ONCE, thread_name_prefix="list")


def _briefs(
    wanted: Wanted, ledger: Ledger, begin: datetime | None, place: Place | None, columns: Sequence[str] = DECIDING
) -> Iterator[Brief]:
    """Yield what was accepted from `begin` on and before `place`."""
    least = {"created_at": begin} if begin else {}
    below = {"created_at": place.at + TICK} if place else {}
    equal = {**({"status": wanted.status} if wanted.status else {}), **({"target": wanted.target.key} if wanted.target else {})}
    rows = (
        row
        for partition in ((*models.partitions_of(wanted.target), models.scores_of(wanted.target)) if wanted.target else ("",))
        for row in ledger.rows.query(
            partition=partition,
            equal=equal or None,
            least={**least, **({"target": wanted.below} if wanted.below else {})},
            below={**below, **({"target": f"{wanted.below}0"} if wanted.below else {})},  # 0 comes next after the slash
            columns=columns,
        )
    )
    own = (row for row in rows if row.key not in ledgers.BESIDE)  # which have no moment
    for row, created_at in unreadable.readable(own, lambda row: (row, records.created(row)), "operations"):
        target = f"{row.columns.get('target', '')}/"
        brief = Brief(created_at, f"{row.partition}-{row.key}", row.columns, None if columns else row)
        between = (place is None or brief[:2] < (place.at, place.id)) and (begin is None or brief.at >= begin)
        if between and target.startswith(f"{wanted.below}/" if wanted.below else "") and _fits(brief, wanted, ledger):
            yield brief


def _fits(brief: Brief, wanted: Wanted, ledger: Ledger) -> bool:
    """Return whether an operation is what is asked for; rows of older versions say so only inside."""
    asked = {name: text for name in ("caller", "kind", "outcome") if (text := getattr(wanted, name))}
    if not asked and not wanted.find:
        return True
    columns: Mapping[str, Any] | None = brief.columns
    if "outcome" not in brief.columns:
        found = _read(brief, ledger)
        columns = ledgers.said(found) if found else None
    if columns is None or any(str(columns.get(name, "")).lower() != text.lower() for name, text in asked.items()):
        return False
    words = (brief.id, *(str(columns.get(name, "")) for name in ("target", "kind", "caller", "code", "trace")))
    return any(wanted.find in word.lower() for word in words)


def _read(brief: Brief, ledger: Ledger) -> Operation | None:
    """Return an operation for a list, None when it is gone by now or cannot be read."""
    try:
        if brief.row:
            return ledgers.operation_of(brief.row)
        stored = ledger.load(brief.id)
    except UnreadableError as problem:
        unreadable.note(f"operation {brief.id}", problem)
        return None
    return stored.operation if stored else None
