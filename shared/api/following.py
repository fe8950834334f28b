"""Our own operations: list, read, wait for, fetch the result of, cancel."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, get_args

from shared.api import answer, schemas
from shared.api.answer import Later
from shared.api.call import WAIT_LIMIT_S
from shared.api.route import BUSY, MISSING, Route
from shared.catalog import grants, statuses
from shared.rest import errors, ids

if TYPE_CHECKING:
    from shared.api.answer import Answer
    from shared.api.call import App, Call
    from shared.operations import listing
    from shared.operations.ledger import Stored
    from shared.operations.models import Operation

LIST_LIMIT = 200
LIST_BUDGET_S = 20.0  # how long one request searches before it returns the page as far as found
STATUSES: tuple[str, ...] = get_args(statuses.OfOperation)
STATUS: schemas.Json = {"type": "string", "enum": list(STATUSES)}
OPERATION = schemas.ref("schemas", "Operation")
OUTCOMES: tuple[str, ...] = (*STATUSES, "Refused")
FILTERS: dict[str, schemas.Json] = {
    "status": STATUS,
    "outcome": {"type": "string", "enum": list(OUTCOMES)},
    **dict.fromkeys(("target", "below", "caller", "kind", "find"), schemas.STRING),
    **schemas.PERIOD,
}


def read(call: Call, app: App) -> Later:
    """GET `operations/{id}?wait=N`: always 200 with the status, after at most N seconds."""
    wait_s = call.whole_number("wait", 0, int(WAIT_LIMIT_S))
    return _shown(_load(call, app).operation, call, app, wait_s)


def _shown(operation: Operation, call: Call, app: App, wait_s: float) -> Later:
    def look() -> Later:
        return _shown(_load(call, app).operation, call, app, wait_s)

    def view() -> Answer:
        from shared.api import explanation
        from shared.notify import deliveries

        shown = app.ledger.whole(operation)
        body = shown.view()
        if told := explanation.whole(shown, call, app):
            body["properties"]["explanation"] = told
        if shown.notify:
            body["properties"]["deliveries"] = deliveries.views(shown.id, app)
        return answer.of_json(body, headers={} if shown.ended else {"Retry-After": answer.retry_after(shown)})

    return Later(ended=operation.ended, wait_s=wait_s, look=look, answer=view)


def result(call: Call, app: App) -> Operation:
    """GET `operations/{id}/result`: 202 while running, then the resource or Azure's error; for a score the endpoint's answer."""
    operation = _load(call, app).operation
    if not _is_own(operation, call, app):
        grants.check_role(call.sender.grants, call.by(app.settings), "the answer to another caller's score", "operator")
    return operation


def _is_own(operation: Operation, call: Call, app: App) -> bool:
    """Return whether this caller may read the result: a score's request and answer belong to the caller who sent it."""
    return not operation.scores or operation.caller == call.by(app.settings)


def list_newest(call: Call, app: App) -> Answer:
    """GET `operations`: newest first, with a nextLink while there are more."""
    from shared.operations import listing

    wanted = replace(
        _wanted(call, app),
        top=call.whole_number("$top", 50, LIST_LIMIT),
        shown=(lambda each: call.sees(each.target)) if call.limited else None,
    )
    if place := listing.Place.of(call.text("$skipToken")):
        wanted = replace(wanted, place=place)
    end = time.monotonic() + LIST_BUDGET_S
    found, place = listing.page(wanted, app.ledger, app.clock(), lambda: time.monotonic() >= end)
    body: dict[str, object] = {}
    body["value"] = [_brief(operation, call) for operation in found]
    if place:
        body["nextLink"] = answer.next_link(call, place.token)
    return answer.of_json(body)


def _wanted(call: Call, app: App) -> listing.Wanted:
    """Return the filter of a list or of the load."""
    from shared.operations import listing

    target, below = (call.resource(name, app.settings) for name in ("target", "below"))
    now = app.clock()
    until = call.moment("until", now, None)
    return listing.Wanted(
        status=call.choice("status", STATUSES),
        outcome=call.choice("outcome", OUTCOMES),
        target=target,
        below=below.key if below else "",
        caller=call.text("caller"),
        kind=call.text("kind"),
        find=call.text("find").lower(),
        since=call.moment("since", now, None),
        place=listing.Place(at=until) if until else None,
    )


