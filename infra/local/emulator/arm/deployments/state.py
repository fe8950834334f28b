"""A template deployment on its way: each resource is a PUT, after what it depends on."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from infra.local.emulator.arm.deployments import expressions, templates
from infra.local.emulator.operations import OperationFailedError
from infra.local.emulator.resources import Resource, type_of

if TYPE_CHECKING:
    from infra.local.emulator.world import World


_ENDED = frozenset({"Succeeded", "Failed", "Canceled"})


def advance(world: World, plan: templates.Plan) -> bool:
    """Do what can be done now; whether nothing is left to wait for."""
    moved = True
    while moved:
        moved = False
        open_names = {name for part in plan.parts if part.state in {"Waiting", "Running"} for name in templates.known_as(part.id)}
        for part in plan.parts:
            if part.state == "Running":
                _look(world, part)
                moved = moved or part.state in _ENDED
            elif part.state == "Waiting" and not part.needs & (open_names - templates.known_as(part.id)):
                _submit(world, plan, part)
                moved = True
        if any(part.state == "Failed" for part in plan.parts):
            return all(part.state != "Running" for part in plan.parts)
    return all(part.state in _ENDED for part in plan.parts)


def _submit(world: World, plan: templates.Plan, part: templates.Part) -> None:
    try:
        body = templates.body_of(part)
    except expressions.TemplateError as error:
        part.state, part.error = "Failed", {"code": "InvalidTemplate", "message": str(error)}
        return
    version = body.pop("apiVersion", "")
    world.register(part.id, type_of(part.id).partition("/")[0], "Registered")  # what it needs, as ARM does
    request = replace(
        plan.request,
        method="PUT",
        path=part.id,
        query={"api-version": str(version)},
        raw_query=f"api-version={version}",
        body=json.dumps(body).encode(),
        id=str(uuid.uuid4()),
        operation_error=None,
    )
    answer = request.service.handle(world, request)
    if answer.status >= 400:
        part.state, part.error = "Failed", json.loads(answer.body or b"{}").get("error") or {"code": str(answer.status)}
        return
    part.state = "Running"
    _look(world, part)


def _look(world: World, part: templates.Part) -> None:
    world.operations.look(part.id)
    found = world.resources.get(part.id)
    if world.operations.running(part.id):
        return
    ended = [one for one in world.operations.all() if one.target.lower() == part.id.lower() and one.error]
    failed = found.state == "Failed" if found is not None else bool(ended)  # role assignments are kept elsewhere
    part.state = "Failed" if failed else "Succeeded"
    if failed:
        part.error = ended[-1].error if ended else {"code": "ResourceDeploymentFailure", "message": f"{part.id} failed."}


def finish(world: World, made: Resource, plan: templates.Plan) -> dict[str, Any]:
    """The deployment's outputs, once every resource is there.

    Raises:
        OperationFailedError: a resource failed, or an output cannot be evaluated.
    """
    details = [part.error for part in plan.parts if part.error]
    if details:
        text = (
            "At least one resource deployment operation failed. Please list deployment operations for details. Please see "
            "https://aka.ms/arm-deployment-operations for usage details."
        )
        raise OperationFailedError({"code": "DeploymentFailed", "message": text, "details": details})
    try:
        made.properties["outputs"] = {
            name: {"type": one.get("type"), "value": expressions.evaluated(one.get("value"), plan.functions)}
            for name, one in plan.outputs.items()
        }
    except expressions.TemplateError as error:
        raise OperationFailedError({"code": "DeploymentOutputEvaluationFailed", "message": str(error)}) from None
    made.properties.update(
        provisioningState="Succeeded", duration=duration(world, made), outputResources=[{"id": part.id} for part in plan.parts]
    )
    return made.body


def duration(world: World, made: Resource) -> str:
    """How long the deployment has run."""
    return f"PT{(world.now() - made.hidden['began']).total_seconds():.7f}S"
