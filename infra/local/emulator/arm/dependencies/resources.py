"""The four resource types a workspace stands on: storage account, key vault, Application Insights, container registry.

They answer as far as a workspace and this product need them; a storage account is a real one in Azurite.
"""

from __future__ import annotations

import re
import uuid
from functools import partial
from typing import TYPE_CHECKING, Any

from infra.local.emulator import scene, web
from infra.local.emulator.arm import gateway, lists, long_running, refusals, versions, writes
from infra.local.emulator.arm.dependencies import deleted_vaults, state
from infra.local.emulator.arm.dependencies import refusals as dependencies_refusals
from infra.local.emulator.resources import Resource, merge_patch

if TYPE_CHECKING:
    from infra.local.emulator.world import World

routes = web.Routes(r".*")


ACCOUNT = f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{state.STORAGE.type}/{{name}}"
_REGISTRY = f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{state.REGISTRY.type}/{{name}}"


def _put(kind: state.Kind, world: World, request: web.Request) -> web.Response:
    body, name = gateway.body_object(request), request.params["name"]
    if not re.fullmatch(kind.names, name):
        raise refusals.refuse(400, kind.named, kind.said.format(name=name, rule=kind.rule))
    location = str(body.get("location") or "").lower().replace(" ", "")
    if not location:
        raise refusals.location_required()
    if location not in versions.LOCATIONS:
        raise refusals.location_unavailable(location, kind.type, versions.LOCATIONS)
    found = world.resources.get(request.path)
    if found is not None and found.body["location"] != location:
        raise refusals.location_changed(name, found.body["location"], request.params["group"], location)
    if found is None and kind is state.VAULT and (back := _recovered(world, request.path, body)):
        back.touched(world.now(), scene.CLIENT_ID)
        return web.answer(kind.shown(back))  # as it was: what the body says besides is not looked at
    if found is None:
        dependencies_refusals.check_needs(kind, request.path, body)
        dependencies_refusals.check_free(world, kind, name)
        made = state.build(world, kind, request.path, {**body, "location": location}, host=request.host)
        return _first_answer(world, request, kind, made)
    if kind is state.STORAGE and world.operations.running(found.id):
        text = "An operation is currently performing on this storage account that requires exclusive access."
        raise refusals.refuse(409, "StorageAccountOperationInProgress", text)
    changed = merge_patch(found.body, _change(world, kind, found, body))
    dependencies_refusals.check_needs(kind, found.id, changed)
    found.body = changed
    found.touched(world.now(), scene.CLIENT_ID)
    return web.answer(kind.shown(found))


def _change(world: World, kind: state.Kind, found: Resource, body: dict[str, Any]) -> dict[str, Any]:
    """The body, and for what it leaves out and no rule keeps: what a new resource has, or null."""
    given, rule = body.get("properties") or {}, writes.PUT[found.type]
    fresh = kind.fill(world, found.name, {}, "management.azure.com")
    before: set[str] = found.hidden.setdefault("given", set())
    lost = before - given.keys()
    properties = {**{name: fresh.get(name) for name in lost if not rule.keeps(world, name)}, **given}
    before |= given.keys()
    beside = {name: body[name] for name in ("tags", "sku", "identity") if name in body}
    return {**({} if rule.keeps(world, "tags") else {"tags": None}), **beside, "properties": properties}


