"""What a caller wants of Azure, and the operation it is recorded as. Not here: what is done about it then (flows)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from shared.catalog import bodies, kinds
from shared.durable import lease
from shared.endpoints import parking
from shared.files import plans
from shared.operations import models, observing, redaction, settle
from shared.rest import errors, ids
from shared.telemetry import trace
from shared.text import times

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from shared.catalog import paths
    from shared.operations.context import Services
    from shared.operations.ledger import Stored
    from shared.operations.models import Operation
    from shared.rest.streams import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a caller wants of Azure, read and checked as far as that goes without Azure.

    Attributes:
        target: What its path names; a collection for a job that is to be named here.
        asked: The path as the caller has it, where the target is more (a version that was looked up); '' for the target's.
        query: What Azure is sent besides api-version.
        api_version: The caller's own, '' for the table's: what identifies a request must not change with the table.
        files: Multipart parts that Azure itself takes, name → content.
        plan: What must be in Azure first; its tasks name blobs of the app's storage, or one of `contents`.
        contents: Files that came with the request, name → content.
        run_id: The id that the caller wants for a v1 run, '' for one derived from the operation's.
        notify: Whom to notify of its end.
        origin, depth: The firing of a rule that sends it, and how many rules led to it.
        suffix: The second half of the operation's id, where that is known before; '' for one made of the key, or made up.
        expires: When what it makes expires, as its sender wrote it, and the moment that is.
        send_by: When it must have been sent, else it ends `Expired`; None for no such moment.
        why: What its time line begins with: the reason that the app itself has for it.
    """

    target: paths.Target
    method: str
    asked: str = ""
    api_version: str = ""
    query: str = ""
    body: Any = None
    files: Mapping[str, Source] = field(default_factory=dict)
    plan: plans.Plan | None = None
    contents: Mapping[str, Source] = field(default_factory=dict)
    run_id: str = ""
    idempotency_key: str = ""
    caller: str = ""
    suffix: str = ""
    expires: tuple[str, datetime] | None = None
    send_by: datetime | None = None
    why: str = ""
    notify: tuple[str, ...] = ()
    origin: str = ""
    depth: int = 0

    def sources(self, operation: Operation) -> dict[str, Source]:
        """Return what came with it, by the blobs that keep it for the operation that it became."""
        sent = {blob: self.files[name] for name, blob in operation.files.items() if name in self.files}
        return sent | {plans.blob_of(operation.id, name, content): content for name, content in self.contents.items()}


def accept(
    request: Request, services: Services, claimed: Callable[[Operation], Callable[[Operation], Operation] | None] | None = None
) -> tuple[Stored, bool]:
    """Record a request as an operation, or find the one that the same Idempotency-Key made; the bool says which.

    The key is remembered first, with the request and its target. An app that dies between the two leaves a key without an
    operation: the caller, who got no answer, makes it by sending the same again, and only the same. So does a caller whose request
    held a secret and could not be sent: each time that makes one more operation, until one is.

    Args:
        request: It.
        services: The composition root.
        claimed: Makes everything ready that the operation is sent with, and returns what claims it (`Ledger.insert`).

    Raises:
        BadRequestError: `IdempotencyKeyReused`; the key came before with another request.
        TransientError: the ledger is out of reach; nothing was accepted.
    """
    ledger = services.ledger  # opened first: with its answer storage's clock is known
    operation, new_id = _operation(request, services), True
    if request.idempotency_key:
        key = models.key_hash(request.idempotency_key, request.caller)
        known_hash, known_target, new_id = ledger.first_of(key, operation)
        if known_hash != operation.request_hash:
            first = ledger.load(f"{_partition(ids.parse(known_target), request)}-{operation.suffix}")
            raise _reused(first.operation if first else None, known_target)
        if known_target.lower() != operation.target.lower():  # the version was looked up, and Azure names another one by now
            request = replace(request, target=replace(request.target, id=ids.parse(known_target)))
            operation = _operation(request, services)
    while True:
        entering = claimed(operation) if claimed else None
        stored, is_new = ledger.insert(operation, request.sources(operation), new_id=new_id, entering=entering)
        if is_new:
            observing.accepted(stored.operation)
        elif stored.operation.request_hash != operation.request_hash:
            raise _reused(stored.operation, stored.operation.target)
        if is_new or not stored.operation.unsent or request.expires:  # an expiry belongs to one operation
            return stored, is_new
        request = replace(request, suffix=models.new_suffix(operation.suffix, request.caller))
        operation, new_id = _operation(request, services), False


