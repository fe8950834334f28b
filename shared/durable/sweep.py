"""What the timers do for lasting work: find what is due or lost, row by row, in parts that do not stand in each other's way.

Each part and each row has its own try: one that cannot be read or written now keeps nothing else waiting. A part that has used
its time goes on at the next tick. Not here: what a row needs (the machines), a single message (worker).
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from shared.durable import aside, storage
from shared.rest import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

log = logging.getLogger("steward.sweep")

BUDGET_S = 100.0  # of one part; host.json ends a function after 300 seconds, with whatever else runs in its process
FAILURES = 5  # rows in a row that storage failed: it is out of reach, and the next tick tries again


def parts(named: Mapping[str, Callable[[], int]]) -> dict[str, int]:
    """Run each part, whatever becomes of the others; returns what each counted.

    Raises:
        TransientError: the app's storage was out of reach for one of them; the first problem, after the last part.
    """
    counts, first = {}, None
    for name, part in named.items():
        try:
            counts[name] = part()
        except Exception as problem:  # noqa: BLE001 - it is raised below
            log.warning("%s: %s", name, problem)
            first = first or problem
    if first:
        raise first
    return counts


def rows[T](found: Iterable[T], look: Callable[[T], int], name: Callable[[T], str]) -> int:
    """Look after each row; returns how many were put on their queue.

    Args:
        found: What is due.
        look: Does what one needs, and returns how many messages it sent.
        name: What one is called, for operators.

    Raises:
        TransientError: the app's storage is out of reach.
    """
    sent = failures = 0
    end = time.monotonic() + BUDGET_S
    for each in found:
        if time.monotonic() >= end:
            log.warning("the time of this tick is over; the next one goes on")
            break
        try:
            sent += look(each)
            failures = 0
        except storage.ConflictError:  # another worker is at it
            continue
        except errors.TransientError as problem:
            failures += 1
            log.warning("%s could not be looked after: %s", name(each), problem)
            if failures >= FAILURES:
                raise
        except Exception as problem:  # noqa: BLE001 - whatever it is, it belongs to this one
            aside.note(name(each), problem)
    return sent
