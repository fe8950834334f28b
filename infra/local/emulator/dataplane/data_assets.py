"""The data and model services as clients use them to find what a job wrote: from the ids of outputs to URIs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.dataplane import scope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.local.emulator.resources import Resource
    from infra.local.emulator.runs import Run
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
_OUTPUT = re.compile(
    r"azureml://locations/[^/]+/workspaces/[^/]+/(?:data|models)/azureml_(.+)_output_(?:data|model)_([^/]+)/versions/1",
    re.IGNORECASE,
)
_ARTIFACT = re.compile(r"azureml://jobs/([^/]+)/outputs/artifacts/paths/(.*)", re.IGNORECASE)
_MODELS = {"mlflow_model": "MLFlowModel", "custom_model": "CustomModel", "triton_model": "TritonModel"}


def outputs_of(world: World, run: Run) -> dict[str, Any]:
    """A run's named outputs as run history tells them: the id and type of the data asset that each became."""
    given = (run.definition.get("outputs") or {}) if run.kind != "v1" else {}
    with world.lock:
        workspace = world.resources.get(run.workspace_id)
    if workspace is None or not run.ended:
        return {}
    home = f"azureml://locations/{workspace.body.get('location')}/workspaces/{workspace.properties.get('workspaceId')}"
    found: dict[str, Any] = {}
    for name, one in given.items():
        if isinstance(one, dict) and one.get("uri"):
            kind = str(one.get("jobOutputType") or "uri_folder")
            service, word = ("models", "model") if kind in _MODELS else ("data", "data")
            asset_id = f"{home}/{service}/azureml_{run.run_id}_output_{word}_{name}/versions/1"
            found[name] = {"assetId": asset_id, "type": _MODELS.get(kind, kind)}
    return found


@routes.route("POST", f"/data/v1.0{scope.WORKSPACE}/dataversion/batchGetResolvedUris")
def resolved(world: World, request: web.Request) -> web.Response:
    """`{"values":[ids]}` to `{"values":{id:{"uri","type"}}}`; ids that are unknown are left out."""
    return web.answer({"values": {name: {"uri": uri, "type": kind} for name, uri, kind in _known(world, request)}})


@routes.route("POST", f"/modelregistry/v1.0{scope.WORKSPACE}/models/batchGetResolvedUris")
def resolved_models(world: World, request: web.Request) -> web.Response:
    """The same for outputs that are models, under other names."""
    found = {name: {"path": uri, "type": _MODELS.get(kind, kind)} for name, uri, kind in _known(world, request)}
    return web.answer({"values": found})


def _known(world: World, request: web.Request) -> Iterator[tuple[str, str, str]]:
    """Of the ids that are asked for: id, URI in its long form, type."""
    owner = scope.workspace(world, request)
    for asset_id in sorted(scope.names(request, "values")):
        match = _OUTPUT.fullmatch(asset_id)
        run = world.runs.get(owner.id, match[1]) if match else None
        one = (run.definition.get("outputs") or {}).get(match[2]) if run and match else None
        if isinstance(one, dict) and one.get("uri"):
            yield asset_id, _long(owner, str(one["uri"])), str(one.get("jobOutputType") or "uri_folder")


def _long(owner: Resource, uri: str) -> str:
    """A datastore's URI with its workspace in front; what lies among a run's artifacts is in the datastore for these."""
    if artifact := _ARTIFACT.fullmatch(uri):
        uri = f"azureml://datastores/workspaceartifactstore/paths/ExperimentRun/dcid.{artifact[1]}/{artifact[2]}"
    if not uri.lower().startswith("azureml://datastores/"):
        return uri
    _, _, subscription, _, group, *_ = owner.id.split("/")
    return f"azureml://subscriptions/{subscription}/resourcegroups/{group}/workspaces/{owner.name}/{uri[10:]}"
