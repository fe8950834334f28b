"""What Azure answered, without what the ledger must not hold: an answer may echo a request's secret or carry new keys.

The table names the secret fields of a kind; keys and tokens that actions answer with (regenerateKeys) are known by name.
Azure hides most of them itself, but not in every api-version. What answers are made of keys is known by the request, and
nothing of it is recorded. Not here: secrets of requests (catalog.bodies).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from shared.catalog import paths, proxy_routes

if TYPE_CHECKING:
    from shared.catalog.kinds import Kind
    from shared.catalog.paths import Scope

PUBLIC_PLANES = frozenset(
    {"history", "metric", "hyperdrive", "modelregistry"}
)  # of the passages; others answer keys and signed URLs
_SIGNED = re.compile(r"[?&]sig=", re.IGNORECASE)

KEY_NAMES = frozenset(
    {"primarykey", "secondarykey", "accesstoken", "keyvalue", "accountkey", "sastoken", "clientsecret", "password"}
)


def redacted(kind: Kind, body: Any, *, action: str = "") -> Any:
    """Return `body` with null where its kind, or for the answer of an `action` a well-known name, says that a secret stands."""
    for path in kind.secrets:
        body = _without(body, path.lower().split("."))
    return without_keys(body) if action else body


def of_answer(method: str, path: str, scope: Scope, body: Any) -> Any:
    """Return what of an answer may be recorded, whoever asked; None where it may be made of keys, tokens or signed URLs.

    Raises:
        BadRequestError: as `paths.resolve`; there is no such request.
    """
    if way := proxy_routes.find(path, method, scope):
        return without_keys(body) if way.plane in PUBLIC_PLANES else None
    target = paths.resolve(path, scope)
    action = target.action or (target.kind.action("") if method == "POST" else None)
    if action and action.direct:
        return None
    if isinstance(body, dict) and isinstance(body.get("value"), list):
        body = {**body, "value": [redacted(target.kind, each) for each in body["value"]]}
    return without_keys(redacted(target.kind, body))


def without_keys(body: Any) -> Any:
    """Return `body` with null where a member's name, or a text that is a signed URL, says that it opens something."""
    if isinstance(body, list):
        return [without_keys(item) for item in body]
    if isinstance(body, dict):
        return {key: None if key.lower() in KEY_NAMES else without_keys(value) for key, value in body.items()}
    return None if isinstance(body, str) and _SIGNED.search(body) else body


def _without(body: Any, path: list[str]) -> Any:
    if not path:
        return None
    if not isinstance(body, dict):
        return body
    return {key: _without(value, path[1:]) if path[0] in ("*", key.lower()) else value for key, value in body.items()}
