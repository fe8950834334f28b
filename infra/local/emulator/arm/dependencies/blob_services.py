"""Blobs of an account as ARM shows them: the service's settings, containers, and SAS tokens. Containers and tokens are real ones.

Not here: blobs themselves, and the services of files, queues and tables, which ARM has, too.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import AzureError
from azure.storage.blob import generate_account_sas, generate_blob_sas, generate_container_sas

from infra.local.emulator import web
from infra.local.emulator.arm import gateway, lists, refusals, writes
from infra.local.emulator.arm.dependencies import resources as dependencies
from infra.local.emulator.arm.dependencies import state
from infra.local.emulator.resources import Resource, merge_patch

if TYPE_CHECKING:
    from azure.storage.blob import BlobServiceClient

    from infra.local.emulator.world import World

routes = web.Routes(r".*")
_SERVICE = f"{dependencies.ACCOUNT}/blobServices/default"
_TYPE = f"{state.STORAGE.type}/blobServices"
# What every service has: BlobServices_GetServiceProperties of Microsoft.Storage.
_DEFAULTS: dict[str, Any] = {"cors": {"corsRules": []}, "deleteRetentionPolicy": {"allowPermanentDelete": False, "enabled": False}}


def _account(world: World, request: web.Request) -> Resource:
    at = request.path.lower().index("/storageaccounts/") + len("/storageaccounts/")
    found = world.resources.get(request.path[:at] + request.path[at:].partition("/")[0])
    if found is None:
        raise refusals.resource_not_found(state.STORAGE.type, request.params["name"], request.params["group"])
    return found


def _blobs(world: World, request: web.Request) -> BlobServiceClient:
    try:
        return world.blob_service(_account(world, request).name.lower())
    except KeyError as error:
        raise refusals.refuse(404, "ResourceNotFound", f"The storage account is not there: {error}") from None


# ── the service ──────────────────────────────────────────────────────────────────────────────────────────────────────
@routes.route("GET PUT", _SERVICE)
def service(world: World, request: web.Request) -> web.Response:
    """Its settings, which are kept; nothing in Azurite follows them."""
    account = _account(world, request)
    if request.method == "PUT":
        given = gateway.body_object(request).get("properties") or {}
        stays = writes.left_out(world, world.resources.get(request.path), given)
        world.resources.put(Resource(id=request.path, body={"properties": {**stays, **given}}))
    return web.answer(_service(world, account))


@routes.route("GET", f"{dependencies.ACCOUNT}/blobServices")
def services(world: World, request: web.Request) -> web.Response:
    """The one service."""
    return web.answer({"value": [_service(world, _account(world, request))]})


def _service(world: World, account: Resource) -> dict[str, Any]:
    arm_id = f"{account.id}/blobServices/default"
    kept = world.resources.get(arm_id)
    properties = {**_DEFAULTS, **(kept.properties if kept else {})}
    return {"id": arm_id, "name": "default", "type": _TYPE, "properties": properties}


# ── containers ───────────────────────────────────────────────────────────────────────────────────────────────────────
@routes.route("GET", f"{_SERVICE}/containers")
def containers(world: World, request: web.Request) -> web.Response:
    """The containers of the account, however they were made."""
    with _blobs(world, request) as client:
        names = [str(one.name) for one in client.list_containers()]
    return lists.page(world, request, [_container(world, f"{request.path}/{name}") for name in names])


@routes.route("PUT PATCH GET DELETE", f"{_SERVICE}/containers/{{container}}")
def container(world: World, request: web.Request) -> web.Response:
    """One container."""
    name = request.params["container"]
    try:
        with _blobs(world, request) as service:
            client = service.get_container_client(name)
            there = client.exists()
            if request.method == "PUT" and not there:
                client.create_container()
            if request.method == "DELETE" and there:
                client.delete_container()
    except AzureError as error:
        raise refusals.refuse(404, "ResourceNotFound", f"The storage account is not there: {error}") from None
    if request.method == "DELETE":
        world.resources.delete(request.path)
        return web.empty(200 if there else 204)
    if request.method in {"GET", "PATCH"} and not there:
        raise refusals.refuse(404, "ContainerNotFound", "The specified container does not exist.")
    if request.method == "PATCH":
        known = world.resources.get(request.path) or Resource(id=request.path, body={})
        known.body = merge_patch(known.body, writes.patch_of(known.type, gateway.body_object(request)))
        world.resources.put(known)
    if request.method == "PUT":
        given = (gateway.body_object(request).get("properties") or {}) if request.body else {}
        found = world.resources.get(request.path)
        properties = {"publicAccess": "None", **writes.left_out(world, found, given), **given}
        world.resources.put(Resource(id=request.path, body={"properties": properties}))
    return web.answer(_container(world, request.path), status=201 if request.method == "PUT" and not there else 200)


def _container(world: World, arm_id: str) -> dict[str, Any]:
    found = world.resources.get(arm_id)
    properties = found.properties if found else {"publicAccess": "None"}
    return {"id": arm_id, "name": arm_id.rpartition("/")[2], "type": f"{_TYPE}/containers", "properties": properties}


# ── SAS tokens ───────────────────────────────────────────────────────────────────────────────────────────────────────
def _sas(of_account: bool, world: World, request: web.Request) -> web.Response:  # noqa: FBT001 - bound by `partial`
    account, body = _account(world, request), gateway.body_object(request)
    key = world.storage.keys(account.name)[0 if str(body.get("keyToSign") or "key1").lower() == "key1" else 1]
    try:
        common = {
            "permission": str(body["signedPermission"]),
            "expiry": datetime.fromisoformat(str(body["signedExpiry"])),
            "start": datetime.fromisoformat(str(body["signedStart"])) if body.get("signedStart") else None,
            "ip": body.get("signedIp"),
            "protocol": body.get("signedProtocol"),
        }
        token = _of_account(account.name, key, body, common) if of_account else _of_blobs(account.name, key, body, common)
    except (KeyError, ValueError) as wrong:
        text = f"Values for request parameters are invalid: {str(wrong).strip(chr(39))}."
        raise refusals.refuse(400, "InvalidValuesForRequestParameters", text) from None
    return web.answer({"accountSasToken" if of_account else "serviceSasToken": token})


def _of_account(name: str, key: str, body: dict[str, Any], common: dict[str, Any]) -> str:
    return generate_account_sas(
        name, key, resource_types=str(body["signedResourceTypes"]), services=str(body["signedServices"]), **common
    )


def _of_blobs(name: str, key: str, body: dict[str, Any], common: dict[str, Any]) -> str:
    kind, account, container, *blob = str(body["canonicalizedResource"]).strip("/").split("/")
    if kind != "blob" or account.lower() != name.lower() or bool(blob) != (body.get("signedResource") == "b"):
        raise ValueError("canonicalizedResource")
    if blob:
        return generate_blob_sas(name, container, "/".join(blob), account_key=key, **common)
    return generate_container_sas(name, container, account_key=key, **common)


for _action, _whole in (("ListAccountSas", True), ("ListServiceSas", False)):
    routes.route("POST", f"{dependencies.ACCOUNT}/{_action}")(partial(_sas, _whole))
