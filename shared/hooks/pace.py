"""When a firing may begin: the rate limit of its rule, and the debounce of bursts of events.

Not here: which rules fire (matching), what a firing does (firings).
"""

from __future__ import annotations

import hashlib
import json
import secrets
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from shared.durable import due, records, storage, worker
from shared.hooks import firings
from shared.hooks.firing_record import VERSION, Firing

if TYPE_CHECKING:
    from shared.durable.storage import Row
    from shared.hooks.firings import Services
    from shared.hooks.rules import Rule

WINDOWS_AHEAD = 500  # the longest delay of a firing by its rule's rate


def room_s(rule: Rule, services: Services) -> float:
    """Reserve a place in the first free window of the rule's rate; return the seconds until it begins."""
    now = services.clock()
    length = rule.per.total_seconds()
    window = int(now.timestamp() // length)
    for ahead in range(WINDOWS_AHEAD):
        if _counted(rule, window + ahead, services):
            return max(0.0, (window + ahead) * length - now.timestamp()) if ahead else 0.0
    return WINDOWS_AHEAD * length


def _counted(rule: Rule, window: int, services: Services) -> bool:
    partition, key = f"rate-{rule.name}", f"{int(rule.per.total_seconds())}-{window}"
    while True:
        row = services.hook_rows.get(partition, key)
        count = int(row.columns["count"]) if row else 0
        if count >= rule.rate:
            return False
        columns = {"count": count + 1, "ended_at": datetime.fromtimestamp((window + 1) * rule.per.total_seconds(), tz=UTC)}
        changed = storage.Row(partition=partition, key=key, columns=columns, etag=row.etag if row else "")
        with suppress(storage.ConflictError):
            services.hook_rows.write([storage.Change(verb="replace" if row else "insert", row=changed)])
            return True


def hold(firing: Firing, group: str, happened: datetime | None, services: Services) -> bool:
    """Keep the firing of the newest event of a group, and check again after the debounce time.

    The newest event is the one with the latest time, not the last delivered one: Event Grid does not guarantee the order.

    Args:
        firing: The firing for the current event.
        group: The key of the events that are debounced together.
        happened: The time of the event, None if it has none.
        services: The app.

    Returns:
        False when the firing is too large to be kept, so that it is not debounced.
    """
    rule, chunks = firing.rule, records.chunked(firing.to_json())
    if sum(map(len, chunks.values())) > firings.ROW_LIMIT:
        return False
    key = hashlib.sha256(group.encode()).hexdigest()[:40]
    while True:
        row = services.hook_rows.get(_debounce_partition(rule.name), key)
        sequence = secrets.token_hex(8)  # never that of an earlier burst, whose message may be delivered again
        columns: dict[str, Any] = {"sequence": sequence, "rule": rule.name, "created_at": services.clock()}
        columns |= _newest(chunks, happened, row)
        changed = storage.Row(partition=_debounce_partition(rule.name), key=key, columns=columns, etag=row.etag if row else "")
        with suppress(storage.ConflictError):
            services.hook_rows.write([storage.Change(verb="replace" if row else "insert", row=changed)])
            break
    _ask(rule.name, key, sequence, rule.debounce.total_seconds(), services)
    return True


def _ask(rule_name: str, key: str, sequence: int | str, quiet_s: float, services: Services) -> None:
    """Schedule a check of a group after the debounce time."""
    asked = json.dumps({"version": VERSION, "debounced": {"rule": rule_name, "key": key, "sequence": sequence}})
    if due.is_long(quiet_s):  # a separate entry: the firing does not exist yet
        waits = worker.entry(firings.MACHINE, (f"{_debounce_partition(rule_name)}/{key}",), quiet_s, services)
        services.due.put(replace(waits, text=asked))
    else:
        services.event_queue.send(asked, delay_s=quiet_s)


def held(rule_name: str, key: str, sequence: int | str, services: Services) -> Row | None:
    """Return the row of a debounced group; None when another event has arrived since the message with `sequence` was sent.

    A group has one entry in the due index. If two workers held an event at the same time, the earlier one may have written its
    entry last, so the check for the later one is scheduled again.
    """
    row = services.hook_rows.get(_debounce_partition(rule_name), key)
    if row is None or row.columns["sequence"] == sequence:
        return row
    debounce = firings.from_row(row).rule.debounce
    if due.is_long(debounce.total_seconds()):
        left = row.columns["created_at"] + debounce - services.clock()
        _ask(rule_name, key, row.columns["sequence"], max(0.0, left.total_seconds()), services)
    return None


def release(row: Row, services: Services) -> None:
    """Delete the row of a group once its firing is recorded."""
    with suppress(storage.ConflictError):  # another event has just arrived: it fires separately
        services.hook_rows.write([storage.Change(verb="delete", row=row)])


def _newest(kept: dict[str, str], happened: datetime | None, row: Row | None) -> dict[str, Any]:
    """Return the columns of the current event, or those of the row if its event is later."""
    known = row.columns.get("happened") if row else None
    if row and known and happened and known > happened:
        return {name: value for name, value in row.columns.items() if name == "happened" or name.startswith("json")}
    return {**kept, **({"happened": happened} if happened else {})}


def _debounce_partition(rule: str) -> str:
    return f"debounce-{rule}"
