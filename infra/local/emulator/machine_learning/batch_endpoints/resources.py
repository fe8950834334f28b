"""Batch endpoints and their deployments as resources. Nothing here starts a batch job."""

from __future__ import annotations

import json
import re
import secrets
from functools import partial
from typing import TYPE_CHECKING, Any

from infra.local.emulator import clouds, web
from infra.local.emulator.arm import gateway, lists, refusals, writes
from infra.local.emulator.machine_learning import access, references, scope, statuses
from infra.local.emulator.machine_learning.batch_endpoints import state
from infra.local.emulator.machine_learning.jobs import command as command_jobs
from infra.local.emulator.machine_learning.quotas import refusals as counts
from infra.local.emulator.resources import Resource, merge_patch

if TYPE_CHECKING:
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
ENDPOINT = f"{scope.WORKSPACE}/batchEndpoints/{{endpoint}}"
DEPLOYMENT = f"{ENDPOINT}/deployments/{{deployment}}"
_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]{1,30}[a-zA-Z0-9]")


def _endpoint_id(world: World, request: web.Request) -> str:
    return f"{scope.workspace(world, request, 'batchEndpoints').id}/batchEndpoints/{request.params['endpoint']}"


def _existing(world: World, request: web.Request) -> Resource:
    """The endpoint or deployment in the path."""
    arm_id, nested = _endpoint_id(world, request), "deployment" in request.params
    if nested and world.resources.get(arm_id) is None:
        raise refusals.parent_not_found("workspaces/batchEndpoints/deployments", arm_id, verb="read")
    found = world.resources.get(f"{arm_id}/deployments/{request.params['deployment']}" if nested else arm_id)
    if found is None:
        names = f"{request.params['workspace']}/{request.params['endpoint']}" + (
            f"/{request.params['deployment']}" if nested else ""
        )
        raise scope.endpoint_missing(world, f"{state.TYPE}/deployments" if nested else state.TYPE, names, request.params["group"])
    return found


@routes.route("GET", ENDPOINT)
@routes.route("GET", DEPLOYMENT)
def get(world: World, request: web.Request) -> web.Response:
    """One endpoint or deployment."""
    return web.answer(_existing(world, request).body)


@routes.route("GET", f"{scope.WORKSPACE}/batchEndpoints")
def list_all(world: World, request: web.Request) -> web.Response:
    """The batch endpoints."""
    workspace = scope.workspace(world, request, "batchEndpoints")
    return lists.page(world, request, [found.body for found in world.resources.children(workspace.id, "batchEndpoints")])


@routes.route("GET", f"{ENDPOINT}/deployments")
def list_deployments(world: World, request: web.Request) -> web.Response:
    """The deployments of a batch endpoint."""
    return lists.page(
        world, request, [found.body for found in world.resources.children(_existing(world, request).id, "deployments")]
    )


@routes.route("PUT", ENDPOINT)
def put(world: World, request: web.Request) -> web.Response:
    """201; Location = the resource."""
    workspace, body = scope.workspace(world, request, "batchEndpoints"), gateway.body_object(request)
    properties, name = scope.properties_of(body), request.params["endpoint"]
    if not _NAME.fullmatch(name):
        raise scope.invalid(f"The endpoint name '{name}' is invalid.", "InvalidEndpointName")
    if not body.get("location"):
        raise refusals.location_required()
    if body.get("tags"):
        _check_tags(body["tags"])
    arm_id, region = _endpoint_id(world, request), scope.location(workspace)
    found = world.resources.get(arm_id)
    if found is None:
        counts.check_endpoints(world, region)
    wanted = str((properties.get("defaults") or {}).get("deploymentName") or "")
    if wanted and world.resources.get(f"{arm_id}/deployments/{wanted}") is None:
        raise scope.invalid(f"The default deployment '{wanted}' does not exist.", "DeploymentNotFound")
    host = f"{name.lower()}.{region}.{clouds.sibling(request.host, 'inference')}"
    given = {
        "description": None,
        "defaults": {"deploymentName": None},
        **writes.left_out(world, found, properties),
        **properties,
        **({"defaults": {"deploymentName": None}} if not properties.get("defaults") and not found else {}),
        "authMode": "AADToken",
        "scoringUri": f"https://{host}/jobs",
        "swaggerUri": None,
    }
    keys = found.secrets if found else {key: secrets.token_urlsafe(24) for key in access.KEY_NAMES}
    return _write(world, request, workspace, arm_id, state.TYPE, {**body, "properties": given}, "be", keys)


