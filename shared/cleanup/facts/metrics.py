"""Azure Monitor's metrics, as far as they tell that nobody uses a thing: requests of online endpoints, nodes of clusters.

Read through ARM (`{id}/providers/microsoft.insights/metrics`), split by a dimension, so that one call answers for all the
deployments of an endpoint. Names and dimensions are those of "Supported metrics with Azure Monitor". A number that Azure does
not tell is unknown, never zero. Not here: what follows from it (conditions, idle).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared.catalog import neighbours
from shared.rest import errors, ids
from shared.text import times

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.cleanup.facts.inventory import Azure
    from shared.rest.ids import ResourceId

REQUESTS = "RequestsPerMinute"
ACTIVE_NODES = "Active Nodes"
KEPT = timedelta(days=93)  # how long Azure Monitor keeps platform metrics
SERIES = 1_000  # a split answer holds ten series unless more are asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """How much a thing was used.

    Attributes:
        since, until: The span that was looked at.
        last_at: End of the last interval with any use, by value of the dimension in lower case; only those with use are in it.
    """

    since: datetime
    until: datetime
    last_at: Mapping[str, datetime] = field(default_factory=dict)


def requests(endpoint: ResourceId, azure: Azure, *, window: timedelta, now: datetime) -> Use:
    """Return which deployments of an online endpoint had requests within the window, whatever their share of the traffic.

    A request can name its deployment (`azureml-model-deployment`), so one at 0 % may be in use all the same.

    Raises:
        StewardError: Azure Monitor does not tell, or not as far back (93 days).
    """
    return _read(endpoint, REQUESTS, "deployment", azure, window=window, now=now)


def active_nodes(workspace: ResourceId, azure: Azure, *, window: timedelta, now: datetime) -> Use:
    """Return which clusters of a workspace had a node at work within the window.

    Raises:
        StewardError: Azure Monitor does not tell.
    """
    return _read(workspace, ACTIVE_NODES, "ClusterName", azure, window=window, now=now)


def _read(resource: ResourceId, metric: str, dimension: str, azure: Azure, *, window: timedelta, now: datetime) -> Use:
    if window >= KEPT:
        raise _unknown(f"Azure Monitor keeps metrics for {KEPT.days} days, not for {window.days}.")
    interval = "PT1H" if window <= timedelta(days=30) else "P1D"
    step = timedelta(hours=1) if interval == "PT1H" else timedelta(days=1)
    since = now - window - step  # the first interval counts as a whole
    query = {
        "metricnames": metric,
        "timespan": f"{since:%Y-%m-%dT%H:%M:%SZ}/{now:%Y-%m-%dT%H:%M:%SZ}",
        "interval": interval,
        "aggregation": "Average",  # the one that the metric has by default; above 0 as soon as there was one request
        "$filter": f"{dimension} eq '*'",
        "top": str(SERIES),
    }
    path = ids.below(resource.path, "providers", "microsoft.insights", "metrics")
    url = ids.url(azure.client.cloud.arm, path, neighbours.METRICS, query)
    begun = _last_use(azure.client.send("GET", url).checked().body, metric, dimension)
    return Use(since=since, until=now, last_at={name: min(at + step, now) for name, at in begun.items()})


def _last_use(body: Any, metric: str, dimension: str) -> dict[str, datetime]:
    """Read the answer; a series without its dimension counts for '' (all)."""
    found: dict[str, datetime] = {}
    for series in _series(body, metric):
        name = _dimension(series, dimension)
        data = series.get("data")
        for point in data if isinstance(data, list) else ():
            if not isinstance(point, dict):
                raise _unknown("A data point of the metric cannot be read.")
            if any(_number(point.get(kind)) for kind in ("total", "average", "maximum")):
                at = times.moment(point.get("timeStamp"))
                if at is None:
                    raise _unknown("A data point of the metric has no time.")
                found[name] = max(at, found.get(name, at))
    return found


def _series(body: Any, metric: str) -> list[dict[str, Any]]:
    listed = body.get("value") if isinstance(body, dict) else None
    for value in listed if isinstance(listed, list) else ():
        name = value.get("name") if isinstance(value, dict) else None
        told = name.get("value") if isinstance(name, dict) else name
        if str(told).lower() != metric.lower():
            continue
        code, series = value.get("errorCode"), value.get("timeseries")
        if code and str(code).lower() != "success":
            raise _unknown(f"Azure Monitor answered {code} for {metric}.")
        if isinstance(series, list) and all(isinstance(each, dict) for each in series):
            if len(series) >= SERIES:
                raise _unknown(f"The metric {metric} has more series than were asked for.")
            return series
    raise _unknown(f"Azure Monitor's answer does not hold the metric {metric}.")


def _dimension(series: dict[str, Any], wanted: str) -> str:
    told = series.get("metadatavalues")
    for each in told if isinstance(told, list) else ():
        name = each.get("name") if isinstance(each, dict) else None
        if isinstance(name, dict) and str(name.get("value")).lower() == wanted.lower():
            return str(each.get("value")).lower()
    return ""


def _number(value: Any) -> bool:
    """Tell whether a value is more than nothing; what is no number is taken for use."""
    return value is not None and value != 0


def _unknown(message: str) -> errors.RejectedError:
    return errors.RejectedError(errors.AzureError(code="MetricsUnknown", message=message), status=502)
