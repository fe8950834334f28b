"""A registry's assets: writes are long operations whose Location lies on the region's own host; sharing is an import.

ARM and the regional front end (`/mferp/managementfrontend/…`, which Microsoft's clients use) answer alike. Not here:
what an asset must hold (`assets/resources.py`), registries themselves (`resources.py`).
"""

from __future__ import annotations

import re
import uuid
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from infra.local.emulator import clouds, web
from infra.local.emulator.arm import gateway
from infra.local.emulator.backends import FetchError
from infra.local.emulator.machine_learning import scope
from infra.local.emulator.machine_learning.assets import kinds as asset_kinds
from infra.local.emulator.machine_learning.assets import resources as assets
from infra.local.emulator.machine_learning.assets import state as assets_state
from infra.local.emulator.machine_learning.registries import resources as registries
from infra.local.emulator.operations import OperationFailedError
from infra.local.emulator.storage import files as storage
from infra.local.emulator.storage import locations

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local.emulator.machine_learning.assets.kinds import AssetKind
    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
FRONT_END = "/mferp/managementfrontend"
_SOURCE = re.compile(r"azureml://locations/[^/]+/workspaces/([^/]+)/(\w+)/([^/]+)/versions/([^/]+)", re.IGNORECASE)


def _accepted(
    world: World, request: web.Request, owner: Resource, finish: Callable[[], Any], *, service: str = "assetstore"
) -> web.Response:
    """202 without a body; the Location is on the region's host, whatever host was asked."""
    operation = world.operations.begin(
        kind="registryAsset", target=f"{owner.id}/operations/{uuid.uuid4()}", finish=finish, error=request.operation_error
    )
    arm_host = request.host if request.host.startswith("management.") else "management.azure.com"
    host = f"{scope.location(owner)}.{clouds.sibling(arm_host, 'ml_api')}"
    return web.empty(202, {"Location": f"https://{host}/{service}/v1.0/operations/{operation.id}"})


def _service(kind: AssetKind) -> str:
    return "environment" if kind.collection == "environments" else "assetstore"


def asset_id(owner: Resource, kind: AssetKind, name: str, version: str) -> str:
    """How a registry's asset is named everywhere else."""
    return f"azureml://registries/{owner.name}/{kind.collection}/{name}/versions/{version}"


def _put_version(kind: AssetKind, world: World, request: web.Request) -> web.Response:
    owner = registries.existing(world, request)
    properties, found = assets.checked(kind, world, request)
    name, version = request.params["name"], request.params["version"]
    if found is not None and not _same(kind, found, properties):
        text = f"{kind.title} {name}:{version} already exists in registry {owner.name}."
        raise scope.refused(409, "UserError", text, inner=("Conflict", "AssetAlreadyExists"))

    def done() -> dict[str, str]:
        if found is not None:
            assets_state.update(kind, world, found, properties)
        else:
            assets_state.register(kind, world, owner, name, version, properties, by=scope.caller(request))
        return {"assetId": asset_id(owner, kind, name, version)}

    return _accepted(world, request, owner, done, service=_service(kind))


def _same(kind: AssetKind, found: Resource, properties: dict[str, Any]) -> bool:
    return all(name not in properties or properties[name] == found.properties.get(name) for name in kind.fixed)


def _put_container(kind: AssetKind, world: World, request: web.Request) -> web.Response:
    owner = registries.existing(world, request)
    assets.put_container(kind, world, request)
    return _accepted(world, request, owner, lambda: None, service=_service(kind))


def _delete(kind: AssetKind, world: World, request: web.Request) -> web.Response:
    owner = registries.existing(world, request)
    path = f"{owner.id}/{kind.collection}/{request.params['name']}"
    if world.resources.get(path + (f"/versions/{request.params['version']}" if "version" in request.params else "")) is None:
        return web.empty(204)
    return _accepted(world, request, owner, lambda: assets.delete(kind, world, request) and None, service=_service(kind))


