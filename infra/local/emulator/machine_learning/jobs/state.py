"""A job as it is kept: a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.emulator.machine_learning import references, scope
from infra.local.emulator.runs import Run

if TYPE_CHECKING:
    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World


_COMMAND_PROPERTIES = {"_azureml.ComputeTargetType": "amlctrain", "ProcessInfoFile": "azureml-logs/process_info.json"}


def run(world: World, by: str, workspace: Resource, kind: str, name: str, properties: dict[str, Any]) -> Run:
    """The run that a job's PUT begins."""
    return Run(
        run_id=name,
        workspace_id=workspace.id.lower(),
        experiment=scope.text_of(properties, "experimentName") or "Default",
        created_at=world.now(),
        kind=kind,
        target=references.compute(world, workspace, scope.text_of(properties, "computeId")),
        display_name=scope.text_of(properties, "displayName"),
        description=scope.text_of(properties, "description"),
        created_by=by,
        archived=bool(properties.get("isArchived")),
        tags=dict(properties.get("tags") or {}),
        properties={**(properties.get("properties") or {}), **(_COMMAND_PROPERTIES if kind == "Command" else {})},
        definition={**properties, "jobType": kind},
    )
