"""One step of one record for each message: load it, drop what is stale, advance it, save it, queue the next step.

Whatever dies in between leaves a message or an entry of the due index (sweep). Each sort of lasting work is a row of data:
`Machine`. Not here: what a step does (the machines), what messages look like (messages).
"""

from __future__ import annotations

import logging
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from shared.durable import due, lease, messages, storage, unreadable
from shared.durable.messages import Message
from shared.rest import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    from shared.durable.due import Entry, Index
    from shared.durable.storage import Blobs, Queue

log = logging.getLogger("steward.worker")


LOST = "lost"  # column of an entry: how often a timer has put its record on the queue since a step was taken
WAITED = "waited"  # column of an entry: how often a timer has found its record waiting for another
ENDING = "ending"  # column of an entry: its record is about to end; its row, which is due later, says nothing if that worker dies
PATIENT = 3  # so often at the lease's pace; then the pauses double, for the queue may be longer than the lease
LONGEST = 5  # doublings


class World(Protocol):
    """What the engine needs of the composition root."""

    @property
    def clock(self) -> Callable[[], datetime]: ...  # noqa: D102
    @property
    def due(self) -> Index: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class Next[K, T]:
    """What a step came to.

    Attributes:
        known: The record as this worker read or wrote it last.
        value: The record as it is to be saved.
        delay_s: The pause before the next step; None when the record has ended.
    """

    known: K
    value: T
    delay_s: float | None


def _no_context(_known: Any) -> AbstractContextManager[None]:
    return nullcontext()


def _nothing(_before: Any, _saved: Any, _world: Any) -> None:
    return None


def _dropped(_entry: Entry, _world: Any) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine[W: World, K, T]:
    """One sort of lasting work: records of class `record`, read as `K` (with their etags), in a world `W`.

    Attributes:
        name: What it is: its messages' form (`messages.FORMS`), and the machine of its entries in the due index.
        queue: The name of its queue.
        record: The class of its records.
        send: Its queue, opened.
        load: Returns the record that a message names; None when there is none, or nothing is left to do.
        advance: Takes a step; None when there is nothing to save.
        save: Saves what a step came to, by etag.
        key, step: What names a record in its messages, and the step it is at; 0 where messages name none.
        due_at: When a record's message is lost, if the step was not taken by then; None when the record has ended.
        lease: After a message was put on the queue by a timer: when that one is lost. Longer each time when it does not help:
            the queue may be long.
        give_up: Ends a record whose message kept failing.
        overdue: Yields the records that the index failed: due before a moment, written by any version.
        purge: Deletes the records that ended before a moment; returns how many.
        retention: The setting that says after how many days.
        forms: Further forms of messages that it takes.
        takes_over: Whether a message that the platform brings again goes on where its first worker died.
        index: Where its entries are.
        listed_at: Until when a record's entry lies at the latest, where that is not its `due_at`.
        after: What follows a save, given the record before and after it; done again by the timer for what has ended.
        wake: Puts a record whose message was lost on the queue again; returns how many messages that were.
        missing: Whether an entry goes whose record is not there.
        renew: Saves a record as one that is due at a moment, while its worker is at it: a step that takes long keeps its lease.
            None where steps are short, or see to it themselves.
        columns: What its entries keep of a record beside its moments.
        at_once: Whether the same worker takes the next step, too: what a step allows only for a short time must not wait in a
            queue, which may be longer.
        within: The context of a step: its trace.
        carried: What its messages carry of a record, so that the next step need not load it; {} where that is nothing.
        unpacked: Returns the record that a message carries; None where it must be loaded. Its etag is that of the row: what has
            changed since is found out when it is saved.
        quiet: Returns the record as it goes on in its next message alone, where a step brought no news and the row still says
            for long enough when that message is lost; None where the step is to be saved.
    """

    name: str
    queue: str
    record: type[T]
    send: Callable[[W], Queue]
    load: Callable[[Message, W], K | None]
    advance: Callable[[K, Message, W], Next[K, T] | None]
    save: Callable[[Next[K, T], W], K]
    key: Callable[[K], tuple[str | int, ...]]
    due_at: Callable[[K], datetime | None]
    lease: timedelta
    give_up: Callable[[K, str, W], Next[K, T]]
    overdue: Callable[[datetime, W], Iterator[K]]
    purge: Callable[[datetime, W], int]
    step: Callable[[K], int] = lambda _known: 0
    retention: str = "retention_days"
    forms: tuple[str, ...] = ()
    takes_over: bool = False
    index: Callable[[W], Index] = lambda world: world.due
    listed_at: Callable[[K], datetime | None] | None = None
    after: Callable[[K, K, W], None] = _nothing
    wake: Callable[[K, W], int] | None = None
    missing: Callable[[Entry, W], bool] = _dropped
    renew: Callable[[K, datetime, W], K] | None = None
    columns: Callable[[K], Mapping[str, Any]] = lambda _known: {}
    at_once: Callable[[Next[K, T]], bool] = lambda _step: False
    within: Callable[[K], AbstractContextManager[Any]] = _no_context
    carried: Callable[[K, W], Mapping[str, Any]] = lambda _known, _world: {}
    unpacked: Callable[[Message, W], K | None] = lambda _message, _world: None
    quiet: Callable[[Next[K, T], W], K | None] = lambda _step, _world: None

    def message(self, known: K) -> str:
        """Return the message of a record's next step."""
        return Message(machine=self.name, key=self.key(known), step=self.step(known)).to_text()

    def carrying(self, known: K, world: W) -> Message:
        """Return that message with what it carries of the record."""
        return Message(machine=self.name, key=self.key(known), step=self.step(known), carried=self.carried(known, world))

    def stale(self, known: K, message: Message) -> bool:
        """Return whether a record has ended, or is past the step that a message names."""
        late = int(self.takes_over and message.again)
        return self.due_at(known) is None or self.step(known) - message.step not in range(late + 1)


