"""Metrics as Azure Monitor shows them."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from infra.local.emulator import traffic

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local.emulator.traffic import Cell


RETENTION = timedelta(days=93)
UNITS = {
    "RequestsPerMinute": ("Requests Per Minute", "Count"),
    "RequestLatency": ("Request Latency", "Milliseconds"),
    "RequestLatency_P50": ("Request Latency P50", "Milliseconds"),
    "RequestLatency_P90": ("Request Latency P90", "Milliseconds"),
    "RequestLatency_P95": ("Request Latency P95", "Milliseconds"),
    "RequestLatency_P99": ("Request Latency P99", "Milliseconds"),
    "ConnectionsActive": ("Connections Active", "Count"),
    "NewConnectionsPerSecond": ("New Connections Per Second", "CountPerSecond"),
    "NetworkBytes": ("Network Bytes", "BytesPerSecond"),
}
LATENCY = {
    "RequestLatency": 0,
    "RequestLatency_P50": 50,
    "RequestLatency_P90": 90,
    "RequestLatency_P95": 95,
    "RequestLatency_P99": 99,
}
ONLY_BY_DEPLOYMENT = frozenset(LATENCY)  # "Supported metrics with Azure Monitor": their one dimension
DIMENSIONS: dict[str, Callable[[Cell], str]] = {
    "deployment": lambda cell: cell.deployment,
    "statuscode": lambda cell: str(cell.status),
    "statuscodeclass": lambda cell: f"{cell.status // 100}xx",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a request for metrics asks for."""

    since: datetime
    until: datetime
    grain_s: int
    grain: str
    aggregations: tuple[str, ...]
    filters: tuple[tuple[str, str], ...]

    @property
    def starts(self) -> range:
        """Where the intervals begin, in seconds of the epoch."""
        first = int(self.since.timestamp())
        return range(first, max(first + 1, int(self.until.timestamp())), self.grain_s)


def metric(
    endpoint_id: str, name: str, asked: Asked, counted: Counter[Cell], times: dict[tuple[int, str], list[float]]
) -> dict[str, Any]:
    """One metric with its time series."""
    title, unit = UNITS[name]
    series = _series(asked, counted) if name == "RequestsPerMinute" else []
    series = _slowness(asked, LATENCY[name], times) if name in LATENCY else series
    return {
        "id": f"{endpoint_id}/providers/Microsoft.Insights/metrics/{name}",
        "type": "Microsoft.Insights/metrics",
        "name": {"value": name, "localizedValue": title},
        "displayDescription": title,
        "unit": unit,
        "timeseries": series,
        "errorCode": "Success",
    }


def _series(asked: Asked, counted: Counter[Cell]) -> list[dict[str, Any]]:
    groups: dict[tuple[str, ...], Counter[int]] = defaultdict(Counter)
    if not asked.filters:
        groups[()] = Counter()  # an undivided metric has a series even of zeros
    oldest = max(asked.since, asked.until - RETENTION).timestamp() - traffic.MINUTE_S
    for cell, times in counted.items():
        values = tuple(DIMENSIONS[dimension.lower()](cell) for dimension, _ in asked.filters)
        wanted = all(want == "*" or want.lower() == value.lower() for (_, want), value in zip(asked.filters, values, strict=True))
        if wanted and oldest < cell.minute < asked.until.timestamp():
            groups[values][cell.minute] += times
    return [
        {
            "metadatavalues": [
                {"name": {"value": dimension.lower(), "localizedValue": dimension.lower()}, "value": value}
                for (dimension, _), value in zip(asked.filters, values, strict=True)
            ],
            "data": [_point(start, asked, minutes) for start in asked.starts],
        }
        for values, minutes in groups.items()
    ]


def _slowness(asked: Asked, percentile: int, times: dict[tuple[int, str], list[float]]) -> list[dict[str, Any]]:
    """How long requests took: a value for each minute that had any, the mean of them in a longer interval; no value without one."""
    wanted = asked.filters[0][1] if asked.filters else ""
    groups: dict[str, dict[int, float]] = {} if asked.filters else {"": {}}
    oldest = max(asked.since, asked.until - RETENTION).timestamp() - traffic.MINUTE_S
    for (minute, deployment), took in times.items():
        if wanted in ("", "*", deployment) and oldest < minute < asked.until.timestamp():
            value = took[min(len(took) * percentile // 100, len(took) - 1)] if percentile else sum(took) / len(took)
            groups.setdefault(deployment if wanted else "", {})[minute] = value
    return [
        {
            "metadatavalues": [{"name": {"value": "deployment", "localizedValue": "deployment"}, "value": name}] if wanted else [],
            "data": [_moment(start, asked, by_minute) for start in asked.starts],
        }
        for name, by_minute in groups.items()
    ]


def _moment(start: int, asked: Asked, by_minute: dict[int, float]) -> dict[str, Any]:
    first = int(asked.since.timestamp())
    inside = [value for minute, value in by_minute.items() if start <= max(minute, first) < start + asked.grain_s]
    known = {"count": len(inside), "total": sum(inside), "average": sum(inside) / max(1, len(inside))}
    known |= {"maximum": max(inside, default=0.0), "minimum": min(inside, default=0.0)}
    values = {name: float(known[name]) for name in asked.aggregations} if inside else {}
    return {"timeStamp": text(datetime.fromtimestamp(start, UTC)), **values}


def _point(start: int, asked: Asked, minutes: Counter[int]) -> dict[str, Any]:
    inside = [
        times for minute, times in minutes.items() if start <= max(minute, int(asked.since.timestamp())) < start + asked.grain_s
    ]
    total, samples = float(sum(inside)), max(1, len(inside))
    known = {
        "total": total,
        "count": float(samples),
        "average": total / samples,
        "maximum": float(max(inside, default=0)),
        "minimum": float(min(inside, default=0)),
    }
    return {"timeStamp": text(datetime.fromtimestamp(start, UTC)), **{name: known[name] for name in asked.aggregations}}


def text(moment: datetime) -> str:
    """A time as Azure Monitor writes it."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
