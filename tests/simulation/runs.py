"""Simulated runs, one or many, and what they came to."""

from __future__ import annotations

import functools
import logging
import math
import multiprocessing
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from tests.simulation import clean_ups, expiries, judge, load, rollouts, world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run: what it came to, and how."""

    seed: int
    verdict: judge.Verdict
    trace: list[str]


@dataclass(kw_only=True)
class Tally:
    """Many runs."""

    runs: int = 0
    operations: int = 0
    wrong: list[str] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)
    recoveries: list[float] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    late_s: list[float] = field(default_factory=list)
    next_seed: int | None = None

    @property
    def recovery_p95_s(self) -> float:
        """In 95 of 100 kills the work went on within so many seconds."""
        found = sorted(self.recoveries)
        return found[math.ceil(len(found) * 0.95) - 1] if found else 0.0

    @property
    def prompt(self) -> float:
        """The share of expiries that were carried out within two minutes of their time."""
        return sum(each <= expiries.PROMPT_S for each in self.late_s) / len(self.late_s)

    def lines(self) -> list[str]:
        """Return it for people."""
        storage = sum(count for name, count in self.counts.items() if not name.startswith(("azure", "token")))
        azure = sum(count for name, count in self.counts.items() if name.startswith("azure"))
        asked = max(1, self.operations)
        longest = max(self.recoveries, default=0.0)
        return [
            f"{self.runs} runs, {self.operations} pieces of work, {len(self.wrong)} wrong",
            *self.wrong,
            f"ends: {dict(self.ends.most_common())}",
            f"{len(self.recoveries)} recoveries: p95 {self.recovery_p95_s:.0f} s, longest {longest:.0f} s",
            *([f"{len(self.late_s)} expiries: {self.prompt:.2%} within two minutes"] if self.late_s else []),
            f"calls for each piece of work: storage {storage / asked:.1f}, Azure {azure / asked:.1f}",
            *([f"go on with --seeds {self.next_seed}-"] if self.next_seed is not None else []),
        ]


class Load(Protocol):
    """What is asked of the app in a run."""

    def over(self) -> bool:
        """Return whether all of it was answered."""

    def judge(self, *, quiet: bool) -> judge.Verdict:
        """Judge what came of it; quiet when nothing is left to do."""


@dataclass(frozen=True, kw_only=True)
class Sort:
    """A sort of work: what begins it, how often what goes wrong, and whether it is a clean-up's, which has an Azure of its own."""

    begin: Callable[[world.World, int], Load]
    rates: world.Rates = field(default_factory=world.Rates)
    cleans: bool = False


SORTS = {
    "operations": Sort(begin=load.Load),
    "rollouts": Sort(begin=rollouts.Rollouts),
    "clean-ups": Sort(begin=clean_ups.CleanUps, cleans=True),
    "expiries": Sort(begin=expiries.Expiries),
    "usual-expiries": Sort(begin=expiries.Expiries, rates=expiries.USUAL),
}


def run(seed: int, count: int, what: str = "operations") -> Run:
    """Run one seed, with so much of a sort of work."""
    sort = SORTS[what]
    with world.made(seed, sort.rates, cleans=sort.cleans) as made:
        asked = sort.begin(made, count)
        quiet = made.live(asked.over)
        verdict = asked.judge(quiet=quiet)
    return Run(seed=seed, verdict=verdict, trace=made.trace)


def many(
    seeds: Sequence[int],
    count: int,
    what: str = "operations",
    *,
    minutes: float = math.inf,
    processes: int = 1,
    say: Callable[[str], None] = lambda _line: None,
) -> Tally:
    """Run many seeds, in so many processes at a time; those that are wrong are named."""
    tally, end = Tally(), time.monotonic() + minutes * 60
    for seed, verdict in zip(seeds, _verdicts(seeds, count, what, processes), strict=False):
        for problem in verdict.wrong:
            tally.wrong.append(f"seed {seed} of {count} {what}: {problem}")
            say(tally.wrong[-1])
        tally.runs, tally.operations = tally.runs + 1, tally.operations + count
        tally.ends.update(verdict.ends)
        tally.counts.update(verdict.counts)
        tally.recoveries += verdict.recoveries
        tally.late_s += verdict.late_s
        if time.monotonic() >= end and seed != seeds[-1]:
            tally.next_seed = seed + 1
            break
    return tally


def _verdicts(seeds: Sequence[int], count: int, what: str, processes: int) -> Iterator[judge.Verdict]:
    """Yield the verdict on each seed, in their order."""
    judged = functools.partial(_verdict, count=count, what=what)
    if processes == 1:
        yield from map(judged, seeds)
        return
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=spawned, initializer=logging.disable, initargs=(logging.CRITICAL,)) as pool:
        try:
            yield from pool.map(judged, seeds)
        finally:
            pool.shutdown(cancel_futures=True)


def _verdict(seed: int, *, count: int, what: str) -> judge.Verdict:
    try:
        return run(seed, count, what).verdict
    except Exception as problem:  # noqa: BLE001 - named with its seed
        return judge.Verdict(wrong=[f"broken: {type(problem).__name__} {problem}"])
