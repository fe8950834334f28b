"""What Azure answered, without what the ledger must not hold: an answer may echo a request's secret or carry new keys.

The table names the secret fields of a kind; keys and tokens that actions answer with (regenerateKeys) are known by name.
Azure hides most of them itself, but not in every api-version. Not here: secrets of requests (catalog.bodies).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shared.catalog.kinds import Kind

KEY_NAMES = frozenset(
    {"primarykey", "secondarykey", "accesstoken", "keyvalue", "accountkey", "sastoken", "clientsecret", "password"}
)


def redacted(kind: Kind, body: Any, *, action: str = "") -> Any:
    """Return `body` with null where its kind, or for the answer of an `action` a well-known name, says that a secret stands."""
    for path in kind.secrets:
        body = _without(body, path.lower().split("."))
    return _without_keys(body) if action else body


def _without(body: Any, path: list[str]) -> Any:
    if not path:
        return None
    if not isinstance(body, dict):
        return body
    return {key: _without(value, path[1:]) if path[0] in ("*", key.lower()) else value for key, value in body.items()}


def _without_keys(body: Any) -> Any:
    if isinstance(body, list):
        return [_without_keys(item) for item in body]
    if isinstance(body, dict):
        return {key: None if key.lower() in KEY_NAMES else _without_keys(value) for key, value in body.items()}
    return body
