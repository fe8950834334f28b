"""The four resource types a workspace stands on: storage account, key vault, Application Insights, container registry.

They answer as far as a workspace and this product need them; a storage account is a real one in Azurite.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from infra.local.emulator import clouds, scene, web
from infra.local.emulator.arm import gateway, lists, long_running, refusals, versions, writes
from infra.local.emulator.arm.dependencies import deleted_vaults
from infra.local.emulator.resources import Resource, merge_patch, stamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local.emulator.world import World

routes = web.Routes(r".*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One of the four.

    Attributes:
        type: as ARM writes it.
        names: what a name must look like.
        rule: the provider's words for it.
        said: the sentence that it stands in.
        first: the first answer to a create.
        fill: the read-only properties of a new one.
        hides: members that no answer of its own provider shows (Microsoft's description has none of them).
    """

    type: str
    names: str
    rule: str
    first: int
    fill: Callable[[World, str, dict[str, Any], str], dict[str, Any]]
    said: str = "{name} is not a valid name. {rule}"
    hides: tuple[str, ...] = ()

    def shown(self, found: Resource) -> dict[str, Any]:
        """What an answer holds."""
        properties = {name: value for name, value in found.properties.items() if f"properties.{name}" not in self.hides}
        return {name: value for name, value in {**found.body, "properties": properties}.items() if name not in self.hides}


def _storage(world: World, name: str, properties: dict[str, Any], host: str) -> dict[str, Any]:
    suffix = clouds.sibling(host, "storage")
    services = ("blob", "queue", "table", "file", "dfs")
    return {
        "supportsHttpsTrafficOnly": True,
        **properties,
        "primaryEndpoints": {service: f"https://{name}.{service}.{suffix}/" for service in services},
        "primaryLocation": scene.LOCATION,
        "statusOfPrimary": "available",
        "creationTime": stamp(world.now()),
    }


def _vault(_world: World, name: str, properties: dict[str, Any], _host: str) -> dict[str, Any]:
    days = deleted_vaults.RETENTION_DAYS
    defaults = {"tenantId": scene.TENANT_ID, "accessPolicies": [], "enableSoftDelete": True, "softDeleteRetentionInDays": days}
    return {**defaults, **properties, "vaultUri": f"https://{name}.vault.azure.net/"}


def _insights(world: World, name: str, properties: dict[str, Any], _host: str) -> dict[str, Any]:
    key = str(uuid.uuid4())
    return {
        "Application_Type": "web",
        **properties,
        "ApplicationId": name,
        "AppId": str(uuid.uuid4()),
        "InstrumentationKey": key,
        "ConnectionString": f"InstrumentationKey={key}",
        "CreationDate": stamp(world.now()),
        "TenantId": scene.SUBSCRIPTION_ID,
    }


def _registry(world: World, name: str, properties: dict[str, Any], _host: str) -> dict[str, Any]:
    created = {"loginServer": f"{name.lower()}.azurecr.io", "creationDate": stamp(world.now())}
    return {"adminUserEnabled": False, **properties, **created}


