"""Puts scenes into a world: the one it begins with, the crowd that the clean-up is tried on, what the commands of docs/ need.

The others come by control, and answer what they made (`cleanup_scene.seed`: nothing of it is served or runs)::

    POST /_control/scenes  {"name": "cleanup", "workspaces": 4, "models": 4, "versions": 56, "computes": 6, "endpoints": 0,
                            "traps": true}
    200                    {"workspaces": [ids], "stale": [{"id", "kind", "stale", "why"}, …], "kept": [the same, …]}

    POST /_control/scenes  {"name": "docs"}
    200                    {"resources": [ids], "blobs": [names]}   (`docs_scene.seed`)

All sizes may be left out. With `"facts": false` the lists stay out: for a hundred thousand resources they are long.
`POST /_control/reset` takes it away again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.emulator import scene
from infra.local.emulator.arm.dependencies import state as dependencies_state
from infra.local.emulator.arm.event_grid import resources as events
from infra.local.emulator.arm.subscriptions import resources as subscriptions
from infra.local.emulator.authorization import seeding as authorization
from infra.local.emulator.scenes import cleanup as cleanup_scene

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.emulator.world import World


def seed(world: World) -> None:
    """The scene of `scene.py`: subscription, groups, registrations, roles, dependencies, the unfit registry, the app's events."""
    with world.lock:
        subscriptions.seed(world)
        authorization.seed(world)
        dependencies_state.seed(world)
        if world.app_storage:
            world.grid.places.set_account(scene.APP_ACCOUNT, world.app_storage)
            events.seed(world, f"/subscriptions/{scene.SUBSCRIPTION_ID}", "steward", scene.APP_ACCOUNT_ID, scene.EVENTS_QUEUE)


def seed_cleanup(world: World, sizes: Mapping[str, Any], *, facts: bool = True) -> dict[str, Any]:
    """The scene of `cleanup.py`.

    Raises:
        TypeError: an unknown size.
    """
    wanted = cleanup_scene.Sizes(**sizes)
    with world.lock:
        made = cleanup_scene.seed(world, wanted)
    return made if facts else {"workspaces": made["workspaces"], "stale": len(made["stale"]), "kept": len(made["kept"])}
