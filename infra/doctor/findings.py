"""What a check found, and how it is printed. Not here: any check."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

Level = Literal["ok", "warning", "problem"]
SIGNS: dict[Level, str] = {"ok": "ok     ", "warning": "warning", "problem": "PROBLEM"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: What was looked at, e.g. `storage`.
        level: `problem` when something will not work, `warning` when it may be meant so.
        said: What was found.
        fix: What to do about it; '' when there is nothing to do.
    """

    check: str
    level: Level
    said: str
    fix: str = ""


def ok(check: str, said: str) -> Finding:
    """Return that it is in order."""
    return Finding(check=check, level="ok", said=said)


def warning(check: str, said: str, fix: str) -> Finding:
    """Return something that may be meant so."""
    return Finding(check=check, level="warning", said=said, fix=fix)


def problem(check: str, said: str, fix: str) -> Finding:
    """Return something that will not work."""
    return Finding(check=check, level="problem", said=said, fix=fix)


def as_text(found: Sequence[Finding]) -> str:
    """Return the findings for people: a line each, what to do below it, and a last line that sums up."""
    lines = []
    for each in found:
        lines.append(f"{SIGNS[each.level]}  {each.check:<12} {each.said}")
        if each.fix:
            lines.append(f"{'':<22} → {each.fix}")
    counts = {level: sum(each.level == level for each in found) for level in SIGNS}
    lines.append(f"{counts['problem']} problems, {counts['warning']} warnings, {counts['ok']} in order")
    return "\n".join(lines)


def as_json(found: Sequence[Finding]) -> str:
    """Return the findings for programs."""
    return json.dumps([asdict(each) for each in found], indent=2, ensure_ascii=False)


def exit_code(found: Sequence[Finding]) -> int:
    """Return 1 when something will not work, else 0."""
    return int(any(each.level == "problem" for each in found))
