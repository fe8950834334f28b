"""Draws the parameters of a sweep's trials: random, Sobol, grid, and a simple Bayesian surrogate.

Every distribution turns a number u from [0, 1) into a value, so one trial is one point of the unit cube. Random draws the
points, Sobol takes them from its sequence (direction numbers of Joe and Kuo, 2008; a seed shifts it), grid enumerates choices.
Bayesian sampling is a small tree-structured Parzen estimator: after a few random trials it divides what is known into the
best quarter and the rest, and proposes where the first is dense and the second is not. Azure's own surrogate is not public.
Not here: running trials.
"""

from __future__ import annotations

import itertools
import math
import random
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_EDGE = 1e-9
_BITS = 30
_CANDIDATES = 32
_WIDTH = 0.12  # of the kernel around a known point, in the unit cube
_FLOOR = 1e-3
_BAYESIAN = ("choice", "uniform", "quniform")  # what Azure allows for it
_SOBOL = (  # degree, coefficients, initial numbers; the first dimension is van der Corput's sequence
    (1, 0, (1,)),
    (2, 1, (1, 3)),
    (3, 1, (1, 3, 1)),
    (3, 2, (1, 1, 1)),
    (4, 1, (1, 1, 3, 3)),
    (4, 4, (1, 3, 5, 13)),
    (5, 2, (1, 1, 5, 5, 17)),
    (5, 4, (1, 1, 5, 5, 5)),
    (5, 7, (1, 1, 7, 11, 19)),
    (5, 11, (1, 1, 5, 1, 1)),
    (5, 13, (1, 1, 1, 3, 11)),
    (5, 14, (1, 3, 5, 5, 31)),
    (6, 1, (1, 3, 3, 9, 7, 49)),
    (6, 13, (1, 1, 1, 15, 21, 21)),
    (6, 16, (1, 3, 1, 13, 27, 49)),
    (6, 19, (1, 1, 1, 15, 7, 5)),
    (6, 22, (1, 3, 1, 15, 13, 25)),
    (6, 25, (1, 1, 5, 5, 19, 61)),
    (7, 1, (1, 3, 7, 11, 23, 15, 103)),
    (7, 4, (1, 3, 7, 13, 13, 15, 69)),
)
MOST_SOBOL = len(_SOBOL) + 1

type Point = tuple[float, ...]


class BadSpaceError(Exception):
    """The search space cannot be sampled; the message is for the user."""


def _uniform(u: float, low: float, high: float) -> float:
    return low + u * (high - low)


def _normal(u: float, mean: float, spread: float) -> float:
    return NormalDist(mean, spread).inv_cdf(min(1 - _EDGE, max(_EDGE, u)))


def _log(value: Callable[..., float]) -> Callable[..., float]:
    return lambda u, *given: math.exp(value(u, *given))


def _steps(value: Callable[..., float]) -> Callable[..., float]:
    def stepped(u: float, *given: float) -> float:
        *inner, step = given
        return round(value(u, *inner) / step) * step

    return stepped


_VALUES: dict[str, Callable[..., Any]] = {
    "choice": lambda u, options: options[int(u * len(options))],
    "randint": lambda u, upper: range(int(upper))[int(u * int(upper))],
    "uniform": _uniform,
    "quniform": _steps(_uniform),
    "loguniform": _log(_uniform),
    "qloguniform": _steps(_log(_uniform)),
    "normal": _normal,
    "qnormal": _steps(_normal),
    "lognormal": _log(_normal),
    "qlognormal": _steps(_log(_normal)),
}


def samples(
    space: Mapping[str, Any],
    sampling: str,
    *,
    seed: int | None = None,
    loss_of: Callable[[int], float | None] = lambda _trial: None,
) -> Iterator[dict[str, Any]]:
    """The parameters of one trial after the other; a grid ends by itself.

    Args:
        space: parameter to `[distribution, arguments]`.
        sampling: `Random`, `Sobol`, `Grid` or `Bayesian`.
        seed: the same one gives the same trials.
        loss_of: what the n-th trial came to, less is better; None while it is not known.

    Raises:
        BadSpaceError: a distribution that does not exist, has other arguments, or does not go with the sampling.
    """
    known = {name: _distribution(name, given) for name, given in space.items()}
    kind = sampling.lower()
    if kind == "grid":
        if wrong := [name for name, (distribution, _) in known.items() if distribution != "choice"]:
            raise BadSpaceError(f"Grid sampling takes choices only; {wrong[0]} is something else.")
        for values in itertools.product(*(arguments[0] for _, arguments in known.values())):
            yield dict(zip(known, values, strict=True))
        return
    if kind == "bayesian" and (wrong := [name for name, (distribution, _) in known.items() if distribution not in _BAYESIAN]):
        raise BadSpaceError(f"Bayesian sampling takes {', '.join(_BAYESIAN)} only; {wrong[0]} is not one of them.")
    luck = random.Random(seed)  # noqa: S311 - reproducible sampling, no secret
    if kind == "sobol":
        points = sobol(len(known), luck if seed is not None else None)
    else:
        points = _bayesian(len(known), luck, loss_of) if kind == "bayesian" else _anywhere(len(known), luck)
    for point in points:
        try:
            yield {name: _VALUES[one](u, *arguments) for u, (name, (one, arguments)) in zip(point, known.items(), strict=True)}
        except (TypeError, ValueError, IndexError, ZeroDivisionError, OverflowError) as error:
            raise BadSpaceError(f"The search space cannot be sampled: {error}") from None


