"""When a schedule fires: cron expressions and recurrences in their time zone, between start and end; pure.

After Azure's documentation: of a cron expression the minutes, hours and days of the week count, days and months are read
as `*`; a recurrence without a pattern counts its intervals from the start (or the creation), one with a pattern fires at
its hours and minutes on the days that match. Not here: starting anything (`resources.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from cronsim import CronSim, CronSimError

from infra.local.emulator.machine_learning.schedules import time_zones

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date, tzinfo

_FREQUENCIES = ("minute", "hour", "day", "week", "month")
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_SHORT_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: tuple[tuple[tuple[str, ...], int, int], ...] = (
    ((), 0, 59), ((), 0, 23), ((), 1, 31), (_MONTHS, 1, 12), (_SHORT_DAYS, 0, 6),
)  # fmt: skip
_LAST_DAY = 366 * 8  # a pattern that matches no day of eight years matches none


class BadTriggerError(Exception):
    """The trigger can never fire; the message is for the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """One trigger, read.

    Attributes:
        zone: of the hours, and of times that name none.
        start, end: the first and the last moment; None: no limit.
        week_days: 0 is Monday; empty: every day.
        frequency: of a recurrence; empty for cron.
        cron: the expression, days and months as `*`.
    """

    zone: tzinfo
    start: datetime | None
    end: datetime | None
    hours: tuple[int, ...] = ()
    minutes: tuple[int, ...] = ()
    week_days: frozenset[int] = frozenset()
    month_days: frozenset[int] = frozenset()
    frequency: str = ""
    cron: str = ""
    interval: int = 1


def read(given: Mapping[str, Any]) -> Trigger:
    """ARM's `trigger` of a schedule.

    Raises:
        BadTriggerError: it is wrong.
    """
    name = str(given.get("timeZone") or "UTC")
    zone = time_zones.find(name)
    if zone is None:
        raise BadTriggerError(f"The time zone {name!r} is not known.")
    span: dict[str, Any] = {
        "zone": zone,
        "start": _moment(given.get("startTime"), zone),
        "end": _moment(given.get("endTime"), zone),
    }
    if str(given.get("triggerType")).lower() == "cron":
        return _cron(str(given.get("expression") or ""), span)
    frequency, interval = str(given.get("frequency") or "").lower(), given.get("interval")
    if frequency not in _FREQUENCIES:
        raise BadTriggerError(f"The frequency {given.get('frequency')!r} is not one of {', '.join(_FREQUENCIES)}.")
    if isinstance(interval, bool) or not isinstance(interval, int) or interval < 1:
        raise BadTriggerError("The interval of a recurrence is a whole number, 1 or more.")
    pattern = given.get("schedule") or {}
    if not isinstance(pattern, dict) or not isinstance(pattern.get("weekDays") or [], list):
        raise BadTriggerError("The schedule of a recurrence is an object of lists.")
    days = [str(day).lower() for day in pattern.get("weekDays") or []]
    if wrong := [day for day in days if day not in _DAYS]:
        raise BadTriggerError(f"{wrong[0]!r} is no day of the week.")
    return Trigger(
        **span,
        hours=_numbers(pattern.get("hours"), 23, "hours"),
        minutes=_numbers(pattern.get("minutes"), 59, "minutes"),
        week_days=frozenset(_DAYS.index(day) for day in days),
        month_days=frozenset(_numbers(pattern.get("monthDays"), 31, "monthDays")),
        frequency=frequency,
        interval=interval,
    )


def _numbers(given: Any, most: int, name: str) -> tuple[int, ...]:
    found = given if isinstance(given, list) else [] if given is None else [given]
    if not all(isinstance(one, int) and not isinstance(one, bool) and 0 <= one <= most for one in found):
        raise BadTriggerError(f"The {name} of a recurrence are whole numbers up to {most}.")
    return tuple(sorted(set(found)))


def _moment(given: Any, zone: tzinfo) -> datetime | None:
    if not given:
        return None
    try:
        found = datetime.fromisoformat(str(given).strip())
    except ValueError:
        raise BadTriggerError(f"{given!r} is no date and time.") from None
    return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)


def _reads(text: str, names: tuple[str, ...], low: int, high: int) -> bool:
    """Whether NCrontab, the library that Azure reads expressions with, takes a field: no `L`, `W`, `#` or `?`, and 0 is Sunday."""

    def fits(value: str) -> bool:
        return low <= int(value) <= high if value.isdecimal() else value.lower() in names

    for part in text.split(","):
        span, slash, step = part.partition("/")
        if slash and not (step.isdecimal() and int(step)):
            return False
        if span != "*" and not all(fits(value) for value in span.split("-", 1)):
            return False
    return True


