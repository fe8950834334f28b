"""Management locks: kept at any scope, and obeyed by the gateway. CanNotDelete stops a DELETE, ReadOnly any write.

A list holds the locks at, above and below its scope; with `$filter=atScope()` those at and above it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.arm import refusals, writes
from infra.local.emulator.arm.locks import refusals as locks_refusals
from infra.local.emulator.resources import Resource

if TYPE_CHECKING:
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
LEVELS = ("CanNotDelete", "ReadOnly")
_SCOPES = ("/subscriptions/{subscription}", "/subscriptions/{subscription}/{rest*}")


def build(arm_id: str, level: str, notes: str = "") -> Resource:
    """A lock; `arm_id` is the locked scope's id, the provider and the lock's name."""
    properties: dict[str, Any] = {"level": level, "notes": notes}
    body = {"id": arm_id, "name": arm_id.rpartition("/")[2], "type": locks_refusals.TYPE, "properties": properties}
    return Resource(id=arm_id, body=body)


def _list(world: World, request: web.Request) -> web.Response:
    scope = world.resources.key(request.path[: -len(locks_refusals.PROVIDER)])
    at_scope = "atscope()" in request.query.get("$filter", "").lower()
    found = [
        lock
        for lock in world.resources.of_type(locks_refusals.TYPE.lower())
        if locks_refusals.covers(own := locks_refusals.scope_of(lock), scope)
        or (not at_scope and locks_refusals.covers(scope, own))
    ]
    return web.answer({"value": [lock.body for lock in found]})


def _get(world: World, request: web.Request) -> web.Response:
    found = world.resources.get(request.path)
    if found is None:
        raise refusals.refuse(404, "LockNotFound", f"The lock '{request.params['name']}' could not be found.")
    return web.answer(found.body)


def _put(world: World, request: web.Request) -> web.Response:
    try:
        body = request.json()
    except ValueError as error:
        raise refusals.invalid_content(str(error)) from None
    properties = body.get("properties") if isinstance(body, dict) else None
    level = str((properties or {}).get("level") if isinstance(properties, dict) else "")
    known = next((one for one in LEVELS if one.lower() == level.lower()), None)
    if known is None:
        raise refusals.refuse(400, "InvalidLockLevel", f"The lock level '{level}' is not one of {', '.join(LEVELS)}.")
    found = world.resources.get(request.path)
    whole = {"notes": "", **writes.left_out(world, found, properties or {}), **(properties or {})}
    made = world.resources.put(build(request.path, known, str(whole["notes"] or "")))
    return web.answer(made.body, status=201 if found is None else 200)


def _delete(world: World, request: web.Request) -> web.Response:
    return web.empty(200 if world.resources.delete(request.path) else 204)


for _scope in _SCOPES:
    routes.route("GET", f"{_scope}{locks_refusals.PROVIDER}")(_list)
    routes.route("GET", f"{_scope}{locks_refusals.PROVIDER}/{{name}}")(_get)
    routes.route("PUT", f"{_scope}{locks_refusals.PROVIDER}/{{name}}")(_put)
    routes.route("DELETE", f"{_scope}{locks_refusals.PROVIDER}/{{name}}")(_delete)
