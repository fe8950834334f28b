"""A soak's report for people: whole, and the block of figures in docs/reliability.md."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

LINE = 140  # characters of a page's longest line


def whole(found: Mapping[str, Any]) -> str:
    """Return the report as Markdown."""
    wrong = [f"- {line}" for line in found["wrong"]] or ["Nothing is wrong."]
    return "\n".join(["# Soak", "", figures(found), "", "## Wrong", *wrong, ""])


def figures(found: Mapping[str, Any]) -> str:
    """Return the figures as Markdown."""
    recovery, told, writes = found["recovery"], found["notifications"], found["writes"]
    rows = [
        ("command", f"`{found['command']}`, {found['workers']} workers"),
        ("asked, accepted", f"{found['asked']}, {found['accepted']}"),
        ("what", _listed(found["bySort"])),
        ("ends", _listed(found["ends"])),
        ("not accepted", _listed(found["refused"]) or "none"),
        ("disturbances", _listed(found["disturbances"])),
        ("writes that took effect in Azure", f"{writes['effective']}, and up to {writes['perhaps']} whose answer was lost"),
        ("notifications wanted, received ids", f"{told['wanted']}, {told['ids']}"),
        (
            "from a kill to the end of what was under way",
            f"p95 {recovery['p95S']:g} s, longest {recovery['longestS']:g} s, of {recovery['measured']}",
        ),
        ("wrong", str(len(found["wrong"]))),
    ]
    return "\n".join(["| | |", "|---|---|", *(line for name, value in rows for line in _row(name, value))])


def _row(name: str, value: str) -> list[str]:
    """Return a row, as so many lines as a page takes."""
    parts = textwrap.wrap(value, LINE - len(f"| {name} |  |"), break_long_words=False)
    return [f"| {name if not n else ''} | {part} |" for n, part in enumerate(parts)]


def _listed(counted: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counted.items())
