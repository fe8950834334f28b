"""Our own operations: list, read, wait for, fetch the result of, cancel."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, get_args

from shared.api import answer, explanation, schemas
from shared.api.answer import Later
from shared.api.call import WAIT_LIMIT_S
from shared.api.route import BUSY, MISSING, Route
from shared.catalog import grants
from shared.notify import deliveries
from shared.operations import advice, flows, listing, models
from shared.rest import errors, ids

if TYPE_CHECKING:
    from shared.api.answer import Answer
    from shared.api.call import App, Call
    from shared.operations.ledger import Stored
    from shared.operations.models import Operation

LIST_LIMIT = 200
LIST_BUDGET_S = 20.0  # how long a page looks back before it is answered as far as it got
STATUSES: tuple[str, ...] = get_args(models.Status)
STATUS: schemas.Json = {"type": "string", "enum": list(STATUSES)}
OPERATION = schemas.ref("schemas", "Operation")


def read(call: Call, app: App) -> Later:
    """GET `operations/{id}?wait=N`: always 200 with the status, after at most N seconds."""
    wait_s = call.whole_number("wait", 0, int(WAIT_LIMIT_S))
    return _shown(_load(call, app).operation, call, app, wait_s)


def _shown(operation: Operation, call: Call, app: App, wait_s: float) -> Later:
    def look() -> Later:
        return _shown(_load(call, app).operation, call, app, wait_s)

    def view() -> Answer:
        shown = app.ledger.whole(operation)
        body = shown.view()
        if told := explanation.whole(shown, call, app):
            body["properties"]["explanation"] = told
        if shown.notify:
            body["properties"]["deliveries"] = deliveries.views(shown.id, app)
        return answer.of_json(body, headers={} if shown.ended else {"Retry-After": answer.retry_after(shown)})

    return Later(ended=operation.ended, wait_s=wait_s, look=look, answer=view)


def result(call: Call, app: App) -> Operation:
    """GET `operations/{id}/result`: 202 while running, then the resource or Azure's error."""
    return _load(call, app).operation


def list_newest(call: Call, app: App) -> Answer:
    """GET `operations?status=&target=&below=&$top=`: the newest first, with a nextLink while there are more."""
    target, below = (call.resource(name, app.settings) for name in ("target", "below"))
    wanted = listing.Wanted(
        top=call.whole_number("$top", 50, LIST_LIMIT),
        status=call.choice("status", STATUSES),
        target=target,
        below=below.key if below else "",
        caller=call.text("caller"),
        shown=(lambda each: call.sees(each.target)) if call.limited else None,
        place=listing.Place.of(call.text("$skipToken")),
    )
    end = time.monotonic() + LIST_BUDGET_S
    found, place = listing.page(wanted, app.ledger, app.clock(), lambda: time.monotonic() >= end)
    body: dict[str, object] = {}
    body["value"] = [_brief(operation, call) for operation in found]
    if place:
        body["nextLink"] = answer.next_link(call, place.token)
    return answer.of_json(body)


def _brief(operation: Operation, call: Call) -> dict[str, object]:
    """Return an operation as lists show it: without its result and its log."""
    shown = replace(operation, resource=None, result=None).view()
    if told := advice.explain(operation, call.base):
        shown["properties"]["explanation"] = told
    return shown


def cancel(call: Call, app: App) -> Answer:
    """POST `operations/{id}/cancel?abandon=true`: 200 with the operation as it stands now."""
    abandon = call.flag("abandon")
    operation = app.ledger.whole(flows.cancel(_load(call, app), app, abandon=abandon))
    return answer.of_json(operation.view())


def _load(call: Call, app: App) -> Stored:
    operation_id = call.named.get("id", "")
    stored = app.ledger.load(operation_id)
    if stored is None:
        message = f"There is no operation '{operation_id[:100]}'; ended ones are kept for {app.settings.retention_days} days."
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
        summary="The operations of this app, the newest first",
        query={
            "status": STATUS,
            "target": schemas.STRING,
            "below": schemas.STRING,
            "caller": schemas.STRING,
            "$top": schemas.top(200),
            "SkipToken": "",
        },
        answers={"200": schemas.ref("schemas", "OperationList")},
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
        summary="The result: 202 while it runs, then the resource or Azure's error",
        query={"Prefer": ""},
        answers={"200": {}, "201": {}, "202": OPERATION, "204": None},
        problems={**MISSING, **BUSY, "403": "Forbidden", "422": "Failed", "429": "Throttled"},
        polled=True,
    ),
    Route(
        "operations_cancel",
        "POST /operations/{id}/cancel",
        cancel,
        role="operator",
        summary="Cancel: what is not sent yet, or a job or run; with `abandon` only stop following it",
        query={"abandon": {"type": "boolean"}},
        answers={"200": OPERATION},
        problems={**MISSING, **BUSY},
    ),
)
