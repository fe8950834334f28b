"""Authentication and authorization of a request, before any call to Azure, by the role columns of the tables.

A caller may have a sign-in (app roles and stored grants), a function key (stored grants), or both. It may do only what all of its
grants allow. Not here: the roles and the texts of refusals (catalog.grants), keys (key_book).
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from shared.api.access import key_book
from shared.api.call import Caller, RuleRun
from shared.catalog import grants, paths, proxy_routes
from shared.catalog.grants import Grant
from shared.rest import client, errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.api.access.key_book import Book
    from shared.api.call import Call
    from shared.api.route import Route
    from shared.catalog.kinds import Kind
    from shared.catalog.roles import Role
    from shared.rest import ids
    from shared.settings import Settings

APP_ROLES: dict[str, Role] = {f"steward.{role}": role for role in grants.ROLES}  # app roles of the app registration, in any casing
KEY_HEADER, PRINCIPAL_HEADER = "x-functions-key", "x-ms-client-principal"
UNNAMED = "function key"  # the caller's name when its key has no name in this app
OTHERS = re.compile(r"[a-z]+:", re.IGNORECASE)  # the prefix of the names of keys, rules, expiries and so on
OBJECT_CLAIMS = frozenset({"oid", "http://schemas.microsoft.com/identity/claims/objectidentifier"})
_ESCAPED = re.compile(r"\\(?:/|u([0-9a-fA-F]{4}))")
ROLE_CLAIMS = frozenset({"roles", "http://schemas.microsoft.com/ws/2008/06/identity/claims/role"})


class Services(Protocol):
    """What admission needs of the composition root."""

    @property
    def settings(self) -> Settings: ...  # noqa: D102
    @property
    def key_book(self) -> Book: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The rights that a request for an Azure path needs, read from the tables.

    Attributes:
        role: The role that the sender needs.
        kind: Its full type, or the plane of the v1 API.
        id: The resource or collection; for the v1 API, the workspace.
        row: Its row of the table of kinds; None for pass-through routes of the v1 API.
        reads: The request changes nothing.
        secret: The answer consists of keys, tokens or signed URLs.
        direct: The request is answered at once and does not become an operation.
    """

    role: Role
    kind: str
    id: ids.ResourceId
    row: Kind | None = None
    reads: bool = False
    secret: bool = False
    direct: bool = False


def admitted(call: Call, route: Route, app: Services) -> tuple[Call, Asked | None]:
    """Return the call with its authenticated sender, and the Azure rights it needs (None on the app's own routes).

    Raises:
        BadRequestError: `RoleNeeded`, `OutOfScope`, `KeyRevoked`, `KeyNotNamed` (403), `AmbiguousKey` (400); the path is unknown.
        TransientError: the keys cannot be read.
    """
    if isinstance(call.sender, Caller) and not call.sender.approved:
        call = replace(call, sender=sender_of(call, route, app))
    elif isinstance(call.sender, RuleRun):  # of a rule, a recipe
        held = app.key_book.standing(call.sender.grants, call.sender.author)
        call = replace(call, sender=replace(call.sender, grants=held))
    else:
        call = replace(call, sender=replace(call.sender, grants=app.key_book.standing(call.sender.grants, call.sender.name)))
    who, held = call.by(app.settings), call.sender.grants
    what = f"{call.method} {call.path.strip('/')[:200]}"
    grants.check_role(held, who, what, route.role)
    if route.whole:
        grants.check_whole(held, who, what)
    if route.about:
        target = paths.resolve(route.resource(call.path), app.settings)
        grants.check_reach(held, who, target.id, target.kind.full_type)
    if route.own:
        return call, None
    asked = asked_of(call, app.settings)
    grants.check_role(held, who, what, asked.role)
    grants.check_reach(held, who, asked.id, asked.kind, some=call.method == "GET")
    if asked.row is None and call.limited:
        grants.check_named(held, who, [said(call.body), call.query])
    return call, asked


def asked_of(call: Call, settings: Settings) -> Asked:
    """Return the rights that a request for an Azure path needs.

    Raises:
        BadRequestError: it names nothing that is known here.
    """
    if way := proxy_routes.find(call.path, call.method, settings):
        reads = call.method == "GET" or way.role == "reader"
        return Asked(role=way.role, kind=way.plane, id=way.workspace, reads=reads, secret=way.secret)
    target = paths.resolve(call.path, settings)
    action = target.action or (target.kind.action("") if call.method == "POST" else None)
    role = grants.needed(target.kind, call.method, action if call.method == "POST" else None)
    return Asked(
        role=role,
        kind=target.kind.full_type,
        id=target.id,
        row=target.kind,
        reads=call.method == "GET" or (action is not None and action.role in ("reader", "scorer")),
        secret=action is not None and action.secret and call.method == "POST",
        direct=action is not None and action.direct,
    )


