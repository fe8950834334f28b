"""An entry of the list of open operations whose moment has come, so that a test need not wait for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.durable.due import Entry
from shared.operations import ledger

if TYPE_CHECKING:
    from shared.operations.models import Operation


def overdue_entry(operation: Operation) -> Entry:
    """Return the entry of an operation at its own due time."""
    return Entry(machine=ledger.OPERATION, key=(operation.id,), at=operation.due_at, text="", columns=ledger.listing(operation))
