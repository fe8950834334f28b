"""How an operation moves: accept, apply, advance, reconcile, cancel.

Record before message, message before answer: a crash leaves a message or an overdue row, never nothing. Each step makes at
most one request to Azure (uploads aside) and nothing here waits; a pause is a delay on the next message. This is the
only place that catches PermanentError and TransientError. What an answer means is decided in settle.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from shared.catalog import bodies, kinds, paths
from shared.operations import models, plans, redaction, settle, storage, uploads
from shared.operations.messages import Message
from shared.rest import clouds, errors, ids, long_running

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shared.operations.ledger import Ledger, Stored
    from shared.operations.models import Operation
    from shared.operations.settle import Step
    from shared.operations.storage import Queue
    from shared.rest.addresses import Addresses
    from shared.rest.client import Client, Response

log = logging.getLogger("steward.operations")

INLINE_LEASE = timedelta(seconds=60)  # how long the accepting request may work before reconcile takes over
INLINE_BUDGET = timedelta(seconds=45)
GRACE = timedelta(seconds=60)  # how long after its due time a step counts as lost
# How long a claimed write may be under way before it is looked up: longer than the client's time-outs and a sign-in; files
# take as long as a function may run (host.json's functionTimeout). Looked up too early, it would be sent a second time.
SEND_LEASE = timedelta(seconds=90)
FILES_LEASE = timedelta(seconds=330)
UPLOAD_BUDGET = timedelta(seconds=200)  # of one step of an upload; what is left is the next step's
ORPHAN_AGE = timedelta(minutes=10)
STORAGE_PAUSE_S = 30.0
STUCK_AFTER = timedelta(hours=24)
SIGN_IN_ATTEMPTS = 20
JSON_PATCH = "application/json-patch+json"
WAKE_ATTEMPTS = 3
SIGN_IN_DELAY_S = 60.0
CROWDED = 0.8  # share of the read allowance above which polls step back for writes
CROWDED_FACTOR = 3.0


class Services(Protocol):
    """What flows need of the composition root (shared.services)."""

    @property
    def client(self) -> Client: ...  # noqa: D102
    @property
    def addresses(self) -> Addresses: ...  # noqa: D102
    @property
    def ledger(self) -> Ledger: ...  # noqa: D102
    @property
    def queue(self) -> Queue: ...  # noqa: D102
    @property
    def clock(self) -> Callable[[], datetime]: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a caller wants of Azure, read and checked as far as that goes without Azure.

    Attributes:
        target: What its path names; a collection for a job that is to be named here.
        query: What Azure is sent besides api-version.
        api_version: The caller's, or the table's.
        files: Multipart parts that Azure itself takes, name → content.
        plan: What must be in Azure first; its tasks name blobs of the app's storage, or one of `contents`.
        contents: Files that came with the request, name → content.
        run_id: The id that the caller wants for a v1 run, '' for one derived from the operation's.
    """

    target: paths.Target
    method: str
    api_version: str
    query: str = ""
    body: Any = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    plan: plans.Plan | None = None
    contents: Mapping[str, bytes] = field(default_factory=dict)
    run_id: str = ""
    idempotency_key: str = ""
    caller: str = ""


def submit(request: Request, services: Services, *, respond_async: bool = False) -> Operation:
    """Accept a request and carry it out as far as that goes without waiting; `respond_async` only records and queues it.

    The same Idempotency-Key with the same request gets the operation it made the first time, as that stands.

    Raises:
        BadRequestError: `IdempotencyKeyReused`, `SecretNeedsInline`, `TargetBusy`.
        TransientError: the ledger is out of reach; nothing was accepted.
    """
    secret = bodies.has_secret(request.target.kind, request.body)
    if secret and request.plan:
        message = "The request holds a secret, which is never stored; upload and register its files with requests of their own."
        raise errors.BadRequestError("SecretNeedsInline", message, target="body")
    if secret and respond_async:
        message = "The request holds a secret, which is never stored; send it without Prefer: respond-async."
        raise errors.BadRequestError("SecretNeedsInline", message, target="Prefer")
    stored, is_new = accept(request, services)
    if not is_new:
        return stored.operation
    if respond_async:
        try:
            enqueue(stored, services)
        except errors.TransientError as problem:  # it is recorded: reconcile finds it when its lease is over
            log.warning("operation %s waits for reconcile: %s", stored.operation.id, problem)
        return stored.operation
    if secret and stored.operation.phase == "waiting":
        cancel(stored, services)
        message = "Another operation on this resource is running, and a request with a secret cannot be kept until it ends."
        raise errors.BadRequestError("TargetBusy", message, target=stored.operation.target, status=409)
    return apply(stored, services, secret_body=request.body if secret else None).operation


