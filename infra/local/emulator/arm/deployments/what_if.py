"""What a deployment would change, as `whatIf` answers: each resource of the template compared with what is there.

Only what the template names is compared: what a provider would fill in by itself is no change. Nested templates are
opened. Not here: the deployment itself (`resources.py`).
"""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.arm.deployments import expressions, templates
from infra.local.emulator.arm.subscriptions import resource_lists
from infra.local.emulator.operations import OperationFailedError
from infra.local.emulator.resources import Resource, merge_patch, type_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.local.emulator.world import World

_UNSUPPORTED = "The resource refers to what does not exist before the deployment: "


def result(world: World, plan: templates.Plan, properties: dict[str, Any]) -> dict[str, Any]:
    """The end of the operation: each resource with its change; in a group, also those that the template leaves alone.

    Raises:
        OperationFailedError: a nested template cannot be read.
    """
    only_ids = str((properties.get("whatIfSettings") or {}).get("resultFormat") or "").lower() == "resourceidonly"
    changes = list(_changes(world, plan))
    if "group" in plan.request.params:
        named = {str(change["resourceId"]).lower() for change in changes}
        group = templates.scope_of(plan.request.params["subscription"], plan.request.params["group"])
        left = [found for found in resource_lists.tracked(world, group) if found.id.lower() not in named]
        changes += [{"resourceId": one.id, "changeType": "Ignore", "before": one.body, "after": one.body} for one in left]
    shown = [_only_id(change) for change in changes] if only_ids else changes
    return {"status": "Succeeded", "properties": {"correlationId": str(uuid.uuid4()), "changes": shown}}


def _only_id(change: dict[str, Any]) -> dict[str, Any]:
    kind = "Deploy" if change["changeType"] in {"Modify", "NoChange"} else change["changeType"]
    return {name: one for name, one in change.items() if name not in {"before", "after", "delta"}} | {"changeType": kind}


def _changes(world: World, plan: templates.Plan) -> Iterator[dict[str, Any]]:
    for part in plan.parts:
        try:
            body = templates.body_of(part)
        except expressions.TemplateError as error:
            yield {"resourceId": part.id, "changeType": "Unsupported", "unsupportedReason": f"{_UNSUPPORTED}{error}"}
            continue
        if type_of(part.id) == templates.DEPLOYMENTS:
            yield from _changes(world, _nested(world, plan, part, body))
        else:
            yield _change(world.resources.get(part.id), part.id, body)


def _nested(world: World, plan: templates.Plan, part: templates.Part, body: dict[str, Any]) -> templates.Plan:
    parts = part.id.strip("/").split("/")
    group = {"group": parts[3]} if parts[2].lower() == "resourcegroups" else {"location": str(body.get("location") or "")}
    request = replace(plan.request, path=part.id, params={"subscription": parts[1], **group, "deployment": parts[-1]})
    try:
        return templates.plan(world, request, body.get("properties") or {})
    except web.Refused as refused:
        raise OperationFailedError(json.loads(refused.response.body)["error"]) from None


def _change(found: Resource | None, arm_id: str, body: dict[str, Any]) -> dict[str, Any]:
    if found is None:
        return {"resourceId": arm_id, "changeType": "Create", "after": {**body, "id": arm_id}}
    wanted = {name: one for name, one in body.items() if name not in {"apiVersion", "name", "type"}}
    if "location" in wanted and _region(wanted["location"]) == _region(found.body.get("location")):
        del wanted["location"]
    delta = list(_delta(found.body, wanted, ""))
    after = {**merge_patch(found.body, wanted), "apiVersion": body.get("apiVersion")}
    shown = {"resourceId": arm_id, "changeType": "Modify" if delta else "NoChange", "before": found.body, "after": after}
    return {**shown, "delta": delta} if delta else shown


def _region(value: Any) -> str:
    return str(value).lower().replace(" ", "")


def _delta(before: dict[str, Any], wanted: dict[str, Any], path: str) -> Iterator[dict[str, Any]]:
    for name, after in wanted.items():
        here, there = f"{path}.{name}".lstrip("."), before.get(name)
        if isinstance(after, dict) and isinstance(there, dict):
            yield from _delta(there, after, here)
        elif there != after:
            change = "Create" if there is None else "Delete" if after is None else "Modify"
            yield {"path": here, "propertyChangeType": change, "before": there, "after": after}
