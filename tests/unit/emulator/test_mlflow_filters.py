"""MLflow's search language: what is found, and what is refused."""

import pytest

from infra.local.emulator.mlflow import filters

ATTRIBUTES = {"status": str, "run_name": str, "start_time": float}
RUN = {
    ("metrics", "val loss"): 0.25,
    ("params", "depth"): "3",
    ("tags", "mlflow.parentRunId"): "p1",
    ("attributes", "status"): "FINISHED",
    ("attributes", "run_name"): "first one",
    ("attributes", "start_time"): 1700.0,
}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", True),
        ("metrics.`val loss` <= 0.25", True),
        ('metric."val loss" > 2.5e-1', False),
        ("params.depth = '3' AND tags.mlflow.parentRunId != 'p2'", True),
        ("parameters.depth LIKE '%4'", False),
        ("attributes.status = 'Finished' and start_time >= 1700", True),
        ("run_name ILIKE 'FIRST%'", True),
        ("run_name IN ('a', 'first one')", True),
        ("run_name NOT IN ('a', 'b')", True),
        ("tags.absent != 'x'", False),
        ("metrics.absent < 1", False),
    ],
)
def test_filter(text, found):
    """Comparisons joined by AND; what a run lacks matches nothing."""
    assert filters.parse(text, ATTRIBUTES)(lambda kind, key: RUN.get((kind, key))) is found


@pytest.mark.parametrize(
    "text",
    [
        "metrics.a < 1 OR metrics.b < 1",
        "metrics.a = 'x'",
        "params.a = 3",
        "params.a > '3'",
        "color = 'x'",
        "colors.red = 'x'",
        "run_name IN 'a'",
        "run_name = ('a')",
        "run_name",
        "metrics.a < 1 AND",
    ],
)
def test_refused_filter(text):
    """Each is refused with a reason."""
    with pytest.raises(filters.FilterError, match=r".+"):
        filters.parse(text, ATTRIBUTES)


def test_orders_are_of_attributes_and_what_is_absent_comes_last():
    """In either direction."""
    runs = [{"start_time": 2.0}, {}, {"start_time": 1.0}]

    def order(text):
        return filters.ordered(runs, [text], ATTRIBUTES, lambda run: lambda _kind, key: run.get(key))

    assert order("attributes.start_time ASC") == [runs[2], runs[0], runs[1]]
    assert order("start_time desc") == [runs[0], runs[2], runs[1]]
    with pytest.raises(filters.FilterError, match="ordered by attributes only"):
        order("metrics.a DESC")
