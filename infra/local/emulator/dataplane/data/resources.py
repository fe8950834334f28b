"""The data service as clients use it to find what a job wrote: from the ids of outputs to URIs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.dataplane import scope
from infra.local.emulator.storage import locations

if TYPE_CHECKING:
    from infra.local.emulator.runs import Run
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
_OUTPUT = re.compile(r"azureml://locations/[^/]+/workspaces/[^/]+/data/azureml_(.+)_output_data_([^/]+)/versions/1", re.IGNORECASE)


def outputs_of(world: World, run: Run) -> dict[str, Any]:
    """A run's named outputs as run history shows them: the id and type of the data asset that each became.

    Models, too: azure-ai-ml 1.35.2 cannot send its own request to the model service; it finds an unknown type by its place.
    """
    given = (run.definition.get("outputs") or {}) if run.kind != "v1" else {}
    with world.lock:
        workspace = world.resources.get(run.workspace_id)
    if workspace is None or not run.ended:
        return {}
    home = f"azureml://locations/{workspace.body.get('location')}/workspaces/{workspace.properties.get('workspaceId')}"
    return {
        name: {
            "assetId": f"{home}/data/azureml_{run.run_id}_output_data_{name}/versions/1",
            "type": str(one.get("jobOutputType") or "uri_folder"),
        }
        for name, one in given.items()
        if isinstance(one, dict) and one.get("uri")
    }


@routes.route("POST", f"/data/v1.0{scope.WORKSPACE}/dataversion/batchGetResolvedUris")
def resolved(world: World, request: web.Request) -> web.Response:
    """`{"values":[ids]}` to `{"values":{id:{"uri","type"}}}`; ids that are unknown are left out."""
    owner = scope.workspace(world, request)
    found: dict[str, Any] = {}
    for asset_id in sorted(scope.names(request, "values")):
        match = _OUTPUT.fullmatch(asset_id)
        run = world.runs.get(owner.id, match[1]) if match else None
        one = (run.definition.get("outputs") or {}).get(match[2]) if run and match else None
        if isinstance(one, dict) and one.get("uri"):
            found[asset_id] = {
                "uri": locations.long(world, owner, str(one["uri"])),
                "type": one.get("jobOutputType") or "uri_folder",
            }
    return web.answer({"values": found})
