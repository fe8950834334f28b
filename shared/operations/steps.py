"""One step of an operation: take it as far as one request to Azure goes, record it, put the next on the queue.

Record before message: a crash leaves a message or an overdue row. A write is claimed by etag before it is sent, and
everything that can fail without Azure fails before the claim. This is the only place that catches PermanentError and
TransientError of Azure. What an answer means is decided in settle; who calls, and when, is in flows.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from shared.catalog import expiry_tag, kinds
from shared.durable import due, lease, messages, storage, unreadable, worker
from shared.durable.unreadable import UnreadableError
from shared.durable.worker import Next
from shared.endpoints import async_scores, parking
from shared.files import content
from shared.jobs import logs
from shared.operations import ledger, models, new_keys, observing, redaction, settle, waits
from shared.operations.looks import shared_lists, usual_times
from shared.operations.models import Operation
from shared.rest import client, clouds, errors, ids, long_running, poll_delays

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from datetime import datetime

    from shared.durable.due import Entry
    from shared.durable.messages import Message
    from shared.operations.context import Services
    from shared.operations.ledger import Stored
    from shared.operations.settle import Step
    from shared.rest.client import Response
    from shared.rest.streams import Source

log = logging.getLogger("steward.operations")

GRACE = lease.LEASE  # how long after its due time a step counts as lost
# So long a row says of an operation that is followed when it is lost: a look in that time that brings no news is not recorded.
# The next one has its message alone, which carries the operation, and must be due so long before that moment at least.
UNRECORDED, SPARE = timedelta(seconds=50), timedelta(seconds=10)
# What writing the claim itself may take of its lease: after slow storage, or frozen, nothing is sent on one that is running out.
CLAIM_WITHIN = timedelta(seconds=8)
# Of one step of an upload, what is left is the next step's: with the last answers it fits into what a function may run.
UPLOAD_BUDGET = timedelta(seconds=180)
ORPHAN_AGE = timedelta(minutes=10)
STUCK_AFTER = timedelta(hours=24)
SIGN_IN_ATTEMPTS = 20
JSON_PATCH = "application/json-patch+json"
QUOTED_LIMIT = 1024 * 1024  # bytes of a file whose secrets are looked for in a refusal
WAKE_ATTEMPTS = 3
SIGN_IN_DELAY_S = 60.0
LATE = timedelta(seconds=5)  # after its time, from which on a look says nothing of how long Azure took
CROWDED = 0.8  # share of the read allowance above which polls step back for writes
CROWDED_FACTOR = 3.0


def take(
    stored: Stored,
    services: Services,
    *,
    inline_end: datetime | None = None,
    secret_body: Any = None,
    fresh: Mapping[str, Source] = MappingProxyType({}),
    parcel: Parcel | None = None,
) -> Stored:
    """Take one step and record it; within the accepting request it has until `inline_end`.

    A `parcel` is sent: the operation was claimed for that as it was recorded.

    Raises:
        ConflictError: another worker took the step.
    """
    with observing.within(stored.operation):
        step = taken(stored, services, inline_end, secret_body, fresh, parcel)
        goes_on = inline_end is not None and step.delay_s == 0 and step.value.phase in ("accepted", "preparing")
        return worker.record(MACHINE, step, services, send=not goes_on)


def taken(
    stored: Stored,
    services: Services,
    inline_end: datetime | None = None,
    secret_body: Any = None,
    fresh: Mapping[str, Source] = MappingProxyType({}),
    parcel: Parcel | None = None,
) -> Next[Stored, Operation]:
    """Take one step; its result is not recorded yet.

    Raises:
        ConflictError: another worker took the step.
    """
    began, held = stored.operation, _Held(stored=stored, services=services)
    if parcel:
        began = replace(began, phase="accepted")
    try:
        step = _claimed(held, parcel) if parcel else _matched(held, inline_end, secret_body, fresh)
    except errors.TransientError as problem:
        step = _transient(held.operation, problem, services, began.phase)
    except errors.PermanentError as problem:
        step = _permanent(held.operation, problem, services, began.phase)
    observing.stepped(began, step.operation)
    return _next(held.checked(), step, services)


@dataclass(slots=True, kw_only=True)
class _Held:
    """An operation during a step: as it was claimed last, with its lease while work is under way."""

    stored: Stored
    services: Services
    lease: lease.Held[Stored] | None = None

    @property
    def operation(self) -> Operation:
        return self.stored.operation

    @contextmanager
    def kept(self, claimed: Stored) -> Iterator[Operation]:
        """Renew the lease of what was just claimed, for as long as this worker is at it."""
        self.stored = claimed
        with _kept(claimed, self.services) as self.lease:
            yield claimed.operation

    def checked(self) -> Stored:
        """Return it as it stands.

        Raises:
            ConflictError: another worker has it.
        """
        return self.lease.checked() if self.lease else self.stored


def _matched(held: _Held, inline_end: datetime | None, secret_body: Any, fresh: Mapping[str, Source]) -> Step:
    """Take the step that the phase asks for; `held` has the operation as it was claimed, also where this raises."""
    operation, services = held.operation, held.services
    match operation.phase:
        case "accepted" if _too_late(operation, services):
            step = _not_sent(operation, services)
        case "accepted":
            parcel = _pack(operation, services, secret_body, fresh)
            if before := waits.before_sending(operation, parcel.body, services.ledger, services.clock()):
                step = settle.waits_for(operation, before, services.clock())
            else:
                with held.kept(_claim(held.stored, parcel, services)) as operation:
                    step = _send(operation, parcel, services)
        case "preparing" if operation.scores:
            step = async_scores.step(operation, services, lambda asking: held.kept(_asking(held.stored, asking, services)))
        case "preparing" if operation.action in (parking.PARK, parking.WAKE):
            with held.kept(_hold(held.stored, services)) as operation:
                step = parking.step(operation, services)
        case "preparing":
            with held.kept(_hold(held.stored, services)) as operation:
                end = inline_end or services.clock() + UPLOAD_BUDGET
                step = services.prepare_upload(operation, fresh, end=end, last=inline_end is None)
        case "registering":
            step = _register(operation, services)
        case "sending":
            step = _look_up(operation, services)
        case _:
            step = _poll(operation, services)
    return step


def _claimed(held: _Held, parcel: Parcel) -> Step:
    """Send what was claimed as it was recorded; if that took long, its lease begins again first."""
    stored, services = held.stored, held.services
    sent_at = stored.operation.sent_at
    if sent_at is None or services.clock() - sent_at > CLAIM_WITHIN:
        stored = _leased(stored, lambda before, now: replace(before, sent_at=now, due_at=now + lease.LEASE), services)
    with held.kept(stored) as operation:
        return _send(operation, parcel, services)


def _asking(stored: Stored, asking: Operation, services: Services) -> Stored:
    """Record that an endpoint is asked now."""
    return _leased(stored, lambda _, now: replace(asking, due_at=now + lease.LEASE), services)


def _hold(stored: Stored, services: Services) -> Stored:
    """Mark an upload as under way, by etag: one worker moves the files, and reconcile leaves it alone while it may work."""
    return _leased(stored, lambda before, now: replace(before, due_at=now + lease.LEASE), services)


def _kept(stored: Stored, services: Services) -> AbstractContextManager[lease.Held[Stored]]:
    """Renew the lease of a write, or of an upload, for as long as this worker is at it."""

    def renewed(before: Stored) -> Stored:
        return services.ledger.save(before, replace(before.operation, due_at=services.clock() + lease.LEASE))

    return lease.kept(stored, renewed)


def claimed(operation: Operation, parcel: Parcel, services: Services) -> Operation:
    """Return an operation as it is recorded before it is sent: of two workers only one sends."""
    now, first = services.clock(), operation.sent_azure or services.client.azure_now(parcel.url)
    sending = replace(operation.counted("write"), phase="sending", status="Running")
    return replace(sending, sent_at=now, sent_azure=first, due_at=now + lease.LEASE)


def _claim(stored: Stored, parcel: Parcel, services: Services) -> Stored:
    """Mark the write as being sent, by etag."""
    sending = claimed(stored.operation, parcel, services)
    return _leased(stored, lambda _, now: replace(sending, sent_at=now, due_at=now + lease.LEASE), services)


def _leased(stored: Stored, held: Callable[[Operation, datetime], Operation], services: Services) -> Stored:
    """Save the operation as `held` makes it now, and again if that took so long that the lease might end before the work."""
    while True:
        now = services.clock()
        stored = services.ledger.save(stored, replace(held(stored.operation, now), step=stored.operation.step + 1))
        if services.clock() - now <= CLAIM_WITHIN:
            return stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """Everything that a write needs: between the claim and the wire nothing else can fail."""

    url: str
    resource_url: str
    body: Any
    parts: Mapping[str, tuple[str, Source, str]] | None
    headers: Mapping[str, str]


def ready(operation: Operation, services: Services, secret_body: Any, fresh: Mapping[str, Source]) -> Parcel | None:
    """Return what a new operation is sent with; None where it cannot be sent at once: its first step says why."""
    if operation.phase != "accepted" or _too_late(operation, services):
        return None
    try:
        parcel = _pack(operation, services, secret_body, fresh)
        waiting = waits.before_sending(operation, parcel.body, services.ledger, services.clock())
    except (errors.PermanentError, errors.TransientError):
        return None
    return None if waiting else parcel


def _pack(operation: Operation, services: Services, secret_body: Any, fresh: Mapping[str, Source]) -> Parcel:
    ledger = services.ledger
    ledger.durations.refresh(services.clock())
    if operation.secret and secret_body is None:
        error = errors.AzureError(code="NotSent", message="The request's secret was not kept; send it again.")
        raise errors.RejectedError(error, status=503)
    parts = {
        name: (
            name,
            fresh.get(blob) or content.lying(ledger.blobs, blob),
            "application/zip" if "zip" in name.lower() else "application/json",
        )
        for name, blob in operation.files.items()
    }
    body = _wanted(operation, secret_body if operation.secret else ledger.payload(operation.body))
    url = _url(operation, services)
    services.client.token(clouds.scope_for(services.client.cloud, url))  # a slow or failing sign-in is not part of the send's time
    return Parcel(
        url=url,
        resource_url=_resource_url(operation, services),
        body=None if parts else body,
        parts=parts or None,
        headers={"Content-Type": JSON_PATCH} if isinstance(body, list) else {},
    )


def _wanted(operation: Operation, body: Any) -> Any:
    """Return the body as it is sent, and as it is looked for afterwards: with the tag of an expiry."""
    if operation.expires_at is None or body is None:
        return body
    return expiry_tag.changed(settle.kind_of(operation), body, expiry_tag.value(operation.expires_at))


def _too_late(operation: Operation, services: Services) -> bool:
    return operation.send_by is not None and services.clock() > operation.send_by


def _not_sent(operation: Operation, services: Services) -> Step:
    error = errors.AzureError(code="Expired", message="It was not sent in time, so it was not sent at all.")
    return settle.cancel(operation, error, services.clock())


def _send(operation: Operation, parcel: Parcel, services: Services) -> Step:
    if _too_late(operation, services):  # its claim took long
        return _not_sent(operation, services)
    new_keys.remember(operation, parcel.body, services)
    kind = settle.kind_of(operation)
    try:
        response = services.client.send(operation.method, parcel.url, body=parcel.body, files=parcel.parts, headers=parcel.headers)
    except errors.TransientError as problem:
        problem.error = replace(problem.error, message=redaction.unsaid(kind, _written(parcel), problem.error.message))
        raise
    if not response.ok:
        response = replace(response, body=redaction.unsaid(kind, _written(parcel), response.body))
    now = services.clock()
    step = settle.first_answer(operation, response, parcel.resource_url, now)
    if step.operation.status == "Failed" and (before := waits.after_refusal(step.operation, parcel.body, services.ledger, now)):
        return settle.waits_for(operation, before, now)
    if step.operation.phase == "following" and new_keys.changed(operation, services):
        return settle.shown(step.operation, now)
    return _timed(step, services, now)


def _written(parcel: Parcel) -> Any:
    """Return what the caller wrote in a request, which a refusal may quote: its body, or the JSON among its files."""
    if parcel.parts is None:
        return parcel.body
    found = ((source, media) for _, source, media in parcel.parts.values() if "json" in media and source.size <= QUOTED_LIMIT)
    return [client.parsed(source.open().read(), media) for source, media in found]


def _timed(step: Step, services: Services, now: datetime) -> Step:
    """Return the step of an operation that Azure has begun with, with the times at which such a one usually ends; jobs have none.

    Alone it is looked at soon, too, unless Azure says when: it may fail at once. One of many waits for the first of those times.
    """
    operation, follow = step.operation, step.operation.follow
    if operation.phase != "following" or follow is None:
        return step
    crowded = services.lists.crowded(operation)
    way = usual_times.way(operation, follow.url)
    ends = [] if settle.is_run(operation) else services.ledger.durations.ends(way, crowded=crowded)
    timed = replace(operation, follow=replace(follow, ends=ends, began_s=now.timestamp()))
    soon_s = settle.kind_of(operation).interval_s[0]
    straight = crowded and step.delay_s == soon_s
    return replace(step, operation=timed, delay_s=poll_delays.pause(ends, 0.0, soon_s, soon_s)[0] if straight else step.delay_s)


def _learn(before: Operation, saved: Operation, services: Services) -> None:
    """Take in how long Azure took, once it says that it is done; a look that came late says nothing of that."""
    follow, after, now = before.follow, saved.follow, services.clock()
    if before.phase != "following" or follow is None or not follow.began_s or follow.style == "result" or settle.is_run(before):
        return
    if before.lost_since or now - planned(before) > LATE:
        return
    if (saved.ended and saved.status == "Succeeded") or (after and after.style == "result"):
        over_s = now.timestamp() - follow.began_s
        services.ledger.durations.learn(usual_times.way(before, follow.url), over_s, follow.looked_s, now)


def _poll(operation: Operation, services: Services) -> Step:
    follow = operation.follow
    if new_keys.changed(operation, services):
        return settle.shown(operation, services.clock())
    if follow is None:
        raise errors.OutcomeUnknownError("The operation's poll URL was lost.", target=operation.target)
    try:
        clouds.scope_for(services.client.cloud, follow.url)
    except errors.BadRequestError:  # a status URL on a foreign host: the resource itself says as much
        follow = replace(follow, style="resource", url=follow.resource_url)
    operation, outcome = _looked(operation, follow, services)
    now = services.clock()
    if isinstance(outcome, long_running.Failed) and outcome.unexplained and "logs" in settle.kind_of(operation).views:
        operation, outcome = operation.counted("read"), replace(outcome, error=_reason(operation, services) or outcome.error)
    step = settle.moved(operation, outcome, now)
    if step.delay_s is not None and services.client.pressure(ids.parse(operation.target).subscription) > CROWDED:
        step = replace(step, delay_s=step.delay_s * CROWDED_FACTOR)
    return step


def _looked(operation: Operation, follow: long_running.Follow, services: Services) -> tuple[Operation, long_running.Outcome]:
    """Look at an operation: in a list that others look at, too, where that says enough, else by a GET of its own."""
    lists = services.lists
    item = lists.item(operation, follow, planned(operation))
    if item and (outcome := shared_lists.judged(operation, follow, item, now=services.clock())):
        return operation.counted("list"), outcome
    response = _read(operation, follow.url, services)
    operation, outcome = operation.counted("poll"), long_running.advance(follow, response, now=services.clock())
    if not isinstance(outcome, long_running.Pending) or (outcome.follow.style != "result" and not item):
        return operation, outcome
    if outcome.follow.style != "result":
        lists.forget(operation, silent=True)
    elif outcome.delay_s == 0 and outcome.follow.url == follow.resource_url:  # it has succeeded: the list showed what a GET would
        if read := item and shared_lists.judged(operation, outcome.follow, item, now=services.clock()):
            return operation, read
        response = _read(operation, outcome.follow.url, services)
        return operation.counted("poll"), long_running.advance(outcome.follow, response, now=services.clock())
    return operation, outcome


def _reason(operation: Operation, services: Services) -> errors.AzureError | None:
    """Return why a job or run failed: it does not say so itself, run history does. None where that says nothing either."""
    target = ids.parse(operation.target)
    try:
        return logs.error_of(target, services.client, services.addresses)
    except errors.StewardError as problem:
        log.info("run history could not be read for %s: %s", target.name, problem)
        return None


def _read(operation: Operation, url: str, services: Services) -> Response:
    """GET for an operation that Azure works on: a 401 says nothing about it, so it is asked again for some hours."""
    response = services.client.send("GET", url)
    if response.status == 401 and operation.attempts < SIGN_IN_ATTEMPTS:
        error = response.error()
        raise errors.UnreachableError(error.message, delay_s=SIGN_IN_DELAY_S, maybe_arrived=True, code=error.code)
    return response


def _look_up(operation: Operation, services: Services) -> Step:
    """Settle a write whose answer was lost: see whether it arrived."""
    resource_url = _resource_url(operation, services)
    response = _read(operation, resource_url, services)
    body = _wanted(operation, services.ledger.payload(operation.body))
    earlier = list(services.ledger.results_before(operation))
    return settle.arrived(operation.counted("read"), response, body, resource_url, services.clock(), earlier=earlier)


def _register(operation: Operation, services: Services) -> Step:
    subscription = ids.parse(operation.target).subscription
    path = ids.provider(subscription, operation.registering)
    version = kinds.by_type()["arm", kinds.RESOURCES.lower(), "providers"].api_version
    if operation.attempts == 1:
        response = services.client.send("POST", ids.url(services.client.cloud.arm, ids.below(path, "register"), version))
    else:
        response = services.client.send("GET", ids.url(services.client.cloud.arm, path, version))
    return settle.registration(operation.counted("read"), response, services.clock())


def cancel_in_azure(operation: Operation, kind: kinds.Kind, services: Services) -> None:
    """Ask Azure to cancel the job or run that an operation started.

    Raises:
        RejectedError: Azure refused.
    """
    target = ids.parse(operation.target)
    path, query = ids.below(target.path, kind.cancel or "cancel"), f"api-version={kind.api_version}"
    url = services.addresses.url(kind.plane, path, query, workspace=target.ancestor(1).path)
    services.client.send("POST", url).checked()


def _transient(operation: Operation, problem: errors.TransientError, services: Services, began_as: models.Phase) -> Step:
    now = services.clock()
    if began_as == "sending":  # it is the look at the target that failed, which says nothing about the write before it
        return settle.postponed(operation, problem, now, looking=True)
    if operation.secret and operation.phase in ("accepted", "sending") and not problem.maybe_arrived:
        error = replace(problem.error, message=f"{problem.error.message} Nothing of the request was kept; send it again.")
        return settle.fail(operation, error, now, http_status=503)
    return settle.postponed(operation, problem, now)


def _permanent(operation: Operation, problem: errors.PermanentError, services: Services, began_as: models.Phase) -> Step:
    if isinstance(problem, errors.SignInError) and began_as in ("following", "sending"):  # Azure goes on with it; so do we
        waiting = errors.UnreachableError(problem.error.message, delay_s=SIGN_IN_DELAY_S, maybe_arrived=True, code="SignInFailed")
        return settle.postponed(operation, waiting, services.clock())
    return settle.fail(operation, problem.error, services.clock(), http_status=problem.status)


def record(stored: Stored, step: Step, services: Services) -> Stored:
    """Save a step, then queue the next; or end the operation and wake the next one in its lane.

    Raises:
        ConflictError: another worker changed the operation; nothing was queued.
    """
    return worker.record(MACHINE, _next(stored, step, services), services)


def _next(stored: Stored, step: Step, services: Services) -> Next[Stored, Operation]:
    operation, delay_s = step.operation, step.delay_s
    if operation.ended:
        services.lists.forget(operation)
    elif delay_s and operation.phase == "following":
        delay_s = max(delay_s, services.settings.poll_with_events_s)  # events say when it has ended
        delay_s = services.lists.together(operation, delay_s)
    return Next(known=stored, value=operation, delay_s=delay_s)


def _save(step: Next[Stored, Operation], services: Services) -> Stored:
    stored, now = step.known, services.clock()
    operation = replace(step.value, step=stored.operation.step + 1, look_at=None, lost_since=None)
    if step.delay_s is None:
        left = stored.operation.phase == "following" and settle.is_run(operation)  # its lane, when Azure had begun with it
        return services.ledger.save(stored, operation) if left else services.ledger.leave_lane(stored, operation)
    look_at = now + timedelta(seconds=step.delay_s)
    operation = replace(operation, due_at=look_at + GRACE)
    if _is_carried(operation, services):
        operation = replace(operation, look_at=look_at, due_at=max(operation.due_at, now + UNRECORDED))
    if operation.phase == "following" and stored.operation.phase == "sending" and settle.is_run(operation):
        return services.ledger.leave_lane(stored, operation)  # a job runs for hours; others may act on it meanwhile
    return services.ledger.save(stored, operation)


def planned(operation: Operation) -> datetime:
    """Return when an operation that is followed was to be looked at."""
    return operation.look_at or operation.due_at - GRACE


def _is_carried(operation: Operation, services: Services) -> bool:
    """Return whether messages carry an operation: Azure is at work on it, and no event overtakes the look that is planned.

    What opens a receiver, and the query that is the caller's own, stand in no message.
    """
    if operation.phase != "following" or operation.lost_since or services.settings.poll_with_events_s:
        return False
    own = operation.query.partition("&")[2]
    return own in ("", settle.kind_of(operation).delete_query) and not any("?" in receiver for receiver in operation.notify)


def _carried(stored: Stored, services: Services) -> Mapping[str, Any]:
    """Return what the message of its next look carries of an operation."""
    if not _is_carried(stored.operation, services):
        return {}
    return {"operation": stored.operation.to_json(), "etag": stored.etag, **ledger.lane_to_json(stored.lane)}


def _unpacked(message: Message, services: Services) -> Stored | None:
    """Return the operation that a message carries; None where it carries none, or comes when a timer may have gone on with it."""
    if not message.carried or message.again:
        return None
    operation = Operation.from_json(message.carried["operation"])
    if services.clock() >= operation.due_at:
        return None
    lane = ledger.lane_from_json(operation, message.carried)
    return ledger.Stored(operation=operation, etag=message.carried["etag"], lane=lane, looked_at=operation.due_at)


def _quiet(step: Next[Stored, Operation], services: Services) -> Stored | None:
    """Return an operation of which Azure said nothing new, to be looked at again before its row says that it is lost."""
    before, after = step.known.operation, step.value
    look_at = services.clock() + timedelta(seconds=step.delay_s or 0.0)
    if not (before.follow and after.follow and _is_carried(before, services)) or look_at > before.due_at - SPARE:
        return None
    follow = replace(after.follow, interval_s=before.follow.interval_s, looked_s=before.follow.looked_s)
    if replace(after, follow=follow, calls=before.calls) != before:
        return None
    return replace(step.known, operation=replace(after, look_at=look_at))


def _after(before: Stored, saved: Stored, services: Services) -> None:
    operation = saved.operation
    if operation.ended and not before.operation.ended:
        observing.ended(operation)
    _learn(before.operation, operation, services)
    again = operation.ended and before is saved  # a timer's: the worker that ended it may have died before it woke the next one
    wake_id(services.ledger.before(operation) if again else saved.woken, services)
    if operation.scores and not operation.ended and async_scores.missed(operation, services):
        services.queue.send(MACHINE.message(saved))
    if operation.ended:
        if operation.action == parking.WAKE:
            async_scores.woken(operation, services)
        announce(operation, services)
    died = again or (operation.ended and "upload" in operation.calls)  # before its last blobs were deleted, perhaps
    services.ledger.discard(None if died else before.operation, operation)
    if operation.ended:
        services.ledger.close(operation.id)


def _step(stored: Stored, _message: Message, services: Services) -> Next[Stored, Operation] | None:
    """Take the step of a message; one that waits for its turn takes its first when that has come."""
    if stored.operation.phase == "waiting":
        if before := services.ledger.before(stored.operation):
            later = replace(_explained(stored.operation, before, services), due_at=services.clock() + GRACE)
            services.ledger.save(stored, later)
            return None
        stored = services.ledger.save(stored, replace(stored.operation, phase=_first_phase(stored.operation)))
    return taken(stored, services)


def _give_up(stored: Stored, reason: str, services: Services) -> Next[Stored, Operation]:
    error = errors.AzureError(code="StewardInternalError", message=reason, target=stored.operation.target)
    return _next(stored, settle.fail(stored.operation, error, services.clock(), http_status=500), services)


def _missing(entry: Entry, services: Services) -> bool:
    """Forget an acceptance that died before its row was written, once it is old enough."""
    services.ledger.drop(str(entry.key[0]), ORPHAN_AGE)
    return False


def announce(operation: Operation, services: Services) -> None:
    """Queue the notifications of an operation's end; what dies before that is done again by reconcile.

    Each message has an entry of the due index besides: it may be lost with the worker that takes it.
    """
    at = services.clock() + GRACE
    for position in range(len(operation.notify)):
        key = (operation.id, position)
        services.due.put(due.Entry(machine="delivery", key=key, at=at))
        services.notification_queue.send(messages.Message(machine="end", key=key).to_text())
    if operation.origin:
        of_recipe = operation.origin.startswith(models.RECIPE_ORIGIN)
        machine, queue = ("recipe", services.queue) if of_recipe else ("firing", services.event_queue)
        named = (operation.origin.removeprefix(models.RECIPE_ORIGIN),)
        text = messages.Message(machine=machine, key=named).to_text()
        services.due.put(due.Entry(machine=machine, key=named, at=at, wake_at=at, text=text))
        queue.send(text)
    for expiry in filter(None, (operation.id if operation.expires_at else "", operation.acts_for)):
        services.cleanup_queue.send(messages.Message(machine="expiry", key=(expiry,)).to_text())


def wake(stored: Stored, services: Services) -> bool:
    """Put an overdue operation, or a waiting one whose turn it is, back on the queue; False when there is nothing to do.

    Raises:
        ConflictError: another worker changed it.
    """
    operation, now = stored.operation, services.clock()
    if operation.phase == "waiting" and (before := services.ledger.before(operation)):
        explained = _explained(operation, before, services)
        if explained != operation:
            services.ledger.save(stored, explained)
        return False
    if operation.phase == "sending" and operation.sent_at and now - operation.sent_at > STUCK_AFTER:
        record(stored, settle.unknown(operation, now), services)
        return False
    if operation.lost_since and now - operation.lost_since > STUCK_AFTER:
        record(stored, _lost(operation, now), services)
        return False
    # Before it is claimed every message of its step may be taken, also the oldest one of a queue that is longer than the lease.
    step = operation.step + (operation.phase not in ("accepted", "preparing"))
    woken = replace(operation, step=step, look_at=None, due_at=now + GRACE, lost_since=operation.lost_since or now)
    if operation.phase == "waiting":
        woken = replace(woken, phase=_first_phase(operation))
    elif operation.phase == "sending":
        woken = replace(woken, attempts=operation.attempts + 1)
    by_timer = operation.phase != "waiting" and operation.due_at <= now  # it moves the entry that it found
    if not by_timer and (stored.looked_at is None or stored.looked_at > woken.due_at):  # first: a worker may die after the save
        soon = worker.entry(MACHINE, (operation.id,), 0.0, services)
        services.ledger.open.put(replace(soon, columns=ledger.listing(operation)))
    services.queue.send(MACHINE.message(services.ledger.save(stored, woken)))
    return True


MACHINE = worker.Machine["Services", "Stored", "Operation"](
    name=ledger.OPERATION,
    queue=messages.QUEUE,
    record=Operation,
    send=lambda services: services.queue,
    load=lambda message, services: services.ledger.load(str(message.key[0])),
    advance=_step,
    save=_save,
    key=lambda stored: (stored.operation.id,),
    step=lambda stored: stored.operation.step,
    due_at=lambda stored: None if stored.operation.ended else stored.operation.due_at,
    lease=GRACE,
    give_up=_give_up,
    overdue=lambda _before, _services: iter(()),  # its index is the list of open ones, and the purge mends that
    purge=lambda before, services: services.ledger.purge(before),
    index=lambda services: services.ledger.open,
    listed_at=lambda stored: stored.looked_at,
    after=_after,
    wake=lambda stored, services: int(wake(stored, services)),
    missing=_missing,
    columns=lambda stored: ledger.listing(stored.operation),
    within=lambda stored: observing.within(stored.operation),
    carried=_carried,
    unpacked=_unpacked,
    quiet=_quiet,
)


def _explained(operation: Operation, before: str, services: Services) -> Operation:
    """Note what an operation waits for when that is one that cannot be read: it may wait for long."""
    try:
        services.ledger.load(before)
    except UnreadableError as problem:
        told = f"behind another operation on this target. {problem.error.message}"
        if not any(entry.what == "waits" for entry in operation.timeline):
            return operation.noted(services.clock(), "waits", told)
    return operation


def _lost(operation: Operation, now: datetime) -> Step:
    """End an operation whose step ends the process of every worker that takes it, time and again, with all that runs beside it."""
    if operation.phase in ("sending", "following") or parking.begun(operation):
        return settle.unknown(operation, now)
    hours = STUCK_AFTER.total_seconds() / 3600
    message = f"The next step did not complete within {hours:.0f} hours (its worker ended each time); the app's log has the reason."
    error = errors.AzureError(code="NotSent", message=message, target=operation.target)
    return settle.fail(operation, error, now, http_status=500)


def wake_id(operation_id: str, services: Services) -> None:
    """Wake the operation whose turn it is now, '' for none."""
    for _ in range(WAKE_ATTEMPTS):
        try:
            stored = services.ledger.load(operation_id) if operation_id else None
        except UnreadableError as problem:
            unreadable.note(f"operation {operation_id}", problem)
            return
        if stored is None or stored.operation.phase != "waiting":
            return
        try:
            wake(stored, services)
        except storage.ConflictError:
            continue


def _first_phase(operation: Operation) -> models.Phase:
    return "preparing" if operation.plan else "accepted"


def _url(operation: Operation, services: Services) -> str:
    workspace = ids.parse(operation.target).ancestor(1).path
    return services.addresses.url(operation.plane, operation.path, operation.query, workspace=workspace)


def _resource_url(operation: Operation, services: Services) -> str:
    kind = settle.kind_of(operation)
    version = operation.query.partition("&")[0]
    target = ids.parse(operation.target)
    return services.addresses.url(kind.plane, target.path, version, workspace=target.ancestor(1).path)
