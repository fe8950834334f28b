"""What becomes of a compute: how a new one begins, when it is there, how it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.emulator.machine_learning.computes import refusals
from infra.local.emulator.resources import Resource, stamp

if TYPE_CHECKING:
    from infra.local.emulator.world import World


def cluster(now: str) -> dict[str, Any]:
    """The fields that a new cluster shows before its body is put over them."""
    names = ("preparing", "running", "idle", "unusable", "leaving", "preempted")
    return {
        "vmPriority": "Dedicated",
        "osType": "Linux",
        "virtualMachineImage": None,
        "isolatedNetwork": False,
        "subnet": None,
        "remoteLoginPortPublicAccess": "NotSpecified",
        "allocationState": "Steady",
        "allocationStateTransitionTime": now,
        "errors": None,
        "currentNodeCount": 0,
        "targetNodeCount": 0,
        "nodeStateCounts": {f"{name}NodeCount": 0 for name in names},
        "enableNodePublicIp": True,
    }


def created(world: World, made: Resource, region: str) -> None:
    """A compute is there: its nodes and its state."""
    inner = made.properties.get("properties") or {}
    if made.properties["computeType"] in refusals.OWN:
        refusals.check_quota(world, made, inner, region)
    if made.properties["computeType"] == "ComputeInstance":
        inner["state"] = "Running"
        inner["applications"] = [
            {"displayName": name, "endpointUri": f"https://{made.name}.{region}.instances.azureml.ms{path}"}
            for name, path in (("Jupyter", "/tree"), ("Jupyter Lab", "/lab"))
        ]
        inner["lastOperation"] = last_operation(world, "Create", "Succeeded")
    made.properties["provisioningState"] = "Succeeded"
    made.properties["modifiedOn"] = stamp(world.now())


def last_operation(world: World, name: str, status: str) -> dict[str, str]:
    """A compute instance's `lastOperation`."""
    return {"operationName": name, "operationTime": stamp(world.now()), "operationStatus": status, "operationTrigger": "User"}


def failed(made: Resource, error: dict[str, Any]) -> None:
    """A compute whose creation failed, with the reason."""
    made.properties["provisioningState"] = "Failed"
    made.properties["provisioningErrors"] = [{"error": error}]
    if made.properties["computeType"] == "ComputeInstance":
        made.properties["properties"]["state"] = "CreateFailed"
