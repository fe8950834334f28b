"""A vault's access policies, changed by themselves: `vaults/{name}/accessPolicies/add`, `replace` or `remove`.

Source: Vaults_UpdateAccessPolicy of Microsoft.KeyVault. `replace` and `remove` change the principals in the body alone: Terraform's
azurerm_key_vault_access_policy relies on that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.arm import gateway, refusals
from infra.local.emulator.arm.dependencies import refusals as dependencies_refusals
from infra.local.emulator.arm.dependencies import state

if TYPE_CHECKING:
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
_VAULT = f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{state.VAULT.type}/{{name}}"
type Permissions = dict[str, list[str]]


@routes.route("PUT", f"{_VAULT}/accessPolicies/{{kind}}")
def put(world: World, request: web.Request) -> web.Response:
    """201 where a principal is new, else 200, with the policies of the principals in the body."""
    found = world.resources.get(request.path.rsplit("/", 2)[0])
    if found is None:
        raise refusals.resource_not_found(state.VAULT.type, request.params["name"], request.params["group"])
    kind = request.params["kind"].lower()
    if kind not in _CHANGES:
        raise refusals.refuse(400, "BadRequest", f"'{request.params['kind']}' is not one of add, replace and remove.")
    given = (gateway.body_object(request).get("properties") or {}).get("accessPolicies")
    if not isinstance(given, list) or not all(isinstance(one, dict) and one.get("objectId") for one in given):
        raise refusals.refuse(400, "BadRequest", "The parameter accessPolicies is not specified.")
    there = {_whose(one): one for one in found.properties.get("accessPolicies") or ()}
    new = any(_whose(one) not in there for one in given)
    for one in given:
        before = (there.get(_whose(one)) or {}).get("permissions") or {}
        there[_whose(one)] = {**one, "permissions": _CHANGES[kind](before, one.get("permissions") or {})}
    kept = [one for one in there.values() if any(one["permissions"].values())]
    changed = {**found.properties, "accessPolicies": kept}
    dependencies_refusals.check_needs(state.VAULT, found.id, {**found.body, "properties": changed})
    found.properties["accessPolicies"] = kept
    about = {_whose(one) for one in given}
    body = {
        "id": f"{found.id}/accessPolicies/",
        "type": f"{state.VAULT.type}/accessPolicies",
        "properties": {"accessPolicies": [one for one in kept if _whose(one) in about]},
    }
    return web.answer(body, status=201 if new and kind != "remove" else 200)


def _whose(policy: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(policy.get(name) or "").lower() for name in ("tenantId", "objectId", "applicationId"))


def _added(before: Permissions, given: Permissions) -> Permissions:
    return {on: list(dict.fromkeys([*before.get(on, ()), *given.get(on, ())])) for on in {**before, **given}}


def _removed(before: Permissions, given: Permissions) -> Permissions:
    gone = {on: {name.lower() for name in names} for on, names in given.items()}
    return {on: [name for name in names if name.lower() not in gone.get(on, set())] for on, names in before.items()}


def _replaced(_before: Permissions, given: Permissions) -> Permissions:
    return given


_CHANGES = {"add": _added, "remove": _removed, "replace": _replaced}
