"""ARM's check of who may do what: refused in its words, and lists shortened to what the caller may read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.authorization import operations

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from infra.local.emulator.authorization.state import Denial
    from infra.local.emulator.identity.state import Principal
    from infra.local.emulator.world import World

_SHORTENED = "authorization.shortened"


def check(world: World, request: web.Request) -> None:
    """Refuse what the caller's roles do not allow.

    Raises:
        web.Refused: 403 `AuthorizationFailed`, `DenyAssignmentAuthorizationFailed` or `LinkedAuthorizationFailed`.
    """
    caller, need = request.principal, operations.need(request.method, request.path)
    request.notes.pop(_SHORTENED, None)
    if caller is None:
        return
    if need is None:
        request.notes[_SHORTENED] = request.path.strip("/").lower() == "subscriptions"
        return
    rules, who = world.authorization, caller.object_id
    allowed = rules.allows(who, need.action, need.scope)
    denied = rules.denied(who, need.action, need.scope)
    if need.list_of:
        if not allowed and not rules.has_any(who, need.scope):
            raise not_allowed(caller, need.action, need.shown)
        request.notes[_SHORTENED] = not allowed or bool(rules.denials)
        return
    if not allowed:
        raise not_allowed(caller, need.action, need.shown)
    if denied is not None:
        raise _denied(caller, need.action, need.shown, denied)
    _check_linked(world, request, need)


def _check_linked(world: World, request: web.Request, need: operations.Need) -> None:
    caller = request.principal
    if caller is None or request.method not in {"PUT", "PATCH", "POST"} or not request.body:
        return
    try:
        body = request.json()
    except ValueError:
        return  # the provider says what is wrong with it
    lacking = [
        (action, scope)
        for action, scope in operations.linked(need.action, body)
        if not world.authorization.may(caller.object_id, action, scope)
    ]
    if lacking:
        actions, scopes = (",".join(dict.fromkeys(found)) for found in zip(*lacking, strict=True))
        text = (
            f"{_whom(caller)} has permission to perform action '{need.action}' on scope '{need.shown}'; however, it does not have "
            f"permission to perform action(s) '{actions}' on the linked scope(s) '{scopes}' (respectively) or the linked scope(s) "
            "are invalid."
        )
        raise web.Refused(web.arm_error(403, "LinkedAuthorizationFailed", text))


def visible(world: World, request: web.Request, items: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """The items of a list that the caller may read."""
    caller = request.principal
    if caller is None or not request.notes.get(_SHORTENED):
        return items
    return [one for one in items if _may_see(world, caller.object_id, str(one.get("id") or ""))]


def _may_see(world: World, who: str, arm_id: str) -> bool:
    parts = arm_id.strip("/").split("/")
    if len(parts) == 2:  # every holder of a role in a subscription sees it
        return world.authorization.has_any(who, arm_id)
    need = operations.need("GET", arm_id)
    return need is None or world.authorization.may(who, need.action, need.scope)


def _whom(caller: Principal) -> str:
    return f"The client '{caller.app_id}' with object id '{caller.object_id}'"


def not_allowed(caller: Principal, action: str, scope: str) -> web.Refused:
    """No role allows it."""
    text = (
        f"{_whom(caller)} does not have authorization to perform action '{action}' over scope '{scope}' or the scope is invalid. "
        "If access was recently granted, please refresh your credentials."
    )
    return web.Refused(web.arm_error(403, "AuthorizationFailed", text))


def _denied(caller: Principal, action: str, scope: str, denial: Denial) -> web.Refused:
    text = (
        f"{_whom(caller)} has permission to perform action '{action}' on scope '{scope}'; however, the access is denied because of "
        f"the deny assignment with name '{denial.title}' and Id '{denial.name.replace('-', '')}' at scope '{denial.scope}'."
    )
    return web.Refused(web.arm_error(403, "DenyAssignmentAuthorizationFailed", text))
