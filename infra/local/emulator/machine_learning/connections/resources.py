"""Connections: named credentials for other services; synchronous, with the secret kept apart from what a GET shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.arm import gateway, lists, writes
from infra.local.emulator.machine_learning import scope
from infra.local.emulator.machine_learning.connections import refusals, responses
from infra.local.emulator.resources import Resource, merge_patch

if TYPE_CHECKING:
    from infra.local.emulator.world import World

AUTH_TYPES = (
    "PAT", "ManagedIdentity", "UsernamePassword", "None", "SAS", "AccountKey", "ServicePrincipal", "AccessKey", "ApiKey",
    "CustomKeys", "OAuth2", "AAD",
)  # fmt: skip
_FILLED: dict[str, Any] = {"metadata": None, "group": "AzureAI", "isSharedToAll": False, "sharedUserList": []}
routes = web.Routes(r".*")
TYPE = f"{scope.NAMESPACE}/workspaces/connections"
CONNECTION = f"{scope.WORKSPACE}/connections/{{connection}}"


def existing(world: World, request: web.Request) -> Resource:
    """The connection in the path.

    Raises:
        web.Refused: 404.
    """
    workspace = scope.workspace(world, request, "connections")
    found = world.resources.get(f"{workspace.id}/connections/{request.params['connection']}")
    if found is None:
        raise refusals.refused(
            404, f"Connection {request.params['connection']} can't be found in this workspace", "NotFound", "ConnectionNotFound"
        )
    return found


@routes.route("GET", f"{scope.WORKSPACE}/connections")
def list_all(world: World, request: web.Request) -> web.Response:
    """All, or those of a `category` or `target`."""
    workspace = scope.workspace(world, request, "connections")
    found = world.resources.children(workspace.id, "connections")
    for name in ("category", "target"):
        if wanted := request.query.get(name):
            found = [item for item in found if str(item.properties.get(name)).lower() == wanted.lower()]
    return lists.page(world, request, [item.body for item in found])


@routes.route("GET", CONNECTION)
def get(world: World, request: web.Request) -> web.Response:
    """One connection; its credentials are null."""
    return web.answer(existing(world, request).body)


@routes.route("PUT", CONNECTION)
def put(world: World, request: web.Request) -> web.Response:
    """200, also for a new one."""
    workspace, properties = scope.workspace(world, request, "connections"), scope.properties_of(gateway.body_object(request))
    for name in ("category", "authType"):
        if not isinstance(properties.get(name), str):
            raise refusals.refused(400, f"The property {name} is required.", "BadArgument", "ValidationError")
    properties["authType"] = scope.one_of(properties["authType"], AUTH_TYPES, "authType")
    arm_id = f"{workspace.id}/connections/{request.params['connection']}"
    found = world.resources.get(arm_id)
    body = {
        "id": arm_id,
        "name": request.params["connection"],
        "type": TYPE,
        "properties": {
            **_FILLED,
            "createdByWorkspaceArmId": workspace.id,
            **writes.left_out(world, found, properties),
            **properties,
            **responses.hidden(properties["authType"]),
        },
        "systemData": dict(found.body["systemData"]) if found else {},
    }
    made = Resource(id=arm_id, body=body, secrets=dict(properties.get("credentials") or {}))
    made.touched(world.now(), scope.caller(request))
    return web.answer(world.resources.put(made).body)


@routes.route("PATCH", CONNECTION)
def patch(world: World, request: web.Request) -> web.Response:
    """200; credentials that are given replace the old ones."""
    found, body = existing(world, request), writes.patch_of(TYPE, gateway.body_object(request))
    change = dict(body.get("properties") or {})
    credentials: dict[str, Any] = change.pop("credentials", None) or {}
    found.secrets = {**found.secrets, **credentials}
    found.body = merge_patch(found.body, {"properties": change})
    found.touched(world.now(), scope.caller(request))
    return web.answer(found.body)


@routes.route("DELETE", CONNECTION)
def delete(world: World, request: web.Request) -> web.Response:
    """200 without a body; 204 when it is missing."""
    workspace = scope.workspace(world, request, "connections")
    gone = world.resources.delete(f"{workspace.id}/connections/{request.params['connection']}")
    return web.empty(200 if gone else 204)


@routes.route("POST", f"{CONNECTION}/listsecrets")
def list_secrets(world: World, request: web.Request) -> web.Response:
    """The connection with its credentials."""
    found = existing(world, request)
    told = {"credentials": found.secrets} if "credentials" in found.properties else {}
    return web.answer({**found.body, "properties": {**found.properties, **told}})
