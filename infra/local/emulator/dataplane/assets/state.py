"""Assets of v1 as they are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.emulator.dataplane import scope

if TYPE_CHECKING:
    from infra.local.emulator import web
    from infra.local.emulator.world import World


def known(world: World) -> dict[tuple[str, str], dict[str, Any]]:
    """Every asset, by workspace and id."""
    found: dict[tuple[str, str], dict[str, Any]] = world.notes.setdefault("v1_assets", {})
    return found


def here(world: World, request: web.Request) -> str:
    """The workspace that a request names, as `known` has it."""
    return world.generation(scope.workspace_id(world, request))