def accept(request: Request, services: Services) -> tuple[Stored, bool]:
    """Record a request as an operation, or find the one that the same Idempotency-Key made; the bool tells which.

    Raises:
        BadRequestError: `IdempotencyKeyReused`; the key came before with another request.
        TransientError: the ledger is out of reach; nothing was accepted.
    """
    operation = _operation(request, services)
    if request.idempotency_key:
        key = models.key_hash(request.idempotency_key, request.caller)
        _check_same(services.ledger.first_hash(key, operation.request_hash, operation.created_at), operation)
    files = {blob: request.files[name] for name, blob in operation.files.items()}
    contents = {plans.blob_of(operation.id, name, content): content for name, content in request.contents.items()}
    stored, is_new = services.ledger.insert(operation, files | contents)
    if not is_new:
        _check_same(stored.operation.request_hash, operation)
    return stored, is_new


def _check_same(known_hash: str, operation: Operation) -> None:
    if known_hash != operation.request_hash:
        message = "This Idempotency-Key came before with another request; use a new key for a new request."
        raise errors.BadRequestError("IdempotencyKeyReused", message, target="Idempotency-Key")


def apply(stored: Stored, services: Services, *, secret_body: Any = None) -> Stored:
    """Send an accepted operation at once, within the accepting request, as far as that goes without waiting.

    Args:
        stored: As `accept` returned it.
        services: The composition root.
        secret_body: The body that was not stored because it holds a secret.
    """
    end = services.clock() + INLINE_BUDGET
    try:
        while stored.operation.phase in ("accepted", "preparing"):
            stored = _go(stored, services, inline_end=end, secret_body=secret_body)
            if stored.operation.attempts:  # its next try is on the queue
                break
            if stored.operation.phase in ("accepted", "preparing") and services.clock() >= end:
                enqueue(stored, services)
                break
    except (storage.ConflictError, errors.TransientError) as problem:  # it is recorded: somebody else, or reconcile, goes on
        log.warning("operation %s is left to the queue: %s", stored.operation.id, problem)
        return _reloaded(stored, services)
    return stored


def enqueue(stored: Stored, services: Services, *, delay_s: float = 0.0) -> None:
    """Put the operation's next step on the queue."""
    services.queue.send(Message(operation=stored.operation.id, step=stored.operation.step).to_text(), delay_s=delay_s)


def advance(text: str, services: Services) -> Operation | None:
    """Take one step of the operation that a message names; None when the message is stale.

    Raises:
        ValueError: the message cannot be read (it will end in the poison queue).
    """
    message = Message.from_text(text)
    try:
        return _advance(message, services)
    except errors.TransientError as problem:  # the app's own storage; the operation is none the worse for it
        log.warning("operation %s step %d waits for storage: %s", message.operation, message.step, problem)
        services.queue.send(text, delay_s=STORAGE_PAUSE_S)
        return None


def _advance(message: Message, services: Services) -> Operation | None:
    stored = services.ledger.load(message.operation)
    if stored is None or stored.operation.ended or message.step != stored.operation.step:
        log.info("stale message: operation %s step %d", message.operation, message.step)
        return None
    try:
        if stored.operation.phase == "waiting":
            return _take_turn(stored, services)
        return _go(stored, services).operation
    except storage.ConflictError:
        log.info("operation %s step %d was taken by another worker", message.operation, message.step)
        return None


def reconcile(services: Services) -> dict[str, int]:
    """Put back on the queue whatever lost its message, and tidy the list of open operations; returns counts."""
    counts = {"open": 0, "woken": 0, "closed": 0}
    for operation_id, created_at in services.ledger.open_ids():
        try:
            stored = services.ledger.load(operation_id)
        except ValueError:  # of a newer app; its own reconcile takes care of it
            log.exception("operation %s cannot be read", operation_id)
            continue
        now = services.clock()
        if stored is None:
            if now - created_at > ORPHAN_AGE:
                services.ledger.drop(operation_id, created_at)
                counts["closed"] += 1
        elif stored.operation.ended:
            services.ledger.close(operation_id)
            counts["closed"] += 1
        else:
            counts["open"] += 1
            if stored.operation.due_at <= now:
                try:
                    counts["woken"] += _wake(stored, services)
                except storage.ConflictError:
                    continue
    return counts


