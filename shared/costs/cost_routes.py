"""The route of costs: what compute cost in a window, as JSON or as a table. Not here: how that is known (cost_report)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from shared.api import answer as answers
from shared.api import schemas
from shared.api.route import Route
from shared.catalog import grants
from shared.rest import errors

if TYPE_CHECKING:
    from shared.api.answer import Answer
    from shared.api.call import Call
    from shared.costs.cost_book import Services

PRICES = schemas.ref("schemas", "Prices")
GROUPS = ("owner", "experiment", "compute", "endpoint", "workspace")
FORMS = ("json", "csv")
LONGEST = timedelta(days=3660)


def read(call: Call, app: Services) -> Answer:
    """GET `costs?by=&since=&until=`: since the first of this month, until now, by owner, where nothing else is asked for."""
    from shared.costs import cost_report

    now, by = app.clock(), call.choice("by", GROUPS) or GROUPS[0]
    month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    since, until = call.moment("since", now, month), min(call.moment("until", now, now), now)
    if not since < until or until - since > LONGEST:
        message = f"'since' is {since:%Y-%m-%dT%H:%M:%SZ} and 'until' {until:%Y-%m-%dT%H:%M:%SZ}; expected a window in the past."
        raise errors.BadRequestError("InvalidParameter", message, target="since")
    below = call.resource("below", app.settings)
    names = frozenset(name.strip().lower() for name in call.text("workspace").split(",") if name.strip())
    if call.text("workspace") and not names:
        message = "'workspace' is empty; expected names of workspaces, separated by commas."
        raise errors.BadRequestError("InvalidParameter", message, target="workspace")
    place, limits = below.key if below else "", grants.places_of(call.sender.grants)

    def sees(*resources: str) -> bool:
        return any(each and _is_below(each, place) and call.sees(each) for each in resources)

    def reaches(workspace: str) -> bool:
        asked = ((place,) if place else ()), limits
        return all(not some or any(_is_below(workspace, each) or _is_below(each, workspace) for each in some) for some in asked)

    wanted = cost_report.Wanted(since=since, until=until, sees=sees, reaches=reaches, names=names, limited=call.limited)
    found = cost_report.read(wanted, app)
    if call.form(FORMS) == "csv":
        return answers.of_csv(cost_report.table(by, found), "costs", {"Steward-Complete": str(not found.gaps).lower()})
    return answers.of_json(cost_report.view(by, found))


def read_prices(_call: Call, app: Services) -> Answer:
    """GET `costs/prices`."""
    from shared.costs import prices

    return answers.of_json(prices.read(app.blobs.get(prices.PRICES)).view())


def put_prices(call: Call, app: Services) -> Answer:
    """PUT `costs/prices`: the whole table, as CSV; one with a mistake is refused, and the stored one stays."""
    from shared.costs import prices

    found = prices.checked(call.body)
    app.blobs.put(prices.PRICES, call.body)
    return answers.of_json(found.view())


def delete_prices(_call: Call, app: Services) -> Answer:
    """DELETE `costs/prices`: from then on there is no money in answers."""
    from shared.costs import prices

    app.blobs.delete(prices.PRICES)
    return answers.of_json(None, 204)


def _is_below(one: str, other: str) -> bool:
    return not other or f"{one}/".lower().startswith(f"{other}/".lower())


ROUTES: tuple[Route, ...] = (
    Route(
        "costs",
        "GET /costs",
        read,
        summary="What compute cost in a window: node-hours, idle hours and money, an estimate",
        query={
            "by": {"type": "string", "enum": list(GROUPS)},
            **schemas.PERIOD,
            "workspace": schemas.STRING,
            "below": schemas.STRING,
            "format": {"type": "string", "enum": list(FORMS)},
        },
        answers={"200": schemas.ref("schemas", "Costs")},
        answers_as=("text/csv",),
    ),
    Route(
        "costs_prices_get",
        "GET /costs/prices",
        read_prices,
        function="costs_prices",
        summary="Your prices of a node-hour, by VM size",
        answers={"200": PRICES},
    ),
    Route(
        "costs_prices_put",
        "PUT /costs/prices",
        put_prices,
        function="costs_prices",
        summary="Store your prices: lines `vmSize,price` an hour, and a line `currency,EUR`",
        role="admin",
        whole=True,
        # openapi-python-client makes nothing of a body that is text/csv alone
        body={"text/csv": schemas.STRING, "application/octet-stream": {"type": "string", "format": "binary"}},
        answers={"200": PRICES},
    ),
    Route(
        "costs_prices_delete",
        "DELETE /costs/prices",
        delete_prices,
        function="costs_prices",
        summary="Delete your prices; answers then show no money",
        role="admin",
        whole=True,
        answers={"204": None},
    ),
)
