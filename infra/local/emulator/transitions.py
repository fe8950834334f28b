"""How fast the local Azure moves: at once, after so many polls, or in (scaled) real time; settable per kind.

The real durations are medians of recorded traffic. Kinds are the names below; `default` stands for every other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

# Seconds; what was not measured is an estimate of the same order as its neighbours.
REAL_DURATIONS_S: dict[str, float] = {
    "workspace": 60.0,
    "workspace.update": 31.0,
    "workspace.delete": 60.0,
    "workspace.diagnose": 30.0,
    "compute": 31.0,
    "compute.update": 31.0,
    "compute.delete": 60.0,
    "compute.start": 122.0,
    "compute.stop": 89.0,
    "compute.restart": 122.0,
    "onlineEndpoint": 30.0,
    "onlineDeployment": 320.0,
    "onlineDeployment.delete": 30.0,
    "batchEndpoint": 31.0,
    "batchEndpoint.delete": 48.0,
    "batchDeployment": 30.0,
    "job.cancel": 31.0,
    "job.delete": 10.0,
    "job.phase": 20.0,  # each of Preparing and Queued, before the process starts
    "schedule": 6.0,
    "registry": 27.0,
    "registryAsset": 20.0,
    "deployment": 0.0,  # it takes as long as its resources
    "managedNetwork": 61.0,
    "provider": 60.0,
    "resourceGroup": 30.0,
    "storageAccount": 20.0,
    "containerRegistry": 10.0,
    "default": 30.0,
}
_MODE = re.compile(r"(immediate|time)|polls:(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One rule: `immediate`, `polls` (done at the poll after `polls` running answers) or `time`."""

    mode: str
    polls: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `immediate`, `time` or `polls:N`.

        Raises:
            ValueError: for anything else.
        """
        match = _MODE.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"a transition is immediate, time or polls:N, not {text!r}")
        return cls(mode=match[1] or "polls", polls=int(match[2] or 0))

    def __str__(self) -> str:
        return f"polls:{self.polls}" if self.mode == "polls" else self.mode


class Transitions:
    """The rules by kind. A kind is looked up as written, then before its dot, then `default`.

    Args:
        default: the rule for every kind not named later.
        speed: time mode divides the real durations by it.
    """

    def __init__(self, default: str = "immediate", *, speed: float = 1.0) -> None:
        self._first = (Transition.parse(default), speed)
        self._rules: dict[str, Transition] = {}
        self.speed = speed
        self.reset()

    def reset(self) -> None:
        """Back to the rule and speed of the start, for every kind."""
        default, self.speed = self._first
        self._rules = {"default": default}

    def set(self, kind: str, rule: str) -> None:
        """Set one kind's rule, e.g. `("compute", "polls:3")`.

        Raises:
            ValueError: the rule cannot be read.
        """
        self._rules[kind] = Transition.parse(rule)

    def of(self, kind: str) -> Transition:
        """The rule for a kind."""
        for name in (kind, kind.partition(".")[0], "default"):
            if name in self._rules:
                return self._rules[name]
        raise AssertionError("there is always a default")

    def duration_s(self, kind: str) -> float:
        """How long this takes in time mode, in seconds of the world's clock."""
        for name in (kind, kind.partition(".")[0], "default"):
            if name in REAL_DURATIONS_S:
                return REAL_DURATIONS_S[name] / self.speed
        raise AssertionError("there is always a default")

    def phase_delay_s(self, kind: str) -> float:
        """How long a backend that works by itself dwells in a phase: nothing, except in time mode."""
        return self.duration_s(kind) if self.of(kind).mode == "time" else 0.0

    def as_json(self) -> dict[str, str | float]:
        """The rules and the speed, for the control route."""
        return {**{kind: str(rule) for kind, rule in self._rules.items()}, "speed": self.speed}
