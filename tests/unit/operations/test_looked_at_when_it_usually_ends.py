"""An operation is looked at when its kind usually ends: few looks, and its end is noticed soon, whatever was learned."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from shared.durable import records, storage
from shared.operations.looks import usual_times
from shared.rest import client, long_running, poll_delays
from tests import fake_azure
from tests.fakes import START
from tests.steward import Steward

if TYPE_CHECKING:
    from collections.abc import Iterable

COMPUTE = {"location": "westeurope", "properties": {"computeType": "AmlCompute"}}
WAY = "workspaces/computes PUT"


def followed(steward: Steward, name: str, took_s: float, monkeypatch: pytest.MonkeyPatch) -> tuple[int, float]:
    """Make a compute that takes so long; returns the looks at Azure, its result included, and how late its end was noticed."""
    monkeypatch.setattr(fake_azure, "DURATION_S", took_s)
    ends = steward.clock() + timedelta(seconds=took_s)
    operation = steward.submit("PUT", f"workspaces/w1/computes/{name}", COMPUTE)
    steward.drive()
    found = steward.load(operation)
    assert found.status == "Succeeded"
    assert found.ended_at is not None
    return found.calls["poll"], (found.ended_at - ends).total_seconds()


def many(steward: Steward, durations: Iterable[float], monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, float]]:
    """Make one compute after another."""
    return [followed(steward, f"c{number}", took, monkeypatch) for number, took in enumerate(durations)]


def test_what_takes_as_long_as_it_was_recorded_costs_four_looks_at_most(steward: Steward, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the first one on, and it stays so while durations are learned; the schedule without them takes seven."""
    found = many(steward, [31.0] * 30, monkeypatch)
    assert found[0][0] <= 4
    assert sum(looks for looks, _ in found) / len(found) <= 4.0
    assert max(looks for looks, _ in found) <= 5
    assert max(late for _, late in found) <= 3.0
    monkeypatch.setattr(usual_times, "RECORDED", {})
    steward.rows.rows.pop((usual_times.KEY, usual_times.KEY))
    steward.restart()
    looks, late = followed(steward, "before", 31.0, monkeypatch)
    assert (looks, late > 3.0) == (7, True)


