"""Resources around a workspace that only have to exist: identities, networks, log workspaces, what customer keys need.

They are kept and answered as the four in `resources.py` are; nothing behind them runs.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from infra.local.emulator import scene, web
from infra.local.emulator.arm.dependencies import resources as dependencies
from infra.local.emulator.arm.dependencies.state import Kind, Need

if TYPE_CHECKING:
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
_NETWORK_NAMES = (
    "2 to 64 letters, digits, periods, hyphens and underscores, a letter or digit first, a letter, digit or underscore last."
)


def _identity(_world: World, _name: str, properties: dict[str, Any], _host: str) -> dict[str, Any]:
    ids = {name: str(uuid.uuid4()) for name in ("principalId", "clientId")}
    return {**properties, "tenantId": scene.TENANT_ID, **ids}


def _network(_world: World, _name: str, properties: dict[str, Any], _host: str) -> dict[str, Any]:
    return {"subnets": [], **properties}


def _as_given(_world: World, _name: str, properties: dict[str, Any], _host: str) -> dict[str, Any]:
    return dict(properties)


_LETTER, _NAME = "[A-Za-z0-9]", r"[A-Za-z0-9][\w.-]{0,62}[A-Za-z0-9_]"
_RANGE = r"[0-9A-Fa-f.:]+/\d{1,3}"
# Names: https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
KINDS = (
    Kind(type="Microsoft.ManagedIdentity/userAssignedIdentities", first=201, fill=_identity, names=rf"{_LETTER}[\w-]{{2,127}}",
        rule="3 to 128 letters, digits, hyphens and underscores, a letter or digit first.",
        hides=("properties.provisioningState",)),
    Kind(type="Microsoft.OperationalInsights/workspaces", first=200, fill=_as_given,
        names=rf"{_LETTER}[A-Za-z0-9-]{{2,61}}{_LETTER}", named="InvalidParameter", rule="",
        said=(
            "Workspace name must start and end with an alphanumeric character, and may contain only alphanumeric and hyphen "
            "characters. Operation Id: '0'"
        )),
    Kind(type="Microsoft.Network/virtualNetworks", first=201, fill=_network, names=_NAME, rule=_NETWORK_NAMES, needs=(
        Need(path="properties.addressSpace.addressPrefixes", code="NoAddressPrefixOrPoolProvided", pattern=".+", message=(
            "AddressSpace of the virtual network {id} does not have any address prefixes in addressPrefixes array. AddressSpace "
            "and prefixes must be specified within properties object."
        )),
        Need(path="properties.addressSpace.addressPrefixes", code="InvalidAddressPrefixFormat", pattern=_RANGE, message=(
            "Address prefix {value} of resource {id} is not formatted correctly. It should follow CIDR notation, for example "
            "10.0.0.0/24."
        )),
    )),
    Kind(type="Microsoft.Network/privateEndpoints", first=201, fill=_as_given, names=_NAME, rule=_NETWORK_NAMES, needs=tuple(
        Need(path=f"properties.{each}.name", when=f"properties.{each}", code="InvalidRequestFormat",
            message="Cannot parse the request.")
        for each in ("privateLinkServiceConnections", "manualPrivateLinkServiceConnections")
    )),
    Kind(type="Microsoft.DocumentDB/databaseAccounts", first=200, fill=_as_given, names="[a-z0-9][a-z0-9-]{2,43}",
        rule="3 to 44 lower-case letters, digits and hyphens, a letter or digit first."),
    Kind(type="Microsoft.Search/searchServices", first=201, fill=_as_given, names="[a-z0-9](?!.*--)[a-z0-9-]{0,58}[a-z0-9]",
        rule="2 to 60 lower-case letters, digits and hyphens, a letter or digit first and last, no two hyphens in a row."),
    Kind(type="Microsoft.ContainerService/managedClusters", first=201, fill=_as_given,
        names=rf"{_LETTER}([\w-]{{0,61}}{_LETTER})?",
        rule="1 to 63 letters, digits, hyphens and underscores, a letter or digit first and last."),
    Kind(type="Microsoft.Compute/virtualMachines", first=201, fill=_as_given, names=rf"{_LETTER}([\w.-]{{0,62}}[A-Za-z0-9_])?",
        rule="1 to 64 letters, digits, hyphens, underscores and periods."),
)  # fmt: skip


for _kind in KINDS:
    dependencies.register(routes, _kind)
