"""Waits: up to a minute is a message's delay, a longer one is a moment in a column that the minute's timer asks for.

The platform's scaler counts messages that are still invisible, and would start instances for them. A timer asks for what comes
due before its next tick, so that a wait of 61 seconds does not end a minute late. Not here: who waits (the machines).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

LONGEST_MESSAGE_S = 60.0  # a longer wait is no message
AHEAD = timedelta(seconds=70)  # what a tick puts on the queue: all until the next tick, and some seconds, for ticks come late
LOOK_AT = "look_at"  # column: when a timer must look at a record at the latest
WAKE_AT = "wake_at"  # column of a record whose next step is not on the queue: when that is to be taken
STEP = "step"  # column: which step that is


def is_long(delay_s: float) -> bool:
    """Return whether a wait is a moment in the index instead of a message."""
    return delay_s > LONGEST_MESSAGE_S


def left_s(columns: Mapping[str, Any], now: datetime) -> float | None:
    """Return in how many seconds a record's next step is to be taken; None when its message is on the queue already."""
    at = columns.get(WAKE_AT)
    return max(0.0, (at - now).total_seconds()) if isinstance(at, datetime) else None
