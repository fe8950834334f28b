"""v1 assets: names for artifacts, which `aml://asset/{id}` URLs of models mean. Kept in `world.notes["v1_assets"]`."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from infra.local.emulator import web
from infra.local.emulator.dataplane import scope
from infra.local.emulator.dataplane.assets import state
from infra.local.emulator.dataplane.models import resources as models

if TYPE_CHECKING:
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
_ASSETS = f"{models.BASE}/assets"


@routes.route("POST", _ASSETS)
def create(world: World, request: web.Request) -> web.Response:
    """`{"name","artifacts":[{"prefix"|"id"}]}`."""
    owner, asked = state.here(world, request), scope.body(request)
    name, artifacts = scope.text(request, asked, "name"), scope.objects(request, asked, "artifacts")
    if not name or not artifacts:
        raise scope.bad(request, "An asset has a name and a list of artifacts.", "InvalidAsset")
    asset = {
        "id": uuid.uuid4().hex,
        "name": str(name),
        "description": scope.field(asked, "description"),
        "artifacts": artifacts,
        "kvTags": scope.texts(request, asked, "kvTags"),
        "properties": scope.texts(request, asked, "properties"),
        "runid": scope.field(asked, "runid"),
        "meta": scope.texts(request, asked, "meta"),
        "createdTime": scope.time_text(world.now()),
    }
    with world.lock:
        state.known(world)[owner, asset["id"]] = asset
    return web.answer(asset)


@routes.route("GET", _ASSETS)
def list_all(world: World, request: web.Request) -> web.Response:
    """All, or those of a `name` or `runId`."""
    owner = state.here(world, request)
    with world.lock:
        found = [asset for (place, _), asset in state.known(world).items() if place == owner]
    for field, query in (("name", "name"), ("runid", "runid")):
        if query in request.query:
            found = [asset for asset in found if asset[field] == request.query[query]]
    top, token = scope.count_of(request, request.query.get("count")), request.query.get("$skiptoken")
    return web.answer(scope.page(request, found, top=top, token=token, token_name="$skipToken"))  # noqa: S106 - a name


@routes.route("GET", f"{_ASSETS}/{{id}}")
def get(world: World, request: web.Request) -> web.Response:
    """One asset."""
    found = state.known(world).get((state.here(world, request), request.params["id"].lower()))
    if found is None:
        raise scope.refused(request, 404, f"Asset with id {request.params['id']} was not found.", "AssetNotFound")
    return web.answer(found)


@routes.route("DELETE", f"{_ASSETS}/{{id}}")
def delete(world: World, request: web.Request) -> web.Response:
    """200; 204 when it is missing."""
    with world.lock:
        gone = state.known(world).pop((state.here(world, request), request.params["id"].lower()), None)
    return web.empty(200 if gone else 204)
