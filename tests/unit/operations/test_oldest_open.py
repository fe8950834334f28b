"""The line that the alert on old operations reads (infra/azure/modules/alerts.bicep)."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