@routes.route("PUT", DEPLOYMENT)
def put_deployment(world: World, request: web.Request) -> web.Response:
    """201; Location = the resource."""
    workspace, body = scope.workspace(world, request, "batchEndpoints"), gateway.body_object(request)
    properties, endpoint_id = dict(scope.properties_of(body)), _endpoint_id(world, request)
    if world.resources.get(endpoint_id) is None:
        raise refusals.parent_not_found("workspaces/batchEndpoints/deployments", endpoint_id, verb="write")
    if not body.get("location"):
        raise refusals.location_required()
    model = properties.get("model")
    named = str((model or {}).get("assetId") or "") if isinstance(model, dict) else str(model or "")
    if named:
        references.asset(world, workspace, "models", named, "Model")
    configuration = properties.get("deploymentConfiguration") or {}
    if isinstance(configuration, dict) and configuration.get("deploymentConfigurationType") == "PipelineComponent":
        component = command_jobs.objects(configuration, "componentId").get("assetId")
        references.asset(world, workspace, "components", str(component or ""), "Component")
        command_jobs.objects(configuration, "settings")
        command_jobs.objects(configuration, "tags")
    if compute := scope.text_of(properties, "compute"):
        references.compute(world, workspace, compute)
    if environment := scope.text_of(properties, "environmentId"):
        references.environment(world, workspace, environment)
    arm_id = f"{endpoint_id}/deployments/{request.params['deployment']}"
    found = world.resources.get(arm_id)
    if found is None:
        counts.check_deployments(world, scope.location(workspace), endpoint_id)
    defaults = {} if configuration else state.deployment_defaults()
    properties = {**defaults, **writes.left_out(world, found, properties), **properties}
    return _write(world, request, workspace, arm_id, f"{state.TYPE}/deployments", {**body, "properties": properties}, "bd", {})


def _check_tags(tags: Any) -> None:
    said = {"ErrorMessage": "Tag values must not be null or empty.", "AttemptedValue": "", "ErrorCode": "PredicateValidator"}
    values = list(tags.values()) if isinstance(tags, dict) else []
    if wrong := [{"PropertyName": f"Tags.Values[{number}]", **said} for number, value in enumerate(values) if not value]:
        text = (
            "The Endpoint request provided has the following validation errors. Please resolve them and try again. "
            f"Errors: {json.dumps(wrong, indent=2)}"
        )
        raise scope.refused(400, "UserError", text)


def _write(  # noqa: PLR0913, PLR0917 - one step of both
    world: World,
    request: web.Request,
    workspace: Resource,
    arm_id: str,
    kind: str,
    body: dict[str, Any],
    prefix: str,
    keys: dict[str, Any],
) -> web.Response:
    found = world.resources.get(arm_id)
    if found is not None and world.operations.running(arm_id):
        raise scope.conflict(found.name, found.state)
    whole = {
        "id": arm_id,
        "name": arm_id.rpartition("/")[2],
        "type": kind,
        "location": scope.location(workspace),
        "tags": writes.kept_whole(world, found, body, "tags") or {},
        "identity": writes.kept_whole(world, found, body, "identity"),
        "properties": {**body["properties"], "provisioningState": "Updating" if found else "Creating"},
        "systemData": dict(found.body["systemData"]) if found else {},
    }
    made = world.resources.put(Resource(id=arm_id, body=whole, secrets=keys))
    made.touched(world.now(), scope.caller(request))

    def done() -> None:
        made.properties["provisioningState"] = "Succeeded"

    newer = request.query["api-version"] >= statuses.NEW_STYLES_SINCE
    operation = statuses.begin(
        world,
        request,
        made,
        kind="batchDeployment" if prefix == "bd" else "batchEndpoint",
        prefix={"be": "bebes", "bd": "bdbes"}[prefix] if newer else prefix,
        finish=done,
        workspace=workspace,
    )
    made.properties["properties"] = {
        **(made.properties.get("properties") or {}),
        "AzureAsyncOperationUri": statuses.status_url(world, operation),
    }
    headers = statuses.frontend_headers(world, operation, resource_url=scope.resource_url(request, arm_id))
    return web.answer(made.body, status=201, headers=headers)


@routes.route("PATCH", ENDPOINT)
@routes.route("PATCH", DEPLOYMENT)
def patch(world: World, request: web.Request) -> web.Response:
    """Change what is given: 200, at once."""
    found, body = _existing(world, request), gateway.body_object(request)
    if "deployment" not in request.params:  # null takes a tag away
        _check_tags({name: value for name, value in (body.get("tags") or {}).items() if value is not None})
    found.body = merge_patch(found.body, writes.patch_of(found.type, body))
    found.touched(world.now(), scope.caller(request))
    return web.answer(found.body)


@routes.route("DELETE", ENDPOINT)
@routes.route("DELETE", DEPLOYMENT)
def delete(world: World, request: web.Request) -> web.Response:
    """202 `null` (empty in the newer style)."""
    workspace, found = scope.workspace(world, request, "batchEndpoints"), _existing(world, request)
    nested = "deployment" in request.params
    found.properties["provisioningState"] = "Deleting"
    newer = request.query["api-version"] >= statuses.NEW_STYLES_SINCE
    prefix = "bd" if nested else "be"
    operation = statuses.begin(
        world,
        request,
        found,
        kind="batchDeployment.delete" if nested else "batchEndpoint.delete",
        prefix={"be": "bebes", "bd": "bdbes"}[prefix] if newer else prefix,
        finish=partial(_deleted, world, found),
        workspace=workspace,
    )
    headers = statuses.frontend_headers(world, operation)
    return web.empty(202, headers) if newer else web.answer(None, status=202, headers=headers)


def _deleted(world: World, found: Resource) -> None:
    world.resources.delete(found.id)


@routes.route("POST", f"{ENDPOINT}/listkeys")
def list_keys(world: World, request: web.Request) -> web.Response:
    """Batch endpoints are opened by Entra ID tokens; the keys are there all the same."""
    found = _existing(world, request)
    return web.answer({name: found.secrets[name] for name in access.KEY_NAMES})