def _recovered(world: World, arm_id: str, body: dict[str, Any]) -> Resource | None:
    """The deleted vault that `createMode: recover` brings back where it was; None when no deleted one holds the name.

    Raises:
        web.Refused: 409, a deleted vault holds the name; 400, a retention that no vault has.
    """
    properties = body.get("properties") or {}
    days = properties.get("softDeleteRetentionInDays", deleted_vaults.RETENTION_DAYS)
    if type(days) is not int or not 7 <= days <= deleted_vaults.RETENTION_DAYS:
        raise refusals.refuse(400, "BadRequest", "The property 'softDeleteRetentionInDays' is a number of days from 7 to 90.")
    recover = str(properties.pop("createMode", "")).lower() == "recover"
    held = deleted_vaults.holding(world, arm_id.rpartition("/")[2])
    if held is None:
        return None
    if held.properties["vaultId"].lower() != arm_id.lower():
        raise refusals.refuse(409, "VaultAlreadyExists", f"The vault name '{held.name}' is already in use.")
    if not recover:
        raise refusals.refuse(409, "ConflictError", deleted_vaults.HELD)
    return deleted_vaults.recovered(world, held)


def _first_answer(world: World, request: web.Request, kind: state.Kind, made: Resource) -> web.Response:
    if kind not in (state.STORAGE, state.REGISTRY):
        return web.answer(kind.shown(made), status=kind.first)
    made.properties["provisioningState"] = "Creating"

    def done() -> dict[str, Any]:
        made.properties["provisioningState"] = "Succeeded"
        return kind.shown(made)

    def failed(_error: dict[str, Any]) -> None:
        made.properties["provisioningState"] = "Failed"

    name = "storageAccount" if kind is state.STORAGE else "containerRegistry"
    operation = world.operations.begin(kind=name, target=made.id, finish=done, failed=failed, error=request.operation_error)
    if kind is state.REGISTRY:
        status = (
            f"https://{request.host}{made.id}/operationStatuses/registry-{operation.id}?api-version={request.query['api-version']}"
        )
        return web.answer(kind.shown(made), status=kind.first, headers={"Azure-AsyncOperation": long_running.signed(world, status)})
    url = (
        f"https://{request.host}/subscriptions/{request.params['subscription']}/providers/Microsoft.Storage/locations/"
        f"{made.body['location']}/asyncoperations/{operation.id}?monitor=true&api-version={request.query['api-version']}"
    )
    return web.empty(
        202, {"Location": long_running.signed(world, url), "Retry-After": "17", "Content-Type": "text/plain; charset=utf-8"}
    )


@routes.route("GET", "/subscriptions/{subscription}/providers/Microsoft.Storage/locations/{location}/asyncoperations/{operation}")
def storage_operation(world: World, request: web.Request) -> web.Response:
    """The Location of a storage account's create: 202 with `Retry-After: 3`, then the account."""
    long_running.check_signature(request)
    operation = world.operations.poll(request.params["operation"])
    if operation is None:
        raise refusals.refuse(404, "ResourceNotFound", "The operation could not be found.")
    if not operation.ended:
        url = f"https://{request.host}{request.path}?{request.raw_query}"
        return web.empty(202, {"Location": url, "Retry-After": "3", "Content-Type": "text/plain; charset=utf-8"})
    if operation.error is not None:
        return web.answer({"error": operation.error}, status=409)
    return web.answer(operation.result)


@routes.route("GET", f"{_REGISTRY}/operationStatuses/registry-{{operation}}")
def registry_operation(world: World, request: web.Request) -> web.Response:
    """The status of a container registry's create; reading it takes an action of its own (https://github.com/Azure/mpf/pull/314)."""
    long_running.check_signature(request)
    operation = world.operations.poll(request.params["operation"])
    if operation is None:
        raise refusals.refuse(404, "ResourceNotFound", "The operation could not be found.")
    body: dict[str, Any] = {"status": operation.status if operation.ended else "Creating"}
    return web.answer({**body, "error": operation.error} if operation.error else body)


def _existing(kind: state.Kind, world: World, request: web.Request) -> Resource:
    path = request.path.rsplit("/", 1)[0] if request.method == "POST" else request.path
    found = world.resources.get(path)
    if found is None:
        raise refusals.resource_not_found(kind.type, request.params["name"], request.params["group"])
    return found


def _get(kind: state.Kind, world: World, request: web.Request) -> web.Response:
    return web.answer(kind.shown(_existing(kind, world, request)))


