"""What is recorded of a rule that fired, the requests it makes and their answers. Pure.

Not here: taking its steps (firings), which rules fire (intake).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared.chains.asked import Taken
from shared.durable import codec, versions
from shared.hooks import events
from shared.hooks.rules import Rule
from shared.rest import errors
from shared.telemetry import trace
from shared.text import times

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.catalog.statuses import OfFiring as Status
    from shared.hooks.rules import Step

VERSION = 1
MEMBERS = frozenset({"version", "id", "rule", "document", "depth", "createdAt", "dueAt", "status", "position", "attempts"}) | {
    "operation", "approval", "answers", "endedAt", "error"
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """One firing of a rule.

    Attributes:
        id: 160 bits of the rule's name and of what it fires once for.
        rule: As it was when it fired.
        document: What expressions are read over: the event, and the resource when the rule reads it.
        depth: 1 for an event of the world, one more for an event that a firing of that depth caused.
        position: Which step is next.
        answers: Step name → `{"status", "body"}` so far.
        operation, approval: What the current step waits for, '' when it is still to be taken.
        due_at: When its next step is overdue.
        error: Why it failed, or was refused.
    """

    id: str
    rule: Rule
    document: Mapping[str, Any]
    depth: int
    created_at: datetime
    due_at: datetime
    status: Status = "Running"
    position: int = 0
    attempts: int = 0
    operation: str = ""
    approval: str = ""
    answers: Mapping[str, Any] = field(default_factory=dict)
    ended_at: datetime | None = None
    error: errors.AzureError | None = None
    unknown: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Return whether it will not change any more."""
        return self.status != "Running"

    @property
    def event_key(self) -> str:
        """The key of the event that it fired for (events.Event.key); '' where an older app did not keep one."""
        event = self.document.get("event")
        found = event if isinstance(event, dict) else {}
        return events.key_of(str(found.get("source", "")), str(found["id"])) if found.get("id") else ""

    @property
    def trace(self) -> trace.Trace:
        """What each of its requests is part of, also one that is sent again: its event's trace, or one of its own."""
        event = self.document.get("event")
        named = event.get(trace.HEADER) if isinstance(event, dict) else None
        return (trace.parse(named) if isinstance(named, str) else None) or trace.derived(f"firing {self.id}")

    @property
    def step(self) -> Step:
        """The step to take next."""
        return self.rule.steps[self.position]

    @property
    def taken(self) -> Taken:
        """What is known of the step to take next."""
        return Taken(state="Running", attempts=self.attempts, operation=self.operation, approval=self.approval)

    def having(self, taken: Taken) -> Firing:
        """Return it with its step changed; at the next step, where this one is over and did not fail."""
        if not taken.over:
            return replace(self, attempts=taken.attempts, operation=taken.operation, approval=taken.approval, error=None)
        found: dict[str, Any] = {"status": taken.status, "body": taken.body}
        found |= {"operation": taken.operation} if taken.operation else {}
        if taken.state == "Skipped":
            found = {"skipped": True, "reason": taken.reason}
        answers = {**self.answers, self.step.name: found} if taken.status or taken.state == "Skipped" else self.answers
        moved = replace(self, answers=answers, attempts=0, operation="", approval="")
        return moved if taken.state == "Failed" else replace(moved, position=self.position + 1)

    def over(self, status: Status, now: datetime, error: errors.AzureError | None = None) -> Firing:
        """Return it ended: what the event brought and what steps were answered may hold secrets, and is needed no longer."""
        answers = {name: {key: value for key, value in taken.items() if key != "body"} for name, taken in self.answers.items()}
        document = {"event": _shown(self.document.get("event"))}
        return replace(self, status=status, ended_at=now, error=error, document=document, answers=answers)

    def seen(self) -> dict[str, Any]:
        """Return what a step's expressions see."""
        return {**self.document, "steps": dict(self.answers)}

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {
            **self.unknown,
            "version": VERSION,
            "id": self.id,
            "rule": self.rule.to_json(),
            "document": dict(self.document),
            "depth": self.depth,
            "createdAt": times.iso(self.created_at),
            "dueAt": times.iso(self.due_at),
            "status": self.status,
            "position": self.position,
            "attempts": self.attempts,
            "operation": self.operation,
            **({"approval": self.approval} if self.approval else {}),
            "answers": dict(self.answers),
            "endedAt": times.iso(self.ended_at) if self.ended_at else None,
            "error": self.error.to_json() if self.error else None,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Firing:
        """Read back what `to_json` wrote.

        Raises:
            ValueError: it was written by a newer version of the app.
        """
        versions.check(stored, VERSION, f"firing {stored['id']}")
        return cls(
            id=stored["id"],
            rule=Rule.from_json(stored["rule"]),
            document=stored["document"],
            depth=stored["depth"],
            created_at=datetime.fromisoformat(stored["createdAt"]),
            due_at=datetime.fromisoformat(stored["dueAt"]),
            status=stored["status"],
            position=stored["position"],
            attempts=stored["attempts"],
            operation=stored["operation"],
            approval=stored.get("approval", ""),
            answers=stored["answers"],
            ended_at=datetime.fromisoformat(stored["endedAt"]) if stored["endedAt"] else None,
            error=errors.AzureError.from_json(stored["error"]) if stored["error"] else None,
            unknown=codec.rest(stored, MEMBERS),
        )

    def view(self) -> dict[str, Any]:
        """Return it as callers read it: without the resource, which may be large."""
        out: dict[str, Any] = {"id": f"/events/firings/{self.id}", "name": self.id, "rule": self.rule.name, "status": self.status}
        out |= {
            "startTime": times.iso(self.created_at),
            "depth": self.depth,
            "traceId": self.trace.id,
            "event": _shown(self.document.get("event")),
        }
        if self.ended_at:
            out["endTime"] = times.iso(self.ended_at)
        steps = []
        for position, step in enumerate(self.rule.steps):
            taken = dict(self.answers.get(step.name) or {})
            taken.pop("body", None)
            named = {"operation": self.operation, "approval": self.approval} if position == self.position and not self.ended else {}
            waits = {name: value for name, value in named.items() if value}
            does = f"notify {step.notify}" if step.notify else f"{step.method} {step.path}"
            steps.append({"name": step.name, "does": does, **taken, **waits})
        out["steps"] = steps
        if self.error:
            out["error"] = self.error.to_json()
        return out


def _shown(event: Any) -> dict[str, Any]:
    """Return an event without its data, which is its sender's own."""
    return {name: value for name, value in event.items() if name != "data"} if isinstance(event, dict) else {}
