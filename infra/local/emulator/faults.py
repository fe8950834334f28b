"""Faults on request: what to break, for which requests, how often.

A rule matches by method and by a regular expression on `host/path?query`; the first that matches and is not used up acts.
"""

from __future__ import annotations

import re
import threading
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

ACTIONS = ("respond", "drop_before", "drop_after", "respond_after", "delay", "fail_operation")


@dataclass(slots=True, kw_only=True)
class Fault:
    """One rule.

    Attributes:
        action: `respond` (this answer, the request is not processed), `respond_after` (processed, then this answer),
            `drop_before` / `drop_after` (connection closed without an answer, before or after it was processed),
            `delay` (processed after `delay_s`), `fail_operation` (accepted; the operation it starts ends with `error`).
        method: a regular expression, the whole method.
        match: a regular expression, searched in `host/path?query`.
        skip: let so many matching requests pass first.
        times: then act so often; None: always.
    """

    action: str
    method: str = ".*"
    match: str = ""
    skip: int = 0
    times: int | None = 1
    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    delay_s: float = 0.0
    error: dict[str, Any] = field(default_factory=dict)
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    used: int = 0

    @classmethod
    def from_json(cls, rule: Mapping[str, Any]) -> Fault:
        """A rule from the control route.

        Raises:
            ValueError: unknown fields or action, or a broken regular expression.
        """
        allowed = {"action", "method", "match", "skip", "times", "status", "headers", "body", "delay_s", "error"}
        if unknown := set(rule) - allowed:
            raise ValueError(f"a fault has no {', '.join(sorted(unknown))}; it has {', '.join(sorted(allowed))}")
        if rule.get("action") not in ACTIONS:
            raise ValueError(f"action is one of {', '.join(ACTIONS)}")
        try:
            re.compile(str(rule.get("method", ""))), re.compile(str(rule.get("match", "")))
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        return cls(**rule)

    def matches(self, method: str, where: str) -> bool:
        """Whether the rule speaks of a request: its method, its `host/path?query`."""
        return bool(re.fullmatch(self.method, method, re.IGNORECASE) and re.search(self.match, where, re.IGNORECASE))


class Faults:
    """The rules, in order. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        """Add a rule behind the others."""
        with self._lock:
            self._rules.append(fault)
        return fault

    def replace(self, faults: list[Fault]) -> None:
        """Only these rules from now on."""
        with self._lock:
            self._rules = list(faults)

    def take(self, method: str, where: str) -> Fault | None:
        """The rule that acts on a request to `host/path?query`, counted as used."""
        with self._lock:
            for fault in self._rules:
                if not fault.matches(method, where):
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                if fault.times is None or fault.used < fault.times:
                    fault.used += 1
                    return fault
        return None

    def all(self) -> list[Fault]:
        """The rules."""
        with self._lock:
            return list(self._rules)
