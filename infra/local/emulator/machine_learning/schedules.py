"""Schedules: created, enabled, disabled, deleted; a job starts by one when it is triggered by hand, never by the clock."""

from __future__ import annotations

import uuid
from functools import partial
from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.arm import gateway, lists
from infra.local.emulator.machine_learning import jobs, scope, statuses
from infra.local.emulator.resources import Resource

if TYPE_CHECKING:
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
TYPE = f"{scope.NAMESPACE}/workspaces/schedules"
SCHEDULE = f"{scope.WORKSPACE}/schedules/{{schedule}}"
_TRIGGERS = ("Cron", "Recurrence")
_ACTIONS = ("CreateJob", "InvokeBatchEndpoint", "CreateMonitor")


def _existing(world: World, request: web.Request) -> Resource:
    workspace = scope.workspace(world, request, "schedules")
    found = world.resources.get(f"{workspace.id}/schedules/{request.params['schedule']}")
    if found is None:
        raise scope.missing("Schedule", request.params["schedule"])
    return found


@routes.route("GET", f"{scope.WORKSPACE}/schedules")
def list_all(world: World, request: web.Request) -> web.Response:
    """The schedules; `listViewType` EnabledOnly (default), DisabledOnly, All."""
    workspace = scope.workspace(world, request, "schedules")
    view = request.query.get("listviewtype", "EnabledOnly").lower()
    found = world.resources.children(workspace.id, "schedules")
    if view != "all":
        found = [item for item in found if bool(item.properties["isEnabled"]) is (view == "enabledonly")]
    return lists.page(world, request, [item.body for item in found])


@routes.route("GET", SCHEDULE)
def get(world: World, request: web.Request) -> web.Response:
    """One schedule."""
    return web.answer(_existing(world, request).body)


@routes.route("PUT", SCHEDULE)
def put(world: World, request: web.Request) -> web.Response:
    """201 with Location = the resource and Azure-AsyncOperation."""
    workspace, properties = scope.workspace(world, request, "schedules"), scope.properties_of(gateway.body_object(request))
    trigger, action = properties.get("trigger"), properties.get("action")
    if not isinstance(trigger, dict) or not isinstance(action, dict):
        raise scope.invalid("A schedule needs a trigger and an action.", "ValidationError")
    scope.one_of(str(trigger.get("triggerType") or ""), _TRIGGERS, "triggerType")
    scope.one_of(str(action.get("actionType") or ""), _ACTIONS, "actionType")
    arm_id = f"{workspace.id}/schedules/{request.params['schedule']}"
    found = world.resources.get(arm_id)
    if found is not None and world.operations.running(arm_id):
        raise scope.conflict(found.name, found.state)
    defaults: dict[str, Any] = {
        "description": None,
        "tags": {},
        "properties": {},
        "displayName": request.params["schedule"],
        "isEnabled": True,
    }
    body = {
        "id": arm_id,
        "name": request.params["schedule"],
        "type": TYPE,
        "properties": {**defaults, **properties, "provisioningState": "Updating" if found else "Creating"},
        "systemData": dict(found.body["systemData"]) if found else {},
    }
    made = world.resources.put(Resource(id=arm_id, body=body))
    made.touched(world.now(), scope.caller(request))

    def done() -> None:
        made.properties["provisioningState"] = "Succeeded"

    operation = statuses.begin(world, request, made, kind="schedule", prefix="s", finish=done, workspace=workspace, verb="Creating")
    headers = statuses.frontend_headers(world, operation, resource_url=scope.resource_url(request, arm_id))
    return web.answer(made.body, status=201, headers=headers)


@routes.route("DELETE", SCHEDULE)
def delete(world: World, request: web.Request) -> web.Response:
    """202 `null`; an enabled schedule is accepted and fails in the operation."""
    workspace, found = scope.workspace(world, request, "schedules"), _existing(world, request)
    error = None
    if found.properties["isEnabled"]:
        text = f"The schedule {found.name} is enabled. Disable it (isEnabled: false) before it is deleted."
        error = web.frontend_error_body("UserError", text, inner=("BadArgument", "ActiveSchedule"), component="managementfrontend")
    else:
        found.properties["provisioningState"] = "Deleting"
    operation = statuses.begin(
        world,
        request,
        found,
        kind="schedule",
        prefix="s",
        finish=partial(_deleted, world, found),
        failed=lambda _error: None,
        error=error,
        workspace=workspace,
        verb="Deleting",
    )
    return web.answer(None, status=202, headers=statuses.frontend_headers(world, operation))


@routes.route("POST", f"{SCHEDULE}/trigger")
def trigger(world: World, request: web.Request) -> web.Response:
    """What the clock would do, once and now: the job of a CreateJob action really starts."""
    workspace, found = scope.workspace(world, request, "schedules"), _existing(world, request)
    action = found.properties.get("action") or {}
    definition = action.get("jobDefinition")
    if action.get("actionType") != "CreateJob" or not isinstance(definition, dict):
        text = f"The local Azure starts only jobs by a schedule; the action of {found.name} is {action.get('actionType')}."
        raise scope.invalid(text, "ActionNotSupported")
    run = jobs.start(world, request, workspace, f"{found.name}-{uuid.uuid4().hex[:12]}", definition)
    return web.answer({"scheduleActionType": "CreateJob", "submissionId": run.run_id})


def _deleted(world: World, found: Resource) -> None:
    world.resources.delete(found.id)
