"""What one condition found of a resource, and the words for ages and lengths of time. Pure.

Not here: the conditions themselves (conditions, compute_conditions, endpoint_conditions).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.text import durations

if TYPE_CHECKING:
    from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one condition found.

    Attributes:
        holds: None when that is not known.
        text: Part of the reason: why it holds, or why it does not.
        evidence: The facts behind it.
        since: Since when it has held, where that is a moment.
    """

    holds: bool | None
    text: str
    evidence: tuple[str, ...] = ()
    since: datetime | None = None


def span(length: timedelta) -> str:
    """Return a length of time as a fact names it: `13 hours`, `2 days`."""
    minutes = max(0, int(length.total_seconds() // 60))
    for size, noun in ((24 * 60, "day"), (60, "hour")):
        if minutes >= 2 * size:
            return f"{minutes // size} {noun}s"
    return f"{minutes} minute{'' if minutes == 1 else 's'}"


def age(verb: str, at: datetime | None, length: timedelta, now: datetime, *, missing: str = "") -> Finding:
    """Return whether something happened longer ago than `length`: `verb` names it, `missing` is why it may be that it never did."""
    if at is None:
        return Finding(holds=False if missing else None, text=missing or f"when it was {verb} is unknown")
    fact = f"{verb} {at:%Y-%m-%dT%H:%MZ}"
    if at > now:
        return Finding(holds=False, text=f"{fact}, which is in the future: the clocks differ", evidence=(fact,))
    if now - at <= length:
        return Finding(holds=False, text=f"{verb} {span(now - at)} ago, not more than {durations.words(length)}", evidence=(fact,))
    return Finding(holds=True, text=f"{verb} more than {durations.words(length)} ago", evidence=(fact,), since=at)


def parts(found: Finding, text: str) -> dict[str, Any]:
    """Return the members of a finding with another text."""
    return {"holds": found.holds, "text": text, "evidence": found.evidence, "since": found.since}


def count(number: int, noun: str) -> str:
    """Return `1 node`, `2 nodes`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
