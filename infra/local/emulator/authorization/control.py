"""`/_control/roles`: custom roles, assignments and deny assignments, read and replaced as one document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.local.emulator import web

if TYPE_CHECKING:
    from infra.local.emulator.world import World

routes = web.Routes(r".*")


@routes.route("GET", "/_control/roles")
def shown(world: World, _request: web.Request) -> web.Response:
    """`{"delay_s", "definitions", "assignments", "denials"}`."""
    with world.lock:
        return web.answer(world.authorization.as_json())


@routes.route("PUT", "/_control/roles")
def replaced(world: World, request: web.Request) -> web.Response:
    """The same document: each member that it names is replaced whole; assignments in it hold at once."""
    try:
        body = request.json()
        with world.lock:
            world.authorization.load(body)
    except (KeyError, TypeError, ValueError, AttributeError) as wrong:
        return web.answer({"error": f"expected definitions, assignments, denials or delay_s: {wrong!r}"}, status=400)
    return shown(world, request)