def _distribution(name: str, given: Any) -> tuple[str, list[Any]]:
    if not isinstance(given, list) or len(given) != 2 or str(given[0]).lower() not in _VALUES or not isinstance(given[1], list):
        raise BadSpaceError(f"The search space of {name} is not one of {', '.join(_VALUES)} with its arguments.")
    kind = str(given[0]).lower()
    if kind == "choice" and not (len(given[1]) == 1 and isinstance(given[1][0], list) and given[1][0]):
        raise BadSpaceError(f"The choice of {name} has no options.")
    return kind, given[1]


def _anywhere(dimensions: int, luck: random.Random) -> Iterator[Point]:
    while True:
        yield tuple(luck.random() for _ in range(dimensions))


def sobol(dimensions: int, luck: random.Random | None = None) -> Iterator[Point]:
    """Sobol's sequence from its second point on (the first is the corner); `luck` shifts it by a random digital shift.

    Raises:
        BadSpaceError: there are more dimensions than direction numbers.
    """
    if dimensions > MOST_SOBOL:
        raise BadSpaceError(f"Sobol sampling takes at most {MOST_SOBOL} parameters.")
    directions = [_directions(dimension) for dimension in range(dimensions)]
    shifts = [luck.getrandbits(_BITS) if luck else 0 for _ in range(dimensions)]
    state = [0] * dimensions
    for index in itertools.count():
        zero = (~index & (index + 1)).bit_length() - 1  # the lowest bit of the index that is 0, after Antonov and Saleev
        state = [one ^ numbers[zero % _BITS] for one, numbers in zip(state, directions, strict=True)]
        yield tuple((one ^ shift) / (1 << _BITS) for one, shift in zip(state, shifts, strict=True))


def _directions(dimension: int) -> list[int]:
    if dimension == 0:
        return [1 << (_BITS - 1 - bit) for bit in range(_BITS)]
    degree, coefficients, first = _SOBOL[dimension - 1]
    numbers = [value << (_BITS - 1 - bit) for bit, value in enumerate(first)]
    for bit in range(degree, _BITS):
        value = numbers[bit - degree] ^ (numbers[bit - degree] >> degree)
        for k in range(1, degree):
            if (coefficients >> (degree - 1 - k)) & 1:
                value ^= numbers[bit - k]
        numbers.append(value)
    return numbers


def _bayesian(dimensions: int, luck: random.Random, loss_of: Callable[[int], float | None]) -> Iterator[Point]:
    drawn: list[Point] = []
    while True:
        results = sorted((loss, point) for n, point in enumerate(drawn) if (loss := loss_of(n)) is not None)
        if len(results) < max(4, 2 * dimensions):
            point = tuple(luck.random() for _ in range(dimensions))
        else:
            best = max(2, len(results) // 4)
            point = _proposed([one for _, one in results[:best]], [one for _, one in results[best:]], luck)
        drawn.append(point)
        yield point


def _proposed(good: list[Point], bad: list[Point], luck: random.Random) -> Point:
    """Of some points near the good ones, that with the most good and the fewest bad ones around it."""
    near = [tuple(_inside(luck.gauss(u, _WIDTH)) for u in luck.choice(good)) for _ in range(_CANDIDATES)]
    return max(near, key=lambda point: _density(point, good) / _density(point, bad))


def _inside(u: float) -> float:
    """Reflected into [0, 1)."""
    u = abs(u) % 2
    return min(2 - u if u >= 1 else u, 1 - _EDGE)


def _density(point: Point, around: list[Point]) -> float:
    distances = (sum((a - b) ** 2 for a, b in zip(point, one, strict=True)) for one in around)
    return _FLOOR + sum(math.exp(-distance / (2 * _WIDTH**2)) for distance in distances) / max(1, len(around))
