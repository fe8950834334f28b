"""NCRONTAB as Azure's timers read it: which moments are due, against a search second by second, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.cleanup.policy import ncrontab

MOMENTS = st.floats(1_500_000_000, 2_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a Monday


def latest(expression, until=NOON, back=timedelta(days=400)):
    """Return the latest due moment as text, '' for none."""
    found = ncrontab.due(expression, until - back, until)
    return f"{found:%Y-%m-%d %H:%M:%S}" if found else ""


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 0 3 * * *", "2026-03-02 03:00:00"),
        ("0 3 * * *", "2026-03-02 03:00:00"),
        ("30 */20 * * * *", "2026-03-02 11:40:30"),
        ("0 5/20 * * * *", "2026-03-02 11:45:00"),
        ("0 0 12 * * *", "2026-03-02 12:00:00"),
        ("0 0 0 1 Jan *", "2026-01-01 00:00:00"),
        ("0 0 0 1 january *", "2026-01-01 00:00:00"),
        ("0 0 6 * * Fri", "2026-02-27 06:00:00"),
        ("0 0 6 * * 0", "2026-03-01 06:00:00"),
        ("0 0 6 * * Mon-Wed,Sat", "2026-03-02 06:00:00"),
        ("0 30 9-17/4 * * 1-5", "2026-03-02 09:30:00"),
        ("0 0 0 29 2 *", ""),
        ("0 0 0 13 * Fri", "2026-02-13 00:00:00"),
    ],
)
def test_the_latest_due_moment_is_found(expression, expected):
    """Names, ranges, steps, five fields, and days that must fit both the month and the week."""
    assert latest(expression) == expected


def test_the_thirteenth_that_is_a_friday_is_both():
    """Unlike in Linux's cron, where either day would do."""
    since, until = datetime(2026, 3, 14, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
    assert ncrontab.due("0 0 0 13 * Fri", since, until) is None
    assert ncrontab.due("0 0 0 13 * Fri", since, until + timedelta(days=20)) == datetime(2026, 11, 13, tzinfo=UTC)


def test_a_leap_day_is_found_over_years():
    """29 February is rare, and possible."""
    assert ncrontab.due("0 0 0 29 2 *", datetime(2020, 3, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)) == datetime(
        2024, 2, 29, tzinfo=UTC
    )


def test_the_first_moment_after_another_is_found_over_years():
    """It is after that one, also within its second, and in the same day, month or leap year."""
    assert ncrontab.following("0 0 12 * * *", NOON) == NOON + timedelta(days=1)
    assert ncrontab.following("0 0 12 * * *", NOON - timedelta(microseconds=1)) == NOON
    assert ncrontab.following("30 5,10 12 * * *", NOON.replace(minute=5, second=30)) == NOON.replace(minute=10, second=30)
    assert ncrontab.following("0 0 0 29 2 Mon", NOON) == datetime(2044, 2, 29, tzinfo=UTC)
    assert ncrontab.following("0 0 0 29 2 Mon", datetime(2072, 3, 1, tzinfo=UTC)) == datetime(2112, 2, 29, tzinfo=UTC)


def test_the_moment_of_the_last_tick_is_not_due_again_and_that_of_this_one_is():
    """(since, until]: each moment belongs to one tick."""
    at = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
    assert ncrontab.due("0 0 3 * * *", at, at + timedelta(hours=1)) is None
    assert ncrontab.due("0 0 3 * * *", at - timedelta(seconds=1), at) == at
    assert ncrontab.due("0 0 3 * * *", at + timedelta(days=1), at) is None


def test_missed_ticks_are_caught_up_with_once():
    """The latest of them counts."""
    assert latest("0 0 * * * *", back=timedelta(days=3)) == "2026-03-02 12:00:00"


def test_any_time_zone_is_utc_in_the_end():
    """A clock's own zone, and Berlin's Sunday of 23 hours, change nothing."""
    from zoneinfo import ZoneInfo

    berlin = ZoneInfo("Europe/Berlin")
    found = ncrontab.due("0 30 1 * * *", datetime(2026, 3, 29, 1, 0, tzinfo=berlin), datetime(2026, 3, 29, 12, 0, tzinfo=berlin))
    assert found == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("", "five or six fields"),
        ("* * * *", "five or six fields"),
        ("@daily", "five or six fields"),
        ("60 * * * * *", "its second '60'"),
        ("* 60 * * * *", "its minute '60'"),
        ("* * 24 * * *", "its hour '24'"),
        ("* * * 0 * *", "its day '0'"),
        ("* * * * 13 *", "its month '13'"),
        ("* * * * * 7", "its day of the week '7'"),
        ("* * * * * Monn", "its day of the week 'Monn'"),
        ("*/0 * * * * *", "its second"),
        ("5-1 * * * * *", "is in the wrong order"),
        ("1, * * * * *", "its second ''"),
        ("1-2-3 * * * * *", "its second"),
        ("² * * * * *", "its second"),
        ("0 0 0 30 2 *", "never due"),
        ("0 0 0 31 4,6,9,11 *", "never due"),
    ],
)
def test_what_is_no_schedule_or_never_due_is_refused(expression, expected):
    """With the field and what was expected."""
    with pytest.raises(ValueError, match=expected):
        ncrontab.parse(expression)


