"""The version that every stored shape and message carries, so that what is in flight survives a deploy.

Not here: the shapes themselves; each has its own `VERSION`, and one pair of functions that write and read it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class NewerError(ValueError):
    """A newer version of the app wrote it."""


def check(stored: Mapping[str, Any], newest: int, what: str) -> None:
    """Refuse what a newer version of the app wrote.

    Args:
        stored: As read; without a `version` it is as old as can be.
        newest: The highest version that this app reads.
        what: What it is, for the message: `operation …`, `a plan`.

    Raises:
        NewerError: its version is higher; a ValueError.
    """
    version = stored.get("version", 0)
    if version > newest:
        raise NewerError(f"{what} has version {version}; this app reads up to {newest}")
