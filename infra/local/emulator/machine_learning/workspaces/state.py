"""What stays of a deleted workspace, and for how long."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from infra.local.emulator.arm import refusals

if TYPE_CHECKING:
    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World

RETENTION = timedelta(days=14)


def recovered(world: World, arm_id: str, properties: dict[str, Any]) -> Resource | None:
    """The soft-deleted workspace of this name, if the caller wants it back; 400 if it stands in the way."""
    found = world.resources.get(arm_id, deleted=True)
    if found is None:
        return None
    if world.now() - datetime.fromisoformat(found.hidden["deletedAt"]) > RETENTION:
        world.resources.delete(arm_id)
        return None
    if not properties.get("allowRecoverSoftDeletedWorkspace"):
        text = "Soft-deleted workspace exists. Please purge or recover it. https://aka.ms/wsoftdelete"
        raise refusals.refuse(400, "BadRequest", text)
    return found
