"""The nodes of compute targets: who may run where, and what the compute shows of it.

A cluster scales between its minimum and maximum by the jobs that want nodes; a compute instance is one node while it
runs. The nodes stand in `resource.hidden["nodes"]` (`{"nodeId","nodeState","runId","idleSince"}`), the counts in the body.
Not here: creating, starting and deleting a compute.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from infra.local.emulator.resources import stamp
from infra.local.emulator.runner import durations

if TYPE_CHECKING:
    from datetime import datetime

    from infra.local.emulator.resources import Resource

IDLE_BEFORE_SCALE_DOWN_S = 120.0  # what Azure takes when nodeIdleTimeBeforeScaleDown is absent (PT120S in the docs)
COUNTS = ("idle", "running", "preparing", "unusable", "leaving", "preempted")


def settle(compute: Resource, now: datetime) -> None:
    """Bring a compute's nodes up to date: up to the minimum at once, down to it when idle for long enough.

    The caller holds the world's lock.
    """
    if compute.properties.get("computeType") != "AmlCompute" or compute.state != "Succeeded":
        return
    nodes: list[dict[str, Any]] = compute.hidden.setdefault("nodes", [])
    scale = _scale(compute)
    while len(nodes) < int(scale.get("minNodeCount") or 0):
        nodes.append(_node("idle", None, now))
    idle_s = durations.seconds(scale.get("nodeIdleTimeBeforeScaleDown")) or IDLE_BEFORE_SCALE_DOWN_S
    for node in [node for node in nodes if node["nodeState"] == "idle"]:
        if len(nodes) > int(scale.get("minNodeCount") or 0) and now - node["idleSince"] >= timedelta(seconds=idle_s):
            nodes.remove(node)
    _show(compute, now)


def take(compute: Resource, run_id: str, count: int, now: datetime) -> bool:
    """Occupy so many nodes for a run, new ones where the cluster may grow; False when there are not enough.

    The caller holds the world's lock.
    """
    kind = compute.properties.get("computeType")
    if kind == "ComputeInstance":
        return _take_instance(compute, run_id, now)
    if kind != "AmlCompute" or compute.state != "Succeeded":
        return kind not in {"AmlCompute", "ComputeInstance"}  # attached targets manage themselves
    settle(compute, now)
    nodes: list[dict[str, Any]] = compute.hidden["nodes"]
    free = [node for node in nodes if node["nodeState"] == "idle"]
    growth = int(_scale(compute).get("maxNodeCount") or 0) - len(nodes)
    if len(free) + growth < count:
        return False
    free += [_node("idle", None, now) for _ in range(count - len(free))]
    nodes += [node for node in free if node not in nodes]
    for node in free[:count]:
        node.update(nodeState="running", runId=run_id)
    _show(compute, now)
    return True


def release(compute: Resource, run_id: str, now: datetime) -> None:
    """The run is over: its nodes are idle from now on. The caller holds the world's lock."""
    for node in compute.hidden.get("nodes", ()):
        if node["runId"] == run_id:
            node.update(nodeState="idle", runId=None, idleSince=now)
    if compute.properties.get("computeType") == "ComputeInstance":
        if compute.hidden.get("nodes"):
            compute.hidden["nodes"].clear()
        inner = compute.properties.setdefault("properties", {})
        if inner.get("state") == "JobRunning":
            inner["state"] = "Running"
    settle(compute, now)


def _take_instance(compute: Resource, run_id: str, now: datetime) -> bool:
    inner = compute.properties.setdefault("properties", {})
    if inner.get("state") != "Running" or compute.hidden.get("nodes"):
        return False
    compute.hidden["nodes"] = [_node("running", run_id, now)]
    inner["state"] = "JobRunning"
    return True


def _scale(compute: Resource) -> dict[str, Any]:
    return dict((compute.properties.get("properties") or {}).get("scaleSettings") or {})


def _node(state: str, run_id: str | None, now: datetime) -> dict[str, Any]:
    return {"nodeId": f"tvmps_{uuid.uuid4().hex}_d", "nodeState": state, "runId": run_id, "idleSince": now}


def _show(compute: Resource, now: datetime) -> None:
    nodes = compute.hidden["nodes"]
    inner = compute.properties.setdefault("properties", {})
    counts = {f"{name}NodeCount": sum(1 for node in nodes if node["nodeState"] == name) for name in COUNTS}
    if inner.get("nodeStateCounts") == counts and inner.get("currentNodeCount") == len(nodes):
        return
    inner.update(
        currentNodeCount=len(nodes),
        targetNodeCount=len(nodes),
        nodeStateCounts=counts,
        allocationState="Steady",
        allocationStateTransitionTime=stamp(now),
    )
