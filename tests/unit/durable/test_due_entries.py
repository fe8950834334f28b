"""Entries of the due index that are put off: no other entry of the same record is lost for that."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from shared.durable import due
from tests.fakes import START, FakeRows

ENTRY = due.Entry(machine="recipe", key=("r",), at=START)


def test_putting_off_an_entry_keeps_the_records_own_wait_in_that_minute() -> None:
    """Both lie in one row there; the wait has the message that is to be sent."""
    index = due.DueIndex(FakeRows("due"))
    wakes = START + timedelta(seconds=100)
    index.put(ENTRY)
    (known,) = index.due(START)
    index.put(replace(ENTRY, at=START + timedelta(seconds=90), wake_at=wakes, text="go on"))
    index.later(known, START + timedelta(seconds=80))
    assert not list(index.due(START + timedelta(seconds=80)))
    assert [(each.text, each.wake_at) for each in index.due(wakes)] == [("go on", wakes)]


def test_putting_off_an_entry_keeps_one_that_was_written_since_it_was_read() -> None:
    """Within its minute, too."""
    index = due.DueIndex(FakeRows("due"))
    index.put(ENTRY)
    (known,) = index.due(START)
    index.put(replace(ENTRY, at=START + timedelta(seconds=5), wake_at=START + timedelta(seconds=9), text="go on"))
    index.later(known, START + timedelta(seconds=30))
    assert [each.text for each in index.due(START + timedelta(seconds=5))] == ["go on"]


def test_an_entry_that_is_put_off_is_there_later_and_not_before() -> None:
    """In its minute, and in another one."""
    for seconds in (30, 90):
        index = due.DueIndex(FakeRows("due"))
        index.put(ENTRY)
        (known,) = index.due(START)
        at = START + timedelta(seconds=seconds)
        index.later(known, at)
        assert not list(index.due(at - timedelta(seconds=1)))
        assert [each.key for each in index.due(at)] == [("r",)]
