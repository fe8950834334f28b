"""When each timer of the app last finished a run: a row, so that a timer that the platform does not run is noticed.

A function that cannot be set up is "in error" there: the others run, and nothing else says so. Not here: what the timers do.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared.durable import storage

if TYPE_CHECKING:
    from shared.durable.storage import Rows

LIMITS = {  # how long after its last run a timer is late
    "reconcile_operations": timedelta(minutes=3),
    "cleanup_timer": timedelta(minutes=3),
    "purge_operations": timedelta(hours=25),
}
PARTITION = "timers"


def finished(name: str, rows: Rows, now: datetime) -> None:
    """Record that a timer's run has ended well."""
    rows.put(storage.Row(partition=PARTITION, key=name, columns={"at": now.isoformat()}))


def last_runs(rows: Rows) -> dict[str, datetime | None]:
    """Return when each timer last finished a run; None where no run is known."""
    known = {row.key: datetime.fromisoformat(row.columns["at"]) for row in rows.query(partition=PARTITION)}
    return {name: known.get(name) for name in LIMITS}
