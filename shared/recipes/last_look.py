"""The last look before `undo` deletes what a run made: it is still that one, and nothing speaks for keeping it.

What speaks is what the clean-up listens to: the tag steward-keep, locks, references. What cannot be read is kept. Guards of the
API itself (a storage account that a workspace names) speak when the DELETE is sent. Not here: the deletion (run_steps).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from shared.catalog import bodies, kinds
from shared.cleanup.facts import inventory, locks, pacing, survey
from shared.cleanup.run import claims
from shared.cleanup.verdict import judge
from shared.endpoints import snapshots
from shared.operations import models
from shared.recipes.created import created
from shared.rest import errors, ids

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shared.rest.ids import ResourceId

GONE = "it is gone already"
HOLDS = {  # type → what would be lost with it
    "workspaces": ("computes", "onlineEndpoints", "batchEndpoints", "schedules"),
    "onlineendpoints": ("deployments",),
    "batchendpoints": ("deployments",),
}
REFERENCES = {"computes": "of_compute", "deployments": "of_deployment", "versions": "of_asset"}  # type → who names such a one


class Services(claims.Services, Protocol):
    """What a look needs of the composition root."""


def look(made: Mapping[str, Any], services: Services) -> str:
    """Return why what a run made is not deleted, '' where it may be.

    Args:
        made: Its `id`, when Azure says it was `created`, or the `operation` that made it where its end was not seen; `inside` it
            what else the run made, which goes with it.
        services: The app.

    Raises:
        TransientError: Azure or storage cannot be asked now.
    """
    azure = pacing.of(services)
    inside = list(made.get("inside", ()))
    try:
        kept = _speaks(made, azure, services) or _others(ids.parse(str(made["id"])), inside, azure)
        for each in inside if not kept else ():
            reason = _speaks(each, azure, services)
            kept = kept or (f"{each['id'].rpartition('/')[2]} in it: {reason}" if reason not in ("", GONE) else "")
    except errors.PermanentError as problem:
        return f"it could not be read: {problem.error.code}: {problem.error.message}"[:300]
    return kept


def _others(resource: ResourceId, inside: Sequence[Mapping[str, Any]], azure: pacing.Paced) -> str:
    """Return what is in it that the run did not make, and that would go with it; '' for nothing."""
    own = {str(each["id"]).lower() for each in inside}
    for family in HOLDS.get(resource.types[-1].lower(), ()):
        for body in inventory.listing(resource.child(family), azure):
            if str(body.get("id")).lower() not in own:
                return f"it holds {family}/{body.get('name')}, which this run did not make"
    return ""


def _created(made: Mapping[str, Any], services: Services) -> str:
    if made.get("created") or not made.get("operation"):
        return str(made.get("created", ""))
    stored = services.ledger.load(str(made["operation"]))
    return created(services.ledger.whole(stored.operation).result) if stored and stored.operation.ended else ""


def _speaks(made: Mapping[str, Any], azure: pacing.Paced, services: Services) -> str:
    """Return what speaks for keeping it, '' for nothing."""
    resource, made_at = ids.parse(str(made["id"])), _created(made, services)
    kind = kinds.by_type()["arm", resource.namespace.lower(), "/".join(resource.types).lower()]
    body = inventory.read(resource, azure, kind.api_version)
    now = created(body)
    if body is None or not made_at or now != made_at:
        return _other(body, now, made_at)
    home = resource.ancestor(1) if resource.types[0].lower() == "workspaces" and len(resource.types) > 1 else None
    if kept := _tagged("it", body) or (home and _tagged("its workspace", inventory.read(home, azure))):
        return kept
    if lock := locks.read(resource, azure).on(resource):
        return lock
    newest = services.ledger.newest(top=5, partition=models.partition_of(resource))
    if other := next((each for each in newest if not each.ended), None):
        return f"operation {other.id} ({other.method}) on it is under way"
    return _referred(resource, home, azure, services)


def _other(body: Any, now: str, made_at: str) -> str:
    if body is None:
        return GONE
    return f"it was created at {now or 'an unknown time'}, not at {made_at or 'a known one'}: it may be another one's"


def _tagged(whose: str, body: Any) -> str:
    tags = {str(tag).lower() for path in ("tags", "properties.tags") for tag in bodies.dig(body, path) or {}}
    return f"{whose} has the tag {judge.KEEP_TAG}" if judge.KEEP_TAG in tags else ""


def _referred(resource: ResourceId, home: ResourceId | None, azure: pacing.Paced, services: Services) -> str:
    """Return who refers to it, from its own workspace; '' for no one."""
    look_up = REFERENCES.get(resource.types[-1].lower())
    if not look_up or home is None:
        return ""
    seen = survey.merge([survey.of(home, azure, services.clock(), snapshots.specs(services.blobs))])
    if who := getattr(seen, look_up)(resource):
        return f"{who} refers to it"
    return f"it is not known who refers to it: {problem}" if (problem := seen.problem_of(resource)) else ""
