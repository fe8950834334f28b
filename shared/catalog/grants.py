"""Who may do what: roles, the places and kinds that a caller is limited to, and what a request of the table of kinds needs.

Pure: rows of the tables in, a role or a refusal out. Not here: who a caller is (api.access), the routes' own roles (their rows).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote

from shared.rest import errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from shared.catalog.kinds import Action, Kind
    from shared.catalog.roles import Role
    from shared.rest import ids

type Reach = Literal["all", "some", "none"]

LADDER: tuple[Role, ...] = ("reader", "scorer", "operator", "admin")  # each may do what those before it may
ROLES: tuple[Role, ...] = ("events", *LADDER)  # that a caller can have
# An id of Azure's within any text of a body: what a limited caller must not name beyond its places.
_NAMED = re.compile(
    r"\bsubscriptions/+([^/?#\s]+)(?:/+resourcegroups/+([^/?#\s]+)(?:/+(?:providers/+microsoft\.machinelearningservices/+)?"
    r"workspaces/+([^/?#\s]+))?)?",
    re.IGNORECASE,
)
# A workspace by its GUID alone, which says nothing of where it is
_UNPLACED = re.compile(r"\bazureml:/+locations/+[^/\s]+/+workspaces/+([^/?#\s]+)", re.IGNORECASE)
UNPLACED = "which does not say whether it is within its scope"
ESCAPED = 3  # times that a name may be percent-encoded
NAMED_LIMIT = 1_000  # ids of one body that are looked at; more are refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a caller may do.

    Attributes:
        role: The most it may do.
        below: Keys of ARM ids: only these and what is below them; () for everywhere.
        kinds: Full types in lower case, or planes of the v1 API: only these; () for all.
        of: The name of the key or sign-in that it is of, '' for an app role.
    """

    role: Role
    below: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    of: str = ""

    @property
    def whole(self) -> bool:
        """It is limited to no place and no kind."""
        return not self.below and not self.kinds

    def may(self, needed: Role) -> bool:
        """Return whether the role is enough."""
        if needed in ("anyone", self.role) or self.role == "admin":
            return True
        return needed in LADDER and self.role in LADDER and LADDER.index(self.role) >= LADDER.index(needed)

    def reach(self, named: ids.ResourceId) -> Reach:
        """Return whether all of what an id names is within the places, some of a collection, or nothing."""
        key = named.key
        if not self.below or _is_within(key, self.below):
            return "all"
        if not named.is_collection:
            return "none"
        top = len(named.types) == 1 and named.subscription
        base = replace(named, namespace="", types=()).key if top else key
        return "some" if any(place.startswith(f"{base}/") for place in self.below) else "none"

    def takes(self, kind: str) -> bool:
        """Return whether a kind (full type or plane) is among those it is for."""
        return not self.kinds or kind.lower() in self.kinds

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON, as it is stored and shown."""
        named = {"of": self.of} if self.of else {}
        return {"role": self.role, "scope": {"below": list(self.below), "kinds": list(self.kinds)}, **named}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Grant:
        """Read back what `to_json` wrote.

        Raises:
            ValueError: its role is unknown here.
        """
        if stored["role"] not in ROLES:
            message = f"the role '{stored['role']}' is unknown; there are {', '.join(ROLES)}"
            raise ValueError(message)
        scope = stored.get("scope") or {}
        places = {name: tuple(scope.get(name, ())) for name in ("below", "kinds")}
        return cls(role=stored["role"], of=str(stored.get("of", "")), **places)


def needed(kind: Kind, verb: str, action: Action | None = None) -> Role:
    """Return the role that a request for a kind needs, whatever its body."""
    if action is not None:
        return action.role
    if verb in ("GET", "LIST", "HEAD"):
        return "reader"
    return "admin" if verb in kind.admin else "operator"


def guarded(kind: Kind, body: Any) -> str:
    """Return the first field of a body that only an admin may set: of network and access; '' without one."""
    bodies = [_set_by(step) for step in body if isinstance(step, dict)] if isinstance(body, list) else [body]
    return next((path for path in kind.guarded for each in bodies if _holds(each, path.lower().split("."))), "")


def check_role(grants: Iterable[Grant], who: str, what: str, role: Role) -> None:
    """Refuse what needs another role.

    Raises:
        BadRequestError: `RoleNeeded` (403).
    """
    for grant in grants:
        if not grant.may(role):
            message = (
                f"'{who}' has the role {grant.role}; {what} needs {role}. Use a key of that role, or ask an admin for one: "
                "PUT keys/{name} (docs/security.md)."
            )
            raise errors.BadRequestError("RoleNeeded", message, target="role", status=403)


def check_whole(grants: Iterable[Grant], who: str, what: str) -> None:
    """Refuse callers that are limited to places or kinds, where there is nothing to limit by.

    Raises:
        BadRequestError: `OutOfScope` (403).
    """
    for grant in grants:
        if not grant.whole:
            raise _outside(who, grant, f"{what} concerns the whole app", "a key without a scope")


def check_places(grants: Iterable[Grant], who: str, what: str, places: Sequence[ids.ResourceId]) -> None:
    """Refuse what concerns all kinds in some places, everywhere if there is none, to callers who are limited to less.

    Raises:
        BadRequestError: `OutOfScope` (403).
    """
    for grant in grants:
        if grant.kinds or not all(grant.reach(place) == "all" for place in places):
            raise _outside(who, grant, f"{what} concerns more than that", "a key without a scope")
        if not places:
            check_whole((grant,), who, what)


def places_of(grants: Iterable[Grant]) -> tuple[str, ...]:
    """Return the places that callers are limited to by all of their grants, as ids; () for no limit."""
    limits = [grant.below for grant in grants if grant.below]
    return tuple(sorted({each for below in limits for each in below if all(_is_within(each, other) for other in limits)}))


def _is_within(key: str, places: Iterable[str]) -> bool:
    return any(f"{key}/".startswith(f"{place}/") for place in places)


def check_reach(grants: Iterable[Grant], who: str, named: ids.ResourceId, kind: str, *, some: bool = False) -> bool:
    """Refuse what is not within a caller's places and kinds; `some`: a collection may be so in part.

    Returns:
        All of it is within them: an answer need not be filtered.

    Raises:
        BadRequestError: `OutOfScope` (403).
    """
    every = True
    for grant in grants:
        if not grant.takes(kind):
            raise _outside(who, grant, f"The scope does not include the kind {kind}", "a key whose scope names this kind")
        reach = grant.reach(named)
        if reach == "none" or (reach == "some" and not some):
            raise _outside(who, grant, f"{named.path[:300]} is not within its scope", "a key whose scope has this place")
        every = every and reach == "all"
    return every


def check_named(grants: Sequence[Grant], who: str, body: Any, *, own: str = "") -> None:
    """Refuse a body that names what is outside of a caller's places, or might be: the app's identity would reach it.

    A workspace that is named by its GUID alone might be any; `own` is the one that may be.

    Raises:
        BadRequestError: `OutOfScope` (403).
    """
    limits = [grant for grant in grants if grant.below]
    if not limits:
        return
    for count, (subscription, group, workspace) in enumerate(_named(body)):
        if not subscription:
            if workspace == own.lower():
                continue
            raise _outside(who, limits[0], f"The body names the workspace {workspace[:60]} by its GUID, {UNPLACED}", "its ARM id")
        key = f"/subscriptions/{subscription}" + (f"/resourcegroups/{group}" if group else "")
        key += f"/providers/microsoft.machinelearningservices/workspaces/{workspace}" if workspace else ""
        for grant in limits:
            above = not workspace and any(place.startswith(f"{key}/") for place in grant.below)  # what its places are in
            within = above or _is_within(key, grant.below)
            if not within or count >= NAMED_LIMIT:
                raise _outside(who, grant, f"The body names {key[:300]}, which is not within its scope", "a key whose scope has it")


def holds(grants: Iterable[Grant], named: ids.ResourceId, kind: str) -> bool:
    """Return whether a resource is within a caller's places and kinds."""
    return all(grant.takes(kind) and grant.reach(named) == "all" for grant in grants)


