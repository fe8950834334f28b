"""Spans: what existed or ran, from when to when, on how many nodes; and the node-hours that follow in a window. Pure.

A cluster's nodes are computed: at least its minimum, and the nodes of its runs until they have been idle for as long as its
settings say. Not here: where spans are kept (cost_book), where they come from (cost_looks), money (cost_report).
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from shared.durable import codec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

HOUR = timedelta(hours=1)
INSTANCE, CLUSTER, DEPLOYMENT, RUN, ATTACHED = "computeInstance", "computeCluster", "onlineDeployment", "run", "attached"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What was so of one resource, without a change.

    Attributes:
        id: Of the compute, the deployment or the job.
        kind: One of the kinds above; `attached` computes are not Azure ML's own and cost nothing here.
        start: None for a run that has not started.
        end: None for what goes on.
        nodes: How many it has (a cluster: its minimum) or occupies (a run).
        size: Their VM size, '' where Azure does not say.
        owner: Who created it.
        experiment: Of a run.
        on: Of a run, the id of its compute; '' for serverless compute.
        parent: Of a run, the id of the job that it is a part of.
        assumed: Azure does not say on how many nodes it runs.
        idle_s: Of a cluster, how long a node stays that runs nothing.
    """

    id: str
    kind: str
    start: datetime | None
    end: datetime | None = None
    nodes: int = 0
    size: str = ""
    owner: str = ""
    experiment: str = ""
    on: str = ""
    parent: str = ""
    assumed: bool = False
    idle_s: float = 0.0
    unknown: dict[str, Any] = field(default_factory=dict)

    @property
    def machine(self) -> str:
        """The key of what its nodes belong to."""
        return (self.on or self.id).lower()

    @property
    def state(self) -> tuple[Any, ...]:
        """What makes another span of it when it changes."""
        return (self.kind, self.nodes, self.size.lower(), self.idle_s)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON, as it is stored."""
        moments = {name: at.isoformat() if at else None for name, at in (("start", self.start), ("end", self.end))}
        return {**codec.written(self, defaults=False), **moments}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Span:
        """Read back what `to_json` wrote."""
        moments = {name: datetime.fromisoformat(stored[name]) if stored.get(name) else None for name in ("start", "end")}
        return codec.read(cls, {**stored, **moments})


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """Node-hours of one resource, for one owner and one experiment; of a run also its job, and what that is a part of."""

    resource: str
    kind: str
    size: str
    owner: str
    hours: float
    experiment: str = ""
    run: str = ""
    parent: str = ""
    idle: bool = False


def charges(found: Iterable[Span], since: datetime, until: datetime) -> Iterator[Charge]:
    """Yield the node-hours of spans in a window; what goes on does so until its end."""
    own, runs = defaultdict[str, list[Span]](list), defaultdict[str, list[Span]](list)
    every = list(found)
    parents = {(span.parent.lower(), span.machine) for span in every if span.parent}
    for span in every:
        if span.start and (span.kind != RUN or (span.id.lower(), span.machine) not in parents):
            (runs if span.kind == RUN else own)[span.machine].append(span)
    for key in own.keys() | runs.keys():
        of = sorted(own[key], key=lambda span: _from(span, since))
        if not of or of[-1].kind != ATTACHED:
            yield from _used(of, runs[key], since, until)
            yield from _rest(of, runs[key], since, until)


def _used(own: Sequence[Span], runs: Iterable[Span], since: datetime, until: datetime) -> Iterator[Charge]:
    """Yield what runs occupied."""
    for run in runs:
        begin, end = max(_from(run, since), since), min(run.end or until, until)
        if begin < end:
            on = own[_place(own, begin, len(own) - 1)] if own else None
            yield Charge(
                resource=on.id if on else run.on or run.id,
                kind=on.kind if on else "compute" if run.on else "serverless",
                size=on.size if on and on.size else run.size,
                owner=run.owner,
                experiment=run.experiment,
                run=run.id,
                parent=run.parent,
                hours=run.nodes * ((end - begin) / HOUR),
            )


def _rest(own: Sequence[Span], runs: Sequence[Span], since: datetime, until: datetime) -> Iterator[Charge]:
    """Yield what was there beside the runs: a deployment's instances, and nodes of computes that ran nothing."""
    first = since - timedelta(seconds=max((span.idle_s for span in own), default=0.0))
    moments, change = _changes(own, runs, first, until)
    busy, recent, hours = (
        0,
        deque[tuple[datetime, int]](),
        defaultdict[int, float](float),
    )  # recent: ends of intervals with fewer and fewer at work
    for begin, end in pairwise(sorted(moments | {since})):
        busy += change[begin]
        while recent and recent[-1][1] <= busy:
            recent.pop()
        recent.append((end, busy))
        if (place := _place(own, begin, -1)) >= 0:
            span = own[place]
            while recent[0][0] <= begin - timedelta(seconds=span.idle_s):
                recent.popleft()
            lately = recent[0][1] if span.kind == CLUSTER else 0
            if begin >= since:
                hours[place] += (max(span.nodes, lately, busy) - busy) * ((end - begin) / HOUR)
    for place, amount in hours.items():
        span = own[place]
        if amount:
            idle = span.kind != DEPLOYMENT
            yield Charge(resource=span.id, kind=span.kind, size=span.size, owner=span.owner, hours=amount, idle=idle)


def _changes(
    own: Sequence[Span], runs: Sequence[Span], first: datetime, until: datetime
) -> tuple[set[datetime], Counter[datetime]]:
    """Return the moments at which anything changes, and by how much more nodes runs occupy from then on."""
    moments, change, idle_s = {first, until}, Counter[datetime](), {span.idle_s for span in own}
    for span in (*own, *runs):
        begin, end = max(_from(span, first), first), min(span.end or until, until)
        if begin < end:
            moments |= {begin, end}
            if span.kind == RUN:
                change[begin] += span.nodes
                change[end] -= span.nodes
                moments |= {min(end + timedelta(seconds=each), until) for each in idle_s}
    return moments, change


def _from(span: Span, otherwise: datetime) -> datetime:
    return span.start or otherwise


def _place(own: Sequence[Span], at: datetime, otherwise: int) -> int:
    """Return which of the spans holds at a moment."""
    held = (n for n, span in enumerate(own) if _from(span, at) <= at and (span.end is None or at < span.end))
    return next(held, otherwise)
