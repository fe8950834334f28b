"""Why `undo` keeps a resource that a run created: the clean-up's last look at it, and at what would be deleted with it.

Not here: the look itself (last_look), the deletion (run_steps).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from shared.cleanup.facts import inventory, pacing
from shared.cleanup.run import claims
from shared.cleanup.verdict import last_look
from shared.recipes.created import created
from shared.rest import errors, ids
from shared.text import words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shared.rest.ids import ResourceId

HOLDS = {  # type → what would be lost with it
    "workspaces": ("computes", "onlineEndpoints", "batchEndpoints", "schedules"),
    "onlineendpoints": ("deployments",),
    "batchendpoints": ("deployments",),
}


class Services(claims.Services, Protocol):
    """What a look needs of the composition root."""


def reason(made: Mapping[str, Any], services: Services) -> str:
    """Return why `undo` keeps a resource that a run created, '' if it may be deleted.

    Args:
        made: Its `id`, when Azure says it was `created`, or the `operation` that made it where its end was not seen; `inside` it
            what else the run made, which goes with it.
        services: The app.

    Raises:
        TransientError: Azure or storage cannot be asked now.
    """
    inside, sights = list(made.get("inside", ())), last_look.Sights()
    try:
        kept = _speaks(made, services, sights) or _others(ids.parse(str(made["id"])), inside, services)
        for each in inside if not kept else ():
            own = _speaks(each, services, sights)
            kept = kept or (f"{each['id'].rpartition('/')[2]} in it: {own}" if own not in ("", last_look.GONE) else "")
    except errors.PermanentError as problem:
        return words.short(f"it could not be read: {problem.error.code}: {problem.error.message}", 300)
    return kept


def _others(resource: ResourceId, inside: Sequence[Mapping[str, Any]], services: Services) -> str:
    """Return what it contains that the run did not create and that would be deleted with it; '' for nothing."""
    own, azure = {str(each["id"]).lower() for each in inside}, pacing.of(services)
    for family in HOLDS.get(resource.types[-1].lower(), ()):
        for body in inventory.listing(resource.child(family), azure):
            if str(body.get("id")).lower() not in own:
                return f"it contains {family}/{body.get('name')}, which this run did not create"
    return ""


def _created(made: Mapping[str, Any], services: Services) -> str:
    if made.get("created") or not made.get("operation"):
        return str(made.get("created", ""))
    stored = services.ledger.load(str(made["operation"]))
    return created(services.ledger.whole(stored.operation).result) if stored and stored.operation.ended else ""


def _speaks(made: Mapping[str, Any], services: Services, sights: last_look.Sights) -> str:
    """Return the reason to keep it, '' for none."""
    made_at = _created(made, services)

    def other(body: Mapping[str, Any]) -> str:
        now = created(body)
        if made_at and now == made_at:
            return ""
        return f"it was created at {now or 'an unknown time'}, not at {made_at or 'a known one'}: it may belong to someone else"

    asked = last_look.Asked(resource=ids.parse(str(made["id"])), act="delete", other=other)
    found = last_look.look(asked, services, sights)
    return "" if found.answer == "act" else found.reason
