"""A registry as ARM shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infra.local.emulator.resources import Resource


def shown(found: Resource) -> dict[str, Any]:
    """What an answer holds: no version describes a `provisioningState` of a registry."""
    return {**found.body, "properties": {name: one for name, one in found.properties.items() if name != "provisioningState"}}
