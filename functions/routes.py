"""HTTP: one function for each path of the table of routes, and one for what no route takes.

Whatever answers GET answers HEAD alike (RFC 9110 §9.3.2; the platform leaves the content out). Not here: the table
(shared.route_table), what is done (shared.api, and the handlers of each room).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

import azure.functions as func

from functions import answering, http
from shared.api import answer, route
from shared.route_table import ROUTES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from shared.api.call import Call
    from shared.api.route import Route
    from shared.rest import errors

    type Trigger = Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]

blueprint = func.Blueprint()

VERBS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
ARM = "arm"


async def anything_else(req: func.HttpRequest) -> func.HttpResponse:
    """Answer what is below `arm/` by the route of its path, empty segments dropped; refuse anything else."""
    path, rows = str(req.route_params.get("rest") or ""), ROUTES
    call, row, (first, _, below) = http.call_of(req), None, path.partition("/")
    if first.lower() == ARM:
        path, rows = "/".join(filter(None, below.split("/"))), tuple(each for each in ROUTES if not each.own)
        row = route.find(rows, call.method, path)
    if row is None:
        return http.response_of(answer.of_error(_refusal(call, path, rows)), call)
    call = replace(call, path=quote(path, safe="/"), arm=True)
    return http.response_of(await answering.answered(call, row), call)


def _refusal(call: Call, path: str, rows: Sequence[Route] = ROUTES) -> errors.StewardError:
    from shared.api import handling

    return handling.refusal(call.method, path, rows)


def _trigger(name: str, rows: Sequence[Route]) -> Trigger:
    by_verb = {row.verb: row for row in rows}

    async def trigger(req: func.HttpRequest) -> func.HttpResponse:
        call = http.call_of(req)
        path, verb = unquote(call.path).strip("/"), "GET" if call.method == "HEAD" else call.method
        row = by_verb.get(verb)
        if row is None:  # "run now" of the platform's admin routes sends POST to each function
            return http.response_of(answer.of_error(_refusal(call, path)), call)
        if nested := None if row.own else route.find(NESTED, verb, path):
            call, row = replace(call, named=nested.named(path)), nested
        elif row.own:  # of two rows the one without a name comes first
            row = route.find(rows, verb, path) or row
        return http.response_of(await answering.answered(call, row), call)

    trigger.__name__ = name
    return trigger


def _register(name: str, template: str, verbs: Sequence[str], trigger: Trigger, *, anonymous: bool = False) -> None:
    level = func.AuthLevel.ANONYMOUS if anonymous else None
    every = [*verbs, *(["HEAD"] if "GET" in verbs and "HEAD" not in verbs else [])]
    blueprint.function_name(name)(blueprint.route(template, methods=every, auth_level=level)(trigger))


NESTED = tuple(row for row in ROUTES if row.about)  # below a resource: its function takes them
FUNCTIONS: dict[str, list[Route]] = {}
for each in ROUTES:
    if not each.about:
        FUNCTIONS.setdefault(each.trigger, []).append(each)
TRIGGERS = {name: _trigger(name, rows) for name, rows in FUNCTIONS.items()}
for name, rows in FUNCTIONS.items():
    widest, verbs = max((row.template for row in rows), key=lambda each: each.count("{")), dict.fromkeys(row.verb for row in rows)
    _register(name, widest, [*verbs], TRIGGERS[name], anonymous=rows[0].anonymous)
_register("zz_anything_else", route.REST, VERBS, anything_else)  # the platform asks functions in the order of their names
