"""What a job writes to an output that has a name of its own becomes a data asset, or a model, when the job completes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.emulator import scene
from infra.local.emulator.machine_learning.assets import kinds as asset_kinds
from infra.local.emulator.machine_learning.assets import state as assets_state
from infra.local.emulator.storage import locations

if TYPE_CHECKING:
    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World

_KINDS = {kind.collection: kind for kind in asset_kinds.KINDS}
_MODELS = frozenset({"mlflow_model", "custom_model", "triton_model"})


def register(world: World, workspace_id: str, run_id: str) -> None:
    """Add the versions that the outputs of a run ask for (`assetName`, `assetVersion`); one that is there stays as it is."""
    run = world.runs.get(workspace_id, run_id)
    outputs = dict(run.definition.get("outputs") or {}) if run is not None and run.kind != "v1" else {}
    with world.lock:
        workspace = world.resources.get(workspace_id)
        if workspace is None:
            return
        for one in outputs.values():
            if isinstance(one, dict) and one.get("uri") and (name := one.get("assetName") or one.get("asset_name")):
                _add(world, workspace, run_id, str(name), one)


def _add(world: World, workspace: Resource, run_id: str, name: str, output: dict[str, Any]) -> None:
    type_ = str(output.get("jobOutputType") or output.get("job_output_type") or "uri_folder")
    uri = locations.long(world, workspace, str(output["uri"]))
    collection = "models" if type_ in _MODELS else "data"
    container = world.resources.get(f"{workspace.id}/{collection}/{name}")
    following = str(container.properties["nextVersion"]) if container is not None else "1"
    version = str(output.get("assetVersion") or output.get("asset_version") or following)
    if world.resources.get(f"{workspace.id}/{collection}/{name}/versions/{version}") is not None:
        return
    model = {"modelUri": uri, "modelType": type_, "jobName": run_id}
    properties = model if collection == "models" else {"dataUri": uri, "dataType": type_}
    assets_state.register(_KINDS[collection], world, workspace, name, version, properties, by=scene.CLIENT_ID)
