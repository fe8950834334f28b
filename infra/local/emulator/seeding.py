"""Puts the scene into a world."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.local.emulator.arm import dependencies, subscriptions

if TYPE_CHECKING:
    from infra.local.emulator.world import World


def seed(world: World) -> None:
    """The scene of `scene.py`: subscription, groups, registrations, the four dependencies and the unfit registry."""
    with world.lock:
        subscriptions.seed(world)
        dependencies.seed(world)
