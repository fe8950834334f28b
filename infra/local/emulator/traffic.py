"""How many requests each online deployment was sent, by the minute, and how long they took: scoring counts, Azure Monitor shows.

Not here: the answers of Azure Monitor (`arm/metrics/resources.py`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from infra.local.emulator.world import World

MINUTE_S = 60
TIMED = 1_000  # requests of a minute whose time is kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What is counted together: the requests of one minute to one deployment that were answered with one status.

    Attributes:
        minute: its beginning, in seconds of the epoch.
        deployment: its name, as Azure writes it.
        status: HTTP status of the answer.
    """

    minute: int
    deployment: str
    status: int


def count(
    world: World,
    endpoint_id: str,
    deployment: str,
    status: int,
    *,
    at: datetime | None = None,
    times: int = 1,
    took_ms: float | None = None,
) -> None:
    """Count requests, now or at another time; `took_ms` is how long each took, where that is known."""
    moment = int((at or world.now()).timestamp())
    cell = Cell(minute=moment - moment % MINUTE_S, deployment=deployment, status=status)
    with world.lock:
        _all(world).setdefault(endpoint_id.strip("/").lower(), Counter())[cell] += times
        if took_ms is not None:
            kept = _times(world).setdefault(endpoint_id.strip("/").lower(), {}).setdefault((cell.minute, deployment), [])
            kept += [took_ms] * min(times, TIMED - len(kept))


def of(world: World, endpoint_id: str) -> Counter[Cell]:
    """What an endpoint was sent since it is known; empty for one that never was sent anything."""
    with world.lock:
        return Counter(_all(world).get(endpoint_id.strip("/").lower(), {}))


def times_of(world: World, endpoint_id: str) -> dict[tuple[int, str], list[float]]:
    """How long the requests of an endpoint took, in milliseconds, by minute and deployment."""
    with world.lock:
        return {key: sorted(times) for key, times in _times(world).get(endpoint_id.strip("/").lower(), {}).items()}


def _times(world: World) -> dict[str, dict[tuple[int, str], list[float]]]:
    times: dict[str, dict[tuple[int, str], list[float]]] = world.notes.setdefault("times", {})
    return times


def _all(world: World) -> dict[str, Counter[Cell]]:
    counted: dict[str, Counter[Cell]] = world.notes.setdefault("traffic", {})
    return counted
