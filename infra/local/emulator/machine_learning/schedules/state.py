"""Schedules by the clock: what is due starts, and each start is recorded."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from infra.local.emulator import web
from infra.local.emulator.machine_learning import scope
from infra.local.emulator.machine_learning.jobs import resources as jobs
from infra.local.emulator.machine_learning.schedules import triggers
from infra.local.emulator.runner import outcomes
from infra.local.emulator.runs import Run, RunExistsError

if TYPE_CHECKING:
    from datetime import datetime

    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World


TYPE = f"{scope.NAMESPACE}/workspaces/schedules"
ACTIONS = ("CreateJob", "InvokeBatchEndpoint", "CreateMonitor", "ImportData")
_MOST_MISSED, _LONGEST_MISSED = 10, timedelta(days=31)
_LOG = logging.getLogger("emulator.schedules")


def start_what_is_due(world: World) -> None:
    """Called again and again by the jobs backend, without the world's lock."""
    with world.lock:
        now = world.now()
        for found in [one for one in world.resources.of_type(TYPE.lower()) if "trigger" in one.hidden]:
            due: list[datetime] = []
            _skip(found, now)
            while (at := found.hidden["next"]) is not None and at <= now:
                due = [*due, at][-_MOST_MISSED:]
                found.hidden["next"] = triggers.next_after(found.hidden["trigger"], at, found.hidden["created"])
            if found.properties["isEnabled"] and found.state != "Deleting":
                for at in due:
                    _start(world, found, at)


def _skip(found: Resource, now: datetime) -> None:
    """Forget what fell due long ago: the clock was moved far on."""
    at = found.hidden["next"]
    if at is not None and at < now - _LONGEST_MISSED:
        found.hidden["next"] = triggers.next_after(found.hidden["trigger"], now - _LONGEST_MISSED, found.hidden["created"])


def _start(world: World, found: Resource, at: datetime) -> None:
    workspace = world.resources.get(found.id.rpartition("/schedules/")[0])
    try:
        if workspace is not None:
            fire(world, workspace, found, f"{found.name}-{at:%Y%m%dT%H%M%SZ}", found.body["systemData"]["createdBy"])
    except (web.Refused, RunExistsError) as refused:  # what it refers to is gone; the next time it may be there again
        _LOG.warning("schedule %s at %s: %s", found.name, at, refused)


def fire(world: World, workspace: Resource, found: Resource, name: str, by: str) -> Run:
    """Start what the schedule is for; monitors and imports are only recorded.

    Raises:
        web.Refused: 400, the job cannot be started.
    """
    action = found.properties["action"]
    kind = scope.one_of(str(action.get("actionType") or ""), ACTIONS, "actionType")
    if kind != "CreateJob":
        return _record(world, workspace, found, name, by, kind)
    definition = action.get("jobDefinition")
    if not isinstance(definition, dict):
        raise scope.invalid(f"The schedule {found.name} has no jobDefinition.", "ValidationError")
    if source := scope.text_of(definition, "sourceJobId"):
        earlier = world.runs.get(workspace.id, source.rstrip("/").rpartition("/")[2])
        if earlier is None:
            raise scope.invalid(f"The job '{source}' was not found.", "JobNotFound")
        definition = {**earlier.definition, **{key: one for key, one in definition.items() if one and key != "sourceJobId"}}
    own = {"displayName": name, "properties": {**(definition.get("properties") or {}), jobs.SCHEDULE_PROPERTY: found.name}}
    return jobs.start(world, by, workspace, name, {**definition, **own})


def _record(world: World, workspace: Resource, found: Resource, name: str, by: str, kind: str) -> Run:
    """A run without steps: Completed for a monitor or an import, Failed for an invocation, whose form is not published."""
    run = Run(
        run_id=name,
        workspace_id=workspace.id.lower(),
        experiment=found.name,
        created_at=world.now(),
        kind="Pipeline",
        display_name=name,
        description=f"{kind} of the schedule {found.name}: recorded by the local Azure, not carried out.",
        created_by=by,
        properties={jobs.SCHEDULE_PROPERTY: found.name},
        definition={"jobType": "Pipeline", "jobs": {}},
    )
    world.runs.create(run)
    text = "The local Azure does not invoke batch endpoints by schedules."
    failed = kind == "InvokeBatchEndpoint"
    world.runs.update(run.workspace_id, name, status="Running")
    error = outcomes.error("UserError", "ActionNotSupported", text) if failed else None
    world.runs.update(run.workspace_id, name, status="Failed" if failed else "Completed", error=error)
    return run
