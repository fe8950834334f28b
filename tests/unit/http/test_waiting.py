"""How often a caller who waits for an operation has the ledger read."""

from __future__ import annotations

from functions import http


def test_a_minutes_wait_costs_a_third_of_the_reads_of_an_even_pace() -> None:
    """An even pace of a quarter second is 240; what ends soon is seen as soon as with that."""
    at, looks = 0.0, []
    while at < http.WAIT_LIMIT_S:
        pause = http.pause_s(at)
        assert pause <= max(http.WAIT_STEP_S, at * http.WAIT_SHARE)
        at += pause
        looks.append(at)
    assert looks[:8] == [0.25 * number for number in range(1, 9)]
    assert len(looks) <= 80
