"""What a run says of each resource: one line, kept in pages that are blobs, so that no run is held in memory.

A line is written once, when the resource is judged; what is then done about it stands in the record of the act (outcomes) and
is laid over the line when it is read. Not here: which line follows from a verdict (units), how lines are shown (reports, pages).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

from shared.durable import codec
from shared.text import times, words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from shared.cleanup.policy.model import Action
    from shared.cleanup.run.journal import Unit
    from shared.cleanup.verdict.marks import Step
    from shared.durable.storage import Blobs

PREFIX = "cleanup/runs/"
PAGE = 500  # lines in one blob
EVIDENCE_LIMIT = 20  # facts of one line, each of 300 characters; a reason of 500
VERSION = 1

Outcome = Literal["kept", "planned", "limit reached", "under way", "done", "failed", "not done"]


class Stores(Protocol):
    """Where pages are."""

    @property
    def blobs(self) -> Blobs: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One resource as one policy saw it.

    Attributes:
        id: ARM id.
        kind: Row of `targets.TARGETS`.
        reason: Why it is kept, or why something may be done.
        action: What may be done; `none` keeps it.
        step: What the run does about that: act now, mark it, wait for the mark's due date, lift the mark; '' nothing.
        evidence: The facts behind the reason.
        since: Since when it is stale or idle.
        due: From when it may be swept, once it is marked.
        saves: `{"vmSize", "nodes"}` of each hour.
        notify: What the policy wants recorded for the notification.
        stamp: When what is to go was made and last changed, as it was judged; what has changed since stays.
        outcome: What became of it; in a stored line always `kept` or `planned`.
        did: What was done in the end, in words: `deleted`, `marked`; '' for nothing.
        operation: The operation that did it.
        error: Why that failed.
    """

    id: str
    kind: str
    policy: str
    reason: str
    action: Action = "none"
    step: Step = ""
    evidence: tuple[str, ...] = ()
    since: datetime | None = None
    due: datetime | None = None
    saves: dict[str, Any] = field(default_factory=dict)
    notify: dict[str, Any] = field(default_factory=dict)
    stamp: str = ""
    outcome: Outcome = "kept"
    did: str = ""
    operation: str = ""
    error: dict[str, Any] | None = None
    unknown: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """What distinguishes it from all others of its run."""
        return f"{self.policy}\n{self.id.lower()}"

    @property
    def is_todo(self) -> bool:
        """Return whether carrying it out takes a request to Azure; notifying takes none."""
        return self.step in ("act", "mark", "lift") and self.action != "notify"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON, without what is empty."""
        out = codec.written(self)
        for name in ("since", "due"):
            out[name] = times.iso(out[name]) if out[name] else None
        shown = {name: value for name, value in out.items() if value not in ("", (), {}, None)}
        return {**shown, "evidence": list(self.evidence)} if self.evidence else shown

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Line:
        """Read back what `to_json` wrote."""
        moments = codec.moments(stored, ("since", "due"))
        return cls(**{**codec.members(cls, stored), **moments, "evidence": tuple(stored.get("evidence", ()))})


def short(line: Line) -> Line:
    """Return a line that cannot grow without bound: evidence quotes names of others' resources."""
    evidence = tuple(words.short(fact, 300) for fact in line.evidence[:EVIDENCE_LIMIT])
    return replace(line, reason=words.short(line.reason, 500), evidence=evidence)


class Writer:
    """Writes the lines of one unit, page by page; those that something may be done about a second time, apart.

    Args:
        stores: The app's container.
        run: Name of the run.
        unit: The unit, as claimed: another attempt writes other blobs.
    """

    def __init__(self, stores: Stores, run: str, unit: Unit) -> None:
        self._blobs = stores.blobs
        self._base = f"{PREFIX}{run}/lines/{unit.key}/{unit.attempt:04d}-"
        self._page: list[Line] = []
        self.pages = list(unit.pages)
        self._first = len(self.pages)
        self.counts = {policy: dict(numbers) for policy, numbers in unit.counts.items()}

    def add(self, line: Line) -> None:
        """Add one line."""
        count(self.counts, line)
        self._page.append(short(line))
        if len(self._page) >= PAGE:
            self.flush()

    def flush(self) -> None:
        """Write what has not been written."""
        if not self._page:
            return
        name = f"{self._base}{len(self.pages) - self._first:05d}"
        put(self._blobs, f"{name}.json", self._page)
        if chosen := [line for line in self._page if line.is_todo]:
            put(self._blobs, f"{name}-todo.json", chosen)
        self.pages.append((name, len(self._page)))
        self._page = []


def count(counts: dict[str, dict[str, int]], line: Line) -> None:
    """Count a line: by policy how many were looked at, are stale, need an act, are only notified."""
    numbers = counts.setdefault(line.policy, {"looked": 0, "stale": 0, "todo": 0, "notified": 0})
    numbers["looked"] += 1
    numbers["stale"] += line.action != "none"
    numbers["todo"] += line.is_todo
    numbers["notified"] += line.step == "act" and line.action == "notify"


def put(blobs: Blobs, name: str, lines: Sequence[Line]) -> None:
    """Write one page."""
    content = {"version": VERSION, "lines": [line.to_json() for line in lines]}
    blobs.put(name, json.dumps(content).encode())


def read(blobs: Blobs, name: str) -> list[Line]:
    """Return one page; none when there is no such blob."""
    content = blobs.get(name)
    return [Line.from_json(line) for line in json.loads(content)["lines"]] if content else []


def todo(stores: Stores, units: Iterable[Unit]) -> Iterator[Line]:
    """Yield every line that something may be done about."""
    for unit in units:
        for name, _ in unit.pages:
            yield from read(stores.blobs, f"{name}-todo.json")


def window(stores: Stores, units: Iterable[Unit], skip: int, top: int) -> Iterator[Line]:
    """Yield `top` lines after the first `skip`, reading no page that is not needed."""
    for unit in units:
        for name, count in unit.pages:
            if top <= 0:
                return
            if skip >= count:
                skip -= count
                continue
            taken = read(stores.blobs, f"{name}.json")[skip : skip + top]
            yield from taken
            skip, top = 0, top - len(taken)
