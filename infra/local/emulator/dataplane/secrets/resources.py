"""Secrets of a workspace's vault by the way of the workspace: `credential/v2.0`, the SDK v1's `Keyvault`.

They are kept beside the workspace: the vault itself has no data plane here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.local.emulator import web
from infra.local.emulator.dataplane import scope
from infra.local.emulator.dataplane.secrets import state

if TYPE_CHECKING:
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
_SECRETS = f"/credential/v2.0{scope.WORKSPACE}/secrets"


@routes.route("PUT", _SECRETS)
def put(world: World, request: web.Request) -> web.Response:
    """`{"name","value"}`."""
    return web.answer(state.put(world, request, scope.body(request)))


@routes.route("PUT", f"{_SECRETS}:putbatch")
def put_several(world: World, request: web.Request) -> web.Response:
    """`{"secrets":[…]}`."""
    asked = scope.objects(request, scope.body(request), "secrets")
    return web.answer({"secrets": [state.put(world, request, one) for one in asked], "notFoundSecrets": []})


@routes.route("GET", _SECRETS)
def list_all(world: World, request: web.Request) -> web.Response:
    """Names, without values."""
    with world.lock:
        return web.answer({"value": [{"name": one["name"]} for one in state.kept(world, request).values()]})


@routes.route("GET", f"{_SECRETS}/{{name}}")
def get(world: World, request: web.Request) -> web.Response:
    """One secret with its value."""
    found = state.kept(world, request).get(request.params["name"].lower())
    if found is None:
        raise scope.not_found(request, f"The secret {request.params['name']} was not found.", "SecretNotFound")
    return web.answer(found)


@routes.route("POST", f"{_SECRETS}:getbatch")
def get_several(world: World, request: web.Request) -> web.Response:
    """Those of `{"secrets":[{"name"}]}` that there are, and the names of the others."""
    names = [scope.text(request, one, "name") or "" for one in scope.objects(request, scope.body(request), "secrets")]
    kept = state.kept(world, request)
    found = {"secrets": [kept[name.lower()] for name in names if name.lower() in kept]}
    return web.answer({**found, "notFoundSecrets": [name for name in names if name.lower() not in kept]})


@routes.route("DELETE", f"{_SECRETS}/{{name}}")
def delete(world: World, request: web.Request) -> web.Response:
    """200, also when it is missing."""
    with world.lock:
        state.kept(world, request).pop(request.params["name"].lower(), None)
    return web.empty(200)
