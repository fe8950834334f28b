"""NCRONTAB, as Azure Functions' own timers read it: six fields (seconds first) or five, in UTC. Pure.

A day must fit both its day of the month and its day of the week, unlike in the cron of Linux and the libraries that follow
it; `5/15` means from 5 on, each 15th. Source: the library NCrontab that the Functions host uses. In UTC no hour is skipped
or repeated. Not here: a clock, or what is due (runs).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip
DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
LONGEST_MONTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
EXAMPLE = "'0 0 3 * * *', which is every night at three (second, minute, hour, day, month, day of the week; UTC)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The values of each field at which it is due, smallest first; `weekdays` count from Sunday, 0."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    name: str
    first: int
    last: int
    names: tuple[str, ...] = ()


_FIELDS = (
    _Field(name="second", first=0, last=59),
    _Field(name="minute", first=0, last=59),
    _Field(name="hour", first=0, last=23),
    _Field(name="day", first=1, last=31),
    _Field(name="month", first=1, last=12, names=MONTHS),
    _Field(name="day of the week", first=0, last=6, names=DAYS),
)


def parse(expression: str) -> Schedule:
    """Read an expression; five fields begin at second 0.

    Raises:
        ValueError: it is not one, or never due (30 February); the message names the field and what was expected.
    """
    parts = [part for part in expression.split(" ") if part]  # NCrontab knows no other white space
    if len(parts) not in (5, 6) or len(expression) > 1000:
        raise ValueError(f"expected five or six fields, such as {EXAMPLE}")
    if len(parts) == 5:
        parts.insert(0, "0")
    values = [_values(part, field) for part, field in zip(parts, _FIELDS, strict=True)]
    seconds, minutes, hours, days, months, weekdays = values
    if min(days) > max(LONGEST_MONTHS[month - 1] for month in months):
        raise ValueError("it is never due: no month in it has that day")
    return Schedule(
        seconds=tuple(sorted(seconds)),
        minutes=tuple(sorted(minutes)),
        hours=tuple(sorted(hours)),
        days=frozenset(days),
        months=frozenset(months),
        weekdays=frozenset(weekdays),
    )


def due(expression: str, since: datetime, until: datetime) -> datetime | None:
    """Return the latest moment after `since` and not after `until` at which the expression was due, in UTC, or None.

    Args:
        expression: As `parse` takes it.
        since: With a time zone; long before `until` costs one step a day.
        until: With a time zone.

    Raises:
        ValueError: see `parse`.
    """
    schedule = parse(expression)
    begin, end = since.astimezone(UTC), until.astimezone(UTC)
    day = end.replace(hour=0, minute=0, second=0, microsecond=0)
    limit = end
    while True:
        if _fits(schedule, day) and (found := _latest(schedule, day, limit)):
            return found if found > begin else None
        if day <= begin:
            return None
        limit, day = day - timedelta(seconds=1), day - timedelta(days=1)


def following(expression: str, after: datetime) -> datetime:
    """Return the first moment after `after` at which the expression is due, in UTC.

    Raises:
        ValueError: see `parse`.
    """
    schedule, begin = parse(expression), after.astimezone(UTC)
    day = begin.replace(hour=0, minute=0, second=0, microsecond=0)
    while True:  # 29 February on one day of the week comes once in forty years at least
        if _fits(schedule, day) and (found := _first(schedule, day, begin)):
            return found
        day += timedelta(days=1)


def _fits(schedule: Schedule, day: datetime) -> bool:
    return day.day in schedule.days and day.month in schedule.months and day.isoweekday() % 7 in schedule.weekdays


def _latest(schedule: Schedule, day: datetime, limit: datetime) -> datetime | None:
    """Return the latest due moment of a day that is not after `limit`, which lies in it."""
    for hour in reversed(schedule.hours):
        if day.replace(hour=hour) > limit:
            continue
        for minute in reversed(schedule.minutes):
            if day.replace(hour=hour, minute=minute) > limit:
                continue
            for second in reversed(schedule.seconds):
                found = day.replace(hour=hour, minute=minute, second=second)
                if found <= limit:
                    return found
    return None


def _first(schedule: Schedule, day: datetime, begin: datetime) -> datetime | None:
    """Return the first due moment of a day that is after `begin`."""
    for hour in schedule.hours:
        for minute in schedule.minutes:
            last = day.replace(hour=hour, minute=minute, second=schedule.seconds[-1])
            if last > begin:
                return next(found for second in schedule.seconds if (found := last.replace(second=second)) > begin)
    return None


def _values(text: str, field: _Field) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        found |= _span(part, field)
    return found


def _span(part: str, field: _Field) -> set[int]:
    """Read one part between commas: `*`, `5`, `Mon-Fri`, `*/15`, `5/15`, `1-10/3`."""
    span, slash, every = part.partition("/")
    step = _number(every, field, part) if slash else 1
    if step < 1:
        raise _bad(part, field)
    if span == "*":
        return set(range(field.first, field.last + 1, step))
    low, dash, high = span.partition("-")
    first = _value(low, field, part)
    last = _value(high, field, part) if dash else field.last if slash else first
    if last < first:
        raise ValueError(f"in its {field.name} '{part[:40]}' is in the wrong order; expected the smaller value first")
    return set(range(first, last + 1, step))


def _value(text: str, field: _Field, part: str) -> int:
    low = text.lower()
    for value, name in enumerate(field.names, field.first):
        if low in (name.lower(), name[:3].lower()):
            return value
    found = _number(text, field, part)
    if not field.first <= found <= field.last:
        raise _bad(part, field)
    return found


def _number(text: str, field: _Field, part: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 4):
        raise _bad(part, field)
    return int(text)


def _bad(part: str, field: _Field) -> ValueError:
    named = f" or {field.names[0][:3]} to {field.names[-1][:3]}" if field.names else ""
    expected = f"*, {field.first} to {field.last}{named}, ranges a-b, lists a,b and steps /n"
    return ValueError(f"its {field.name} '{part[:40]}' is not valid; expected {expected}")
