"""The machine of expiries: wait for the create, announce the end, look once more, end the resource, notify of the outcome.

The resource has a tag with its end time. Removing or changing the tag keeps the resource, unless this app did it.

The record exists before the create is sent, under the create's id. It acts only on what Azure showed of the resource after the
create had succeeded. Every step may run twice: notices have stable ids, and the act is one operation under one key. Not
here: the reasons to keep a resource (last_look), the routes (api.expiry_routes).
"""

from __future__ import annotations

import logging
import math
import re
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from shared.catalog import bodies, expiry_tag, kinds, paths
from shared.cleanup.facts import inventory, pacing
from shared.cleanup.verdict import last_look
from shared.durable import lease, messages, records, worker
from shared.durable.unreadable import UnreadableError
from shared.durable.worker import Next
from shared.expiry import expiry_record
from shared.expiry.expiry_record import AHEAD, Expiry, Status
from shared.notify import notices, notifications
from shared.operations import acceptance, flows, models
from shared.rest import errors, ids
from shared.telemetry import lines
from shared.text import durations, times

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from shared.durable.messages import Message
    from shared.durable.records import Versioned
    from shared.durable.storage import Rows
    from shared.operations.models import Operation

    type Known = Versioned[Expiry]

log = logging.getLogger("steward.expiry")

GRACE = lease.LEASE  # how long after its due time a step counts as lost
ORPHAN = timedelta(minutes=10)  # without an operation for so long, the create was never accepted
LOOK_S = 600.0  # how often a record looks by itself whether its create has ended
SOON_S, LONGEST_S = 5.0, 60.0  # first and longest pause after a failure; an act is looked at after the longest
PATIENCE = timedelta(hours=24)  # after its time: how long an expiry that cannot act looks again
SEND_WITHIN = timedelta(seconds=60)  # of the last look
ATTEMPTS = 3  # of the act
OWN = 50  # operations on a resource that are looked through for a PUT of this app
UNWRITTEN = "its tag is being changed"
TOLD = frozenset({"Done", "Kept", "Gone", "Failed", "NotMade"})  # ends with a notification


class Services(last_look.Services, notifications.Services, Protocol):
    """What expiries need of the composition root."""

    @property
    def cleanup_rows(self) -> Rows: ...  # noqa: D102
    @property
    def sights(self) -> last_look.Sights: ...  # noqa: D102


def present(services: Services) -> datetime:
    """Return the present by storage's clock, after storage has answered: a machine's own may be minutes ahead."""
    services.cleanup_rows.get(expiry_record.PREFIX, "now")
    return services.clock()


def begin(request: acceptance.Request, ending: kinds.Ending, services: Services) -> None:
    """Record the expiry of a request before the request is accepted; the same request again changes nothing.

    Raises:
        TransientError: the app's storage is out of reach; nothing was recorded.
    """
    name, target = acceptance.identified(request)
    now, at = services.clock(), request.expires[1] if request.expires else services.clock()
    made = Expiry(
        id=name, target=target.path, kind=ending.name, act=ending.act, at=at, created_at=now, due_at=now, caller=request.caller
    )
    services.due.put(worker.entry(MACHINE, (name,), 0.0, services))
    _table(services).insert(made)


def look_soon(operation: Operation, ending: kinds.Ending, services: Services) -> None:
    """Queue the record of a job as soon as the job runs; every other create does that when it ends."""
    if ending.act != "cancel" or operation.phase != "following":
        return
    try:
        services.cleanup_queue.send(messages.Message(machine=MACHINE.name, key=(operation.id,)).to_text())
    except errors.TransientError as problem:  # it is recorded: the timer finds it
        log.warning("expiry %s waits for the timer: %s", operation.id, problem)


def load(name: str, services: Services) -> Known | None:
    """Return an expiry that was not deleted, or None."""
    known = _load(name, services)
    return known if known and known.value.status != "Canceled" else None


