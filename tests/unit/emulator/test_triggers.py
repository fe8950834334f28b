"""When schedules fire: cron, intervals and patterns, in their own time zones, between start and end."""

import datetime as dt
from typing import Any

import pytest

from infra.local.emulator.machine_learning.schedules import triggers


def moment(text: str) -> dt.datetime:
    """A time in UTC."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def fires(given: dict[str, Any], count: int, after: str = "2026-11-21T12:00:00") -> list[str]:
    """The next times, as text; created at noon of a Saturday."""
    trigger, at, found = triggers.read(given), moment(after), []
    while len(found) < count and (upcoming := triggers.next_after(trigger, at, moment("2026-11-21T12:00:00"))) is not None:
        found.append(f"{upcoming:%a %Y-%m-%dT%H:%M}")
        at = upcoming
    return found


def cron(expression: str, **more: str) -> dict[str, Any]:
    """A cron trigger."""
    return {"triggerType": "Cron", "expression": expression, **more}


def every(frequency: str, interval: int = 1, schedule: dict[str, Any] | None = None, **more: str) -> dict[str, Any]:
    """A recurrence."""
    return {"triggerType": "Recurrence", "frequency": frequency, "interval": interval, "schedule": schedule, **more}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (cron("15 10 * * 1"), ["Mon 2026-11-23T10:15", "Mon 2026-11-30T10:15"]),
        (cron("0 2 * * *", timeZone="W. Europe Standard Time"), ["Sun 2026-11-22T01:00", "Mon 2026-11-23T01:00"]),
        (cron("0 2 5 6 *"), ["Sun 2026-11-22T02:00", "Mon 2026-11-23T02:00"]),  # days and months are read as *
        (cron("*/30 13 * * SAT"), ["Sat 2026-11-21T13:00", "Sat 2026-11-21T13:30"]),
        (
            cron("0 0 * * *", startTime="2026-12-24T00:00:00", endTime="2026-12-25T00:00:00Z"),
            ["Thu 2026-12-24T00:00", "Fri 2026-12-25T00:00"],
        ),
        (every("minute", 20), ["Sat 2026-11-21T12:20", "Sat 2026-11-21T12:40"]),
        (every("hour", 6, startTime="2026-01-01T03:30:00"), ["Sat 2026-11-21T15:30", "Sat 2026-11-21T21:30"]),
        (every("day", 2, {"hours": [], "minutes": []}), ["Mon 2026-11-23T12:00", "Wed 2026-11-25T12:00"]),
        (every("month", 1, startTime="2026-10-31T08:00:00"), ["Mon 2026-11-30T08:00", "Thu 2026-12-31T08:00"]),
        (every("day", 1, {"hours": [4, 16], "minutes": [30]}), ["Sat 2026-11-21T16:30", "Sun 2026-11-22T04:30"]),
        (
            every("week", 2, {"hours": [9], "minutes": [0], "weekDays": ["Monday"]}),
            ["Mon 2026-11-30T09:00", "Mon 2026-12-14T09:00"],
        ),
        (every("month", 1, {"hours": [0], "minutes": [5], "monthDays": [1, 15]}), ["Tue 2026-12-01T00:05", "Tue 2026-12-15T00:05"]),
    ],
)
def test_a_trigger_fires_when_its_words_say(given: dict[str, Any], expected: list[str]) -> None:
    """The next two times after noon of Saturday, 21 November 2026."""
    assert fires(given, 2) == expected


def test_hours_are_those_of_the_zone_before_and_after_its_clocks_change() -> None:
    """Eight in Berlin is seven in winter, six in summer; a day of 23 hours counts as one day."""
    daily = every("day", 1, startTime="2027-03-27T08:00:00", timeZone="W. Europe Standard Time")
    assert fires(daily, 3) == ["Sat 2027-03-27T07:00", "Sun 2027-03-28T06:00", "Mon 2027-03-29T06:00"]
    skipped = every("day", 1, {"hours": [2], "minutes": [30]}, timeZone="Europe/Berlin")
    assert fires(skipped, 2, after="2027-03-27T12:00:00") == ["Mon 2027-03-29T00:30", "Tue 2027-03-30T00:30"]


def test_nothing_fires_after_the_end() -> None:
    """The end itself still counts."""
    assert fires(every("hour", endTime="2026-11-21T14:00:00Z"), 9) == ["Sat 2026-11-21T13:00", "Sat 2026-11-21T14:00"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (cron("* * *"), "DAYS-OF-WEEK"),
        (cron("61 * * * *"), "not understood"),
        (cron("0 0 * * *", timeZone="Middle of Nowhere"), "time zone"),
        (cron("0 0 * * *", startTime="soon"), "date and time"),
        (every("fortnight"), "frequency"),
        (every("day", 0), "interval"),
        (every("week", 1, {"hours": [25], "minutes": [0]}), "hours"),
        (every("week", 1, {"hours": [1], "minutes": [0], "weekDays": ["Doomsday"]}), "day of the week"),
    ],
)
def test_a_trigger_that_can_never_fire_says_why(given: dict[str, Any], message: str) -> None:
    """BadTriggerError, for the user."""
    with pytest.raises(triggers.BadTriggerError, match=message):
        triggers.read(given)
