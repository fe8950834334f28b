"""The request that carries out a step: which verb, which body, under which key. Pure.

Each becomes an operation like a caller's own; its key makes a second submission of the same act the same operation. What a
body holds besides the one change is what Azure itself answered right before. Not here: whether to act (marks, judge), when (runs).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from shared.catalog import bodies, kinds, paths
from shared.cleanup.policy import targets
from shared.cleanup.verdict import marks
from shared.operations import acceptance, models
from shared.rest import errors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from shared.cleanup.policy.model import Judged, Policy
    from shared.cleanup.verdict.marks import Step
    from shared.rest.ids import ResourceId

# What a PUT must not repeat: Azure's own notes in the body of an asset
ASSET_NOTES = ("provisioningState", "environmentType", "autoRebuild")
DONE: dict[str, str] = {
    "notify": "notified", "tag": "tagged", "stop": "stopped", "scaleToZero": "scaled to zero",
    "setIdleShutdown": "idle shutdown set", "park": "parked", "cancel": "canceled", "archive": "archived",
    "delete": "deleted", "mark": "marked", "lift": "mark taken off",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One thing to do.

    Attributes:
        run: Name of the run; stands in the operation's caller and key.
        policy: Whose act it is.
        judged: The resource as it was read just now, and the verdict.
        step: `act`, `mark` or `lift`.
        due: What the mark says.
        attempt: Of this act; a later one is another operation.
        send_by: An operation that was not sent by then is not sent any more.
        owner: What the owner's tag says, for the notification.
    """

    run: str
    policy: Policy
    judged: Judged
    step: Step
    due: datetime | None
    attempt: int
    send_by: datetime
    owner: str = ""


def word(step: Step, action: str) -> str:
    """Return what was done, in words."""
    return DONE[action if step == "act" else step]


def operation_id(request: acceptance.Request) -> str:
    """Return the id of the operation that a request is going to be."""
    return f"{models.partition_of(request.target.id)}-{models.new_suffix(request.idempotency_key, request.caller)}"


def request(order: Order) -> acceptance.Request:
    """Return the request that carries out an order.

    Raises:
        BadRequestError: the resource is not of a kind that it can be done to.
    """
    subject, action = order.judged.subject, order.judged.verdict.action
    body = subject.body
    if order.step == "lift":
        found = _tagging(order, {marks.TAG: ""})
    elif order.step == "mark":
        due = order.due or order.send_by
        found = _tagging(order, {marks.TAG: marks.tag_value(order.policy.name, order.judged.verdict.reason, due)})
    elif action == "tag":
        name, value = order.policy.tag
        found = _tagging(order, {name: value})
    elif action == "archive":
        found = _archiving(order)
    elif action == "scaleToZero":
        scale = bodies.dig(body, "properties.properties.scaleSettings") or {}
        kept = {name: scale[name] for name in ("maxNodeCount", "nodeIdleTimeBeforeScaleDown") if scale.get(name) is not None}
        found = _request(subject.id, "PATCH", {"properties": {"properties": {"scaleSettings": {**kept, "minNodeCount": 0}}}})
    elif action == "setIdleShutdown":
        minutes = int(order.policy.idle_shutdown.total_seconds() // 60)
        found = _request(subject.id, "POST", {"idleTimeBeforeShutdown": f"PT{minutes}M"}, action="updateIdleShutdownSetting")
    elif action in ("stop", "cancel", "park"):
        found = _request(subject.id, "POST", None, action=action)
    else:
        found = _request(subject.id, "DELETE", None)
    return replace(
        found,
        idempotency_key=f"{order.run} {order.policy.name} {order.step} {subject.id.key} {order.attempt}",
        caller=f"cleanup:{order.run}",
        why=_why(order),
        send_by=order.send_by,
    )


def _why(order: Order) -> str:
    """Return what the operation's time line says of it: whom the policy wants to hear of it, and the reason."""
    told = order.policy.notify
    owner = order.owner or "no owner"
    whom = (
        f"; to notify: {owner} (tag {told['ownerTag']})" if told.get("ownerTag") else f"; to notify: {dict(told)}" if told else ""
    )
    return f"policy {order.policy.name}{whom}; {order.judged.verdict.reason}"


def _request(resource: ResourceId, method: str, body: Any, *, action: str = "") -> acceptance.Request:
    kind = kinds.by_type()["arm", resource.namespace.lower(), "/".join(resource.types).lower()]
    row = kind.action(action) if action else None
    if action and row is None:
        raise errors.BadRequestError("ActionUnknown", f"{kind.full_type} has no action {action}.", target=resource.path)
    return acceptance.Request(
        target=paths.Target(kind=kind, id=resource, action=row),
        method=method,
        query=kind.delete_query if method == "DELETE" else "",
        body=body,
    )


def _run_request(resource: ResourceId, body: Mapping[str, Any], change: dict[str, Any]) -> acceptance.Request:
    """Change a job through its run (docs/protocol.md §5.5): run history merges, for every type of job."""
    experiment = str(bodies.dig(body, "properties.experimentName") or "")
    if not experiment:
        raise errors.BadRequestError("NoExperiment", "The job has no experiment, so its run cannot be found.", target=resource.path)
    named = resource.ancestor(1).child("experiments", experiment).child("runs", resource.name)
    kind = kinds.by_type()["history", kinds.ML.lower(), "/".join(named.types).lower()]
    return acceptance.Request(target=paths.Target(kind=kind, id=named), method="PATCH", body=change)


def _tagging(order: Order, change: dict[str, str]) -> acceptance.Request:
    """Write tags where the kind has them; '' takes one off (where a PATCH may merge, it stays as an empty one)."""
    subject, body = order.judged.subject, order.judged.subject.body
    row = targets.TARGETS[subject.target]
    lowered = {name.lower() for name in change}
    kept = {name: value for name, value in marks.tags_of(subject.target, body).items() if name.lower() not in lowered}
    whole = {**kept, **{name: value for name, value in change.items() if value}}
    if row.taggable == "runHistory":
        return _run_request(subject.id, body, {"tags": change})
    if row.taggable == "properties.tags":
        return _request(subject.id, "PUT", _asset_body(body, {"tags": whole}))
    if row.taggable == "tags" and row.type != "workspaces/computes":  # whose PATCH takes scaleSettings only
        return _request(subject.id, "PATCH", {"tags": {**kept, **change}})
    raise errors.BadRequestError("NotTaggable", f"A {row.name} cannot be tagged.", target=subject.id.path)


def _archiving(order: Order) -> acceptance.Request:
    subject = order.judged.subject
    if subject.target == "job":
        return _run_request(subject.id, subject.body, {"hidden": True})
    return _request(subject.id, "PUT", _asset_body(subject.body, {"isArchived": True}))


def _asset_body(body: Mapping[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """Return the PUT of an asset's version that changes only that: a PUT replaces, as the SDK's archive does it."""
    properties = {name: value for name, value in (body.get("properties") or {}).items() if name not in ASSET_NOTES}
    return {"properties": {**copy.deepcopy(properties), **change}}