def move(known: Known, at: datetime, services: Services) -> Expiry:
    """Change the time of an expiry; one that kept its resource, or failed, becomes pending again.

    Raises:
        BadRequestError: `ExpiryEnded` (409).
        ConflictError: it was changed meanwhile.
    """
    expiry, now = known.value, services.clock()
    if expiry.status not in ("Pending", "Kept", "Failed"):
        raise _too_late(expiry)
    moved = replace(expiry.due(at, now), status="Pending", moved=True, reason="", ended_at=None, operation="", tries=0)
    moved = replace(moved, attempt=expiry.attempt + 1, failures=0)
    if not moved.made:
        return worker.record(MACHINE, _next(known, moved, 0.0, services), services).value
    moved = replace(moved, tags=(*moved.tags, expiry_tag.value(at)), untagged=UNWRITTEN)  # before: a tag that is written counts
    saved = worker.record(MACHINE, _next(known, moved, _until_next(moved, now), services), services)
    return _table(services).save(saved, _retagged(saved.value, expiry.tags, expiry_tag.value(at), services)).value


def drop(known: Known, services: Services) -> None:
    """Delete an expiry; its resource stays.

    Raises:
        BadRequestError: `ExpiryEnded` (409): its act is under way.
        ConflictError: it was changed meanwhile.
    """
    if known.value.status == "Acting":
        raise _too_late(known.value)
    dropped = known.value.over("Canceled", services.clock(), "it was deleted")
    worker.record(MACHINE, _next(known, dropped, None, services), services)
    if dropped.tags:
        _retagged(dropped, dropped.tags, "", services)


def _retagged(expiry: Expiry, before: tuple[str, ...], text: str, services: Services) -> Expiry:
    """Change the text of the tag ('' removes it) if Azure's PATCH takes tags; return the expiry with the outcome.

    Args:
        expiry: As it is now.
        before: The texts that its tag could have until now.
        text: The new text.
        services: The app.
    """
    target = ids.parse(expiry.target)
    kind, old = _kind(target), replace(expiry, tags=before)
    try:
        body = inventory.read(target, pacing.of(services), kind.api_version)
        if body is None or not expiry_record.same(expiry.made, body):
            return replace(old, untagged="the resource no longer exists, or another one has its name now")
        shown = expiry_tag.said(kind, body) in before
        if "tags" not in kind.patch:
            why = "Azure changes the tags of this kind only with a complete PUT"
            why += "; its tag still shows the earlier time" if shown else ""
            return replace(old, tags=before if shown else (), untagged=why)
        request = acceptance.Request(
            target=paths.Target(kind=kind, id=target),
            method="PATCH",
            body={"tags": expiry_tag.changed(kind, body, text)["tags"]},
            idempotency_key=f"expiry {expiry.id} tag {expiry.attempt} {text}",
            caller=models.EXPIRY_CALLER + expiry.id,
            why=f"the tag {expiry_tag.TAG}",
        )
        sent = flows.submit(request, services)
        error = sent.error if sent.ended and sent.status != "Succeeded" else None
    except (errors.TransientError, errors.PermanentError) as problem:
        shown, error = bool(before), problem.error
    if error:
        return replace(old, tags=before if shown else (), untagged=f"the tag could not be changed: {error.message}"[:500])
    return replace(expiry, untagged="")


def _too_late(expiry: Expiry) -> errors.BadRequestError:
    message = (
        f"The expiry is {expiry.status}: {expiry.reason or 'its act was submitted'}. Send a PUT with Expires-In for a new one."
    )
    return errors.BadRequestError("ExpiryEnded", message, target="id", status=409)


def _table(services: Services) -> records.Table[Expiry]:
    return expiry_record.table(services.cleanup_rows)


def _load(name: str, services: Services) -> Known | None:
    return _table(services).load(*expiry_record.place_of(name)) if "-" in name else None


def _next(known: Known, moved: Expiry, delay_s: float | None, services: Services) -> Next[Known, Expiry]:
    due_at = services.clock() + timedelta(seconds=delay_s or 0.0) + GRACE
    return Next(known=known, value=replace(moved, due_at=due_at), delay_s=None if moved.ended else delay_s or 0.0)


def _advanced(known: Known, _message: Message, services: Services) -> Next[Known, Expiry]:
    expiry, now = known.value, services.clock()
    try:
        if not expiry.made:
            moved, delay_s = _bound(expiry, services)
        elif now < expiry.at:
            moved, delay_s = _announced(expiry, services)
        else:
            moved, delay_s = _acted(expiry, services)
    except (errors.TransientError, errors.PermanentError, UnreadableError) as problem:
        told = problem.delay_s if isinstance(problem, errors.TransientError) else 0.0
        moved, delay_s = _put_off(expiry, f"{problem.error.code}: {problem.error.message}", now, told)
    return _next(known, moved, delay_s, services)