def cancel(stored: Stored, services: Services, *, abandon: bool = False) -> Operation:
    """Cancel what was not sent yet; ask Azure to cancel a job or run; stop following when `abandon`.

    Raises:
        BadRequestError: `NotCancelable` (409): it was sent, and Azure has no cancel for it.
        RejectedError: Azure refused to cancel the job.
    """
    while True:
        try:
            return _cancel(stored, services, abandon=abandon)
        except storage.ConflictError:  # a worker took a step meanwhile: judge anew
            stored = _reloaded(stored, services)


def _cancel(stored: Stored, services: Services, *, abandon: bool) -> Operation:
    operation, now = stored.operation, services.clock()
    if operation.ended:
        return operation
    if abandon or operation.phase in ("waiting", "accepted", "preparing", "registering"):
        code, message = (
            ("Abandoned", "No longer followed; Azure goes on.") if abandon else ("Canceled", "Canceled before it was sent.")
        )
        return _record(stored, settle.cancel(operation, errors.AzureError(code=code, message=message), now), services).operation
    kind = settle.kind_of(operation)
    if operation.phase != "following" or not settle.is_run(operation):
        message = f"{operation.method} {kind.label} was sent and Azure cannot cancel it; ?abandon=true stops following it."
        raise errors.BadRequestError("NotCancelable", message, target=operation.id, status=409)
    _cancel_in_azure(operation, kind, services)
    asked = replace(operation.counted("write").noted(now, "cancel requested"), cancel_requested=True)
    return _record(stored, settle.Step(operation=asked, delay_s=0.0), services).operation


def give_up(text: str, services: Services, reason: str) -> bool:
    """Mark the operation of a poison message Failed with the reason; True when there was one to mark. Never raises.

    A stale message marks nothing: somebody else has taken its operation further.
    """
    try:
        message = Message.from_text(text)
        stored = services.ledger.load(message.operation)
        if stored is None or stored.operation.ended or stored.operation.step != message.step:
            return False
        error = errors.AzureError(code="StewardInternalError", message=reason, target=stored.operation.target)
        _record(stored, settle.fail(stored.operation, error, services.clock(), http_status=500), services)
    except Exception:
        log.exception("a poison message could not be settled: %.200s", text)
        return False
    return True


def _operation(request: Request, services: Services) -> Operation:
    """Build the operation; a job or run takes its name from the operation's id, so that Azure refuses a second one."""
    now = services.clock()
    suffix = models.new_suffix(request.idempotency_key, request.caller)
    target, path, query = request.target, request.target.path, f"api-version={request.api_version}"
    kind, named = target.kind, target.id
    if target.plane == "execution":
        named = target.id.child("runs", request.run_id or f"{target.id.name}_{suffix}")
        kind = kinds.by_type()["history", kinds.ML.lower(), "/".join(named.types).lower()]
        query += f"&runId={quote(named.name)}"
    elif target.id.is_collection and kind.posted_name:  # it is sent to the collection, and its body names it
        named = replace(target.id, names=(*target.id.names, str(bodies.dig(request.body, kind.posted_name))))
    elif target.id.is_collection:
        named = replace(target.id, names=(*target.id.names, f"job-{suffix}"))
        path = named.path
    if request.query:
        query += f"&{request.query}"
    secret = bodies.has_secret(kind, request.body)
    partition = models.partition_of(named)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in {**request.files, **request.contents}.items()}
    plan = None
    if request.plan:
        plan = request.plan.located(f"{partition}-{suffix}", request.contents)
        digests["plan"] = request.plan.digest
    operation = models.Operation(
        id=f"{partition}-{suffix}",
        target=named.path,
        kind=settle.kind_key(kind),
        method="PUT" if kind.named_by_us and request.target.id.is_collection else request.method,
        action=target.action.name if target.action else "",
        plane=target.plane,
        path=path,
        query=query,
        body=None if secret else request.body,
        files={name: f"operations/{partition}-{suffix}/files/{digests[name][:16]}/{name}" for name in request.files},
        plan=plan.to_json() if plan else None,
        secret=secret,
        request_hash=models.hash_of(request.method, path, query, redaction.redacted(kind, request.body), digests),
        caller=request.caller,
        phase="preparing" if plan else "accepted",
        created_at=now,
        due_at=now + INLINE_LEASE,
    )
    return operation.noted(now, "accepted")


