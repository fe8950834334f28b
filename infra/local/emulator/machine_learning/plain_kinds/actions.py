"""The rarer POST actions: a connection's test, quotas, publishing and packaging assets, a feature set's features and backfill.

Not here: actions of workspaces, computes, jobs and endpoints, which have modules of their own.
"""

from __future__ import annotations

import secrets
import uuid
from functools import partial
from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.arm import gateway, lists, refusals
from infra.local.emulator.backends import FetchError
from infra.local.emulator.machine_learning import scope, statuses
from infra.local.emulator.machine_learning.assets import kinds as asset_kinds
from infra.local.emulator.machine_learning.assets import resources as assets
from infra.local.emulator.machine_learning.assets import state as assets_state
from infra.local.emulator.machine_learning.connections import resources as connections
from infra.local.emulator.machine_learning.plain_kinds import resources as plain_kinds
from infra.local.emulator.machine_learning.registries import assets as registry_assets
from infra.local.emulator.storage import files as storage
from infra.local.emulator.storage import locations

if TYPE_CHECKING:
    from infra.local.emulator.machine_learning.assets.kinds import AssetKind
    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
_ROWS = {row.path: row for row in plain_kinds.ROWS}
_SETS, _SERVERLESS = _ROWS["featuresets/versions"], _ROWS["serverlessEndpoints"]


@routes.route("POST", f"{connections.CONNECTION}/testconnection")
def test_connection(world: World, request: web.Request) -> web.Response:
    """202 with a Location; ends 200: what the connection names is not called."""
    workspace, found = scope.workspace(world, request, "connections"), connections.existing(world, request)
    operation = statuses.begin(
        world, request, found, kind="connection", finish=lambda: None, failed=lambda _error: None, workspace=workspace
    )
    return web.empty(202, statuses.workspace_headers(world, operation, location_only=True))


@routes.route("POST", f"{scope.PROVIDER}/locations/{{location}}/updateQuotas")
def update_quotas(world: World, request: web.Request) -> web.Response:
    """`{"value":[{"id","limit"}]}`: each answered with its status."""
    given = gateway.body_object(request).get("value")
    if not isinstance(given, list) or not all(isinstance(one, dict) and one.get("id") for one in given):
        raise refusals.invalid_content("Required property 'value' expects a list of quotas with their ids. Path 'value'")
    kept: dict[str, Any] = world.notes.setdefault("quotas", {})
    answered = []
    for one in given:
        limit = one.get("limit")
        valid = isinstance(limit, int) and not isinstance(limit, bool) and limit >= -1
        status = "Success" if valid and limit <= world.vm_quota_cores else "InvalidQuotaExceedsSubscriptionLimit"
        if status == "Success":
            kept[str(one["id"]).lower()] = limit
        kind = f"{scope.NAMESPACE}/workspaces/quotas"
        answered.append({"id": one["id"], "type": one.get("type") or kind, "limit": limit, "unit": "Count", "status": status})
    return web.answer({"value": answered})


# ── assets ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def _publish(kind: AssetKind, world: World, request: web.Request) -> web.Response:
    """A version of a workspace's asset becomes one of the registry that `registryName` names."""
    workspace, found = scope.workspace(world, request, kind.collection), assets.version_of(kind, world, request)
    body = gateway.body_object(request)
    wanted = scope.text_of(body, "registryName").lower()
    registry = next((one for one in world.resources.of_type(locations.REGISTRY_TYPE) if one.name.lower() == wanted), None)
    if registry is None:
        raise scope.refused(404, "UserError", f"The registry '{wanted}' was not found.", inner=("NotFound", "RegistryNotFound"))
    name = scope.text_of(body, "destinationName") or request.params["name"]
    version = scope.text_of(body, "destinationVersion") or found.name
    return registry_assets.copy_into(world, request, kind, workspace, found, registry, name, version)


def _package(world: World, request: web.Request) -> web.Response:
    """The model's package is registered as the environment that `targetEnvironmentId` names; nothing is built."""
    kind = asset_kinds.KINDS[0]
    workspace, found = scope.workspace(world, request, "models"), assets.version_of(kind, world, request)
    body = gateway.body_object(request)
    target = scope.text_of(body, "targetEnvironmentId").strip("/").split("/")
    if "environments" not in target:
        raise scope.invalid("The field targetEnvironmentId names no environment.", "ValidationError")
    name = target[target.index("environments") + 1]
    version = target[-1] if "versions" in target else "1"

    def done() -> dict[str, Any]:
        environments = asset_kinds.KINDS[1]
        image = {"image": f"{workspace.name.lower()}.azurecr.io/packages/{request.params['name']}:{found.name}"}
        made = assets_state.register(environments, world, workspace, name, version, image, by=scope.caller(request))
        return {
            "buildId": str(uuid.uuid4()),
            "buildState": "Succeeded",
            "logUrl": None,
            "targetEnvironmentId": made.id,
            "inferencingServer": body.get("inferencingServer"),
            "environmentVariables": body.get("environmentVariables") or {},
            "tags": body.get("tags") or {},
        }

    operation = statuses.begin(world, request, found, kind="package", finish=done, failed=lambda _error: None, workspace=workspace)
    return web.empty(202, statuses.workspace_headers(world, operation, location_only=True))


