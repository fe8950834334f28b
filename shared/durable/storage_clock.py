"""The clock that decides: storage's own, measured with each of its answers, counted on by this machine's.

All processes share one storage, so they share its time, however far their own clocks are apart. `Date` has whole seconds: each
answer says between which bounds the difference lies. Not here: Azure's clock (rest.client), what a moment decides (the machines).
"""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from shared.telemetry import lines

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger("steward.clock")

SECOND = timedelta(seconds=1)
WORTH_A_LINE = timedelta(seconds=5)  # of difference, or of change in it


def utc_now() -> datetime:
    """Return the present by this machine's clock, in UTC."""
    return datetime.now(UTC)


class StorageClock:
    """The present by storage's clock; by this machine's until storage has answered once.

    Attributes:
        ahead: How far storage's clock is ahead of this machine's; nothing while both may be the same.
        measured: Whether storage has answered.
    """

    def __init__(self, local: Callable[[], datetime] = utc_now) -> None:
        self.ahead = timedelta(0)
        self.measured = False
        self._local = local
        self._least = self._most = timedelta(0)
        self._said = timedelta(0)
        self._guard = threading.Lock()

    def __call__(self) -> datetime:
        """Return the present."""
        return self._local() + self.ahead

    def heard(self, date: str, took_s: float) -> None:
        """Take in the `Date` of an answer that came just now, `took_s` seconds after its request."""
        try:
            at = parsedate_to_datetime(date)
        except ValueError:
            return
        now = self._local()
        least, most = at - now, at + SECOND + timedelta(seconds=took_s) - now
        with self._guard:
            if self.measured:
                low, high = max(least, self._least), min(most, self._most)
                least, most = (low, high) if low <= high else (least, most)  # a clock was set: what was known is over
            self._least, self._most, self.measured = least, most, True
            self.ahead = timedelta(0) if least <= timedelta(0) <= most else (least + most) / 2
            if said := abs(self.ahead - self._said) >= WORTH_A_LINE:
                self._said = self.ahead
        if said:
            lines.event(log, logging.WARNING, "clock.skew", storageAheadS=round(self.ahead.total_seconds(), 1))
