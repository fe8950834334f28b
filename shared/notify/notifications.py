"""Sends notifications, at least once to each receiver: one attempt per queue message, with growing delays for three days.

The order is not guaranteed. Webhooks are signed with the Standard Webhooks scheme (standardwebhooks.com). Not here: the
content (notices), the state (deliveries), the receivers and the transport (receivers).
"""

from __future__ import annotations

import json
import logging
import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from shared.durable import lease, messages, records, storage, worker
from shared.durable.worker import Next
from shared.notify import deliveries, notices, receivers
from shared.operations import observing
from shared.rest import azure_versions, errors
from shared.settings import WEBHOOK_SECRETS
from shared.telemetry import trace
from shared.text import times, words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from shared.durable.messages import Message
    from shared.durable.records import Versioned
    from shared.durable.storage import Queue
    from shared.notify.deliveries import Delivery
    from shared.notify.notices import Notice
    from shared.notify.receivers import Outcome, Receiver
    from shared.operations.ledger import Ledger, Stored
    from shared.rest.client import Client

log = logging.getLogger("steward.notifications")

# Seconds after each failed attempt: the schedule of Standard Webhooks, 75 hours in total.
DELAYS_S = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
JITTER = 0.1
GONE = 410
RECORDED = "delivery:"  # followed by its key: replaces a receiver in an operation once its delivery is recorded
CROWDED = (429, 502, 503, 504)  # statuses whose Retry-After is honoured
ATTEMPTS_KEPT = 12
GRACE = lease.LEASE  # an attempt this long after its due time counts as lost


class Services(worker.World, deliveries.Services, Protocol):
    """The part of the composition root that notifications need."""

    @property
    def client(self) -> Client: ...  # noqa: D102
    @property
    def ledger(self) -> Ledger: ...  # noqa: D102
    @property
    def notification_queue(self) -> Queue: ...  # noqa: D102

    def queue_named(self, name: str) -> Queue:
        """Open a queue of the app's storage account."""


def tell(notice: Notice, targets: tuple[str, ...], services: Services) -> tuple[str, ...]:
    """Record a delivery to each target and queue it; a recorded delivery is only queued again.

    Returns:
        The targets that the operation may store from now on: a query may be a secret, which only the delivery keeps.

    Raises:
        TransientError: the app's storage is out of reach.
    """
    kept: list[str] = []
    for target in targets:
        known = _handed_over(notice.about, target, services) if target.startswith(RECORDED) else _recorded(notice, target, services)
        if known and known.value.status == "Pending":
            worker.wake(MACHINE, known, services)
        kept.append(RECORDED + known.value.key if known and "?" in target else target)
    return tuple(kept)


def _handed_over(about: str, target: str, services: Services) -> Versioned[Delivery] | None:
    return deliveries.table(services).load(about, target.removeprefix(RECORDED))


def _recorded(notice: Notice, target: str, services: Services) -> Versioned[Delivery]:
    """Return the delivery of a notice to a target; it is recorded if necessary."""
    delivery, rows = deliveries.new(notice, target, services), deliveries.table(services)
    if known := rows.load(delivery.about, delivery.key):
        return known
    services.due.put(worker.entry(MACHINE, (delivery.about, delivery.key), 0.0, services))
    made = rows.insert(delivery) or rows.load(delivery.about, delivery.key)
    if made is None:
        raise storage.ConflictError
    return made


def _step(known: Versioned[Delivery], _asked: Message, services: Services) -> Next[Versioned[Delivery], Delivery]:
    moved, delay_s = _after(known.value, _attempt(known.value, services), services.clock())
    answered = moved.attempts[-1].get("status") if moved.attempts else None
    observing.delivered(
        moved.target, moved.status, about=moved.about, event_type=moved.event["type"], answered=answered, tried=moved.tried
    )  # fmt: skip
    return Next(known=known, value=moved, delay_s=delay_s)  # a conflict: both workers have sent it, which at-least-once allows


def _forget(stored: Stored | None, target: str, key: str, services: Services) -> None:
    """Remove a receiver, whose query may be a secret, from its operation; only the delivery keeps it."""
    while stored and "?" in target and target in stored.operation.notify:
        left = tuple(RECORDED + key if each == target else each for each in stored.operation.notify)
        try:
            stored = services.ledger.save(stored, replace(stored.operation, notify=left))
        except storage.ConflictError:  # another receiver's message changed the operation, too
            stored = services.ledger.load(stored.operation.id)


def _give_up(known: Versioned[Delivery], reason: str, services: Services) -> Next[Versioned[Delivery], Delivery]:
    now = services.clock()
    said = {"at": times.iso(now), "problem": reason}
    attempts = (*known.value.attempts, said)[-ATTEMPTS_KEPT:]
    ended = replace(known.value, status="Failed", target=deliveries.shown(known.value.target), ended_at=now, attempts=attempts)
    return Next(known=known, value=ended, delay_s=None)


