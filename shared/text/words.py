"""Texts within bounds, for people. Pure. Not here: durations and moments (durations, times)."""

from __future__ import annotations


def short(text: str, limit: int) -> str:
    """Return a text of at most `limit` characters; one that was longer ends with `…`, so that it does not pass for the whole."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
