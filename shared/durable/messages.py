"""The one message of the app's queues: which machine, which record, which step of it.

On the wire each machine has the names that it has always had, a row of `FORMS`: what is in flight survives a deployment and a
rollback. Not here: events, which arrive on a queue as their senders wrote them (hooks.events), and taking a step (worker).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shared.durable import versions

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = 1
QUEUE = "steward-operations"
NOTIFICATION_QUEUE = "steward-notifications"
EVENT_QUEUE = "steward-events"
CLEANUP_QUEUE = "steward-cleanup"
PAUSE_S, LONGEST_PAUSE_S = 30.0, 900.0  # before a message that the app's own storage failed comes again

# machine → the members that name its record, with their types, and the member that holds its step
FORMS: dict[str, tuple[dict[str, type], str]] = {
    "operation": ({"operation": str}, "step"),
    "end": ({"operation": str, "target": int}, ""),  # of an operation, for one of its receivers
    "firing": ({"firing": str}, ""),
    "recipe": ({"recipe": str}, ""),
    "schedule": ({"schedule": str}, "step"),  # of a recipe
    "delivery": ({"about": str, "key": str}, "tried"),
    "unit": ({"run": str, "unit": str}, "number"),
    "run": ({"run": str}, "number"),
    "expiry": ({"expiry": str}, ""),
    "rollout": ({"endpoint": str, "rollout": str}, "step"),
}
WRITTEN = {"run": {"unit": ""}}  # what the version before expects beside that
OPTIONAL = {"tried": 0}  # what the oldest messages leave out
CARRIED = "carried"  # member: the record itself, where its machine has messages carry it
CARRIED_LIMIT = 24 * 1024  # characters of ASCII; a message is 64 KiB of base64 at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One step of one record; a step that is not the record's own is stale.

    Attributes:
        machine: A row of `FORMS`.
        key: What names the record.
        step: Which step; 0 where the machine's messages name none.
        again: The platform brings it again: its first worker died, or failed.
        carried: The record as its last worker saved it, or {}: then it is loaded.
    """

    machine: str
    key: tuple[str | int, ...]
    step: int = 0
    again: bool = False
    carried: Mapping[str, Any] = field(default_factory=dict)

    def to_text(self) -> str:
        """Return the JSON that is queued; a record that is too large for a message is left out."""
        return self.carrying() or json.dumps(self._members())

    def carrying(self) -> str:
        """Return the JSON with the record in it, '' where it carries none, or one that is too large."""
        text = json.dumps({**self._members(), CARRIED: self.carried}) if self.carried else ""
        return text if len(text) <= CARRIED_LIMIT else ""

    def _members(self) -> dict[str, Any]:
        names, step = FORMS[self.machine]
        members = {**dict(zip(names, self.key, strict=True)), **({step: self.step} if step else {})}
        return {"version": VERSION, **WRITTEN.get(self.machine, {}), **members}


def read(text: str, *machines: str, again: bool = False) -> Message:
    """Read back a message of one of these machines.

    Raises:
        ValueError: it is a message of no such machine, or of a newer version of the app.
    """
    stored = json.loads(text)
    given = {**OPTIONAL, **stored} if isinstance(stored, dict) else {}
    for machine in sorted(machines, key=lambda name: -len(FORMS[name][0])):  # a unit's names are those of its run and one more
        names, step = FORMS[machine]
        wanted = {**names, **({step: int} if step else {})}
        if all(isinstance(given.get(name), kind) and given[name] != "" for name, kind in wanted.items()):
            versions.check(stored, VERSION, "the message")
            key = tuple(given[name] for name in names)
            carried = given.get(CARRIED)
            return Message(
                machine=machine,
                key=key,
                step=given[step] if step else 0,
                again=again,
                carried=carried if isinstance(carried, dict) else {},
            )
    expected = " or ".join(", ".join([*FORMS[machine][0], *filter(None, FORMS[machine][1:])]) for machine in machines)
    message = f"not a message of {' or '.join(machines)}: expected version, {expected}"
    raise ValueError(message)


def bare(text: str) -> str:
    """Return a message as it is kept where it is put aside: without the record, which holds URLs that go with its end."""
    try:
        asked = json.loads(text)
    except ValueError:
        return text
    return (
        json.dumps({name: held for name, held in asked.items() if name != CARRIED})
        if isinstance(asked, dict) and CARRIED in asked
        else text
    )


def postponed(text: str) -> tuple[str, float]:
    """Return a message as it is to come again, and in how many seconds: later each time that storage fails it in a row.

    Left to the platform it would be in the poison queue within a minute, and what it asks for would never be done.
    """
    asked = json.loads(text)
    waits = asked.get("waits", 0)
    return json.dumps({**asked, "waits": waits + 1}), min(PAUSE_S * 2 ** min(waits, 10), LONGEST_PAUSE_S)
