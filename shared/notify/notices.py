"""The content of notifications: a CloudEvent for the end of an operation or clean-up run, or for a step of a rule. Pure.

Each event has a stable `id`, which identifies repetitions, and a `sequence`, which gives the order. Not here: sending it
(notifications), the state of deliveries (deliveries).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.text import times

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from shared.operations.models import Operation

PREFIX = "azureml-steward"
BODY_LIMIT = 18 * 1024  # bytes; Standard Webhooks asks for less than 20 kB
MEMBER_LIMIT = 1_024  # bytes that a cut member of data keeps
KEPT_FIRST = ("stewardDepth", "rule", "operationId", "status", "target", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A CloudEvent without its source, which is the app.

    Attributes:
        about: The id of the operation or firing, or the name of the report; deliveries are found by it.
        type: For example `azureml-steward.operation.succeeded`, or a rule's own.
        subject: The resource.
        depth: The number of rules in its chain.
        trace: The `traceparent` of its cause, '' for none.
    """

    about: str
    type: str
    subject: str
    at: datetime
    data: Mapping[str, Any]
    depth: int = 0
    trace: str = ""

    @property
    def id(self) -> str:
        """The event's id: stable, so repetitions have the same id."""
        return hashlib.sha256(f"{self.about}\n{self.type}\n{self.subject}".encode()).hexdigest()[:40]

    def event(self, source: str) -> dict[str, Any]:
        """Return the CloudEvent (structured mode); `sequence` sorts as text by the time of its subject."""
        out = {"specversion": "1.0", "id": self.id, "source": source, "type": self.type, "subject": self.subject}
        out |= {"time": times.iso(self.at), "datacontenttype": "application/json"}
        sequence = f"{int(self.at.timestamp() * 1_000_000):017d}"
        depth = {"stewardDepth": self.depth} if self.depth else {}  # if it comes back as an event, rules know its origin
        traced = {"traceparent": self.trace} if self.trace else {}  # CloudEvents' Distributed Tracing extension
        return {**out, "sequence": sequence, **traced, "data": {**self.data, **depth}}


def of_operation(operation: Operation) -> Notice:
    """Return the notice of an operation's end: its outcome, and where to read the rest."""
    outcome = operation.status.lower()
    if operation.error and operation.error.code == "OutcomeUnknown":
        outcome = "outcomeUnknown"
    shown = operation.view()
    data: dict[str, Any] = {"operationId": operation.id, "status": operation.status, "target": operation.target}
    data |= {"kind": operation.kind, "request": f"{operation.method} {operation.path}", "startTime": shown["startTime"]}
    data |= {name: shown[name] for name in ("endTime", "error") if name in shown}
    data |= {"traceId": operation.trace_id} if operation.trace_id else {}
    at = operation.ended_at or operation.created_at
    return Notice(
        about=operation.id,
        type=f"{PREFIX}.operation.{outcome}",
        subject=operation.target,
        at=at,
        data=data,
        depth=operation.depth,
        trace=operation.trace,
    )


def fitting(event: dict[str, Any]) -> dict[str, Any]:
    """Return the event with its data cut to the size limit of webhooks."""
    if len(json.dumps(event)) <= BODY_LIMIT:
        return event
    room = BODY_LIMIT - len(json.dumps({**event, "data": {"truncated": True}}))
    short: dict[str, Any] = {}
    ours = [name for name in KEPT_FIRST if name in event["data"]]
    for name in (*ours, *(name for name in event["data"] if name not in ours)):
        size = len(json.dumps({name: event["data"][name]}))
        if size <= min(room, MEMBER_LIMIT):
            short[name] = event["data"][name]
            room -= size
    return {**event, "data": {**short, "truncated": True}}
