"""The time at which Azure created a resource. It distinguishes the resource from a later one of the same name. Pure."""

from __future__ import annotations

from typing import Any

from shared.catalog import bodies
from shared.cleanup.facts import leftovers
from shared.operations import proof

CREATED = (*proof.CREATED, *leftovers.CREATED, "properties.createdDate")


def created(body: Any) -> str:
    """Return when a resource was created, '' if Azure does not show it."""
    return next((str(found) for path in CREATED if (found := bodies.dig(body, path))), "")
