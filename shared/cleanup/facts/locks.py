"""Management locks: what Azure itself, or the person who set them, wants kept. A lock of either level keeps a resource.

A lock holds for its scope and all below it; a deletion is also stopped by a lock on something that would go with it. Not here:
tags and names that protect (judge).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.catalog import bodies
from shared.rest import azure_versions, errors, ids
from shared.text import words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.cleanup.facts.inventory import Azure
    from shared.rest.ids import ResourceId

PROVIDER = ("providers", "Microsoft.Authorization", "locks")
PAGE_LIMIT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Locks:
    """The locks that matter for one resource group.

    Attributes:
        held: Scope in lower case → what it is locked by.
        problem: Why they are not known; then everything is kept.
    """

    held: tuple[tuple[str, str], ...] = ()
    problem: str = ""

    def on(self, resource: ResourceId) -> str:
        """Return why a resource must be left alone: '' nothing locks it."""
        if self.problem:
            return f"its locks could not be read: {self.problem}"
        return next((lock for scope, lock in self.held if _covers(scope, resource.key) or _covers(resource.key, scope)), "")


def read(resource: ResourceId, azure: Azure) -> Locks:
    """Return the locks of the subscription and of the resource group that a resource is in, with all below it."""
    arm, subscription = azure.client.cloud.arm, ids.group(resource.subscription)
    wanted = [ids.url(arm, ids.below(subscription, *PROVIDER), azure_versions.LOCKS, {"$filter": "atScope()"})]
    if resource.resource_group:
        group = ids.group(resource.subscription, resource.resource_group)
        wanted.append(ids.url(arm, ids.below(group, *PROVIDER), azure_versions.LOCKS))
    held: dict[str, str] = {}
    try:
        for url in wanted:
            for lock in _items(url, azure):
                scope, _, name = str(lock.get("id") or "").lower().rpartition("/providers/microsoft.authorization/locks/")
                if scope:
                    level = bodies.dig(lock, "properties.level") or "unknown level"
                    held[scope] = f"the lock '{name}' ({level}) is on {_where(scope)}"
    except errors.TransientError:
        raise
    except errors.StewardError as refused:
        return Locks(problem=words.short(f"{refused.error.code}: {refused.error.message}", 300))
    return Locks(held=tuple(sorted(held.items())))


def _items(url: str, azure: Azure) -> Iterator[dict[str, Any]]:
    """Yield every lock of a list, or fail: what a half-read list lacks would look unlocked."""
    next_url = url
    for _ in range(PAGE_LIMIT):
        page = azure.client.send("GET", next_url).checked().body
        found = page.get("value") if isinstance(page, dict) else None
        if not isinstance(page, dict) or not isinstance(found, list) or not all(isinstance(lock, dict) for lock in found):
            break
        yield from found
        if not page.get("nextLink"):
            return
        next_url = str(page["nextLink"])
    raise errors.RejectedError(
        errors.AzureError(code="IncompleteList", message="The locks could not be read completely."), status=502
    )


def _covers(scope: str, below: str) -> bool:
    return below == scope or below.startswith(f"{scope}/")


def _where(scope: str) -> str:
    kind, _, name = scope.rstrip("/").rpartition("/")
    return f"{kind.rpartition('/')[2]} {name}"
