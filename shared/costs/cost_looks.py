"""The look each quarter of an hour: what of a workspace exists and runs now, and what changed since the last look, and when.

What changed twice between two looks is seen as the last change; what was deleted counts until its operation in the ledger
ended, else until the middle between the looks. Owners are those who created a resource by this app, else those whom Azure names.
Not here: what follows from spans (spans), where they are kept (cost_book).
"""

from __future__ import annotations

import logging
import re
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared.catalog import bodies
from shared.cleanup.facts import activity, inventory, pacing
from shared.costs import cost_book, spans
from shared.costs.cost_book import Place
from shared.costs.spans import Span
from shared.operations import models
from shared.rest import errors, ids
from shared.text import durations, times

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from shared.cleanup.facts.inventory import Azure
    from shared.costs.cost_book import Services
    from shared.durable.records import Versioned

log = logging.getLogger("steward.costs")

BUDGET_S = 60.0  # of one tick; the next one goes on
LATE = timedelta(minutes=10)  # how long after it was made run history may list a run
LONG_AGO = datetime(2010, 1, 1, tzinfo=UTC)
LISTED = ""  # the place that stands for the list of workspaces
WAITS = timedelta(hours=6)  # how long a create may have waited for its turn
OFF = {"Stopped", "Stopping", "CreateFailed", "SetupFailed", "UserSetupFailed", "Unusable", "Deleting", "Creating"}
NOT_THERE = {"Creating", "Failed", "Canceled"}
CONDUCTORS = {"pipelinerun", "pipelinejob", "hyperdrive", "sweepjob", "automl", "automljob"}  # their children occupy the nodes
NODE_IDLE_S = 120.0  # what Azure takes where nodeIdleTimeBeforeScaleDown is absent
_NAME = re.compile(r"[\w.-]{1,255}", re.ASCII)


def tick(app: Services) -> int:
    """Look at the workspaces whose turn it is, the longest waiting first; return at how many.

    Raises:
        TransientError: the app's storage is out of reach.
    """
    now, known = app.clock(), {place.id.lower(): place for place in cost_book.places(app.cost_rows)}
    azure = pacing.of(app)
    listed = known.get(LISTED) or Place(id=LISTED)
    if listed.tried_at is None or now - listed.tried_at >= cost_book.LOOK_EVERY:
        listed, known = _listed(listed, known, azure, app)
    count, end = 0, time.monotonic() + BUDGET_S
    for place in sorted(known.values(), key=lambda place: place.tried_at or LONG_AGO):
        due = place.tried_at is None or (listed.tried_at is not None and place.tried_at < listed.tried_at)
        if place.id and not place.gone and due and time.monotonic() < end:
            look(place, azure, app)
            count += 1
    return count


def _listed(listed: Place, known: dict[str, Place], azure: Azure, app: Services) -> tuple[Place, dict[str, Place]]:
    """List the workspaces of all subscriptions; those that are gone have nothing that goes on."""
    now, before = app.clock(), LONG_AGO if listed.seen_at else None  # what was not in an earlier list is missed in no part
    found, unseen = [], dict[str, str]()
    for subscription in app.settings.subscriptions:
        try:
            with inventory.seeing(subscription):
                found += [inventory.workspace_id(body).path for body in inventory.workspaces(subscription, "", azure)]
                inventory.check_all_seen(subscription, azure, "workspaces")
        except errors.StewardError as problem:
            unseen[subscription.lower()] = _said(problem)
    there = {path.lower(): replace(known.get(path.lower()) or Place(id=path, first_at=before), gone=False) for path in found}
    seen = {each.lower() for each in app.settings.subscriptions} - unseen.keys()
    for key, place in known.items():
        if not place.id or place.gone or key in there:
            continue
        if ids.parse(place.id).subscription.lower() not in seen:
            there[key] = place
            continue
        for each in cost_book.under_way(app.cost_rows, place.id).values():
            cost_book.save(app.cost_rows, place.id, each, _ended(each.value, place.seen_at, now, app))
        cost_book.put(app.cost_rows, replace(place, gone=True, seen_at=now))
    why = "; ".join(unseen.values())[:500]
    listed = replace(listed, tried_at=now, seen_at=listed.seen_at if unseen else now, problem=why)
    cost_book.put(app.cost_rows, listed)
    return listed, there


