"""Whether keys were changed: digests of them before and after, compared in this process' memory and stored nowhere.

Azure forgets the operation of some regenerations of keys (docs/protocol.md §3.6). What the keys show is its end. A process that
takes over such an operation has nothing to compare, and the operation goes on without. Not here: answers of operations (settle).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.operations import settle
from shared.rest import errors, ids

if TYPE_CHECKING:
    from shared.operations.context import Services
    from shared.operations.models import Operation

LIMIT = 200  # operations of one process


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """Which key is changed, its digest before, and that of the value that the caller wants ('' for any)."""

    name: str
    before: str
    wanted: str


_asked: dict[str, _Asked] = {}


def remember(operation: Operation, body: Any, services: Services) -> None:
    """Look at the keys before an action that changes one, where the table says that they show its end."""
    if not operation.action or not _lists(operation):
        return
    given = body if isinstance(body, dict) else {}
    name = f"{str(given.get('keyType') or '').lower()}Key"
    before = _digest_of(operation, name, services)
    if before:
        while len(_asked) >= LIMIT:
            _asked.pop(next(iter(_asked)), None)
        _asked[operation.id] = _Asked(name=name, before=before, wanted=_digest(given.get("keyValue")))


def changed(operation: Operation, services: Services) -> bool:
    """Return whether the key is another one now, or the one that was asked for."""
    asked = _asked.get(operation.id)
    now = _digest_of(operation, asked.name, services) if asked else ""
    if asked is None or not now or (now == asked.before and now != asked.wanted):
        return False
    _asked.pop(operation.id, None)
    return True


def _lists(operation: Operation) -> str:
    row = settle.kind_of(operation).action(operation.action)
    return row.shown_by if row else ""


def _digest_of(operation: Operation, name: str, services: Services) -> str:
    """Return the digest of a key, '' where Azure shows none: then its operation alone says how it ends."""
    target, kind = ids.parse(operation.target), settle.kind_of(operation)
    path = ids.below(target.path, _lists(operation))
    try:
        url = services.addresses.url(kind.plane, path, f"api-version={kind.api_version}", workspace=target.ancestor(1).path)
        keys = services.client.send("POST", url).checked().body
    except errors.StewardError:
        return ""
    return _digest(keys.get(name)) if isinstance(keys, dict) else ""


def _digest(value: Any) -> str:
    return hashlib.sha256(value.encode()).hexdigest() if isinstance(value, str) and value else ""
