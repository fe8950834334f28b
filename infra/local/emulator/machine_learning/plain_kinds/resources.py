"""Kinds that are kept and answered and do nothing here: feature store, serverless endpoints, capability hosts, and so on.

One row each; the routes are made from the rows. What some of them can do besides is in `actions.py`.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from infra.local.emulator import web
from infra.local.emulator.arm import gateway, lists, writes
from infra.local.emulator.machine_learning import scope, statuses
from infra.local.emulator.machine_learning.assets import responses as assets_responses
from infra.local.emulator.machine_learning.plain_kinds import refusals, state
from infra.local.emulator.resources import Resource, merge_patch

if TYPE_CHECKING:
    from infra.local.emulator.world import World

_WITHOUT_STATUS_URL = frozenset({"2023-04-01-preview"})  # recorded: PUT of a feature set or entity
routes = web.Routes(r".*")
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-_.]{0,254}")


ROWS = (
    state.Row(path="featuresets", title="Featureset container"),
    state.Row(path="featuresets/versions", title="Featureset", required=("specification", "entities"), prefix="fs"),
    state.Row(path="featurestoreEntities", title="Featurestore entity container"),
    state.Row(path="featurestoreEntities/versions", title="Featurestore entity", required=("indexColumns",), prefix="fs"),
    state.Row(path="capabilityHosts", title="Capability host", prefix="ch"),
    state.Row(path="privateEndpointConnections", title="Private endpoint connection", created=200),
    state.Row(
        path="serverlessEndpoints", title="Serverless endpoint", required=("modelSettings",), prefix="sse", tracked=True, patch=True
    ),
    state.Row(path="marketplaceSubscriptions", title="Marketplace subscription", required=("modelId",), prefix="mps"),
)


def arm_id(row: state.Row, world: World, request: web.Request) -> str:
    """The id of the resource in the path.

    Raises:
        web.Refused: 404, its workspace is not there.
    """
    workspace = scope.workspace(world, request, row.path.split("/")[0])
    return workspace.id + "".join(f"/{part}/{request.params[f'name{n}']}" for n, part in enumerate(row.path.split("/")))


def existing(row: state.Row, world: World, request: web.Request) -> Resource:
    """The resource in the path.

    Raises:
        web.Refused: 404.
    """
    found = world.resources.get(arm_id(row, world, request))
    if found is None:
        raise scope.missing(row.title, arm_id(row, world, request).rpartition("/")[2])
    return found


def _get(row: state.Row, world: World, request: web.Request) -> web.Response:
    return web.answer(existing(row, world, request).body)


def _list(row: state.Row, world: World, request: web.Request) -> web.Response:
    workspace = scope.workspace(world, request, row.path.split("/")[0])
    first, _, nested = row.path.partition("/")
    parent = f"{workspace.id}/{first}/{request.params['name0']}" if nested else workspace.id
    found = assets_responses.visible(request, world.resources.children(parent, nested or first))
    return lists.page(world, request, [item.body for item in found])


def _put(row: state.Row, world: World, request: web.Request) -> web.Response:
    """201 (200 for a change of a synchronous kind); Location = the resource; with operations, Azure-AsyncOperation too."""
    body = gateway.body_object(request)
    properties = dict(body.get("properties") or {})
    for name in row.required:
        if not properties.get(name):
            raise scope.invalid(f"The field {name} is required.", "ValidationError")
    whole_id = arm_id(row, world, request)
    if not _NAME.fullmatch(whole_id.rpartition("/")[2]):
        raise scope.invalid(f"The name '{whole_id.rpartition('/')[2]}' is invalid.", "InvalidName")
    workspace = scope.workspace(world, request, row.path)
    found = world.resources.get(whole_id)
    if found is not None and world.operations.running(whole_id):
        raise scope.conflict(found.name, found.state)
    if row.path == "serverlessEndpoints" and found is None:
        refusals.check_free(world, row, whole_id, scope.location(workspace))
    if "/" in row.path:
        state.ensure_parent(row, world, request, whole_id.rsplit("/", 2)[0])
    secrets = {name: properties.pop(name) for name in row.secrets if name in properties}
    stays = writes.left_out(world, found, properties)
    made = Resource(id=whole_id, body=state.body_of(row, workspace, whole_id, body, properties, found, stays), secrets=secrets)
    made.touched(world.now(), scope.caller(request))
    world.resources.put(made)
    location = scope.resource_url(request, whole_id)
    if not row.prefix:
        made.properties["provisioningState"] = "Succeeded"
        fresh = not found and row.created == 201
        return web.answer(made.body, status=201 if fresh else 200, headers={"location": location} if fresh else {})
    kind = row.path.partition("/")[0]
    operation = statuses.begin(
        world, request, made, kind=kind, prefix=row.prefix, finish=partial(_done, made), workspace=workspace, verb="Creating"
    )
    headers = statuses.frontend_headers(world, operation, resource_url=location)
    if row.prefix == "fs" and request.query["api-version"] in _WITHOUT_STATUS_URL:
        del headers["azure-asyncoperation"]
    return web.answer(made.body, status=201, headers=headers)


def _done(made: Resource) -> None:
    made.properties["provisioningState"] = "Succeeded"


def _patch(row: state.Row, world: World, request: web.Request) -> web.Response:
    """200, at once."""
    found = existing(row, world, request)
    found.body = merge_patch(found.body, writes.patch_of(row.type, gateway.body_object(request)))
    found.touched(world.now(), scope.caller(request))
    return web.answer(found.body)


def _delete(row: state.Row, world: World, request: web.Request) -> web.Response:
    """200 without a body, or 202 `null` with both headers; 204 when it is missing."""
    found = world.resources.get(arm_id(row, world, request))
    if found is None:
        return web.empty(204)
    if not row.prefix:
        world.resources.delete(found.id)
        return web.empty(200)
    workspace = scope.workspace(world, request, row.path)
    found.properties["provisioningState"] = "Deleting"

    def gone() -> None:
        world.resources.delete(found.id)

    kind = f"{row.path.partition('/')[0]}.delete"
    operation = statuses.begin(
        world, request, found, kind=kind, prefix=row.prefix, finish=gone, workspace=workspace, verb="Deleting"
    )
    return web.answer(None, status=202, headers=statuses.frontend_headers(world, operation))


def _register() -> None:
    for row in ROWS:
        one = row.template
        for verb, handler in (("GET", _get), ("PUT", _put), ("DELETE", _delete), *((("PATCH", _patch),) if row.patch else ())):
            routes.route(verb, one)(partial(handler, row))
        routes.route("GET", one.rpartition("/")[0])(partial(_list, row))


_register()
