"""One step of one record for each message: load it, drop what is stale, advance it, save it, queue the next step.

Whatever dies in between leaves a message or an overdue record (sweep). Each machine is a row of data: `Machine`. Not here: what
a step does (the machines), what messages look like (messages).
"""

from __future__ import annotations

import logging
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.durable import aside, messages, storage
from shared.rest import errors

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from shared.durable.messages import Message
    from shared.durable.storage import Blobs, Queue

log = logging.getLogger("steward.worker")


def _no_context(_value: Any) -> AbstractContextManager[None]:
    return nullcontext()


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine[W, K]:
    """One sort of lasting work, on records `K` (with their etags), in a world `W`.

    Attributes:
        name: What it is, for the log.
        forms: The messages it takes (`messages.FORMS`).
        queue: Where its messages are.
        load: Returns the record of a message; None when there is none, or nothing is left to do.
        stale: Whether a record is past the step that a message names.
        advance: Takes the step, saves the record by etag, and queues the next; returns the record.
        give_up: Ends a record whose message kept failing; None where the timer gives up by itself, and the message is kept.
        within: The context of a step: its trace.
        unreadable_s: When a message comes again whose record cannot be read; None when the timer looks after it.
    """

    name: str
    forms: tuple[str, ...]
    queue: Callable[[W], Queue]
    load: Callable[[Message, W], K | None]
    stale: Callable[[K, Message], bool]
    advance: Callable[[K, Message, W], Any]
    give_up: Callable[[K, W, str], None] | None = None
    within: Callable[[K], AbstractContextManager[Any]] = _no_context
    unreadable_s: float | None = None


def take[W, K](machine: Machine[W, K], text: str, world: W) -> Any:
    """Take the step that a message names; None when there is nothing to do, or storage keeps from it for now.

    Raises:
        TransientError: the queue cannot take the message for later either; the platform delivers it again.
        ValueError: it is no message of this machine (it will end in the poison queue).
    """
    message = messages.read(text, *machine.forms)
    try:
        known = machine.load(message, world)
        if known is None or machine.stale(known, message):
            log.info("stale message: %s %s step %d", machine.name, message.key, message.step)
            return None
        with machine.within(known):
            return machine.advance(known, message, world)
    except storage.ConflictError:
        log.info("%s %s step %d was taken by another worker", machine.name, message.key, message.step)
    except errors.TransientError as problem:  # the app's own storage; the record is none the worse for it
        log.warning("%s %s step %d waits for storage: %s", machine.name, message.key, message.step, problem)
        again, delay_s = messages.postponed(text)
        machine.queue(world).send(again, delay_s=delay_s)
    except aside.UnreadableError as problem:
        aside.note(f"{machine.name} {'/'.join(map(str, message.key))}", problem)
        if machine.unreadable_s is not None:
            machine.queue(world).send(text, delay_s=machine.unreadable_s)
    return None


def give_up[W, K](machine: Machine[W, K], text: str, world: W, reason: str) -> bool:
    """End the record of a message that kept failing; False when there is none to end.

    A stale message ends nothing: another worker has taken its record further. Nor does that of a record that cannot be read: it
    stands in its row until it can be.

    Raises:
        TransientError: the app's storage is out of reach.
        ValueError: it is no message of this machine, or the machine ends nothing.
    """
    message = messages.read(text, *machine.forms)
    if machine.give_up is None:
        raise ValueError(reason)
    try:
        known = machine.load(message, world)
        if known is None or machine.stale(known, message):
            return False
        machine.give_up(known, world, reason)
    except aside.UnreadableError as problem:
        aside.note(f"{machine.name} {'/'.join(map(str, message.key))}", problem)
        return False
    except storage.ConflictError:
        return False
    return True


def poisoned[W, K](machine: Machine[W, K], queue: str, text: str, world: W, blobs: Callable[[], Blobs]) -> bool:
    """Settle a message of the poison queue: its record ends, or the message is put aside; True when a record was ended.

    Raises:
        TransientError: neither can be done now. A poison queue has no second one: the message stays, and comes again.
    """
    try:
        return give_up(machine, text, world, "Every attempt to take its next step failed; the app's log holds the reason.")
    except errors.TransientError:
        raise
    except Exception as problem:  # noqa: BLE001 - whatever it is, the message is kept
        aside.bury(queue, text, problem, blobs())
        return False
