"""What can be asked of a workspace beyond reading it: keys, tokens, diagnosis; and of a region: sizes, quota, usage."""

from __future__ import annotations

import secrets
from functools import partial
from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.arm import lists, refusals, versions
from infra.local.emulator.machine_learning import scope, statuses
from infra.local.emulator.machine_learning.quotas import state as quota
from infra.local.emulator.machine_learning.quotas import vm_sizes
from infra.local.emulator.machine_learning.workspaces import resources as workspaces

if TYPE_CHECKING:
    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
_DIAGNOSES = (
    "userDefinedRouteResults", "networkSecurityRuleResults", "resourceLockResults", "dnsResolutionResults",
    "storageAccountResults", "keyVaultResults", "containerRegistryResults", "applicationInsightsResults", "otherResults",
)  # fmt: skip


def _linked(world: World, workspace: Resource, name: str) -> Resource | None:
    return world.resources.get(str(workspace.properties.get(name) or "-"))


@routes.route("POST", f"{scope.WORKSPACE}/listKeys")
def list_keys(world: World, request: web.Request) -> web.Response:
    """The keys of the four dependencies."""
    workspace = workspaces.existing(world, request)
    insights, registry = _linked(world, workspace, "applicationInsights"), _linked(world, workspace, "containerRegistry")
    credentials: dict[str, Any] | None = None
    if registry is not None and registry.properties.get("adminUserEnabled"):
        passwords = zip(("password", "password2"), registry.secrets["passwords"], strict=True)
        credentials = {
            "location": registry.body["location"],
            "username": registry.name,
            "passwords": [{"name": name, "value": value} for name, value in passwords],
        }
    version = request.query["api-version"]  # previews had the new name first
    storage_id = "userStorageArmId" if version >= ("2023-06" if "preview" in version else "2025") else "userStorageResourceId"
    body = {
        "userStorageKey": _storage_key(world, workspace),
        storage_id: workspace.properties.get("storageAccount"),
        "appInsightsInstrumentationKey": insights.properties["InstrumentationKey"] if insights else None,
        "containerRegistryCredentials": credentials,
        "notebookAccessKeys": {"primaryAccessKey": None, "secondaryAccessKey": None},
    }
    return web.answer(body)


def _storage_key(world: World, workspace: Resource) -> str | None:
    try:
        return world.storage.keys(str(workspace.properties.get("storageAccount") or "").rpartition("/")[2].lower())[0]
    except KeyError:
        return None


@routes.route("POST", f"{scope.WORKSPACE}/listStorageAccountKeys")
def list_storage_keys(world: World, request: web.Request) -> web.Response:
    """The storage account's key."""
    return web.answer({"userStorageKey": _storage_key(world, workspaces.existing(world, request))})


@routes.route("POST", f"{scope.WORKSPACE}/listNotebookAccessToken")
def notebook_token(world: World, request: web.Request) -> web.Response:
    """A token for the notebook service (which the local Azure does not have)."""
    workspace = workspaces.existing(world, request)
    host = f"ml-{workspace.name}-{scope.location(workspace)}.notebooks.azure.net"
    body = {
        "notebookResourceId": secrets.token_hex(16),
        "hostName": host,
        "publicDns": host,
        "accessToken": secrets.token_urlsafe(32),
        "tokenType": "Bearer",
        "expiresIn": 28800,
        "refreshToken": secrets.token_urlsafe(32),
        "scope": "aznb_identity",
    }
    return web.answer(body)


@routes.route("POST", f"{scope.WORKSPACE}/resyncKeys")
def resync_keys(world: World, request: web.Request) -> web.Response:
    """202 with both headers."""
    workspace = workspaces.existing(world, request)
    operation = statuses.begin(world, request, workspace, kind="workspace.update", finish=lambda: None, failed=lambda _error: None)
    return web.empty(202, statuses.workspace_headers(world, operation))


@routes.route("POST", f"{scope.WORKSPACE}/prepareNotebook")
def prepare_notebook(world: World, request: web.Request) -> web.Response:
    """202 with both headers; the result names the notebook service."""
    workspace = workspaces.existing(world, request)
    host = f"ml-{workspace.name}-{scope.location(workspace)}.notebooks.azure.net"
    result = partial(dict[str, Any], fqdn=host, resourceId=secrets.token_hex(16), notebookPreparationError=None)
    operation = statuses.begin(world, request, workspace, kind="workspace.update", finish=result, failed=lambda _error: None)
    return web.empty(202, statuses.workspace_headers(world, operation))


@routes.route("POST", f"{scope.WORKSPACE}/listNotebookKeys")
def list_notebook_keys(world: World, request: web.Request) -> web.Response:
    """The notebook service's keys: none, as the local Azure has no such service."""
    workspaces.existing(world, request)
    return web.answer({"primaryAccessKey": None, "secondaryAccessKey": None})


