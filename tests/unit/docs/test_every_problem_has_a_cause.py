"""docs/troubleshoot.md has a row for each problem that `attention` can name, in its words. Not here: when one is named."""

from __future__ import annotations

import re
from pathlib import Path

from shared import health

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "troubleshoot.md").read_text().partition("## Problems on *Health*\n")[2].partition("\n## ")[0]
ROWS = {
    code: (said, cause, remedy)
    for code, said, cause, remedy in re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \| (.+?) \|$", PAGE, re.MULTILINE)
}
ERROR = {"error": {"code": "NoAnswer", "message": "It did not answer."}}
# Everything is out of order at once.
WORST = {
    "missing": ["queue steward-operations", "table steward"],
    "queues": [{"name": "steward-operations", "messages": 3, "poison": 2}],
    "clocks": {"storageAheadS": -120.0},
    "timers": [{"name": "reconcile_operations", "quietS": 240, "late": True}],
    "operations": {
        "open": 1,
        "oldest": {"name": "p-1", "target": "/workspaces/w", "ageS": 90_000},
        "lastHour": {"outcomes": {"Failed": 2, "Refused": 1}, "codes": [{"name": "QuotaExceeded", "count": 2}]},
    },
    "firings": {"failedToday": 1, "rules": ["deploy"]},
    "deliveries": {"givenUpToday": 1},
    "eventsPutAside": {"count": 1, "prefix": "hooks/dead/"},
    "messagesPutAside": {"count": 1, "prefix": "poison/"},
    "unreadable": {"count": 1, "rows": [{"stored": "row 1 of steward", "reason": "version 9"}]},
    "settings": {"problems": [{"message": "STEWARD_X is 'a'; expected a number"}]},
    "policyFiles": {"mistakes": 1, "first": {"file": "ours.yaml", "line": 3, "column": 1, "message": "expected a list"}},
    "ruleFiles": {"mistakes": 1, "first": {"file": "ours.yaml", "message": "expected a list"}, "silent": ["deploy"]},
    "throttling": {"refused": 0},
    "token": ERROR,
}


def test_the_worst_case_has_every_problem() -> None:
    """A code that the source names is one that the case below brings up."""
    named = set(re.findall(r"_point\(\s*\"(\w+)\"", Path(health.__file__).read_text()))
    assert len(named) > 10
    assert named | {"EventsPutAside", "MessagesPutAside"} == {each["code"] for each in health.attention(WORST)}


def test_each_problem_has_a_row_in_its_own_words() -> None:
    """`…` of the page stands for any text; a cause and a remedy are there, and no row is for what does not exist."""
    found = list(health.attention(WORST))
    assert set(ROWS) == {each["code"] for each in found}
    for each in found:
        pattern = ".+".join(map(re.escape, ROWS[each["code"]][0].split("…")))
        assert re.fullmatch(pattern, each["message"]), each
