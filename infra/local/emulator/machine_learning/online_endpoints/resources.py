"""Online endpoints: create, traffic, keys and tokens, delete. Their deployments are in `online_deployments/resources.py`."""

from __future__ import annotations

import re
import secrets
import uuid
from functools import partial
from typing import TYPE_CHECKING, Any

from infra.local.emulator import clouds, scene, web
from infra.local.emulator.arm import gateway, lists, refusals, writes
from infra.local.emulator.machine_learning import access, scope, statuses
from infra.local.emulator.machine_learning.online_deployments import resources as online_deployments
from infra.local.emulator.machine_learning.quotas import refusals as counts
from infra.local.emulator.resources import Resource

if TYPE_CHECKING:
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
TYPE = f"{scope.NAMESPACE}/workspaces/onlineEndpoints"
ENDPOINT = f"{scope.WORKSPACE}/onlineEndpoints/{{endpoint}}"
_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]{1,30}[a-zA-Z0-9]")
_MODES = ("Key", "AMLToken", "AADToken")
_TAKEN = "There is already an endpoint with this name"
_WHOLE = 100
_DEFAULTS: dict[str, Any] = {"description": None, "compute": None, "mirrorTraffic": {}, "publicNetworkAccess": "Enabled"}
_KEPT = frozenset({"authMode", "keys", "properties", "provisioningState", "scoringUri", "swaggerUri"})  # whatever a PUT says
_MOST_MIRRORED = 50


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
        raise refusals.resource_not_found(TYPE, names, request.params["group"])
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
    traffic = _checked_traffic(world, found, properties.get("traffic"))
    if properties.get("mirrorTraffic"):
        _check_mirror(world, found, properties["mirrorTraffic"], traffic)
    if found is None:
        _check_free(world, workspace, name)
        counts.check_endpoints(world, scope.location(workspace))
        found = world.resources.put(
            _new(world, request, workspace, {**body, "properties": {**properties, "authMode": mode, "traffic": traffic}})
        )
        state = "Creating"
    else:
        if world.operations.running(found.id):
            raise scope.conflict(name, found.state)
        state = "Updating"
    found.properties["provisioningState"] = state
    found.touched(world.now(), scope.caller(request))
    given = {name: value for name, value in properties.items() if name not in _KEPT}
    change = {**_DEFAULTS, **writes.left_out(world, found, given), **given, "traffic": traffic}
    change = {name: value for name, value in change.items() if name not in _KEPT}
    beside = {"tags": writes.kept_whole(world, found, body, "tags") or {}, "identity": _identity(world, found, body)}
    return _begin(world, request, workspace, found, change, beside)


def _identity(world: World, found: Resource, body: dict[str, Any]) -> dict[str, Any]:
    """The identity that is asked for, with the ids that the endpoint has."""
    wanted = scope.identity(world, writes.kept_whole(world, found, body, "identity")) or {"type": "SystemAssigned"}
    ids = {name: found.body["identity"][name] for name in ("principalId", "tenantId") if name in found.body["identity"]}
    return {**wanted, **ids}


def _begin(
    world: World, request: web.Request, workspace: Resource, found: Resource, change: dict[str, Any], beside: dict[str, Any]
) -> web.Response:
    def done() -> None:
        found.properties.update(change, provisioningState="Succeeded")
        found.body.update(beside)
        found.touched(world.now(), scope.caller(request))

    newer = request.query["api-version"] >= statuses.NEW_STYLES_SINCE
    operation = statuses.begin(
        world, request, found, kind="onlineEndpoint", finish=done, prefix="oeidp" if newer else "oe", workspace=workspace
    )
    found.properties["properties"]["AzureAsyncOperationUri"] = statuses.status_url(world, operation)
    created = found.properties["provisioningState"] == "Creating" or request.method == "PUT"
    headers = statuses.frontend_headers(world, operation, resource_url=scope.resource_url(request, found.id) if created else None)
    return web.answer(found.body if created else None, status=201 if created else 202, headers=headers)


