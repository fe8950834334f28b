"""When to look at an operation under way that names no time itself: when its kind usually ends, and ever more rarely then. Pure.

Not here: Azure's own `Retry-After`, which counts before this (long_running), where the usual times come from (operations.looks).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

GROWTH = 1.5
EARLY_GROWTH = 3.0  # while the usual end is far off
STRAIGHT_S = 45.0  # the longest pause up to a usual end: what ends at another time is seen by then
LEAST_S = 2.0
SPREAD = 0.07  # of a usual end: ends that lie closer together are one, and so far behind it is looked again
QUANTILES = (0.1, 0.3, 0.5, 0.7, 0.9)


def pause(ends: Sequence[float], elapsed_s: float, interval_s: float, most_s: float) -> tuple[float, float]:
    """Return the pause before the next look in seconds, and the interval that counts after it.

    Args:
        ends: When such an operation usually ends, in seconds from its beginning; empty where that is not known.
        elapsed_s: Since its beginning.
        interval_s: The pause where no usual end is near.
        most_s: What the interval grows to.
    """
    ahead_s = next((at - elapsed_s for at in ends if at - elapsed_s >= 1), None)
    if ahead_s is not None and ahead_s <= STRAIGHT_S:
        return math.ceil(ahead_s), max(LEAST_S, SPREAD * (elapsed_s + ahead_s))  # a queue's delays are whole seconds: not before
    return interval_s, min(interval_s * (GROWTH if ahead_s is None else EARLY_GROWTH), most_s)


def usual_ends(took_s: Iterable[float]) -> list[float]:
    """Return when operations usually end that took so long: quantiles; of those that lie close together the middle one."""
    found, groups = sorted(took_s), list[list[float]]()
    for share in QUANTILES if found else ():
        at = found[int(share * len(found))]
        if groups and at - groups[-1][0] <= max(LEAST_S, SPREAD * groups[-1][0]):
            groups[-1].append(at)
        else:
            groups.append([at])
    return [group[len(group) // 2] for group in groups]
