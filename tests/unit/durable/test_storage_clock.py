"""Storage's clock decides: it is measured with every answer, to less than its own whole seconds, and followed when it is set."""

from __future__ import annotations

import logging
from datetime import timedelta
from email.utils import format_datetime

import pytest

from shared.durable.storage_clock import StorageClock
from tests.fakes import Clock

SKEWS = [timedelta(minutes=m) for m in (-15, -1, 1, 15)]


class World:
    """Storage's time, this machine's clock beside it, and answers that carry a `Date`."""

    def __init__(self, skew: timedelta = timedelta(0)) -> None:
        self.true, self.skew = Clock(), skew
        self.clock = StorageClock(lambda: self.true() + self.skew)

    def answer(self, took_s: float = 0.0, *, back_s: float = 0.0) -> None:
        """Ask storage, whose clock is read in the middle; the answer is on its way for `back_s`."""
        self.true.advance(took_s - back_s)
        date = format_datetime(self.true().replace(microsecond=0), usegmt=True)
        self.true.advance(back_s)
        self.clock.heard(date, took_s)

    @property
    def error(self) -> timedelta:
        """How wrong the app's clock is."""
        return abs(self.clock() - self.true())


def test_before_the_first_answer_it_is_this_machines() -> None:
    """Nothing else is known."""
    world = World(timedelta(minutes=15))
    assert (world.clock(), world.clock.measured) == (world.true() + timedelta(minutes=15), False)


def test_a_clock_in_step_is_left_as_it_is() -> None:
    """Whole seconds and slow answers are no difference."""
    world = World()
    for n in range(50):
        world.true.advance(0.37 * n)
        world.answer(2.0, back_s=1.3)
        assert world.clock.ahead == timedelta(0)
    assert world.clock.measured


@pytest.mark.parametrize("skew", SKEWS, ids=str)
def test_one_answer_shows_a_difference_and_more_make_it_exact(skew: timedelta) -> None:
    """A second after the first answer; a tenth after some."""
    world = World(skew)
    world.answer(0.1, back_s=0.05)
    assert world.error <= timedelta(seconds=1.1)
    for _ in range(60):
        world.true.advance(7.13)
        world.answer(0.1, back_s=0.05)
    assert world.error <= timedelta(seconds=0.1)


def test_a_clock_that_is_set_is_followed_from_the_next_answer() -> None:
    """This machine's, or storage's."""
    world = World(timedelta(minutes=15))
    for skew in (timedelta(0), timedelta(minutes=-15), timedelta(hours=3)):
        world.answer()
        world.skew = skew
        world.answer()
        assert world.error <= timedelta(seconds=1.1)


def test_a_difference_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """And once more when it is over."""
    world = World(timedelta(minutes=15))
    with caplog.at_level(logging.WARNING, "steward.clock"):
        for _ in range(5):
            world.answer()
        assert ["storageAheadS" in record.message and "-8" in record.message for record in caplog.records] == [True]
        world.skew = timedelta(0)
        for _ in range(5):
            world.answer()
        assert len(caplog.records) == 2


def test_what_is_no_date_is_passed_over() -> None:
    """A proxy may answer instead of storage."""
    world = World()
    world.clock.heard("", 0.0)
    world.clock.heard("yesterday", 0.0)
    assert not world.clock.measured
