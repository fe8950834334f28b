"""The messages of the app's queues. Versioned: messages in flight survive a deploy.

The operations queue: which operation, which step. The notification queue: whose end is to be told to whom. The event queue
besides events (hooks.events): which firing of a rule goes on.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from shared.durable import versions

VERSION = 1
QUEUE = "steward-operations"
NOTIFICATION_QUEUE = "steward-notifications"
EVENT_QUEUE = "steward-events"
PAUSE_S, LONGEST_PAUSE_S = 30.0, 900.0  # before a message that the app's own storage failed comes again


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One step of one operation; `step` older than the row's means somebody else took it."""

    operation: str
    step: int

    def to_text(self) -> str:
        """Return the JSON that is queued."""
        return json.dumps({"version": VERSION, "operation": self.operation, "step": self.step})

    @classmethod
    def from_text(cls, text: str) -> Message:
        """Read back what `to_text` wrote.

        Raises:
            ValueError: it is no message of this app, or of a newer one.
        """
        stored = json.loads(text)
        if not isinstance(stored, dict) or not isinstance(stored.get("operation"), str) or not isinstance(stored.get("step"), int):
            message = "not an operation message: expected version, operation and step"
            raise ValueError(message)  # noqa: TRY004 - one exception for every unreadable message
        versions.check(stored, VERSION, "the message")
        return cls(operation=stored["operation"], step=stored["step"])


def of_end(operation_id: str, position: int) -> str:
    """Return the message that has the end of an operation told to the target at that position of its `notify`."""
    return json.dumps({"version": VERSION, "operation": operation_id, "target": position})


def of_firing(firing_id: str) -> str:
    """Return the message that takes the next step of a rule's firing."""
    return json.dumps({"version": VERSION, "firing": firing_id})


def postponed(text: str) -> tuple[str, float]:
    """Return a message as it is to come again, and in how many seconds: later each time that storage fails it in a row.

    Left to the platform it would be in the poison queue within a minute, and what it asks for would never be done.
    """
    asked = json.loads(text)
    waits = asked.get("waits", 0)
    return json.dumps({**asked, "waits": waits + 1}), min(PAUSE_S * 2 ** min(waits, 10), LONGEST_PAUSE_S)
