"""What goes wrong in a soak, and when: drawn from its seed, one after the other, with pauses in which the app recovers."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

    from tests.soak.ground import Ground

PAUSES_S = (5.0, 10.0, 20.0, 45.0, 90.0)
FAULTS: tuple[dict[str, Any], ...] = (
    {"action": "drop_before", "method": "PUT|PATCH|DELETE"},
    {"action": "drop_after", "method": "PUT|PATCH|DELETE"},
    {"action": "respond_after", "method": "PUT|DELETE", "status": 503},
    {"action": "respond", "method": "PUT|PATCH|DELETE|GET", "status": 429, "headers": {"Retry-After": "3"}},
    {"action": "respond", "method": "PUT|GET", "status": 503},
    {"action": "respond", "method": "GET", "status": 500},
    {"action": "drop_before", "method": "GET"},
    {"action": "delay", "method": "PUT", "delay_s": 15.0},
    {"action": "delay", "method": "GET", "delay_s": 5.0},
)
ARM = "management.azure.com.*(computes|onlineEndpoints|environments|workspaces/soak-)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbance:
    """Something that went wrong: what, from when until when, in seconds of the monotonic clock."""

    what: str
    began: float
    ended: float


@dataclass(kw_only=True)
class Chaos:
    """The draws of one soak.

    Attributes:
        done: What went wrong so far.
        actions: Id of a rule in the local Azure → what it does.
    """

    ground: Ground
    seed: int
    say: Callable[[str], None]
    done: list[Disturbance] = field(default_factory=list)
    actions: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._drawn = random.Random(self.seed)  # noqa: S311 - a schedule that can be repeated

    def run(self, over: Event) -> None:
        """Disturb until it is over; each sort comes once before any comes again."""
        bag: list[Callable[[], str]] = []
        while not over.wait(self._drawn.choice(PAUSES_S)):
            if not bag:
                bag = [self._worker, self._all_workers, self._host, self._stop_storage, self._freeze, self._faults, self._faults]
                self._drawn.shuffle(bag)
            began = time.monotonic()
            what = bag.pop()()
            self.done.append(Disturbance(what=what, began=began, ended=time.monotonic()))
            self.say(f"{what}, {self.done[-1].ended - began:.1f} s")

    def _worker(self) -> str:
        workers = self.ground.workers()
        self.ground.kill_workers([self._drawn.choice(workers)] if workers else [])
        return "a worker was killed"

    def _all_workers(self) -> str:
        self.ground.kill_workers(self.ground.workers())
        return "all workers were killed"

    def _host(self) -> str:
        self.ground.kill_host()
        return "the host was killed"

    def _stop_storage(self) -> str:
        self.ground.restart_storage()
        return "storage was ended and started"

    def _freeze(self) -> str:
        self.ground.freeze_storage(self._drawn.uniform(3, 25))
        return "storage was frozen"

    def _faults(self) -> str:
        rules = [
            {**self._drawn.choice(FAULTS), "match": ARM, "skip": self._drawn.randrange(4), "times": self._drawn.randint(1, 3)}
            for _ in range(3)
        ]
        ids = self.ground.control("PUT", "faults", rules)
        self.actions |= dict(zip(ids, (str(rule["action"]) for rule in rules), strict=True))
        return "faults of ARM: " + ", ".join(f"{rule['action']} {rule['method']}" for rule in rules)
