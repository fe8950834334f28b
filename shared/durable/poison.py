"""Messages and blobs that could not be processed: the poison queues, and blobs put aside. Listed, and discarded one by one.

The platform calls the poison functions for every message it can read; one that stays in a poison queue is no base64 text.
Not here: putting aside (unreadable, hooks.inbox).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote

from shared.durable import unreadable
from shared.rest import errors
from shared.text import masking

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shared.durable.azure_storage import PoisonQueue
    from shared.durable.storage import Blobs

SHOWN = 100  # characters of a message
BLOBS_LIMIT = 100  # of each folder
EVENTS = "hooks/dead/"
FOLDERS = (unreadable.DEAD, EVENTS)
READABLE = "It failed five times. Its function ends the record that it names, within a minute."
UNREADABLE = "It is not base64 text: the platform cannot read it, and no function gets it."
HIDDEN = "hidden"  # for the name of a message
OUT_OF_SIGHT = (
    "A function is processing it. If that lasts longer than some minutes, it is not base64 text: the platform hides such a message "
    "for ten minutes each time it fails to read it. Discarding this entry empties the whole queue: the operations and runs that "
    "its messages name are tried once more; events among them are lost."
)
_BLOB = re.compile(r"[\w-]+(?:/[\w-]+)+\.json", re.ASCII)


class Services(Protocol):
    """What this needs of the composition root."""

    @property
    def blobs(self) -> Blobs: ...  # noqa: D102

    def poison_queue(self, name: str) -> PoisonQueue:
        """Open the poison queue of a queue."""


def listed(queues: Sequence[str], app: Services) -> list[dict[str, Any]]:
    """Return the first messages of each poison queue, then what was put aside."""
    return [*(each for name in queues for each in _queued(name, app)), *(each for folder in FOLDERS for each in _kept(folder, app))]


def discard(poison_id: str, queues: Sequence[str], app: Services) -> None:
    """Remove one for good.

    Raises:
        BadRequestError: `PoisonNotFound` (404).
    """
    place, _, name = unquote(poison_id).partition("~")
    blob = f"{place}/{name}".replace("~", "/")
    if place in queues and name == HIDDEN and app.poison_queue(place).hidden(0):
        app.poison_queue(place).clear()
        return
    if place in queues and app.poison_queue(place).discard(name):
        return
    if blob.startswith(FOLDERS) and _BLOB.fullmatch(blob) and app.blobs.look(blob):
        app.blobs.delete(blob)
        return
    message = f"There is no poison message '{poison_id[:100]}'; GET health/poison lists them. Its function may have processed it."
    raise errors.BadRequestError("PoisonNotFound", message, target="id", status=404)


def _queued(queue: str, app: Services) -> Iterator[dict[str, Any]]:
    held = app.poison_queue(queue)
    shown = held.peek()
    if hidden := held.hidden(len(shown)):
        text = f"{hidden} message{'s' if hidden > 1 else ''} out of sight"
        yield {"id": f"{queue}~{HIDDEN}", "place": f"{queue}-poison", "tried": 0, "text": text, "reason": OUT_OF_SIGHT}
    for each in shown:
        text, reason = str(each.content), UNREADABLE
        with suppress(binascii.Error, UnicodeDecodeError):
            text, reason = base64.b64decode(text, validate=True).decode(), READABLE
        at = {"at": each.inserted_on.isoformat().replace("+00:00", "Z")} if each.inserted_on else {}
        told = {"id": f"{queue}~{each.id}", "place": f"{queue}-poison", **at, "tried": int(each.dequeue_count or 0)}
        yield {**told, "text": _short(text), "reason": reason}


def _kept(folder: str, app: Services) -> Iterator[dict[str, Any]]:
    for name in islice(app.blobs.names(folder), BLOBS_LIMIT):
        try:
            held = json.loads(app.blobs.get(name) or b"{}")
        except ValueError:
            held = {}
        at = {"at": held["at"]} if held.get("at") else {}
        told = {"id": name.replace("/", "~"), "place": name, **at, "text": _short(str(held.get("message", "")))}
        yield {**told, "reason": str(held.get("reason", "unknown"))[:300]}


def _short(text: str) -> str:
    return masking.masked(text)[:SHOWN]