def _outside(who: str, grant: Grant, why: str, what: str) -> errors.BadRequestError:
    scope = ", ".join((*grant.below, *grant.kinds))
    message = f"'{who}' has the role {grant.role} within {scope[:400] or 'everything'}. {why}. Use {what} (docs/security.md)."
    return errors.BadRequestError("OutOfScope", message, target="scope", status=403)


def _named(body: Any) -> Iterator[tuple[str, str, str]]:
    if isinstance(body, dict):
        for name, value in body.items():
            yield from _named(name)
            yield from _named(value)
    elif isinstance(body, list):
        for value in body:
            yield from _named(value)
    elif isinstance(body, str):
        text = body
        for _ in range(ESCAPED if "%" in body else 0):
            text = unquote(text)
        for found in _NAMED.finditer(text):
            yield (found[1] or "").lower(), (found[2] or "").lower(), (found[3] or "").lower()
        yield from (("", "", found[1].lower()) for found in _UNPLACED.finditer(text))


def _set_by(step: dict[str, Any]) -> Any:
    """Return what a step of a JSON Patch sets, as the object that it changes."""
    value = True if step.get("value") is None else step["value"]
    for name in reversed([each for each in str(step.get("path", "")).split("/") if each]):  # no path is the whole of it
        value = {name: value}
    return value


def _holds(body: Any, path: list[str]) -> bool:
    if not path:
        return body is not None
    if isinstance(body, list):
        return any(_holds(each, path) for each in body)
    if not isinstance(body, dict):
        return False
    return any(_holds(value, path[1:]) for name, value in body.items() if str(name).lower() == path[0])
