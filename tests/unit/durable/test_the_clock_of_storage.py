"""The clock that decides follows the `Date` of storage's answers, and says how far it is from this machine's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from shared.durable.storage_clock import StorageClock

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize("minutes", [15, -15])
def test_it_is_storages_time_and_the_difference_is_logged_once(minutes: int, caplog: pytest.LogCaptureFixture) -> None:
    """Within a second, for `Date` has whole seconds; the same difference again is no news."""
    clock = StorageClock(lambda: NOW)
    for _ in range(3):
        clock.heard(format_datetime(NOW + timedelta(minutes=minutes), usegmt=True), 0.01)
    assert abs(clock() - NOW - timedelta(minutes=minutes)) <= timedelta(seconds=1)
    (line,) = [record.steward for record in caplog.records if getattr(record, "steward", {}).get("what") == "clock.skew"]
    assert abs(line["storageAheadS"] - 60 * minutes) <= 1


def test_a_second_of_rounding_is_no_difference(caplog: pytest.LogCaptureFixture) -> None:
    """Nor is a `Date` that cannot be read an answer."""
    clock = StorageClock(lambda: NOW + timedelta(seconds=0.9))
    clock.heard("yesterday", 0.01)
    assert not clock.measured
    clock.heard(format_datetime(NOW, usegmt=True), 0.01)
    assert (clock(), clock.measured, caplog.records) == (NOW + timedelta(seconds=0.9), True, [])
