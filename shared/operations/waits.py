"""What a request waits for besides its turn: what its body names and another operation of ours is still making.

A DELETE waits for what is still being made on the resource.

Azure refuses such a request, or fails it later; the app knows both and sends them in their order. Not here: the lane of one
target (ledger).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.catalog import bodies, kinds
from shared.durable import unreadable
from shared.durable.unreadable import UnreadableError
from shared.operations import settle
from shared.rest import errors, ids

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from shared.operations.ledger import Ledger
    from shared.operations.models import Operation

NAMED_LIMIT = 20  # ids of a body that are looked up
REFUSALS = frozenset({400, 404, 409, 424})  # that Azure answers where something a body names is not there yet


def before_sending(operation: Operation, body: Any, ledger: Ledger, now: datetime) -> str:
    """Return the operation that must end first, '' for none: what the kind stands on must be ready when Azure begins.

    Args:
        operation: It, before it is sent; one that holds a secret cannot wait.
        body: Its body.
        ledger: Where the others are.
        now: The present; nothing waits for longer than for a busy target.
    """
    if operation.method == "DELETE":
        return _standing_on(operation, ledger, now)
    stands_on = settle.kind_of(operation).stands_on if operation.method in ("PUT", "PATCH") else ()
    return _under_way(operation, (bodies.dig(body, path) for path in stands_on), ledger, now)


def after_refusal(operation: Operation, body: Any, ledger: Ledger, now: datetime) -> str:
    """Return the operation that makes what the refused body names, '' for none; it costs nothing where Azure takes the request."""
    if operation.method not in ("PUT", "PATCH", "POST") or operation.http_status not in REFUSALS:
        return ""
    return _under_way(operation, _texts(body), ledger, now)


def _standing_on(operation: Operation, ledger: Ledger, now: datetime) -> str:
    """Return the earlier operation that still makes what stands on the resource to be deleted; '' for none.

    Only what is not of Azure ML, and a workspace, is stood on: no other DELETE costs a look at the list of open ones.
    """
    deleted = settle.kind_of(operation)
    if (deleted.namespace == kinds.ML and deleted.path != "workspaces") or now - operation.created_at >= settle.BUSY_LIMIT:
        return ""
    for listed in ledger.open.listed():
        maker = _resource(listed.row.columns.get("target"))
        kind = kinds.by_type().get(("arm", maker.namespace.lower(), "/".join(maker.types).lower())) if maker else None
        if not kind or not kind.stands_on or (listed.created_at, listed.id) >= (operation.created_at, operation.id):
            continue
        try:
            stored = ledger.load(listed.id)
        except UnreadableError as problem:
            unreadable.note(f"operation {listed.id}", problem)
            continue
        named = map(_resource, stored.operation.stands_on) if stored and not stored.operation.ended else ()
        if any(each.key == operation.target.lower() for each in named if each):
            return listed.id
    return ""


def _under_way(operation: Operation, named: Iterator[Any], ledger: Ledger, now: datetime) -> str:
    """Return the earlier operation under way on one of the resources: a later one may itself wait for this one."""
    if operation.secret or now - operation.created_at >= settle.BUSY_LIMIT:
        return ""
    found: dict[str, ids.ResourceId] = {}
    for text in named:
        if len(found) < NAMED_LIMIT and (target := _resource(text)) and target.key != operation.target.lower():
            found.setdefault(target.key, target)
    for target in found.values():
        for operation_id in ledger.open_on(target).get(target.key, ()):
            try:
                stored = ledger.load(operation_id)
            except UnreadableError as problem:
                unreadable.note(f"operation {operation_id}", problem)
                continue
            other = stored.operation if stored else None
            earlier = other and (other.created_at, other.id) < (operation.created_at, operation.id)
            if other and earlier and not other.ended and not settle.is_run(other):
                return other.id
    return ""


def _resource(text: Any) -> ids.ResourceId | None:
    try:
        found = ids.parse(text) if isinstance(text, str) else None
    except errors.BadRequestError:
        return None
    return found if found and found.types and not found.is_collection else None


def _texts(body: Any) -> Iterator[str]:
    pending = [body]
    while pending:
        match pending.pop():
            case str() as text if text.lower().startswith(("/subscriptions/", "subscriptions/")):
                yield text
            case dict() as held:
                pending.extend(held.values())
            case list() as held:
                pending.extend(held)
