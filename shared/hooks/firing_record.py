"""The record of a firing: the rule, its requests and their answers. Pure.

Not here: the steps (firings), which rules fire (matching).
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
        id: 160 bits of a hash of the rule's name and of its `oncePer` value.
        rule: The rule as it was when it fired.
        document: The input of expressions: the event, and the resource if the rule reads it.
        depth: 1 for an external event; for an event that a firing caused, that firing's depth + 1.
        position: The index of the next step.
        answers: Step name → `{"status", "body"}` so far.
        operation, approval: What the current step waits for, '' if it has not started.
        due_at: The time at which its next step is overdue.
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
        """Return whether the firing has ended."""
        return self.status != "Running"

    @property
    def event_key(self) -> str:
        """The key of the event that it fired for (events.Event.key); '' in records of older versions."""
        event = self.document.get("event")
        found = event if isinstance(event, dict) else {}
        return events.key_of(str(found.get("source", "")), str(found["id"])) if found.get("id") else ""

    @property
    def trace(self) -> trace.Trace:
        """The trace of all its requests, repeated ones included: the event's, or a new one."""
        event = self.document.get("event")
        named = event.get(trace.HEADER) if isinstance(event, dict) else None
        return (trace.parse(named) if isinstance(named, str) else None) or trace.derived(f"firing {self.id}")

    @property
    def step(self) -> Step:
        """The next step."""
        return self.rule.steps[self.position]

    @property
    def taken(self) -> Taken:
        """The state of the next step."""
        return Taken(state="Running", attempts=self.attempts, operation=self.operation, approval=self.approval)

    def having(self, taken: Taken) -> Firing:
        """Return the firing with its current step changed, and moved to the next step if this one ended without failure."""
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
        """Return the ended firing, without the event's data and the steps' answers, which may hold secrets."""
        answers = {name: {key: value for key, value in taken.items() if key != "body"} for name, taken in self.answers.items()}
        document = {"event": _shown(self.document.get("event"))}
        return replace(self, status=status, ended_at=now, error=error, document=document, answers=answers)

    def seen(self) -> dict[str, Any]:
        """Return the input of a step's expressions."""
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
        """Return the JSON that callers see, without the resource, which may be large."""
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
    """Return an event without its data, which is private to its sender."""
    return {name: value for name, value in event.items() if name != "data"} if isinstance(event, dict) else {}
