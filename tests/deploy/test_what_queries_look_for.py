"""Each line that an alert or a query looks for is one that the app writes: the same text stands in both."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LEVELS = {"info", "warning", "error", "exception", "critical"}
QUERIES = [*(ROOT / "infra" / "azure" / "modules").glob("*.bicep"), *(ROOT / "infra" / "azure" / "queries").glob("*.kql")]
LOOKED_FOR = sorted(
    {
        (double or single, path.name)
        for path in QUERIES  # Bicep writes a quotation mark in a text as \\'
        for double, single in re.findall(r"""message startswith (?:"([^"]+)"|'([^']+)')""", path.read_text().replace("\\'", "'"))
    }
)


@functools.cache
def written() -> tuple[set[str], set[str]]:
    """Return the texts of the app's log lines, and the `what` of its structured ones."""
    texts, whats = set[str](), set[str]()
    for path in (each for folder in ("functions", "shared") for each in (ROOT / folder).rglob("*.py")):
        for call in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)):
            constants = [each.value for each in call.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
            name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
            if name in LEVELS and constants:
                texts.add(constants[0])
            if name == "event" and constants:
                whats.add(constants[0])
    return texts, whats


@pytest.mark.parametrize(("text", "where"), LOOKED_FOR)
def test_the_app_writes_what_is_looked_for(text: str, where: str) -> None:
    """A line that is worded again would never fire its alert, and a query of it would stay empty; nothing else would say so."""
    texts, whats = written()
    if structured := re.fullmatch(r'{"what": "([a-z.]+)"', text):
        assert structured[1] in whats, where
    elif text == "Executed 'Functions.":  # the platform's own line, as the local host writes it, too
        assert text in (ROOT / "infra" / "local" / "host" / "runner.py").read_text()
    else:
        assert [each for each in texts if each.startswith(text.rstrip())], where


def test_queries_are_found() -> None:
    """All of the page's, and the alerts'."""
    assert {where for _, where in LOOKED_FOR} >= {path.name for path in QUERIES if "message startswith" in path.read_text()}
    assert {"reconcile: ", "oldest open operation:", "an event message was put aside as ", '{"what": "poison"'} <= {
        text for text, _ in LOOKED_FOR
    }
