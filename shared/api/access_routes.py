"""Routes of named keys, of the audit, and of approvals. Not here: making keys, which the platform's key API does (infra.keys)."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, get_args

from shared.api import answer, names, route, schemas
from shared.api.call import Caller
from shared.api.route import BUSY, MISSING, Route
from shared.catalog import bodies, grants, kinds, paths, statuses
from shared.durable import storage
from shared.rest import addresses, errors
from shared.text import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shared.api.access import approvals, key_book
    from shared.api.answer import Answer
    from shared.api.call import Call
    from shared.api.route import Outcome
    from shared.settings import Settings

NAME, HASH = "[a-zA-Z0-9][a-zA-Z0-9-]{0,62}", "[0-9a-f]{64}"
OBJECT_ID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
KEY = schemas.ref("schemas", "Key")
APPROVAL_SCHEMA = schemas.ref("schemas", "Approval")
APPROVAL: tuple[str, ...] = get_args(statuses.OfApproval)
PLACES: schemas.Json = {"type": "array", "items": schemas.STRING, "maxItems": 100}
KEY_BODY: schemas.Json = {
    "type": "object",
    "required": ["role"],
    "properties": {
        "role": {"type": "string", "enum": list(grants.ROLES)},
        "hash": {"type": "string", "pattern": f"^{HASH}$", "description": "SHA-256 of the key, in hex."},
        "principal": {
            "type": "string",
            "format": "uuid",
            "description": "Instead of a hash: the Entra ID object id of a user, an application or a managed identity.",
        },
        "scope": {
            "type": "object",
            "properties": {
                "below": {**PLACES, "description": "ARM ids or paths below /api: only these resources and what is below them."},
                "kinds": {**PLACES, "description": "Only these kinds, such as workspaces/jobs, or planes of the v1 API."},
            },
        },
    },
}
KEY_NAME: schemas.Json = {"type": "string", "pattern": f"^{NAME}$"}
FORMS = ("json", "csv", "ndjson")
AUDIT_LIMIT = 500


def _keys(_call: Call, app: Any) -> Answer:
    return answer.of_json({"value": [key.view() for key in app.key_book.every()]})


def _key(call: Call, app: Any) -> Answer:
    """GET, PUT or DELETE `keys/{name}`."""
    name = call.named.get("name", "")
    try:
        found = _done(name, call, app)
    except storage.ConflictError:
        message = f"'{name[:63]}' was changed by another request at the same moment. Read it and send the request again."
        raise errors.BadRequestError("KeyChanged", message, target="name", status=409) from None
    if found is None:
        message = f"There is no key '{name[:63]}'; GET keys lists them."
        raise errors.BadRequestError("KeyNotFound", message, target="name", status=404)
    return answer.of_json(found.view())


def _done(name: str, call: Call, app: Any) -> key_book.Key | None:
    book: key_book.Book = app.key_book
    if call.method == "PUT":
        return _put(name, call, book, app.settings)
    if call.method == "DELETE":
        return book.revoke(name, call.by(app.settings))
    known = book.load(name)
    return known.value if known else None


def _put(name: str, call: Call, book: key_book.Book, settings: Settings) -> key_book.Key:
    from shared.api.access import key_book

    if not re.fullmatch(NAME, name) or name.lower() in key_book.RESERVED:
        message = f"'{name[:63]}' is not a valid key name; expected at most 63 letters, digits and hyphens, no reserved name."
        raise errors.BadRequestError("InvalidParameter", message, target="name")
    body = bodies.parse(call.body, call.media)
    names.check_fields(body, ("role", "scope", "hash", "principal"))
    role, digest, principal = body.get("role"), body.get("hash") or "", body.get("principal") or ""
    if role not in grants.ROLES:
        message = f"'role' is '{str(role)[:50]}'; expected one of {', '.join(grants.ROLES)}."
        raise errors.BadRequestError("InvalidValue", message, target="role")
    if not isinstance(digest, str) or (digest and not re.fullmatch(HASH, digest)):
        message = "'hash' is not a SHA-256 in hex (64 of 0-9, a-f). Send the hash, never the key itself."
        raise errors.BadRequestError("InvalidValue", message, target="hash")
    if principal and (digest or not re.fullmatch(OBJECT_ID, str(principal).lower())):
        message = f"'principal' is '{str(principal)[:50]}'; expected an Entra ID object id (a UUID) without a 'hash'."
        raise errors.BadRequestError("InvalidValue", message, target="principal")
    grant = grants.Grant(role=role, **_scope(body.get("scope"), settings))
    return book.put(name, grant, key_book.PRINCIPAL + principal.lower() if principal else digest, call.by(settings))


def _scope(given: object, settings: Settings) -> dict[str, Any]:
    """Return the places and kinds of a scope in stored form."""
    if given is None:
        return {}
    listed: dict[str, Any] = given if isinstance(given, dict) else {"scope": None}
    if listed is given:
        names.check_fields(listed, ("below", "kinds"))
    for name, value in listed.items():
        if not isinstance(value, list) or not all(isinstance(each, str) and each.strip() for each in value) or len(value) > 100:
            message = f"'{name}' of the scope is not a list of strings; expected below: [ids] or kinds: [kinds], at most 100."
            raise errors.BadRequestError("InvalidValue", message, target="scope")
    return {
        "below": tuple(dict.fromkeys(_place(each, settings) for each in listed.get("below", ()))),
        "kinds": tuple(dict.fromkeys(_kind(each) for each in listed.get("kinds", ()))),
    }


def _place(text: str, settings: Settings) -> str:
    target = paths.resolve(text, settings)
    if target.action or target.view or target.id.is_collection or not target.id.subscription:
        message = (
            f"'{text[:200]}' is not a valid place; expected a subscription, group or resource: its ARM id, or its path below /api."
        )
        raise errors.BadRequestError("InvalidValue", message, target="scope.below")
    return target.id.key


def _kind(text: str) -> str:
    """Return the full type of a kind, or a plane of the v1 API, in lower case."""
    known = {kind.full_type.lower() for kind in kinds.KINDS} | addresses.CALLERS_PLANES
    low = text.strip().lower().strip("/")
    found = next((each for each in (low, f"{kinds.ML}/{low}".lower(), f"{kinds.RESOURCES}/{low}".lower()) if each in known), "")
    if not found:
        near = did_you_mean.alike(low, known)
        message = f"'{text[:100]}' is not a known kind{names.hint(near, ()) if near else '; docs/kinds.md lists them.'}"
        raise errors.BadRequestError("InvalidValue", message, target="scope.kinds")
    return found


def _audit(call: Call, app: Any) -> Answer:
    """GET `audit?since=&until=&caller=`: JSON, CSV or NDJSON, oldest first."""
    from shared.api.access import audit

    now = app.clock()
    asked = audit.Wanted(
        since=call.moment("since", now, now - timedelta(days=1)),
        until=call.moment("until", now, now + timedelta(seconds=1)),
        caller=call.text("caller"),
        after=call.text("$skipToken"),
        top=call.whole_number("$top", 100, AUDIT_LIMIT) or 1,
    )
    if asked.until - asked.since > timedelta(days=366):
        message = "'since' and 'until' are more than a year apart; expected at most a year."
        raise errors.BadRequestError("InvalidParameter", message, target="since")
    found, more = audit.page(asked, app)
    shown, following = [each.view() for each in found], answer.next_link(call, more) if more else ""
    form = call.choice("format", FORMS) or "json"
    headers = {"Link": f'<{following}>; rel="next"'} if following else {}
    if form == "ndjson":
        content = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in shown).encode("utf-8", errors="replace")
        return answer.of_bytes(content, "application/x-ndjson", headers=headers)
    if form == "csv":
        return answer.of_csv([audit.COLUMNS, *(each.values() for each in shown)], "audit", headers)
    return answer.of_json({"value": shown, "nextLink": following} if following else {"value": shown})


def _approvals(call: Call, app: Any) -> Answer:
    """GET `approvals?status=`: newest first."""
    from shared.api.access import approvals

    status, top = call.choice("status", APPROVAL), call.whole_number("$top", 50, 200)
    found = (each.value for each in approvals.every(app))
    shown = [each for each in found if status in ("", each.status) and _sees(call, each)]
    newest = sorted(shown, key=lambda each: each.id, reverse=True)
    return answer.of_json(answer.page(call, newest, top, lambda each: each.id, lambda each: each.view()))


def _sees(call: Call, found: approvals.Approval) -> bool:
    return not call.limited or (bool(found.target) and call.sees(found.target, found.kind))


def _waiting(call: Call, app: Any) -> approvals.Approval:
    from shared.api.access import approvals

    found: approvals.Approval = approvals.load(call.named.get("id", ""), app).value
    if not _sees(call, found):
        grants.check_whole(call.sender.grants, call.by(app.settings), f"The approval {found.id}")
    return found


def _approval(call: Call, app: Any) -> Answer:
    return answer.of_json(_waiting(call, app).view())


def _approval_result(call: Call, app: Any) -> Outcome:
    """GET `approvals/{id}/result`: 202 until it is decided, then the outcome of the request."""
    found = _waiting(call, app)
    if found.status == "Pending":
        return answer.of_json(found.view(), 202, {"Retry-After": "30"})
    if found.status != "Approved":
        message = f"{found.method} {found.path} was not approved: it is {found.status.lower()}."
        raise errors.BadRequestError(f"Approval{found.status}", message, target="id", status=403)
    stored = app.ledger.load(found.operation) if found.operation else None
    return stored.operation if stored else answer.of_json(found.view())


def _refuse(call: Call, app: Any) -> Answer:
    from shared.api.access import approvals

    return answer.of_json(approvals.decide(_waiting(call, app).id, "Refused", call, app).value.view())


def routes(every: Callable[[], Sequence[Route]]) -> tuple[Route, ...]:
    """Return the routes; `every` returns the routes of all rooms, because an approved request is carried out by its own route."""

    def approve(call: Call, app: Any) -> Outcome:
        """POST `approvals/{id}/approve`: carry out the request as its sender; the approver is another caller."""
        from shared.api import handling
        from shared.api.access import admission, approvals
        from shared.operations.models import Operation

        found = _waiting(call, app)
        asked = approvals.request(found, call, app)
        row = route.find(every(), found.method, found.path)
        if row is None:
            raise handling.refusal(found.method, found.path, every())
        sender = call.sender
        if isinstance(sender, Caller):
            admission.admitted(replace(asked, sender=replace(sender, approved=found.id)), row, app)
        known = approvals.decide(found.id, "Approved", call, app)
        try:
            outcome = handling.carry_out(asked, row, app)
        except errors.PermanentError as problem:
            approvals.save(known, replace(known.value, answered=problem.status), app)
            raise
        operation = outcome.id if isinstance(outcome, Operation) else ""
        approvals.save(known, replace(known.value, answered=200, operation=operation), app)
        return outcome

    return (*ROUTES, Route(
        "approvals_approve",
        "POST /approvals/{id}/approve",
        approve,
        role="operator",
        summary="Approve: the request is carried out as its sender, who cannot approve it",
        answers={"200": {}, "202": {}, "204": None},
        problems={**MISSING, **BUSY},
    ))  # fmt: skip


ROUTES: tuple[Route, ...] = (
    Route(
        "approvals_list",
        "GET /approvals",
        _approvals,
        role="operator",
        summary="The requests that wait for another caller's approval, and past ones",
        query={"status": {"type": "string", "enum": list(APPROVAL)}, "$top": schemas.top(200), "SkipToken": ""},
        answers={"200": schemas.listed(APPROVAL_SCHEMA)},
    ),
    Route(
        "approvals_get",
        "GET /approvals/{id}",
        _approval,
        role="operator",
        summary="One approval",
        answers={"200": APPROVAL_SCHEMA},
        problems=MISSING,
    ),
    Route(
        "approvals_result",
        "GET /approvals/{id}/result",
        _approval_result,
        role="operator",
        summary="The outcome of the request: 202 until it is decided",
        answers={"200": {}, "202": {}, "204": None},
        problems={**MISSING, **BUSY},
        polled=True,
    ),
    Route(
        "approvals_refuse",
        "POST /approvals/{id}/refuse",
        _refuse,
        role="operator",
        summary="Refuse the request, or withdraw your own",
        answers={"200": APPROVAL_SCHEMA},
        problems={**MISSING, **BUSY},
    ),
    Route(
        "keys_list",
        "GET /keys",
        _keys,
        role="admin",
        whole=True,
        summary="The named keys and sign-ins: role, scope, and whether they are revoked; never the key itself",
        answers={"200": schemas.listed(KEY)},
    ),
    Route(
        "keys_get",
        "GET /keys/{name}",
        _key,
        function="keys_one",
        role="admin",
        whole=True,
        summary="One named key",
        answers={"200": KEY},
        problems=MISSING,
    ),
    Route(
        "keys_put",
        "PUT /keys/{name}",
        _key,
        function="keys_one",
        role="admin",
        whole=True,
        summary="Name a key by its hash or a sign-in by its object id, or change its role and scope",
        path={"name": KEY_NAME},
        body={"application/json": KEY_BODY},
        answers={"200": KEY},
        problems=BUSY,
    ),
    Route(
        "keys_delete",
        "DELETE /keys/{name}",
        _key,
        function="keys_one",
        role="admin",
        whole=True,
        summary="Revoke a key: it is refused within 30 seconds; its row stays",
        answers={"200": KEY},
        problems={**MISSING, **BUSY},
    ),
    Route(
        "audit_list",
        "GET /audit",
        _audit,
        role="admin",
        whole=True,
        summary="Changes and reads of secrets, oldest first: who, what, when, result",
        query={
            **schemas.PERIOD,
            "caller": schemas.STRING,
            "format": {"type": "string", "enum": list(FORMS)},
            "$top": schemas.top(AUDIT_LIMIT),
            "SkipToken": "",
        },
        answers={"200": schemas.listed(schemas.ref("schemas", "AuditEntry"))},
        answers_as=("text/csv", "application/x-ndjson"),
    ),
)
