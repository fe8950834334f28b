"""Who holds what in the scene: the person in front of it everything, the app what its template gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.local.emulator import scene
from infra.local.emulator.authorization import roles

if TYPE_CHECKING:
    from infra.local.emulator.world import World

# An Owner may do everything but send, read and write data by token: these add it.
_PERSON = (
    roles.OWNER,
    roles.BLOB_DATA_CONTRIBUTOR,
    roles.QUEUE_DATA_CONTRIBUTOR,
    roles.TABLE_DATA_CONTRIBUTOR,
    roles.EVENT_DATA_SENDER,
)


def seed(world: World) -> None:
    """Assign the person's roles on the subscription, then what `world.roles` names."""
    subscription = f"/subscriptions/{scene.SUBSCRIPTION_ID}"
    for role in world.roles.get("definitions") or ():
        world.authorization.define(role)
    for role in _PERSON:
        world.authorization.assign(subscription, role, scene.OBJECT_ID)
    for one in world.roles.get("assignments") or ():
        world.authorization.assign(str(one["scope"]), str(one["role"]), str(one["principal"]))
