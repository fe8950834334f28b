"""A recipe as data: typed parameters, and a graph of steps that each do one thing. Pure.

Not here: reading a recipe (recipe_fields), what it may contain (recipe_checks), a run of one (recipe_run).
"""

from __future__ import annotations

import graphlib
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from shared.durable import codec
from shared.text import patterns

if TYPE_CHECKING:
    from collections.abc import Mapping

TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}
# What an error is, beside its own code and its status: what `retry.on` may name.
CLASSES: dict[str, tuple[int, ...]] = {
    "Throttled": (429,),
    "Unavailable": (500, 502, 503),
    "Timeout": (408, 504),
    "Conflict": (409, 412),
    "NotFound": (404, 410),
}
_PLACE = re.compile(r"(?:\$\{\{.*?\}\}|[^?])*")  # an expression has question marks of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter.

    Attributes:
        type: A row of `TYPES`.
        default: The value if the caller gives none; None if the caller must give one.
        enum: The allowed values; () for any.
        pattern: A regular expression that the whole text must match.
    """

    name: str
    type: str = "string"
    description: str = ""
    default: Any = None
    enum: tuple[Any, ...] = ()
    pattern: str = ""

    def refusal(self, value: Any) -> str:
        """Return why a value is not allowed, '' if it is."""
        kinds = TYPES[self.type]
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            return f"expected {self.type}, not {type(value).__name__}"
        if self.enum and value not in self.enum:
            return f"'{str(value)[:60]}' is not one of {', '.join(map(str, self.enum))}"
        try:
            found = not self.pattern or patterns.matches(self.pattern, str(value))
        except ValueError as bad:
            return f"'{str(value)[:60]}' and {self.pattern}: {bad}"
        return "" if found else f"'{str(value)[:60]}' does not match {self.pattern}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step.

    Attributes:
        verb: `request`, `notify`, `wait`, `until` or `approve`; `remove` in a run that undoes another one.
        needs: The steps that must have ended before.
        method, path, headers, body: The request, of this app's API; of `until` a GET.
        notify: The type of the notification.
        when: Skip the step if this does not hold.
        expect: The condition that the answer must meet; for `until`, the condition to wait for.
        wait_s: How long `wait` waits; for `until`, the pause between two polls.
        for_s: The longest time that `until` and `approve` wait.
        by: Who may approve: names of keys or sign-ins, or roles.
        retry_times, retry_on: How often a failure is tried again, and which: codes, statuses, or names of `CLASSES`.
        made: For `remove`: what the other run created.
    """

    name: str
    verb: str = "request"
    needs: tuple[str, ...] = ()
    method: str = ""
    path: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    notify: str = ""
    when: str = ""
    expect: str = ""
    wait_s: float = 0.0
    for_s: float = 0.0
    by: tuple[str, ...] = ()
    retry_times: int = 0
    retry_on: tuple[str, ...] = ()
    made: Mapping[str, Any] = field(default_factory=dict)
    unknown: Mapping[str, Any] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """The path without its query."""
        found = _PLACE.match(self.path)
        return found[0] if found else ""

    @property
    def does(self) -> str:
        """What it does, in a line."""
        if self.verb in ("request", "until"):
            return f"{'until ' if self.verb == 'until' else ''}{self.method} {self.path}"
        if self.verb == "wait":
            return f"wait {self.wait_s:g} s"
        told = {"notify": self.notify, "approve": f"by {', '.join(self.by)}", "remove": str(self.made.get("id", ""))}
        return f"{self.verb} {told[self.verb]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A recipe.

    Attributes:
        name: The name under which it is stored, '' if it is only run.
        parameters: Name → what it takes.
        schedule: When the app starts it, as NCRONTAB in UTC; '' for never.
        steps: The steps, in the order in which they were written.
        goes_on: A failed step does not stop the others (for a run that undoes another one).
    """

    name: str = ""
    description: str = ""
    schedule: str = ""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    goes_on: bool = False

    def bare(self) -> Recipe:
        """Return it as an ended run keeps it: without its requests' content, which may hold secrets."""
        return replace(self, steps=tuple(replace(step, path=step.place, headers={}, body=None) for step in self.steps))

    def places(self, name: str) -> bool:
        """Return whether a parameter is part of a path: then it is a name, and not a secret."""
        wanted = re.compile(rf"\bparameters\.{re.escape(name)}\b(?!\s*[.\[])")
        return any(wanted.search(step.place) for step in self.steps)

    def step(self, name: str) -> Step:
        """Return a step."""
        return next(each for each in self.steps if each.name == name)

    @property
    def order(self) -> tuple[str, ...]:
        """The names of the steps, each after the steps that it needs.

        Raises:
            CycleError: a `ValueError`; there is no such order.
        """
        return tuple(graphlib.TopologicalSorter({step.name: step.needs for step in self.steps}).static_order())

    def before(self, name: str) -> frozenset[str]:
        """Return the steps that have ended when a step begins."""
        found: set[str] = set()
        pending = [name]
        while pending:
            needs = set(self.step(pending.pop()).needs) - found
            found |= needs
            pending.extend(needs)
        return frozenset(found)

    def to_json(self) -> dict[str, Any]:
        """Return what a run keeps, so that a change of the recipe does not change the run."""
        steps = [codec.written(step, defaults=False) | {"needs": list(step.needs)} for step in self.steps]
        return {"name": self.name, "steps": steps, "goesOn": self.goes_on}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Recipe:
        """Read back what `to_json` wrote."""
        steps = []
        for each in stored["steps"]:
            found = codec.members(Step, each)
            listed = {name: tuple(found[name]) for name in ("needs", "by", "retry_on") if name in found}
            steps.append(Step(**found | listed))
        return cls(name=stored["name"], steps=tuple(steps), goes_on=stored["goesOn"])