def take(machines: Sequence[Machine[Any, Any, Any]], text: str, world: Any, *, again: bool = False) -> Any:
    """Take the step that a message names; returns the record as saved, None when there was nothing to save.

    Args:
        machines: Those of the queue.
        text: The message.
        world: The composition root.
        again: The platform brings the message again: its first worker died, or failed.

    Raises:
        ValueError: it is no message of these machines (it will end in the poison queue).
    """
    machine, message = _read(machines, text, again=again)
    what = f"{machine.name} {'/'.join(map(str, message.key))} step {message.step}"
    try:
        known = machine.unpacked(message, world) or machine.load(message, world)
        if known is None or machine.stale(known, message):
            log.info("stale message: %s", what)
            return None
        with machine.within(known):
            step = _advanced(machine, known, message, world)
            if step and machine.at_once(step):
                known = record(machine, step, world, send=False)
                step = _advanced(machine, known, message, world)
            return record(machine, step, world) if step else None
    except storage.ConflictError:
        log.info("%s was taken by another worker", what)
    except errors.TransientError as problem:  # the app's own storage; the record is none the worse for it
        log.warning("%s waits for storage: %s", what, problem)
        _postpone(machine, text, world)
    except unreadable.UnreadableError as problem:  # its entry stays, and the timer finds it once it can be read
        unreadable.note(what, problem)
    return None


def _postpone(machine: Machine[Any, Any, Any], text: str, world: Any) -> None:
    """Queue a message for later. Where the queue is out of reach, too, the record's entry does that: its timer finds it.

    Left to the platform, the message would be in the poison queue within a minute, and would end a record that lacks nothing.
    """
    later, delay_s = messages.postponed(text)
    try:
        machine.send(world).send(later, delay_s=delay_s)
    except errors.TransientError as problem:
        log.warning("%s could not be queued for later, and is left to its entry: %s", machine.name, problem)


def _advanced[K, T](machine: Machine[Any, K, T], known: K, message: Message, world: Any) -> Next[K, T] | None:
    """Take the step; its lease is renewed meanwhile where the machine says how."""
    renew = machine.renew
    if renew is None:
        return machine.advance(known, message, world)
    with lease.kept(known, lambda before: renew(before, world.clock() + machine.lease, world)) as held:
        step = machine.advance(known, message, world)
    return replace(step, known=held.checked()) if step else None


def entry(machine: Machine[Any, Any, Any], key: tuple[str | int, ...], delay_s: float, world: Any, *, step: int = 0) -> Entry:
    """Return the entry of a record that is about to be written: a long wait, or the moment at which its first message is lost."""
    at = world.clock() + timedelta(seconds=delay_s)
    if not due.is_long(delay_s):
        return due.Entry(machine=machine.name, key=key, at=at + machine.lease)
    text = Message(machine=machine.name, key=key, step=step).to_text()
    return due.Entry(machine=machine.name, key=key, at=at - due.AHEAD, wake_at=at, text=text)


def record[K, T](machine: Machine[Any, K, T], step: Next[K, T], world: Any, *, send: bool = True) -> K:
    """Save what a step came to, where that is news, then queue the next step, or note when that is to be queued.

    Args:
        machine: Whose record it is.
        step: Its result.
        world: The composition root.
        send: False where this worker goes on at once.

    Raises:
        ConflictError: another worker changed the record; nothing was queued.
    """
    kept = machine.quiet(step, world) if send and step.delay_s is not None else None
    if kept is not None and (text := machine.carrying(kept, world).carrying()):
        machine.send(world).send(text, delay_s=step.delay_s or 0.0)
        return kept
    far, delay_s = _is_far(machine, step.known, world), step.delay_s
    if far:  # before the record: a worker that dies between the two would leave it to an entry that comes too late
        soon = entry(machine, machine.key(step.known), 0.0 if due.is_long(delay_s or 0.0) else delay_s or 0.0, world)
        ending = {ENDING: True} if delay_s is None else {}
        machine.index(world).put(replace(soon, columns={**machine.columns(step.known), **ending}))
    saved = machine.save(step, world)
    if delay_s is not None:
        queued(machine, saved, delay_s, world, known=None if far else step.known, send=send)
    machine.after(step.known, saved, world)
    return saved


