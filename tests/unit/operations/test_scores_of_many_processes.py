"""Many processes score one endpoint, and none knows of the others: together they ask it about as often as it can answer.

A simulation in virtual time: an endpoint that answers so many calls at once and throttles the others, and scores that come again
when their process says so. Not here: what a score does with its place (test_async_scores).
"""

from __future__ import annotations

import heapq
import itertools
import random

import pytest

from shared.endpoints import score_gates
from tests.fakes import FakeBlobs

SCORES = 1000


def _scored(processes: int, at_once: int, takes_s: float) -> tuple[float, float]:
    """Score all; returns the calls for each score, and the share of the endpoint's time that was used."""
    chance, now, blobs, order = random.Random(1), [0.0], FakeBlobs(), itertools.count()  # noqa: S311
    gates = [score_gates.Gates(lambda: blobs, lambda: now[0]) for _ in range(processes)]
    events = [(0.0, next(order), "take", 0, 0) for _ in range(SCORES)]
    inside, calls, ended = 0, 0, 0.0
    while events:
        now[0], _, what, process, tries = heapq.heappop(events)
        if what == "take":
            process = chance.randrange(processes)  # the queue gives a message to any
            if pause_s := gates[process].enter("e"):
                heapq.heappush(events, (now[0] + pause_s, next(order), "take", 0, tries))
                continue
            calls += 1
            free = inside < at_once
            inside += free
            lasts_s = takes_s * chance.uniform(0.8, 1.2) if free else 0.01
            heapq.heappush(events, (now[0] + lasts_s, next(order), "answered" if free else "throttled", process, tries))
            continue
        throttled = what == "throttled"
        gates[process].leave("e", None if throttled else takes_s, throttled=throttled)
        if throttled:  # as async_scores asks again
            heapq.heappush(events, (now[0] + min(2.0 * 2**tries, 60.0), next(order), "take", 0, tries + 1))
        else:
            inside, ended = inside - 1, now[0]
    return calls / SCORES, SCORES * takes_s / at_once / ended


@pytest.mark.parametrize(
    ("processes", "at_once", "most_calls", "least_used"),
    [(1, 4, 1.2, 0.5), (4, 4, 2.0, 0.4), (40, 4, 3.0, 0.5), (40, 1, 4.0, 0.5), (40, 40, 2.0, 0.3)],
)
def test_an_endpoint_is_asked_little_more_than_it_answers(
    processes: int, at_once: int, most_calls: float, least_used: float
) -> None:
    """With one call for each process at the least, forty of them would ask an endpoint for one sixty times for each score."""
    calls, used = _scored(processes, at_once, 1.0)
    assert calls <= most_calls
    assert used >= least_used
