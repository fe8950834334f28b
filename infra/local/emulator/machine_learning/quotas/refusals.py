"""How many endpoints and deployments a region may hold, of all kinds together, and how many instances a deployment has.

Numbers: https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas. That too many endpoints end as OutOfQuota:
https://learn.microsoft.com/azure/machine-learning/how-to-troubleshoot-online-endpoints. The exact texts are not known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.local.emulator.machine_learning import scope
from infra.local.emulator.refusal import LIMITS, TROUBLE, Proof, Refusal

if TYPE_CHECKING:
    from infra.local.emulator.world import World

ROWS: tuple[Refusal, ...] = (
    Refusal(name="too many endpoints in the region", status=400, code="UserError", inner="OutOfQuota",
        message="The limit of {} endpoints in {} is reached. Current usage: {}.", proof=Proof.CODE,
        source=f"{TROUBLE} and {LIMITS}"),
    Refusal(name="too many deployments of an endpoint", status=400, code="UserError", inner="OutOfQuota",
        message="The limit of {} deployments of an endpoint is reached. Current usage: {}.", source=LIMITS),
    Refusal(name="too many deployments in the region", status=400, code="UserError", inner="OutOfQuota",
        message="The limit of {} deployments in {} is reached. Current usage: {}.", source=LIMITS),
)  # fmt: skip

_ENDPOINTS = tuple(f"{scope.NAMESPACE}/workspaces/{kind}".lower() for kind in ("onlineEndpoints", "batchEndpoints"))
_DEPLOYMENTS = tuple(f"{kind}/deployments" for kind in _ENDPOINTS)


def check_endpoints(world: World, region: str) -> None:
    """Refuse one endpoint too many.

    Raises:
        web.Refused: 400 `OutOfQuota`.
    """
    _check(world, region, "endpoints", _ENDPOINTS, world.limits.endpoints)


def check_deployments(world: World, region: str, endpoint_id: str) -> None:
    """Refuse one deployment too many, of the endpoint or of the region.

    Raises:
        web.Refused: 400 `OutOfQuota`.
    """
    there, most = len(world.resources.children(endpoint_id, "deployments")), world.limits.deployments_per_endpoint
    if there >= most:
        raise _refused("deployments of an endpoint", there, most)
    _check(world, region, "deployments", _DEPLOYMENTS, world.limits.deployments)


def _check(world: World, region: str, what: str, kinds: tuple[str, ...], most: int) -> None:
    there = sum(found.body.get("location") == region for kind in kinds for found in world.resources.of_type(kind))
    if there >= most:
        raise _refused(f"{what} in {region}", there, most)


def _refused(what: str, there: int, most: int) -> Exception:
    return scope.invalid(f"The limit of {most} {what} is reached. Current usage: {there}.", "OutOfQuota")
