"""What is recorded of one accepted request: a frozen Operation, changed only by `replace`.

Every stored shape has a version and one to_json/from_json pair, so that rows and messages in flight survive a deploy.
Not here: where it is stored (ledger), how it moves (flows).
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from shared.catalog import kinds, statuses
from shared.durable import codec, versions
from shared.rest import errors, long_running
from shared.telemetry import trace
from shared.text import times, words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.rest import ids

VERSION = 1
MOMENTS = ("created_at", "due_at", "look_at", "lost_since", "send_by", "expires_at", "sent_at", "sent_azure", "ended_at")
TIMELINE_LIMIT = 60
DETAIL_LIMIT = 300  # characters of what an entry of the time line says
SCORE = "score"

Phase = Literal["waiting", "accepted", "preparing", "registering", "sending", "following", "ended"]
Status = statuses.OfOperation
Outcome = Literal[Status, "Refused"]  # Refused: Failed at once, by a 4xx of Azure's
RECIPE_ORIGIN = "recipe:"  # before the id of a run of a recipe, where an operation says what it is a step of
EXPIRY_CALLER = "expiry:"  # before the id of an expiry, where an operation says who sent it


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One entry of an operation's time line; `detail` never holds a secret, a signed URL or a foreign body."""

    at: datetime
    what: str
    detail: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {"at": times.iso(self.at), "what": self.what, **({"detail": self.detail} if self.detail else {})}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One request on its way to Azure and to its end.

    Attributes:
        id: `{partition}-{suffix}`; the partition is derived from the target's lane, so the id alone finds the row.
        target: ARM id of the resource, canonical casing.
        plane: Which server has it (`arm`, `history`, `execution`, `modelmanagement`).
        path, query: What Azure is sent, below the plane's base URL.
        body: JSON to send; None when there is none or when it is `secret`.
        stands_on: Ids that the body names and that must be there as long as it is under way; the body is not kept so long.
        files: Multipart parts, name → blob that holds it.
        plan: What must be in Azure before it can be sent (plans), None when nothing must.
        secret: The body held a secret, was sent inline from memory, and is not kept.
        phase: `waiting` for its turn on the target, `accepted` (to be sent), `preparing` (its plan), `registering` (a
            resource provider), `sending` (claimed; whether it arrived is unknown until an answer is recorded), `following`,
            `ended`.
        step: Goes up with every step; a message that names an older step is stale.
        due_at: When the next step is overdue and `reconcile` may take it up.
        look_at: When Azure is to be asked next how it gets on; None where that is `due_at` without its grace.
        lost_since: When it was first found overdue after its last step, None when no step was lost.
        expires_at: When the expiry that was asked for with it is due; its record has the same id. None without one.
        send_by: Not sent by then, it is not sent any more: what was true when it was asked for need not be true later.
        sent_azure: Azure's clock when it was first sent, at the earliest: what is older was there before. None when not known.
        follow: Where to look next while following.
        result, error: How it ended; `http_status` is what the caller's request amounts to.
        registering: The provider namespace being registered.
        notify: Whom to notify when it has ended: callback URLs and targets of the settings.
        origin: Id of the firing of a rule, or `recipe:` and the id of the run, that it is a step of; '' for a caller's own.
        depth: How many rules led to it.
        trace: The caller's `traceparent` (W3C), or one that was made for it; each request to Azure carries it on.
        unknown: Stored members that this version does not know (durable.codec).
        calls: How many requests went to Azure, `{"write": n, "poll": n, "read": n, "upload": n}`; a write above 1 was sent again.
    """

    id: str
    target: str
    kind: str
    method: str
    plane: str
    path: str
    query: str
    created_at: datetime
    due_at: datetime
    action: str = ""
    body: Any = None
    stands_on: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)
    plan: Any = None
    secret: bool = False
    request_hash: str = ""
    caller: str = ""
    notify: tuple[str, ...] = ()
    origin: str = ""
    depth: int = 0
    trace: str = ""
    phase: Phase = "accepted"
    status: Status = "NotStarted"
    step: int = 0
    attempts: int = 0
    look_at: datetime | None = None
    lost_since: datetime | None = None
    send_by: datetime | None = None
    expires_at: datetime | None = None
    sent_at: datetime | None = None
    sent_azure: datetime | None = None
    ended_at: datetime | None = None
    percent: float | None = None
    follow: long_running.Follow | None = None
    resource: Any = None
    result: Any = None
    error: errors.AzureError | None = None
    http_status: int = 0
    registering: str = ""
    registered: tuple[str, ...] = ()
    calls: dict[str, int] = field(default_factory=dict)
    timeline: tuple[Event, ...] = ()
    unknown: Mapping[str, Any] = field(default_factory=dict)

    @property
    def partition(self) -> str:
        """Partition key of its row: the hash of its lane."""
        return self.id.partition("-")[0]

    @property
    def suffix(self) -> str:
        """Row key: random, or derived from the caller's Idempotency-Key."""
        return self.id.partition("-")[2]

    @property
    def trace_id(self) -> str:
        """What its requests, log lines and notifications are found by; '' for one that an older app recorded."""
        found = trace.parse(self.trace)
        return found.id if found else ""

    @property
    def scores(self) -> bool:
        """Return whether it is an asynchronous score: it changes nothing, and is in no lane."""
        return self.action == SCORE

    @property
    def acts_for(self) -> str:
        """Return the id of the expiry that sent it, '' for none."""
        return self.caller.removeprefix(EXPIRY_CALLER) if self.caller.startswith(EXPIRY_CALLER) else ""

    @property
    def expired(self) -> bool:
        """It was not sent by `send_by`, so not at all. An operation that Azure itself calls expired was followed."""
        return self.status == "Canceled" and self.follow is None and self.error is not None and self.error.code == "Expired"

    @property
    def unsent(self) -> bool:
        """It held a secret, which is not kept, and ended before Azure had it: its caller is to send it again."""
        return self.secret and self.ended and self.follow is None and (self.http_status == 503 or self.status == "Canceled")

    @property
    def ended(self) -> bool:
        """Return whether it will not change any more."""
        return self.phase == "ended"

    @property
    def outcome(self) -> Outcome:
        """Its status, with what Azure refused at once (a caller's mistake, mostly) apart from what failed later."""
        refused = 400 <= self.http_status < 500 and self.http_status != errors.OperationFailedError.http_status
        return "Refused" if self.status == "Failed" and refused else self.status

    @property
    def end_status(self) -> int:
        """What its end amounts to over HTTP."""
        if self.status == "Succeeded":
            return self.http_status or 200
        return self.http_status if self.http_status >= 400 else errors.OperationFailedError.http_status

    @property
    def expires(self) -> dict[str, str]:
        """The expiry that was asked for with it, as answers show it; {} without one."""
        if self.expires_at is None:
            return {}
        return {
            "at": times.iso(self.expires_at),
            "id": f"/expiries/{self.id}",
            "name": self.id,
            "operation": f"/operations/{self.id}",
        }

    def noted(self, at: datetime, what: str, detail: str = "") -> Operation:
        """Return it with one more entry in its time line."""
        entry = Event(at=at, what=what, detail=words.short(detail, DETAIL_LIMIT))
        return replace(self, timeline=(*self.timeline, entry)[-TIMELINE_LIMIT:])

    def counted(self, what: str) -> Operation:
        """Return it with one more request to Azure counted."""
        return replace(self, calls={**self.calls, what: self.calls.get(what, 0) + 1})

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON, without members that have their default value."""
        return {"version": VERSION} | {name: _plain(value) for name, value in codec.written(self, defaults=False).items()}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Operation:
        """Read back what `to_json` wrote.

        Raises:
            ValueError: the row was written by a newer version of the app.
        """
        versions.check(stored, VERSION, f"operation {stored['id']}")
        values = codec.members(cls, stored) | codec.moments(stored, MOMENTS)
        if "follow" in values:
            values["follow"] = codec.read(long_running.Follow, values["follow"])
        if "error" in values:
            values["error"] = errors.AzureError.from_json(values["error"])
        entries = values.get("timeline", ())
        values["timeline"] = tuple(
            Event(at=datetime.fromisoformat(e["at"]), what=e["what"], detail=e.get("detail", "")) for e in entries
        )
        for name in ("registered", "notify", "stands_on"):
            values[name] = tuple(values.get(name, ()))
        return cls(**values)

    def view(self) -> dict[str, Any]:
        """Return the operation as its resource reads to callers: ARM's own form, plus properties of ours."""
        out: dict[str, Any] = {"id": f"/operations/{self.id}", "name": self.id, "status": self.status}
        out["startTime"] = times.iso(self.created_at)
        if self.ended_at:
            out["endTime"] = times.iso(self.ended_at)
        out["percentComplete"] = 100.0 if self.status == "Succeeded" else self.percent or 0.0
        if self.error and self.ended:
            out["error"] = self.error.to_json()
        shown = {
            "target": self.target,
            "kind": self.kind,
            "request": f"{self.method} {self.path}",
            "phase": self.phase,
            "outcome": self.outcome,
            "azureStatus": self.follow.state if self.follow and not self.ended else "",  # what Azure said last is over then
            "caller": self.caller,
            "traceId": self.trace_id,
            "azureCalls": self.calls,
            "expires": self.expires,
            "resource": None if self.ended else self.resource,
            "result": self.result,
            "timeline": [entry.to_json() for entry in self.timeline],
        }
        out["properties"] = {name: value for name, value in shown.items() if value not in (None, "", {}, [])}
        return out


