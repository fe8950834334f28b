"""The audit: a row and a log line for every change and every read of a secret; who, what, when, trace, result, never the secret.

The row is written before the request is carried out, so that nothing happens without one; the result is added afterwards. Lists
also show operations, which are in the ledger. Not here: authorization (admission), how answers look (access_routes).
"""

from __future__ import annotations

import heapq
import logging
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from shared.api.call import RuleRun
from shared.durable import records, storage, unreadable
from shared.rest import errors
from shared.telemetry import lines, trace
from shared.text import times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shared.api.access.admission import Asked
    from shared.api.call import Call
    from shared.api.route import Route
    from shared.durable.storage import Row, Rows
    from shared.operations.ledger import Ledger
    from shared.settings import Settings

log = logging.getLogger("steward.audit")

COLUMNS = ("time", "caller", "author", "approval", "request", "secret", "status", "code", "operation", "traceId")
PREFIX = "audit-"
DAY = timedelta(days=1)


class Services(Protocol):
    """What the audit needs of the composition root."""

    @property
    def settings(self) -> Settings: ...  # noqa: D102
    @property
    def access_rows(self) -> Rows: ...  # noqa: D102
    @property
    def ledger(self) -> Ledger: ...  # noqa: D102
    @property
    def clock(self) -> Callable[[], datetime]: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One change, or one read of a secret.

    Attributes:
        caller: The sender; for a rule `rule:NAME`, with its author in `author`.
        approval: The id of the approval that allowed it, '' for none.
        request: Verb and path; for the app's own routes with the parameters.
        secret: The answer consisted of keys, tokens or signed URLs.
        status: The HTTP status of the answer, 0 if the app stopped before it.
        operation: The id of the operation that it became, if any.
    """

    at: datetime
    id: str
    caller: str
    request: str
    author: str = ""
    approval: str = ""
    secret: bool = False
    status: int = 0
    code: str = ""
    operation: str = ""
    trace: str = ""

    def view(self) -> dict[str, Any]:
        """Return the JSON that callers see."""
        at = times.iso(self.at)
        values = (at, self.caller, self.author, self.approval, self.request, self.secret, self.status, self.code, self.operation)
        return dict(zip(COLUMNS, (*values, self.trace), strict=True))


def wanted(route: Route, asked: Asked | None) -> bool:
    """Return whether a request is audited: it changes something, or its answer consists of secrets."""
    return route.audited if asked is None else asked.secret or not asked.reads


def entry(call: Call, route: Route, asked: Asked | None, app: Services) -> Entry:
    """Return the entry of a request that is about to be carried out."""
    now, here = app.clock(), trace.current()
    sender = call.sender
    known = {name.lower() for name in route.names}
    given = "&".join(f"{name}={value}" for name, value in call.asked if asked is None and name.lower() in known)
    path = call.path.strip("/") + (f"?{given}" if given else "")
    return Entry(
        at=now,
        id=f"{times.iso(now)}-{secrets.token_hex(6)}",
        caller=call.by(app.settings),
        author=sender.author if isinstance(sender, RuleRun) else "",
        approval="" if isinstance(sender, RuleRun) else sender.approved,
        request=f"{call.method} {path}"[:1_000],
        secret=asked is not None and asked.secret,
        trace=here.id if here else "",
    )


def write(found: Entry, app: Services) -> None:
    """Write an entry: once before the request is carried out, and once more with its result.

    Raises:
        TransientError: the app's storage is out of reach.
    """
    app.access_rows.put(_row_of(found))


def ended(found: Entry, app: Services, *, recorded: bool, status: int, code: str = "", operation: str = "") -> None:
    """Log the result and add it to the entry's row if there is one; if that write fails, the row stays without a result."""
    done = replace(found, status=status, code=code, operation=operation)
    told = {name: value for name, value in done.view().items() if name not in ("time", "operation", "traceId") and value}
    lines.event(log, logging.INFO, "audit", **{**told, "operationId": operation or None})
    if recorded:
        try:
            write(done, app)
        except errors.TransientError as problem:
            log.warning("the audit's row %s stays without its result: %s", done.id, problem)


def refused(call: Call, problem: errors.StewardError) -> None:
    """Log a request that was refused for lack of rights; it gets no row, because there may be many."""
    asked, error = f"{call.method} {call.path.strip('/')}", problem.error
    lines.event(log, logging.WARNING, "audit.refused", request=asked, code=error.code, status=problem.status, reason=error.message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A query: entries of one caller from `since` to before `until`, oldest first, starting after the entry with the given id."""

    since: datetime
    until: datetime
    caller: str = ""
    after: str = ""
    top: int = 100


def page(asked: Wanted, app: Services) -> tuple[list[Entry], str]:
    """Return one page of entries, operations included, and the id of its last entry, '' if there are no more."""
    from shared.operations import listing

    most = asked.top + 1
    rows: list[Entry] = []
    day = asked.since.replace(hour=0, minute=0, second=0, microsecond=0)
    while day < asked.until and len(rows) < most:
        rows += heapq.nsmallest(most - len(rows), _rows(day, asked, app), key=lambda each: each.id)
        day += DAY
    accepted = listing.between(asked.since, asked.until, app.ledger, caller=asked.caller)
    named = ((f"{times.iso(at)}-{operation_id}", operation_id) for at, operation_id in accepted)
    operations = heapq.nsmallest(most, (each for each in named if each[0] > asked.after))
    both: list[tuple[str, Entry | str]] = [*((each.id, each) for each in rows), *operations]
    both.sort(key=lambda each: each[0])
    shown = [_of_operation(key, each, app) if isinstance(each, str) else each for key, each in both[: asked.top]]
    return [each for each in shown if each], both[asked.top - 1][0] if len(both) > asked.top else ""


def _rows(day: datetime, asked: Wanted, app: Services) -> Iterator[Entry]:
    rows = app.access_rows.query(
        partition=f"{PREFIX}{day:%Y-%m-%d}",
        equal={"caller": asked.caller} if asked.caller else None,
        least={"ended_at": asked.since},
        below={"ended_at": asked.until},
    )
    yield from (each for each in unreadable.readable(rows, _from_row, "the audit") if each.id > asked.after)


def _of_operation(key: str, operation_id: str, app: Services) -> Entry | None:
    """Return an operation as an audit entry, None when it was deleted meanwhile or cannot be read."""
    try:
        stored = app.ledger.load(operation_id)
    except unreadable.UnreadableError as problem:
        unreadable.note(f"operation {operation_id}", problem)
        return None
    if stored is None:
        return None
    operation = stored.operation
    return Entry(
        at=operation.created_at,
        id=key,
        caller=operation.caller,
        request=f"{operation.method} {operation.path.strip('/')}",
        status=operation.http_status,
        code=operation.error.code if operation.error else operation.status,
        operation=operation.id,
        trace=operation.trace_id,
    )


def _row_of(found: Entry) -> Row:
    columns: dict[str, Any] = {"ended_at": found.at, "caller": found.caller, **records.chunked(found.view())}
    return storage.Row(partition=f"{PREFIX}{found.at:%Y-%m-%d}", key=found.id, columns=columns)


def _from_row(row: Row) -> Entry:
    stored = records.joined(row.columns)
    return Entry(
        at=datetime.fromisoformat(stored.pop("time")),
        id=row.key,
        trace=stored.pop("traceId"),
        **{name: stored[name] for name in COLUMNS if name in stored},
    )
