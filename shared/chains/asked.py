"""What a step of a chain asks of this app's API, what that answers, and what is known of the step. Pure.

Not here: taking a step (asking), which steps a chain has (hooks.rules, recipes.recipe).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from shared.durable import codec
from shared.text import times

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

NOTIFY = "NOTIFY"  # the method of a call that notifies others instead of asking the API

State = Literal["Waiting", "Running", "Succeeded", "Failed", "Skipped", "Canceled", "NotTaken"]
OVER = ("Succeeded", "Failed", "Skipped", "Canceled", "NotTaken")
DATES = ("at", "began_at", "ended_at", "until")


class Asking(Protocol):
    """A step that asks the API for something, or notifies others: of a rule, or of a recipe."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def method(self) -> str: ...  # noqa: D102
    @property
    def path(self) -> str: ...  # noqa: D102
    @property
    def headers(self) -> Mapping[str, str]: ...  # noqa: D102
    @property
    def body(self) -> Any: ...  # noqa: D102
    @property
    def notify(self) -> str: ...  # noqa: D102
    @property
    def when(self) -> str: ...  # noqa: D102
    @property
    def expect(self) -> str: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request of this app's API, as a step makes it.

    Attributes:
        path: Below `/api/`, percent-encoded, with its query.
        key: The Idempotency-Key.
        firing, depth: Where it comes from, and how many rules led to it: recorded with the operation it becomes.
        author: Whose rule it is, and what that one may do.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any
    key: str
    caller: str
    firing: str
    depth: int
    author: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the API answered.

    Attributes:
        body: JSON; `expect` reads it.
        operation: The id of the one that has not ended yet.
        approval: The id of the approval that the request waits for: nothing was done yet.
        private: The body may hold keys or tokens: it is read, and recorded nowhere.
        foreign: A model wrote it; later steps may read it, and it never becomes the step's error.
        skipped: Why nothing was done, '' where something was.
    """

    status: int
    body: Any = None
    operation: str = ""
    approval: str = ""
    private: bool = False
    foreign: bool = False
    skipped: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What is known of a step of a run.

    Attributes:
        tries: How often it was begun again (`retry`).
        attempts: How often in a row the request could not be taken now.
        operation: What it became.
        approval: The id of the approval that its request waits for.
        at: When to take it next.
        until: When it has waited long enough.
        status, body: Its answer.
        fresh: Whether what it makes was not there before; None where that was not looked at.
        made: What it made: `id`, and when Azure says that it was created.
        by: Who approved it.
        reason: Why it was left out, or what a failure is.
        error: Why it failed.
    """

    state: State = "Waiting"
    tries: int = 0
    attempts: int = 0
    operation: str = ""
    approval: str = ""
    at: datetime | None = None
    began_at: datetime | None = None
    ended_at: datetime | None = None
    until: datetime | None = None
    status: int = 0
    body: Any = None
    fresh: bool | None = None
    made: Mapping[str, str] = field(default_factory=dict)
    by: str = ""
    reason: str = ""
    error: Mapping[str, Any] | None = None
    unknown: Mapping[str, Any] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """It will not change any more."""
        return self.state in OVER

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON without what is as it always begins."""
        out = codec.written(self, defaults=False)
        return out | {name: times.iso(out[name]) for name in DATES if name in out}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Taken:
        """Read back what `to_json` wrote."""
        return cls(**codec.members(cls, stored) | codec.moments(stored, DATES))


def shown(taken: Taken) -> dict[str, Any]:
    """Return what later steps' expressions find of a step that is over."""
    if taken.state == "Skipped":
        return {"skipped": True}
    return {"status": taken.status, "result": taken.body, "body": taken.body, "operation": taken.operation}