def _go(stored: Stored, services: Services, *, inline_end: datetime | None = None, secret_body: Any = None) -> Stored:
    """Take one step and record it; within the accepting request it has until `inline_end`.

    Raises:
        ConflictError: another worker took the step.
    """
    operation = stored.operation
    began_as = operation.phase
    try:
        match began_as:
            case "accepted":
                parcel = _pack(operation, services, secret_body)
                stored = _claim(stored, services)
                operation = stored.operation
                step = _send(operation, parcel, services)
            case "preparing":
                stored = _hold(stored, services)
                operation = stored.operation
                end = inline_end or services.clock() + UPLOAD_BUDGET
                patience = uploads.Patience(clock=services.clock, end=end, last=inline_end is None)
                step = uploads.prepare(operation, services.ledger, services.client, patience)
            case "registering":
                step = _register(operation, services)
            case "sending":
                step = _look_up(operation, services)
            case _:
                step = _poll(operation, services)
    except errors.TransientError as problem:
        step = _transient(operation, problem, services)
    except errors.PermanentError as problem:
        step = _permanent(operation, problem, services, began_as)
    return _record(stored, step, services, inline=inline_end is not None)


def _hold(stored: Stored, services: Services) -> Stored:
    """Mark an upload as under way, by etag: one worker moves the files, and reconcile leaves it alone while it may work."""
    held = replace(stored.operation, step=stored.operation.step + 1, due_at=services.clock() + FILES_LEASE)
    return services.ledger.save(stored, held)


def _claim(stored: Stored, services: Services) -> Stored:
    """Mark the write as being sent, by etag: of two workers only one sends."""
    now = services.clock()
    claimed = replace(
        stored.operation.counted("write"),
        phase="sending",
        status="Running",
        step=stored.operation.step + 1,
        sent_at=now,
        due_at=now + (FILES_LEASE if stored.operation.files else SEND_LEASE),
    )
    return services.ledger.save(stored, claimed)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parcel:
    """Everything that a write needs: between the claim and the wire nothing else can fail."""

    url: str
    resource_url: str
    body: Any
    parts: Mapping[str, tuple[str, bytes, str]] | None
    headers: Mapping[str, str]


def _pack(operation: Operation, services: Services, secret_body: Any) -> _Parcel:
    ledger = services.ledger
    if operation.secret and secret_body is None:
        error = errors.AzureError(code="NotSent", message="The request's secret was not kept; send it again.")
        raise errors.RejectedError(error, status=503)
    parts = {
        name: (name, ledger.file(blob), "application/zip" if "zip" in name.lower() else "application/json")
        for name, blob in operation.files.items()
    }
    body = secret_body if operation.secret else ledger.payload(operation.body)
    url = _url(operation, services)
    services.client.token(clouds.scope_for(services.client.cloud, url))  # a slow or failing sign-in is none of the send's time
    return _Parcel(
        url=url,
        resource_url=_resource_url(operation, services),
        body=None if parts else body,
        parts=parts or None,
        headers={"Content-Type": JSON_PATCH} if isinstance(body, list) else {},
    )


def _send(operation: Operation, parcel: _Parcel, services: Services) -> Step:
    response = services.client.send(operation.method, parcel.url, body=parcel.body, files=parcel.parts, headers=parcel.headers)
    return settle.first_answer(operation, response, parcel.resource_url, services.clock())


def _poll(operation: Operation, services: Services) -> Step:
    follow = operation.follow
    if follow is None:
        raise errors.OutcomeUnknownError("The operation lost its poll URL.", target=operation.target)
    try:
        clouds.scope_for(services.client.cloud, follow.url)
    except errors.BadRequestError:  # a status URL on a foreign host: the resource itself tells as much
        follow = replace(follow, style="resource", url=follow.resource_url)
    response = _read(operation, follow.url, services)
    now = services.clock()
    step = settle.moved(operation.counted("poll"), long_running.advance(follow, response, now=now), now)
    if step.delay_s is not None and services.client.pressure(ids.parse(operation.target).subscription) > CROWDED:
        step = replace(step, delay_s=step.delay_s * CROWDED_FACTOR)
    return step


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
    body = services.ledger.payload(operation.body)
    return settle.arrived(operation.counted("read"), response, body, resource_url, services.clock())


