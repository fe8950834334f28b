"""Azure Monitor's metrics of online endpoints: requests and latency, from what scoring really answered; the others have no data.

Shapes after the Metrics - List operation of api-version 2023-10-01: a metric that is not split has one series with a point for
each interval, zeros included; split by a dimension it has a series for each value that was seen, and none otherwise.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from infra.local.emulator import traffic, web
from infra.local.emulator.arm import refusals
from infra.local.emulator.arm.metrics import responses

if TYPE_CHECKING:
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
BASE = "/subscriptions/{subscription}/{rest*}/providers/Microsoft.Insights"
ENDPOINT_TYPE = "microsoft.machinelearningservices/workspaces/onlineendpoints"
NAMESPACE = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints"
DEFAULT_SPAN = timedelta(hours=1)
MAX_POINTS = 10_000
_GRAINS = {
    "PT1M": 60, "PT5M": 300, "PT15M": 900, "PT30M": 1800, "PT1H": 3600, "PT6H": 21600, "PT12H": 43200, "P1D": 86400,
}  # fmt: skip
_AGGREGATIONS = ("average", "count", "maximum", "minimum", "total")
_CONDITION = re.compile(r"\s*(\w+)\s+eq\s+'((?:[^']|'')*)'\s*", re.IGNORECASE)


@routes.route("GET", f"{BASE}/metrics")
def read(world: World, request: web.Request) -> web.Response:
    """`?metricnames=&timespan=&interval=&aggregation=&$filter=deployment eq '*'`."""
    target = request.path[: request.path.lower().rindex("/providers/")]
    found = world.resources.get(target)
    if found is None or found.type != ENDPOINT_TYPE:
        kind = found.type if found else "unknown"
        raise refusals.refuse(404, "ResourceNotFound", f"The resource '{target}' of type {kind} has no metrics here.")
    asked, names = _asked(world, request), request.query.get("metricnames") or "RequestsPerMinute"
    counted, times = traffic.of(world, found.id), traffic.times_of(world, found.id)
    known = [_known(one.strip(), asked) for one in names.split(",")]
    value = [responses.metric(found.id, name, asked, counted, times) for name in known]
    body = {
        "cost": 59 * len(value),
        "timespan": f"{responses.text(asked.since)}/{responses.text(asked.until)}",
        "interval": asked.grain,
        "value": value,
        "namespace": NAMESPACE,
        "resourceregion": found.body.get("location"),
    }
    return web.answer(body)


@routes.route("GET", f"{BASE}/metricDefinitions")
def definitions(_world: World, request: web.Request) -> web.Response:
    """The metrics there are."""
    target = request.path[: request.path.lower().rindex("/providers/")]
    value = [
        {
            "id": f"{target}/providers/microsoft.insights/metricdefinitions/{name}",
            "resourceId": target,
            "namespace": NAMESPACE,
            "name": {"value": name, "localizedValue": title},
            "unit": unit,
            "primaryAggregationType": "Average",
            "supportedAggregationTypes": [one.title() for one in _AGGREGATIONS],
            "metricAvailabilities": [{"timeGrain": grain, "retention": f"P{responses.RETENTION.days}D"} for grain in _GRAINS],
            "dimensions": [{"value": one, "localizedValue": one} for one in _dimensions(name)],
        }
        for name, (title, unit) in responses.UNITS.items()
    ]
    return web.answer({"value": value})


def _dimensions(name: str) -> tuple[str, ...]:
    return ("deployment",) if name in responses.ONLY_BY_DEPLOYMENT else ("deployment", "statusCode", "statusCodeClass")


def _bad(message: str) -> web.Refused:
    return refusals.refuse(400, "BadRequest", message)


def _known(name: str, asked: responses.Asked) -> str:
    for known in responses.UNITS:
        if known.lower() == name.lower():
            if known in responses.ONLY_BY_DEPLOYMENT and any(each.lower() != "deployment" for each, _ in asked.filters):
                raise _bad(f"Metric: {known} does not support requested dimension combination. Valid: deployment")
            return known
    raise _bad(
        f"Failed to find metric configuration for provider: {NAMESPACE}, metric: {name}, Valid metrics: {','.join(responses.UNITS)}"
    )


def _asked(world: World, request: web.Request) -> responses.Asked:
    since, until = _span(world, request.query.get("timespan", ""))
    grain = request.query.get("interval", "PT1M").upper()
    whole = int((until - since).total_seconds())
    grain_s = max(1, whole) if grain == "FULL" else _GRAINS.get(grain)
    if grain_s is None:
        raise _bad(f"Detected invalid time grain input: {grain}. Valid: {', '.join(_GRAINS)}, FULL")
    if whole // grain_s > MAX_POINTS:
        raise _bad(f"The timespan holds {whole // grain_s} intervals of {grain}; ask for longer intervals.")
    given = (request.query.get("aggregation") or "Average").lower()
    aggregations = tuple(one.strip() for one in given.split(","))
    if unknown := set(aggregations) - set(_AGGREGATIONS):
        raise _bad(f"Detected invalid aggregation types: {', '.join(sorted(unknown))}")
    return responses.Asked(
        since=since, until=until, grain_s=grain_s, grain=grain, aggregations=aggregations, filters=_filters(request.query)
    )


def _span(world: World, text: str) -> tuple[datetime, datetime]:
    now = world.now()
    if not text:
        return now - DEFAULT_SPAN, now
    try:
        since, until = (datetime.fromisoformat(part.replace(" ", "+")) for part in text.split("/"))
    except ValueError:
        raise _bad(f"Detected invalid timespan input: {text}") from None
    since, until = (moment if moment.tzinfo else moment.replace(tzinfo=UTC) for moment in (since, until))
    if since >= until:
        raise _bad(f"Start time must be before end time: {text}")
    return since, until


def _filters(query: Any) -> tuple[tuple[str, str], ...]:
    found = []
    for part in filter(None, re.split(r"\s+and\s+", query.get("$filter", ""), flags=re.IGNORECASE)):
        match = _CONDITION.fullmatch(part)
        if match is None or match[1].lower() not in responses.DIMENSIONS:
            raise _bad(f"The filter '{part}' is not supported: one of deployment, statusCode, statusCodeClass eq 'value' or '*'.")
        found.append((match[1], match[2].replace("''", "'")))
    return tuple(found)