def fields(low, high):
    """Any part of an expression for values from `low` to `high`."""
    value = st.integers(low, high)
    spans = st.tuples(value, value).map(lambda pair: f"{min(pair)}-{max(pair)}")
    steps = st.tuples(st.just("*") | spans | value.map(str), st.integers(1, 30)).map(lambda pair: f"{pair[0]}/{pair[1]}")
    return st.just("*") | st.lists(value.map(str) | spans | steps, min_size=1, max_size=3).map(",".join)


def is_due(expression, moment):
    """Tell by the definition alone whether a moment is due."""
    values = (moment.second, moment.minute, moment.hour, moment.day, moment.month, moment.isoweekday() % 7)
    bounds = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
    return all(
        any(_holds(part, value, *bound) for part in field.split(","))
        for field, value, bound in zip(expression.split(), values, bounds, strict=True)
    )


def _holds(part, value, low, high):
    span, slash, step = part.partition("/")
    first, dash, last = span.partition("-")
    begin = low if span == "*" else int(first)
    end = high if span == "*" or (slash and not dash) else int(last or first)
    return begin <= value <= end and (value - begin) % int(step or 1) == 0


@settings(max_examples=150, deadline=None)
@given(
    st.tuples(fields(0, 59), fields(0, 59), fields(0, 23)).map(" ".join),
    st.tuples(fields(1, 28), fields(1, 12), fields(0, 6)).map(" ".join) | st.just("* * *"),
    MOMENTS,
    st.integers(0, 2_000),
)
def test_due_is_the_latest_second_that_fits(times, days, until, seconds):
    """Against a search second by second backwards."""
    expression, since = f"{times} {days}", until - timedelta(seconds=seconds)
    found = ncrontab.due(expression, since, until)
    second = until.replace(microsecond=0)
    while second > since and not is_due(expression, second):
        second -= timedelta(seconds=1)
    assert found == (second if second > since else None)


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(fields(1, 31), fields(1, 12), fields(0, 6)).map(" ".join),
    MOMENTS,
    st.integers(0, 1_000),
)
def test_due_is_the_latest_day_that_fits(days, until, back):
    """Over years, against a search day by day."""
    expression = f"0 0 0 {days}"
    since, day = until - timedelta(days=back), until.replace(hour=0, minute=0, second=0, microsecond=0)
    try:
        found = ncrontab.due(expression, since, until)
    except ValueError as refused:
        assert "never due" in str(refused)  # noqa: PT017 - both outcomes are allowed
        return
    while day > since and not is_due(expression, day):
        day -= timedelta(days=1)
    assert found == (day if day > since else None)
