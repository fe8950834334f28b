"""Runs the trials of a sweep or of AutoML: so many at once, as long as time allows, and says which was the best.

Not here: what a trial is (`sweep.py`, `automl_job.py`), whether one ends early (`policies.py`).
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from infra.local.emulator.runner.stage import Stage
    from infra.local.emulator.runs import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Trials one after the other.

    Attributes:
        wanted: what each trial is made of, in order; asked for only when there is room for one more.
        start: starts a trial from it: the run id.
        concurrent: how many at once.
        timeout_s: of all together; None: no limit.
        look: called with the running trials each time they are looked at.
        ended: called with each that has ended.
        enough: whether no more are to be started.
    """

    wanted: Iterator[Any]
    start: Callable[[Any], str]
    concurrent: int
    timeout_s: float | None = None
    look: Callable[[list[str]], None] = field(default=lambda _running: None)
    ended: Callable[[str], None] = field(default=lambda _run_id: None)
    enough: Callable[[], bool] = field(default=lambda: False)


def run(series: Series, stage: Stage) -> bool:
    """Run them; False when time was up before all had ended (those that still run are left running).

    Raises:
        outcomes.JobEndedError: the job is to be cancelled.
    """
    began = time.monotonic()
    running: list[str] = []
    exhausted = False
    while running or not exhausted:
        while not exhausted and len(running) < series.concurrent:
            asked = None if series.enough() else next(series.wanted, None)
            exhausted = asked is None
            if asked is not None:
                running.append(series.start(asked))
        series.look(running)
        for run_id in [run_id for run_id in running if stage.ended(run_id)]:
            running.remove(run_id)
            series.ended(run_id)
        if running:
            stage.pause()
        if series.timeout_s is not None and time.monotonic() - began > series.timeout_s:
            return not running and exhausted
    return True


def values(run: Run | None, metric: str) -> list[float]:
    """The numbers that a trial logged for a metric, in order."""
    found = [logged.value for logged in run.metrics if logged.name == metric] if run else []
    return [float(value) for value in found if isinstance(value, int | float) and not math.isnan(value)]


def score(run: Run | None, metric: str) -> float | None:
    """The last of them."""
    found = values(run, metric)
    return found[-1] if found else None


def best(stage: Stage, run_ids: list[str], metric: str, *, maximize: bool) -> tuple[str, float] | None:
    """The trial with the best last value, and that value; None when none logged the metric."""
    scored = [(value, run_id) for run_id in run_ids if (value := score(stage.child(run_id), metric)) is not None]
    if not scored:
        return None
    value, run_id = (max if maximize else min)(scored, key=lambda pair: pair[0])
    return run_id, value
