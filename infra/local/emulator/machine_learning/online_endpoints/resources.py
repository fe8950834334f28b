"""Online endpoints: create, traffic, keys and tokens, delete. Their deployments are in `online_deployments/resources.py`."""

from __future__ import annotations

import re
import secrets
from functools import partial
from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.arm import gateway, lists, refusals, writes
from infra.local.emulator.machine_learning import access, scope, statuses
from infra.local.emulator.machine_learning.online_deployments import state as online_deployments_state
from infra.local.emulator.machine_learning.online_endpoints import refusals as online_endpoints_refusals
from infra.local.emulator.machine_learning.online_endpoints import state
from infra.local.emulator.machine_learning.quotas import refusals as counts

if TYPE_CHECKING:
    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
ENDPOINT = f"{scope.WORKSPACE}/onlineEndpoints/{{endpoint}}"
_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]{1,30}[a-zA-Z0-9]")
_MODES = ("Key", "AMLToken", "AADToken")
_KEPT = frozenset({"authMode", "keys", "properties", "provisioningState", "scoringUri", "swaggerUri"})  # whatever a PUT says


@routes.route("GET", f"{scope.WORKSPACE}/onlineEndpoints")
def list_all(world: World, request: web.Request) -> web.Response:
    """The endpoints, or those of a `name`; `count` sets the page size."""
    workspace = scope.workspace(world, request, "onlineEndpoints")
    found = world.resources.children(workspace.id, "onlineEndpoints")
    if name := request.query.get("name"):
        found = [item for item in found if name.lower() in item.name.lower()]
    return lists.page(world, request, [item.body for item in found], size=int(request.query.get("count") or 0) or None)


@routes.route("GET", ENDPOINT)
def get(world: World, request: web.Request) -> web.Response:
    """One endpoint."""
    return web.answer(existing(world, request).body)


def existing(world: World, request: web.Request) -> Resource:
    """The endpoint in the path.

    Raises:
        web.Refused: 404 `ResourceNotFound`.
    """
    workspace = scope.workspace(world, request, "onlineEndpoints")
    found = world.resources.get(f"{workspace.id}/onlineEndpoints/{request.params['endpoint']}")
    if found is None:
        names = f"{workspace.name}/{request.params['endpoint']}"
        raise scope.endpoint_missing(world, state.TYPE, names, request.params["group"])
    return found


@routes.route("PUT", ENDPOINT)
def put(world: World, request: web.Request) -> web.Response:
    """201 with the resource, Creating or Updating; its Location is the resource, not a poll URL."""
    workspace, body = scope.workspace(world, request, "onlineEndpoints"), gateway.body_object(request)
    name, properties = request.params["endpoint"], scope.properties_of(body)
    if not _NAME.fullmatch(name):
        raise scope.invalid(
            f"The endpoint name '{name}' is invalid: 3 to 32 letters, digits and '-', beginning with a letter.",
            "InvalidEndpointName",
        )
    if not body.get("location"):
        raise refusals.location_required()
    mode = scope.one_of(scope.text_of(properties, "authMode"), _MODES, "authMode")
    found = world.resources.get(f"{workspace.id}/onlineEndpoints/{name}")
    traffic = online_endpoints_refusals.checked_traffic(world, found, properties.get("traffic"))
    if properties.get("mirrorTraffic"):
        online_endpoints_refusals.check_mirror(world, found, properties["mirrorTraffic"], traffic)
    if found is None:
        online_endpoints_refusals.check_free(world, workspace, name)
        counts.check_endpoints(world, scope.location(workspace))
        found = world.resources.put(
            state.new(world, request, workspace, {**body, "properties": {**properties, "authMode": mode, "traffic": traffic}})
        )
        doing = "Creating"
    else:
        if world.operations.running(found.id):
            raise scope.conflict(name, found.state)
        doing = "Updating"
    found.properties["provisioningState"] = doing
    found.touched(world.now(), scope.caller(request))
    given = {name: value for name, value in properties.items() if name not in _KEPT}
    change = {**state.DEFAULTS, **writes.left_out(world, found, given), **given, "traffic": traffic}
    change = {name: value for name, value in change.items() if name not in _KEPT}
    beside = {"tags": writes.kept_whole(world, found, body, "tags") or {}, "identity": state.identity(world, found, body)}
    return _begin(world, request, workspace, found, change, beside)


