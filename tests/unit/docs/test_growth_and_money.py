"""The bill of docs/scale.md is that of the app's own counts."""

from __future__ import annotations

from pathlib import Path

from tests.bench import money

PAGE = Path(__file__).parents[3] / "docs" / "scale.md"


def test_the_page_has_the_bill() -> None:
    """As the command prints it."""
    assert money.page() in PAGE.read_text()
