"""`checkNameAvailability`: whether a storage account, vault or container registry could have a name, in all of Azure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from infra.local.emulator import web
from infra.local.emulator.arm import gateway, refusals
from infra.local.emulator.arm.dependencies import deleted_vaults
from infra.local.emulator.arm.dependencies import state as dependencies_state

if TYPE_CHECKING:
    from infra.local.emulator.world import World

routes = web.Routes(r".*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One provider's question.

    Attributes:
        kind: what the name is for.
        invalid: the reason that the provider gives for a name that it never takes.
        taken: its words for a name that is taken.
    """

    kind: dependencies_state.Kind
    invalid: str
    taken: str


CHECKS = (
    Check(
        kind=dependencies_state.STORAGE, invalid="AccountNameInvalid", taken="The storage account named {name} is already taken."
    ),
    Check(kind=dependencies_state.VAULT, invalid="AccountNameInvalid", taken="The name '{name}' is already in use."),
    Check(kind=dependencies_state.REGISTRY, invalid="Invalid", taken="The registry {name} is already in use."),
)


def _ask(check: Check, world: World, request: web.Request) -> web.Response:
    body = gateway.body_object(request)
    name, kind = body.get("name"), body.get("type")
    if not isinstance(name, str) or str(kind).lower() != check.kind.type.lower():
        raise refusals.invalid_content(f"A name and the type '{check.kind.type}' are required")
    reason = message = ""
    if not re.fullmatch(check.kind.names, name):
        reason, message = check.invalid, f"{name} is not a valid name. {check.kind.rule}"
    elif name.lower() in world.taken or dependencies_state.holder(world, check.kind, name):
        reason, message = "AlreadyExists", check.taken.format(name=name)
    elif check.kind is dependencies_state.VAULT and deleted_vaults.holding(world, name):
        reason, message = "AlreadyExists", deleted_vaults.HELD
    if reason:
        return web.answer({"nameAvailable": False, "reason": reason, "message": message})
    return web.answer({"nameAvailable": True})


for _check in CHECKS:
    _provider = _check.kind.type.partition("/")[0]
    routes.route("POST", f"/subscriptions/{{subscription}}/providers/{_provider}/checkNameAvailability")(partial(_ask, _check))