def _new(world: World, request: web.Request, workspace: Resource, body: dict[str, Any]) -> Resource:
    arm_id, region = f"{workspace.id}/onlineEndpoints/{request.params['endpoint']}", scope.location(workspace)
    host = f"{request.params['endpoint'].lower()}.{region}.{clouds.sibling(request.host, 'inference')}"
    given = dict(body["properties"])
    own = dict(given.pop("keys", None) or {})
    identity = scope.identity(world, body.get("identity")) or {"type": "SystemAssigned"}
    whole = {
        "id": arm_id,
        "name": request.params["endpoint"],
        "type": TYPE,
        "location": region,
        "tags": body.get("tags") or {},
        "kind": body.get("kind") or "Managed",
        "identity": {**identity, "principalId": str(uuid.uuid4()), "tenantId": scene.TENANT_ID},
        "properties": {
            **_DEFAULTS,
            **given,
            "traffic": given["traffic"] or {},
            "properties": {**(given.get("properties") or {}), "azureml.onlineendpointid": arm_id.lower()},
            "scoringUri": f"https://{host}/score",
            "swaggerUri": f"https://{host}/swagger.json",
        },
    }
    keys = {name: own.get(name) or secrets.token_urlsafe(24) for name in access.KEY_NAMES}
    return Resource(id=arm_id, body=whole, secrets=keys)


def _check_free(world: World, workspace: Resource, name: str) -> None:
    for other in world.resources.of_type(TYPE.lower()):
        if other.name.lower() == name.lower() and other.body["location"] == scope.location(workspace):
            text = f"{_TAKEN}, Endpoint name needs to be unique within a region. Try some other name."
            raise scope.inferencing("InferencingClientCallFailed", "", text)


def _checked_traffic(world: World, found: Resource | None, given: Any) -> dict[str, int]:
    if given is None:
        return dict(writes.left_out(world, found, ()).get("traffic") or {})
    if not isinstance(given, dict) or not all(isinstance(share, int) and 0 <= share <= _WHOLE for share in given.values()):
        raise scope.invalid("Traffic must map deployment names to whole numbers between 0 and 100.", "InvalidTraffic")
    there = {item.name.lower(): item for item in (world.resources.children(found.id, "deployments") if found else [])}
    for name in given:
        if name.lower() not in there:
            raise scope.invalid(f"Traffic refers to the deployment '{name}', which does not exist.", "TrafficDeploymentNotFound")
        if given[name] and there[name.lower()].state != "Succeeded":
            raise scope.invalid(
                f"Traffic cannot go to the deployment '{name}' in state {there[name.lower()].state}.", "TrafficDeploymentNotReady"
            )
    if sum(given.values()) not in {0, _WHOLE}:
        raise scope.invalid(f"The sum of traffic must be either 0 or 100, it is {sum(given.values())}.", "InvalidTrafficSum")
    return dict(given)


def _check_mirror(world: World, found: Resource | None, given: Any, traffic: dict[str, int]) -> None:
    """One deployment, at most half of the requests, and none that gets live traffic, as Azure documents it."""
    if not isinstance(given, dict) or not all(isinstance(share, int) and not isinstance(share, bool) for share in given.values()):
        raise scope.invalid("mirrorTraffic must map a deployment's name to a whole number.", "InvalidMirrorTraffic")
    there = {item.name.lower() for item in (world.resources.children(found.id, "deployments") if found else [])}
    live = {name.lower() for name, share in traffic.items() if share}
    mirrored = {name: share for name, share in given.items() if share}
    if len(mirrored) > 1:
        raise scope.invalid("Only one deployment of an endpoint can get mirrored traffic.", "InvalidMirrorTraffic")
    for name, share in mirrored.items():
        if name.lower() not in there:
            raise scope.invalid(f"mirrorTraffic refers to the deployment '{name}', which does not exist.", "InvalidMirrorTraffic")
        if not 0 < share <= _MOST_MIRRORED:
            raise scope.invalid(f"The share of mirrored traffic is at most {_MOST_MIRRORED}, not {share}.", "InvalidMirrorTraffic")
        if name.lower() in live:
            raise scope.invalid(
                f"The deployment '{name}' gets live traffic; it cannot get mirrored traffic, too.", "InvalidMirrorTraffic"
            )


@routes.route("PATCH", ENDPOINT)
def patch(world: World, request: web.Request) -> web.Response:
    """Change tags or identity: 202 `null`; other members are left alone."""
    found, body = existing(world, request), writes.patch_of(TYPE, gateway.body_object(request))
    if world.operations.running(found.id):
        raise scope.conflict(found.name, found.state)
    found.properties["provisioningState"] = "Updating"
    beside = {"tags": {**(found.body.get("tags") or {}), **(body.get("tags") or {})}}
    if body.get("identity"):
        beside["identity"] = _identity(world, found, body)
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
        online_deployments.stop_serving(world, removed)


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
