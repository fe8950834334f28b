"""`Microsoft.Authorization` as ARM offers it: role definitions and assignments with effect, permissions, deny assignments."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.arm import gateway, lists, refusals, writes
from infra.local.emulator.authorization.state import covers, scope_key

if TYPE_CHECKING:
    from infra.local.emulator.authorization.roles import Role
    from infra.local.emulator.authorization.state import Assignment
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
_PROVIDER = "/providers/Microsoft.Authorization"
_TYPES = "microsoft.authorization"
_SCOPES = ("/subscriptions/{subscription}", "/subscriptions/{subscription}/{rest*}")
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_FILTER = re.compile(r"(?:principalId\s+eq|assignedTo\()\s*'([^']+)'\)?", re.IGNORECASE)


def _scope(request: web.Request) -> str:
    return request.path[: request.path.lower().rindex(f"{_PROVIDER}/".lower())]


# ── permissions ──────────────────────────────────────────────────────────────────────────────────────────────────────
def permissions(world: World, request: web.Request) -> web.Response:
    """What the caller's roles allow at the scope."""
    who = request.principal.object_id if request.principal else ""
    return web.answer({"value": [one.as_json() for one in world.authorization.permissions(who, _scope(request))]})


# ── role definitions ─────────────────────────────────────────────────────────────────────────────────────────────────
def _assignable(role: Role, scope: str) -> bool:
    return any(covers(scope_key(one), scope_key(scope)) for one in role.assignable_scopes)


def definitions(world: World, request: web.Request) -> web.Response:
    """The roles that can be assigned at the scope; `$filter=roleName eq '…'` or `type eq 'BuiltInRole'`."""
    wanted = dict(re.findall(r"(roleName|type)\s+eq\s+'([^']*)'", request.query.get("$filter", ""), re.IGNORECASE))
    named = {name.lower(): value.lower() for name, value in wanted.items()}
    found = [
        role.as_json(request.params["subscription"])
        for role in world.authorization.roles.values()
        if _assignable(role, _scope(request))
        and named.get("rolename", role.title.lower()) == role.title.lower()
        and named.get("type", role.kind.lower()) in {role.kind.lower(), role.kind.lower().removesuffix("role")}
    ]
    return web.answer({"value": found})


def definition(world: World, request: web.Request) -> web.Response:
    """One role."""
    role = world.authorization.roles.get(request.params["name"].lower())
    if role is None:
        text = f"The specified role definition with ID '{request.params['name']}' does not exist."
        raise refusals.refuse(404, "RoleDefinitionDoesNotExist", text)
    return web.answer(role.as_json(request.params["subscription"]))


def define(world: World, request: web.Request) -> web.Response:
    """Make or change a custom role: 201."""
    body, name = gateway.body_object(request), request.params["name"]
    properties, old = body.get("properties") or {}, world.authorization.roles.get(name.lower())
    if old is not None and writes.PUT[f"{_TYPES}/roledefinitions"].keeps(world, "description"):
        properties = {"description": old.description, **properties}
    if not _GUID.fullmatch(name):
        raise refusals.refuse(400, "InvalidRoleDefinitionId", f"The role definition ID '{name}' is not valid; it must be a GUID.")
    if not properties.get("assignableScopes"):
        raise refusals.refuse(400, "InvalidRoleDefinition", "The role definition must have assignable scopes.")
    try:
        role = world.authorization.define({"name": name, "properties": properties})
    except ValueError as wrong:
        raise refusals.refuse(400, "InvalidRoleDefinition", f"The role definition is not valid: {wrong}.") from None
    return web.answer(role.as_json(request.params["subscription"]), status=201)


def undefine(world: World, request: web.Request) -> web.Response:
    """Delete a custom role that is not assigned."""
    rules, name = world.authorization, request.params["name"].lower()
    role = rules.roles.get(name)
    if role is None:
        return web.empty(204)
    if role.kind == "BuiltInRole" or any(one.role == name for one in rules.assignments.values()):
        text = "There are existing role assignments referencing role. Remove them first; a built-in role cannot be deleted."
        raise refusals.refuse(400, "RoleDefinitionHasAssignments", text)
    del rules.roles[name]
    return web.answer(role.as_json(request.params["subscription"]))


