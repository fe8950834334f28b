"""Rules as data: the events that a rule reacts to, and its requests.

A rule is `on` (types, subjects, sources), `if` (a condition over the event and, when asked, the resource it names), `do` (a
chain of requests of this app's own API, and notifications), `oncePer`, `rate`, `debounce`. Pure. Not here: expressions
(chains.expressions), reading the YAML (rule_fields), carrying a rule out (firings).
"""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared.durable import codec, versions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from shared.hooks.events import Event

VERSION = 1
CODE = "InvalidRules"
DEFAULT_RATE = 60  # firings per hour of a rule without a rate; it also stops loops that cannot be recognised from the events


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One request, or one notification, of a rule's chain.

    Attributes:
        name: The name of its answer in later steps: `steps.NAME.status`, `.body`.
        method, path: A request of this API; the path and query may hold `${{ … }}`, each of which fills one segment or value.
        headers: Headers that the API allows in a rule.
        body: JSON with `${{ … }}`; for a notification its data.
        notify: The type of the notification, '' when this is a request.
        when: Skip the step if this is false.
        expect: End the chain as failed if this is false for the answer.
    """

    name: str
    method: str = ""
    path: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    notify: str = ""
    when: str = ""
    expect: str = ""
    unknown: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule.

    Attributes:
        types, subjects, sources: Globs in lower case; an event must match at least one of each.
        read: Whether the resource that the event names is read first, as `resource`.
        condition: JMESPath; '' for none.
        once_per: A string with `${{ … }}`: the rule fires once for each value; '' is once per event.
        rate, per: The maximum number of firings in this time; further ones wait.
        debounce: Wait until no event with the same `once_per` has arrived for this time, then fire for the newest.
        steps: The steps, in order.
        source: The file that holds it.
        author: Its author and the author's grants (authors); {} if the file names none.
    """

    name: str
    types: tuple[str, ...]
    subjects: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    read: bool = False
    condition: str = ""
    once_per: str = ""
    rate: int = DEFAULT_RATE
    per: timedelta = timedelta(hours=1)
    debounce: timedelta = timedelta(0)
    steps: tuple[Step, ...] = ()
    description: str = ""
    enabled: bool = True
    source: str = ""
    author: Mapping[str, Any] = field(default_factory=dict)
    unknown: Mapping[str, Any] = field(default_factory=dict)

    def wants(self, event: Event) -> bool:
        """Return whether the rule reacts to an event's type, subject and source."""
        return (
            self.enabled
            and _any(self.types, event.type)
            and (not self.subjects or _any(self.subjects, event.subject))
            and (not self.sources or _any(self.sources, event.source))
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON, which a firing keeps, so that a change of the file does not affect it."""
        out = codec.written(self) | {"steps": [codec.written(step) for step in self.steps]}
        return {**out, "version": VERSION, "per": self.per.total_seconds(), "debounce": self.debounce.total_seconds()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Rule:
        """Read back what `to_json` wrote.

        Raises:
            ValueError: it was written by a newer version of the app.
        """
        versions.check(stored, VERSION, f"rule {stored['name']}")
        values = codec.members(cls, stored)
        values["steps"] = tuple(codec.read(Step, step) for step in values["steps"])
        for name in ("types", "subjects", "sources"):
            values[name] = tuple(values[name])
        for name in ("per", "debounce"):
            values[name] = timedelta(seconds=values[name])
        return cls(**values)


def merged(files: Iterable[tuple[Rule, ...]]) -> tuple[Rule, ...]:
    """Return the rules of several files; of two with one name the later file's counts."""
    return tuple({rule.name: rule for rules in files for rule in rules}.values())


def _any(globs: tuple[str, ...], text: str) -> bool:
    low = text.lower()
    return low in globs or any(fnmatch.fnmatchcase(low, glob) for glob in globs)
