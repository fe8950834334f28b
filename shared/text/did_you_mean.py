"""The known name that a mistyped one probably means, and the words that say so. Pure.

Not here: where a name is looked up (each room), refusals of a request's own names (api.names).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

LIMIT = 200  # characters of a name that are compared


def hint(name: str, known: Collection[str], otherwise: str = "", cutoff: float = 0.6) -> str:
    """Return `did you mean 'x'?`; where nothing is alike, what is given for that, else all known names."""
    near = alike(name, known, cutoff)
    return f"did you mean '{near}'?" if near else otherwise or f"expected one of {', '.join(known)}"


def alike(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return the known name that looks most like `name`, whatever its case, hyphens and underscores; '' when no one does."""
    import difflib

    by_plain = {_plain(each): each for each in known}
    found = difflib.get_close_matches(_plain(name[:LIMIT]), by_plain, n=1, cutoff=cutoff)
    return by_plain[found[0]] if found else ""


def nearest(name: str, known: Iterable[str], *, same: bool = False) -> str:
    """Return the known name that is one edit from `name`, hyphens and underscores apart; '' for none, or for the `same` name."""
    plain, low = _plain(name), name.lower()
    size = len(plain)
    for each, other in _plains(tuple(known)):
        if -2 < len(other) - size < 2 and _within_one(plain, other) and (same or each.lower() != low):
            return each
    return ""


@lru_cache(maxsize=64)
def _plains(known: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return names as they are written and as they are compared: every header of every request is compared with the same."""
    return [(each, _plain(each)) for each in known]


def _plain(name: str) -> str:
    return "".join(name.lower().split()).replace("-", "").replace("_", "").replace("$", "")


def _within_one(one: str, other: str) -> bool:
    """Return whether a single letter more, less, other or swapped with the next makes one text of the other."""
    if one == other:
        return True
    if min(len(one), len(other)) < 2:
        return False
    at = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    rest, tail = one[at:], other[at:]
    swapped = rest[:2] == tail[1::-1] and len(tail) > 1 and rest[2:] == tail[2:]
    return rest[1:] == tail[1:] or rest[1:] == tail or rest == tail[1:] or swapped