def identified(request: Request) -> tuple[str, ids.ResourceId]:
    """Return the id of the operation that a request with a `suffix` or a key is going to be, and what it makes or changes."""
    suffix = request.suffix or models.new_suffix(request.idempotency_key, request.caller)
    target = _addressed(request, suffix)[1]
    return f"{_partition(target, request)}-{suffix}", target


def _reused(first: Operation | None, target: str) -> errors.BadRequestError:
    """Return the refusal of a key that came with another request; keys are those of one caller, so that one may be named."""
    made = f"{first.method} {target} at {times.iso(first.created_at)[:19]}Z, operation {first.id}" if first else f"for {target}"
    message = f"This Idempotency-Key was already used for another request: {made}. Use a new key for a new request."
    return errors.BadRequestError("IdempotencyKeyReused", message, target="Idempotency-Key")


def _operation(request: Request, services: Services) -> Operation:
    """Build the operation that a request becomes."""
    now, target = services.clock(), request.target
    suffix = request.suffix or models.new_suffix(request.idempotency_key, request.caller)
    kind, named, path, query = _addressed(request, suffix)
    if request.query:
        query += f"&{request.query}"
    secret = bodies.has_secret(kind, request.body)
    operation_id = f"{_partition(named, request)}-{suffix}"
    digests = {name: content.sha256 for name, content in {**request.files, **request.contents}.items()}
    if request.expires:
        digests["expires"] = request.expires[0]
    plan = parking.plan(target.action.name) if target.action and target.action.room == parking.ROOM else None
    if request.plan:
        plan = request.plan.located(operation_id, request.contents)
        digests["plan"] = request.plan.digest
    operation = models.Operation(
        id=operation_id,
        target=named.path,
        kind=settle.kind_key(kind),
        method="PUT" if kind.named_by_us and request.target.id.is_collection else request.method,
        action=target.action.name if target.action else "",
        plane=target.plane,
        path=path,
        query=f"api-version={request.api_version or target.api_version}{query}",
        body=None if secret else request.body,
        stands_on=_stands_on(kind, request) if request.method in ("PUT", "PATCH") else (),
        files={name: f"operations/{operation_id}/files/{digests[name][:16]}/{name}" for name in request.files},
        plan=plan.to_json() if plan else None,
        secret=secret,
        request_hash=models.hash_of(
            request.method, request.asked or path, request.api_version + query, redaction.redacted(kind, request.body), digests
        ),
        caller=request.caller,
        notify=request.notify,
        origin=request.origin,
        depth=request.depth,
        trace=(trace.current() or trace.new()).header,
        phase="preparing" if plan else "accepted",
        created_at=now,
        due_at=now + lease.LEASE,
        send_by=request.send_by,
        expires_at=request.expires[1] if request.expires else None,
    )
    return operation.noted(now, "accepted", request.why)


def _stands_on(kind: kinds.Kind, request: Request) -> tuple[str, ...]:
    named = (bodies.dig(request.body, path) for path in kind.stands_on)
    return tuple(each for each in named if isinstance(each, str))


def _partition(named: ids.ResourceId, request: Request) -> str:
    action = request.target.action
    return models.scores_of(named) if action and action.name == models.SCORE else models.partition_of(named)


def _addressed(request: Request, suffix: str) -> tuple[kinds.Kind, ids.ResourceId, str, str]:
    """Return kind and id of what a request makes or changes, and path and query that Azure is sent besides api-version.

    A job or run takes its name from the operation's id, so that Azure refuses a second one.
    """
    target = request.target
    kind, named, path = target.kind, target.id, target.path
    if target.plane == "execution":
        named = named.child("runs", request.run_id or f"{named.name}_{suffix}")
        kind = kinds.by_type()["history", kinds.ML.lower(), "/".join(named.types).lower()]
        return kind, named, path, f"&runId={ids.segment(named.name)}"
    if named.is_collection and kind.posted_name:  # it is sent to the collection, and its body names it
        return kind, replace(named, names=(*named.names, str(bodies.dig(request.body, kind.posted_name)))), path, ""
    if named.is_collection:
        named = replace(named, names=(*named.names, f"job-{suffix}"))
        return kind, named, named.path, ""
    return kind, named, path, ""