def _put_off(expiry: Expiry, reason: str, now: datetime, least_s: float = 0.0) -> tuple[Expiry, float]:
    """Look again later: a resource that cannot be read is neither ended nor forgotten."""
    if now > max(expiry.at, expiry.created_at) + PATIENCE:
        return expiry.over("Failed", now, f"it could not be ended within {durations.words(PATIENCE)}: {reason}"), 0.0
    pause_s = min(SOON_S * 2 ** min(expiry.tries, 10), LONGEST_S)
    return replace(expiry, tries=expiry.tries + 1, reason=reason[:500]), max(pause_s, least_s)


def _bound(expiry: Expiry, services: Services) -> tuple[Expiry, float]:
    """Wait for the create, then record what identifies the resource; a create that did not succeed leaves nothing to end."""
    now, stored = services.clock(), services.ledger.load(expiry.id)
    if waiting := _waiting(expiry, stored.operation if stored else None, now):
        return waiting
    target = ids.parse(expiry.target)
    body = inventory.read(target, pacing.of(services), _kind(target).api_version)
    answered = services.ledger.whole(stored.operation).result if stored else None
    if body is None or _is_other(body, answered or {}):
        return expiry.over("Gone", now, "it was deleted right after it was created, or created again"), 0.0
    if not (made := expiry_record.identity(body)):
        return expiry.over(
            "NotMade", now, "Azure does not show when it was created; a later one of that name would look the same"
        ), 0.0
    at = (None if expiry.moved or stored is None else stored.operation.expires_at) or expiry.at
    bound = replace(_seen(expiry, body, stored.operation if stored else None), made=made, tries=0, reason="").due(at, now)
    return _replaced(bound, now, services) or (bound, _until_next(bound, now))


def _seen(expiry: Expiry, body: Any, operation: Operation | None) -> Expiry:
    """Return the expiry with what Azure shows of its tag after the create."""
    said = expiry_tag.said(_kind(ids.parse(expiry.target)), body)
    if operation is None or operation.expires_at is None or said != expiry_tag.value(operation.expires_at):
        return replace(expiry, tags=(), untagged="Azure does not show the tag that was sent with the request")
    late = "its time was changed before the resource was created; its tag shows the earlier time" if expiry.moved else ""
    return replace(expiry, tags=(said,), untagged=late)


def _untagged(expiry: Expiry, body: Any, services: Services) -> str:
    """Return why its tag keeps the resource, '' if it does not; a later PUT by this app may have replaced all tags."""
    target = ids.parse(expiry.target)
    said = expiry_tag.said(_kind(target), body)
    if not expiry.tags or said in expiry.tags:
        return ""
    since = (each for each in services.ledger.newest(top=OWN, partition=models.partition_of(target)) if each.id != expiry.id)
    if any(each.method == "PUT" and each.created_at > expiry.created_at and each.target.lower() == target.key for each in since):
        return ""
    return f"its tag {expiry_tag.TAG} was {'changed' if said else 'removed'}"


def _waiting(expiry: Expiry, operation: Operation | None, now: datetime) -> tuple[Expiry, float] | None:
    """Return the next state if the create is not known to have succeeded; None if it is."""
    if operation is None and now - expiry.created_at < ORPHAN:
        return expiry, LONGEST_S
    if operation is None or operation.expires_at is None:
        return expiry.over("NotMade", now, "the request that set it was not accepted"), 0.0
    runs = expiry.act == "cancel"
    if operation.ended and operation.status != "Succeeded":
        said = f"{operation.error.code}: {operation.error.message}" if operation.error else operation.status
        return expiry.over("NotMade", now, f"the request did not succeed, so nothing is ended: {said}"), 0.0
    if operation.ended and runs:
        return expiry.over("Gone", now, "the job has ended"), 0.0
    if operation.ended or (runs and operation.phase == "following"):
        return None
    return expiry, min(LOOK_S, max(_seconds(expiry.at - now), 15.0))  # its end puts this record on the queue


