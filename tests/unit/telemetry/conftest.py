"""OpenTelemetry's own SDK in memory, told by the app as its exporters would be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from shared.telemetry import export, meters
from tests.steward import Steward


@dataclass(frozen=True, kw_only=True)
class Told:
    """What was measured."""

    reader: InMemoryMetricReader
    spans: InMemorySpanExporter

    def points(self, name: str) -> list[tuple[dict[str, Any], Any]]:
        """Return attributes and point of each series of an instrument."""
        found = self.reader.get_metrics_data()
        every = (
            [metric for each in found.resource_metrics for scope in each.scope_metrics for metric in scope.metrics] if found else []
        )
        return [
            (dict(point.attributes or {}), point) for metric in every if metric.name == name for point in metric.data.data_points
        ]

    def total(self, name: str, **attributes: Any) -> float:
        """Return the sum of a counter, or the count of a histogram, over the series that have these attributes."""
        chosen = [point for known, point in self.points(name) if attributes.items() <= known.items()]
        return sum(point.count if hasattr(point, "count") else point.value for point in chosen)


@pytest.fixture
def told():
    """The SDK, for as long as a test."""
    reader, spans = InMemoryMetricReader(), InMemorySpanExporter()
    sink = export.sink([reader], [SimpleSpanProcessor(spans)], {})
    meters.use(sink)
    yield Told(reader=reader, spans=spans)
    meters.use(None)
    sink.close()


@pytest.fixture
def steward() -> Steward:
    """A fresh app, with one workspace in Azure."""
    return Steward()