STORAGE = Kind(
    type="Microsoft.Storage/storageAccounts",
    names=r"[a-z0-9]{3,24}",
    rule="Storage account name must be between 3 and 24 characters in length and use numbers and lower-case letters only.",
    first=202,
    said="{name} is not a valid storage account name. {rule}",
    fill=_storage,
    hides=("systemData",),
)
VAULT = Kind(
    type="Microsoft.KeyVault/vaults",
    names=r"[a-zA-Z](?:-?[a-zA-Z0-9]){2,23}",
    rule=(
        "A vault's name must be between 3-24 alphanumeric characters. The name must begin with a letter, end with a letter or "
        "digit, and not contain consecutive hyphens."
    ),
    first=200,
    said=(
        "The vault name '{name}' is invalid. {rule} Follow this link for more information: "
        "https://go.microsoft.com/fwlink/?linkid=2147742"
    ),
    fill=_vault,
)
INSIGHTS = Kind(
    type="Microsoft.Insights/components",
    names=r"[^%&\\?/]{1,260}",
    rule="The component name is not valid.",
    first=200,
    fill=_insights,
    hides=("systemData",),
)
REGISTRY = Kind(
    type="Microsoft.ContainerRegistry/registries",
    names=r"[a-zA-Z0-9]{5,50}",
    rule="Registry names may contain only alpha numeric characters and must be between 5 and 50 characters.",
    first=201,
    fill=_registry,
)
ACCOUNT = f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{STORAGE.type}/{{name}}"
_REGISTRY = f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{REGISTRY.type}/{{name}}"
KINDS = (STORAGE, VAULT, INSIGHTS, REGISTRY)
_NAME_CODES = {STORAGE.type: "AccountNameInvalid", VAULT.type: "VaultNameNotValid"}


def build(world: World, kind: Kind, arm_id: str, body: dict[str, Any], *, host: str = "management.azure.com") -> Resource:
    """A new resource of a kind, Succeeded, with its read-only properties."""
    name = arm_id.rsplit("/", 1)[-1]
    whole = {
        "id": arm_id,
        "name": name,
        "type": kind.type,
        "location": body.get("location"),
        "tags": body.get("tags") or {},
        **{field: body[field] for field in ("sku", "kind", "identity") if field in body},
        "properties": {**kind.fill(world, name, dict(body.get("properties") or {}), host), "provisioningState": "Succeeded"},
    }
    resource = Resource(id=arm_id, body=whole)
    if kind is STORAGE:
        world.storage.create(name)
    if kind is REGISTRY:
        resource.secrets["passwords"] = [uuid.uuid4().hex, uuid.uuid4().hex]
    resource.touched(world.now(), scene.CLIENT_ID)
    return world.resources.put(resource)


def check_provisioned(account: Resource) -> None:
    """Refuse what needs a storage account that is still being made.

    Raises:
        web.Refused: 409 `StorageAccountIsNotProvisioned`.
    """
    if account.type == STORAGE.type.lower() and account.state != "Succeeded":
        text = "The storage account provisioning state must be 'Succeeded' before executing the operation."
        raise refusals.refuse(409, "StorageAccountIsNotProvisioned", text)


def removed(world: World, resource: Resource) -> None:
    """What else goes when a resource goes."""
    if resource.type == STORAGE.type.lower():
        world.storage.forget(resource.name)
    if resource.type == VAULT.type.lower():
        deleted_vaults.keep(world, resource)


def seed(world: World) -> None:
    """The scene's four, and the registry without its admin user."""
    world.storage.add_scene_account(scene.STORAGE_ACCOUNT)
    storage = {"location": scene.LOCATION, "sku": {"name": "Standard_LRS", "tier": "Standard"}, "kind": "StorageV2"}
    vault = {"location": scene.LOCATION, "properties": {"sku": {"family": "A", "name": "standard"}}}
    build(world, STORAGE, scene.STORAGE_ID, storage)
    build(world, VAULT, scene.KEY_VAULT_ID, vault)
    build(world, INSIGHTS, scene.INSIGHTS_ID, {"location": scene.LOCATION, "kind": "web"})
    for arm_id, admin in ((scene.REGISTRY_ID, True), (scene.REGISTRY_WITHOUT_ADMIN_ID, False)):
        body = {"location": scene.LOCATION, "sku": {"name": "Basic", "tier": "Basic"}, "properties": {"adminUserEnabled": admin}}
        build(world, REGISTRY, arm_id, body)


