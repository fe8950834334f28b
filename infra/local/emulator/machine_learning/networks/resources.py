"""A workspace's managed network: outbound rules, provisioning. The rules are kept and answered; no traffic obeys them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.arm import gateway, lists, refusals, writes
from infra.local.emulator.machine_learning import scope, statuses
from infra.local.emulator.machine_learning.networks import state as managed_network
from infra.local.emulator.machine_learning.workspaces import resources as workspaces
from infra.local.emulator.resources import Resource

if TYPE_CHECKING:
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
TYPE = managed_network.TYPE
RULE = f"{scope.WORKSPACE}/outboundRules/{{rule}}"
_TYPES = ("FQDN", "PrivateEndpoint", "ServiceTag")


def _existing(world: World, request: web.Request) -> Resource:
    workspace = scope.workspace(world, request, "outboundRules")
    found = world.resources.get(f"{workspace.id}/outboundRules/{request.params['rule']}")
    if found is None:
        raise refusals.resource_not_found(TYPE, f"{workspace.name}/{request.params['rule']}", request.params["group"])
    return found


@routes.route("GET", f"{scope.WORKSPACE}/outboundRules")
def list_all(world: World, request: web.Request) -> web.Response:
    """The rules."""
    workspace = scope.workspace(world, request, "outboundRules")
    return lists.page(world, request, [item.body for item in world.resources.children(workspace.id, "outboundRules")])


@routes.route("GET", RULE)
def get(world: World, request: web.Request) -> web.Response:
    """One rule."""
    return web.answer(_existing(world, request).body)


@routes.route("PUT", RULE)
def put(world: World, request: web.Request) -> web.Response:
    """202 empty with both headers; the Location ends with the rule.

    Rules that are sent while another is under way remove each other (https://github.com/Azure/terraform-provider-azapi/issues/453).
    """
    workspace = scope.workspace(world, request, "outboundRules")
    properties = dict(scope.properties_of(gateway.body_object(request)))
    properties["type"] = scope.one_of(scope.text_of(properties, "type"), _TYPES, "type")
    if not properties.get("destination"):
        raise scope.invalid("The field destination is required.", "ValidationError")
    network = workspace.properties.get("managedNetwork")
    mode = str(network.get("isolationMode") if isinstance(network, dict) else "")
    if properties["type"] != "PrivateEndpoint" and mode.lower() == "allowinternetoutbound":
        message = "Only PrivateEndpoint outbound rules are supported when the isolation mode is AllowInternetOutbound."
        raise scope.invalid(message, "ValidationError")
    refusals.check_registered(world, workspace.id, "Microsoft.Network")
    arm_id = f"{workspace.id}/outboundRules/{request.params['rule']}"
    stays = writes.left_out(world, world.resources.get(arm_id), properties)
    body = {
        "id": arm_id,
        "name": request.params["rule"],
        "type": TYPE,
        "properties": {"category": "UserDefined", **stays, **properties, "status": "Inactive"},
    }
    made = world.resources.put(Resource(id=arm_id, body=body))
    made.touched(world.now(), scope.caller(request))
    under_way = {one.target.lower() for one in world.operations.running(workspace.id, below=True) if one.kind == "managedNetwork"}

    def done() -> dict[str, Any]:
        for lost in under_way:  # the network is one object: who writes it later wrote it without them
            world.resources.delete(lost)
        made.properties["status"] = "Active"
        return made.body

    operation = statuses.begin(world, request, made, kind="managedNetwork", finish=done, workspace=workspace)
    return web.empty(202, statuses.workspace_headers(world, operation))


@routes.route("DELETE", RULE)
def delete(world: World, request: web.Request) -> web.Response:
    """202 empty with both headers; the Location ends with the *workspace*, as recorded."""
    workspace, found = scope.workspace(world, request, "outboundRules"), _existing(world, request)

    def done() -> dict[str, Any]:
        world.resources.delete(found.id)
        return workspace.body

    operation = statuses.begin(world, request, found, kind="managedNetwork", finish=done, workspace=workspace)
    return web.empty(202, statuses.workspace_headers(world, operation))


@routes.route("POST", f"{scope.WORKSPACE}/provisionManagedNetwork")
def provision(world: World, request: web.Request) -> web.Response:
    """202 empty with both headers; `status: Active` in the result is data, not an operation's state."""
    workspace = workspaces.existing(world, request)
    given = gateway.body_object(request) if request.body else {}
    result = partial(dict[str, Any], status="Active", sparkReady=bool(given.get("includeSpark")))
    operation = statuses.begin(world, request, workspace, kind="managedNetwork", finish=result, failed=lambda _error: None)
    return web.empty(202, statuses.workspace_headers(world, operation))