def temporary_reference(world: World, request: web.Request) -> web.Response:
    """`tempdatarefs`: where the client uploads the files of an asset to be; 409 when the asset is there."""
    owner, body = registries.existing(world, request), gateway.body_object(request)
    named = str(body.get("assetId") or "").lower().partition(f"/{owner.name.lower()}/")[2]
    if named and world.resources.get(f"{owner.id}/{named}") is not None:
        raise scope.refused(
            409, "UserError", f"The asset {body['assetId']} already exists.", inner=("Conflict", "AssetAlreadyExists")
        )
    answer = {
        "blobReferenceForConsumption": assets.fresh_container(world, request, owner),
        "temporaryDataReferenceId": str(uuid.uuid4()),
        "temporaryDataReferenceType": "TemporaryBlobReference",
    }
    return web.answer(answer)


def reference(world: World, request: web.Request, *, whole: bool = False) -> web.Response:
    """`datareferences`: a SAS to read the files of an asset; a `whole` one is the container's.

    azure-ai-ml reads the answer of `datarefs` with `ContainerClient.from_container_url` and adds the path itself.
    """
    owner, body = registries.existing(world, request), gateway.body_object(request)
    uri = scope.text_of(body, "blobUri")
    try:
        place = locations.resolve(world, owner.id, uri)
        signed = storage.sas_url(world, replace(place, path="") if whole else place, permission="rl")
    except FetchError as error:
        raise scope.invalid(str(error), "BlobNotFound") from None
    consumption = {
        "blobUri": uri,
        "storageAccountArmId": locations.account_id_of(owner),
        "credential": {"credentialType": "SAS", "sasUri": signed},
    }
    return web.answer({"blobReferenceForConsumption": consumption})


def share(world: World, request: web.Request) -> web.Response:
    """`import`: an asset of a workspace becomes one of the registry, its files copied; ends with 204."""
    owner, body = registries.existing(world, request), scope.properties_of(gateway.body_object(request))
    match = _SOURCE.fullmatch(scope.text_of(body, "sourceAssetId"))
    kind = next((one for one in asset_kinds.REGISTRY_KINDS if match and one.collection == match[2].lower()), None)
    homes = world.resources.of_type(f"{scope.NAMESPACE}/workspaces".lower())
    source = next((one for one in homes if match and str(one.properties.get("workspaceId")).lower() == match[1].lower()), None)
    found = world.resources.get(f"{source.id}/{match[2]}/{match[3]}/versions/{match[4]}") if source and match else None
    if kind is None or source is None or found is None:
        raise scope.refused(404, "UserError", f"The asset {body.get('sourceAssetId')} was not found.", inner=("NotFound",))
    name = scope.text_of(body, "destinationName") or found.id.split("/")[-3]
    version = scope.text_of(body, "destinationVersion") or found.name
    return copy_into(world, request, kind, source, found, owner, name, version)


def copy_into(  # noqa: PLR0913, PLR0917 - from where, what, to where, under which name
    world: World, request: web.Request, kind: AssetKind, source: Resource, found: Resource, owner: Resource, name: str, version: str
) -> web.Response:
    """Make a workspace's asset one of a registry: 202, and 204 at the end of its Location."""

    def done() -> None:
        properties = {key: one for key, one in found.properties.items() if key not in {"provisioningState", "jobName"}}
        try:
            if kind.uri:
                properties[kind.uri] = _copied(world, request, source, owner, str(properties[kind.uri]))
        except FetchError as error:
            raise OperationFailedError({"code": "UserError", "message": str(error), "details": []}) from None
        assets_state.register(kind, world, owner, name, version, properties, by=scope.caller(request))

    return _accepted(world, request, owner, done)