def test_one_that_took_another_time_does_not_undo_what_was_recorded(steward: Steward, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until some are known, both times are looked at."""
    followed(steward, "first", 2.5, monkeypatch)
    looks, late = followed(steward, "second", 31.0, monkeypatch)
    assert looks <= 5
    assert late <= 3.0


def test_durations_that_vary_are_noticed_as_soon_and_with_no_more_looks(steward: Steward, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter up or down, as recorded traffic varies: less of both than the schedule without it, with 7.3 looks and 6 s."""
    drawn = random.Random(17)  # noqa: S311 - a history that can be repeated
    found = many(steward, [drawn.lognormvariate(3.434, 0.25) for _ in range(50)], monkeypatch)[20:]
    assert sum(looks for looks, _ in found) / len(found) <= 5.0
    assert sum(late for _, late in found) / len(found) <= 5.0


@pytest.mark.parametrize("took_s", [1.0, 10.0, 45.0, 300.0])
def test_a_learned_time_that_is_wrong_costs_little(steward: Steward, monkeypatch: pytest.MonkeyPatch, took_s: float) -> None:
    """The end is noticed within the longest pause to a usual end; after some it is learned again."""
    many(steward, [31.0] * 10, monkeypatch)
    looks, late = followed(steward, "other", took_s, monkeypatch)
    assert late <= poll_delays.STRAIGHT_S
    assert looks <= 8 + took_s / 30
    found = [followed(steward, f"x{number}", took_s, monkeypatch) for number in range(24)]
    assert sum(late for _, late in found[-5:]) / 5 <= max(5.0, 0.12 * took_s)


def test_what_one_process_learned_another_knows(steward: Steward, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kind that was recorded nowhere, a minute or more apart; what is in the row is bounded."""
    monkeypatch.setattr(usual_times, "RECORDED", {})
    many(steward, [70.0] * 25, monkeypatch)
    row = steward.rows.rows[usual_times.KEY, usual_times.KEY]
    (ways,) = records.joined(row.columns)["ways"].values()
    assert len(ways) == usual_times.KEPT
    steward.restart()
    looks, late = followed(steward, "next", 70.0, monkeypatch)
    assert looks <= 7  # the schedule without it takes nine, and is 24 s late
    assert late <= 5.0


def test_the_row_is_bounded(steward: Steward) -> None:
    """Of more kinds, verbs and regions those go that were seen longest ago."""
    known = usual_times.Durations(steward.rows)
    for number in range(usual_times.WAYS + 50):
        known.learn(f"way{number} PUT", 5.0, 4.0, START + timedelta(minutes=2 * number))
    ways = records.joined(steward.rows.rows[usual_times.KEY, usual_times.KEY].columns)["ways"]
    assert len(ways) == usual_times.WAYS
    assert "way0 PUT" not in ways


def test_regions_are_learned_apart() -> None:
    """The URL that is polled names the region."""
    steward = Steward()
    operation = steward.submit("PUT", "workspaces/w1/computes/c", COMPUTE)
    url = "https://management.azure.com/subscriptions/s/providers/Microsoft.MachineLearningServices/locations/WestEurope/x/1"
    assert usual_times.way(operation, url) == f"{WAY} westeurope"
    known = usual_times.Durations(steward.rows)
    for _ in range(usual_times.FEW):
        known.learn(f"{WAY} westeurope", 100.0, 100.0, START)
    assert known.ends(f"{WAY} westeurope") == [100.0]
    assert known.ends(f"{WAY} eastus") == [31.0 / 4, 31.0]
    assert known.ends("workspaces/x PUT eastus") == []


@pytest.mark.parametrize(
    ("stored", "kept"),
    [
        ({"version": usual_times.VERSION + 1, "ways": {WAY: [5.0]}}, True),
        ({"version": usual_times.VERSION, "ways": [1]}, False),
        ({"version": usual_times.VERSION, "ways": {WAY: ["x"]}}, False),
    ],
)
def test_a_row_that_cannot_be_read_stops_nothing(
    steward: Steward, monkeypatch: pytest.MonkeyPatch, stored: object, *, kept: bool
) -> None:
    """A later version's stays as it is; a damaged one is written again."""
    steward.rows.put(storage.Row(partition=usual_times.KEY, key=usual_times.KEY, columns=records.chunked(stored)))
    many(steward, [31.0] * 3, monkeypatch)
    now = records.joined(steward.rows.rows[usual_times.KEY, usual_times.KEY].columns)
    assert (now == stored) is kept


def test_members_of_the_row_that_are_not_known_are_written_back(steward: Steward, monkeypatch: pytest.MonkeyPatch) -> None:
    """A later version of the app may have put them there."""
    stored = {"version": usual_times.VERSION, "ways": {}, "later": 1}
    steward.rows.put(storage.Row(partition=usual_times.KEY, key=usual_times.KEY, columns=records.chunked(stored)))
    many(steward, [31.0], monkeypatch)
    now = records.joined(steward.rows.rows[usual_times.KEY, usual_times.KEY].columns)
    assert now["later"] == 1
    assert list(now["ways"]) == [f"{WAY} westeurope"]


def test_azures_own_pause_counts_before_what_was_learned() -> None:
    """`Retry-After` of an answer, whatever the usual end is."""
    stands = long_running.Follow(
        style="status_url", url="https://a/s", resource_url="https://a", method="PUT", ends=[31.0], began_s=1.0
    )
    headers = {"retry-after": "7"}
    answer = client.Response(status=200, headers=headers, body={"status": "InProgress"}, url="https://a/s")
    outcome = long_running.advance(stands, answer, now=START)
    assert isinstance(outcome, long_running.Pending)
    assert outcome.delay_s == 7.0


def test_an_operation_of_the_version_before_is_followed_as_it_was(steward: Steward) -> None:
    """Its row names no usual end, and no beginning."""
    stands = long_running.Follow(style="status_url", url="https://a/s", resource_url="https://a", method="PUT", interval_s=4.5)
    answer = client.Response(status=200, headers={}, body={"status": "InProgress"}, url="https://a/s")
    outcome = long_running.advance(stands, answer, now=steward.clock())
    assert isinstance(outcome, long_running.Pending)
    assert (outcome.delay_s, outcome.follow.interval_s) == (4.5, 6.75)