def partition_of(target: ids.ResourceId) -> str:
    """Return the partition of all operations in the lane of `target`: 80 bits of the hash of a lower-cased id."""
    return hashlib.sha256(kinds.lane_of(target).key.encode()).hexdigest()[:20]


def partitions_of(target: ids.ResourceId) -> tuple[str, ...]:
    """Return the partitions that may hold operations on `target`: its lane's, and its own, where releases before 0.2 kept them."""
    own = hashlib.sha256(target.key.encode()).hexdigest()[:20]
    return tuple(dict.fromkeys((partition_of(target), own)))


def scores_of(endpoint: ids.ResourceId) -> str:
    """Return the partition of the asynchronous scores of an endpoint: 80 bits of a hash, apart from what changes the endpoint."""
    return hashlib.sha256(f"{endpoint.key}/{SCORE}".encode()).hexdigest()[:20]


def new_suffix(idempotency_key: str, caller: str) -> str:
    """Return the second half of an operation id: derived from the caller's key when there is one, else random."""
    if idempotency_key:
        return hashlib.sha256(f"{caller}\n{idempotency_key}".encode()).hexdigest()[:20]
    return secrets.token_hex(10)


def key_hash(idempotency_key: str, caller: str) -> str:
    """Return what an Idempotency-Key is remembered by: keys of two callers never meet."""
    return hashlib.sha256(f"{caller}\n{idempotency_key}".encode()).hexdigest()[:40]


def hash_of(method: str, path: str, query: str, body: Any, files: dict[str, str]) -> str:
    """Return what identifies a request: the same key with another hash is a caller's mistake."""
    text = json.dumps([method, path.lower(), query, body, sorted(files.items())], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return times.iso(value)
        case long_running.Follow():
            return codec.written(value)
        case errors.AzureError() | Event():
            return value.to_json()
        case tuple():
            return [_plain(item) for item in value]
        case _:
            return value
