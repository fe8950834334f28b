"""A connection as ARM shows it."""

from __future__ import annotations


def hidden(kind: str) -> dict[str, None]:
    """What an answer has instead of credentials; some kinds have none to hide."""
    return {} if kind in {"AAD", "None"} else {"credentials": None}
