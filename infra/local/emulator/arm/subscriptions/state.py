"""Resource groups as they are kept, and what ends with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.emulator.resources import Resource

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local.emulator.world import World

# By lower-cased type: how a provider takes its resources away when their group goes. The provider puts it here.
REMOVE: dict[str, Callable[[World, Resource], None]] = {}


def group_resource(subscription: str, name: str, location: str, tags: dict[str, str] | None = None) -> Resource:
    """A resource group."""
    arm_id = f"/subscriptions/{subscription}/resourceGroups/{name}"
    body: dict[str, Any] = {
        "id": arm_id,
        "name": name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": location,
        **({"tags": tags} if tags else {}),
        "properties": {"provisioningState": "Succeeded"},
    }
    return Resource(id=arm_id, body=body)
