"""What can be done to a compute that exists: start, stop, restart, idle shutdown, nodes, keys."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.arm import gateway, refusals
from infra.local.emulator.machine_learning import scope, statuses
from infra.local.emulator.machine_learning.computes import idle_shutdown
from infra.local.emulator.machine_learning.computes import refusals as computes_refusals
from infra.local.emulator.machine_learning.computes import resources as computes
from infra.local.emulator.machine_learning.computes import state as computes_state
from infra.local.emulator.machine_learning.quotas import vm_sizes

if TYPE_CHECKING:
    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
LONG_SINCE = "2021"  # in older api-versions start, stop and restart are declared with a bare 200
_ON_THE_WAY = {"start": "Starting", "stop": "Stopping", "restart": "Restarting"}
_AFTER = {"start": "Running", "stop": "Stopped", "restart": "Running"}
_ALLOWED = {
    "start": {"Stopped", "Running", "CreateFailed"},
    "stop": {"Running", "JobRunning", "Stopped"},
    "restart": {"Running", "JobRunning"},
}


def _instance(world: World, request: web.Request, action: str) -> Resource:
    found = computes.existing(world, request)
    kind = found.properties["computeType"]
    if kind != "ComputeInstance":
        text = f"{action} with computeType {kind} is not supported."
        raise computes_refusals.refused(400, "UserError", text, inner=("BadRequest", "NotSupported"))
    return found


def _power(action: str, world: World, request: web.Request) -> web.Response:
    found = _instance(world, request, action)
    workspace = scope.workspace(world, request, "computes")
    inner = found.properties["properties"]
    if world.operations.running(found.id):
        raise computes_refusals.busy(found, scope.location(workspace))
    if inner["state"] not in _ALLOWED[action]:
        text = f"The compute instance {found.name} is in state {inner['state']}; {action} is not possible."
        raise computes_refusals.refused(
            409, "UserError", text, inner=("Conflict", "InvalidComputeState"), region=scope.location(workspace)
        )
    before, inner["state"] = inner["state"], _ON_THE_WAY[action]
    inner["lastOperation"] = computes_state.last_operation(world, action.title(), "InProgress")

    def end(state: str, status: str) -> None:
        inner["state"] = state
        inner["lastOperation"] = computes_state.last_operation(world, action.title(), status)

    def undone(_error: dict[str, Any]) -> None:
        end(before, f"{action.title()}Failed")

    operation = statuses.begin(
        world,
        request,
        found,
        kind=f"compute.{action}",
        finish=partial(end, _AFTER[action], "Succeeded"),
        failed=undone,
        workspace=workspace,
    )
    if request.query["api-version"] < LONG_SINCE:
        return web.empty(200)
    return web.empty(202, statuses.compute_headers(world, operation))


for _action in _ON_THE_WAY:
    routes.route("POST", f"{computes.COMPUTE}/{_action}")(partial(_power, _action))


@routes.route("POST", f"{computes.COMPUTE}/updateIdleShutdownSetting")
def set_idle_time(world: World, request: web.Request) -> web.Response:
    """`{"idleTimeBeforeShutdown":"PT30M"}`, 15 minutes to 3 days; 200."""
    found, body = _instance(world, request, "updateIdleShutdownSetting"), gateway.body_object(request)
    given = str(body.get("idleTimeBeforeShutdown") or "")
    match = re.fullmatch(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?)?", given)
    minutes = sum(int(part or 0) * unit for part, unit in zip(match.groups(), (1440, 60, 1), strict=True)) if match else 0
    if not 15 <= minutes <= 3 * 1440:
        text = f"idleTimeBeforeShutdown '{given}' must be between 15 minutes and 3 days."
        raise computes_refusals.refused(400, "UserError", text, inner=("BadRequest", "InvalidPropertyValue"))
    found.properties["properties"]["idleTimeBeforeShutdown"] = given
    found.hidden[idle_shutdown.SET_AT] = world.now()
    return web.empty(200)


@routes.route("POST", f"{computes.COMPUTE}/updateSchedules")
def update_schedules(world: World, request: web.Request) -> web.Response:
    """`{"computeStartStop":[…]}`; 200."""
    found, body = _instance(world, request, "updateSchedules"), gateway.body_object(request)
    given = body.get("computeStartStop")
    if not isinstance(given, list):
        raise computes_refusals.refused(
            400, "UserError", "computeStartStop is a list.", inner=("BadRequest", "InvalidPropertyValue")
        )
    for one in given:
        if isinstance(one, dict) and str(one.get("action")).lower() not in {"start", "stop"}:
            raise computes_refusals.refused(
                400, "UserError", "A schedule's action is Start or Stop.", inner=("BadRequest", "InvalidPropertyValue")
            )
    found.properties["properties"]["schedules"] = {"computeStartStop": given}
    return web.empty(200)


@routes.route("POST", f"{computes.COMPUTE}/resize")
def resize(world: World, request: web.Request) -> web.Response:
    """`{"targetVMSize"}` of a stopped instance; 202 like a start."""
    found, body = _instance(world, request, "resize"), gateway.body_object(request)
    workspace, size = scope.workspace(world, request, "computes"), vm_sizes.find(str(body.get("targetVMSize") or ""))
    if size is None:
        text = f"The VM size '{body.get('targetVMSize')}' is not supported."
        raise computes_refusals.refused(400, "UserError", text, inner=("BadRequest", "InvalidPropertyValue"))
    inner = found.properties["properties"]
    if inner["state"] != "Stopped":
        text = f"The compute instance {found.name} is in state {inner['state']}; only a stopped one can be resized."
        raise computes_refusals.refused(409, "UserError", text, inner=("Conflict", "InvalidComputeState"))

    def done() -> None:
        inner.update(vmSize=size.name.upper(), lastOperation=computes_state.last_operation(world, "Resize", "Succeeded"))

    operation = statuses.begin(
        world, request, found, kind="compute.resize", finish=done, failed=lambda _error: None, workspace=workspace
    )
    return web.empty(202, statuses.compute_headers(world, operation))


@routes.route("POST", f"{computes.COMPUTE}/getAllowedVmSizesForResize")
def sizes_for_resize(world: World, request: web.Request) -> web.Response:
    """Every size there is."""
    _instance(world, request, "getAllowedVmSizesForResize")
    return web.answer({"value": [vm_sizes.as_json(size) for size in vm_sizes.SIZES]})


@routes.route("POST", f"{computes.COMPUTE}/customServices")
@routes.route("POST", f"{computes.COMPUTE}/updateDataMounts")
def change_list(world: World, request: web.Request) -> web.Response:
    """A bare list replaces what the instance has; 200."""
    name = "customServices" if request.path.lower().endswith("/customservices") else "dataMounts"
    found = _instance(world, request, name)
    try:
        given = request.json()
    except ValueError as error:
        raise refusals.invalid_content(str(error)) from None
    if not isinstance(given, list):
        raise refusals.invalid_content(f"Error converting value of type {type(given).__name__} to a list. Path ''")
    found.properties["properties"][name] = given
    return web.empty(200)


@routes.route("POST", f"{computes.COMPUTE}/enableSso")
def enable_sso(world: World, request: web.Request) -> web.Response:
    """`{"enableSSO"}`; 200."""
    found, body = _instance(world, request, "enableSso"), gateway.body_object(request)
    found.properties["properties"]["enableSSO"] = bool(body.get("enableSSO", True))
    return web.empty(200)


@routes.route("POST", f"{computes.COMPUTE}/listNodes")
def list_nodes(world: World, request: web.Request) -> web.Response:
    """The nodes of a cluster; refused for any other kind."""
    found = computes.existing(world, request)
    if (kind := found.properties["computeType"]) != "AmlCompute":
        text = f"ComputeListNodes with computeType {kind} is not supported."
        raise computes_refusals.refused(400, "UserError", text, inner=("BadRequest", "NotSupported"))
    nodes = [
        {
            "nodeId": node["nodeId"],
            "privateIpAddress": f"10.0.0.{n + 4}",
            "publicIpAddress": None,
            "port": 50000 + n,
            "nodeState": node["nodeState"],
            "runId": node["runId"],
        }
        for n, node in enumerate(found.hidden.get("nodes", ()))
    ]
    return web.answer({"nodes": nodes})


@routes.route("POST", f"{computes.COMPUTE}/listKeys")
def list_keys(world: World, request: web.Request) -> web.Response:
    """The credentials of an attached compute; clusters and instances have none."""
    found = computes.existing(world, request)
    kind = found.properties["computeType"]
    if kind == "VirtualMachine":
        account = (found.properties.get("properties") or {}).get("administratorAccount") or {}
        return web.answer({"computeType": kind, "administratorAccount": account})
    if kind == "AKS":
        return web.answer({"computeType": kind, "userKubeConfig": "", "adminKubeConfig": "", "imagePullSecretName": ""})
    text = f"ComputeListKeys with computeType {kind} is not supported."
    raise computes_refusals.refused(400, "UserError", text, inner=("BadRequest", "NotSupported"))
