"""A unit of a run in the hands of one worker: taken by etag, kept alive while it works, left when another worker has it.

Two workers at one unit do no harm but work twice: what each writes has its attempt in its name, and one's row counts. Not
here: what is done with a unit (units).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from shared.cleanup.facts import pacing
from shared.costs import cost_report
from shared.durable import due
from shared.operations import context

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from shared.cleanup.run.journal import Journal, Run, Unit
    from shared.durable.records import Versioned
    from shared.durable.storage import Blobs, Queue, Rows
    from shared.rest.client import Client, Response

LEASE = timedelta(seconds=30)  # without a sign of life; two workers at one unit do no harm but work twice
BEAT = timedelta(seconds=10)
MOST = timedelta(seconds=240)  # what one message may take at the very most


class Services(context.Services, Protocol):
    """What the clean-up needs of the composition root (shared.services)."""

    @property
    def blobs(self) -> Blobs: ...  # noqa: D102
    @property
    def cleanup_rows(self) -> Rows: ...  # noqa: D102
    @property
    def delivery_rows(self) -> Rows: ...  # noqa: D102
    @property
    def journal(self) -> Journal: ...  # noqa: D102
    @property
    def cost_rows(self) -> Rows: ...  # noqa: D102
    @property
    def reads(self) -> pacing.Buckets: ...  # noqa: D102

    def queue_named(self, name: str) -> Queue:
        """Open a queue of the app's account."""


class PutOffError(Exception):
    """The unit cannot go on now; its next attempt is in `delay_s` seconds."""

    def __init__(self, delay_s: float) -> None:
        super().__init__(delay_s)
        self.delay_s = delay_s


@dataclass(slots=True, kw_only=True)
class Claim:
    """A unit in the hands of one worker.

    Attributes:
        run: The run.
        kept: The unit as this worker wrote it last.
        listed_at: Until when its entry in the due index lies at the latest.
        began_at: When it took the unit.
        alive_at: When it last said that it is at it.
        azure: Reads under ARM's limits, counted; each request keeps the claim alive.
    """

    run: Run
    kept: Versioned[Unit]
    services: Services
    listed_at: datetime
    began_at: datetime = field(init=False)
    alive_at: datetime = field(init=False)
    azure: pacing.Paced = field(init=False)

    def __post_init__(self) -> None:
        self.began_at = self.alive_at = self.services.clock()
        inner: Any = _Alive(inner=self.services.client, beat=self.beat)
        spending = cost_report.spending(self.services)
        memo = self.services.reads.memo(self.run.name)
        paced = pacing.of(self.services)

        def slept(seconds: float) -> None:
            self.beat()
            paced.sleep(seconds)

        self.azure = replace(paced, inner=inner, sleep=slept, spending=spending, memo=memo)

    @property
    def unit(self) -> Unit:
        """The unit."""
        return self.kept.value

    def beat(self) -> None:
        """Say that this worker is alive.

        Raises:
            PutOffError: it has been at it for as long as a function may run.
            ConflictError: another worker has the unit.
        """
        now = self.services.clock()
        if now - self.began_at >= MOST:
            raise PutOffError(0.0)
        if now - self.alive_at >= BEAT:
            self.alive_at = now
            self.save(replace(self.unit, due_at=now + LEASE))

    def save(self, unit: Unit) -> None:
        """Write the unit.

        Raises:
            ConflictError: another worker has it.
        """
        self.kept = self.services.journal.save_unit(self.run.name, self.kept, unit)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Alive:
    """The client; each request shows that a worker is at work."""

    inner: Client
    beat: Callable[[], None]

    @property
    def cloud(self) -> Any:
        return self.inner.cloud

    def send(self, method: str, url: str, **options: Any) -> Response:
        self.beat()
        return self.inner.send(method, url, **options)


def load(run: Run, key: str, services: Services) -> Claim | None:
    """Return a unit that no worker holds yet, or None."""
    kept = services.journal.unit(run.name, key)
    return Claim(run=run, kept=kept, services=services, listed_at=kept.value.due_at) if kept else None


def take(held: Claim) -> None:
    """Claim a unit: of two workers one goes on, and a timer looks after it when that one dies.

    Raises:
        ConflictError: another worker has it.
    """
    unit, now = held.unit, held.services.clock()
    held.save(replace(unit, attempt=unit.attempt + 1, tries=unit.tries + 1, due_at=now + LEASE))
    held.services.due.put(due.Entry(machine="unit", key=(held.run.name, unit.key), at=now + LEASE))
    held.listed_at = now + LEASE