def _put(kind: Kind, world: World, request: web.Request) -> web.Response:
    body, name = gateway.body_object(request), request.params["name"]
    if not re.fullmatch(kind.names, name):
        code = _NAME_CODES.get(kind.type, "InvalidResourceName")
        raise refusals.refuse(400, code, kind.said.format(name=name, rule=kind.rule))
    location = str(body.get("location") or "").lower().replace(" ", "")
    if not location:
        raise refusals.location_required()
    if location not in versions.LOCATIONS:
        raise refusals.location_unavailable(location, kind.type, versions.LOCATIONS)
    found = world.resources.get(request.path)
    if found is not None and found.body["location"] != location:
        raise refusals.location_changed(name, found.body["location"], request.params["group"], location)
    if found is None and kind is VAULT:
        found = _recovered(world, request.path, body)
    if found is None:
        _check_free(world, kind, name)
        made = build(world, kind, request.path, {**body, "location": location}, host=request.host)
        return _first_answer(world, request, kind, made)
    if kind is STORAGE and world.operations.running(found.id):
        text = f"An operation is currently performing on this storage account that requires exclusive access: {name}."
        raise refusals.refuse(409, "StorageAccountOperationInProgress", text)
    change = {key: body[key] for key in ("tags", "properties", "sku", "identity") if key in body}
    if kind is VAULT:  # a PUT without them takes the access policies away
        change["properties"] = {"accessPolicies": [], **(change.get("properties") or {})}
    found.body = merge_patch(found.body, change)
    found.touched(world.now(), scene.CLIENT_ID)
    return web.answer(kind.shown(found))


def holder(world: World, kind: Kind, name: str) -> Resource | None:
    """The resource of the kind that has the name, in any case and in any subscription here."""
    return next((one for one in world.resources.of_type(kind.type.lower()) if one.name.lower() == name.lower()), None)


def _check_free(world: World, kind: Kind, name: str) -> None:
    """Names of accounts, vaults and registries are taken in all of Azure."""
    other, elsewhere = holder(world, kind, name), name.lower() in world.taken
    if other is None and not elsewhere:
        return
    if kind is STORAGE and elsewhere:
        raise refusals.refuse(409, "StorageAccountAlreadyTaken", f"The storage account named {name} is already taken.")
    if kind is STORAGE:  # the local Azure has one subscription
        text = f"The account {name} is already in another resource group in this subscription."
        raise refusals.refuse(409, "StorageAccountInAnotherResourceGroup", text)
    if kind is VAULT:
        text = (
            f"The vault name '{name}' is already in use. Vault names are globally unique so it is possible that the name is "
            "already taken. If you are sure that the vault name was not taken then it is possible that a vault with the same name "
            "was recently deleted but not purged after being placed in a recoverable state. If the vault is in a recoverable state "
            "then the vault will need to be purged before reusing the name. For more information about VaultAlreadyExists, soft "
            "delete and purging a vault follow this link https://go.microsoft.com/fwlink/?linkid=2147740."
        )
        raise refusals.refuse(409, "VaultAlreadyExists", text)
    if kind is REGISTRY:
        text = (
            f"The registry DNS name {name.lower()}.azurecr.io is already in use. You can check if the name is already claimed "
            "using following API: https://docs.microsoft.com/en-us/rest/api/containerregistry/registries/checknameavailability"
        )
        raise refusals.refuse(409, "AlreadyInUse", text)


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


def _first_answer(world: World, request: web.Request, kind: Kind, made: Resource) -> web.Response:
    if kind not in (STORAGE, REGISTRY):
        return web.answer(kind.shown(made), status=kind.first)
    made.properties["provisioningState"] = "Creating"

    def done() -> dict[str, Any]:
        made.properties["provisioningState"] = "Succeeded"
        return kind.shown(made)

    def failed(_error: dict[str, Any]) -> None:
        made.properties["provisioningState"] = "Failed"

    name = "storageAccount" if kind is STORAGE else "containerRegistry"
    operation = world.operations.begin(kind=name, target=made.id, finish=done, failed=failed, error=request.operation_error)
    if kind is REGISTRY:
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
    """The status of a container registry's create; reading it takes an action of its own (https://github.com/Azure/mpf/issues/62)."""
    long_running.check_signature(request)
    operation = world.operations.poll(request.params["operation"])
    if operation is None:
        raise refusals.refuse(404, "ResourceNotFound", "The operation could not be found.")
    body: dict[str, Any] = {"status": operation.status if operation.ended else "Creating"}
    return web.answer({**body, "error": operation.error} if operation.error else body)