def _patch(kind: state.Kind, world: World, request: web.Request) -> web.Response:
    found, body = _existing(kind, world, request), gateway.body_object(request)
    change = writes.patch_of(kind.type, body)
    changed = merge_patch(found.body, change)
    dependencies_refusals.check_needs(kind, found.id, changed)
    found.hidden.setdefault("given", set()).update(change.get("properties") or {})
    found.body = changed
    found.touched(world.now(), scene.CLIENT_ID)
    return web.answer(kind.shown(found))


def _delete(_kind: state.Kind, world: World, request: web.Request) -> web.Response:
    gone = world.resources.delete(request.path)
    for resource in gone:
        state.removed(world, resource)
    return web.empty(200 if gone else 204)


def _list(kind: state.Kind, world: World, request: web.Request) -> web.Response:
    group = request.params.get("group")
    parent = f"/subscriptions/{request.params['subscription']}" + (f"/resourceGroups/{group}" if group else "")
    return lists.page(world, request, [kind.shown(found) for found in world.resources.below(parent, of_type=kind.type.lower())])


def _list_keys(kind: state.Kind, world: World, request: web.Request) -> web.Response:
    found = _existing(kind, world, request)
    dependencies_refusals.check_provisioned(found)
    keys = world.storage.keys(found.name)
    created = found.body["systemData"]["createdAt"]
    value = [{"creationTime": created, "keyName": f"key{n}", "value": key, "permissions": "FULL"} for n, key in enumerate(keys, 1)]
    return web.answer({"keys": value})


def _list_credentials(kind: state.Kind, world: World, request: web.Request) -> web.Response:
    found = _existing(kind, world, request)
    if not found.properties.get("adminUserEnabled"):
        text = (
            f"Cannot perform credential operations for {found.id} as admin user is disabled. Kindly enable admin user as per docs: "
            "https://docs.microsoft.com/en-us/azure/container-registry/container-registry-authentication#admin-account"
        )
        raise refusals.refuse(400, "UnAuthorizedForCredentialOperations", text)
    passwords = [
        {"name": name, "value": value} for name, value in zip(("password", "password2"), found.secrets["passwords"], strict=True)
    ]
    return web.answer({"username": found.name, "passwords": passwords})


def _regenerate_credential(kind: state.Kind, world: World, request: web.Request) -> web.Response:
    found, name = _existing(kind, world, request), gateway.body_object(request).get("name")
    if name not in {"password", "password2"}:
        raise refusals.refuse(400, "InvalidPasswordName", "The name must be password or password2.")
    if found.properties.get("adminUserEnabled"):
        found.secrets["passwords"][0 if name == "password" else 1] = uuid.uuid4().hex
    return _list_credentials(kind, world, request)


def register(into: web.Routes, kind: state.Kind) -> None:
    """The routes of one kind: read, list in a group and in the subscription, create, change, delete."""
    group = f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{kind.type}"
    one = f"{group}/{{name}}"
    for verb, handler in (("GET", _get), ("PUT", _put), ("PATCH", _patch), ("DELETE", _delete)):
        into.route(verb, one)(partial(handler, kind))
    into.route("GET", group)(partial(_list, kind))
    into.route("GET", f"/subscriptions/{{subscription}}/providers/{kind.type}")(partial(_list, kind))


def _register() -> None:
    for kind in state.KINDS:
        register(routes, kind)
    account = "/subscriptions/{subscription}/resourceGroups/{group}/providers/"
    routes.route("POST", f"{ACCOUNT}/listKeys")(partial(_list_keys, state.STORAGE))
    routes.route("POST", f"{account}{state.REGISTRY.type}/{{name}}/regenerateCredential")(
        partial(_regenerate_credential, state.REGISTRY)
    )
    routes.route("POST", f"{account}{state.REGISTRY.type}/{{name}}/listCredentials")(partial(_list_credentials, state.REGISTRY))


_register()
