"""The line that the alert on old operations reads (infra/azure/modules/alerts.bicep)."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.operations import ledger
from tests.steward import look_after

if TYPE_CHECKING:
    import pytest

    from tests.steward import Steward

ALERTS = Path(__file__).parents[3] / "infra" / "azure" / "modules" / "alerts.bicep"
BODY: dict[str, Any] = {"location": "westeurope", "properties": {}}


def test_reconcile_says_how_old_the_oldest_open_operation_is(steward: Steward, caplog: pytest.LogCaptureFixture) -> None:
    """One line a minute, as the alert's query expects it; none when nothing is open."""
    caplog.set_level(logging.INFO, logger="steward.operations")
    look_after(steward.process)
    assert "oldest open operation" not in caplog.text
    first = steward.submit("PUT", "workspaces/w2", BODY)
    steward.queue.messages.clear()
    steward.clock.advance(40)
    steward.submit("PUT", "workspaces/w3", BODY)
    steward.clock.advance(5)
    look_after(steward.process)
    said = next(record.getMessage() for record in caplog.records if record.getMessage().startswith("oldest open operation:"))
    assert first.id in said
    assert re.search(r"age ([0-9]+) s", said)
    query = ALERTS.read_text()
    assert '"oldest open operation:"' in query
    assert 'extract("age ([0-9]+) s"' in query


def test_a_tick_with_more_open_than_one_page_reads_only_what_is_due(
    steward: Steward, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them each quarter of an hour: what is lost is found at its time all the same, and the measure goes on."""
    monkeypatch.setattr(ledger, "ONE_CALL", 2)
    caplog.set_level(logging.INFO, logger="steward.operations")
    steward.clock.now = steward.clock.now.replace(minute=31, second=0)
    own = [steward.submit("PUT", f"workspaces/w{number}", BODY, respond_async=True) for number in range(2, 5)]
    steward.queue.messages.clear()
    read: list[str] = []
    opened, query = steward.ledger._open, steward.ledger._open.query

    def reading(**asked: Any) -> Any:
        for row in query(**asked):
            read.append(row.key)
            yield row

    monkeypatch.setattr(opened, "query", reading)
    look_after(steward.process)
    assert len(read) == len(own)
    read.clear()
    caplog.clear()
    look_after(steward.process)
    assert read == []
    assert "oldest open operation" not in caplog.text
    steward.clock.advance(180)
    assert look_after(steward.process) == len(steward.queue.messages) == len(own)
    steward.clock.now = steward.clock.now.replace(minute=45)
    look_after(steward.process)
    assert "oldest open operation" in caplog.text