def _existing(kind: Kind, world: World, request: web.Request) -> Resource:
    path = request.path.rsplit("/", 1)[0] if request.method == "POST" else request.path
    found = world.resources.get(path)
    if found is None:
        raise refusals.resource_not_found(kind.type, request.params["name"], request.params["group"])
    return found


def _get(kind: Kind, world: World, request: web.Request) -> web.Response:
    return web.answer(kind.shown(_existing(kind, world, request)))


def _patch(kind: Kind, world: World, request: web.Request) -> web.Response:
    found, body = _existing(kind, world, request), gateway.body_object(request)
    found.body = merge_patch(found.body, writes.patch_of(kind.type, body))
    found.touched(world.now(), scene.CLIENT_ID)
    return web.answer(kind.shown(found))


def _delete(_kind: Kind, world: World, request: web.Request) -> web.Response:
    gone = world.resources.delete(request.path)
    for resource in gone:
        removed(world, resource)
    return web.empty(200 if gone else 204)


def _list(kind: Kind, world: World, request: web.Request) -> web.Response:
    group = request.params.get("group")
    parent = f"/subscriptions/{request.params['subscription']}" + (f"/resourceGroups/{group}" if group else "")
    return lists.page(world, request, [kind.shown(found) for found in world.resources.below(parent, of_type=kind.type.lower())])


def _list_keys(kind: Kind, world: World, request: web.Request) -> web.Response:
    found = _existing(kind, world, request)
    check_provisioned(found)
    keys = world.storage.keys(found.name)
    created = found.body["systemData"]["createdAt"]
    value = [{"creationTime": created, "keyName": f"key{n}", "value": key, "permissions": "FULL"} for n, key in enumerate(keys, 1)]
    return web.answer({"keys": value})


def _list_credentials(kind: Kind, world: World, request: web.Request) -> web.Response:
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


def _regenerate_credential(kind: Kind, world: World, request: web.Request) -> web.Response:
    found, name = _existing(kind, world, request), gateway.body_object(request).get("name")
    if name not in {"password", "password2"}:
        raise refusals.refuse(400, "InvalidPasswordName", "The name must be password or password2.")
    if found.properties.get("adminUserEnabled"):
        found.secrets["passwords"][0 if name == "password" else 1] = uuid.uuid4().hex
    return _list_credentials(kind, world, request)


def register(into: web.Routes, kind: Kind) -> None:
    """The routes of one kind: read, list in a group and in the subscription, create, change, delete."""
    group = f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{kind.type}"
    one = f"{group}/{{name}}"
    for verb, handler in (("GET", _get), ("PUT", _put), ("PATCH", _patch), ("DELETE", _delete)):
        into.route(verb, one)(partial(handler, kind))
    into.route("GET", group)(partial(_list, kind))
    into.route("GET", f"/subscriptions/{{subscription}}/providers/{kind.type}")(partial(_list, kind))


def _register() -> None:
    for kind in KINDS:
        register(routes, kind)
    account = "/subscriptions/{subscription}/resourceGroups/{group}/providers/"
    routes.route("POST", f"{ACCOUNT}/listKeys")(partial(_list_keys, STORAGE))
    routes.route("POST", f"{account}{REGISTRY.type}/{{name}}/regenerateCredential")(partial(_regenerate_credential, REGISTRY))
    routes.route("POST", f"{account}{REGISTRY.type}/{{name}}/listCredentials")(partial(_list_credentials, REGISTRY))


_register()
