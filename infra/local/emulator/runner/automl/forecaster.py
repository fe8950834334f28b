"""A forecaster that its model folder carries with it as code: the simple methods, or a regressor on the calendar.

`fit` and `predict` take rows of objects in the order of `columns`. Not here: lags and rolling windows of the target.
"""

from __future__ import annotations

import math
import pickle
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np  # type: ignore[import-not-found]  # lives in the prepared environment

SIMPLE = ("Naive", "SeasonalNaive", "Average", "SeasonalAverage", "ExponentialSmoothing")
_SMOOTHING = (0.5, 0.3, 0.8)
_TREND = 0.2


class Forecaster:
    """One method over one or more series.

    Args:
        algorithm: one of `SIMPLE`, or what `estimator` is.
        variant: which of the method's parameters.
        estimator: a regressor, None for the simple methods.
        columns: the names of the feature columns, in order.
        time: the column of the time.
        series: the columns that name a series.
        season: periods in a season.
    """

    def __init__(
        self, algorithm: str, variant: int, estimator: Any, columns: list[str], time: str, series: list[str], season: int
    ) -> None:
        self.algorithm, self.estimator, self.columns, self.season = algorithm, estimator, columns, max(1, season)
        self.smoothing = _SMOOTHING[variant % len(_SMOOTHING)]
        self.time, self.series = columns.index(time), [columns.index(name) for name in series]
        self.past: dict[tuple[str, ...], list[float]] = {}
        self.last: dict[tuple[str, ...], float] = {}
        self.period, self.origin = 1.0, 0.0

    def fit(self, rows: Any, target: Any) -> Forecaster:
        """Learn from rows and their values; the order of the rows does not matter."""
        when = [seconds(row[self.time]) for row in rows]
        self.origin = min(when)
        series: dict[tuple[str, ...], list[tuple[float, float]]] = {}
        for row, at, value in zip(rows, when, target, strict=True):
            series.setdefault(self._key(row), []).append((at, float(value)))
        gaps = [
            later - earlier
            for points in series.values()
            for (earlier, _), (later, _) in zip(sorted(points), sorted(points)[1:], strict=False)
            if later > earlier
        ]
        self.period = float(np.median(gaps)) if gaps else 86400.0
        for key, points in series.items():
            self.past[key], self.last[key] = [value for _, value in sorted(points)], max(at for at, _ in points)
        if self.estimator is not None:
            self.estimator.fit(self._calendar(rows), np.asarray(target, dtype=float))
        return self

    def predict(self, rows: Any) -> Any:
        """One value for each row."""
        rows = np.asarray(rows, dtype=object)
        if self.estimator is not None:
            return self.estimator.predict(self._calendar(rows))
        return np.array([self._ahead(row) for row in rows])

    def _key(self, row: Any) -> tuple[str, ...]:
        return tuple(str(row[at]) for at in self.series)

    def _ahead(self, row: Any) -> float:
        key = self._key(row)
        past = self.past.get(key) or [value for values in self.past.values() for value in values]
        step = max(1, round((seconds(row[self.time]) - self.last.get(key, self.origin)) / self.period))
        season = min(self.season, len(past))
        same = past[len(past) - season + (step - 1) % season :: -season]  # this place of the season, newest first
        if self.algorithm == "Naive":
            return past[-1]
        if self.algorithm == "SeasonalNaive":
            return same[0]
        if self.algorithm == "SeasonalAverage":
            return sum(same) / len(same)
        return self._smoothed(past, step) if self.algorithm == "ExponentialSmoothing" else sum(past) / len(past)

    def _smoothed(self, past: list[float], step: int) -> float:
        """Holt's linear method: a level and a trend."""
        level, trend = past[0], 0.0
        for value in past[1:]:
            before, level = level, self.smoothing * value + (1 - self.smoothing) * (level + trend)
            trend = _TREND * (level - before) + (1 - _TREND) * trend
        return level + step * trend

    def _calendar(self, rows: Any) -> Any:
        """Time since the first row, the calendar, the place in the season, the series, and other numeric columns."""
        known = sorted(self.past) if self.series else []
        others = [at for at in range(len(self.columns)) if at != self.time and at not in self.series]
        return np.array([self._features(row, known, others) for row in rows], dtype=float)

    def _features(self, row: Any, known: list[tuple[str, ...]], others: list[int]) -> list[float]:
        at = seconds(row[self.time])
        day = datetime.fromtimestamp(at, UTC)
        turn = 2 * math.pi * ((at - self.origin) / self.period % self.season) / self.season
        return [
            (at - self.origin) / self.period,
            float(day.month),
            float(day.day),
            float(day.weekday()),
            float(day.hour),
            math.sin(turn),
            math.cos(turn),
            *(float(self._key(row) == key) for key in known),
            *(number(row[other]) for other in others),
        ]


def seconds(value: Any) -> float:
    """A time as seconds since 1970: ISO 8601 text, or epoch milliseconds as pandas writes them into JSON.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, int | float):
        return float(value) / 1000
    moment = datetime.fromisoformat(str(value).strip())
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def number(value: Any) -> float:
    """A number, 0 for anything else."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return 0.0
    return found if math.isfinite(found) else 0.0


def _load_pyfunc(path: str) -> Any:
    """MLflow's way to load a model whose folder names this module as its `loader_module`."""
    with Path(path).open("rb") as file:
        return pickle.load(file)  # noqa: S301 - the model that the user deploys
