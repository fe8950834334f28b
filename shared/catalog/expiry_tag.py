"""The tag that shows in Azure when a resource is to be ended: where it stands in a body, what it says. Pure.

Not here: what follows from a tag that was taken off or changed (expiry), who sends it (operations.steps).
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

from shared.catalog import bodies

if TYPE_CHECKING:
    from datetime import datetime

    from shared.catalog.kinds import Kind

TAG = "steward-expires"


def value(at: datetime) -> str:
    """Return what the tag says."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def said(kind: Kind, body: Any) -> str:
    """Return what the tag of a resource says, '' where it has none."""
    tags = bodies.dig(body, kind.endings[0].tags)
    found = {str(name).lower(): str(held or "").strip() for name, held in tags.items()} if isinstance(tags, dict) else {}
    return found.get(TAG, "")


def changed(kind: Kind, body: Any, text: str) -> Any:
    """Return a body whose tag says `text`; the body as it is where it can hold no further tag, or its tags are none."""
    *above, last = kind.endings[0].tags.split(".")
    parent = bodies.dig(body, ".".join(above)) if above else body
    given = (parent.get(last) or {}) if isinstance(parent, dict) else None
    if not isinstance(given, dict):
        return body
    tags = {name: held for name, held in given.items() if str(name).lower() != TAG}
    if len(tags) >= bodies.MOST_TAGS:
        return body
    out: Any = {**parent, last: {**tags, TAG: text}}
    for name in reversed(above):
        out = {**body, name: out}
    return out
