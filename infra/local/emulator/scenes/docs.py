"""The scene "docs": what the commands in docs/ take for granted beside a workspace, so that they can be pasted as they stand.

An identity; an AKS cluster and a virtual machine to attach; rows, a model and an MLTable in the scene's storage account. Not here:
what those commands make themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.local.emulator import scene
from infra.local.emulator.arm.dependencies import neighbours
from infra.local.emulator.arm.dependencies import state as dependencies_state

if TYPE_CHECKING:
    from infra.local.emulator.world import World

CONTAINER = "rows"
RESOURCES = (
    "Microsoft.ManagedIdentity/userAssignedIdentities/ml-identity",
    "Microsoft.ContainerService/managedClusters/aks",
    "Microsoft.Compute/virtualMachines/vm",
)
_CUSTOMERS = "\n".join(f"{bill},{bill % 7},{'yes' if bill > 60 else 'no'}" for bill in range(1, 121))
BLOBS = {
    "2026/a.csv": "1,2\n",
    "models/factor.txt": "2",
    "table/MLTable": "paths:\n  - file: ./a.csv\ntransformations:\n  - read_delimited: {delimiter: ','}\n",
    "table/a.csv": f"bill,months,left\n{_CUSTOMERS}",
}


def seed(world: World) -> dict[str, list[str]]:
    """Put it there, once or again; return the ids of the resources and the names of the blobs."""
    made = []
    for path in RESOURCES:
        kind = next(each for each in neighbours.KINDS if each.type == path.rpartition("/")[0])
        world.register(scene.GROUP_ID, kind.type.partition("/")[0], "Registered")
        arm_id = f"{scene.GROUP_ID}/providers/{path}"
        if world.resources.get(arm_id) is None:
            dependencies_state.build(world, kind, arm_id, {"location": scene.LOCATION})
        made.append(arm_id)
    with world.blob_service(scene.STORAGE_ACCOUNT) as service:
        rows = service.get_container_client(CONTAINER)
        if not rows.exists():
            rows.create_container()
        for name, content in BLOBS.items():
            rows.upload_blob(name, content.encode(), overwrite=True)
    return {"resources": made, "blobs": [f"{CONTAINER}/{name}" for name in BLOBS]}
