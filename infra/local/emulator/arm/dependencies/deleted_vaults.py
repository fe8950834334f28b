"""Deleted key vaults: each holds its name until it is purged, or the days of its retention are over.

A PUT with `createMode: recover` brings one back (`resources.py`). Source: Vaults_GetDeleted, Vaults_ListDeleted and
Vaults_PurgeDeleted of Microsoft.KeyVault.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from infra.local.emulator import scene, web
from infra.local.emulator.arm import lists, long_running, refusals
from infra.local.emulator.resources import Resource

if TYPE_CHECKING:
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
RETENTION_DAYS = 90
TYPE = "microsoft.keyvault/locations/deletedvaults"
HELD = (
    "A vault with the same name already exists in deleted state. You need to either recover or purge existing key vault. "
    "Follow this link https://go.microsoft.com/fwlink/?linkid=2149745 for more information on soft delete."
)
_SUBSCRIPTION = "/subscriptions/{subscription}/providers/Microsoft.KeyVault"
_ONE = f"{_SUBSCRIPTION}/locations/{{location}}/deletedVaults/{{name}}"


def keep(world: World, vault: Resource) -> None:
    """A vault was deleted."""
    subscription = vault.id.strip("/").split("/")[1]
    location = str(vault.body.get("location") or scene.LOCATION)
    at = _SUBSCRIPTION.format(subscription=subscription) + f"/locations/{location}/deletedVaults/{vault.name}"
    ends = world.now() + timedelta(days=vault.properties.get("softDeleteRetentionInDays", RETENTION_DAYS))
    properties = {
        "vaultId": vault.id,
        "location": location,
        "tags": vault.body.get("tags") or {},
        "deletionDate": f"{world.now():%Y-%m-%dT%H:%M:%SZ}",
        "scheduledPurgeDate": f"{ends:%Y-%m-%dT%H:%M:%SZ}",
        "purgeProtectionEnabled": bool(vault.properties.get("enablePurgeProtection")),
    }
    body = {"id": at, "name": vault.name, "type": "Microsoft.KeyVault/deletedVaults", "properties": properties}
    world.resources.put(Resource(id=at, body=body, hidden={"vault": vault, "ends": ends}))


def all_of(world: World) -> list[Resource]:
    """The deleted vaults whose retention is not over."""
    for found in world.resources.of_type(TYPE):
        if found.hidden["ends"] <= world.now():
            world.resources.delete(found.id)
    return world.resources.of_type(TYPE)


def holding(world: World, name: str) -> Resource | None:
    """The deleted vault that holds a name."""
    return next((found for found in all_of(world) if found.name.lower() == name.lower()), None)


def recovered(world: World, held: Resource) -> Resource:
    """The vault as it was, no longer deleted."""
    world.resources.delete(held.id)
    vault: Resource = held.hidden["vault"]
    return world.resources.put(vault)


def _existing(world: World, request: web.Request, path: str) -> Resource:
    all_of(world)
    found = world.resources.get(path)
    if found is None:
        text = f"The specified deleted vault '{request.params['name']}' does not exist."
        raise refusals.refuse(404, "DeletedVaultNotFound", text)
    return found


@routes.route("GET", f"{_SUBSCRIPTION}/deletedVaults")
def list_all(world: World, request: web.Request) -> web.Response:
    """The subscription's deleted vaults."""
    start = _SUBSCRIPTION.format(**request.params).lower()
    return lists.page(world, request, [found.body for found in all_of(world) if found.id.lower().startswith(start)])


@routes.route("GET", f"{_SUBSCRIPTION}/managedHSMs")
@routes.route("GET", f"{_SUBSCRIPTION}/deletedManagedHSMs")
def no_modules(_world: World, _request: web.Request) -> web.Response:
    """Managed HSMs, which the Azure CLI lists beside vaults: the local Azure has none."""
    return web.answer({"value": []})


@routes.route("GET", _ONE)
def get(world: World, request: web.Request) -> web.Response:
    """One deleted vault."""
    return web.answer(_existing(world, request, request.path).body)


@routes.route("POST", f"{_ONE}/purge")
def purge(world: World, request: web.Request) -> web.Response:
    """202 with a Location; then the name is free. A vault with purge protection stays until its retention is over."""
    found = _existing(world, request, request.path.rpartition("/")[0])
    if found.properties["purgeProtectionEnabled"]:
        raise refusals.refuse(405, "MethodNotAllowed", "Operation 'DeletedVaultPurge' is not allowed.")
    operation = world.operations.begin(
        kind="vault.purge", target=found.id, finish=partial(_gone, world, found.id), error=request.operation_error
    )
    url = f"https://{request.host}/subscriptions/{request.params['subscription']}/operationresults/{operation.id}"
    location = long_running.signed(world, f"{url}?api-version={request.query['api-version']}")
    return web.empty(202, {"Location": location, "Retry-After": "15"})


def _gone(world: World, arm_id: str) -> None:
    world.resources.delete(arm_id)
