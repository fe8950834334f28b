"""Routes of expiries: list, read, change, delete. Not here: setting one in a request (resources.expiry_headers)."""

from __future__ import annotations

import heapq
import re
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, get_args

from shared.api import answer, names, schemas
from shared.api.route import BUSY, MISSING, Route
from shared.catalog import bodies, grants, statuses
from shared.durable import storage
from shared.rest import errors, ids
from shared.text import times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shared.api.answer import Answer
    from shared.api.call import Call
    from shared.durable.records import Versioned
    from shared.expiry.expiries import Services
    from shared.expiry.expiry_record import Expiry

TRIES = 10  # attempts when another request changes the expiry at the same time
LIST_LIMIT = 200
STATUSES = tuple(each for each in get_args(statuses.OfExpiry) if each != "Canceled")
EXPIRY = schemas.ref("schemas", "Expiry")
DECIDING = ("expires_at", "target", "state")
BODY: schemas.Json = {"type": "object", "properties": {"at": {"type": "string", "format": "date-time"}, "in": schemas.STRING}}
_TOKEN = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)_([0-9a-f]{20}-[0-9a-f]{20})", re.ASCII)


def list_soonest(call: Call, app: Services) -> Answer:
    """GET `expiries?below=&status=&$top=`: soonest first, with a nextLink while there are more."""
    from shared.expiry import expiries

    below, status = call.resource("below", app.settings), call.choice("status", STATUSES)
    top, token = call.whole_number("$top", 50, LIST_LIMIT), call.text("$skipToken")
    found = _TOKEN.fullmatch(token)
    at = times.moment(found[1]) if found else None
    if token and at is None:
        message = f"'$skipToken' is '{token[:100]}'; expected the token from a nextLink of this list."
        raise errors.BadRequestError("InvalidParameter", message, target="$skipToken")
    after = (at, found[2]) if found and at else None
    rows = (each for each in _briefs(app, status, after) if _within(each[2], below) and call.sees(each[2]))
    page = heapq.nsmallest(top + 1, rows)
    loaded = (expiries.load(name, app) for _, name, _ in page[:top])
    body: dict[str, object] = {"value": [known.value.view() for known in loaded if known]}
    if top and len(page) > top:
        at, name, _ = page[top - 1]
        body["nextLink"] = answer.next_link(call, f"{times.iso(at)}_{name}")
    return answer.of_json(body)


def _briefs(app: Services, status: str, after: tuple[datetime, str] | None) -> Iterator[tuple[datetime, str, str]]:
    """Yield time, name and target of the expiries after a given one."""
    from shared.expiry import expiry_record

    equal = {"state": status} if status else None
    least = {"expires_at": after[0] if after else datetime.fromisoformat("2010-01-01T00:00:00Z")}
    found = app.cleanup_rows.query(equal=equal, least=least, columns=DECIDING)
    own = (row for row in found if row.partition.startswith(expiry_record.PREFIX) and row.columns["state"] != "Canceled")
    for row in own:
        brief = (row.columns["expires_at"], f"{row.partition.removeprefix(expiry_record.PREFIX)}-{row.key}")
        if after is None or brief > after:
            yield *brief, str(row.columns["target"])


def _within(target: str, below: ids.ResourceId | None) -> bool:
    return below is None or f"{target}/".startswith(f"{below.key}/")


def read(call: Call, app: Services) -> Answer:
    """GET `expiries/{id}`."""
    return answer.of_json(_load(call, app).value.view())


def move(call: Call, app: Services) -> Answer:
    """PATCH `expiries/{id}` {"at"|"in"}: change its time."""
    from shared.api.resources import expiry_headers
    from shared.expiry import expiries

    body = bodies.parse(call.body, call.media)
    names.check_fields(body, ("at", "in"))

    def moved(known: Versioned[Expiry]) -> Expiry:
        now, kept = app.clock(), known.value
        at = expiry_headers.moment(expiry_headers.members(body), kept.kind, app.settings, now=now, since=kept.created_at)
        return expiries.move(known, at, app)

    return answer.of_json(_decided(call, app, moved).view())


def forget(call: Call, app: Services) -> Answer:
    """DELETE `expiries/{id}`: delete the expiry; its resource stays."""
    from shared.expiry import expiries

    _decided(call, app, lambda known: expiries.drop(known, app))
    return answer.of_json(None, 204)


def _decided[T](call: Call, app: Services, change: Callable[[Versioned[Expiry]], T]) -> T:
    """Record a caller's change of an expiry; try again if the worker changes it at the same time."""
    for _ in range(TRIES):
        with suppress(storage.ConflictError):
            return change(_load(call, app))
    message = "Other requests changed the expiry at the same time. Read it and send the request again."
    raise errors.BadRequestError("ExpiryChanged", message, target="id", status=409)


def _load(call: Call, app: Services) -> Versioned[Expiry]:
    from shared.expiry import expiries

    name = call.named.get("id", "")
    known = expiries.load(name, app) if re.fullmatch(r"[0-9a-f]{20}-[0-9a-f]{20}", name) else None
    if known is None:
        message = f"There is no expiry '{name[:60]}'; GET expiries lists them."
        raise errors.BadRequestError("ExpiryNotFound", message, target="id", status=404)
    target = ids.parse(known.value.target)
    grants.check_reach(call.sender.grants, call.by(app.settings), target, target.full_type)
    return known


ROUTES: tuple[Route, ...] = (
    Route(
        "expiries_list",
        "GET /expiries",
        list_soonest,
        summary="The expiries, open and ended, by their time, soonest first",
        query={
            "below": schemas.STRING,
            "status": {"type": "string", "enum": list(STATUSES)},
            "$top": schemas.top(LIST_LIMIT),
            "SkipToken": "",
        },
        answers={"200": schemas.listed(EXPIRY)},
    ),
    Route(
        "expiries_get",
        "GET /expiries/{id}",
        read,
        function="expiry",
        summary="One expiry",
        answers={"200": EXPIRY},
        problems=MISSING,
    ),
    Route(
        "expiries_move",
        "PATCH /expiries/{id}",
        move,
        function="expiry",
        role="operator",
        summary="Change the time of an expiry; one that kept its resource becomes pending again",
        body={"application/json": BODY},
        answers={"200": EXPIRY},
        problems={**MISSING, **BUSY},
    ),
    Route(
        "expiries_delete",
        "DELETE /expiries/{id}",
        forget,
        function="expiry",
        role="operator",
        summary="Delete an expiry; its resource stays",
        answers={"204": None},
        problems={**MISSING, **BUSY},
    ),
)
