"""The message of the clean-up's queue: which run, which unit of it ('' for the run as a whole), which step of that."""

from __future__ import annotations

import json
from dataclasses import dataclass

from shared.durable import versions

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One step of a run, or of one of its units; `number` older than the record's means that somebody else took it."""

    run: str
    number: int
    unit: str = ""

    def to_text(self) -> str:
        """Return the JSON that is queued."""
        return json.dumps({"version": VERSION, "run": self.run, "unit": self.unit, "number": self.number})

    @classmethod
    def from_text(cls, text: str) -> Message:
        """Read back what `to_text` wrote.

        Raises:
            ValueError: it is no message of this app, or of a newer one.
        """
        stored = json.loads(text)
        if not isinstance(stored, dict) or not isinstance(stored.get("run"), str) or not isinstance(stored.get("number"), int):
            message = "not a message of the clean-up: expected version, run, unit and number"
            raise ValueError(message)  # noqa: TRY004 - one exception for every unreadable message
        versions.check(stored, VERSION, "the message")
        return cls(run=stored["run"], number=stored["number"], unit=str(stored.get("unit") or ""))
