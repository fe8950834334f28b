"""The event queue: puts delivered events on it, and handles its messages.

A message holds events, one event that Event Grid itself queued, the name of a blob with an event too large for a message,
a firing to continue, or a debounced rule to check. A message that cannot be read, or keeps failing, is kept as a blob under
`hooks/dead/` and logged: no accepted event is lost. Not here: matching rules (matching).
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from shared.durable import messages, worker
from shared.hooks import events, firings, matching
from shared.rest import errors
from shared.telemetry import meters
from shared.text import times

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from shared.hooks.events import Event

log = logging.getLogger("steward.hooks")

LARGE = "hooks/large/"
DEAD = "hooks/dead/"
DEAD_LIMIT = 5_000  # blobs put aside at most; the oldest are deleted
ATTEMPTS = 12
LONGEST_PAUSE_S = 600.0
_BLOB = re.compile(r"hooks/(?:large|dead)/[\w-]+\.json", re.ASCII)


def store(found: Sequence[Event], services: matching.Services) -> int:
    """Put events on the queue in as few messages as possible; return the number of messages.

    Raises:
        TransientError: the app's storage is out of reach; some events may be queued, so the caller may safely repeat the call.
    """
    count = 0
    for text in events.packed(found):
        _send(text, services)
        count += 1
    return count


def _send(text: str, services: matching.Services, *, attempts: int = 0, delay_s: float = 0.0) -> None:
    """Queue a message of events; a large one is stored as a blob (a new one for each attempt), and the message holds its name."""
    told = _counted(text, attempts) if attempts else text
    if len(told) > events.MESSAGE_LIMIT:
        name = f"{LARGE}{hashlib.sha256(told.encode()).hexdigest()[:40]}.json"
        services.ledger.blobs.put(name, text.encode())
        told = _counted(json.dumps({"version": events.MESSAGE_VERSION, "blob": name}), attempts)
    services.event_queue.send(told, delay_s=delay_s)


def take(text: str, services: matching.Services, stored_at: datetime | None = None) -> None:
    """Handle one message of the queue; work that storage prevents now is queued again for later.

    Args:
        text: The message.
        services: The app.
        stored_at: When it was put on the queue, by storage's clock.

    Raises:
        TransientError: the app's storage is out of reach; the platform delivers the message again.
    """
    asked = _object(text)
    if isinstance(asked.get("firing"), str):
        worker.take((firings.MACHINE,), text, services)
        return
    try:
        _take(text, asked, services, stored_at)
    except errors.TransientError as problem:
        if not {"debounced", "blob"} & set(asked):  # events: those that could not be processed were to be queued again
            raise
        log.warning("an event message waits for storage: %s", problem)
        again, delay_s = messages.postponed(text)
        services.event_queue.send(again, delay_s=delay_s)


def _take(text: str, asked: dict[str, Any], services: matching.Services, stored_at: datetime | None) -> None:
    match asked:
        case {"debounced": {"rule": str(rule), "key": str(key), "sequence": int() | str() as sequence}}:
            matching.settle_debounced(rule, key, sequence, services)
        case {"blob": str(name)} if name.startswith(LARGE) and _BLOB.fullmatch(name):
            content = services.ledger.blobs.get(name)
            if content is not None:
                _events(content.decode(), services, stored_at, attempts=_count(asked))
                services.ledger.blobs.delete(name)
        case _:
            _events(text, services, stored_at, attempts=_count(asked))


def forget(services: matching.Services, before: datetime) -> int:
    """Delete the blobs put aside before `before`, and the oldest beyond `DEAD_LIMIT`; return their number."""
    blobs = services.ledger.blobs
    names = sorted(blobs.names(DEAD))  # the name begins with the time
    old = [name for name in names if name < f"{DEAD}{before:%Y%m%dT%H%M%SZ}"]
    gone = names[: max(len(old), len(names) - DEAD_LIMIT)]
    for name in gone:
        blobs.delete(name)
    return len(gone)


def bury(text: str, services: matching.Services, reason: str) -> None:
    """Put a message aside that cannot be processed, for an operator to inspect, and end its firing.

    Raises:
        TransientError: the app's storage is out of reach.
    """
    now = services.clock()
    name = f"{DEAD}{now:%Y%m%dT%H%M%SZ}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
    services.ledger.blobs.put(name, json.dumps({"reason": reason, "at": times.iso(now), "message": text}).encode())
    log.error("an event message was put aside as %s: %s", name, reason)
    if not isinstance(_object(text).get("firing"), str):
        return
    try:
        worker.give_up((firings.MACHINE,), text, services, reason)
    except errors.TransientError:
        raise
    except Exception:  # the message is kept; the firing itself cannot be read
        log.exception("a firing could not be ended: %.200s", text)


def again(poison_id: str, services: matching.Services) -> None:
    """Put events that were put aside on the queue again, with all their attempts; they fire what they did not fire yet.

    Raises:
        BadRequestError: `PoisonNotFound` (404), or `NotToBeRepeated` (409): it is no message of events.
    """
    name, blobs = unquote(poison_id).replace("~", "/"), services.ledger.blobs
    content = blobs.get(name) if name.startswith(DEAD) and _BLOB.fullmatch(name) else None
    if content is None:
        message = f"There is no stored event '{poison_id[:100]}'; GET health/poison lists the events."
        raise errors.BadRequestError("PoisonNotFound", message, target="id", status=404)
    text = str(_object(content.decode()).get("message", ""))
    asked = _object(text)
    if isinstance(asked.get("firing"), str):
        message = "It is a step of a rule run that has ended (GET events/firings). Send the event again: POST events."
        raise errors.BadRequestError("NotToBeRepeated", message, target="id", status=409)
    _send(json.dumps({key: value for key, value in asked.items() if key != "attempts"}) if "attempts" in asked else text, services)
    blobs.delete(name)


def _events(text: str, services: matching.Services, stored_at: datetime | None, *, attempts: int) -> None:
    """Take in the events of a message; those that could not be come again in a message of their own.

    Raises:
        TransientError: the app's storage is out of reach.
    """
    try:
        found = events.from_message(text)
    except errors.BadRequestError as bad:  # it would not become readable by trying again
        bury(text, services, bad.error.message)
        return
    tally = matching.take(found, services, stored_at)
    for what, count in tally.counts.items():
        meters.count("steward.events", count, outcome=what)
    if tally.counts:
        log.info("events: %s", ", ".join(f"{count} {what}" for what, count in sorted(tally.counts.items()) if count))
    for event, reason in tally.broken:
        bury(next(events.packed([event])), services, reason)
    if not tally.failed:
        return
    problem = tally.failed[0][1]
    for again in events.packed(event for event, _ in tally.failed):
        if attempts + 1 >= ATTEMPTS:
            bury(again, services, f"{problem.error.code}: {problem.error.message}")
            continue
        delay_s = max(problem.delay_s, min(2.0**attempts, LONGEST_PAUSE_S))
        _send(again, services, attempts=attempts + 1, delay_s=delay_s)


def _object(text: str) -> dict[str, Any]:
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _count(asked: dict[str, Any]) -> int:
    found = asked.get("attempts", 0)
    return found if isinstance(found, int) and not isinstance(found, bool) and 0 <= found <= ATTEMPTS else 0


def _counted(text: str, attempts: int) -> str:
    return json.dumps({**_object(text), "attempts": attempts}, separators=(",", ":"))
