"""The figures of a soak's report, as docs/reliability.md shows them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.soak import __main__, report

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

FOUND = {
    "command": 'make soak ARGS="--minutes 2 --seed 7"',
    "minutes": 2.0,
    "seed": 7,
    "workers": 2,
    "asked": 12,
    "accepted": 11,
    "bySort": {"own": 8, "shared": 4},
    "ends": {"Succeeded": 10, "Failed OutcomeUnknown": 1},
    "refused": {"unknown 0": 1},
    "writes": {"effective": 10, "perhaps": 1},
    "notifications": {"wanted": 4, "ids": 4},
    "disturbances": {"a worker was killed": 2, **{f"thing number {n} that went wrong": n for n in range(9)}},
    "recovery": {"measured": 3, "p95S": 12.5, "longestS": 31.0},
    "wrong": ["stuck: x"],
}


def test_the_figures_of_a_report_are_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the command that made them, and how many things were wrong."""
    (tmp_path / "soak.json").write_text(json.dumps(FOUND))
    monkeypatch.setattr("sys.argv", ["soak", "--figures", str(tmp_path / "soak.json")])
    assert __main__.main() == 0
    shown = capsys.readouterr().out
    assert '| command | `make soak ARGS="--minutes 2 --seed 7"`, 2 workers |' in shown
    assert "| ends | 10 Succeeded, 1 Failed OutcomeUnknown |" in shown
    assert "| from a kill to the end of what was under way | p95 12.5 s, longest 31 s, of 3 |" in shown
    assert "| wrong | 1 |" in shown
    assert "8 thing number 8 that went wrong |" in shown
    assert max(map(len, shown.splitlines())) <= report.LINE
    assert "- stuck: x" in report.whole(FOUND)
