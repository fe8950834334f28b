"""Request bodies: JSON with line and column on error, the fields a kind must have, the secrets that must never be stored.

Everything else in a body is Azure's to judge. Not here: translating `az ml` YAML.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.rest import errors, operation_answers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.catalog.kinds import Kind

dig = operation_answers.dig  # the value at a dotted path, or None

BODY_LIMIT = 4 * 1024 * 1024  # bytes; ARM's own limit for a request body
MOST_TAGS = 50  # that ARM takes
_ID_WITHOUT_SLASH = re.compile(r"subscriptions/[^/\s]+/resourceGroups/[^/\s]+/providers(?:/[^/\s]+){3,}", re.IGNORECASE)
IDENTITIES = {
    "systemassigned": "SystemAssigned",
    "userassigned": "UserAssigned",
    "systemassigned,userassigned": "SystemAssigned,UserAssigned",
    "userassigned,systemassigned": "SystemAssigned,UserAssigned",
    "none": "None",
}
OTHER_TYPES = "application/yaml or multipart/form-data"
_YAML_LINE = re.compile(r"\s*(?:---|#.*|[$\w-]+:(?:\s|$))", re.MULTILINE)
# Of any resource; what else Azure sets itself, or never shows, is in the file, made by infra/known_properties.py
NEVER_KEPT = frozenset(
    {"id", "type", "apiVersion", "etag", "systemData", "properties.provisioningState", "identity.principalId", "identity.tenantId"}
)
_UNKEPT = Path(__file__).with_name("unkept_properties.json")
DEPTH_LIMIT = 100  # levels; Azure's JSON readers stop at 64 or 128
TOO_DEEP = f"it is nested deeper than {DEPTH_LIMIT} levels"
# curl -d and many a webhook send JSON under another name; what is inside decides
JSON_TYPES = frozenset({"application/json", "text/json", "text/plain", "application/x-www-form-urlencoded"})


def parse(content: bytes | memoryview, content_type: str, *, part: str = "") -> dict[str, Any]:
    """Return the JSON object in `content`, which is the body or, of a multipart one, the part of that name.

    Raises:
        BadRequestError: `InvalidRequestContent` with line and column, 413 above 4 MiB, 415 for another content type.
    """
    value = parse_any(content, content_type, part=part)
    if not isinstance(value, dict):
        raise _invalid(part, f"is a JSON {noun(value)}; expected an object.")
    return value


def parse_list(content: bytes | memoryview, content_type: str) -> list[Any]:
    """Return the JSON list of objects in `content`.

    Raises:
        BadRequestError: as `parse`.
    """
    value = parse_any(content, content_type)
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        wrong = f"a JSON {noun(value)}" if not isinstance(value, list) else "a list of other things"
        raise _invalid("", f"is {wrong}; expected a list of objects, which replaces the one there is.")
    return value


def parse_patch(content: bytes | memoryview, content_type: str, *, part: str = "") -> list[Any]:
    """Return the JSON Patch (RFC 6902) in `content`.

    Raises:
        BadRequestError: as `parse`.
    """
    value = parse_any(content, content_type, part=part)
    if not isinstance(value, list) or not all(isinstance(step, dict) and "op" in step and "path" in step for step in value):
        expected = '[{"op": "replace", "path": "/description", "value": "…"}]'
        raise _invalid(part, f"is not a JSON Patch; expected a list such as {expected}.")
    return value


def parse_any(content: bytes | memoryview, content_type: str, *, part: str = "") -> Any:
    """Return the JSON value in `content`.

    Raises:
        BadRequestError: as `parse`.
    """
    from shared.rest import client

    if len(content) > BODY_LIMIT:
        message = f"{_subject(part)} has {len(content)} bytes; ARM takes {BODY_LIMIT} at most."
        raise errors.BadRequestError("RequestContentTooLarge", message, target=part or "body", status=413)
    media = content_type.partition(";")[0].strip().lower()
    if media and media not in JSON_TYPES and not media.endswith("+json"):
        message = f"The body is '{media[:80]}'; expected application/json, or where YAML or files are taken {OTHER_TYPES}."
        raise errors.BadRequestError("UnsupportedMediaType", message, target="Content-Type", status=415)
    content = bytes(content)
    if not content.strip():
        raise _invalid(part, "is empty; expected JSON.")
    try:
        text = content.decode("utf-8-sig")
        value = json.loads(text, parse_constant=refuse_constant)
        if client.deeper(value, DEPTH_LIMIT):
            raise _invalid(part, f"cannot be read: {TOO_DEEP}.")
        # a lone surrogate and 1e999 parse but cannot be sent
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except json.JSONDecodeError as bad:
        hint = "" if part or not _YAML_LINE.match(text) else " If this is YAML, send Content-Type: application/yaml."
        where = f"{bad.msg.removesuffix(' at')} at line {bad.lineno}, column {bad.colno}"
        raise _invalid(part, f"is not JSON: {where}.{hint}") from None
    except (UnicodeDecodeError, UnicodeEncodeError) as bad:
        raise _invalid(part, f"is not UTF-8: {bad.reason}.") from None
    except RecursionError:
        raise _invalid(part, f"cannot be read: {TOO_DEEP}.") from None
    except ValueError as bad:
        raise _invalid(part, f"cannot be read: {_reason(bad)}.") from None
    return value


def check(kind: Kind, body: dict[str, Any], *, preview: bool = False) -> None:
    """Refuse a PUT body that Azure would refuse: without a field it always asks for, or of a type that it does not have.

    Args:
        kind: The row.
        body: As the caller sent it.
        preview: The request asks a preview of the API, which may know more types than the table.

    Raises:
        BadRequestError: `MissingField` or `InvalidValue`, with the field's dotted path as target.
    """
    for problem in problems(kind, body, preview=preview):
        raise problem


def problems(kind: Kind, body: dict[str, Any], *, preview: bool = False) -> Iterator[errors.BadRequestError]:
    """Yield everything that `check` would refuse, one error each."""
    for path in kind.required:
        if dig(body, path) in (None, ""):
            yield errors.BadRequestError("MissingField", _missing(kind, body, path, preview=preview), target=path)
    for path, allowed in () if preview else kind.choices:
        found = dig(body, path)
        if found not in (None, "") and _spelling(found) not in map(_spelling, allowed):
            message = f"'{path}' is '{str(found)[:100]}'; {kind.full_type} takes one of {', '.join(allowed)}."
            yield errors.BadRequestError("InvalidValue", message, target=path)
    identity = dig(body, "identity.type")
    if isinstance(identity, str) and identity and _spelling(identity) not in IDENTITIES:
        message = f"'identity.type' is '{identity[:100]}'; expected one of {', '.join(dict.fromkeys(IDENTITIES.values()))}."
        yield errors.BadRequestError("InvalidValue", message, target="identity.type")


def _missing(kind: Kind, body: Any, path: str, *, preview: bool) -> str:
    message = f"'{path}' is required for {kind.full_type}"
    allowed = next((values for name, values in kind.choices if name == path), ())
    if _holds(body, path.lower().split(".")):
        return f"{message}; the body has it in another casing or place: expected '{path}', as Azure spells it."
    return f"{message}: one of {', '.join(allowed)}." if allowed and not preview else f"{message}."


def check_patch(kind: Kind, body: Any) -> None:
    """Refuse a PATCH that Azure would answer with 200 or 202 and not carry out.

    Raises:
        BadRequestError: `NotPatchable`, with the member's dotted path as target.
    """
    for problem in patch_problems(kind, body):
        raise problem


def patch_problems(kind: Kind, body: Any) -> Iterator[errors.BadRequestError]:
    """Yield everything that `check_patch` would refuse, one error each."""
    for path in _ignored(body, "", tuple(each.lower() for each in kind.patch)) if kind.patch else ():
        message = (
            f"PATCH of {kind.full_type} takes {', '.join(kind.patch)}; Azure would answer 200 and ignore '{path[:100]}'. "
            "GET the resource, change that in it, and PUT the whole."
        )
        yield errors.BadRequestError("NotPatchable", message, target=path[:100])


def _ignored(body: Any, path: str, takes: tuple[str, ...]) -> Iterator[str]:
    """Yield the members, at any level, that no entry of `takes` covers."""
    for name, value in body.items() if isinstance(body, dict) else ():
        here = f"{path}.{name}".lstrip(".")
        lowered = here.lower()
        if any(lowered == each or lowered.startswith(f"{each}.") for each in takes):
            continue
        if lowered == "properties" or any(each.startswith(f"{lowered}.") for each in takes):
            yield from _ignored(value, here, takes)
        else:
            yield here


def normalised(body: Any) -> Any:
    """Return `body` with two slips of the article's own bodies put right, which ARM would refuse.

    `identity.type` as Azure spells it (the article says `systemAssigned`), and the first slash of an id that is a property
    (the article's `applicationInsights` lacks it).
    """
    properties, identity = dig(body, "properties"), dig(body, "identity.type")
    if isinstance(properties, dict) and any(map(_lacks_slash, properties.values())):
        mended = {name: f"/{value}" if _lacks_slash(value) else value for name, value in properties.items()}
        body = {**body, "properties": mended}
    if isinstance(identity, str) and _spelling(identity) in IDENTITIES:
        body = {**body, "identity": {**body["identity"], "type": IDENTITIES[_spelling(identity)]}}
    return body


def kept(kind: Kind, body: Any) -> Any:
    """Return what Azure keeps of a body as it was sent: without what is read-only or never shown, by the table of its kind."""
    return _kept(body, "", _unkept(kind.full_type))


def _kept(value: Any, at: str, unkept: frozenset[str]) -> Any:
    if not isinstance(value, dict):
        return value
    out = {}
    for name, held in value.items():
        path = f"{at}.{name}".lstrip(".").lower()
        left = None if path in unkept else _kept(held, path, unkept)
        if path not in unkept and (left or not held or not isinstance(held, dict)):  # of an object, something is left
            out[name] = left
    return out


@cache
def _unkept(full_type: str) -> frozenset[str]:
    """Return the paths of a kind, in lower case; a registry's assets have the types of a workspace's."""
    table = json.loads(_UNKEPT.read_text(encoding="utf-8"))
    own = table.get(full_type) or table.get(full_type.replace("/registries/", "/workspaces/"), "")
    return frozenset(path.lower() for path in (*NEVER_KEPT, *own.split()))


def has_secret(kind: Kind, body: Any) -> bool:
    """Return whether `body` holds a value that the kind's row says is secret; such a request is never stored."""
    if isinstance(body, list):  # a JSON Patch
        return any(has_secret(kind, as_object(step)) for step in body if isinstance(step, dict))
    return any(_holds(body, path.split(".")) for path in kind.secrets)


def _spelling(value: Any) -> str:
    """Return what two spellings of one value have in common; samples write `UriFile` and `uri_file` alike."""
    return re.sub(r"[\s_-]", "", str(value)).lower()


def _lacks_slash(value: Any) -> bool:
    return isinstance(value, str) and bool(_ID_WITHOUT_SLASH.fullmatch(value))


def names_of(step: dict[str, Any]) -> list[str]:
    """Return the members that lead to what one step of a JSON Patch is about; without any that is the whole."""
    return [name for name in str(step.get("path", "")).split("/") if name]


def as_object(step: dict[str, Any]) -> Any:
    """Return what one step of a JSON Patch sets, as the object that it would be merged as."""
    value = step.get("value")
    for name in reversed(names_of(step)):
        value = {name: value}
    return value


def _holds(body: Any, path: list[str], above: tuple[str, ...] = ()) -> bool:
    """Return whether there is a value at a path in any casing; below `properties`, a text in place of an object is one, too."""
    if not path:
        return body not in (None, "", {})
    if isinstance(body, list):
        return any(_holds(each, path, above) for each in body)
    if not isinstance(body, dict):
        return body not in (None, "") and len(above) > 1 and above[-1] != "*"
    name, rest = path[0].lower(), path[1:]
    return any(_holds(value, rest, (*above, name)) for key, value in body.items() if name in ("*", key.lower()))


def _reason(bad: ValueError) -> str:
    """Return what is wrong in the sender's words: Python's own speak of its settings."""
    text = str(bad)
    return "it contains a number that is too large" if "string conversion" in text or "Out of range" in text else text[:200]


def refuse_constant(name: str) -> Any:
    """Refuse `NaN` and its like, which Python's reader takes and other readers refuse.

    Raises:
        ValueError: always.
    """
    message = f"{name} is not JSON"
    raise ValueError(message)


def noun(value: Any) -> str:
    """Return what JSON calls a value."""
    return {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}.get(type(value), "number")


def _subject(part: str) -> str:
    return f"The part '{part[:100]}'" if part else "The body"


def _invalid(part: str, what: str) -> errors.BadRequestError:
    return errors.BadRequestError("InvalidRequestContent", f"{_subject(part)} {what}", target=part or "body")
