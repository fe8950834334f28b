"""Lengths of time in both spellings, and working hours by the clock on the wall of a time zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.cleanup.policy import hours
from shared.text import durations

MOMENTS = st.floats(1_500_000_000, 2_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("P90D", timedelta(days=90)),
        ("p2w", timedelta(days=14)),
        ("PT2H", timedelta(hours=2)),
        ("P1DT2H30M5S", timedelta(days=1, hours=2, minutes=30, seconds=5)),
        ("90d", timedelta(days=90)),
        (" 30m ", timedelta(minutes=30)),
        ("1d 2h", timedelta(hours=26)),
        ("0d", timedelta(0)),
    ],
)
def test_a_length_of_time_is_iso_8601_or_short(text, expected):
    """`M` before the T would be months: they are refused."""
    assert durations.parse(text) == expected


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "P1DT", "90", "d", "-1d", "P-1D", "1.5d", "P1M", "P1Y", "1y", "2 months", "5000d", "1h 2d"]
)
def test_what_has_no_fixed_length_is_refused(text):
    """Nothing is guessed."""
    with pytest.raises(ValueError, match=r"length|days"):
        durations.parse(text)


@given(st.integers(0, 3660 * 86_400).map(lambda seconds: timedelta(seconds=seconds)))
def test_a_length_of_time_is_written_as_it_is_read(length):
    """The text of a stored policy means the same."""
    assert durations.parse(durations.text(length)) == length


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (timedelta(days=90), "90 days"),
        (timedelta(days=1), "1 day"),
        (timedelta(hours=36), "36 hours"),
        (timedelta(minutes=1), "1 minute"),
        (timedelta(seconds=5), "5 seconds"),
        (timedelta(0), "0 seconds"),
    ],
)
def test_a_reason_says_it_in_words(length, expected):
    """In the largest unit that is whole."""
    assert durations.words(length) == expected


OFFICE = hours.hours("Europe/Berlin", hours.WORKING_DAYS, "08:00", "18:00")
NIGHT = hours.hours("Europe/Berlin", ["Fri"], "22:00", "06:00")


@pytest.mark.parametrize(
    ("found", "moment", "expected"),
    [
        (OFFICE, datetime(2026, 1, 15, 6, 59, tzinfo=UTC), False),  # Thursday, winter: one hour ahead
        (OFFICE, datetime(2026, 1, 15, 7, 0, tzinfo=UTC), True),
        (OFFICE, datetime(2026, 7, 16, 6, 0, tzinfo=UTC), True),  # Thursday, summer: two
        (OFFICE, datetime(2026, 7, 16, 15, 59, tzinfo=UTC), True),
        (OFFICE, datetime(2026, 7, 16, 16, 0, tzinfo=UTC), False),
        (OFFICE, datetime(2026, 7, 18, 10, 0, tzinfo=UTC), False),  # Saturday
        (NIGHT, datetime(2026, 1, 16, 20, 59, tzinfo=UTC), False),  # Friday evening
        (NIGHT, datetime(2026, 1, 16, 21, 0, tzinfo=UTC), True),
        (NIGHT, datetime(2026, 1, 17, 4, 59, tzinfo=UTC), True),  # Saturday morning: it began on Friday
        (NIGHT, datetime(2026, 1, 17, 5, 0, tzinfo=UTC), False),
        (NIGHT, datetime(2026, 1, 16, 4, 0, tzinfo=UTC), False),  # Friday morning: it would have begun on Thursday
    ],
)
def test_people_work_by_the_clock_on_their_wall(found, moment, expected):
    """Daylight saving, weekends and nights that end on the next day."""
    assert found.hold(moment) is expected


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime(2026, 1, 15, 12, 0, tzinfo=UTC), None),  # Thursday at noon
        (datetime(2026, 1, 15, 17, 0, 30, tzinfo=UTC), datetime(2026, 1, 15, 17, 0, tzinfo=UTC)),
        (datetime(2026, 1, 19, 3, 0, tzinfo=UTC), datetime(2026, 1, 16, 17, 0, tzinfo=UTC)),  # Monday night: since Friday
        (datetime(2026, 3, 30, 3, 0, tzinfo=UTC), datetime(2026, 3, 27, 17, 0, tzinfo=UTC)),  # over the change of clocks
    ],
)
def test_the_evidence_says_when_the_hours_ended(moment, expected):
    """In UTC, to the minute, by the clock that was on the wall then."""
    assert OFFICE.ended(moment) == expected


@pytest.mark.parametrize("moment", [datetime(2026, 3, 29, 1, 0, tzinfo=UTC), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)])
def test_the_hour_that_is_skipped_or_repeated_is_no_error(moment):
    """Sundays on which clocks change in Berlin, in hours around the clock."""
    assert hours.hours("Europe/Berlin", ["sunday"], "00:00", "24:00").hold(moment)


@settings(max_examples=200)
@given(
    st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns", "Pacific/Auckland"]),
    st.sets(st.sampled_from(hours.DAYS), min_size=1),
    st.integers(0, 1439),
    st.integers(0, 1440),
    MOMENTS,
)
def test_hours_hold_on_exactly_the_minutes_that_were_said(zone, days, begin, end, moment):
    """Against the definition, minute by minute of a week as a list."""
    if begin == end:
        return
    local = moment.astimezone(ZoneInfo(zone))
    minute = local.weekday() * 1440 + local.hour * 60 + local.minute
    long = (end - begin) if begin < end else (end - begin + 1440)
    spans = [hours.DAYS.index(day) * 1440 + begin for day in days]
    expected = any((minute - start) % 10_080 < long for start in spans)
    found = hours.Hours(time_zone=zone, days=tuple(days), begin=begin, end=end)
    assert found.hold(moment) is expected
    assert hours.Hours.from_json(found.to_json()) == found


@pytest.mark.parametrize(
    "given",
    [
        ("Mars/Olympus", ["Mon"], "08:00", "18:00"),
        ("../etc/passwd", ["Mon"], "08:00", "18:00"),
        ("/etc/passwd", ["Mon"], "08:00", "18:00"),
        ("", ["Mon"], "08:00", "18:00"),
        ("UTC", [], "08:00", "18:00"),
        ("UTC", ["Mi"], "08:00", "18:00"),
        ("UTC", ["Mon"], "8", "18:00"),
        ("UTC", ["Mon"], "08:60", "18:00"),
        ("UTC", ["Mon"], "08:00", "24:01"),
        ("UTC", ["Mon"], "24:00", "08:00"),
        ("UTC", ["Mon"], "08:00", "08:00"),
    ],
)
def test_hours_that_cannot_be_are_refused(given):
    """Time zones by their IANA name only."""
    with pytest.raises(ValueError, match="expected"):
        hours.hours(*given)
