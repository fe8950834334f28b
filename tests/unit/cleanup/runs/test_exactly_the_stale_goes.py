"""A run takes exactly what is stale: looks, chooses within limits, looks again, acts, and tells all of it."""

from __future__ import annotations

OLD = ["DELETE models/old/versions/1", "DELETE models/older/versions/1"]


def ends(report) -> dict[str, str]:
    """Return what became of each resource, below the workspace."""
    from shared.cleanup import reports

    return {reports.place(line)[1]: reports.told(line)["outcome"] for line in report.lines}


def test_an_enforcing_policy_takes_what_is_stale(stage, make_policy, gone):
    """The rest is kept, each with the reason."""
    report = stage.run(make_policy())
    assert gone(stage) == OLD
    assert report.run.status == "Completed", report.run.notes
    assert ends(report) == {
        "models/old/versions/1": "deleted",
        "models/old/versions/2": "kept",
        "models/older/versions/1": "deleted",
        "models/older/versions/2": "kept",
        "models/deployed/versions/1": "kept",
        "models/deployed/versions/2": "kept",
        "models/kept/versions/1": "kept",
        "models/kept/versions/2": "kept",
    }
    assert report.totals["outcomes"] == {"deleted": 2, "kept": 6}
    assert all(line.reason for line in report.lines)
