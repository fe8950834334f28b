"""OpenTelemetry: where measurements and spans go, when `STEWARD_TELEMETRY` says so.

`otlp` sends to the collector that the standard `OTEL_EXPORTER_OTLP_*` variables name; `azuremonitor` to Application Insights. Both
need requirements-otel.txt, and are imported here only. No automatic instrumentation: it would record whole URLs, and
signed ones are secrets. Logs go through the platform. Not here: what is measured (meters).
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

from shared.telemetry import meters

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.metrics import Meter
    from opentelemetry.sdk.metrics.export import MetricReader
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import Span as OtelSpan
    from opentelemetry.trace import Tracer

    from shared.telemetry.trace import Trace

log = logging.getLogger("steward.telemetry")

SCOPE = "azureml-steward"
CHOICES = ("off", "otlp", "azuremonitor")


def start(choice: str, environ: Mapping[str, str] = os.environ) -> Sink | None:
    """Begin to export, as `STEWARD_TELEMETRY` says; None when it is off, or when it cannot be done, which is logged.

    Telemetry that does not start is no reason to stop.
    """
    if choice == "off":
        return None
    try:
        reader, processor = _otlp() if choice == "otlp" else _azure_monitor(environ)
    except ImportError as missing:
        log.error(  # noqa: TRY400 - the line says it all
            "STEWARD_TELEMETRY is %s, but %s is not installed (requirements-otel.txt); nothing is measured", choice, missing.name
        )
        return None
    except ValueError as unfit:  # of the exporters' own settings
        log.error("STEWARD_TELEMETRY is %s, but cannot be: %.200s; nothing is measured", choice, unfit)  # noqa: TRY400
        return None
    made = sink([reader], [processor], environ)
    meters.use(made)
    return made


def sink(readers: Sequence[MetricReader], processors: Sequence[SpanProcessor], environ: Mapping[str, str]) -> Sink:
    """Return a sink with providers of its own; they flush when the process ends."""
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    named = {"service.name": environ.get("OTEL_SERVICE_NAME") or environ.get("WEBSITE_SITE_NAME") or SCOPE}
    resource = Resource.create(
        {**named, "service.instance.id": f"{environ.get('WEBSITE_INSTANCE_ID', 'local')[:32]}-{os.getpid()}"}
    )
    metrics = MeterProvider(readers, resource=resource)
    traces = TracerProvider(resource=resource)
    for processor in processors:
        traces.add_span_processor(processor)
    return Sink(metrics.get_meter(SCOPE), traces.get_tracer(SCOPE), (metrics, traces))


class Sink:
    """Hands on to OpenTelemetry (meters.Sink)."""

    def __init__(self, meter: Meter, tracer: Tracer, providers: tuple[Any, ...]) -> None:
        self._tracer = tracer
        self._providers = providers
        self._instruments = {each.name: _instrument(meter, each) for each in meters.INSTRUMENTS}

    def measure(self, name: str, value: float, attributes: Mapping[str, meters.Value]) -> None:
        """See meters.Sink."""
        self._instruments[name](value, dict(attributes))

    def span(self, name: str, within: Trace, attributes: Mapping[str, meters.Value]) -> Span:
        """See meters.Sink."""
        from opentelemetry import trace as otel

        flags = otel.TraceFlags(otel.TraceFlags.SAMPLED if within.sampled else otel.TraceFlags.DEFAULT)
        parent = otel.SpanContext(int(within.id, 16), int(within.parent, 16), is_remote=True, trace_flags=flags)
        context = otel.set_span_in_context(otel.NonRecordingSpan(parent))
        return Span(self._tracer.start_span(name, context, kind=otel.SpanKind.CLIENT, attributes=dict(attributes)))

    def close(self) -> None:
        """Send what is left."""
        for provider in self._providers:
            provider.shutdown()


class Span:
    """One request under way (meters.Span)."""

    __slots__ = ("_span",)

    def __init__(self, span: OtelSpan) -> None:
        self._span = span

    @property
    def traceparent(self) -> str:
        """See meters.Span."""
        made = self._span.get_span_context()
        return f"00-{made.trace_id:032x}-{made.span_id:016x}-{int(made.trace_flags):02x}"

    def end(self, attributes: Mapping[str, meters.Value], *, failed: bool) -> None:
        """See meters.Span."""
        from opentelemetry.trace import StatusCode

        self._span.set_attributes(dict(attributes))
        if failed:
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


def _instrument(meter: Meter, row: meters.Instrument) -> Any:
    """Return the method that takes a value and attributes."""
    match row.kind:
        case "counter":
            return meter.create_counter(row.name, row.unit, row.tells).add
        case "gauge":
            return meter.create_gauge(row.name, row.unit, row.tells).set
        case _:
            return meter.create_histogram(row.name, row.unit, row.tells).record


def _otlp() -> tuple[MetricReader, SpanProcessor]:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    return PeriodicExportingMetricReader(OTLPMetricExporter()), BatchSpanProcessor(OTLPSpanExporter())


def _azure_monitor(environ: Mapping[str, str]) -> tuple[MetricReader, SpanProcessor]:
    """Return exporters to Application Insights.

    Raises:
        ValueError: `APPLICATIONINSIGHTS_CONNECTION_STRING` is not set, or cannot be used.
    """
    from azure.monitor.opentelemetry.exporter import AzureMonitorMetricExporter, AzureMonitorTraceExporter
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    more: dict[str, Any] = {"connection_string": environ.get("APPLICATIONINSIGHTS_CONNECTION_STRING", "")}
    if not more["connection_string"]:
        raise ValueError("APPLICATIONINSIGHTS_CONNECTION_STRING is not set")
    metrics, traces = AzureMonitorMetricExporter(**more), AzureMonitorTraceExporter(**more)
    return PeriodicExportingMetricReader(metrics), BatchSpanProcessor(traces)
