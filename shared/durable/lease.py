"""The lease of a record, renewed while its worker is at work: it can be short, so that others soon go on where a worker died.

A worker that was frozen for longer than its lease finds another etag in the row, and records nothing over the work of others.
Not here: what a lease is for (each machine), who looks after records whose lease is over (sweep).
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.durable import storage
from shared.rest import errors
from shared.telemetry import threads

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator

log = logging.getLogger("steward.worker")

LEASE = timedelta(seconds=30)  # without a sign of life
EVERY_S = 10.0  # between two signs of life
AGAIN_S = 2.0  # after one that storage did not take


@dataclass(slots=True)
class Held[K]:
    """A record in the hands of one worker.

    Attributes:
        known: It, as this worker read or wrote it last.
        renew: Saves it with a later end of its lease.
        lost: Another worker has it now: what this one has done is not recorded.
    """

    known: K
    renew: Callable[[K], K]
    lost: bool = False

    def beat(self) -> bool:
        """Renew the lease; False when storage does not take that now."""
        try:
            self.known = self.renew(self.known)
        except storage.ConflictError:
            self.lost = True
            log.warning("a lease was lost: another worker went on with the record")
        except errors.TransientError as problem:
            log.warning("a lease could not be renewed, and is tried again: %s", problem)
            return False
        return True

    def checked(self) -> K:
        """Return the record as it stands.

        Raises:
            ConflictError: another worker has it.
        """
        if self.lost:
            raise storage.ConflictError
        return self.known


@contextmanager
def kept[K](known: K, renew: Callable[[K], K]) -> Iterator[Held[K]]:
    """Renew the lease of a record from a thread of its own while the block lasts: until it ends or the process dies."""
    held = Held(known=known, renew=renew)
    with threads.beside(EVERY_S, _renewing, held, name="lease"):
        yield held


def _renewing[K](held: Held[K], over: threading.Event) -> None:
    pause_s = 0.0
    while not over.wait(pause_s) and not held.lost:
        pause_s = EVERY_S if held.beat() else AGAIN_S