def _is_other(body: Any, answered: Any) -> bool:
    """Return whether the resource of that name was created at another time than the one in the create's answer.

    Both are Azure's words on the same moment; the one with fewer digits decides how exactly they are compared.
    """
    said = [str(bodies.dig(each, expiry_record.IDENTITY[0]) or "") for each in (body, answered)]
    one, other = (times.moment(text) for text in said)
    digits = min(len(re.sub(r"^[^.]*\.?|\D.*$", "", text.partition("T")[2])) for text in said)
    return bool(one and other and abs(one - other) > timedelta(seconds=10.0 ** -min(digits, 6)))


def _replaced(expiry: Expiry, now: datetime, services: Services) -> tuple[Expiry, float] | None:
    """Replace earlier expiries of a resource by the newest; return the next state of one that is not the newest.

    One whose create has not ended yet may be refused: the one before it waits for that.
    """
    others = _table(services).find(partition=expiry_record.place_of(expiry.id)[0], equal={"expiring": True})
    same = [each for each in others if each.value.target.lower() == expiry.target.lower() and each.value.id != expiry.id]
    later = [each.value for each in same if (each.value.created_at, each.value.id) > (expiry.created_at, expiry.id)]
    if bound := next((each for each in later if each.made), None):
        return expiry.over("Replaced", now, f"the expiry {bound.id} was set later"), 0.0
    for other in same:
        if other.value not in later and other.value.status == "Pending":
            gone = other.value.over("Replaced", now, f"the expiry {expiry.id} was set later")
            worker.record(MACHINE, _next(other, gone, None, services), services)
    if later and now >= expiry.at:
        return _put_off(expiry, f"the expiry {later[0].id} was requested later; its create has not ended", now)
    return None


def _announced(expiry: Expiry, services: Services) -> tuple[Expiry, float]:
    """Announce what is going to happen; if several announcements are late, send only the latest."""
    now = services.clock()
    passed = [name for name, ahead in AHEAD.items() if name not in expiry.announced and now >= expiry.at - ahead]
    if passed:
        _tell(expiry, passed[-1], services)
    moved = replace(expiry, announced=(*expiry.announced, *passed), tries=0)
    return moved, _until_next(moved, now)


def _until_next(expiry: Expiry, now: datetime) -> float:
    moments = [expiry.at - ahead for name, ahead in AHEAD.items() if name not in expiry.announced]
    return _seconds(min([*moments, expiry.at]) - now)


def _seconds(length: timedelta) -> float:
    return float(max(0, math.ceil(length.total_seconds())))  # never a moment too early


def _acted(expiry: Expiry, services: Services) -> tuple[Expiry, float]:
    """Look once more and claim the act; then, as a step of its own that is taken at once, submit it; then follow it."""
    now, request = services.clock(), _request(expiry)
    name = acceptance.identified(request)[0]
    if stored := services.ledger.load(name):
        return _followed(replace(expiry, status="Acting", operation=name), stored.operation, now)
    if not services.settings.cleanup:
        return replace(expiry, status="Pending", reason="the clean-up is switched off (STEWARD_CLEANUP)"), LOOK_S
    if request.method == "DELETE" and request.target.kind.path in services.settings.approvals:  # set since it was asked for
        return expiry.over("Kept", now, "its deletion needs an approval (STEWARD_APPROVALS), which an expiry cannot have"), 0.0
    if expiry.status == "Acting" and request.send_by and now < request.send_by:
        return _followed(expiry, flows.submit(request, services), services.clock())
    pending = replace(expiry, status="Pending", operation="")
    return _replaced(pending, now, services) or _looked(pending, name, now, services)


def _looked(expiry: Expiry, name: str, now: datetime, services: Services) -> tuple[Expiry, float]:
    asked = last_look.Asked(
        resource=ids.parse(expiry.target),
        act=expiry.act,  # type: ignore[arg-type]
        other=lambda body: "" if expiry_record.same(expiry.made, body) else "another resource has its name now",
        kept=lambda body: _untagged(expiry, body, services),
        kind=expiry.kind,
        own=(expiry.id, expiry.operation),
    )
    found = last_look.look(asked, services, services.sights)
    if found.answer == "act":
        return replace(expiry, status="Acting", operation=name, looked_at=now, reason=""), 0.0
    if found.answer == "wait":
        return _put_off(expiry, found.reason, now)
    ends: dict[str, Status] = {"keep": "Kept", "gone": "Gone", "done": "Done"}
    return expiry.over(ends[found.answer], now, found.reason), 0.0


