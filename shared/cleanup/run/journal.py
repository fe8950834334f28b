"""What is kept of a run of the clean-up while it goes on and afterwards: one row a run, one row for each of its units.

A unit is a workspace (or the registries, or the subscription): what one queue message looks at. Rows are changed by etag, so
that of two workers one goes on. Lines and surveys are blobs (lines, survey). Not here: what the next step is (runs).
"""

from __future__ import annotations

import hashlib
import itertools
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from shared.durable import codec, records, storage, versions
from shared.durable.records import Versioned
from shared.rest import errors
from shared.telemetry import trace
from shared.text import times

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from shared.cleanup.policy.model import Mode
    from shared.durable.storage import Rows

VERSION = 2  # of a run that leaves something out, which an older app would carry out; of all others 1
RUNS = "runs"
NAME = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")
BATCH = 100  # changes in one transaction of the table service
NEWEST_FIRST = str.maketrans("0123456789", "9876543210")
NOTE_LIMIT = 50

Phase = Literal["list", "survey", "judge", "plan", "act", "settle", "ended"]
Status = Literal["Running", "Completed", "Stopped", "Failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run of the clean-up.

    Attributes:
        name: Its id; begins with the time, so that names sort by age.
        mode: `dryRun` reports only, whatever its policies say.
        caller: Who asked: `timer`, or a caller of the API.
        policies: Their names, in order; as they were at the start they are in a blob.
        scope, only: What it keeps to: ids that a resource must be or, unless `only`, lie below; none for everything.
        plan: The dry run that this one carries out, '' for none; `approved` names the run that carries this one out.
        step: Goes up with every step of the run as a whole; a message that names an older one is stale.
        due_at: When the next step is overdue and `reconcile` takes it up.
        round, after: How often the references were read, and what comes when they are read again.
        surveyed_from, surveyed_at: When the present round of reading began and ended.
        acts, next: How many acts there are to carry out, and which is the next.
        notify: Whom to notify when it has ended.
        unknown: Stored members that this version does not know (durable.codec); so of a unit.
        lost: How often in a row a step was overdue.
        unseen: The subscriptions whose workspaces could not be listed in the present round, each with the reason.
        left_out: Ids of resources that its approval left out of the dry run's acts, in lower case.
        totals: Numbers of the report, once it has ended.
    """

    name: str
    mode: Mode
    caller: str
    created_at: datetime
    due_at: datetime
    policies: tuple[str, ...] = ()
    scope: tuple[str, ...] = ()
    only: bool = False
    plan: str = ""
    left_out: tuple[str, ...] = ()
    unseen: tuple[tuple[str, str], ...] = ()
    approved: str = ""
    phase: Phase = "list"
    status: Status = "Running"
    step: int = 0
    round: int = 0
    after: Phase = "judge"
    surveyed_from: datetime | None = None
    surveyed_at: datetime | None = None
    acts: int = 0
    next: int = 0
    lost: int = 0
    notify: tuple[str, ...] = ()
    ended_at: datetime | None = None
    notes: tuple[str, ...] = ()
    totals: dict[str, Any] = field(default_factory=dict)
    unknown: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Return whether it will not change any more."""
        return self.phase == "ended"

    @property
    def trace(self) -> trace.Trace:
        """What its reads and the operations of its acts are part of, the same for every worker that takes a step."""
        return trace.derived(f"clean-up {self.name}")

    def noted(self, note: str) -> Run:
        """Return it with one more thing that the run as a whole has to say, said once."""
        return self if note in self.notes or len(self.notes) >= NOTE_LIMIT else replace(self, notes=(*self.notes, note[:500]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One part of a run: a workspace, a subscription's `registries`, or a `subscription`; or the `plan` that it carries out.

    Attributes:
        key: Row key.
        id: ARM id of the workspace, '' for the others.
        other: The subscription of the others, '' for the app's first.
        judges: Whether its resources are judged; otherwise it is only read for what it refers to.
        attempt: Goes up with each claim; a message with another one is stale.
        due_at: Until when a worker may be at it.
        tries: How often reading it was put off.
        surveyed: The last round in which its references were read.
        judged: Whether all of it was judged; `done` says how many kinds were until now, `after` how far the next one got.
        pages: Blobs of its lines with how many each holds.
        counts: Policy → `{"looked", "stale"}`.
        problem: Why something of it could not be read; `skipped` why it was not looked at.
        calls, seconds: Requests to Azure, and what they took.
    """

    key: str
    due_at: datetime
    id: str = ""
    other: str = ""
    judges: bool = True
    attempt: int = 0
    tries: int = 0
    surveyed: int = 0
    judged: bool = False
    done: int = 0
    after: str = ""
    pages: tuple[tuple[str, int], ...] = ()
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    problem: str = ""
    skipped: str = ""
    calls: int = 0
    seconds: float = 0.0
    unknown: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sort(self) -> str:
        """What its key begins with: `registries`, `subscription`, `plan`; of a workspace its key."""
        return self.key.partition("-")[0]


class Journal:
    """Runs and their units in one table."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._runs = records.Table[Run](rows=rows, row_of=_run_row, from_row=lambda row: _read(Run, row), name="clean-up")

    @property
    def rows(self) -> Rows:
        """The table; marks and the timer's last tick are in it, too."""
        return self._rows

    def insert(self, run: Run) -> bool:
        """Record a new run; False when there is one of that name."""
        return self._runs.insert(run) is not None

    def load(self, name: str) -> Versioned[Run] | None:
        """Return the run of that name, or None."""
        return self._runs.load(RUNS, name.translate(NEWEST_FIRST)) if NAME.fullmatch(name) else None

    def save(self, kept: Versioned[Run], run: Run) -> Versioned[Run]:
        """Replace a run.

        Raises:
            ConflictError: another worker changed it since it was read.
        """
        return self._runs.save(kept, run)

    def runs(self, *, only_open: bool = False) -> Iterator[Run]:
        """Yield all runs, newest first."""
        found = self._runs.find(partition=RUNS, equal={"open": True} if only_open else None)
        yield from (known.value for known in found)

    def enter(self, run: str, units: Iterable[Unit]) -> None:
        """Record the units of a run that are not recorded yet; all of them are there afterwards."""
        known = {unit.value.key for unit in self.units(run)}
        new = (unit for unit in units if unit.key not in known)
        while batch := list(itertools.islice(new, BATCH)):
            changes = [storage.Change(verb="insert", row=_unit_row(run, unit)) for unit in batch]
            try:
                self._rows.write(changes)
            except storage.ConflictError:  # another worker entered some of them meanwhile
                for change in changes:
                    with suppress(storage.ConflictError):
                        self._rows.write([change])

    def units(self, run: str) -> Iterator[Versioned[Unit]]:
        """Yield a run's units, in the order of their keys."""
        for row in self._rows.query(partition=f"run-{run}"):  # of one that cannot be read nothing is known: the run must not go on
            yield Versioned(value=_read(Unit, row), etag=row.etag)

    def unit(self, run: str, key: str) -> Versioned[Unit] | None:
        """Return one unit, or None."""
        return self._units(run).load(f"run-{run}", key)

    def save_unit(self, run: str, kept: Versioned[Unit], unit: Unit) -> Versioned[Unit]:
        """Replace a unit.

        Raises:
            ConflictError: another worker changed it since it was read.
        """
        return self._units(run).save(kept, unit)

    def _units(self, run: str) -> records.Table[Unit]:
        return records.Table(
            rows=self._rows, row_of=lambda unit: _unit_row(run, unit), from_row=lambda row: _read(Unit, row), name="clean-up"
        )

    def remove(self, run: str) -> None:
        """Forget a run and its units."""
        rows = [self._rows.get(RUNS, run.translate(NEWEST_FIRST)), *self._rows.query(partition=f"run-{run}")]
        for row in filter(None, rows):
            with suppress(storage.ConflictError):
                self._rows.write([storage.Change(verb="delete", row=row)])


def new_name(now: datetime, seed: str = "") -> str:
    """Return a name that sorts by time; the same seed at the same moment gives the same name."""
    tail = hashlib.sha256(seed.encode()).hexdigest()[:8] if seed else secrets.token_hex(4)
    return f"{now:%Y%m%dT%H%M%SZ}-{tail}"


def place(run: Run) -> str:
    """Return the place of a run in the list of all, the newest first."""
    return run.name.translate(NEWEST_FIRST)


def unit_key(workspace: str) -> str:
    """Return the key of a workspace's unit: short, and safe as a row key and a blob name."""
    return hashlib.sha256(workspace.lower().encode()).hexdigest()[:20]


def key_in(sort: str, other: str) -> str:
    """Return the key of a unit of a subscription; '' is the app's first."""
    return f"{sort}-{other.lower()}" if other else sort


def to_json(value: Any) -> dict[str, Any]:
    """Return a record as plain JSON, without members that have their default value."""
    told = codec.written(value, defaults=False).items()
    version = VERSION if getattr(value, "left_out", ()) else 1
    return {"version": version} | {name: times.iso(held) if isinstance(held, datetime) else held for name, held in told}


def from_json[T](kind: type[T], stored: dict[str, Any]) -> T:
    """Read back what `to_json` wrote.

    Raises:
        ValueError: it was written by a newer version of the app.
    """
    versions.check(stored, VERSION, "a record of the clean-up")
    values = codec.members(kind, stored)
    return kind(**{name: value if name == codec.UNKNOWN else _typed(name, value) for name, value in values.items()})


def _typed(name: str, value: Any) -> Any:
    if name.endswith(("_at", "_from", "since", "due")) and isinstance(value, str):
        return datetime.fromisoformat(value)
    if isinstance(value, list):
        return tuple(tuple(item) if isinstance(item, list) else item for item in value)
    return value


def _run_row(run: Run) -> storage.Row:
    columns = {**records.chunked(to_json(run)), "open": not run.ended, "created_at": run.created_at}
    return storage.Row(partition=RUNS, key=place(run), columns=columns)


def _unit_row(run: str, unit: Unit) -> storage.Row:
    return storage.Row(partition=f"run-{run}", key=unit.key, columns=records.chunked(to_json(unit)))


def _read[T](kind: type[T], row: storage.Row) -> T:
    return from_json(kind, records.joined(row.columns))


def missing(name: str) -> errors.BadRequestError:
    """Return the refusal of a run's name that no run has."""
    message = f"There is no clean-up report '{name[:100]}'; GET cleanup/reports lists the newest."
    return errors.BadRequestError("ReportNotFound", message, target="id", status=404)
