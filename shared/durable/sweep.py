"""What the timers do for lasting work: find what is due or lost, row by row, in parts that do not stand in each other's way.

Each part and each row has its own try: one that cannot be read or written now keeps nothing else waiting. What is more than a
tick can do goes to other workers, a message for each page of rows. Not here: what a row needs (the machines), a single message
(worker).
"""

from __future__ import annotations

import itertools
import json
import logging
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared.durable import due, storage, unreadable, versions, worker
from shared.rest import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from shared.durable.due import Entry, Index
    from shared.durable.worker import Machine

log = logging.getLogger("steward.sweep")

BUDGET_S = 100.0  # of one part; host.json ends a function after 300 seconds, with whatever else runs in its process
INLINE = 100  # entries that a tick looks after itself, one after the other
PAGE = 100  # entries that each message has of the others
VERSION = 1  # of such a message
FAILURES = 5  # rows in a row that storage failed: it is out of reach, and the next tick tries again


def reconcile(machines: Sequence[Machine[Any, Any, Any]], world: Any) -> dict[str, int]:
    """Queue what comes due before the next tick, and again whatever lost its message; returns how many lost ones of each machine.

    Raises:
        TransientError: the app's storage is out of reach.
    """
    woken = dict.fromkeys((machine.name for machine in machines), 0)
    look, now = _looks(machines, woken, world), world.clock()

    def lost(machine: Machine[Any, Any, Any], known: Any) -> int:
        sent = worker.wake(machine, known, world)
        machine.index(world).put(worker.entry(machine, machine.key(known), 0.0, world))
        woken[machine.name] += sent
        return sent

    def indexed(index: Index) -> Callable[[], int]:
        def part() -> int:
            found = index.due(now)
            own = list(itertools.islice(found, INLINE))
            for others in itertools.batched(found, PAGE, strict=False):
                places = [(entry.machine, entry.row.partition, entry.row.key) for entry in others if entry.row]
                machines[0].send(world).send(json.dumps({"version": VERSION, "overdue": places}))
            return rows(own, look, _name)

        return part

    def whole(machine: Machine[Any, Any, Any]) -> Callable[[], int]:
        found = machine.overdue(now - due.WHOLE, world)
        return lambda: rows(found, lambda known: lost(machine, known), lambda known: f"{machine.name} {machine.key(known)}")

    indexes = {id(index): index for index in (machine.index(world) for machine in machines)}
    asked = {f"index {number}": indexed(index) for number, index in enumerate(indexes.values())}
    if due.is_whole(now):
        asked |= {machine.name: whole(machine) for machine in machines}
    parts(asked)
    return woken


def page(machines: Sequence[Machine[Any, Any, Any]], text: str, world: Any) -> dict[str, int] | None:
    """Look after the entries that a tick's message names; returns how many lost ones of each machine, None for another message.

    One whose moment has been moved meanwhile has been looked after: the next tick names what this one's messages still have.
    """
    asked = json.loads(text)
    if not isinstance(asked, dict) or "overdue" not in asked:
        return None
    versions.check(asked, VERSION, "the message")
    named, woken = {machine.name: machine for machine in machines}, dict.fromkeys((machine.name for machine in machines), 0)
    look = _looks(machines, woken, world)
    places: dict[int, tuple[Index, list[tuple[str, str]]]] = {}
    for name, partition, key in asked["overdue"]:
        index = named[name].index(world)
        places.setdefault(id(index), (index, []))[1].append((partition, key))

    try:
        for index, here in places.values():
            rows(index.among(here), lambda entry: look(entry) if entry.at <= world.clock() else 0, _name)
    except errors.TransientError as problem:  # the entries stay: the next tick finds them
        log.warning("a page of what is overdue: %s", problem)
    return woken


def _looks(machines: Sequence[Machine[Any, Any, Any]], woken: dict[str, int], world: Any) -> Callable[[Entry], int]:
    """Return what looks after an entry, and counts."""
    named = {machine.name: machine for machine in machines}

    def look(entry: Entry) -> int:
        sent = worker.look(named[entry.machine], entry, world)
        woken[entry.machine] += sent
        return sent

    return look


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
            unreadable.note(name(each), problem)
    return sent