def look(place: Place, azure: Azure, app: Services) -> None:
    """Look at one workspace; what cannot be read leaves all of it as it was at the last look, with the reason."""
    now, workspace = app.clock(), ids.parse(place.id)
    try:
        found = list(_machines(workspace, azure))
        going_on = cost_book.under_way(app.cost_rows, place.id)
        since = place.seen_at - LATE if place.seen_at else now - activity.LONGEST_RUN
        runs = list(_runs(workspace, since, going_on, azure))
    except errors.StewardError as problem:
        log.info("costs: %s could not be looked at: %s", place.id, problem)
        cost_book.put(app.cost_rows, replace(place, tried_at=now, problem=_said(problem)))
        return
    for span in runs:
        known = going_on.pop(span.id.lower(), None)
        owner = known.value.owner if known else _owner(span, span.start or now, app)
        cost_book.save(app.cost_rows, place.id, known, replace(span, owner=owner))
    for span, created_at in found:
        _changed(span, created_at, going_on.pop(span.id.lower(), None), place, app)
    for known in going_on.values():
        cost_book.save(app.cost_rows, place.id, known, _ended(known.value, place.seen_at, now, app))
    cost_book.put(app.cost_rows, replace(place, first_at=place.first_at or now, seen_at=now, tried_at=now, problem=""))


def _changed(span: Span, created_at: datetime | None, known: Versioned[Span] | None, place: Place, app: Services) -> None:
    """Keep what a resource is now; `span.start` is when it changed last by Azure's word."""
    now, seen = app.clock(), place.seen_at
    changed_at = min(span.start or now, now)
    if known is None:
        start = created_at if created_at and seen and created_at > seen else changed_at
        owner = _owner(span, created_at or start, app)
        cost_book.save(app.cost_rows, place.id, None, replace(span, start=start, owner=owner))
    elif known.value.state != span.state:
        at = changed_at if seen and changed_at > seen else _middle(seen, now)
        cost_book.save(app.cost_rows, place.id, known, replace(known.value, end=at))
        cost_book.save(app.cost_rows, place.id, None, replace(span, start=at, owner=known.value.owner))


def _machines(workspace: ids.ResourceId, azure: Azure) -> Iterator[tuple[Span, datetime | None]]:
    """Yield what has nodes of its own: computes, and managed deployments of online endpoints; and when each was created."""
    for body in inventory.listing(workspace.child("computes"), azure):
        yield _compute(workspace.child("computes", str(body["name"])), body), _created(body)
    for endpoint in inventory.listing(workspace.child("onlineEndpoints"), azure):
        of = workspace.child("onlineEndpoints", str(endpoint["name"]))
        for body in inventory.listing(of.child("deployments"), azure):
            if str(bodies.dig(body, "properties.endpointComputeType") or "Managed") == "Managed":
                yield _deployment(of.child("deployments", str(body["name"])), body), _created(body)


def _compute(resource: ids.ResourceId, body: Mapping[str, Any]) -> Span:
    inner, kind = bodies.dig(body, "properties.properties") or {}, bodies.dig(body, "properties.computeType")
    size, owner = str(inner.get("vmSize") or ""), _creator(body)
    found = Span(id=resource.path, kind=spans.ATTACHED, start=_created(body), size=size, owner=owner)
    if bodies.dig(body, "properties.isAttachedCompute") is True or kind not in ("ComputeInstance", "AmlCompute"):
        return found
    if kind == "ComputeInstance":
        operated = times.moment(bodies.dig(inner, "lastOperation.operationTime")) or _touched(body)
        return replace(found, kind=spans.INSTANCE, start=operated, nodes=int(str(inner.get("state") or "") not in OFF))
    scale = inner.get("scaleSettings") or {}
    least, idle_s = _whole(scale.get("minNodeCount")), _seconds(scale.get("nodeIdleTimeBeforeScaleDown"))
    return replace(found, kind=spans.CLUSTER, start=_touched(body), nodes=least, idle_s=idle_s)


def _deployment(resource: ids.ResourceId, body: Mapping[str, Any]) -> Span:
    there = str(bodies.dig(body, "properties.provisioningState") or "") not in NOT_THERE
    return Span(
        id=resource.path,
        kind=spans.DEPLOYMENT,
        start=_touched(body),
        nodes=_whole(bodies.dig(body, "sku.capacity")) if there else 0,
        size=str(bodies.dig(body, "properties.instanceType") or ""),
        owner=_creator(body),
    )


