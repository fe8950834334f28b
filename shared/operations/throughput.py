"""How many operations were accepted over time, and how they ended: numbers for charts and for health. Pure.

Not here: which operations there are (listing).
"""

from __future__ import annotations

import math
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared.text import times

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from shared.operations.listing import Brief

DAY = timedelta(days=1)
LONGEST = timedelta(days=92)
PARTS = 60  # of a chart, at most
STEPS = tuple(timedelta(minutes=each) for each in (1, 5, 15, 30, 60, 180, 360, 720, 1440, 2880))
NAMED = 8  # callers, kinds and codes that are named
LOST = ("Failed", "Refused", "Canceled")  # whose codes say why
UNKNOWN = "unknown"  # of rows that an older version wrote and nothing has changed since


def counted(found: Iterable[Brief], since: datetime, until: datetime) -> dict[str, Any]:
    """Return the numbers of a time: as a whole, by part, and by code, caller and kind."""
    step = next((each for each in STEPS if (until - since) / each <= PARTS), STEPS[-1])
    parts = [Counter[str]() for _ in range(math.ceil((until - since) / step))]
    codes, callers, kinds = Counter[str](), Counter[str](), Counter[str]()
    for each in found:
        outcome = str(each.columns.get("outcome") or each.columns.get("status") or UNKNOWN)
        parts[min(int((each.at - since) / step), len(parts) - 1)][outcome] += 1
        callers[str(each.columns.get("caller") or UNKNOWN)] += 1
        kinds[str(each.columns.get("kind") or UNKNOWN)] += 1
        if outcome in LOST:
            codes[str(each.columns.get("code") or UNKNOWN)] += 1
    return {
        "since": times.iso(since),
        "until": times.iso(until),
        "stepS": int(step.total_seconds()),
        "outcomes": dict(sum(parts, Counter())),
        "value": [{"at": times.iso(since + step * number), "outcomes": dict(part)} for number, part in enumerate(parts)],
        "codes": _most(codes),
        "callers": _most(callers),
        "kinds": _most(kinds),
    }


def _most(counts: Counter[str]) -> list[dict[str, Any]]:
    ranked = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    return [{"name": name, "count": count} for name, count in ranked[:NAMED]]
