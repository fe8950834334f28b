"""Working hours in a time zone: `{timeZone: Europe/Berlin, days: [Mon, Tue], from: 08:00, to: 18:00}`. Pure.

Daylight saving is the time zone's: a moment is compared by what a clock on the wall there shows. Not here: what happens
to a resource outside of them (judge).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
WORKING_DAYS = DAYS[:5]
DAY = 24 * 60
_FULL_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """When people work.

    Attributes:
        time_zone: IANA name, e.g. `Europe/Berlin`.
        days: On which days a span begins, of `DAYS`.
        begin, end: Minutes since midnight; the span begins at `begin`, and is over at `end`. An `end` before `begin` is on the
            following day; 1440 is midnight at the end of the day.
    """

    time_zone: str
    days: tuple[str, ...] = WORKING_DAYS
    begin: int
    end: int

    def hold(self, moment: datetime) -> bool:
        """Return whether people work at `moment` (which has a time zone of its own)."""
        local = moment.astimezone(zone(self.time_zone))
        minute = local.hour * 60 + local.minute
        today, yesterday = DAYS[local.weekday()], DAYS[local.weekday() - 1]
        if self.begin < self.end:
            return today in self.days and self.begin <= minute < self.end
        return (today in self.days and minute >= self.begin) or (yesterday in self.days and minute < self.end)

    def ended(self, moment: datetime) -> datetime | None:
        """Return the minute in UTC at which the hours before `moment` ended; None while they last."""
        return None if self.hold(moment) else _ended(self, moment.astimezone(UTC).replace(second=0, microsecond=0))

    def __str__(self) -> str:
        return f"{', '.join(self.days)} {clock(self.begin)}-{clock(self.end)} {self.time_zone}"

    def to_json(self) -> dict[str, Any]:
        """Return it as a policy writes it."""
        return {"timeZone": self.time_zone, "days": list(self.days), "from": clock(self.begin), "to": clock(self.end)}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Hours:
        """Read back what `to_json` wrote.

        Raises:
            ValueError: it is not of that shape.
        """
        return hours(stored["timeZone"], stored["days"], stored["from"], stored["to"])


@lru_cache(maxsize=64)
def _ended(found: Hours, minute: datetime) -> datetime | None:
    """Search backwards: where clocks change, no sum of hours is right. A run asks of the same minute for many resources."""
    for _ in range(8 * DAY):
        earlier = minute - timedelta(minutes=1)
        if found.hold(earlier):
            return minute
        minute = earlier
    return None


def hours(time_zone: str, days: Iterable[str], begin: str, end: str) -> Hours:
    """Return working hours from their text.

    Raises:
        ValueError: the time zone or a day is unknown, or the times are not times or are equal.
    """
    zone(time_zone)
    found = Hours(time_zone=time_zone, days=tuple(day(name) for name in days), begin=minutes(begin), end=minutes(end))
    if not found.days or found.begin in (found.end, DAY):
        raise ValueError("expected at least one day and a time span: 00:00 to 24:00 is a whole day")
    return found


def zone(name: str) -> ZoneInfo:
    """Return a time zone.

    Raises:
        ValueError: the name is unknown.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"there is no time zone '{name[:60]}'; expected an IANA name such as Europe/Berlin or UTC") from None


def day(name: str) -> str:
    """Return the short name of a day given by any name of it.

    Raises:
        ValueError: it names no day.
    """
    low = name.strip().lower()
    found = next((short for short, long in zip(DAYS, _FULL_DAYS, strict=True) if low in (short.lower(), long)), None)
    if found is None:
        raise ValueError(f"'{name[:30]}' is not a day; expected {', '.join(DAYS)}")
    return found


def minutes(text: str) -> int:
    """Return a time of the day, `08:00` to `24:00`, as minutes since midnight.

    Raises:
        ValueError: it is not one.
    """
    hour, colon, minute = text.strip().partition(":")
    if not (colon and len(hour) <= 2 and len(minute) == 2 and (hour + minute).isascii() and (hour + minute).isdecimal() and hour):
        raise ValueError(f"'{text[:30]}' is not a time of day; expected one such as '08:00', in quotation marks")
    found = int(hour) * 60 + int(minute)
    if int(minute) > 59 or found > DAY:
        raise ValueError(f"'{text[:30]}' is not a time of day; expected '00:00' to '24:00'")
    return found


def clock(minute: int) -> str:
    """Return minutes since midnight as `HH:MM`."""
    return f"{minute // 60:02}:{minute % 60:02}"