def _cron(expression: str, span: dict[str, Any]) -> Trigger:
    fields = expression.split()
    if len(fields) != 5:
        raise BadTriggerError(f"The cron expression {expression!r} is not MINUTES HOURS DAYS MONTHS DAYS-OF-WEEK.")
    for text, (names, low, high) in zip(fields, _FIELDS, strict=True):
        if not _reads(text, names, low, high):
            raise BadTriggerError(f"The cron expression {expression!r} is not understood: {text!r} is not one of NCrontab's forms.")
    whole = f"{fields[0]} {fields[1]} * * {fields[4]}"
    try:
        CronSim(whole, datetime.now(UTC))
    except CronSimError as error:
        raise BadTriggerError(f"The cron expression {expression!r} is not understood: {error}") from None
    return Trigger(**span, cron=whole)


# ── firing ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def next_after(trigger: Trigger, moment: datetime, created: datetime) -> datetime | None:
    """The first time after a moment at which it fires; None: never again.

    Args:
        trigger: the trigger.
        moment: timezone-aware.
        created: when the schedule was made: where a recurrence without a start begins to count.
    """
    origin = trigger.start or created
    after = max(moment, origin - timedelta(microseconds=1)) if trigger.start else moment
    if trigger.cron:
        found: datetime | None = next(CronSim(trigger.cron, after.astimezone(trigger.zone))).astimezone(UTC)
    elif not (trigger.hours or trigger.minutes):
        found = _counted(trigger, after, origin)
    else:
        found = next((one for one in _on_days(trigger, after, origin) if one > after), None)
    return found if found is not None and (trigger.end is None or found <= trigger.end) else None


def _counted(trigger: Trigger, after: datetime, origin: datetime) -> datetime:
    """The origin and every interval from there on, by the clock of the zone for days and more."""
    if trigger.frequency in {"minute", "hour"}:
        step = timedelta(**{f"{trigger.frequency}s": trigger.interval})
        return origin + max(0, (after - origin) // step + 1) * step
    local = origin.astimezone(trigger.zone)
    count = 0
    while (found := _later(local, trigger.frequency, count * trigger.interval).astimezone(UTC)) <= after:
        count += 1
    return found


def _later(local: datetime, frequency: str, count: int) -> datetime:
    if frequency != "month":
        return local + timedelta(days=count * (7 if frequency == "week" else 1))
    years, month = divmod(local.month - 1 + count, 12)
    for day in (local.day, 30, 29, 28):  # the 31st of a shorter month is its last day
        try:
            return local.replace(year=local.year + years, month=month + 1, day=min(day, local.day))
        except ValueError:
            continue
    raise AssertionError("every month has 28 days")


def _on_days(trigger: Trigger, after: datetime, origin: datetime) -> Iterator[datetime]:
    """The moments of the days that match, from the day of `after` on; an hour that the clock skips is left out."""
    first = after.astimezone(trigger.zone).date()
    begin = origin.astimezone(trigger.zone).date()
    for number in range(_LAST_DAY):
        day = first + timedelta(days=number)
        if not _matches(trigger, day, begin):
            continue
        for hour in trigger.hours or (0,):
            for minute in trigger.minutes or (0,):
                local = datetime(day.year, day.month, day.day, hour, minute, tzinfo=trigger.zone)
                found = local.astimezone(UTC)
                if found.astimezone(trigger.zone).replace(tzinfo=None) == local.replace(tzinfo=None):
                    yield found


def _matches(trigger: Trigger, day: date, begin: date) -> bool:
    if trigger.week_days and day.weekday() not in trigger.week_days:
        return False
    if trigger.month_days and day.day not in trigger.month_days:
        return False
    if trigger.frequency == "day":
        return (day - begin).days % trigger.interval == 0
    if trigger.frequency == "week":
        weeks = (day - begin + timedelta(days=begin.weekday())).days // 7
        return weeks % trigger.interval == 0 and bool(trigger.week_days or day.weekday() == begin.weekday())
    if trigger.frequency == "month":
        months = (day.year - begin.year) * 12 + day.month - begin.month
        return months % trigger.interval == 0 and bool(trigger.month_days or trigger.week_days or day.day == begin.day)
    return True  # a pattern of hours and minutes for minutes or hours: every day
