"""Telling others: a CloudEvent for each end of an operation, clean-up run or rule's step, to each receiver, at least once.

Delivered from a queue message, again with growing delays for three days, never with a promise of order: each event has a
stable `id` for telling a repetition, and a `sequence` for telling what was first. Each delivery is a row that says how its
attempts went. Webhooks are signed after the Standard Webhooks scheme (standardwebhooks.com). Not here: whom, and how the
bytes go (receivers).
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, Protocol

from shared.operations import messages, models, observing, receivers, storage
from shared.rest import errors
from shared.telemetry import trace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from shared.operations.ledger import Ledger
    from shared.operations.models import Operation
    from shared.operations.receivers import Outcome, Receiver
    from shared.operations.storage import Queue, Row, Rows
    from shared.rest.client import Client
    from shared.settings import Settings

log = logging.getLogger("steward.notifications")

VERSION = 1
BODY_LIMIT = 18 * 1024  # bytes; Standard Webhooks asks for less than 20 kB
# Seconds after each failed attempt: Standard Webhooks' own schedule, 75 hours in all.
DELAYS_S = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
JITTER = 0.1
MEMBER_LIMIT = 1_024  # bytes of a member of data that is cut
KEPT_FIRST = ("stewardDepth", "rule", "operationId", "status", "target", "error")
GONE = 410
CROWDED = (429, 502, 503, 504)  # whose Retry-After counts
ATTEMPTS_KEPT = 12
GRACE = timedelta(minutes=5)  # how long after its due time an attempt counts as lost
PREFIX = "azureml-steward"
TOPIC_VERSION = "2018-01-01"

Status = Literal["Pending", "Delivered", "Failed", "Gone"]


class Services(Protocol):
    """What telling others needs of the composition root."""

    @property
    def client(self) -> Client: ...  # noqa: D102
    @property
    def clock(self) -> Callable[[], datetime]: ...  # noqa: D102
    @property
    def delivery_rows(self) -> Rows: ...  # noqa: D102
    @property
    def ledger(self) -> Ledger: ...  # noqa: D102
    @property
    def notification_queue(self) -> Queue: ...  # noqa: D102
    @property
    def settings(self) -> Settings: ...  # noqa: D102

    def queue_named(self, name: str) -> Queue:
        """Open a queue of the app's account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What is told: a CloudEvent but for its source, which is the app.

    Attributes:
        about: What it belongs to: an operation's id, a report's name, a firing's id; deliveries are found by it.
        type: E.g. `azureml-steward.operation.succeeded`, or a rule's own.
        subject: The resource.
        depth: How many rules led to it.
        trace: The `traceparent` of what led to it, '' for none.
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
        """Stable: the same end has the same id, however often it is told."""
        return hashlib.sha256(f"{self.about}\n{self.type}\n{self.subject}".encode()).hexdigest()[:40]

    def event(self, source: str) -> dict[str, Any]:
        """Return the CloudEvent (structured mode); `sequence` sorts as text by the time of what it tells."""
        out = {"specversion": "1.0", "id": self.id, "source": source, "type": self.type, "subject": self.subject}
        out |= {"time": models.iso(self.at), "datacontenttype": "application/json"}
        sequence = f"{int(self.at.timestamp() * 1_000_000):017d}"
        depth = {"stewardDepth": self.depth} if self.depth else {}  # when it comes back as an event, rules know where from
        traced = {"traceparent": self.trace} if self.trace else {}  # CloudEvents' Distributed Tracing extension
        return {**out, "sequence": sequence, **traced, "data": {**self.data, **depth}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How telling one receiver goes.

    Attributes:
        about, key: The row.
        target: Whom, as named.
        event: The CloudEvent.
        attempts: `{"at", "status"|"problem"}`, the last few.
        tried: How many attempts there were.
    """

    about: str
    key: str
    target: str
    event: Mapping[str, Any]
    created_at: datetime
    status: Status = "Pending"
    tried: int = 0
    attempts: tuple[Mapping[str, Any], ...] = ()
    next_at: datetime | None = None
    ended_at: datetime | None = None

    def view(self) -> dict[str, Any]:
        """Return it as callers read it; a target's query may be a secret."""
        out: dict[str, Any] = {"target": self.target.partition("?")[0], "type": self.event["type"], "eventId": self.event["id"]}
        out |= {"status": self.status, "attempts": [dict(each) for each in self.attempts], "tried": self.tried}
        if self.next_at and self.status == "Pending":
            out["nextAttempt"] = models.iso(self.next_at)
        return out


def of_operation(operation: Operation) -> Notice:
    """Return what is told of an operation's end: enough to know how it went, and where to read the rest."""
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


def tell(notice: Notice, targets: tuple[str, ...], services: Services) -> None:
    """Have each target told; what was recorded already is only queued again.

    Raises:
        TransientError: the app's storage is out of reach.
    """
    for target in targets:
        delivery = _recorded(notice, target, services)
        if delivery.status == "Pending":
            services.notification_queue.send(_message(delivery))


def take(text: str, services: Services) -> Delivery | None:
    """Make one attempt for a message of the queue; None when there is nothing to do, or storage is out of reach for now.

    Raises:
        TransientError: the queue cannot take the message for later either; the platform delivers it again.
        ValueError: it is no message of this app, or of a newer one.
    """
    try:
        return _take(text, services)
    except errors.TransientError as problem:
        log.warning("a notification waits for storage: %s", problem)
        again, delay_s = messages.postponed(text)
        services.notification_queue.send(again, delay_s=delay_s)
        return None


def _take(text: str, services: Services) -> Delivery | None:
    found = _named(text, services)
    if found is None or found[0].status != "Pending" or found[0].tried != _tried(text):
        return None
    delivery, etag = found
    now = services.clock()
    with trace.bound(trace.parse(str(delivery.event.get(trace.HEADER, "")))):
        outcome = _attempt(delivery, services)
        moved, delay_s = _after(delivery, outcome, now)
        observing.delivered(moved)
    try:
        services.delivery_rows.write([storage.Change(verb="replace", row=_row_of(moved, etag))])
    except storage.ConflictError:  # another worker took the same message: both have told, as at least once allows
        return None
    if delay_s is not None:
        services.notification_queue.send(_message(moved), delay_s=delay_s)
    return moved


def give_up(text: str, services: Services, reason: str) -> None:
    """End the delivery of a message that kept failing."""
    found = _named(text, services)
    if found and found[0].status == "Pending":
        now = services.clock()
        said = {"at": models.iso(now), "problem": reason}
        ended = replace(found[0], status="Failed", ended_at=now, attempts=(*found[0].attempts, said)[-ATTEMPTS_KEPT:])
        services.delivery_rows.write([storage.Change(verb="replace", row=_row_of(ended, found[1]))])


def deliveries(about: str, services: Services) -> list[Delivery]:
    """Return how telling others of something goes, oldest first."""
    found = [_of(row) for row in services.delivery_rows.query(partition=about)]
    return sorted(found, key=lambda delivery: (delivery.created_at, delivery.key))


def in_state(state: Status, services: Services) -> Iterator[Delivery]:
    """Yield all deliveries in a state, in no order."""
    for row in services.delivery_rows.query(equal={"status": state}):
        yield _of(row)


def views(about: str, services: Services) -> list[dict[str, Any]]:
    """Return `deliveries` as callers read them."""
    return [delivery.view() for delivery in deliveries(about, services)]


def overdue(services: Services) -> int:
    """Queue again what should have been tried long ago: its message was lost; returns how many."""
    count = 0
    for row in services.delivery_rows.query(equal={"status": "Pending"}, below={"next_at": services.clock() - GRACE}):
        services.notification_queue.send(_message(_of(row)))
        count += 1
    return count


def purge(services: Services, ended_before: datetime) -> int:
    """Delete deliveries that ended before that moment; returns how many."""
    count = 0
    for row in services.delivery_rows.query(below={"ended_at": ended_before}, columns=["ended_at"]):
        with suppress(storage.ConflictError):
            services.delivery_rows.write([storage.Change(verb="delete", row=row)])
            count += 1
    return count


def _named(text: str, services: Services) -> tuple[Delivery, str] | None:
    """Return the delivery that a message is about: by its row, or made from the operation whose end it is."""
    asked = json.loads(text)
    if not isinstance(asked, dict) or asked.get("version", 0) > VERSION:
        message = "not a notification message of this version"
        raise ValueError(message)
    match asked:
        case {"operation": str(name), "target": int(position)}:
            stored = services.ledger.load(name)
            if stored is None or position >= len(stored.operation.notify):
                return None
            operation = replace(stored.operation, resource=None, result=None)
            delivery = _recorded(of_operation(operation), operation.notify[position], services)
            about, key = delivery.about, delivery.key
        case {"about": str(about), "key": str(key)}:
            pass
        case _:
            message = "expected operation and target, or about and key"
            raise ValueError(message)
    row = services.delivery_rows.get(about, key)
    return (_of(row), row.etag) if row else None


def _recorded(notice: Notice, target: str, services: Services) -> Delivery:
    """Return the delivery of a notice to a target, recorded now or before."""
    now = services.clock()
    delivery = Delivery(
        about=notice.about,
        key=hashlib.sha256(f"{target}\n{notice.id}".encode()).hexdigest()[:40],
        target=target,
        event=_fitting(notice.event(services.settings.source)),
        created_at=now,
        next_at=now,
    )
    try:
        services.delivery_rows.write([storage.Change(verb="insert", row=_row_of(delivery))])
    except storage.ConflictError:
        row = services.delivery_rows.get(delivery.about, delivery.key)
        return _of(row) if row else delivery
    return delivery


def _fitting(event: dict[str, Any]) -> dict[str, Any]:
    """Return the event with its data cut to what a webhook should carry."""
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


def _attempt(delivery: Delivery, services: Services) -> Outcome:
    """Tell the receiver once."""
    settings = services.settings
    try:
        receiver = receivers.parse(delivery.target, settings.callback_hosts, settings.cloud, field="target")
    except errors.BadRequestError as refused:  # the list of hosts was changed since it was accepted
        return receivers.Outcome(problem=refused.error.message)
    content = json.dumps(delivery.event, separators=(",", ":"), ensure_ascii=False).encode("utf-8", errors="replace")
    match receiver.way:
        case "queue":
            services.queue_named(receiver.host).send(content.decode())
            return receivers.Outcome(status=201)
        case "topic":
            return _publish(receiver, delivery.event, services)
        case _:
            return receivers.post(receiver, content, signed(delivery, content, receiver, services))


def _publish(receiver: Receiver, event: Mapping[str, Any], services: Services) -> Outcome:
    """Send to an Event Grid topic that takes the CloudEvents schema ("Publish events to custom topics")."""
    joined = "&" if "?" in receiver.url else "?"
    url = receiver.url if "api-version=" in receiver.url else f"{receiver.url}{joined}api-version={TOPIC_VERSION}"
    content = json.dumps([dict(event)]).encode()
    media = {"Content-Type": "application/cloudevents-batch+json; charset=utf-8"}
    try:
        answer = services.client.send("POST", url, content=content, headers=media)
    except errors.TransientError as problem:
        return receivers.Outcome(problem=f"{problem.error.code}: {problem.error.message}", retry_after_s=problem.delay_s)
    except errors.PermanentError as problem:
        return receivers.Outcome(status=problem.status, problem=f"{problem.error.code}: {problem.error.message}")
    return receivers.Outcome(status=answer.status, problem="" if answer.ok else answer.error().message)


def signed(delivery: Delivery, content: bytes, receiver: Receiver, services: Services) -> dict[str, str]:
    """Return a webhook's headers: its signatures are made anew for each attempt, one for each secret that is in force."""
    from standardwebhooks import Webhook

    now = services.clock().astimezone(UTC)
    headers = {"Content-Type": "application/cloudevents+json; charset=utf-8", "User-Agent": PREFIX}
    headers |= {trace.HEADER: here.child().header} if (here := trace.current()) else {}
    headers |= {"webhook-id": str(delivery.event["id"]), "webhook-timestamp": str(int(now.timestamp()))}
    keys = services.settings.webhook_secrets
    own = [secret for host, secret in keys if host == receiver.host] or [secret for host, secret in keys if not host]
    if own:
        made = [Webhook(secret).sign(str(delivery.event["id"]), now, content.decode()) for secret in own]
        headers["webhook-signature"] = " ".join(made)
    return headers


def _after(delivery: Delivery, outcome: Outcome, now: datetime) -> tuple[Delivery, float | None]:
    """Return the delivery after an attempt, and the pause before the next (None when there is none)."""
    said: dict[str, Any] = {"at": models.iso(now)}
    said |= {"status": outcome.status} if outcome.status else {}
    said |= {"problem": outcome.problem[:300]} if outcome.problem else {}
    tried = replace(delivery, tried=delivery.tried + 1, attempts=(*delivery.attempts, said)[-ATTEMPTS_KEPT:], next_at=None)
    if outcome.delivered:
        return replace(tried, status="Delivered", ended_at=now), None
    if outcome.status == GONE or tried.tried > len(DELAYS_S):
        log.warning("delivery %s to %s ended: %s", delivery.about, delivery.target.partition("?")[0], said)
        return replace(tried, status="Gone" if outcome.status == GONE else "Failed", ended_at=now), None
    delay_s = DELAYS_S[tried.tried - 1] * (1 + JITTER * secrets.randbelow(1_000) / 1_000)
    if outcome.status in CROWDED or not outcome.status:
        delay_s = max(delay_s, outcome.retry_after_s)
    return replace(tried, next_at=now + timedelta(seconds=delay_s)), delay_s


def _message(delivery: Delivery) -> str:
    """Return the message of the next attempt; one that names an earlier attempt is stale."""
    return json.dumps({"version": VERSION, "about": delivery.about, "key": delivery.key, "tried": delivery.tried})


def _tried(text: str) -> int:
    return int(json.loads(text).get("tried", 0))


def _row_of(delivery: Delivery, etag: str = "") -> Row:
    columns: dict[str, Any] = {
        "version": VERSION,
        "status": delivery.status,
        "target": delivery.target,
        "event": json.dumps(delivery.event),
        "tried": delivery.tried,
        "attempts": json.dumps(delivery.attempts),
        "created_at": delivery.created_at,
    }
    columns |= {name: value for name, value in (("next_at", delivery.next_at), ("ended_at", delivery.ended_at)) if value}
    return storage.Row(partition=delivery.about, key=delivery.key, columns=columns, etag=etag)


def _of(row: Row) -> Delivery:
    columns = row.columns
    return Delivery(
        about=row.partition,
        key=row.key,
        target=columns["target"],
        event=json.loads(columns["event"]),
        created_at=columns["created_at"],
        status=columns["status"],
        tried=columns["tried"],
        attempts=tuple(json.loads(columns["attempts"])),
        next_at=columns.get("next_at"),
        ended_at=columns.get("ended_at"),
    )
