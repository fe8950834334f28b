"""HTTP: our own operations: list, read, wait for, fetch the result of, cancel."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, get_args

import azure.functions as func

from functions import http, parameters, routes, waiting
from shared import services
from shared.operations import flows, listing, models
from shared.rest import errors

if TYPE_CHECKING:
    from shared.operations.ledger import Stored

blueprint = func.Blueprint()

LIST_LIMIT = 200
LIST_BUDGET_S = 20.0  # how long a page looks back before it is answered as far as it got
STATUSES: tuple[str, ...] = get_args(models.Status)


@routes.route(blueprint, "operations_list", "operations", ["GET"])
async def list_operations(req: func.HttpRequest) -> func.HttpResponse:
    """GET `operations?status=&target=&below=&$top=`: the newest first, with a nextLink while there are more."""
    return await http.answer(req, _list)


@routes.route(blueprint, "operations_read", "operations/{id}", ["GET"])
async def read_operation(req: func.HttpRequest) -> func.HttpResponse:
    """GET `operations/{id}?wait=N`: always 200 with the status, after at most N seconds."""
    return await http.guarded(_read(req), req)


@routes.route(blueprint, "operations_result", "operations/{id}/result", ["GET"])
async def read_result(req: func.HttpRequest) -> func.HttpResponse:
    """GET `operations/{id}/result`: 202 while running, then the resource or Azure's error."""
    return await http.answer(req, lambda req: _load(req).operation)


@routes.route(blueprint, "operations_cancel", "operations/{id}/cancel", ["POST"])
async def cancel_operation(req: func.HttpRequest) -> func.HttpResponse:
    """POST `operations/{id}/cancel?abandon=true`: 200 with the operation as it stands now."""
    return await http.answer(req, _cancel)


async def _read(req: func.HttpRequest) -> func.HttpResponse:
    wait_s = parameters.whole_number(req, "wait", 0, int(waiting.LIMIT_S))
    stored = await waiting.in_thread(_load, req)
    operation = await waiting.for_end(stored.operation, wait_s)
    shown = await http.whole(operation)
    view = shown.view()
    if shown.notify:
        view["properties"]["deliveries"] = await waiting.in_thread(_deliveries, shown.id)
    headers = {} if shown.ended else {"Retry-After": http.follow_headers(shown, req)["Retry-After"]}
    return http.json_response(view, 200, req, headers)


def _deliveries(operation_id: str) -> list[dict[str, object]]:
    """Return how telling others of the operation's end goes."""
    from shared.notify import deliveries

    return deliveries.views(operation_id, services.get())


def _list(req: func.HttpRequest) -> func.HttpResponse:
    app = services.get()
    target, below = (parameters.resource(req, name, app.settings) for name in ("target", "below"))
    wanted = listing.Wanted(
        top=parameters.whole_number(req, "$top", 50, LIST_LIMIT),
        status=parameters.choice(req, "status", STATUSES),
        partition=models.partition_of(target) if target else "",
        below=below.key if below else "",
        place=listing.Place.of(parameters.text(req, "$skipToken")),
    )
    end = time.monotonic() + LIST_BUDGET_S
    found, place = listing.page(wanted, app.ledger, app.clock(), lambda: time.monotonic() >= end)
    body: dict[str, object] = {}
    body["value"] = [replace(operation, resource=None, result=None).view() for operation in found]  # one at a time shows its result
    if place:
        body["nextLink"] = http.next_link(req, place.token)
    return http.json_response(body, 200, req)


def _cancel(req: func.HttpRequest) -> func.HttpResponse:
    abandon = parameters.flag(req, "abandon")
    app = services.get()
    operation = app.ledger.whole(flows.cancel(_load(req), app, abandon=abandon))
    return http.json_response(operation.view(), 200, req)


def _load(req: func.HttpRequest) -> Stored:
    operation_id = str(req.route_params.get("id", ""))
    stored = services.get().ledger.load(operation_id)
    if stored is None:
        message = (
            f"There is no operation '{operation_id[:100]}'; ended ones are kept for {services.get().settings.retention_days} days."
        )
        raise errors.BadRequestError("OperationNotFound", message, target="id", status=404)
    return stored