def check_body(call: Call, kind: Kind, body: Any, settings: Settings, *more: Any, own: str = "") -> None:
    """Refuse a body with a field that only an admin may set, or with an id outside the sender's scope; `more` is checked, too.

    `own` is the GUID of the target's workspace, which the app itself may have written into the body.

    Raises:
        BadRequestError: `RoleNeeded`, `OutOfScope` (403).
    """
    held = call.sender.grants
    if held and (field := grants.guarded(kind, body)):
        grants.check_role(held, call.by(settings), f"'{field}' of {kind.full_type}", "admin")
    grants.check_named(held, call.by(settings), [body, call.query, *more], own=own)


def sender_of(call: Call, route: Route, app: Services) -> Caller:
    """Return who sends a request over HTTP.

    Raises:
        BadRequestError: `AmbiguousKey` (400), `KeyRevoked`, `KeyNotNamed`, `SignInUnreadable` (403).
    """
    principal = call.sender.principal if isinstance(call.sender, Caller) else ""
    signed_in = bool(principal) and app.settings.signed_in and route.signs_in
    held = _signed_in(call.header(PRINCIPAL_HEADER), app.key_book) if signed_in else ()
    secret = _key(call)
    key = app.key_book.of(secret) if secret else None
    name = _plain(principal) if signed_in else f"{key_book.KEY}{key.name}" if key else UNNAMED
    if key:
        held = (*held, replace(key.grant, of=key.name))
    if not held and not app.settings.unnamed_keys:
        message = (
            f"'{name}' has no role: its key is not a named key, and the setting STEWARD_UNNAMED_KEYS refuses such keys. "
            "Use a named key, or a sign-in with an app role of this app (docs/security.md)."
        )
        raise errors.BadRequestError("KeyNotNamed", message, target=KEY_HEADER, status=403)
    return Caller(principal=principal, name=name, grants=held)


def _plain(principal: str) -> str:
    """Return the name of a sign-in, with a prefix if it looks like that of a key, rule or other sender: users may choose it."""
    return f"sign-in {principal}" if principal == UNNAMED or OTHERS.match(principal) else principal


def _key(call: Call) -> str:
    """Return the key that the platform accepted, '' without one."""
    read = call.sender.code if isinstance(call.sender, Caller) else ""
    several = f"{call.header(KEY_HEADER)},{read}".split(",")  # the platform joins repeated keys with commas and checks the first
    given = {*map(str.strip, several), *(value for name, value in call.asked if name.lower() == "code")} - {""}
    if len(given) > 1:
        message = "The header x-functions-key and the parameter 'code' have different keys; send only one key, once."
        raise errors.BadRequestError("AmbiguousKey", message, target=KEY_HEADER)
    return next(iter(given), "")


def _signed_in(header: str, book: Book) -> tuple[Grant, ...]:
    """Return the grants of a sign-in: its highest app role, and those stored for its object id; () for neither."""
    try:
        given = json.loads(b64decode(header, validate=True))["claims"] if header else []
        claims = [(str(each["typ"]).lower(), str(each["val"]).lower()) for each in given]
    except (ValueError, KeyError, TypeError):
        message = f"The header {PRINCIPAL_HEADER} cannot be read, so the roles of this sign-in are not known. Sign in again."
        raise errors.BadRequestError("SignInUnreadable", message, target=PRINCIPAL_HEADER, status=403) from None
    kept = [book.signed_in(each) for each in {value for name, value in claims if name in OBJECT_CLAIMS}]
    roles = [APP_ROLES[value] for name, value in claims if name in ROLE_CLAIMS and value in APP_ROLES]
    return (*_highest(roles), *(replace(each.grant, of=each.name) for each in kept if each))


def _highest(roles: Sequence[Role]) -> tuple[Grant, ...]:
    return (Grant(role=max(roles, key=grants.ROLES.index)),) if roles else ()


def said(content: bytes | memoryview) -> Any:
    """Return all that a reader of the body could see: JSON with both values of a repeated member, or the unescaped text."""
    text = bytes(content).decode("utf-8-sig", errors="replace")
    try:
        found = json.loads(text, object_pairs_hook=lambda members: [each for member in members for each in member])
    except (ValueError, RecursionError):
        found = None
    if found is None or client.deeper(found, client.DEPTH_LIMIT):  # a lenient reader may take it
        return _ESCAPED.sub(lambda each: chr(int(each[1], 16)) if each[1] else "/", text)
    return found
