"""What the control route sets of ARM's door."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """An assigned policy with the effect `deny`: `match` is searched in the path of a write and in its body's JSON."""

    name: str
    match: str
