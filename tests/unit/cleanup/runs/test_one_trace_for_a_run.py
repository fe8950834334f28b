"""A run of the clean-up is one trace: its reads, its acts' operations, and the line that tells of its end."""

from __future__ import annotations

import logging

from shared.telemetry import trace


def test_the_operations_of_a_run_are_part_of_its_trace(stage, make_policy, caplog):
    """Found by one id, whatever message submitted them; another run is another trace."""
    caplog.set_level(logging.INFO)
    report = stage.run(make_policy())
    operations = stage.ledger.newest(top=50)
    assert operations
    wanted = trace.derived(f"clean-up {report.run.name}").id
    assert {operation.trace_id for operation in operations} == {wanted}
    (line,) = [record.steward for record in caplog.records if getattr(record, "steward", {}).get("what") == "cleanup.ended"]
    assert (line["run"], line["traceId"], line["mode"]) == (report.run.name, wanted, "enforce")
    assert line["acts"] == len(operations)
    assert line["looked"] >= line["acts"]
