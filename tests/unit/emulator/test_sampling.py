"""How a sweep's parameters are drawn: every distribution, Sobol's sequence, and a surrogate that learns."""

import itertools
import math
from typing import Any

import pytest

from infra.local.emulator.runner.sweeps import sampling
from tests import tables


def first(count: int, space: dict[str, Any], kind: str = "Random", **options: Any) -> list[dict[str, Any]]:
    """The first trials."""
    return list(itertools.islice(sampling.samples(space, kind, **options), count))


def test_sobol_fills_the_square_as_published() -> None:
    """The first points of the unscrambled sequence in three dimensions."""
    points = list(itertools.islice(sampling.sobol(3), 7))
    assert points == [
        (0.5, 0.5, 0.5),
        (0.75, 0.25, 0.25),
        (0.25, 0.75, 0.75),
        (0.375, 0.375, 0.625),
        (0.875, 0.875, 0.125),
        (0.625, 0.125, 0.875),
        (0.125, 0.625, 0.375),
    ]


@tables.each("dimension", range(sampling.MOST_SOBOL))
def test_every_dimension_of_sobol_visits_each_interval_once(dimension: int) -> None:
    """With the corner, the first 64 points have one in each 64th."""
    points = [0.0, *(point[dimension] for point in itertools.islice(sampling.sobol(sampling.MOST_SOBOL), 63))]
    assert sorted(int(u * 64) for u in points) == list(range(64))


def test_a_seed_shifts_sobol_and_repeats_itself() -> None:
    """Two seeds differ; one seed does not."""
    space = {"x": ["uniform", [0, 1]]}
    assert first(4, space, "Sobol", seed=1) == first(4, space, "Sobol", seed=1) != first(4, space, "Sobol", seed=2)


@pytest.mark.parametrize(
    ("given", "holds"),
    [
        (["choice", [["a", "b"]]], lambda value: value in {"a", "b"}),
        (["randint", [3]], lambda value: value in {0, 1, 2}),
        (["uniform", [2, 4]], lambda value: 2 <= value <= 4),
        (["quniform", [0, 10, 5]], lambda value: value in {0, 5, 10}),
        (["loguniform", [-2, 0]], lambda value: math.exp(-2) <= value <= 1),
        (["qlognormal", [0, 1, 0.5]], lambda value: value % 0.5 == 0),
        (["normal", [100, 1]], lambda value: 90 < value < 110),
    ],
)
def test_a_distribution_gives_values_of_its_range(given: list[Any], holds: Any) -> None:
    """Fifty draws each."""
    assert all(holds(one["x"]) for one in first(50, {"x": given}, seed=3))


def test_a_grid_is_every_combination_once() -> None:
    """Choices only."""
    assert len(first(99, {"x": ["choice", [[1, 2]]], "y": ["choice", [[3, 4, 5]]]}, "Grid")) == 6


def test_bayesian_sampling_comes_closer_to_what_was_good() -> None:
    """The later half of forty trials is nearer to the optimum than random ones are."""
    drawn: list[float] = []

    def loss_of(trial: int) -> float | None:
        return abs(drawn[trial] - 0.7) if trial < len(drawn) else None

    trials = sampling.samples({"x": ["uniform", [0, 1]]}, "Bayesian", seed=5, loss_of=loss_of)
    while len(drawn) < 40:
        drawn.append(next(trials)["x"])
    assert sum(abs(x - 0.7) for x in drawn[20:]) / 20 < 0.1 < sum(abs(x - 0.7) for x in drawn[:4]) / 4


@pytest.mark.parametrize(
    ("space", "kind", "message"),
    [
        ({"x": ["normal", [0, 1]]}, "Bayesian", "choice, uniform, quniform only"),
        ({"x": ["uniform", [0, 1]]}, "Grid", "choices only"),
        ({"x": ["uniform", [0]]}, "Random", "cannot be sampled"),
        ({"x": ["choice", [[]]]}, "Random", "no options"),
        ({"x": ["magic", [1]]}, "Random", "not one of"),
        ({f"x{n}": ["uniform", [0, 1]] for n in range(22)}, "Sobol", "at most 21"),
    ],
)
def test_a_space_that_cannot_be_sampled_says_why(space: dict[str, Any], kind: str, message: str) -> None:
    """BadSpaceError, for the user."""
    with pytest.raises(sampling.BadSpaceError, match=message):
        first(1, space, kind)
