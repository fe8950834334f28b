"""The tables of docs/policies.md and policy-kinds.md from `targets` and `queries`; prose is written by hand and stays."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from shared.cleanup.policy import queries, targets

if TYPE_CHECKING:
    from pathlib import Path

    from shared.cleanup.policy.targets import Target

ARGUMENTS: dict[targets.Argument, str] = {
    "duration": "a length of time",
    "count": "a whole number from 1",
    "flag": "`true`",
    "hours": "`{timeZone, days, from, to}`",
    "stuck": "`{status, longerThan}`",
    "spending": "money per time: `200/1w`",
}


def page(path: Path) -> str:
    """Return the page with its tables renewed."""
    tables = {"kinds": _kinds(), "conditions": _conditions(), "query": _query()}

    def table(found: re.Match[str]) -> str:
        return f"{found[1]}\n{'\n'.join(tables[found[2]])}\n<!-- end -->"

    return re.sub(r"(<!-- (\w+): [^>]*-->)\n.*?<!-- end -->", table, path.read_text(encoding="utf-8"), flags=re.DOTALL)


def _kinds() -> list[str]:
    rows = [f"| `{row.name}` | {row.says} | {_actions(row)} | {_names(row.conditions)} |" for row in targets.TARGETS.values()]
    return ["| kind | is | actions | conditions |", "|---|---|---|---|", *rows]


def _actions(row: Target) -> str:
    shown = []
    for action in row.actions:
        name = f"**`{action}`**" if action == row.action else f"`{action}`"
        needed = row.needs.get(action, ())
        shown.append(f"{name} ({' or '.join(f'`{each}`' for each in needed)})" if needed else name)
    return ", ".join(shown)


def _names(conditions: tuple[str, ...]) -> str:
    return " ".join(f"`{name}`" for name in conditions)


def _conditions() -> list[str]:
    rows = [f"| `{name}` | {ARGUMENTS[row.argument]} | {row.says} |" for name, row in targets.CONDITIONS.items()]
    return ["| condition | argument | holds when |", "|---|---|---|", *rows]


def _query() -> list[str]:
    return ["| name | is |", "|---|---|", *(f"| `{name}` | {says} |" for name, says in queries.NAMES.items())]