def load(call: Call, app: App) -> Answer:
    """GET `load`: the number of operations accepted per interval, and how they ended."""
    from shared.operations import listing
    from shared.operations import throughput as load_counts

    wanted, now = _wanted(call, app), app.clock()
    since, until = wanted.since or now - load_counts.DAY, wanted.place.at if wanted.place else now
    if since >= until or until - since > load_counts.LONGEST:
        message = f"'since' to 'until' is {until - since}; expected a positive time of at most {load_counts.LONGEST.days} days."
        raise errors.BadRequestError("InvalidParameter", message, target="since")
    found = listing.briefs(replace(wanted, since=since), app.ledger)
    seen = (each for each in found if call.sees(str(each.columns.get("target", ""))))
    return answer.of_json(load_counts.counted(seen, since, until))


def _brief(operation: Operation, call: Call) -> dict[str, object]:
    """Return an operation as lists show it: without its result and its log."""
    from shared.operations import advice

    shown = replace(operation, resource=None, result=None).view()
    if told := advice.explain(operation, call.base):
        shown["properties"]["explanation"] = told
    return shown


def parked(call: Call, app: App) -> Answer:
    """GET `parked`: the endpoints that are parked, parking or waking."""
    from shared.endpoints import snapshots

    return answer.of_json({"value": [each.view() for each in snapshots.every(app.blobs) if call.sees(each.endpoint)]})


def cancel(call: Call, app: App) -> Answer:
    """POST `operations/{id}/cancel?abandon=true`: 200 with the operation's state; scorers cancel only their own scores."""
    from shared.operations import flows

    abandon = call.flag("abandon")
    stored = _load(call, app)
    if not (stored.operation.scores and _is_own(stored.operation, call, app)):
        what = f"{call.method} {call.path.strip('/')[:200]}"
        grants.check_role(call.sender.grants, call.by(app.settings), what, "operator")
    operation = app.ledger.whole(flows.cancel(stored, app, abandon=abandon))
    return answer.of_json(operation.view())


def _load(call: Call, app: App) -> Stored:
    operation_id = call.named.get("id", "")
    stored = app.ledger.load(operation_id)
    if stored is None:
        message = f"There is no operation '{operation_id[:100]}'; ended operations are kept for {app.settings.retention_days} days."
        raise errors.BadRequestError("OperationNotFound", message, target="id", status=404)
    target = ids.parse(stored.operation.target) if call.limited else None
    if target:
        grants.check_reach(call.sender.grants, call.by(app.settings), target, target.full_type)
    return stored


ROUTES: tuple[Route, ...] = (
    Route(
        "operations_list",
        "GET /operations",
        list_newest,
        summary="The operations of this app, newest first",
        query={**FILTERS, "$top": schemas.top(200), "SkipToken": ""},
        answers={"200": schemas.ref("schemas", "OperationList")},
    ),
    Route(
        "load",
        "GET /load",
        load,
        summary="The number of operations accepted over time, and how they ended; by default for the last day",
        query=FILTERS,
        answers={"200": schemas.ref("schemas", "Load")},
    ),
    Route(
        "parked",
        "GET /parked",
        parked,
        summary="The parked online endpoints, with the deployments that a call restores",
        answers={"200": schemas.listed(schemas.ref("schemas", "ParkedEndpoint"))},
    ),
    Route(
        "operations_get",
        "GET /operations/{id}",
        read,
        function="operations_read",
        summary="One operation: always 200 with its status",
        query={"Wait": ""},
        answers={"200": OPERATION},
        problems=MISSING,
        polled=True,
    ),
    Route(
        "operations_result",
        "GET /operations/{id}/result",
        result,
        summary="The result: 202 while it runs, then the resource or Azure's error; for a score, the endpoint's own answer",
        query={"Prefer": "", "take": {"type": "boolean"}},
        answers={"200": {}, "201": {}, "202": OPERATION, "204": None},
        answers_as=("*/*",),
        problems={**MISSING, **BUSY, "410": "Gone", "403": "Forbidden", "422": "Failed", "429": "Throttled"},
        polled=True,
    ),
    Route(
        "operations_cancel",
        "POST /operations/{id}/cancel",
        cancel,
        role="scorer",
        summary="Cancel an operation that is not sent yet, or a job or run; with `abandon` only stop following it",
        query={"abandon": {"type": "boolean"}},
        answers={"200": OPERATION},
        problems={**MISSING, **BUSY},
    ),
)
