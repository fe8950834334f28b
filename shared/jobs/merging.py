"""Merge the jobs of all experiments into one list, newest first; run history answers only per experiment.

It works on one block of experiments at a time: those with the newest runs are queried first, several at once, and the others
only as long as they can have a newer run than those found. Not here: the filters, and a job's JSON (search).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from shared.telemetry import threads
from shared.text import times

if TYPE_CHECKING:
    from collections.abc import Mapping

TOP = 50  # items on a page without `$top`
BLOCK = 200  # experiments per block; the order is exact within a block
BLOCKS = 3  # blocks that one request searches
LISTED_AT_ONCE = 100
ASKED_AT_ONCE = 8
TICK = timedelta(microseconds=1)
LONG_AGO, UNKNOWN = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """The filter and position of a search.

    Attributes:
        condition: OData filter for run history, '' for none.
        compute, experiment: Their names, '' for any.
        archived, anonymous: Whether to include archived runs, and runs without a name of their own (trials, steps).
        top: The maximum number of items on a page.
        since: The earliest creation time; the condition has it, too.
        place: The position after the previous page.
    """

    condition: str = ""
    compute: str = ""
    experiment: str = ""
    archived: bool = False
    anonymous: bool = False
    top: int = TOP
    since: datetime = LONG_AGO
    place: Mapping[str, Any] = field(default_factory=dict)


class Ask(Protocol):
    """A client for the run history of a workspace."""

    def __call__(self, method: str, *tail: str, body: Any = None, query: str = "") -> dict[str, Any]:
        """Return the JSON of one answer; `tail` is the path below the workspace, `query` follows api-version, with its `&`."""


def page(search: Search, ask: Ask) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return one page of runs and the position of the next: block, time up to which it was read, and the runs of that time.

    A page may have fewer runs than asked for, even none, and still be followed by another.
    """
    place, rest = dict(search.place), search.top
    out: list[dict[str, Any]] = []
    for _ in range(BLOCKS):
        block, following = _block(search, place.get("experiments", ""), ask)
        found, until = _merged(search, block, place, rest, ask)
        out += found
        rest -= len(found)
        if until:
            return out, {**place, **until}
        if not following:
            return out, {}
        place = {"experiments": following}
        if rest <= 0:
            break
    return out, place


def _block(search: Search, token: str, ask: Ask) -> tuple[list[dict[str, Any]], str]:
    """Return experiments that may have matching runs, those with the newest runs first, and the token of the next block."""
    found: list[dict[str, Any]] = []
    for _ in range(BLOCK):
        asked = {"top": LISTED_AT_ONCE, **with_token(token), **({"viewType": "All"} if search.archived else {})}
        answer = ask("POST", "experiments:query", body=asked)
        found += items(answer)
        token = str(answer.get("continuationToken") or "")
        if not token or len(found) >= BLOCK:
            break
    return sorted((each for each in found if _latest(each) >= search.since), key=_latest, reverse=True), token


def _merged(
    search: Search, block: list[dict[str, Any]], place: Mapping[str, Any], top: int, ask: Ask
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the newest `top` runs of a block after a position, and the next position if there are more."""
    before, told = place.get("before", ""), set(place.get("told", []))
    condition = " and ".join(part for part in (search.condition, f"CreatedUtc le {before}" if before else "") if part)
    asked = {**query(search, condition), "top": top + len(told)}
    runs: list[dict[str, Any]] = []
    floor = LONG_AGO  # older runs may be missing: an answer was cut off at this time
    at = 0
    with threads.Pool(max_workers=ASKED_AT_ONCE, thread_name_prefix="search") as pool:
        while at < len(block) and not _enough(runs, top, block[at]):
            names = [str(each.get("name")) for each in block[at : at + ASKED_AT_ONCE]]
            at += ASKED_AT_ONCE
            for answer in pool.map(lambda name: ask("POST", "experiments", name, "runs:query", body=asked), names):
                listed = items(answer)
                runs += [run for run in listed if run.get("runId") not in told]
                if listed and answer.get("continuationToken"):
                    floor = max(floor, created(listed[-1]))
            runs.sort(key=created, reverse=True)
    if len(runs) <= top and at >= len(block) and floor == LONG_AGO:
        return runs, {}
    runs = [run for run in runs[:top] if created(run) >= floor]
    if not runs:
        return [], {}
    last = created(runs[-1])
    # Azure's times are ten times finer: query up to the next microsecond, and skip the runs that were returned before
    same = [str(run.get("runId")) for run in runs if created(run) - last <= TICK]
    before_now = times.iso(last + TICK)
    return runs, {"before": before_now, "told": [*(told if before_now == before else ()), *same]}


def _enough(runs: list[dict[str, Any]], top: int, following: dict[str, Any]) -> bool:
    """Return whether no experiment from `following` on can have a run among the newest `top`."""
    return len(runs) >= top and created(runs[top - 1]) - TICK > _latest(following)


def _latest(experiment: Mapping[str, Any]) -> datetime:
    """Return when an experiment's newest run was created; the latest possible time if that is unknown."""
    found = instant(experiment.get("latestCreatedRunCreatedUtc"))
    return found if found > LONG_AGO else UNKNOWN


def query(search: Search, condition: str, *, token: str = "") -> dict[str, Any]:
    """Return the body of a query for runs."""
    asked: dict[str, Any] = {"orderBy": "CreatedUtc desc", "top": search.top, **with_token(token)}
    return {**asked, "filter": condition} if condition else asked


def with_token(token: str) -> dict[str, str]:
    """Return the member that continues a query, {} for the first page."""
    return {"continuationToken": token} if token else {}


def items(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the objects of a list; other items are skipped."""
    value = answer.get("value")
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def created(run: Mapping[str, Any]) -> datetime:
    """Return when a run was created."""
    return instant(run.get("createdUtc"))


def instant(text: Any) -> datetime:
    """Read a time in Azure's format, with or without a zone (docs/protocol.md §8); anything else is the earliest time."""
    return times.moment(text) or LONG_AGO