def _begin(
    world: World, request: web.Request, workspace: Resource, found: Resource, change: dict[str, Any], beside: dict[str, Any]
) -> web.Response:
    def done() -> None:
        found.properties.update(change, provisioningState="Succeeded")
        found.body.update(beside)
        found.touched(world.now(), scope.caller(request))

    newer = request.query["api-version"] >= statuses.NEW_STYLES_SINCE
    new = found.properties["provisioningState"] == "Creating"
    operation = statuses.begin(
        world,
        request,
        found,
        kind="onlineEndpoint",
        finish=done,
        prefix="oeidp" if newer else "oe",
        error=online_endpoints_refusals.unregistered(world, found, change) if new else None,
        workspace=workspace,
    )
    found.properties["properties"]["AzureAsyncOperationUri"] = statuses.status_url(world, operation)
    created = request.method == "PUT"
    headers = statuses.frontend_headers(world, operation, resource_url=scope.resource_url(request, found.id) if created else None)
    return web.answer(found.body if created else None, status=201 if created else 202, headers=headers)


@routes.route("PATCH", ENDPOINT)
def patch(world: World, request: web.Request) -> web.Response:
    """Change tags or identity: 202 `null`; other members are left alone."""
    found, body = existing(world, request), writes.patch_of(state.TYPE, gateway.body_object(request))
    if world.operations.running(found.id):
        raise scope.conflict(found.name, found.state)
    found.properties["provisioningState"] = "Updating"
    beside = {"tags": {**(found.body.get("tags") or {}), **(body.get("tags") or {})}}
    if body.get("identity"):
        beside["identity"] = state.identity(world, found, body)
    return _begin(world, request, scope.workspace(world, request, "onlineEndpoints"), found, {}, beside)


@routes.route("DELETE", ENDPOINT)
def delete(world: World, request: web.Request) -> web.Response:
    """202 with the four characters `null`; the deployments go with it."""
    workspace, found = scope.workspace(world, request, "onlineEndpoints"), existing(world, request)
    if world.operations.running(found.id):
        raise scope.conflict(found.name, found.state)
    found.properties["provisioningState"] = "Deleting"
    finish = partial(_deleted, world, found)
    operation = statuses.begin(world, request, found, kind="onlineEndpoint.delete", finish=finish, prefix="oe", workspace=workspace)
    return web.answer(None, status=202, headers=statuses.frontend_headers(world, operation))


def _deleted(world: World, found: Resource) -> None:
    for removed in world.resources.delete(found.id):
        online_deployments_state.stop_serving(world, removed)


# ── keys and tokens ──────────────────────────────────────────────────────────────────────────────────────────────────
@routes.route("POST", f"{ENDPOINT}/listKeys")
def list_keys(world: World, request: web.Request) -> web.Response:
    """Both keys; `null` twice for an endpoint that is not opened by keys."""
    found = existing(world, request)
    by_key = found.properties["authMode"] == "Key"
    return web.answer({name: found.secrets[name] if by_key else None for name in access.KEY_NAMES})


@routes.route("POST", f"{ENDPOINT}/token")
def token(world: World, request: web.Request) -> web.Response:
    """A token for scoring an AMLToken endpoint; its times are epoch seconds."""
    found = existing(world, request)
    if found.properties["authMode"] != "AMLToken":
        raise scope.invalid(
            f"The endpoint's authMode is {found.properties['authMode']}; tokens are for AMLToken.", "AuthModeMismatch"
        )
    return web.answer(access.issue_token(world, found))


@routes.route("POST", f"{ENDPOINT}/regenerateKeys")
def regenerate_keys(world: World, request: web.Request) -> web.Response:
    """202 `null`, Location only, and that Location answers 404 soon: recorded so, twice; the key is new all the same."""
    workspace, found = scope.workspace(world, request, "onlineEndpoints"), existing(world, request)
    body = gateway.body_object(request)
    which = scope.one_of(str(body.get("keyType") or ""), ("Primary", "Secondary"), "keyType")
    value = str(body.get("keyValue") or secrets.token_urlsafe(24))

    def done() -> None:
        found.secrets[f"{which.lower()}Key"] = value

    operation = statuses.begin(
        world,
        request,
        found,
        kind="onlineEndpoint.keys",
        finish=done,
        prefix="oek",
        failed=lambda _error: None,
        workspace=workspace,
    )
    world.operations.settle()
    operation.hidden["forgotten"] = True
    return web.answer(None, status=202, headers=statuses.result_headers(world, operation))
