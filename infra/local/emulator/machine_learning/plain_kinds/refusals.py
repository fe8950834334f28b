"""The refusals of plain kinds, as rows: what Azure says, when, and who says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.local.emulator.machine_learning import scope
from infra.local.emulator.refusal import GITHUB, Proof, Refusal

if TYPE_CHECKING:
    from infra.local.emulator.machine_learning.plain_kinds import state
    from infra.local.emulator.world import World


ROWS: tuple[Refusal, ...] = (
    Refusal(name="serverless endpoint name taken", status=400, code="UserError", inner="ServerlessEndpointNameNotAvailable",
        message="Serverless endpoint name '{}' is not available. Please select a different name.", proof=Proof.TEXT,
        source=f"{GITHUB}Azure-Samples/azureai-foundry-finetuning-raft/issues/45"),
)  # fmt: skip


def check_free(world: World, row: state.Row, whole_id: str, region: str) -> None:
    """Refuse a name that another endpoint of the region has."""
    name = whole_id.rpartition("/")[2]
    for other in world.resources.of_type(row.type.lower()):
        if other.name.lower() == name.lower() and other.body["location"] == region:
            text = f"Serverless endpoint name '{name}' is not available. Please select a different name."
            raise scope.invalid(text, "ServerlessEndpointNameNotAvailable")
