"""Early termination of a sweep's trials: bandit, median stopping, truncation selection; pure, after Azure's documentation.

A trial's n-th interval is its n-th report of the primary metric. A policy is applied at every multiple of its evaluation
interval that is not before its delay. Not here: cancelling (`sweep.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KINDS = ("Bandit", "MedianStopping", "TruncationSelection")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One policy.

    Attributes:
        kind: one of `KINDS`.
        interval: evaluation interval, 1 or more reports.
        delay: no evaluation before so many reports.
        slack_factor, slack_amount: of a bandit; the factor counts when it is not 0.
        percentage: of the trials that a truncation ends at each interval.
        without_finished: a truncation does not compare with trials that have ended.
    """

    kind: str
    interval: int = 1
    delay: int = 0
    slack_factor: float = 0.0
    slack_amount: float = 0.0
    percentage: int = 0
    without_finished: bool = False


def due(policy: Policy, reports: int) -> bool:
    """Whether the policy is applied to a trial with its so-manieth report."""
    return reports >= max(1, policy.delay) and reports % policy.interval == 0


def ends(
    policy: Policy, run_id: str, reports: int, histories: Mapping[str, Sequence[float]], running: Sequence[str], *, maximize: bool
) -> bool:
    """Whether the policy ends a trial at an interval.

    Args:
        policy: the policy, which is due.
        run_id: the trial.
        reports: the interval.
        histories: what every trial reported so far, the trial's own at least so many values.
        running: the trials that have not ended.
        maximize: whether more is better.
    """
    sign = 1.0 if maximize else -1.0  # from here on more is better
    there = {
        name: [sign * value for value in values[:reports]]
        for name, values in histories.items()
        if len(values) >= reports or (values and name not in running)  # one that has ended stays at its last value
    }
    mine = max(there[run_id])
    if policy.kind == "Bandit":
        best = max(max(values) for values in there.values())
        return mine < best - _slack(policy, best, maximize=maximize)
    if policy.kind == "MedianStopping":
        return mine < median(sum(values) / len(values) for values in there.values())
    compared = {name: values[-1] for name, values in there.items() if not policy.without_finished or name in running}
    lowest = sorted(compared.values())[: len(compared) * policy.percentage // 100]
    return bool(lowest) and there[run_id][-1] <= lowest[-1]


def _slack(policy: Policy, best: float, *, maximize: bool) -> float:
    """How far from the best a trial may be: 0.8 / (1 + 0.2) is the least for the best of 0.8 and the factor of 0.2."""
    if not policy.slack_factor:
        return policy.slack_amount
    factor = policy.slack_factor
    return abs(best) * (factor / (1 + factor) if maximize else factor)
