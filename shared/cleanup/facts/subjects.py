"""The resources that policies look at, kind by kind, as lists show them: a page at a time, one asset's versions at a time.

Never a single GET where a list says the same. Every list is read whole or not at all (inventory). Not here: judging (judge).
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shared.catalog import bodies
from shared.cleanup.facts import activity, inventory
from shared.cleanup.policy.model import Subject
from shared.text import times

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from shared.cleanup.facts.inventory import Azure
    from shared.cleanup.facts.workspace_facts import Facts
    from shared.cleanup.policy.targets import Target
    from shared.rest import ids

ENDED_CONDITIONS = frozenset({"olderThan", "unchangedFor"})  # of jobs: they need the list of all that ever ran


def of(target: Target, workspace: ids.ResourceId, known: Facts, *, ended: bool = False) -> Iterator[Subject]:
    """Yield a workspace's resources of one kind.

    Args:
        target: The kind.
        workspace: Where.
        known: The facts of the workspace.
        ended: Of jobs, those that are over, too: ARM's list of all that ever ran.

    Raises:
        StewardError: a list could not be read completely.
    """
    if target.is_asset:
        yield from _versions(target, workspace, known)
    elif target.name == "job":
        yield from _jobs(workspace, known, ended=ended)
    elif target.container:
        yield from _deployments(target, workspace, known)
    elif target.type == "workspaces/computes":
        yield from _computes(target, workspace, known)
    else:
        for body in _rest(inventory.listing(workspace.child(target.type.rpartition("/")[2]), known.azure), known):
            resource = workspace.child(target.type.rpartition("/")[2], str(body["name"]))
            yield plain(target.name, resource, body, known)


def plain(target: str, resource: ids.ResourceId, body: Mapping[str, Any], known: Facts) -> Subject:
    """Return a resource that has no order among its siblings."""
    created = times.latest(bodies.dig(body, "systemData.createdAt"), bodies.dig(body, "properties.createdOn"))
    return Subject(id=resource, target=target, body=body, created_at=created, changed_at=known.changed_at(resource, body))


def versions(target: str, asset: ids.ResourceId, container: Mapping[str, Any] | None, known: Facts) -> list[Subject]:
    """Return all versions of one asset, the oldest first, archived and anonymous ones included: without them the order is wrong.

    Raises:
        StewardError: the list could not be read completely.
    """
    query = "" if asset.types[-1].lower() == "codes" else "listViewType=All"  # the list of code takes none
    listed = inventory.listing(asset.child("versions"), known.azure, query)
    found = [plain(target, asset.child("versions", str(body["name"])), body, known) for body in listed]
    made = sorted(each.created_at for each in found if each.created_at)
    active = sorted(each.created_at for each in found if each.created_at and not bodies.dig(each.body, "properties.isArchived"))
    ordered = sorted(found, key=lambda each: (each.created_at is None, each.created_at or known.now, each.id.name))
    return [_placed(replace(each, parent=container, siblings=len(found)), made, active) for each in ordered]


def deployments(target: str, endpoint: ids.ResourceId, body: Mapping[str, Any], known: Facts) -> list[Subject]:
    """Return an endpoint's deployments.

    Raises:
        UnknownError: the list could not be read completely.
    """
    listed = known.deployments(endpoint)
    found = [plain(target, endpoint.child("deployments", str(each["name"])), each, known) for each in listed]
    return [replace(each, parent=body, siblings=len(found)) for each in found]


def job(workspace: ids.ResourceId, run: Mapping[str, Any], body: Mapping[str, Any]) -> Subject:
    """Return a job: what ARM shows of it, its status and times as run history has them."""
    told = {"status": run.get("status"), "startTimeUtc": run.get("startTimeUtc"), "endTimeUtc": run.get("endTimeUtc")}
    listed = body.get("properties")
    properties = {**(listed if isinstance(listed, dict) else {}), **{name: value for name, value in told.items() if value}}
    created = times.moment(run.get("createdUtc")) or times.moment(bodies.dig(body, "systemData.createdAt"))
    return Subject(
        id=workspace.child("jobs", str(run.get("runId"))),
        target="job",
        body={**body, "name": run.get("runId"), "properties": properties},
        created_at=created,
        changed_at=times.latest(created, run.get("startTimeUtc"), run.get("endTimeUtc")),
    )


def one_job(resource: ids.ResourceId, azure: Azure) -> Subject | None:
    """Return one job as it is now, or None when it is gone.

    Raises:
        StewardError: it could not be read.
    """
    place = resource.ancestor(1)
    body = inventory.read(resource, azure)
    run = activity.as_run(body) if body else activity.recorded(place, resource.name, azure)
    return job(place, run, body or _as_job(run)) if run else None


def _is_job(definition: Any) -> bool:
    return isinstance(bodies.dig(definition, "properties"), dict) and "runDefinition" not in definition


def _as_job(run: dict[str, Any]) -> dict[str, Any]:
    names = ("displayName", "experimentName", "runType", "target", "tags", "properties")
    return {"properties": {name: run.get(name) for name in names}}


def _placed(subject: Subject, made: Sequence[datetime], active: Sequence[datetime]) -> Subject:
    if subject.created_at is None:
        return replace(subject, rank=len(made) + 1)
    newer = len(active) - bisect_right(active, subject.created_at)  # archived ones do not count among the newest
    return replace(subject, rank=1 + len(made) - bisect_right(made, subject.created_at), newer_active=newer)


def _rest(listed: Iterator[dict[str, Any]], known: Facts) -> Iterator[dict[str, Any]]:
    """Yield what an earlier message has not judged; where the last that it did is gone from the list, all of it."""
    if not known.after:
        yield from listed
        return
    found = list(listed)
    names = [str(body["name"]) for body in found]
    yield from found[names.index(known.after) + 1 if known.after in names else 0 :]


def _versions(target: Target, workspace: ids.ResourceId, known: Facts) -> Iterator[Subject]:
    family = target.container.rpartition("/")[2]
    for container in _rest(inventory.listing(workspace.child(family), known.azure, target.listing), known):
        asset = workspace.child(family, str(container["name"]))
        yield from versions(target.name, asset, container, known)


def _deployments(target: Target, workspace: ids.ResourceId, known: Facts) -> Iterator[Subject]:
    family = target.container.rpartition("/")[2]
    for body in _rest(inventory.listing(workspace.child(family), known.azure), known):
        yield from deployments(target.name, workspace.child(family, str(body["name"])), body, known)


def _computes(target: Target, workspace: ids.ResourceId, known: Facts) -> Iterator[Subject]:
    for body in _rest(inventory.listing(workspace.child("computes"), known.azure), known):
        if target.compute_type in ("", bodies.dig(body, "properties.computeType")):
            yield plain(target.name, workspace.child("computes", str(body["name"])), body, known)


def _jobs(workspace: ids.ResourceId, known: Facts, *, ended: bool) -> Iterator[Subject]:
    """Yield what is under way by run history; all that ever ran only where a policy asks for it: ARM cannot filter."""
    if ended:
        for body in inventory.listing(workspace.child("jobs"), known.azure, "listViewType=All"):
            run = activity.as_run(body)
            if not run["parentRunId"]:
                yield job(workspace, run, body)
        return
    for run, definition in activity.with_definitions(workspace, known.azure):
        if not run.get("parentRunId"):
            yield job(workspace, run, definition if _is_job(definition) else _as_job(run))
