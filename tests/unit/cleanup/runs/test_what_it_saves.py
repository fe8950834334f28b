"""Node-hours, and money where the user has a price table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from shared.cleanup.report import savings
from shared.cleanup.run.report_lines import Line
from shared.costs import prices as prices_of

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def line(size="Standard_DS3_v2", nodes=2, hours=10, **more):
    """Return a line of what was stopped after so many idle hours."""
    known = {"id": "/subscriptions/s", "kind": "computeCluster", "policy": "p", "reason": "idle", "step": "act", "action": "stop"}
    since = NOW - timedelta(hours=hours)
    return Line(**{**known, "since": since, "saves": {"vmSize": size, "nodes": nodes}, **more})


def test_without_prices_node_hours_are_told():
    """Of each day from now on, and those spent idle."""
    assert savings.saved([line(), line(nodes=1)], prices_of.Prices(), NOW) == {"nodeHoursADay": 72.0, "idleNodeHours": 30.0}


def test_with_prices_money_is_told_and_what_has_none_is_named():
    """Sizes are compared without their case."""
    prices = prices_of.read(b"\xef\xbb\xbfvmSize,price\n# ours\ncurrency,EUR\nSTANDARD_DS3_V2, 0.5\n\n")
    assert savings.saved([line(), line(size="Standard_NC6")], prices, NOW) == {
        "nodeHoursADay": 96.0,
        "idleNodeHours": 40.0,
        "moneyADay": 24.0,
        "idleMoney": 10.0,
        "currency": "EUR",
        "unpriced": ["Standard_NC6"],
    }


def test_a_line_that_cannot_be_read_is_told_and_the_others_count():
    """Hostile or torn, it breaks nothing."""
    prices = prices_of.read(b"a,1\nb\nc,x\nd,-1\ne,nan\nf,inf\ng,2\n\xff\xfe,\n")
    assert prices.by_size == {"a": 1.0, "g": 2.0}
    assert prices.problems[0] == "cleanup/prices.csv, line 2: expected a VM size and its price an hour."


def test_marking_and_what_holds_no_nodes_saves_nothing():
    """Neither does a time in the future."""
    none = {"nodeHoursADay": 0.0, "idleNodeHours": 0.0}
    assert (
        savings.saved([line(step="mark"), line(nodes=0), Line(id="x", kind="job", policy="p", reason="")], prices_of.Prices(), NOW)
        == none
    )
    assert savings.saved([line(hours=-5)], prices_of.Prices(), NOW)["idleNodeHours"] == 0.0
