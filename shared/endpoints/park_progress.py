"""How far the parking or waking of an endpoint got: plain values, kept in the operation's plan. Pure.

Not here: going on (parking_stops), the operation (parking).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from shared.durable import codec
from shared.rest import errors, long_running

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """One thing to do: `quiet` and `traffic` PUT the endpoint, `delete` and `put` a deployment.

    Attributes:
        sent: The write may have been sent: what is found afterwards is our own doing.
    """

    do: Literal["quiet", "delete", "put", "traffic"]
    name: str = ""
    sent: bool = False
    unknown: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How far an operation got; kept in its plan.

    Attributes:
        stops: What is to be done, None before the first look.
        at: How many of them are done.
        follow: Azure's operation that is being waited for.
        error, status: Why parking turned round; the operation ends with it.
    """

    stops: tuple[Stop, ...] | None = None
    at: int = 0
    follow: long_running.Follow | None = None
    error: errors.AzureError | None = None
    status: int = 0
    unknown: Mapping[str, Any] = field(default_factory=dict)

    @property
    def stop(self) -> Stop | None:
        """What is to be done now."""
        return self.stops[self.at] if self.stops is not None and self.at < len(self.stops) else None

    @property
    def begun(self) -> bool:
        """Return whether something may have been written: it must not be left half done."""
        return self.error is not None or self.at > 0 or any(stop.sent for stop in self.stops or ())

    def passed(self) -> Way:
        """Return it one stop further."""
        return replace(self, at=self.at + 1, follow=None)

    def sending(self) -> Way:
        """Return it with the present write about to be sent."""
        stops = self.stops or ()
        return replace(self, stops=(*stops[: self.at], replace(stops[self.at], sent=True), *stops[self.at + 1 :]))

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return codec.written(self) | {
            "stops": None if self.stops is None else [codec.written(each) for each in self.stops],
            "follow": codec.written(self.follow) if self.follow else None,
            "error": self.error.to_json() if self.error else None,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any] | None) -> Way:
        """Read back what `to_json` wrote."""
        if not stored:
            return cls()
        values = codec.members(cls, stored)
        values["stops"] = None if stored["stops"] is None else tuple(codec.read(Stop, each) for each in stored["stops"])
        values["follow"] = codec.read(long_running.Follow, stored["follow"]) if stored["follow"] else None
        values["error"] = errors.AzureError.from_json(stored["error"]) if stored["error"] else None
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Turn:
    """What one step came to: where the operation is now, when to go on, and how it ended if it did."""

    way: Way
    delay_s: float = 0.0
    note: str = ""
    body: Any = None
    ended: bool = False