def _runs(workspace: ids.ResourceId, since: datetime, going_on: Mapping[str, Versioned[Span]], azure: Azure) -> Iterator[Span]:
    """Yield the runs that were made since the last look, and those that went on then, as they are now."""
    listed = set[str]()
    for run in activity.made_since(workspace, azure, since):
        if span := _run(workspace, run):
            listed.add(span.id.lower())
            yield span
    for key, known in going_on.items():
        if known.value.kind == spans.RUN and key not in listed:
            recorded = activity.recorded(workspace, ids.parse(known.value.id).name, azure)
            if recorded and (span := _run(workspace, recorded)):
                yield span


def _run(workspace: ids.ResourceId, run: Mapping[str, Any]) -> Span | None:
    """Return a run that occupies nodes; None for one on a caller's machine, or that only conducts others."""
    target, own = str(run.get("target") or ""), bodies.dig(run, "compute") or {}
    size = str(own.get("vmSize") or own.get("instanceType") or "")
    nodes = own.get("instanceCount") or bodies.dig(run, "computeRequest.nodeCount")
    serverless = target.lower() in ("", "serverless")
    conducts = str(run.get("runType") or "").lower().removeprefix("azureml.") in CONDUCTORS
    if conducts or target.lower() == "local" or (serverless and not size) or not (serverless or _NAME.fullmatch(target)):
        return None
    start, ended = times.moment(run.get("startTimeUtc")), activity.ended(dict(run))
    created = times.moment(run.get("createdUtc"))
    parent = str(run.get("parentRunId") or "")
    return Span(
        id=workspace.child("jobs", str(run.get("runId"))).path,
        kind=spans.RUN,
        start=start,
        end=(times.moment(run.get("endTimeUtc")) or start or created) if ended else None,
        nodes=nodes if isinstance(nodes, int) and nodes > 0 else 1,
        assumed=not isinstance(nodes, int),
        size=size,
        owner=str(bodies.dig(run, "createdBy.userName") or bodies.dig(run, "createdBy.userObjectId") or ""),
        experiment=str(run.get("experimentName") or ""),
        on="" if serverless else workspace.child("computes", target).path,
        parent=workspace.child("jobs", parent).path if parent else "",
    )


def _ended(span: Span, seen: datetime | None, now: datetime, app: Services) -> Span:
    """End what is not there any more: when an operation on it ended, else in the middle between the looks."""
    ends = [at for row in _operations(span.id, app, "ended_at") if (at := row.get("ended_at")) and seen and seen < at <= now]
    return replace(span, end=max(ends, default=_middle(seen, now)))


def _owner(span: Span, created_at: datetime, app: Services) -> str:
    """Return who asked this app to create it: the caller of the operation that was under way on it then, else whom Azure names."""
    for row in _operations(span.id, app, "caller", "created_at"):
        asked_at = row.get("created_at")
        if asked_at and timedelta(minutes=-1) <= created_at - asked_at <= WAITS and row.get("caller"):
            return str(row["caller"])
    return span.owner


def _operations(target: str, app: Services, *columns: str) -> Iterator[Mapping[str, Any]]:
    resource = ids.parse(target)
    for place in models.partitions_of(resource):
        wanted = {"status": "Succeeded", "target": resource.key}
        yield from (row.columns for row in app.ledger.rows.query(partition=place, equal=wanted, columns=columns))


def _middle(seen: datetime | None, now: datetime) -> datetime:
    return now - (now - seen) / 2 if seen else now


def _creator(body: Mapping[str, Any]) -> str:
    return str(bodies.dig(body, "systemData.createdBy") or bodies.dig(body, "properties.properties.createdBy.userName") or "")


def _created(body: Mapping[str, Any]) -> datetime | None:
    return times.moment(bodies.dig(body, "systemData.createdAt")) or times.moment(bodies.dig(body, "properties.createdOn"))


def _touched(body: Mapping[str, Any]) -> datetime | None:
    return times.latest(bodies.dig(body, "systemData.lastModifiedAt"), bodies.dig(body, "properties.modifiedOn"))


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _seconds(length: Any) -> float:
    try:
        return durations.parse(str(length)).total_seconds()
    except ValueError:
        return NODE_IDLE_S


def _said(problem: errors.StewardError) -> str:
    return f"{problem.error.code}: {problem.error.message}"[:500]