def _copied(world: World, request: web.Request, source: Resource, owner: Resource, uri: str) -> str:
    """The files behind a URI, copied to the registry's storage: their new URI."""
    place = locations.resolve(world, source.id, uri)
    blob_uri = str(assets.fresh_container(world, request, owner)["blobUri"])
    target = locations.resolve(world, owner.id, blob_uri)
    last = place.path.rpartition("/")[2]
    for name, _ in storage.files(world, place):
        content = storage.read(world, place.child(name) if name else place)
        if content is not None:
            storage.write(world, target.child(last).child(name) if name else target.child(last), content)
    return f"{blob_uri}/{last}" if last else blob_uri


def _status(world: World, request: web.Request) -> web.Response:
    """202 without a body; then 200 with the asset's id, or 204; environments end 200 without a body."""
    with world.lock:
        operation = world.operations.poll(request.params["operation"])
    if operation is None:
        raise scope.refused(404, "UserError", "The operation was not found.", inner=("NotFound", "OperationNotFound"))
    if not operation.ended:
        return web.empty(202, {"Location": f"https://{request.host}{request.path}"})
    if operation.error is not None:
        return web.answer({"error": operation.error}, status=400)
    if request.path.startswith("/environment/"):
        return web.empty(200)
    return web.answer(operation.result) if operation.result else web.empty(204)


def _discovery(world: World, request: web.Request) -> web.Response:
    """Where a registry's front end is: asked by name alone, before anything else is known."""
    with world.lock:
        every = world.resources.of_type(locations.REGISTRY_TYPE)
        found = next((one for one in every if one.name.lower() == request.params["registry"].lower()), None)
    if found is None:
        text = f"The registry '{request.params['registry']}' was not found."
        raise scope.refused(404, "UserError", text, inner=("NotFound", "RegistryNotFound"))
    _, _, subscription, _, group, *_ = found.id.split("/")
    regions = [str(one.get("location")) for one in found.properties["regionDetails"]]
    front = {region: f"https://cert-{region}.experiments.azureml.net/" for region in regions}
    answer = {
        "registryName": found.name,
        "tenantId": (found.body.get("identity") or {}).get("tenantId"),
        "primaryRegion": scope.location(found),
        "regions": regions,
        "subscriptionId": subscription,
        "resourceGroup": group,
        "workspaceName": None,
        "primaryRegionResourceProviderUri": f"https://cert-{scope.location(found)}.experiments.azureml.net/",
        "registryFqdns": {region: {"registryFqdn": uri.split("/")[2], "uri": uri} for region, uri in front.items()},
    }
    return web.answer(answer)


def add_to(into: web.Routes, prefix: str = "") -> None:
    """The routes of a registry's assets below a prefix."""
    base = prefix + registries.REGISTRY
    for kind in asset_kinds.REGISTRY_KINDS:
        assets.add_reads(into, kind, base)
        one = f"{base}/{kind.collection}/{{name}}"
        into.route("PUT", one)(partial(_put_container, kind))
        into.route("DELETE", one)(partial(_delete, kind))
        into.route("PUT", f"{one}/versions/{{version}}")(partial(_put_version, kind))
        into.route("DELETE", f"{one}/versions/{{version}}")(partial(_delete, kind))
    into.route("POST", f"{base}/datareferences/{{name}}/versions/{{version}}")(reference)
    into.route("POST", f"{base}/datarefs/{{name}}/versions/{{version}}")(partial(reference, whole=True))
    into.route("PUT", f"{base}/tempdatarefs/{{name}}/versions/{{version}}")(temporary_reference)
    into.route("POST", f"{base}/import")(share)


def add_regional(into: web.Routes) -> None:
    """What the regional hosts answer: discovery, the front end, the status of writes."""
    own = web.Routes(r".*")
    add_to(own, FRONT_END)
    into.include_locked(own)
    into.route("GET", "/registrymanagement/v1.0/registries/{registry}/discovery")(_discovery)
    for service in ("assetstore", "environment"):
        into.route("GET", f"/{service}/v1.0/operations/{{operation}}")(_status)


add_to(routes)
