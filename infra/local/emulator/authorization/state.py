"""Who holds which role where, and what follows: the answer to "may this principal do this action at this scope?".

A role that is assigned at a scope holds there and below. A deny assignment wins over every role. Not here: which action a request
needs (`operations.py`, `storage.py`, `dataplane.py`).
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from infra.local.emulator.authorization.roles import BUILT_IN, Permission, Role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

EVERYONE = "00000000-0000-0000-0000-000000000000"  # as a principal of a deny assignment
ASSIGNMENTS = "Microsoft.Authorization/roleAssignments"
DENIALS = "Microsoft.Authorization/denyAssignments"


def scope_key(scope: str) -> str:
    """A scope as it is compared: lower case, one slash in front, none behind; the root is empty."""
    plain = scope.strip("/").lower()
    return f"/{plain}" if plain else ""


def covers(scope: str, below: str) -> bool:
    """Whether what holds at one scope holds at the other; both are keys."""
    return below == scope or below.startswith(f"{scope}/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A role given to a principal at a scope; it holds from `effective_at` on."""

    name: str
    scope: str
    role: str
    principal: str
    effective_at: datetime
    properties: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Its ARM id."""
        return f"{self.scope.rstrip('/')}/providers/{ASSIGNMENTS}/{self.name}"

    def as_json(self) -> dict[str, Any]:
        """As ARM answers it."""
        return {"id": self.id, "name": self.name, "type": ASSIGNMENTS, "properties": dict(self.properties)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """A deny assignment: only Azure itself makes them, so only the control route does here."""

    name: str
    title: str
    scope: str
    permissions: tuple[Permission, ...]
    principals: tuple[str, ...] = (EVERYONE,)
    excluded: tuple[str, ...] = ()
    only_here: bool = False

    def forbids(self, principal: str, action: str, scope: str, *, data: bool) -> bool:
        """Whether it stops this principal from this action at this scope (a key)."""
        own = scope_key(self.scope)
        return (
            (scope == own if self.only_here else covers(own, scope))
            and bool({EVERYONE, principal} & set(self.principals))
            and principal not in self.excluded
            and any(one.covers(action, data=data) for one in self.permissions)
        )

    def as_json(self) -> dict[str, Any]:
        """As ARM answers it."""
        properties = {
            "denyAssignmentName": self.title,
            "scope": self.scope,
            "permissions": [one.as_json() for one in self.permissions],
            "principals": [_principal(one) for one in self.principals],
            "excludePrincipals": [_principal(one) for one in self.excluded],
            "doNotApplyToChildScopes": self.only_here,
            "isSystemProtected": True,
        }
        arm_id = f"{self.scope.rstrip('/')}/providers/{DENIALS}/{self.name}"
        return {"id": arm_id, "name": self.name, "type": DENIALS, "properties": properties}


def _principal(object_id: str) -> dict[str, str]:
    return {"id": object_id, "type": "SystemDefined" if object_id == EVERYONE else "ServicePrincipal"}


class Authorization:
    """All role definitions and assignments. The world's lock guards it.

    Args:
        now: the world's clock.

    Attributes:
        delay_s: how long a new assignment takes to hold; in Azure up to ten minutes.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self.delay_s = 0.0
        self.roles: dict[str, Role] = {}
        self.assignments: dict[str, Assignment] = {}
        self.denials: dict[str, Denial] = {}
        self.clear()

    def clear(self) -> None:
        """Back to the built-in roles, which no one holds."""
        self.delay_s = 0.0
        self.roles = {role.name: role for role in BUILT_IN}
        self.assignments, self.denials = {}, {}

    def define(self, body: Mapping[str, Any]) -> Role:
        """Add a custom role, from its ARM body or an `az role definition` file.

        Raises:
            ValueError: it cannot be read.
        """
        properties = body.get("properties") or body
        role = Role(
            name=str(body.get("name") or uuid.uuid4()).lower(),
            title=str(properties.get("roleName") or body.get("name")),
            description=str(properties.get("description") or ""),
            permissions=tuple(Permission.from_json(one) for one in properties.get("permissions") or ()),
            assignable_scopes=tuple(properties.get("assignableScopes") or ("/",)),
        )
        if role.name in {one.name for one in BUILT_IN}:
            raise ValueError(f"{role.name} is a built-in role; it cannot be changed")
        self.roles[role.name] = role
        return role

    def assign(
        self, scope: str, role: str, principal: str, *, name: str = "", delay_s: float | None = None, **more: Any
    ) -> Assignment:
        """Give a role; it holds after the delay.

        Args:
            scope: ARM id.
            role: the definition's id or GUID.
            principal: object id.
            name: of the assignment; a new GUID by default.
            delay_s: default: `self.delay_s`.
            more: what else ARM keeps of it.

        Raises:
            KeyError: there is no such role.
        """
        key = role.rpartition("/")[2].lower()
        if key not in self.roles:
            raise KeyError(role)
        subscription = scope.split("/")[2] if scope.lower().startswith("/subscriptions/") else ""
        prefix = f"/subscriptions/{subscription}" if subscription else ""
        made = Assignment(
            name=name or str(uuid.uuid4()),
            scope=scope,
            role=key,
            principal=principal.lower(),
            effective_at=self._now() + timedelta(seconds=self.delay_s if delay_s is None else delay_s),
            properties={
                **more,
                "roleDefinitionId": f"{prefix}/providers/Microsoft.Authorization/roleDefinitions/{key}",
                "principalId": principal,
                "scope": scope,
            },
        )
        self.assignments[scope_key(made.id)] = made
        return made

    def unassign(self, arm_id: str) -> Assignment | None:
        """Take a role away, at once."""
        return self.assignments.pop(scope_key(arm_id), None)

    def forget_below(self, scope: str) -> None:
        """A scope is gone: its assignments go with it."""
        gone = scope_key(scope)
        self.assignments = {key: one for key, one in self.assignments.items() if not covers(gone, scope_key(one.scope))}

    def deny(self, body: Mapping[str, Any]) -> Denial:
        """Add a deny assignment from its ARM body.

        Raises:
            ValueError: it cannot be read.
        """
        properties = body.get("properties") or body
        denial = Denial(
            name=str(body.get("name") or uuid.uuid4()),
            title=str(properties.get("denyAssignmentName") or "a deny assignment"),
            scope=str(properties["scope"]),
            permissions=tuple(Permission.from_json(one) for one in properties.get("permissions") or ()),
            principals=tuple(str(one["id"]).lower() for one in properties.get("principals") or ({"id": EVERYONE},)),
            excluded=tuple(str(one["id"]).lower() for one in properties.get("excludePrincipals") or ()),
            only_here=bool(properties.get("doNotApplyToChildScopes")),
        )
        self.denials[denial.name] = denial
        return denial

    # ── questions ────────────────────────────────────────────────────────────────────────────────────────────────────
    def held(self, principal: str) -> Iterator[Assignment]:
        """The assignments of a principal that hold already."""
        now = self._now()
        return (one for one in self.assignments.values() if one.principal == principal.lower() and one.effective_at <= now)

    def permissions(self, principal: str, scope: str) -> list[Permission]:
        """What the roles of a principal allow at a scope."""
        here = scope_key(scope)
        return [
            permission
            for one in self.held(principal)
            if covers(scope_key(one.scope), here) and one.role in self.roles
            for permission in self.roles[one.role].permissions
        ]

    def allows(self, principal: str, action: str, scope: str, *, data: bool = False) -> bool:
        """Whether a role allows it; deny assignments are not looked at."""
        return any(one.covers(action, data=data) for one in self.permissions(principal, scope))

    def denied(self, principal: str, action: str, scope: str, *, data: bool = False) -> Denial | None:
        """The deny assignment that forbids it, if there is one."""
        here = scope_key(scope)
        return next((one for one in self.denials.values() if one.forbids(principal.lower(), action, here, data=data)), None)

    def may(self, principal: str, action: str, scope: str, *, data: bool = False) -> bool:
        """Whether a role allows it and no deny assignment forbids it."""
        return self.allows(principal, action, scope, data=data) and self.denied(principal, action, scope, data=data) is None

    def has_any(self, principal: str, scope: str) -> bool:
        """Whether a principal holds a role at, above or below a scope: then it sees that the scope is there."""
        here = scope_key(scope)
        return any(covers(own := scope_key(one.scope), here) or covers(here, own) for one in self.held(principal))

    # ── all of it at once ────────────────────────────────────────────────────────────────────────────────────────────
    def as_json(self) -> dict[str, Any]:
        """What `load` reads."""
        custom = [role for role in self.roles.values() if role.kind == "CustomRole"]
        return {
            "delay_s": self.delay_s,
            "definitions": [{"name": role.name, "properties": role.as_json("")["properties"]} for role in custom],
            "assignments": [
                {"scope": one.scope, "role": one.role, "title": self.roles[one.role].title, "principal": one.principal}
                for one in self.assignments.values()
                if one.role in self.roles
            ],
            "denials": [one.as_json() for one in self.denials.values()],
        }

    def load(self, document: Mapping[str, Any]) -> None:
        """Take over what a document names; a member that it lacks is left as it is. Assignments in it hold at once.

        Raises:
            KeyError, TypeError, ValueError: it cannot be read; then nothing is changed.
        """
        fresh = Authorization(self._now)
        fresh.delay_s = float(document.get("delay_s", self.delay_s))
        for role in document["definitions"] if "definitions" in document else self._custom():
            fresh.define(role)
        for one in document.get("assignments", ()):
            fresh.assign(str(one["scope"]), str(one["role"]), str(one["principal"]), delay_s=0)
        for body in document.get("denials", ()):
            fresh.deny(body)
        self.delay_s, self.roles = fresh.delay_s, fresh.roles
        self.assignments = fresh.assignments if "assignments" in document else self.assignments
        self.denials = fresh.denials if "denials" in document else self.denials

    def _custom(self) -> Iterable[Mapping[str, Any]]:
        definitions: list[Mapping[str, Any]] = self.as_json()["definitions"]
        return definitions