# ── role assignments ─────────────────────────────────────────────────────────────────────────────────────────────────
def assign(world: World, request: web.Request) -> web.Response:
    """Give a role: 201. It holds after the delay of propagation."""
    properties, rules = gateway.body_object(request).get("properties") or {}, world.authorization
    name = request.params["name"]
    for field in ("roleDefinitionId", "principalId"):
        if not properties.get(field):
            raise refusals.refuse(400, "BadRequestFormat", f"The property {field} is required.")
    if not _GUID.fullmatch(name):
        raise refusals.refuse(400, "InvalidRoleAssignmentId", f"The role assignment ID '{name}' is not valid; it must be a GUID.")
    scope, role, who = _scope(request), str(properties["roleDefinitionId"]), str(properties["principalId"])
    known = rules.roles.get(role.rpartition("/")[2].lower())
    if known is None:
        text = f"The specified role definition with ID '{role.rpartition('/')[2]}' does not exist."
        raise refusals.refuse(404, "RoleDefinitionDoesNotExist", text)
    if not _assignable(known, scope):
        raise refusals.refuse(400, "RoleDefinitionScopeMismatch", f"The role '{known.title}' cannot be assigned at '{scope}'.")
    same = next((one for one in _at(world, scope) if one.role == known.name and one.principal == who.lower()), None)
    if same is not None:
        if same.name.lower() == name.lower():
            beside = dict.fromkeys(("description", "condition", "conditionVersion"))
            same.properties.update(writes.changed(world, f"{_TYPES}/roleassignments", properties, beside))
            return web.answer(same.as_json(), status=200)
        raise refusals.refuse(
            409, "RoleAssignmentExists", f"The role assignment already exists. Its ID is {same.name.replace('-', '')}."
        )
    if any(one.name.lower() == name.lower() for one in rules.assignments.values()):
        raise refusals.refuse(
            400,
            "RoleAssignmentUpdateNotPermitted",
            "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.",
        )
    kept = {key: value for key, value in properties.items() if key not in {"roleDefinitionId", "principalId", "scope"}}
    made = rules.assign(scope, role, who, name=name, **kept)
    return web.answer(made.as_json(), status=201)


def _at(world: World, scope: str) -> list[Assignment]:
    here = scope_key(scope)
    return [one for one in world.authorization.assignments.values() if scope_key(one.scope) == here]


def assigned(world: World, request: web.Request) -> web.Response:
    """One role assignment."""
    found = world.authorization.assignments.get(scope_key(request.path))
    if found is None:
        raise refusals.refuse(404, "RoleAssignmentNotFound", f"The role assignment '{request.params['name']}' is not found.")
    return web.answer(found.as_json())


def unassign(world: World, request: web.Request) -> web.Response:
    """Take a role away: 200 with it, or 204."""
    gone = world.authorization.unassign(request.path)
    return web.empty(204) if gone is None else web.answer(gone.as_json())


def assignments(world: World, request: web.Request) -> web.Response:
    """The role assignments at, above and below the scope; `atScope()` leaves out those below, a principal those of others."""
    here, asked = scope_key(_scope(request)), request.query.get("$filter", "")
    whose = _FILTER.search(asked)
    found = [
        one.as_json()
        for one in world.authorization.assignments.values()
        if (covers(own := scope_key(one.scope), here) or ("atscope()" not in asked.lower() and covers(here, own)))
        and (whose is None or whose[1].lower() == one.principal)
    ]
    return lists.page(world, request, found)


# ── deny assignments ─────────────────────────────────────────────────────────────────────────────────────────────────
def denials(world: World, request: web.Request) -> web.Response:
    """The deny assignments at, above and below the scope."""
    here = scope_key(_scope(request))
    found: list[dict[str, Any]] = [
        one.as_json()
        for one in world.authorization.denials.values()
        if covers(own := scope_key(one.scope), here) or covers(here, own)
    ]
    return web.answer({"value": found})


_ROWS = (
    ("GET", "permissions", permissions),
    ("GET", "roleDefinitions", definitions),
    ("GET", "roleDefinitions/{name}", definition),
    ("PUT", "roleDefinitions/{name}", define),
    ("DELETE", "roleDefinitions/{name}", undefine),
    ("GET", "roleAssignments", assignments),
    ("GET", "roleAssignments/{name}", assigned),
    ("PUT", "roleAssignments/{name}", assign),
    ("DELETE", "roleAssignments/{name}", unassign),
    ("GET", "denyAssignments", denials),
)
for _method, _path, _handler in _ROWS:
    for _prefix in _SCOPES:
        routes.route(_method, f"{_prefix}{_PROVIDER}/{_path}")(_handler)
