"""Azure Monitor's metrics: whether a thing is used (requests of online endpoints, nodes of clusters), and how deployments do.

Read through ARM (`{id}/providers/microsoft.insights/metrics`), split by a dimension, so that one call answers for all the
deployments of an endpoint. Names and dimensions are those of "Supported metrics with Azure Monitor". A number that Azure does
not say is unknown, never zero. Not here: what follows from it (conditions, idle, rollouts).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared.rest import azure_versions, errors, ids
from shared.text import times

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from shared.cleanup.facts.inventory import Azure
    from shared.rest.ids import ResourceId

REQUESTS = "RequestsPerMinute"
P95 = "RequestLatency_P95"
DEPLOYMENT, STATUS_CLASS = "deployment", "statusCodeClass"
ANSWERED = ("2xx", "3xx")  # the other classes are failures
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """How a deployment did in a span: its requests, those that failed, and the mean of its minutes' P95; None for unknown."""

    requests: float = 0.0
    errors: float = 0.0
    p95_ms: float | None = None


def requests(endpoint: ResourceId, azure: Azure, *, window: timedelta, now: datetime) -> Use:
    """Return which deployments of an online endpoint had requests within the window, whatever their share of the traffic.

    A request can name its deployment (`azureml-model-deployment`), so one at 0 % may be in use all the same.

    Raises:
        StewardError: Azure Monitor does not say, or not as far back (93 days).
    """
    return _read(endpoint, REQUESTS, DEPLOYMENT, azure, window=window, now=now)


def figures(endpoint: ResourceId, azure: Azure, *, since: datetime, until: datetime) -> dict[str, Figures]:
    """Return how each deployment of an online endpoint did, by its name in lower case; one without requests is not in it.

    A minute counts as a whole. The mean of the latency is weighted by the requests of the minutes.

    Raises:
        StewardError: Azure Monitor does not say.
    """
    first = since.replace(second=0, microsecond=0)
    last = max(until, first + timedelta(minutes=1))

    def series_of(metric: str, *dimensions: str) -> list[dict[str, Any]]:
        return _series(_ask(endpoint, metric, dimensions, azure, since=first, until=last, interval="PT1M"), metric)

    minutes: dict[str, dict[datetime, float]] = {}
    failed: dict[str, float] = {}
    for series in series_of(REQUESTS, DEPLOYMENT, STATUS_CLASS):
        name, is_failure = _dimension(series, DEPLOYMENT), _dimension(series, STATUS_CLASS) not in ANSWERED
        for at, value in _values(series):
            minutes.setdefault(name, {})[at] = minutes.get(name, {}).get(at, 0.0) + value
            failed[name] = failed.get(name, 0.0) + (value if is_failure else 0.0)
    slow = {_dimension(each, DEPLOYMENT): dict(_values(each)) for each in series_of(P95, DEPLOYMENT)}
    out = {}
    for name, by_minute in minutes.items():
        weighed = [(value, by_minute.get(at, 0.0)) for at, value in slow.get(name, {}).items()]
        total, weight = sum(value * times for value, times in weighed), sum(times for _, times in weighed)
        if requests := sum(by_minute.values()):
            out[name] = Figures(requests=requests, errors=failed[name], p95_ms=total / weight if weight else None)
    return out


def active_nodes(workspace: ResourceId, azure: Azure, *, window: timedelta, now: datetime) -> Use:
    """Return which clusters of a workspace had a node at work within the window.

    Raises:
        StewardError: Azure Monitor does not say.
    """
    return _read(workspace, ACTIVE_NODES, "ClusterName", azure, window=window, now=now)


def _read(resource: ResourceId, metric: str, dimension: str, azure: Azure, *, window: timedelta, now: datetime) -> Use:
    if window >= KEPT:
        raise _unknown(f"Azure Monitor keeps metrics for {KEPT.days} days, not for {window.days}.")
    interval = "PT1H" if window <= timedelta(days=30) else "P1D"
    step = timedelta(hours=1) if interval == "PT1H" else timedelta(days=1)
    since = now - window - step  # the first interval counts as a whole
    body = _ask(resource, metric, (dimension,), azure, since=since, until=now, interval=interval)
    begun = _last_use(body, metric, dimension)
    return Use(since=since, until=now, last_at={name: min(at + step, now) for name, at in begun.items()})


def _ask(
    resource: ResourceId, metric: str, dimensions: Sequence[str], azure: Azure, *, since: datetime, until: datetime, interval: str
) -> Any:
    query = {
        "metricnames": metric,
        "timespan": f"{since:%Y-%m-%dT%H:%M:%SZ}/{until:%Y-%m-%dT%H:%M:%SZ}",
        "interval": interval,
        "aggregation": "Average",  # the one that the metrics have by default; of a minute of requests it is their number
        "$filter": " and ".join(f"{each} eq '*'" for each in dimensions),
        "top": str(SERIES),
    }
    path = ids.below(resource.path, "providers", "microsoft.insights", "metrics")
    return azure.client.send("GET", ids.url(azure.client.cloud.arm, path, azure_versions.METRICS, query)).checked().body


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


def _values(series: dict[str, Any]) -> Iterator[tuple[datetime, float]]:
    """Yield the minutes with a number, and that."""
    for point in series.get("data") or ():
        value = point.get("average") if isinstance(point, dict) else None
        if isinstance(value, int | float) and (at := times.moment(point.get("timeStamp"))):
            yield at, float(value)


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
                raise _unknown(f"The metric {metric} has more series than the app requested.")
            return series
    raise _unknown(f"Azure Monitor's answer does not contain the metric {metric}.")


def _dimension(series: dict[str, Any], wanted: str) -> str:
    told = series.get("metadatavalues")
    for each in told if isinstance(told, list) else ():
        name = each.get("name") if isinstance(each, dict) else None
        if isinstance(name, dict) and str(name.get("value")).lower() == wanted.lower():
            return str(each.get("value")).lower()
    return ""


def _number(value: Any) -> bool:
    """Return whether a value is more than nothing; what is not a number counts as use."""
    return value is not None and value != 0


def _unknown(message: str) -> errors.RejectedError:
    return errors.RejectedError(errors.AzureError(code="MetricsUnknown", message=message), status=502)
