"""Schedules: created, enabled, disabled, deleted; what is due starts by the local Azure's clock, or by hand.

A job that a schedule starts is called `SCHEDULE-YYYYMMDDThhmmssZ`, as Azure calls it. What fell due while the clock was moved
on is started afterwards, the newest few. Not here: when that is (`triggers.py`).
"""

from __future__ import annotations

import uuid
from functools import partial
from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.arm import gateway, lists, writes
from infra.local.emulator.machine_learning import scope, statuses
from infra.local.emulator.machine_learning.schedules import state, triggers
from infra.local.emulator.resources import Resource

if TYPE_CHECKING:
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
SCHEDULE = f"{scope.WORKSPACE}/schedules/{{schedule}}"
_TRIGGERS = ("Cron", "Recurrence")
_WINDOWS = ("Fixed", "Static", "Rolling", "Trailing")
# Discriminators that only some api-versions have, by Microsoft's generated types of each; a later version refuses them.
_ONLY_IN = {
    "ImportData": ("2023-04-01-preview", "2023-06-01-preview", "2023-08-01-preview", "2024-01-01-preview", "2024-04-01-preview"),
    "Trailing": ("2023-06-01-preview",),
}


def _existing(world: World, request: web.Request) -> Resource:
    workspace = scope.workspace(world, request, "schedules")
    found = world.resources.get(f"{workspace.id}/schedules/{request.params['schedule']}")
    if found is None:
        raise scope.missing("Schedule", request.params["schedule"])
    return found


def known_to(version: str, values: tuple[str, ...]) -> tuple[str, ...]:
    """The values that an api-version has."""
    return tuple(value for value in values if version in _ONLY_IN.get(value, (version,)))


def _windows(value: Any) -> list[str]:
    """What a monitor's inputs say of their time windows, wherever they stand."""
    if isinstance(value, list):
        return [window for each in value for window in _windows(each)]
    if not isinstance(value, dict):
        return []
    own = [str(value["inputDataType"])] if "inputDataType" in value else []
    return own + [window for each in value.values() for window in _windows(each)]


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
    version = request.query["api-version"]
    scope.one_of(str(action.get("actionType") or ""), known_to(version, state.ACTIONS), "actionType")
    for window in _windows(action):
        scope.one_of(window, known_to(version, _WINDOWS), "inputDataType")
    try:
        when = triggers.read(trigger)
    except triggers.BadTriggerError as error:
        raise scope.invalid(str(error), "InvalidTrigger") from None
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
        "type": state.TYPE,
        "properties": {
            **defaults,
            **writes.left_out(world, found, properties),
            **properties,
            "provisioningState": "Updating" if found else "Creating",
        },
        "systemData": dict(found.body["systemData"]) if found else {},
    }
    created = found.hidden.get("created", world.now()) if found else world.now()
    hidden = {"created": created, "trigger": when, "next": triggers.next_after(when, world.now(), created)}
    made = world.resources.put(Resource(id=arm_id, body=body, hidden=hidden))
    made.touched(world.now(), scope.caller(request))
    world.looks["schedules"] = partial(state.start_what_is_due, world)

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
    """What the clock would do at `scheduleTime`, once and now."""
    workspace, found = scope.workspace(world, request, "schedules"), _existing(world, request)
    if not scope.text_of(gateway.body_object(request), "scheduleTime"):
        raise scope.invalid("The field scheduleTime is required.", "ValidationError")
    run = state.fire(world, workspace, found, f"{found.name}-{uuid.uuid4().hex[:12]}", scope.caller(request))
    return web.answer({"scheduleActionType": found.properties["action"]["actionType"], "submissionId": run.run_id})


# ── by the clock ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _deleted(world: World, found: Resource) -> None:
    world.resources.delete(found.id)
