"""Times as Azure writes them. Not here: the present, which is always an argument."""

from __future__ import annotations

from datetime import MAXYEAR, UTC, datetime
from typing import Any

FIRST_YEAR = 2010  # Azure is of that year; .NET's 0001-01-01, Windows' 1601 and Unix's 1970 mean "no time"


def moment(value: Any) -> datetime | None:
    """Read a time: 0 to 7 fraction digits, any offset or none (then UTC), `T` or a space; None for anything else.

    The forms are those of docs/protocol.md §8. None are the zeroes of calendars, too, that stand
    for an unknown time; the end of the calendar is in the future.
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    if not isinstance(value, datetime) or value.year < FIRST_YEAR:
        return None
    return value if value.tzinfo and value.year < MAXYEAR else value.replace(tzinfo=UTC)


def iso(moment: datetime) -> str:
    """Return RFC 3339 in UTC with microseconds, as ARM writes times."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def latest(*values: Any) -> datetime | None:
    """Return the latest of the times that can be read, or None."""
    return max((found for value in values if (found := moment(value))), default=None)
