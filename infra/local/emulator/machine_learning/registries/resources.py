"""Registries as resources: created with storage of their own, shared by workspaces. Their assets: `assets.py`."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.arm import gateway, lists, refusals, versions, writes
from infra.local.emulator.arm.dependencies import state as dependencies_state
from infra.local.emulator.machine_learning import scope, statuses
from infra.local.emulator.machine_learning.registries import responses, state
from infra.local.emulator.resources import Resource, merge_patch

if TYPE_CHECKING:
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
REGISTRY = f"{scope.GROUP}/registries/{{registry}}"
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{1,32}")


def existing(world: World, request: web.Request) -> Resource:
    """The registry in the path.

    Raises:
        web.Refused: 404 `RegistryNotFound`, in the older services' shape.
    """
    found = world.resources.get(state.registry_id(request))
    if found is None:
        text = f"The registry '{request.params['registry']}' was not found."
        raise web.Refused(web.service_error(404, "UserError", text, inner=("NotFound", "RegistryNotFound"), component="account-rp"))
    return found


@routes.route("GET", f"{scope.GROUP}/registries")
@routes.route("GET", f"{scope.PROVIDER}/registries")
def list_all(world: World, request: web.Request) -> web.Response:
    """The registries of a group or subscription."""
    parent = request.path[: request.path.lower().index("/providers/")]
    return lists.page(
        world, request, [responses.shown(found) for found in world.resources.below(parent, of_type=state.TYPE.lower())]
    )


@routes.route("GET", REGISTRY)
def get(world: World, request: web.Request) -> web.Response:
    """One registry."""
    return web.answer(responses.shown(existing(world, request)))


@routes.route("PUT", REGISTRY)
def put(world: World, request: web.Request) -> web.Response:
    """Create or change: 202, empty, both headers."""
    body, name = gateway.body_object(request), request.params["registry"]
    if not _NAME.fullmatch(name):
        raise refusals.refuse(400, "ValidationError", f"The registry name '{name}' is invalid.", target="registry")
    location = str(body.get("location") or "").lower().replace(" ", "")
    if not location:
        raise refusals.location_required()
    if location not in versions.LOCATIONS:
        raise refusals.location_unavailable(location, state.TYPE, versions.LOCATIONS)
    arm_id = state.registry_id(request)
    found = world.resources.get(arm_id)
    if found is not None and world.operations.running(arm_id):
        raise scope.conflict(found.name, found.state)
    if any(
        one.name.lower() == name.lower() and one.id.lower() != arm_id.lower() for one in world.resources.of_type(state.TYPE.lower())
    ):
        raise refusals.refuse(409, "RegistryNameNotAvailable", f"The registry name '{name}' is taken.")
    made = world.resources.put(state.built(world, request, {**body, "location": location}, found))
    operation = statuses.begin(world, request, made, kind="registry", finish=partial(state.created, world, made))
    return web.empty(202, statuses.registry_headers(world, operation))


@routes.route("PATCH", REGISTRY)
def patch(world: World, request: web.Request) -> web.Response:
    """Tags and the like: 200, at once."""
    found, body = existing(world, request), writes.patch_of(state.TYPE, gateway.body_object(request))
    found.body = merge_patch(found.body, body)
    found.touched(world.now(), scope.caller(request))
    return web.answer(responses.shown(found))


@routes.route("POST", f"{REGISTRY}/removeRegions")
def remove_regions(world: World, request: web.Request) -> web.Response:
    """202; the registry with the regions of the body taken away, but never its own."""
    found, body = existing(world, request), gateway.body_object(request)
    given = (body.get("properties") or {}).get("regionDetails") or []
    gone = {str((one or {}).get("location") or "").lower() for one in given} - {found.body["location"]}

    def done() -> dict[str, Any]:
        left = [one for one in found.properties["regionDetails"] if str(one.get("location") or "").lower() not in gone]
        found.properties.update(regionDetails=left, provisioningState="Succeeded")
        return responses.shown(found)

    operation = statuses.begin(world, request, found, kind="registry", finish=done)
    return web.empty(202, statuses.registry_headers(world, operation))


@routes.route("DELETE", REGISTRY)
def delete(world: World, request: web.Request) -> web.Response:
    """202, empty, both headers; 204 when it is missing. Its managed resource group goes with it."""
    found = world.resources.get(state.registry_id(request))
    if found is None:
        return web.empty(204)
    if world.operations.running(found.id):
        raise scope.conflict(found.name, found.state)
    found.properties["provisioningState"] = "Deleting"
    operation = statuses.begin(world, request, found, kind="registry.delete", finish=partial(_removed, world, found))
    return web.empty(202, statuses.registry_headers(world, operation))


def _removed(world: World, found: Resource) -> None:
    world.resources.delete(found.id)
    for gone in world.resources.delete(found.hidden["group"]):
        dependencies_state.removed(world, gone)
