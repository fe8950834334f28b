"""What Azure answered, without what the ledger must not hold: an answer may echo a request's secret or carry new keys.

The table names the secret fields of a kind; keys and tokens that actions answer with (regenerateKeys) are known by name.
Azure hides most of them itself, but not in every api-version. Members whose text is the caller's own may hold secrets, too:
their values are left out, and in any other text the password or signature of a URL. What answers are made of keys is known by
the request, and nothing of it is recorded. Not here: secrets of requests (catalog.bodies).
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shared.catalog import bodies, paths, proxy_routes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shared.catalog.kinds import Kind
    from shared.catalog.paths import Scope
    from shared.rest.errors import AzureError

SHORTEST = 6  # characters of a secret that is looked for in other texts
PUBLIC_PLANES = frozenset(
    {"history", "metric", "hyperdrive", "modelregistry"}
)  # of the passages; others answer keys and signed URLs
FREE = frozenset(  # members that run as the caller wrote them: their names are kept, their values are not
    {
        "environmentvariables", "scriptdata", "scriptarguments", "command", "args", "arguments", "commandlinearguments",
        "baseimageregistry", "sslkey", "sslcertificate",
    }
)  # fmt: skip
_OPENS = re.compile(  # in a text: the user of a URL, the signature of a SAS, the key of a function
    r"://[^/\s@]+@|([?&](?:sig|code)=)[^&\s\"'<>]+", re.IGNORECASE
)
_CONTAINERS = ("abfs", "abfss", "wasb", "wasbs")  # schemes whose user is a container
_SIGNED = re.compile(r"[?&]sig=", re.IGNORECASE)

KEY_NAMES = frozenset(
    {"primarykey", "secondarykey", "accesstoken", "keyvalue", "accountkey", "sastoken", "clientsecret", "password"}
)


def redacted(kind: Kind, body: Any, *, action: str = "") -> Any:
    """Return `body` as it may be recorded: null where a secret stands or may stand, `***` for what opens a URL."""
    return _plain(secretless(kind, _without_all(body, kind.private), action=action))


def secretless(kind: Kind, body: Any, *, action: str = "") -> Any:
    """Return `body` with null where its kind, or for the answer of an `action` a well-known name, says that a secret stands."""
    body = _without_all(body, kind.secrets)
    return without_keys(body) if action else body


def plain_text(text: str) -> str:
    """Return a text without what opens the URLs in it."""
    return _OPENS.sub(_closed, text)


def plain_error(error: AzureError) -> AzureError:
    """Return an error without what opens the URLs in its texts."""
    return replace(error, message=plain_text(error.message), details=tuple(map(plain_error, error.details)))


def unsaid(kind: Kind, body: Any, said: Any) -> Any:
    """Return what Azure says of a request without the secrets of its body, which a refusal may quote.

    Args:
        kind: What the request is about.
        body: Of the request.
        said: JSON, or a text.
    """
    texts = {text for text in _hidden(body, redacted(kind, body)) if len(text) >= SHORTEST}
    return _quoted(said, sorted(texts, key=len, reverse=True))


def _hidden(before: Any, after: Any) -> Iterator[str]:
    """Yield the texts of a body that are not in what may be recorded of it."""
    if isinstance(before, dict):
        for name, value in before.items():
            yield from _hidden(value, after.get(name) if isinstance(after, dict) else None)
    elif isinstance(before, list):
        for at, value in enumerate(before):
            yield from _hidden(value, after[at] if isinstance(after, list) else None)
    elif isinstance(before, str) and before != after:
        yield before


def _quoted(said: Any, texts: Sequence[str]) -> Any:
    if isinstance(said, dict):
        return {name: _quoted(value, texts) for name, value in said.items()}
    if isinstance(said, list):
        return [_quoted(each, texts) for each in said]
    if not isinstance(said, str):
        return said
    for text in texts:
        said = said.replace(text, "***")
    return plain_text(said)


def _closed(found: re.Match[str]) -> str:
    if found[1]:
        return f"{found[1]}***"
    is_container = ":" not in found[0][3:] and found.string.endswith(_CONTAINERS, 0, found.start())
    return found[0] if is_container else "://***@"


def is_free(path: str) -> bool:
    """Return whether a dotted path leads to or through a member whose values are not recorded."""
    return any(map(_is_free, path.replace("[", ".").split(".")))


def _is_free(name: str) -> bool:
    return name.lower().replace("_", "") in FREE


def _plain(body: Any) -> Any:
    if isinstance(body, list):
        return [_plain(each) for each in body]
    if isinstance(body, str):
        return plain_text(body)
    if not isinstance(body, dict):
        return body
    literal = any(str(body[name]).lower() == "literal" for name in body if name.lower() == "jobinputtype")
    return {
        name: _nulled(value) if _is_free(name) or (literal and name.lower() == "value") else _plain(value)
        for name, value in body.items()
    }


def _nulled(value: Any) -> Any:
    return {name: _nulled(each) for name, each in value.items()} if isinstance(value, dict) else None


def of_answer(method: str, path: str, scope: Scope, body: Any) -> Any:
    """Return what of an answer may be recorded, for any sender; None where it may be made of keys, tokens or signed URLs.

    Raises:
        BadRequestError: as `paths.resolve`; there is no such request.
    """
    scope = paths.anywhere(scope)
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


def _without_all(body: Any, paths: Sequence[str]) -> Any:
    """Return a body with null at some dotted paths; of a JSON Patch what its steps set there."""
    if isinstance(body, list) and all(isinstance(each, dict) and "path" in each for each in body):
        return [{**step, "value": _set_by(step, paths)} if "value" in step else step for step in body]
    for path in paths:
        body = _without(body, path.lower().split("."))
    return body


def _set_by(step: dict[str, Any], paths: Sequence[str]) -> Any:
    value = _without_all(bodies.as_object(step), paths)
    for name in bodies.names_of(step):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _without(body: Any, path: list[str]) -> Any:
    if not path:
        return None
    if isinstance(body, list):
        return [_without(each, path) for each in body]
    if not isinstance(body, dict):
        return body
    return {key: _without(value, path[1:]) if path[0] in ("*", key.lower()) else value for key, value in body.items()}
