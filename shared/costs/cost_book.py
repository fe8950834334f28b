"""Where spans are kept: a row for each change of a resource and for each run, and one for each workspace that is looked at.

Not here: what is found in Azure (cost_looks), what it costs (spans, cost_report).
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol

from shared.costs.spans import RUN, Span
from shared.durable import codec, records, storage, unreadable
from shared.operations import context

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.cleanup.facts import pacing
    from shared.durable.records import Versioned
    from shared.durable.storage import Blobs, Row, Rows

PLACES = "workspaces"  # partition of the rows of workspaces
LOOK_EVERY = timedelta(minutes=15)


class Services(context.Services, Protocol):
    """What costs need of the composition root (shared.services)."""

    @property
    def blobs(self) -> Blobs: ...  # noqa: D102
    @property
    def cost_rows(self) -> Rows: ...  # noqa: D102
    @property
    def reads(self) -> pacing.Buckets: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A workspace, and how far it is known.

    Attributes:
        id: Its ARM id; '' for the list of workspaces itself.
        first_at, seen_at: When it was first, and last, looked at without a problem.
        tried_at: When it was last tried.
        problem: Why the last try failed; '' when it did not.
        gone: It is not in the list any more.
    """

    id: str
    first_at: datetime | None = None
    seen_at: datetime | None = None
    tried_at: datetime | None = None
    problem: str = ""
    gone: bool = False
    unknown: dict[str, Any] = field(default_factory=dict)


def partition(workspace: str) -> str:
    """Return where the spans of a workspace are."""
    return hashlib.sha256(workspace.lower().encode()).hexdigest()[:20]


def table(rows: Rows, workspace: str) -> records.Table[Span]:
    """Return the spans of a workspace."""

    def row_of(span: Span) -> Row:
        key = hashlib.sha256(f"{span.id} {'' if span.kind == RUN else span.start}".lower().encode()).hexdigest()
        columns: dict[str, Any] = {"open": span.end is None, **records.chunked(span.to_json())}
        columns |= {"ended_at": span.end} if span.end else {}
        return storage.Row(partition=partition(workspace), key=key[:40], columns=columns)

    return records.Table(rows=rows, row_of=row_of, from_row=lambda row: Span.from_json(records.joined(row.columns)), name="cost")


def between(rows: Rows, workspace: str, since: datetime) -> Iterator[Span]:
    """Yield the spans of a workspace that had not ended at a moment."""
    kept, place = table(rows, workspace), partition(workspace)
    found = chain(kept.find(partition=place, least={"ended_at": since}), kept.find(partition=place, equal={"open": True}))
    return (each.value for each in found)


def under_way(rows: Rows, workspace: str) -> dict[str, Versioned[Span]]:
    """Return what goes on in a workspace, by key of its id."""
    found = table(rows, workspace).find(partition=partition(workspace), equal={"open": True})
    return {each.value.id.lower(): each for each in found}


def places(rows: Rows) -> list[Place]:
    """Return all workspaces that were ever looked at, and not forgotten."""

    def read(row: Row) -> Place:
        stored = records.joined(row.columns)
        return codec.read(Place, {**stored, **codec.moments(stored, ("first_at", "seen_at", "tried_at"))})

    return list(unreadable.readable(rows.query(partition=PLACES), read, "cost"))


def put(rows: Rows, place: Place) -> None:
    """Write how far a workspace is known."""
    stored = codec.written(place)
    stored |= {name: at.isoformat() for name in ("first_at", "seen_at", "tried_at") if (at := stored[name])}
    gone = {"ended_at": place.seen_at or place.tried_at} if place.gone else {}
    rows.put(storage.Row(partition=PLACES, key=partition(place.id), columns={**records.chunked(stored), **gone}))


def save(rows: Rows, workspace: str, known: Versioned[Span] | None, span: Span) -> None:
    """Write a span; another look that is at it as well found the same."""
    kept = table(rows, workspace)
    with suppress(storage.ConflictError):
        if known is None:
            kept.insert(span)
        elif known.value != span:
            kept.save(known, replace(span, unknown=known.value.unknown))


def purge(app: Services) -> int:
    """Delete what ended longer ago than the setting says."""
    return records.purge(app.cost_rows, app.clock() - timedelta(days=app.settings.cost_days or 1))
