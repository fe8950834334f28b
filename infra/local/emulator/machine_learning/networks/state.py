"""The rules that a workspace's own body brings with its managed network. Rules of their own requests are in `resources.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.local.emulator.machine_learning import scope
from infra.local.emulator.resources import Resource

if TYPE_CHECKING:
    from infra.local.emulator.world import World

TYPE = f"{scope.NAMESPACE}/workspaces/outboundRules"


def keep(world: World, workspace: Resource) -> None:
    """Make each of `managedNetwork.outboundRules` a resource below the workspace, as if it had been PUT."""
    network = workspace.properties.get("managedNetwork")
    rules = network.get("outboundRules") if isinstance(network, dict) else None
    for name, rule in (rules if isinstance(rules, dict) else {}).items():
        if isinstance(rule, dict):
            arm_id = f"{workspace.id}/outboundRules/{name}"
            properties = {"category": "UserDefined", **rule, "status": "Active"}
            made = Resource(id=arm_id, body={"id": arm_id, "name": name, "type": TYPE, "properties": properties})
            made.touched(world.now(), str(workspace.body["systemData"]["lastModifiedBy"]))
            world.resources.put(made)
