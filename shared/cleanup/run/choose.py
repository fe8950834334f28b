"""What a run carries out of all that may be done: within each policy's limits, one act for a resource, the oldest. Pure.

The limits are applied before the first act: a count and a share of what exists of the kind, for acts and for new marks each.
Taking marks off is not limited. Not here: carrying it out (conduct).
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from shared.cleanup.policy.model import Limits, Policy
    from shared.cleanup.run.report_lines import Line

LAST = datetime.max.replace(tzinfo=UTC)
MOST = 5_000  # acts of one run, whatever the limits say


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What is to be done, in order, how many lines want what another policy has, and what the run has to say about the rest."""

    chosen: tuple[Line, ...]
    doubled: int
    notes: tuple[str, ...]


def allowed(limits: Limits, existing: int) -> int:
    """Return how many acts the limits leave when so many resources of the kind exist."""
    share = math.floor(existing * limits.percent / 100) if limits.percent is not None else limits.count
    return max(0, min(limits.count, share, MOST))


def within_limits(todo: Iterable[Line], policies: Sequence[Policy], existing: Mapping[str, int]) -> Choice:
    """Choose what a run does.

    Args:
        todo: Every line that something may be done about, in any order; read once and not kept.
        policies: Those of the run, in order: the first of several that want the same resource has it.
        existing: Policy → how many resources of its kind were looked at.
    """
    order = {policy.name: position for position, policy in enumerate(policies)}
    room = {policy.name: allowed(policy.limits, existing.get(policy.name, 0)) for policy in policies}
    heaps: dict[tuple[str, str], list[_Item]] = {}
    counts: dict[tuple[str, str], int] = {}
    for line in todo:
        group = (line.policy, line.step)
        counts[group] = counts.get(group, 0) + 1
        heap, most = heaps.setdefault(group, []), MOST if line.step == "lift" else room[line.policy]
        item = _Item(line)
        if len(heap) < most:
            heapq.heappush(heap, item)
        elif heap and heap[0] < item:
            heapq.heapreplace(heap, item)
    found = sorted((item.line for heap in heaps.values() for item in heap), key=lambda line: _rank(line, order))
    modes = {policy.name: policy.mode for policy in policies}
    taken: set[tuple[str, str]] = set()
    chosen = []
    for line in found:
        resource = (modes[line.policy], line.id.lower())  # what only reports takes nothing from what acts
        if resource not in taken:
            taken.add(resource)
            chosen.append(line)
    notes = [
        _note(policy, step, counts[policy.name, step], room[policy.name], existing)
        for policy in policies
        for step in ("act", "mark")
        if counts.get((policy.name, step), 0) > room[policy.name]
    ]
    return Choice(chosen=tuple(chosen), doubled=len(found) - len(chosen), notes=tuple(notes))


@dataclass(frozen=True, slots=True)
class _Item:
    """A line on a heap whose first is the youngest: the one that gives way."""

    line: Line

    def __lt__(self, other: _Item) -> bool:
        return _age(other.line) < _age(self.line)


def _age(line: Line) -> tuple[datetime, str]:
    return line.since or LAST, line.id.lower()


def _rank(line: Line, order: Mapping[str, int]) -> tuple[int, int, str, datetime, str]:
    """Put lifting first and marking last, and one workspace after the other: its references are read for all of its acts."""
    steps = {"lift": 0, "act": 1, "mark": 2}
    workspace = "/".join(line.id.lower().split("/")[:9])
    return (steps[line.step], order[line.policy], workspace, *_age(line))


def _note(policy: Policy, step: str, wanted: int, room: int, existing: Mapping[str, int]) -> str:
    share = "" if policy.limits.percent is None else f" and {policy.limits.percent:g} % of {existing.get(policy.name, 0)}"
    verb = "mark" if step == "mark" else policy.action
    return (
        f"{policy.name}: {wanted} to {verb}, and its limits ({policy.limits.count}{share}) allow {room}: "
        f"the run stops there and leaves {wanted - room}."
    )