def queued[K](
    machine: Machine[Any, K, Any], saved: K, delay_s: float, world: Any, *, known: K | None = None, send: bool = True
) -> None:
    """Queue a record's next step: as a message, or as an entry of the due index where that is more than a minute away.

    Args:
        machine: Whose record it is.
        saved: The record.
        delay_s: When its next step is to be taken.
        world: The composition root.
        known: The record before, whose entry stands; a new entry is written only where that comes too late: a timer that found
            the record overdue has moved it, by a pause that doubles.
        send: False where no message is needed.
    """
    long, at = due.is_long(delay_s), machine.due_at(saved)
    if long or (at and known is not None and _is_far(machine, known, world, at)):
        made = entry(machine, machine.key(saved), delay_s, world, step=machine.step(saved))
        made = made if long or at is None else replace(made, at=at)
        machine.index(world).put(replace(made, columns=machine.columns(saved)))
    if send and not long:
        machine.send(world).send(machine.carrying(saved, world).to_text(), delay_s=delay_s)


def _is_far[K](machine: Machine[Any, K, Any], known: K, world: Any, at: datetime | None = None) -> bool:
    """Return whether a record's entry may be later than a moment, by default than soon: a timer moves that of an overdue record."""
    listed, now = (machine.listed_at or machine.due_at)(known), world.clock()
    return listed is None or listed <= now or listed > (at or now + 2 * machine.lease)


def look(machine: Machine[Any, Any, Any], entry: Entry, world: Any) -> int:
    """Do what an entry of the due index asks for; returns how many messages that were lost were queued again."""
    index, now = machine.index(world), world.clock()
    if entry.text and entry.wake_at:
        machine.send(world).send(entry.text, delay_s=max(0.0, (entry.wake_at - now).total_seconds()))
        index.later(entry, max(now, entry.wake_at) + machine.lease)
        return 0
    known = machine.load(Message(machine=entry.machine, key=entry.key), world)
    at = machine.due_at(known) if known is not None else None
    if known is None:
        if machine.missing(entry, world):
            index.drop(entry)
        return 0
    if at is None:
        machine.after(known, known, world)
        index.drop(entry)
        return 0
    # The message that was lost was to make it; this look has made it now, and it need not wait once more.
    made = machine.key(known) != entry.key and not machine.step(known) and at >= now + machine.lease
    if at > now and not made and ENDING not in entry.columns:  # else its worker died before it recorded the end
        index.later(entry, at)
        return 0
    sent = wake(machine, known, world)
    counted = LOST if sent else WAITED
    count = int(entry.columns.get(counted, 0)) + 1
    columns = {name: held for name, held in entry.columns.items() if name not in (ENDING, LOST, WAITED)}
    again = replace(entry, columns={**columns, counted: count})
    index.later(again, now + machine.lease * 2 ** min(max(0, count - PATIENT), LONGEST))
    return sent


def wake[K](machine: Machine[Any, K, Any], known: K, world: Any) -> int:
    """Put a record on the queue whose message was lost, or that need not wait any longer; returns how many messages that were."""
    if machine.wake:
        return machine.wake(known, world)
    machine.send(world).send(machine.message(known))
    return 1


def give_up(machines: Sequence[Machine[Any, Any, Any]], text: str, world: Any, reason: str) -> bool:
    """End the record of a message that kept failing; False when there is none to end.

    A stale message ends nothing: another worker has taken its record further. Nor does that of a record that cannot be read: it
    stands in its row until it can be.

    Raises:
        TransientError: the app's storage is out of reach.
        ValueError: it is no message of these machines.
    """
    machine, message = _read(machines, text, again=True)
    try:
        known = machine.load(message, world)
        if known is None or machine.stale(known, message):
            return False
        record(machine, machine.give_up(known, reason, world), world)
    except unreadable.UnreadableError as problem:
        unreadable.note(f"{machine.name} {'/'.join(map(str, message.key))}", problem)
        return False
    except storage.ConflictError:
        return False
    return True


def poisoned(machines: Sequence[Machine[Any, Any, Any]], text: str, world: Any, blobs: Callable[[], Blobs]) -> bool:
    """Settle a message of the poison queue: its record ends, or the message is put aside; True when a record was ended.

    Raises:
        TransientError: neither can be done now. A poison queue has no second one: the message stays, and comes again.
    """
    try:
        return give_up(machines, text, world, "Every attempt at its next step failed; the app's log has the reason.")
    except errors.TransientError:
        raise
    except Exception as problem:  # noqa: BLE001 - whatever it is, the message is kept
        unreadable.bury(machines[0].queue, messages.bare(text), problem, blobs())
        return False


def _read(machines: Sequence[Machine[Any, Any, Any]], text: str, *, again: bool) -> tuple[Machine[Any, Any, Any], Message]:
    by_form = {form: machine for machine in machines for form in (machine.name, *machine.forms)}
    message = messages.read(text, *by_form, again=again)
    return by_form[message.machine], message
