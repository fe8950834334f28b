"""The projects that v1 runs brought along, kept by snapshot id so that further runs can use them; by content, the newest few.

Not here: the content service that uploads files one by one; a project comes as the zip of a run.
"""

from __future__ import annotations

import hashlib
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infra.local.emulator.world import World

_MOST = 64


def keep(world: World, workspace_id: str, project: bytes) -> str:
    """The snapshot's id: the same content has the same one."""
    snapshot_id = str(uuid.UUID(bytes=hashlib.sha256(project).digest()[:16]))
    with world.lock:
        known: dict[tuple[str, str], bytes] = world.notes.setdefault("snapshots", {})
        known[world.generation(workspace_id), snapshot_id] = project
        while len(known) > _MOST:
            del known[next(iter(known))]
    return snapshot_id


def find(world: World, workspace_id: str, snapshot_id: str) -> bytes | None:
    """The project's zip, or None."""
    with world.lock:
        known: dict[tuple[str, str], bytes] = world.notes.get("snapshots") or {}
        return known.get((world.generation(workspace_id), snapshot_id.lower()))
