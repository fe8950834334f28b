"""What the timers do for lasting work: find what is due or lost, row by row, in parts that do not stand in each other's way.

Each part and each row has its own try: one that cannot be read or written now keeps nothing else waiting. A part that has used
its time goes on at the next tick. Not here: what a row needs (the machines), a single message (worker).
"""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared.durable import aside, due, storage, worker
from shared.rest import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from shared.durable.due import Entry, Index
    from shared.durable.worker import Machine

log = logging.getLogger("steward.sweep")

BUDGET_S = 100.0  # of one part; host.json ends a function after 300 seconds, with whatever else runs in its process
FAILURES = 5  # rows in a row that storage failed: it is out of reach, and the next tick tries again


def reconcile(machines: Sequence[Machine[Any, Any, Any]], world: Any) -> dict[str, int]:
    """Queue what comes due before the next tick, and again whatever lost its message; returns how many lost ones of each machine.

    Raises:
        TransientError: the app's storage is out of reach.
    """
    named = {machine.name: machine for machine in machines}
    woken = dict.fromkeys(named, 0)
    now = world.clock()

    def look(entry: Entry) -> int:
        sent = worker.look(named[entry.machine], entry, world)
        woken[entry.machine] += sent
        return sent

    def lost(machine: Machine[Any, Any, Any], known: Any) -> int:
        sent = worker.wake(machine, known, world)
        machine.index(world).put(worker.entry(machine, machine.key(known), 0.0, world))
        woken[machine.name] += sent
        return sent

    def indexed(index: Index) -> Callable[[], int]:
        return lambda: rows(index.due(now), look, _name)

    def whole(machine: Machine[Any, Any, Any]) -> Callable[[], int]:
        found = machine.overdue(now - due.WHOLE, world)
        return lambda: rows(found, lambda known: lost(machine, known), lambda known: f"{machine.name} {machine.key(known)}")

    indexes = {id(index): index for index in (machine.index(world) for machine in machines)}
    asked = {f"index {number}": indexed(index) for number, index in enumerate(indexes.values())}
    if due.is_whole(now):
        asked |= {machine.name: whole(machine) for machine in machines}
    parts(asked)
    return woken


def purges(machines: Sequence[Machine[Any, Any, Any]], world: Any) -> dict[str, Callable[[], int]]:
    """Return for each machine what deletes the records that ended before its retention; `parts` runs them."""

    def purge(machine: Machine[Any, Any, Any]) -> Callable[[], int]:
        before = world.clock() - timedelta(days=getattr(world.settings, machine.retention))
        return lambda: machine.purge(before, world)

    return {machine.name: purge(machine) for machine in machines}


def _name(entry: Entry) -> str:
    return f"{entry.machine} {'/'.join(map(str, entry.key))}"


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