def _named(message: Message, services: Services) -> Versioned[Delivery] | None:
    """Return the delivery of a message: from its row, or made from the ended operation."""
    about, key = str(message.key[0]), message.key[1]
    if isinstance(key, str):
        return deliveries.table(services).load(about, key)
    stored, position = services.ledger.load(about), int(key)
    if stored is None or position >= len(stored.operation.notify):
        return None
    target = stored.operation.notify[position]
    if target.startswith(RECORDED):
        return _handed_over(about, target, services)
    operation = replace(stored.operation, resource=None, result=None)
    known = _recorded(notices.of_operation(operation), target, services)
    _forget(stored, target, known.value.key, services)
    return known


def _overdue(before: datetime, services: Services) -> Iterator[Versioned[Delivery]]:
    yield from deliveries.table(services).find(equal={"status": "Pending"}, below={"next_at": before - GRACE})


MACHINE = worker.Machine["Services", "Versioned[Delivery]", "Delivery"](
    name="delivery",
    queue=messages.NOTIFICATION_QUEUE,
    record=deliveries.Delivery,
    send=lambda services: services.notification_queue,
    load=_named,
    advance=_step,
    save=lambda step, services: deliveries.table(services).save(step.known, step.value),
    key=lambda known: (known.value.about, known.value.key),
    step=lambda known: known.value.tried,
    due_at=lambda known: (known.value.next_at or known.value.created_at) + GRACE if known.value.status == "Pending" else None,
    lease=GRACE,
    give_up=_give_up,
    overdue=_overdue,
    purge=lambda before, services: records.purge(services.delivery_rows, before),
    forms=("end",),
    renew=lambda known, at, services: deliveries.table(services).save(known, replace(known.value, next_at=at - GRACE)),
    within=lambda known: trace.bound(trace.parse(str(known.value.event.get(trace.HEADER, "")))),
)


def _attempt(delivery: Delivery, services: Services) -> Outcome:
    """Make one attempt to notify the receiver."""
    settings = services.settings
    try:
        receiver = receivers.parse(delivery.target, settings.receivers, settings.cloud, field="target")
    except errors.BadRequestError as refused:  # the allow-list has changed since the callback was accepted
        return receivers.Outcome(problem=refused.error.message)
    content = json.dumps(delivery.event, separators=(",", ":"), ensure_ascii=False).encode("utf-8", errors="replace")
    match receiver.way:
        case "queue":
            services.queue_named(receiver.host).send(content.decode())
            return receivers.Outcome(status=201)
        case "topic":
            return _publish(receiver, delivery.event, services)
        case _ if unusable := settings.problem(WEBHOOK_SECRETS):
            return receivers.Outcome(problem=f"The notification was not sent, because it could not be signed: {unusable}")
        case _:
            return receivers.post(receiver, content, signed(delivery, content, receiver, services))


def _publish(receiver: Receiver, event: Mapping[str, Any], services: Services) -> Outcome:
    """Send to an Event Grid topic with the CloudEvents schema ("Publish events to custom topics")."""
    joined = "&" if "?" in receiver.url else "?"
    url = (
        receiver.url if "api-version=" in receiver.url else f"{receiver.url}{joined}api-version={azure_versions.EVENT_GRID_TOPICS}"
    )
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
    """Return a webhook's headers, with a new signature per attempt for each current secret."""
    from standardwebhooks import Webhook

    now = services.clock().astimezone(UTC)
    headers = {"Content-Type": "application/cloudevents+json; charset=utf-8", "User-Agent": notices.PREFIX}
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
    said: dict[str, Any] = {"at": times.iso(now)}
    said |= {"status": outcome.status} if outcome.status else {}
    said |= {"problem": words.short(outcome.problem, 300)} if outcome.problem else {}
    tried = replace(delivery, tried=delivery.tried + 1, attempts=(*delivery.attempts, said)[-ATTEMPTS_KEPT:], next_at=None)
    ended = replace(tried, target=deliveries.shown(delivery.target), ended_at=now)
    if outcome.delivered:
        return replace(ended, status="Delivered"), None
    if outcome.status == GONE or tried.tried > len(DELAYS_S):
        log.warning("delivery %s to %s ended: %s", delivery.about, ended.target, said)
        return replace(ended, status="Gone" if outcome.status == GONE else "Failed"), None
    delay_s = DELAYS_S[tried.tried - 1] * (1 + JITTER * secrets.randbelow(1_000) / 1_000)
    if outcome.status in CROWDED or not outcome.status:
        delay_s = max(delay_s, outcome.retry_after_s)
    return replace(tried, next_at=now + timedelta(seconds=delay_s)), delay_s
