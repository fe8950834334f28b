"""What an action needs of a resource, whatever the policy says: never something in use, never done twice; and what it saves.

Not here: the policy's own conditions (conditions), locks and operations under way (acts).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from shared.catalog import bodies
from shared.cleanup.facts import activity, inventory, survey
from shared.cleanup.facts.workspace_facts import UnknownError
from shared.cleanup.policy import targets
from shared.cleanup.verdict import condition_findings, conditions, endpoint_conditions, idle
from shared.cleanup.verdict.condition_findings import Finding
from shared.endpoints import snapshots
from shared.rest import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from shared.cleanup.facts.workspace_facts import Facts
    from shared.cleanup.policy.model import Policy, Subject

HARMLESS = frozenset({"none", "notify", "tag"})
MOVING = frozenset({"creating", "updating", "deleting", "scaling", "provisioning", "softdeleted"})
IN_A_WORKSPACE = ("computes", "onlineEndpoints", "batchEndpoints", "models", "data", "environments", "components", "jobs")
GIVEN = Finding(holds=True, text="")


def of(policy: Policy, subject: Subject, known: Facts) -> Finding:
    """Return whether a policy's action may be done to a resource.

    Raises:
        UnknownError: a fact that the action needs could not be read.
    """
    if policy.action in HARMLESS or targets.TARGETS[policy.kind].report_only:
        return GIVEN
    state = str(bodies.dig(subject.body, "properties.provisioningState") or "")
    if state.lower() in MOVING:
        return _no(f"its provisioningState is {state}")
    if policy.action == "delete":
        return _DELETE[subject.target](policy, subject, known)
    return _NEEDS[policy.action](policy, subject, known)


def ending(policy: Policy, subject: Subject, known: Facts) -> Finding:
    """Return whether the act of an expiry may be done: its deadline was set for it, so it need not be idle, but others may use it.

    Raises:
        UnknownError: a fact that the act needs could not be read.
    """
    if policy.action == "delete":
        found = _ENDS.get(subject.target)
        return found(policy, subject, known) if found else GIVEN
    return _NEEDS[policy.action](policy, subject, known)


def standing(action: str, subject: Subject, known: Facts) -> tuple[Literal["ended", "moving", ""], str]:
    """Return whether what an action leads to is so already, or cannot be said yet, because it is changing; and why.

    Raises:
        UnknownError: it could not be read.
    """
    state = str(bodies.dig(subject.body, "properties.provisioningState") or "")
    if state.lower() in MOVING:
        return "moving", f"its provisioningState is {state}"
    if action == "stop":
        state = str(bodies.dig(subject.body, "properties.properties.state") or "unknown")
        return ("" if state == "Running" else "ended" if state in ("Stopped", "Stopping") else "moving"), f"its state is {state}"
    if action == "cancel":
        state = str(bodies.dig(subject.body, "properties.status") or "unknown")
        return ("ended" if state.lower() in (*activity.TERMINAL, "cancelrequested") else ""), f"its status is {state}"
    if action == "park":
        found = _parkable(subject, known)
        return ("" if found.holds else "moving" if found.holds is None else "ended"), found.text
    return "", ""


def saves(action: str, subject: Subject, known: Facts) -> dict[str, Any]:
    """Return what acting saves in each hour: `{"vmSize", "nodes"}`, and in `more` what runs on other sizes; empty for nothing."""
    inner = bodies.dig(subject.body, "properties.properties")
    if action in ("stop", "delete", "scaleToZero") and subject.id.types[-1].lower() == "computes":
        running = bodies.dig(inner, "state") == "Running"
        instance = bodies.dig(subject.body, "properties.computeType") == idle.INSTANCE
        count = int(running) if instance else idle.nodes(inner or {})
        count = min(count, idle.least(inner or {})) if action == "scaleToZero" else count
        return _sized([(bodies.dig(inner, "vmSize"), count)])
    if action == "delete" and subject.target == "onlineDeployment":
        return _sized([_instances(subject.body)])
    if action in ("park", "delete") and subject.target == "onlineEndpoint":
        return _sized([_instances(each) for each in known.deployments(subject.id)])
    return {}


def _instances(deployment: Mapping[str, Any]) -> tuple[Any, Any]:
    return bodies.dig(deployment, "properties.instanceType"), bodies.dig(deployment, "sku.capacity")


def _sized(found: list[tuple[Any, Any]]) -> dict[str, Any]:
    by_size: dict[str, int] = {}
    for size, count in found:
        if isinstance(size, str) and isinstance(count, int) and count > 0:
            by_size[size] = by_size.get(size, 0) + count
    parts = [{"vmSize": size, "nodes": count} for size, count in by_size.items()]
    return {**parts[0], **({"more": parts[1:]} if parts[1:] else {})} if parts else {}


def _archive(policy: Policy, subject: Subject, known: Facts) -> Finding:
    if bodies.dig(subject.body, "properties.isArchived") is True:
        return _no("it is already archived")
    return _over(policy, subject, known) if subject.target == "job" else conditions.unreferenced(subject, known)


def _stop(_policy: Policy, subject: Subject, known: Facts) -> Finding:
    state = bodies.dig(subject.body, "properties.properties.state")
    if state != "Running":
        return _no(f"its state is {state or 'unknown'}", unknown=not state)
    return _without_runs(subject, known)


def _scale_to_zero(_policy: Policy, subject: Subject, _known: Facts) -> Finding:
    inner = bodies.dig(subject.body, "properties.properties")
    if not _is_own(subject) or not isinstance(inner, dict):
        return _no("only a cluster of Azure ML's own can be scaled")
    return GIVEN if idle.least(inner) else _no("its minimum is already 0 nodes")


def _set_idle_shutdown(_policy: Policy, subject: Subject, known: Facts) -> Finding:
    return conditions.find("lacksIdleShutdown", subject, True, known)  # noqa: FBT003 - the condition's argument


def _park(_policy: Policy, subject: Subject, known: Facts) -> Finding:
    found = _parkable(subject, known)
    return found if found.holds else _no(found.text)


def _parkable(subject: Subject, known: Facts) -> Finding:
    """Return whether an endpoint can be parked: unknown while one of its deployments is changing."""
    if snapshots.is_tagged(subject.body):
        return _no("it is already parked")
    there = known.deployments(subject.id)
    moving = next((each for each in there if str(bodies.dig(each, "properties.provisioningState")).lower() in MOVING), None)
    if moving:
        return _no(f"deployment {moving['name']} is {bodies.dig(moving, 'properties.provisioningState')}", unknown=True)
    return GIVEN if there else _no("it has no deployment to park")


def _cancel(_policy: Policy, subject: Subject, _known: Facts) -> Finding:
    status = str(bodies.dig(subject.body, "properties.status") or "unknown")
    if status == "unknown" or status.lower() in (*activity.TERMINAL, "cancelrequested"):
        return _no(f"its status is {status}", unknown=status == "unknown")
    return GIVEN


def _over(_policy: Policy, subject: Subject, _known: Facts) -> Finding:
    status = str(bodies.dig(subject.body, "properties.status") or "unknown")
    return GIVEN if status.lower() in activity.TERMINAL else _no(f"its status is {status}", unknown=status == "unknown")


def _gone_job(policy: Policy, subject: Subject, known: Facts) -> Finding:
    over = _over(policy, subject, known)
    return conditions.unreferenced(subject, known) if over.holds else over


def _unused_asset(_policy: Policy, subject: Subject, known: Facts) -> Finding:
    return conditions.unreferenced(subject, known)


def _gone_compute(_policy: Policy, subject: Subject, known: Facts) -> Finding:
    """Only what Azure ML made itself: deleting an attached one could take the machine behind it, too."""
    inner = bodies.dig(subject.body, "properties.properties")
    state = bodies.dig(inner, "state")
    if not _is_own(subject):
        return _no(f"an attached compute, or one of type {bodies.dig(subject.body, 'properties.computeType')}, is never deleted")
    if state in ("Running", "JobRunning", "Starting", "Restarting", "SettingUp", "UserSettingUp"):
        return _no(f"its state is {state}: it is stopped first")
    for name in ("runningNodeCount", "preparingNodeCount"):
        if count := bodies.dig(inner, f"nodeStateCounts.{name}"):
            return _no(f"its {name} is {count}")
    return _without_runs(subject, known)


def _ended_cluster(_policy: Policy, subject: Subject, known: Facts) -> Finding:
    if not _is_own(subject):
        return _no("an attached compute is never deleted")
    return _without_runs(subject, known)


def _without_runs(subject: Subject, known: Facts) -> Finding:
    runs = known.runs_on(subject.id, timedelta(hours=1))
    return _no(runs.active) if runs.active else conditions.unreferenced(subject, known)


def _gone_endpoint(policy: Policy, subject: Subject, known: Facts) -> Finding:
    there = known.deployments(subject.id)
    if there and not (subject.target == "onlineEndpoint" and "noRequests" in policy.stale_when):
        return _no(f"it has {condition_findings.count(len(there), 'deployment')}, and the policy has no condition noRequests")
    return _unnamed(subject, there, known)


def _ended_endpoint(_policy: Policy, subject: Subject, known: Facts) -> Finding:
    return _unnamed(subject, known.deployments(subject.id), known)


def _unnamed(subject: Subject, deployments: list[dict[str, Any]], known: Facts) -> Finding:
    for each in deployments:
        named = replace(subject, id=subject.id.child("deployments", str(each["name"])))
        if not (found := conditions.unreferenced(named, known)).holds:
            return replace(found, text=f"deployment {each['name']}: {found.text}")
    return GIVEN


def _gone_deployment(_policy: Policy, subject: Subject, known: Facts) -> Finding:
    if subject.target == "batchDeployment":
        default = str(bodies.dig(subject.parent, "properties.defaults.deploymentName") or "")
        if default.lower() == subject.id.name.lower():
            return _no("it is its endpoint's default deployment")
        return conditions.unreferenced(subject, known)
    part = endpoint_conditions.share(subject.parent, subject.id.name)
    if part is None:
        return _no("its endpoint's traffic is unknown", unknown=True)
    return _no(f"{part} % of the endpoint's traffic goes to it") if part else conditions.unreferenced(subject, known)


def _gone_workspace(_policy: Policy, subject: Subject, known: Facts) -> Finding:
    """Only one that failed, and that holds nothing: a change that failed leaves a workspace full of things."""
    if bodies.dig(subject.body, "properties.provisioningState") != "Failed":
        return _no("only a failed workspace can be deleted")
    try:
        there = next(_inside(subject, known), "")
    except errors.ThrottledError:
        raise
    except errors.StewardError as problem:
        raise UnknownError(f"what is in it could not be read: {problem.error.code}: {problem.error.message}") from None
    return _no(f"it has {there}") if there else GIVEN


def _ended_workspace(_policy: Policy, subject: Subject, known: Facts) -> Finding:
    if problem := known.surveys.problem_of(subject.id):
        return _no(f"what runs in it is not known: {problem}", unknown=True)
    jobs = known.surveys.by_home[survey.home_of(subject.id)].counts["jobs"]
    return _no(f"{condition_findings.count(jobs, 'job')} in it did not end yet") if jobs else GIVEN


def _inside(subject: Subject, known: Facts) -> Iterator[str]:
    if bodies.dig(subject.body, "properties.discoveryUrl"):  # without one it never came to be
        for family in IN_A_WORKSPACE:
            query = "listViewType=All" if family in ("models", "data", "environments", "components", "jobs") else ""
            yield from (f"{family} ({each['name']})" for each in inventory.listing(subject.id.child(family), known.azure, query))


def _is_own(subject: Subject) -> bool:
    kind = bodies.dig(subject.body, "properties.computeType")
    return kind in (idle.INSTANCE, idle.CLUSTER) and bodies.dig(subject.body, "properties.isAttachedCompute") is not True


def _no(text: str, *, unknown: bool = False) -> Finding:
    return Finding(holds=None if unknown else False, text=text)


_NEEDS: dict[str, Callable[[Policy, Subject, Facts], Finding]] = {
    "archive": _archive,
    "stop": _stop,
    "scaleToZero": _scale_to_zero,
    "setIdleShutdown": _set_idle_shutdown,
    "park": _park,
    "cancel": _cancel,
}
_DELETE: dict[str, Callable[[Policy, Subject, Facts], Finding]] = {
    **{name: _unused_asset for name, target in targets.TARGETS.items() if target.is_asset},
    "computeInstance": _gone_compute,
    "computeCluster": _gone_compute,
    "compute": _gone_compute,
    "onlineEndpoint": _gone_endpoint,
    "batchEndpoint": _gone_endpoint,
    "onlineDeployment": _gone_deployment,
    "batchDeployment": _gone_deployment,
    "job": _gone_job,
    "workspace": _gone_workspace,
}
_ENDS: dict[str, Callable[[Policy, Subject, Facts], Finding]] = {
    "computeCluster": _ended_cluster,
    "batchEndpoint": _ended_endpoint,
    "onlineDeployment": _gone_deployment,
    "batchDeployment": _gone_deployment,
    "workspace": _ended_workspace,
}
