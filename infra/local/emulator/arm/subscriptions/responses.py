"""Locations and resource providers as ARM shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.emulator.arm import versions

if TYPE_CHECKING:
    from infra.local.emulator.world import World


def location(base: str, name: str) -> dict[str, Any]:
    """One region."""
    group, display = versions.REGIONS[name]
    return {
        "id": f"{base}/{name}",
        "name": name,
        "type": "Region",
        "displayName": display,
        "regionalDisplayName": f"({group}) {display}",
        "metadata": {
            "regionType": "Physical",
            "regionCategory": "Recommended",
            "geography": group,
            "geographyGroup": group,
            "pairedRegion": [],
        },
    }


def provider(world: World, subscription: str, namespace: str) -> dict[str, Any]:
    """One resource provider, with its registration in a subscription."""
    written = versions.NAMESPACES[namespace]
    home = f"/subscriptions/{subscription}" if subscription else ""
    return {
        "id": f"{home}/providers/{written}",
        "namespace": written,
        "registrationPolicy": "RegistrationRequired",
        "resourceTypes": [
            {"resourceType": name.partition("/")[2], "locations": list(versions.LOCATIONS), "apiVersions": list(reversed(listed))}
            for name, listed in versions.TYPES.items()
            if name.startswith(namespace + "/")
        ],
        **({"registrationState": world.registration_of(home, namespace)} if home else {}),
    }
