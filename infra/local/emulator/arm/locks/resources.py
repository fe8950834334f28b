"""Management locks: kept at any scope, and obeyed by the gateway. CanNotDelete stops a DELETE, ReadOnly any write.

A list holds the locks at, above and below its scope; with `$filter=atScope()` those at and above it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.arm import refusals
from infra.local.emulator.resources import Resource

if TYPE_CHECKING:
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
TYPE = "Microsoft.Authorization/locks"
LEVELS = ("CanNotDelete", "ReadOnly")
_PROVIDER = f"/providers/{TYPE}"
_SCOPES = ("/subscriptions/{subscription}", "/subscriptions/{subscription}/{rest*}")


def check(world: World, request: web.Request) -> None:
    """Refuse what a lock at the scope or above it (for a DELETE: also below it) forbids.

    Raises:
        web.Refused: 409 `ScopeLocked`.
    """
    locks = world.resources.of_type(TYPE.lower())
    if not locks or request.method in {"GET", "HEAD", "OPTIONS"} or _PROVIDER.lower() in request.path.lower():
        return
    deleting, wanted = request.method == "DELETE", world.resources.key(request.path)
    holding = [
        lock
        for lock in locks
        if (deleting or lock.properties["level"] == "ReadOnly")
        and (_covers(scope := _scope_of(lock), wanted) or (deleting and _covers(wanted, scope)))
    ]
    if not holding:
        return
    verb, scopes = ("delete" if deleting else "write"), ",".join(sorted({lock.id[: -len(_tail(lock))] for lock in holding}))
    text = (
        f"The scope '{request.path}' cannot perform {verb} operation because following scope(s) are locked: '{scopes}'. "
        "Please remove the lock and try again."
    )
    raise refusals.refuse(409, "ScopeLocked", text)


def _tail(lock: Resource) -> str:
    return lock.id[lock.id.lower().rindex(_PROVIDER.lower()) :]


def _scope_of(lock: Resource) -> str:
    return lock.id[: -len(_tail(lock))].lower()


def _covers(scope: str, below: str) -> bool:
    return below == scope or below.startswith(scope + "/")


def build(arm_id: str, level: str, notes: str = "") -> Resource:
    """A lock; `arm_id` is the locked scope's id, the provider and the lock's name."""
    properties: dict[str, Any] = {"level": level, "notes": notes}
    body = {"id": arm_id, "name": arm_id.rpartition("/")[2], "type": TYPE, "properties": properties}
    return Resource(id=arm_id, body=body)


def _list(world: World, request: web.Request) -> web.Response:
    scope = world.resources.key(request.path[: -len(_PROVIDER)])
    at_scope = "atscope()" in request.query.get("$filter", "").lower()
    found = [
        lock
        for lock in world.resources.of_type(TYPE.lower())
        if _covers(own := _scope_of(lock), scope) or (not at_scope and _covers(scope, own))
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
        raise refusals.refuse(400, "InvalidLockLevel", f"The lock level '{level}' is none of {', '.join(LEVELS)}.")
    fresh = world.resources.get(request.path) is None
    made = world.resources.put(build(request.path, known, str((properties or {}).get("notes") or "")))
    return web.answer(made.body, status=201 if fresh else 200)


def _delete(world: World, request: web.Request) -> web.Response:
    return web.empty(200 if world.resources.delete(request.path) else 204)


for _scope in _SCOPES:
    routes.route("GET", f"{_scope}{_PROVIDER}")(_list)
    routes.route("GET", f"{_scope}{_PROVIDER}/{{name}}")(_get)
    routes.route("PUT", f"{_scope}{_PROVIDER}/{{name}}")(_put)
    routes.route("DELETE", f"{_scope}{_PROVIDER}/{{name}}")(_delete)
