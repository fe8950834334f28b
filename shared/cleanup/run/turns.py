"""One run at a time of a policy over the same scope: a row of each names the run that has it in hand.

However many callers start the same, one survey of the subscription goes on. Not here: what a caller is answered (runs).
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING

from shared.durable import storage

if TYPE_CHECKING:
    from shared.cleanup.run.claims import Services
    from shared.cleanup.run.journal import Run

PARTITION = "turns"


def take(run: Run, services: Services) -> str:
    """Take the turn of each policy of a run that is recorded already; return the run that has one of them, '' for none."""
    for policy in run.policies:
        if other := _take(policy, run, services):
            return other
    return ""


def forget(services: Services) -> None:
    """Remove the rows of runs that have ended."""
    for row in list(services.cleanup_rows.query(partition=PARTITION)):
        if not _open(str(row.columns["run"]), services):
            with suppress(storage.ConflictError):
                services.cleanup_rows.write([storage.Change(verb="delete", row=row)])


def _take(policy: str, run: Run, services: Services) -> str:
    scope = "\n".join((policy, str(run.only), *sorted(path.lower() for path in run.scope)))
    key = hashlib.sha256(scope.encode()).hexdigest()[:40]
    while True:
        row = services.cleanup_rows.get(PARTITION, key)
        if row and row.columns["run"] != run.name and _open(str(row.columns["run"]), services):
            return str(row.columns["run"])
        mine = storage.Row(partition=PARTITION, key=key, columns={"run": run.name}, etag=row.etag if row else "")
        try:
            services.cleanup_rows.write([storage.Change(verb="replace" if row else "insert", row=mine)])
        except storage.ConflictError:  # another run took it at this moment, or gave it back
            continue
        return ""


def _open(name: str, services: Services) -> bool:
    kept = services.journal.load(name)
    return kept is not None and not kept.value.ended