def _register(operation: Operation, services: Services) -> Step:
    subscription = ids.parse(operation.target).subscription
    base = f"{services.client.cloud.arm}/subscriptions/{subscription}/providers/{operation.registering}"
    version = kinds.by_type()["arm", kinds.RESOURCES.lower(), "providers"].api_version
    if operation.attempts == 1:
        response = services.client.send("POST", f"{base}/register?api-version={version}")
    else:
        response = services.client.send("GET", f"{base}?api-version={version}")
    return settle.registration(operation.counted("read"), response, services.clock())


def _cancel_in_azure(operation: Operation, kind: kinds.Kind, services: Services) -> None:
    target = ids.parse(operation.target)
    path, query = f"{target.path}/{kind.cancel}", f"api-version={kind.api_version}"
    url = services.addresses.url(kind.plane, path, query, workspace=target.ancestor(1).path)
    services.client.send("POST", url).checked()


def _transient(operation: Operation, problem: errors.TransientError, services: Services) -> Step:
    now = services.clock()
    if operation.secret and operation.phase in ("accepted", "sending") and not problem.maybe_arrived:
        error = replace(problem.error, message=f"{problem.error.message} Nothing of the request was kept; send it again.")
        return settle.fail(operation, error, now, http_status=503)
    return settle.postponed(operation, problem, now)


def _permanent(operation: Operation, problem: errors.PermanentError, services: Services, began_as: models.Phase) -> Step:
    if problem.error.code == "SignInFailed" and began_as in ("following", "sending"):  # Azure goes on with it; so do we
        waiting = errors.UnreachableError(problem.error.message, delay_s=SIGN_IN_DELAY_S, maybe_arrived=True, code="SignInFailed")
        return settle.postponed(operation, waiting, services.clock())
    return settle.fail(operation, problem.error, services.clock(), http_status=problem.status)


def _record(stored: Stored, step: Step, services: Services, *, inline: bool = False) -> Stored:
    """Save a step, then enqueue the next; or end the operation and wake the next one in its lane.

    Raises:
        ConflictError: another worker changed the operation; nothing was enqueued.
    """
    operation = replace(step.operation, step=stored.operation.step + 1)
    if step.delay_s is None:
        ended, woken = services.ledger.leave_lane(stored, operation)
        log.info("operation %s %s: %s %s", operation.id, operation.status, operation.method, operation.target)
        _wake_id(woken, services)
        return ended
    operation = replace(operation, due_at=services.clock() + timedelta(seconds=step.delay_s) + GRACE)
    woken = ""
    if operation.phase == "following" and stored.operation.phase == "sending" and settle.is_run(operation):
        saved, woken = services.ledger.leave_lane(stored, operation)  # a job runs for hours; others may act on it meanwhile
    else:
        saved = services.ledger.save(stored, operation)
    goes_on_inline = inline and step.delay_s == 0 and operation.phase in ("accepted", "preparing")
    if not goes_on_inline:
        enqueue(saved, services, delay_s=step.delay_s)
    _wake_id(woken, services)
    return saved


def _take_turn(stored: Stored, services: Services) -> Operation:
    """Go on with a waiting operation when it is its turn."""
    if not services.ledger.is_first(stored.operation):
        later = replace(stored.operation, due_at=services.clock() + GRACE)
        return services.ledger.save(stored, later).operation
    return _go(services.ledger.save(stored, replace(stored.operation, phase=_first_phase(stored.operation))), services).operation


def _wake(stored: Stored, services: Services) -> bool:
    operation, now = stored.operation, services.clock()
    if operation.phase == "waiting" and not services.ledger.is_first(operation):
        return False
    if operation.phase == "sending" and operation.sent_at and now - operation.sent_at > STUCK_AFTER:
        _record(stored, settle.unknown(operation, now), services)
        return False
    woken = replace(operation, step=operation.step + 1, due_at=now + GRACE)
    if operation.phase == "waiting":
        woken = replace(woken, phase=_first_phase(operation))
    elif operation.phase == "sending":
        woken = replace(woken, attempts=operation.attempts + 1)
    enqueue(services.ledger.save(stored, woken), services)
    return True


def _wake_id(operation_id: str, services: Services) -> None:
    for _ in range(WAKE_ATTEMPTS):
        stored = services.ledger.load(operation_id) if operation_id else None
        if stored is None or stored.operation.phase != "waiting":
            return
        try:
            _wake(stored, services)
        except storage.ConflictError:
            continue


def _reloaded(stored: Stored, services: Services) -> Stored:
    """Return the operation as it stands now, or as it was last seen when the ledger is out of reach."""
    try:
        return services.ledger.load(stored.operation.id) or stored
    except errors.TransientError:
        return stored


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
