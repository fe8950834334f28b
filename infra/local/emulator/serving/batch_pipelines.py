"""Invokes batch deployments of pipeline components: the call's inputs and outputs become those of a pipeline job.

Not here: deployments of models (`batch.py`), running a pipeline (`runner/pipeline.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.emulator.dataplane import scope
from infra.local.emulator.machine_learning.jobs import resources as jobs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.emulator import web
    from infra.local.emulator.resources import Resource
    from infra.local.emulator.runs import Run
    from infra.local.emulator.world import World

_KINDS = {
    "urifolder": "uri_folder",
    "urifile": "uri_file",
    "mltable": "mltable",
    "mlflowmodel": "mlflow_model",
    "custommodel": "custom_model",
}


def component_of(deployment: Resource) -> str:
    """The id of the pipeline component that a deployment runs; empty for a deployment of a model."""
    configuration = deployment.properties.get("deploymentConfiguration") or {}
    return str((configuration.get("componentId") or {}).get("assetId") or "") if isinstance(configuration, dict) else ""


def start(
    world: World, request: web.Request, workspace: Resource, deployment: Resource, name: str, by: str, marks: Mapping[str, str]
) -> Run:
    """Start the pipeline of a deployment with what a call gives.

    Args:
        world: the state.
        request: `{"properties":{"InputData","OutputData"}}`.
        workspace: where it runs.
        deployment: of a pipeline component.
        name: the job's.
        by: who calls.
        marks: properties that name the job's endpoint and deployment.

    Raises:
        web.Refused: 400, with what is wrong.
    """
    asked = scope.mapping(request, scope.body(request), "properties")
    configuration = deployment.properties["deploymentConfiguration"]
    body = {
        "jobType": "Pipeline",
        "experimentName": str(scope.field(asked, "ExperimentName") or deployment.id.split("/")[-3]),
        "componentId": component_of(deployment),
        "settings": configuration.get("settings") or {},
        "tags": configuration.get("tags") or {},
        "properties": dict(marks),
        "inputs": {key: _input(request, one) for key, one in scope.mapping(request, asked, "InputData").items()},
        "outputs": {key: _output(request, one) for key, one in scope.mapping(request, asked, "OutputData").items()},
    }
    with world.lock:
        return jobs.start(world, by, workspace, name, body)


def _input(request: web.Request, given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise scope.bad(request, "An input of the invocation is no object.", "InvalidInputData")
    uri, value = scope.text(request, given, "Uri"), scope.field(given, "Value")
    if uri:
        kind = str(scope.field(given, "JobInputType") or "").replace("_", "").lower()
        return {"jobInputType": _KINDS.get(kind, "uri_folder"), "uri": uri}
    if value is None:
        raise scope.bad(request, "An input of the invocation has neither a Uri nor a Value.", "InvalidInputData")
    return {"jobInputType": "literal", "value": str(value)}


def _output(request: web.Request, given: Any) -> dict[str, Any]:
    found = given if isinstance(given, dict) else {}
    kind = str(scope.field(found, "JobOutputType") or "").replace("_", "").lower()
    uri = scope.text(request, found, "Uri")
    return {"jobOutputType": _KINDS.get(kind, "uri_folder"), **({"uri": uri} if uri else {})}
