"""What a run keeps to when its caller names it: some workspaces, one resource, or one and everything below it.

References are read everywhere all the same: what a resource is used by does not end where a run does. Not here: which of
the query's words say it (cleanup_routes).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from shared.catalog import paths
from shared.cleanup.facts import inventory
from shared.rest import errors, ids

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.cleanup.run.claims import Services
    from shared.cleanup.run.journal import Run
    from shared.settings import Settings

WORDS = ("workspace", "resource", "below")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Ids of which a resource must be one, or, unless `only`, lie below one; none for everything."""

    within: tuple[str, ...] = ()
    only: bool = False


EVERYTHING = Scope()


def read(word: str, text: str, services: Services, permit: Callable[[ids.ResourceId], None] = lambda _: None) -> Scope:
    """Return the scope that a word and what stands behind it say; `permit` refuses a place before Azure is asked about it.

    Raises:
        BadRequestError: it is no place, there is no such thing, or the clean-up does not look there.
        StewardError: Azure could not be asked.
    """
    names = [name.strip() for name in text.split(",") if name.strip()] if word == "workspace" else [text.strip()]
    if not names:
        message = f"'{word}' is '{text[:50]}'; expected names of workspaces, separated by commas."
        raise errors.BadRequestError("InvalidParameter", message, target=word)
    texts = [f"workspaces/{name}" if word == "workspace" and "/" not in name else name for name in names]
    found = [_place(word, each, services, permit) for each in texts]
    return Scope(within=tuple(dict.fromkeys(found)), only=word == "resource")


def holds(run: Run, resource: ids.ResourceId) -> bool:
    """Return whether a run looks at a resource."""
    keys = [path.lower() for path in run.scope]
    return not keys or any(resource.key == key or (not run.only and resource.key.startswith(f"{key}/")) for key in keys)


def reaches(run: Run, workspace: ids.ResourceId) -> bool:
    """Return whether something in a workspace, or it itself, can be what a run looks at."""
    return holds(run, workspace) or any(path.lower().startswith(f"{workspace.key}/") for path in run.scope)


def _place(word: str, text: str, services: Services, permit: Callable[[ids.ResourceId], None]) -> str:
    try:
        target = paths.resolve(text, services.settings)
    except errors.BadRequestError as problem:
        status = 403 if problem.status == 403 else 400  # outside of what the app works in
        raise paths.not_read(word, text, problem, status) from None
    wanted = {"workspace": target.id.types == ("workspaces",), "resource": bool(target.id.types)}.get(word, True)
    if target.action or target.view or not wanted or (word != "below" and target.id.is_collection):
        message = f"'{word}' is '{text[:200]}'; expected one {'workspace' if word == 'workspace' else 'resource'}."
        raise errors.BadRequestError("InvalidParameter", message, target=word)
    permit(target.id)
    _check_place(word, target.id, services)
    known = replace(target, id=target.id.ancestor(len(target.id.names))) if target.id.is_collection else target
    if known.plane == "arm" and known.id.names and inventory.read(known.id, services, known.api_version) is None:
        message = f"'{word}' is '{text[:200]}'; Azure has no such resource."
        raise errors.BadRequestError("ResourceNotFound", message, target=word, status=404)
    return target.id.path


def places(settings: Settings) -> tuple[ids.ResourceId, ...]:
    """Return where resources are judged: the default resource group of the first subscription, and the others whole."""
    return tuple(place_of(other, settings) for other in ("", *settings.other_subscriptions))


def place_of(other: str, settings: Settings) -> ids.ResourceId:
    """Return where resources of a subscription are judged; '' is the app's first."""
    if other:
        return ids.ResourceId(subscription=other)
    return ids.ResourceId(subscription=settings.subscription_id, resource_group=settings.resource_group)


def lies_in(named: ids.ResourceId, place: ids.ResourceId) -> bool:
    """Return whether something is a place, or below it."""
    return named.key == place.key or named.key.startswith(f"{place.key}/")


def _check_place(word: str, named: ids.ResourceId, services: Services) -> None:
    own = places(services.settings)
    if not any(lies_in(named, place) for place in own):
        message = f"'{word}' is '{named.path[:300]}'; the clean-up covers only {' and '.join(place.path for place in own)}."
        raise errors.BadRequestError("InvalidParameter", message, target=word)
