"""The cores that Azure ML counts: by VM family and in all, for computes and managed deployments alike.

One function counts (`held`). It decides the refusal of a deployment, that of a compute, and what `usages` shows.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from infra.local.emulator.machine_learning.quotas import vm_sizes

if TYPE_CHECKING:
    from infra.local.emulator.machine_learning.quotas.vm_sizes import Size
    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World

COMPUTES = "microsoft.machinelearningservices/workspaces/computes"
DEPLOYMENTS = "microsoft.machinelearningservices/workspaces/onlineendpoints/deployments"
# A managed deployment needs ceil(1.2 x instances): the rest is kept for upgrades. Exempt sizes have "Yes" in the column
# "Skip 20% Reservation" of https://learn.microsoft.com/azure/machine-learning/reference-managed-online-endpoints-vm-sku-list
RESERVE = 1.2
EXEMPT = frozenset({
    "standard_nc24ads_a100_v4", "standard_nc48ads_a100_v4", "standard_nc96ads_a100_v4", "standard_nc40ads_h100_v5",
    "standard_nc80adis_h100_v5", "standard_nd96amsr_a100_v4", "standard_nd96asr_v4", "standard_nd40rs_v2",
    "standard_nd96is_h100_v5", "standard_nd96isr_h100_v5",
})  # fmt: skip


def for_deployment(size: Size, instances: int) -> int:
    """The cores that a managed deployment must find free, and then holds."""
    reserved = instances if size.name.lower() in EXEMPT else math.ceil(round(RESERVE * instances, 6))
    return reserved * size.cores


def held(world: World, region: str, family: str | None = None, *, without: str = "") -> int:
    """Dedicated cores in use in a region, of one family or of all; `without` leaves one resource (an ARM id) out."""
    computes = (_compute(found.properties) for found in _there(world, COMPUTES, region, without))
    deployments = (
        _deployment(found.properties, int(found.body["sku"].get("capacity") or 1))
        for found in _there(world, DEPLOYMENTS, region, without)
    )
    return sum(cores for size, cores in (*computes, *deployments) if size and (family is None or size.family == family))


def limit(world: World, subscription: str, family: str | None = None) -> int:
    """The limit of a family, as `updateQuotas` may have set it, or of all together."""
    set_to = world.notes.get("quotas", {}).get(f"/subscriptions/{subscription}/quotas/{family}".lower(), -1)
    return int(set_to) if set_to >= 0 else world.vm_quota_cores  # -1 takes a limit away


def short_of(
    world: World, subscription: str, region: str, size: Size, needed: int, *, without: str = ""
) -> tuple[str | None, int, int] | None:
    """What has no room for so many more cores: the family (None: all together), its use and its limit; None if there is room."""
    for family in (size.family, None):
        used, most = held(world, region, family, without=without), limit(world, subscription, family)
        if needed and used + needed > most:
            return family, used, most
    return None


def title(family: str | None) -> str:
    """As the messages of the compute service call it."""
    return family.replace(" Family", " family") if family else "total"


def _there(world: World, kind: str, region: str, without: str) -> list[Resource]:
    return [
        found
        for found in world.resources.of_type(kind)
        if found.body.get("location") == region and found.id.lower() != without.lower()
    ]


def _compute(properties: dict[str, Any]) -> tuple[Size | None, int]:
    """Running nodes of a cluster, a running instance."""
    inner = properties.get("properties") or {}
    size = vm_sizes.find(str(inner.get("vmSize") or ""))
    if size is None or str(inner.get("vmPriority")).lower() == "lowpriority":  # those count for a quota of their own
        return None, 0
    if properties.get("computeType") == "ComputeInstance":
        return size, size.cores if inner.get("state") in {"Running", "JobRunning", "Starting"} else 0
    return size, size.cores * int(inner.get("currentNodeCount") or 0)


def _deployment(properties: dict[str, Any], instances: int) -> tuple[Size | None, int]:
    size = vm_sizes.find(str(properties.get("instanceType") or ""))
    managed = str(properties.get("endpointComputeType") or "Managed").lower() == "managed"
    return (size, for_deployment(size, instances)) if size and managed else (None, 0)
