"""Azure's own idle shutdown of compute instances: seen at the next look, as everything here.

An instance is stopped when it has run no job for its `idleTimeBeforeShutdown`, counted from its last operation, its last job's
end, or the moment the setting was changed (a shorter time resets the clock). A custom application keeps it running for ever:
both are documented traps of the real thing. Not here: starting and stopping by hand.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from infra.local.emulator.resources import stamp
from infra.local.emulator.runner import durations

if TYPE_CHECKING:
    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World

SET_AT = "idleSetAt"  # in a compute's hidden notes: when its idle time was changed


def settle(world: World, workspace: Resource, compute: Resource) -> None:
    """Stop an instance that has been idle for long enough. The caller holds the world's lock."""
    inner: dict[str, Any] = compute.properties.get("properties") or {}
    patience_s = durations.seconds(inner.get("idleTimeBeforeShutdown"))
    if not patience_s or inner.get("state") != "Running" or inner.get("customServices"):
        return
    runs = [run for run in world.runs.of(workspace.id) if (run.target or "").lower() == compute.name.lower()]
    if any(not run.ended for run in runs):
        return
    moments = [
        compute.hidden.get(SET_AT),
        *(run.ended_at for run in runs),
        _moment((inner.get("lastOperation") or {}).get("operationTime")),
    ]
    since = max((moment for moment in moments if moment is not None), default=None)
    if since is None or world.now() - since < timedelta(seconds=patience_s):
        return
    at = stamp(since + timedelta(seconds=patience_s))
    inner["state"] = "Stopped"
    inner["lastOperation"] = {
        "operationName": "Stop",
        "operationTime": at,
        "operationStatus": "Succeeded",
        "operationTrigger": "IdleShutdown",
    }


def _moment(text: Any) -> datetime | None:
    moment = datetime.fromisoformat(text) if isinstance(text, str) and text else None
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment
