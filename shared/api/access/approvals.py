"""Approvals: a request is stored until a second person approves it, and then carried out as its original sender.

An approval is a record without a queue: the request that approves it carries it out, and it expires after a set time. Not here: its
routes (access_routes), and which requests need an approval (each room decides).
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from shared.api import answer
from shared.api.access import key_book
from shared.api.call import Call, Caller, RuleRun
from shared.catalog import statuses
from shared.catalog.grants import Grant
from shared.durable import codec, records, storage, versions
from shared.rest import errors
from shared.text import times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from shared.api.access.admission import Asked
    from shared.api.answer import Answer
    from shared.durable.records import Versioned
    from shared.durable.storage import Blobs, Row, Rows
    from shared.settings import Settings

VERSION = 1
PARTITION, PREFIX = "approvals", "approvals/"
DELETED = {"resourceGroups": ("resourceGroups", "workspaces"), "workspaces": ("workspaces",)}  # a group contains workspaces
HEADERS = ("prefer", "idempotency-key", "callback-url", "content-type")  # stored with the request
MEMBERS = frozenset({"version", "id", "what", "target", "kind", "caller", "author", "grants", "method", "path", "query"}) | {
    "headers", "named", "digest", "createdAt", "expiresAt", "status", "by", "decidedAt", "operation", "answered",
}  # fmt: skip

Status = statuses.OfApproval


class Services(Protocol):
    """What approvals need of the composition root."""

    @property
    def settings(self) -> Settings: ...  # noqa: D102
    @property
    def access_rows(self) -> Rows: ...  # noqa: D102
    @property
    def blobs(self) -> Blobs: ...  # noqa: D102
    @property
    def clock(self) -> Callable[[], datetime]: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A request that waits for an approval, or its outcome.

    Attributes:
        what: The entry of `STEWARD_APPROVALS` that requires it.
        target, kind: The resource that the request is about, '' for none.
        caller, author: The sender; for a rule's request also the author of the rule.
        grants: The rights of the sender.
        digest: The request's hash: while the approval is pending, the same request returns it and creates no second one.
        by: The caller who approved or refused it.
        operation: The id of the operation that it became.
        answered: The HTTP status of carrying it out, 0 before that.
    """

    id: str
    what: str
    caller: str
    method: str
    path: str
    created_at: datetime
    expires_at: datetime
    target: str = ""
    kind: str = ""
    author: str = ""
    grants: tuple[Grant, ...] = ()
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    named: Mapping[str, str] = field(default_factory=dict)
    digest: str = ""
    status: Status = "Pending"
    by: str = ""
    decided_at: datetime | None = None
    operation: str = ""
    answered: int = 0
    unknown: Mapping[str, Any] = field(default_factory=dict)

    def at(self, now: datetime) -> Approval:
        """Return the approval as of `now`: one that was not decided in time has expired."""
        return replace(self, status="Expired") if self.status == "Pending" and now >= self.expires_at else self

    def view(self) -> dict[str, Any]:
        """Return the JSON that callers see."""
        request = f"{self.method} {self.path}" + (f"?{self.query}" if self.query else "")
        dates = {"createdAt": self.created_at, "expiresAt": self.expires_at, "decidedAt": self.decided_at}
        said = {"what": self.what, "request": request, "target": self.target, "caller": self.caller, "author": self.author}
        said |= {name: times.iso(value) for name, value in dates.items() if value} | {"by": self.by, "operation": self.operation}
        known = {"id": f"/approvals/{self.id}", "name": self.id, "status": self.status}
        return {**known, **{name: value for name, value in said.items() if value}}


def wanted(what: str, call: Call, app: Services) -> bool:
    """Return whether the settings require an approval for this type of request, and the request does not carry one yet."""
    return what in app.settings.approvals and not (isinstance(call.sender, Caller) and call.sender.approved)


def deletes(call: Call, asked: Asked | None, app: Services) -> str:
    """Return the entry of `STEWARD_APPROVALS` that the deletion of this resource needs, '' for none."""
    if asked is None or asked.row is None or call.method != "DELETE" or asked.row.plane != "arm":
        return ""
    return next((what for what in DELETED.get(asked.row.path, ()) if wanted(what, call, app)), "")


def ask(what: str, call: Call, app: Services, asked: Asked | None = None) -> Answer:
    """Store a request until it is approved, and answer with a link to the approval; the same request again gets the same approval.

    Raises:
        TransientError: the app's storage is out of reach.
    """
    now, sender = app.clock(), call.sender
    query = "&".join(part for part in call.query.split("&") if part and part.partition("=")[0].lower() not in ("code", "clientid"))
    who = call.by(app.settings)
    digest = hashlib.sha256(json.dumps([who, call.method, call.path, query]).encode() + call.body).hexdigest()
    same = next((each.value for each in every(app) if each.value.digest == digest and each.value.status == "Pending"), None)
    if same is None:
        same = Approval(
            id=f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(8)}",
            what=what,
            target=asked.id.path if asked else "",
            kind=asked.kind if asked else "",
            caller=who,
            author=sender.author if isinstance(sender, RuleRun) else "",
            grants=sender.grants,
            method=call.method,
            path=call.path.strip("/"),
            query=query,
            headers={name: value for name, value in call.headers.items() if name in HEADERS},
            named=dict(call.named),
            digest=digest,
            created_at=now,
            expires_at=now + timedelta(hours=app.settings.approval_hours),
        )
        if call.body:
            app.blobs.put(PREFIX + same.id, call.body)
        _table(app).insert(same)
    headers = {"Location": answer.to_follow(call, f"approvals/{same.id}/result"), "Retry-After": "30"}
    return replace(answer.of_json(same.view(), 202, headers), approval=same.id)


def every(app: Services) -> Iterator[Versioned[Approval]]:
    """Yield all approvals as of now."""
    now = app.clock()
    for known in _table(app).find(partition=PARTITION):
        yield replace(known, value=known.value.at(now))


def load(name: str, app: Services) -> Versioned[Approval]:
    """Return an approval as of now.

    Raises:
        BadRequestError: `ApprovalNotFound` (404).
    """
    known = _table(app).load(PARTITION, name)
    if known is None:
        message = f"There is no approval '{name[:60]}'; GET approvals lists them."
        raise errors.BadRequestError("ApprovalNotFound", message, target="id", status=404)
    return replace(known, value=known.value.at(app.clock()))


def decide(name: str, status: Status, call: Call, app: Services) -> Versioned[Approval]:
    """Record that the caller approves or refuses; an approved request that was not carried out may be approved again.

    Raises:
        BadRequestError: `SecondPersonNeeded` (403), `ApprovalOver` (409).
    """
    known, who = load(name, app), call.by(app.settings)
    found = known.value
    again = found.status == status == "Approved" and not found.answered
    if status == "Approved" and is_same(call, who, (found.caller, found.author), found.grants):
        message = f"'{who}' asked for it, so another caller must approve it, with another key or sign-in (docs/security.md)."
        raise errors.BadRequestError("SecondPersonNeeded", message, target="id", status=403)
    if found.status != "Pending" and not again:
        message = f"This approval is {found.status.lower()}; send the request again if you still want it."
        raise errors.BadRequestError("ApprovalOver", message, target="id", status=409)
    return save(known, replace(found, status=status, by=who, decided_at=app.clock()), app)


def is_same(call: Call, who: str, senders: Sequence[str], held: Iterable[Grant]) -> bool:
    """Return whether a caller is one of the senders: same name, or same key where the sender had no sign-in.

    Args:
        call: The caller's request.
        who: The caller's name.
        senders: The senders' names.
        held: The senders' grants, with the keys that gave them.
    """
    keys = {grant.of for grant in call.sender.grants} & {grant.of for grant in held} - {""}
    return who in senders or (bool(keys) and any(name.startswith(key_book.KEY) for name in (who, *senders)))


def save(known: Versioned[Approval], changed: Approval, app: Services) -> Versioned[Approval]:
    """Write an approval.

    Raises:
        BadRequestError: `ApprovalOver` (409); another caller decided at the same moment.
    """
    over = changed.answered or changed.status != "Approved"
    if over:  # its headers, parameters and body may hold secrets
        changed = replace(changed, query="", headers={})
    try:
        saved = _table(app).save(known, changed)
    except storage.ConflictError:
        raise errors.BadRequestError(
            "ApprovalOver", "Another caller decided on it at the same moment; read the approval.", target="id", status=409
        ) from None
    if over:
        app.blobs.delete(PREFIX + changed.id)
    return saved


def request(found: Approval, call: Call, app: Services) -> Call:
    """Return the original request with its sender; its idempotency key makes a repetition harmless."""
    headers = {**({"idempotency-key": f"approval {found.id}"} if found.target else {}), **found.headers}
    sender = Caller(name=found.caller, grants=found.grants, approved=found.id)
    return Call(
        method=found.method,
        path=found.path,
        query=found.query,
        headers=headers,
        body=app.blobs.get(PREFIX + found.id) or b"",
        named=found.named,
        base=call.base,
        sender=sender,
    )


def purge(app: Services) -> int:
    """Expire approvals that were not decided in time, delete their bodies, and return how many."""
    oldest = app.clock() - timedelta(hours=app.settings.approval_hours)
    over = [name for name in app.blobs.names(PREFIX) if name.removeprefix(PREFIX) < f"{oldest:%Y%m%dT%H%M%SZ}"]
    for name in over:
        app.blobs.delete(name)
    late = [
        known
        for known in _table(app).find(partition=PARTITION, equal={"status": "Pending"})
        if known.value.expires_at <= app.clock()
    ]
    for known in late:
        save(known, known.value.at(app.clock()), app)
    return max(len(over), len(late))


def _table(app: Services) -> records.Table[Approval]:
    return records.Table(rows=app.access_rows, row_of=_row_of, from_row=_from_row, name="approvals")


def _row_of(found: Approval) -> Row:
    body = {
        **found.unknown,
        "version": VERSION,
        **{name: getattr(found, name) for name in ("id", "what", "target", "kind", "caller", "author", "method", "path", "query")},
        "grants": [grant.to_json() for grant in found.grants],
        "headers": dict(found.headers),
        "named": dict(found.named),
        "digest": found.digest,
        "createdAt": times.iso(found.created_at),
        "expiresAt": times.iso(found.expires_at),
        "status": found.status,
        "by": found.by,
        "decidedAt": times.iso(found.decided_at) if found.decided_at else None,
        "operation": found.operation,
        "answered": found.answered,
    }
    columns = {"status": found.status, "ended_at": found.decided_at or found.expires_at, **records.chunked(body)}
    return storage.Row(partition=PARTITION, key=found.id, columns=columns)


def _from_row(row: Row) -> Approval:
    stored = records.joined(row.columns)
    versions.check(stored, VERSION, f"approval {stored['id']}")
    names = ("id", "what", "target", "kind", "caller", "author", "method", "path", "query", "headers", "named", "digest")
    return Approval(
        **{name: stored[name] for name in (*names, "status", "by", "operation", "answered")},
        grants=tuple(Grant.from_json(each) for each in stored["grants"]),
        created_at=datetime.fromisoformat(stored["createdAt"]),
        expires_at=datetime.fromisoformat(stored["expiresAt"]),
        decided_at=datetime.fromisoformat(stored["decidedAt"]) if stored["decidedAt"] else None,
        unknown=codec.rest(stored, MEMBERS),
    )
