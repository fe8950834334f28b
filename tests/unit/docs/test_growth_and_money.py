"""The plot of docs/scale.md and its bill are those of the app's own counts."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from tests.bench import growth, money

PAGE = Path(__file__).parents[3] / "docs" / "scale.md"
COUNTS = re.compile(r"([\d,]+) open: ([\d.]+) storage, ([\d.]+) Azure")


def _plotted() -> dict[int, tuple[float, float]]:
    found = COUNTS.findall(growth.PLOT.read_text())
    return {int(count.replace(",", "")): (float(storage), float(azure)) for count, storage, azure in found}


@pytest.mark.parametrize("count", [each if each <= 100 else pytest.param(each, marks=pytest.mark.nightly) for each in growth.OPEN])
def test_the_plot_has_the_apps_counts(count: int) -> None:
    """Measured again, they are the same."""
    cost = growth.measure(count)
    assert _plotted()[count] == (cost.storage, cost.azure)


def test_an_operation_costs_no_more_where_more_are_open() -> None:
    """The curve is flat, or falls."""
    plotted = list(_plotted().items())
    assert [count for count, _ in plotted] == list(growth.OPEN)
    for (_, fewer), (_, more) in itertools.pairwise(plotted):
        assert more[0] <= fewer[0] * 1.01
        assert more[1] <= fewer[1] * 1.01


def test_the_plot_is_drawn_from_its_counts_for_light_and_dark() -> None:
    """The same counts make the same file."""
    costs = [
        growth.Cost(open=count, storage=storage, azure=azure, messages=0, cpu_ms=0)
        for count, (storage, azure) in _plotted().items()
    ]
    assert growth.plot(costs) == growth.PLOT.read_text()
    assert "prefers-color-scheme: dark" in growth.PLOT.read_text()


def test_the_page_has_the_bill() -> None:
    """As the command prints it."""
    assert money.page() in PAGE.read_text()
