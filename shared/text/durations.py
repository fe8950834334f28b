"""Lengths of time as policies write them: ISO 8601 (`P90D`, `PT2H`) or short (`90d`, `2h`, `30m`). Pure.

Not here: moments (text.times). Months and years are refused, because they have no fixed length.
"""

from __future__ import annotations

import re
from datetime import timedelta

LONGEST = timedelta(days=3660)

_ISO = re.compile(
    r"P(?:(?P<weeks>\d{1,4})W)?(?:(?P<days>\d{1,5})D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d{1,6})H)?(?:(?P<minutes>\d{1,7})M)?(?:(?P<seconds>\d{1,9})S)?)?",
    re.ASCII | re.IGNORECASE,
)
_SHORT = re.compile(
    r"(?:(?P<weeks>\d{1,4})w)?\s*(?:(?P<days>\d{1,5})d)?\s*(?:(?P<hours>\d{1,6})h)?"
    r"\s*(?:(?P<minutes>\d{1,7})m)?\s*(?:(?P<seconds>\d{1,9})s)?",
    re.ASCII,
)
_NO_FIXED_LENGTH = re.compile(r"P(?:\d+Y)?(?:\d+M)?(?:\d+[WD])?(?:T.*)?|\d+\s*(?:y|mo|months?|years?)", re.ASCII | re.IGNORECASE)
_UNITS = ((timedelta(days=1), "D", "day"), (timedelta(hours=1), "H", "hour"), (timedelta(minutes=1), "M", "minute"))


def parse(text: str) -> timedelta:
    """Read a length of time, zero included.

    Raises:
        ValueError: it is not one, or longer than ten years; the message says what was expected.
    """
    trimmed = text.strip()
    found = _ISO.fullmatch(trimmed) or _SHORT.fullmatch(trimmed)
    parts = {name: int(value) for name, value in found.groupdict().items() if value} if found else {}
    if not parts:
        if _NO_FIXED_LENGTH.fullmatch(trimmed):
            raise ValueError("months and years have no fixed length; say it in days, such as P90D or 90d")
        raise ValueError("expected a length of time such as P90D, PT2H, 90d, 2h or 30m")
    length = timedelta(**parts)
    if length > LONGEST:
        raise ValueError(f"at most {LONGEST.days} days are allowed")
    return length


def text(length: timedelta) -> str:
    """Return a length as ISO 8601 of days and a time, which `parse` reads back: `P90D`, `PT2H`, `P1DT30M`, `PT0S`."""
    seconds = length.days * 86_400 + length.seconds
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, seconds = divmod(rest, 60)
    date = f"{days}D" if days else ""
    time = "".join(f"{count}{unit}" for count, unit in ((hours, "H"), (minutes, "M"), (seconds, "S")) if count)
    return f"P{date}" + (f"T{time}" if time else "") if date or time else "PT0S"


def words(length: timedelta) -> str:
    """Return a length as a reason names it, in its largest whole unit: `90 days`, `36 hours`, `1 minute`."""
    for size, _, noun in _UNITS:
        if length >= size and not length % size:
            count = length // size
            return f"{count} {noun}{'' if count == 1 else 's'}"
    seconds = int(length.total_seconds())
    return f"{seconds} second{'' if seconds == 1 else 's'}"
