"""Which policies are due: one timer drives all of them, and what it missed while the app was down it catches up once.

Schedules are NCRONTAB in UTC (schedules). Not here: what a run does (runs).
"""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared.cleanup.policy import ncrontab, policies
from shared.cleanup.run import runs
from shared.durable import storage, unreadable
from shared.rest import errors
from shared.text import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.cleanup.policy.model import Policy
    from shared.cleanup.run.claims import Services

log = logging.getLogger("steward.cleanup")

TIMER = "timer"
TICK = "tick"
MINUTE = timedelta(minutes=1)


def tick(services: Services) -> str:
    """Start what came due since the last tick, as one run; return its name, '' for none.

    The run is recorded before the tick: a tick that dies in between starts the same run again, and finds it there.

    Raises:
        TransientError: the app's storage is out of reach.
    """
    row, now = services.cleanup_rows.get(TIMER, TICK), services.clock()  # in this order: the answer has storage's clock
    last = next(
        unreadable.readable([row] if row else [], lambda row: datetime.fromisoformat(row.columns["at"]), "clean-up"), now - MINUTE
    )
    if last >= now:  # another instance's clock is ahead
        return ""
    started = _start_due(last, now, services) if services.settings.cleanup else ""
    _write(row, now, services)
    return started


def _start_due(last: datetime, now: datetime, services: Services) -> str:
    chosen, problems = policies.load(services.blobs)
    due = [(moment, policy) for policy in chosen if policy.schedule and (moment := ncrontab.due(policy.schedule, last, now))]
    if not due:
        return ""
    busy = {name for run in services.journal.runs(only_open=True) for name in run.policies}
    notes = [f"{policy.name} was due while its previous run was under way; it waits for its next time"
             for _, policy in due if policy.name in busy]  # fmt: skip
    wanted = [policy for _, policy in due if policy.name not in busy]
    if not wanted:
        log.warning("clean-up: %s", "; ".join(notes))
        return ""
    moment = max(at for at, _ in due)
    alone = "cleanup" not in services.settings.approvals
    if not alone:
        notes.append("STEWARD_APPROVALS does not allow scheduled changes: to request them, POST cleanup/reports/{id}/approve.")
    asked = runs.Asked(
        mode="enforce" if alone else "dryRun",
        caller=TIMER,
        at=moment,
        seed=" ".join(policy.name for policy in wanted),
        notes=(*notes, *(f"A file of policies has no effect: {problem}" for problem in problems)),
    )
    try:
        return runs.start(wanted, asked, services).name
    except errors.BadRequestError as problem:
        log.warning("clean-up: not started: %s", problem)
        return ""


def _write(row: storage.Row | None, now: datetime, services: Services) -> None:
    columns = {"at": now.isoformat(), "day": f"{now:%Y-%m-%d}"}
    changed = storage.Row(partition=TIMER, key=TICK, columns=columns, etag=row.etag if row else "")
    with suppress(storage.ConflictError):  # another instance had the same minute
        services.cleanup_rows.write([storage.Change(verb="replace" if row else "insert", row=changed)])


def chosen(names: Sequence[str], services: Services) -> tuple[list[Policy], tuple[str, ...]]:
    """Return the policies of those names, all of them for none, and what is wrong with files.

    Raises:
        BadRequestError: `PolicyNotFound` (404); no policy has that name.
    """
    known, problems = policies.load(services.blobs)
    by_name = {policy.name.lower(): policy for policy in known}
    for name in names:
        if name.lower() not in by_name:
            hint = did_you_mean.hint(name, sorted(policy.name for policy in known))
            message = f"There is no policy '{name[:100]}'; {hint}"
            raise errors.BadRequestError("PolicyNotFound", message, target="policy", status=404)
    found = [by_name[name.lower()] for name in dict.fromkeys(names)] if names else list(known)
    return found, tuple(f"A file of policies has no effect: {problem}" for problem in problems)