# ── feature sets ─────────────────────────────────────────────────────────────────────────────────────────────────────
def _features(world: World, found: Resource) -> list[dict[str, Any]]:
    """The features that the set's own FeatureSetSpec.yaml lists."""
    import yaml

    workspace_id = "/".join(found.id.split("/")[:9])
    path = str((found.properties.get("specification") or {}).get("path") or "")
    try:
        place = locations.resolve(world, workspace_id, path)
        names = [name for name, _ in storage.files(world, place) if name.lower().endswith("featuresetspec.yaml")]
        content = storage.read(world, place.child(names[0])) if names else None
        spec = yaml.safe_load(content) if content else {}
    except (FetchError, yaml.YAMLError) as error:
        raise scope.invalid(f"The specification of the feature set cannot be read: {error}", "InvalidSpecification") from None
    listed = spec.get("features") if isinstance(spec, dict) else None
    return [
        {
            "id": f"{found.id}/features/{one['name']}",
            "name": one["name"],
            "type": f"{_SETS.type}/features",
            "properties": {
                "featureName": one["name"],
                "dataType": str(one.get("type") or "string").title(),
                "description": one.get("description"),
                "tags": one.get("tags") or {},
                "properties": {},
            },
        }
        for one in listed or []
        if isinstance(one, dict) and one.get("name")
    ]


@routes.route("GET", f"{_SETS.template}/features")
def features(world: World, request: web.Request) -> web.Response:
    """The features of a feature set."""
    return lists.page(world, request, _features(world, plain_kinds.existing(_SETS, world, request)))


@routes.route("GET", f"{_SETS.template}/features/{{feature}}")
def feature(world: World, request: web.Request) -> web.Response:
    """One feature."""
    for one in _features(world, plain_kinds.existing(_SETS, world, request)):
        if one["name"].lower() == request.params["feature"].lower():
            return web.answer(one)
    raise scope.missing("Feature", request.params["feature"])


@routes.route("POST", f"{_SETS.template}/backfill")
def backfill(world: World, request: web.Request) -> web.Response:
    """202 `null` with a Location only; its result names the materialization jobs, of which none runs here."""
    workspace, found = scope.workspace(world, request, "featuresets"), plain_kinds.existing(_SETS, world, request)
    gateway.body_object(request)
    operation = statuses.begin(
        world,
        request,
        found,
        kind="featuresets.backfill",
        prefix="bf",
        finish=lambda: {"jobIds": []},
        failed=lambda _error: None,
        workspace=workspace,
    )
    return web.answer(None, status=202, headers=statuses.result_headers(world, operation, timeout="PT1H"))


@routes.route("GET POST", f"{_SETS.template}/listMaterializationJobs")
def materialization_jobs(world: World, request: web.Request) -> web.Response:
    """None: nothing is materialized here."""
    plain_kinds.existing(_SETS, world, request)
    return web.answer({"value": []})


# ── serverless endpoints ─────────────────────────────────────────────────────────────────────────────────────────────
@routes.route("POST", f"{_SERVERLESS.template}/listKeys")
def serverless_keys(world: World, request: web.Request) -> web.Response:
    """Its two keys, made when they are first asked for."""
    found = plain_kinds.existing(_SERVERLESS, world, request)
    return web.answer({name: found.secrets.setdefault(name, secrets.token_urlsafe(24)) for name in ("primaryKey", "secondaryKey")})


@routes.route("POST", f"{_SERVERLESS.template}/regenerateKeys")
def serverless_new_key(world: World, request: web.Request) -> web.Response:
    """202 `null` with a Location only."""
    workspace, found = scope.workspace(world, request, "serverlessEndpoints"), plain_kinds.existing(_SERVERLESS, world, request)
    body = gateway.body_object(request)
    name = (
        "secondaryKey"
        if scope.one_of(scope.text_of(body, "keyType"), ("Primary", "Secondary"), "keyType") == "Secondary"
        else "primaryKey"
    )
    found.secrets[name] = scope.text_of(body, "keyValue") or secrets.token_urlsafe(24)
    operation = statuses.begin(
        world,
        request,
        found,
        kind="serverlessEndpoints.keys",
        prefix="ssk",
        finish=lambda: None,
        failed=lambda _error: None,
        workspace=workspace,
    )
    return web.answer(None, status=202, headers=statuses.result_headers(world, operation))


@routes.route("POST", f"{_SERVERLESS.template}/getStatus")
def serverless_status(world: World, request: web.Request) -> web.Response:
    """The metrics of the model behind it: there is no model here."""
    plain_kinds.existing(_SERVERLESS, world, request)
    return web.answer({"metrics": {}})


for _kind in asset_kinds.KINDS:
    routes.route("POST", f"{scope.WORKSPACE}/{_kind.collection}/{{name}}/versions/{{version}}/publish")(partial(_publish, _kind))
routes.route("POST", f"{scope.WORKSPACE}/models/{{name}}/versions/{{version}}/package")(_package)