def _kind(resource: ids.ResourceId) -> kinds.Kind:
    return kinds.by_type()["arm", resource.namespace.lower(), "/".join(resource.types).lower()]


def _request(expiry: Expiry) -> acceptance.Request:
    resource = ids.parse(expiry.target)
    kind, deletes = _kind(resource), expiry.act == "delete"
    return acceptance.Request(
        target=paths.Target(kind=kind, id=resource, action=None if deletes else kind.action(expiry.act)),
        method="DELETE" if deletes else "POST",
        query=kind.delete_query if deletes else "",
        idempotency_key=f"expiry {expiry.id} {expiry.attempt}",
        caller=models.EXPIRY_CALLER + expiry.id,
        why=f"expired {times.iso(expiry.at)}; requested by {expiry.caller}",
        send_by=expiry.looked_at + SEND_WITHIN if expiry.looked_at else None,
    )


def _followed(expiry: Expiry, operation: Operation, now: datetime) -> tuple[Expiry, float]:
    if not operation.ended:  # its end puts this record on the queue
        return expiry, LONGEST_S
    if operation.status == "Succeeded":
        return expiry.over("Done", now, f"its time was {times.iso(expiry.at)}"), 0.0
    error = operation.error or errors.AzureError(code=operation.status, message="The operation ended without a reason.")
    said = f"{error.code}: {error.message}"
    again = replace(expiry, status="Pending", attempt=expiry.attempt + 1, operation="", tries=0, reason=said[:500])
    if operation.expired:  # it was not sent soon enough after the look, so not at all
        return again, 0.0
    if expiry.failures + 1 >= ATTEMPTS:
        return expiry.over("Failed", now, said), 0.0
    return replace(again, failures=expiry.failures + 1), LONGEST_S


def _tell(expiry: Expiry, what: str, services: Services) -> None:
    notice = notices.Notice(
        about=f"{expiry.id}-{int(expiry.at.timestamp())}",
        type=f"{notices.PREFIX}.expiry.{what}",
        subject=expiry.target,
        at=expiry.ended_at or services.clock(),
        data={**expiry.view(), "status": expiry.status},
    )
    notifications.tell(notice, services.settings.notify, services)


def _after(_before: Known, saved: Known, services: Services) -> None:
    expiry = saved.value
    if expiry.ended:
        lines.event(log, logging.INFO, "expiry.ended", expiry=expiry.id, status=expiry.status, reason=expiry.reason)
    if expiry.status in TOLD:
        _tell(expiry, expiry.status[0].lower() + expiry.status[1:], services)


def _claimed(step: Next[Known, Expiry]) -> bool:
    """Return whether a step has looked and may act now: a look is valid for a minute."""
    return step.value.status == "Acting" and step.value.looked_at != step.known.value.looked_at


def _give_up(known: Known, reason: str, services: Services) -> Next[Known, Expiry]:
    return _next(known, known.value.over("Failed", services.clock(), reason), None, services)


def _overdue(before: datetime, services: Services) -> Iterator[Known]:
    yield from _table(services).find(equal={"expiring": True}, below={"due_at": before})


def _purge(before: datetime, services: Services) -> int:
    return records.purge(services.cleanup_rows, before, lambda row: row.partition.startswith(expiry_record.PREFIX))


MACHINE = worker.Machine["Services", "Versioned[Expiry]", "Expiry"](
    name="expiry",
    queue=messages.CLEANUP_QUEUE,
    record=Expiry,
    send=lambda services: services.cleanup_queue,
    load=lambda message, services: _load(str(message.key[0]), services),
    advance=_advanced,
    save=lambda step, services: _table(services).save(step.known, step.value),
    key=lambda known: (known.value.id,),
    due_at=lambda known: None if known.value.ended else known.value.due_at,
    lease=GRACE,
    give_up=_give_up,
    overdue=_overdue,
    purge=_purge,
    after=_after,
    at_once=_claimed,
    renew=lambda known, at, services: _table(services).save(known, replace(known.value, due_at=at)),
)
