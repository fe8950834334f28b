"""When a timer is due: NCRONTAB as the library NCrontab reads it, which the platform uses; in UTC.

Pure: a schedule and a moment in, the next moment out. It takes what NCrontab takes, oddities included (a range that runs
backwards is turned round, a step below 1 is 1, a day that no month has is never due), and refuses what NCrontab refuses:
``L``, ``W``, ``#``, ``?``, a seventh day of the week. Source: CrontabFieldImpl in atifaziz/NCrontab.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

NEVER = datetime.max.replace(tzinfo=UTC)
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_CYCLE = timedelta(days=41 * 366)  # every date has fallen on every day of the week by then
_INTEGER = re.compile(r"[+-]?[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    first: int
    last: int
    names: tuple[str, ...] = ()


_FIELDS = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of the week", 0, 6, _DAYS),
)


def next_due(expression: str, after: datetime) -> datetime:
    """The first moment later than ``after`` (UTC) at which the schedule is due; ``NEVER`` if it never is.

    Raises:
        ValueError: It is not NCRONTAB.
    """
    seconds, minutes, hours, days, months, weekdays = read(expression)
    if after >= NEVER - timedelta(days=1):
        return NEVER
    begin = after.replace(microsecond=0) + timedelta(seconds=1)
    day = begin.replace(hour=0, minute=0, second=0)
    while day - begin < _CYCLE:
        if day.day in days and day.month in months and day.isoweekday() % 7 in weekdays:
            for hour in hours:
                for minute in minutes:
                    if day.replace(hour=hour, minute=minute, second=59) < begin:
                        continue
                    for second in seconds:
                        if (due := day.replace(hour=hour, minute=minute, second=second)) >= begin:
                            return due
        day += timedelta(days=1)
    return NEVER


def read(expression: str) -> list[list[int]]:
    """The values of each of the six fields, seconds first.

    Raises:
        ValueError: It is not NCRONTAB; the message says why.
    """
    parts = [part for part in expression.split(" ") if part]
    if len(parts) == len(_FIELDS) - 1:
        parts.insert(0, "0")
    if len(parts) != len(_FIELDS):
        raise ValueError("it needs six fields: second minute hour day month day-of-week")
    return [sorted(_values(part, field)) for part, field in zip(parts, _FIELDS, strict=True)]


def _values(text: str, field: _Field) -> set[int]:
    if text.find(",") > 0:
        return {value for part in text.split(",") for value in _values(part, field)}
    every = 1
    if (slash := text.find("/")) > 0:
        every, text = max(1, _integer(text[slash + 1 :], text)), text[:slash]
    if text == "*":
        return set(range(field.first, field.last + 1, every))
    if (dash := text.find("-")) > 0:
        first, last = sorted((_value(text[:dash], field), _value(text[dash + 1 :], field)))
    else:
        first = _value(text, field)
        last = field.last if slash > 0 else first
    if first < field.first or last > field.last:
        raise ValueError(f"its {field.name} {text!r} is not between {field.first} and {field.last}")
    return set(range(first, last + 1, every))


def _value(text: str, field: _Field) -> int:
    if text[:1].isascii() and text[:1].isdigit():
        return _integer(text, text)
    for value, name in enumerate(field.names, field.first):
        if text and name.lower().startswith(text.lower()):
            return value
    raise ValueError(f"its {field.name} {text!r} is not a value")


def _integer(text: str, where: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise ValueError(f"{text!r} in {where!r} is not a whole number")
    return int(text)