@routes.route("GET", f"{scope.WORKSPACE}/features")
@routes.route("GET", f"{scope.WORKSPACE}/privateLinkResources")
@routes.route("GET", f"{scope.WORKSPACE}/outboundNetworkDependenciesEndpoints")
def nothing_to_list(world: World, request: web.Request) -> web.Response:
    """Empty for every workspace here: no preview features, no private links, no Azure to reach out to."""
    workspaces.existing(world, request)
    return web.answer({"value": []})


@routes.route("POST", f"{scope.WORKSPACE}/diagnose")
def diagnose(world: World, request: web.Request) -> web.Response:
    """202 with a Location only; the result says what is wrong with the dependencies."""
    workspace = workspaces.existing(world, request)
    finish = partial(_diagnosis, world, workspace)
    operation = statuses.begin(world, request, workspace, kind="workspace.diagnose", finish=finish, failed=lambda _error: None)
    return web.empty(202, statuses.workspace_headers(world, operation, location_only=True))


def _diagnosis(world: World, workspace: Resource) -> dict[str, Any]:
    found: dict[str, list[dict[str, str]]] = {name: [] for name in _DIAGNOSES}
    for name in ("storageAccount", "keyVault", "applicationInsights", "containerRegistry"):
        linked, wanted = _linked(world, workspace, name), workspace.properties.get(name)
        if wanted and linked is None:
            found[f"{name}Results"].append({"code": "ResourceNotFound", "level": "Error", "message": f"{wanted} does not exist."})
        if name == "containerRegistry" and linked is not None and not linked.properties.get("adminUserEnabled"):
            text = f"The admin user of {linked.name} is not enabled."
            found[f"{name}Results"].append({"code": "AdminUserDisabled", "level": "Error", "message": text})
    return {"value": {**found, "9": []}}  # one key of the real answer is literally "9"


@routes.route("GET", f"{scope.PROVIDER}/locations/{{location}}/vmSizes")
def sizes(_world: World, request: web.Request) -> web.Response:
    """The VM sizes of a region; up to 2020-08-01 under another name."""
    name = "value" if request.query["api-version"] >= "2020-09-01" else "amlCompute"
    return web.answer({name: [vm_sizes.as_json(size) for size in vm_sizes.SIZES]})


@routes.route("GET", f"{scope.PROVIDER}/workspaces/skus")
def skus(world: World, request: web.Request) -> web.Response:
    """The tiers of a workspace, which the api-versions up to 2020-08-01 list."""
    if request.query["api-version"] >= "2020-09-01":
        raise refusals.refuse(404, "NotFound", "The resource 'workspaces/skus' was not found.")
    where: dict[str, Any] = {"locations": versions.LOCATIONS, "locationInfo": [{"location": one} for one in versions.LOCATIONS]}
    found = {"resourceType": "workspaces", "name": "Basic", "tier": "Basic", **where, "capabilities": [], "restrictions": []}
    return lists.page(world, request, [found])


@routes.route("GET", f"{scope.PROVIDER}/locations/{{location}}/usages")
def usages(world: World, request: web.Request) -> web.Response:
    """Cores in use, in all and by family."""
    subscription, region = request.params["subscription"], request.params["location"].lower()
    base = f"/subscriptions/{subscription}"
    items = [
        _usage(
            f"{base}/usages",
            "totalCores",
            "Total Cluster Dedicated Regional vCPUs",
            quota.limit(world, subscription),
            quota.held(world, region),
        )
    ]
    items += [
        _usage(
            f"{base}/usages/{family}",
            "vmFamily",
            f"{family} Cluster Dedicated vCPUs",
            quota.limit(world, subscription, family),
            quota.held(world, region, family),
        )
        for family in vm_sizes.FAMILIES
    ]
    return lists.page(world, request, items)


def _usage(arm_id: str, kind: str, name: str, limit: int, current: int) -> dict[str, Any]:
    return {
        "id": arm_id,
        "type": f"{scope.NAMESPACE}/{kind}/usages",
        "amlWorkspaceLocation": None,
        "currentValue": current,
        "limit": limit,
        "name": {"value": name, "localizedValue": name},
        "unit": "Count",
    }


@routes.route("GET", f"{scope.PROVIDER}/locations/{{location}}/quotas")
def quotas(world: World, request: web.Request) -> web.Response:
    """The limits by family."""
    base = f"/subscriptions/{request.params['subscription']}/quotas"
    items = [
        {
            "id": f"{base}/{family}",
            "type": f"{scope.NAMESPACE}/vmFamily/quotas",
            "limit": quota.limit(world, request.params["subscription"], family),
            "name": {"value": f"{family} Cluster Dedicated vCPUs", "localizedValue": f"{family} Cluster Dedicated vCPUs"},
            "unit": "Count",
        }
        for family in vm_sizes.FAMILIES
    ]
    return lists.page(world, request, items)
