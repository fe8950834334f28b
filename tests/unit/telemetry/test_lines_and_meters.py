"""Structured lines and the table of instruments, with and without OpenTelemetry."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.trace import SpanKind, StatusCode

from shared.telemetry import calls, export, lines, meters, trace

ROOT = Path(__file__).parents[3]
log = logging.getLogger("steward.test")


def test_a_line_is_json_and_says_which_trace_and_operation_it_belongs_to(caplog):
    """Application Insights keeps a line's text and nothing else of a record."""
    caplog.set_level(logging.INFO)
    with trace.bound(trace.derived("x"), operation="op-1"):
        lines.event(log, logging.INFO, "operation.ended", status="Succeeded", durationS=1.23456, polls=3, code="", error=None)
    (record,) = caplog.records
    said = json.loads(record.getMessage())
    assert said == {
        "what": "operation.ended",
        "operationId": "op-1",
        "traceId": trace.derived("x").id,
        "status": "Succeeded",
        "durationS": 1.235,
        "polls": 3,
    }
    assert record.steward == said


def test_no_value_of_a_line_is_longer_than_256_characters(caplog):
    """Foreign text is cut, and cannot begin a line of its own."""
    lines.event(log, logging.WARNING, "test", code="x\n" * 5_000)
    said = caplog.records[0].getMessage()
    assert len(json.loads(said)["code"]) == lines.LIMIT
    assert "\n" not in said


def test_a_line_below_the_level_costs_nothing(caplog):
    """It is not even made."""
    caplog.set_level(logging.WARNING)
    lines.event(log, logging.INFO, "test", what_cannot_be_json=object())
    assert not caplog.records


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://management.azure.com/subscriptions/s1?api-version=1", "management.azure.com"),
        ("https://westeurope.api.azureml.ms/history/v1.0/x", "api.azureml.ms"),
        ("https://churn.westeurope.inference.ml.azure.com/score", "ml.azure.com"),
        ("https://account1.blob.core.windows.net/c/b?sig=abc", "core.windows.net"),
        ("http://20.1.2.3/api/v1/service/s/score", "address"),
        ("http://[2001:db8::1]/score", "address"),
        ("https://localhost/score", "localhost"),
    ],
)
def test_a_host_is_told_without_the_name_of_anything(url, host):
    """As an attribute it must stay one of a few."""
    assert calls.service(url) == host


def test_a_request_is_counted_timed_and_a_span_of_the_callers_trace(told):
    """The span's id is what the request's traceparent names."""
    with trace.bound(trace.derived("caller")), calls.Call("GET", "https://management.azure.com/x?sig=secret") as call:
        call.status = 429
    calls.throttled("https://management.azure.com/x", 17.0)
    known = {"method": "GET", "host": "management.azure.com", "status_class": "4xx"}
    assert told.total("steward.azure.requests", throttled=True, **known) == 1
    assert told.total("steward.azure.request.duration", **known) == 1
    ((_, wait),) = told.points("steward.throttling.wait")
    assert wait.sum == 17.0
    (span,) = told.spans.get_finished_spans()
    assert (span.kind, span.status.status_code) == (SpanKind.CLIENT, StatusCode.ERROR)
    assert f"{span.context.trace_id:032x}" == trace.derived("caller").id
    assert f"{span.parent.span_id:016x}" == trace.derived("caller").parent
    assert call.traceparent == f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-01"
    assert "secret" not in span.to_json()


def test_what_azure_refuses_is_a_line_with_its_code_and_no_name_of_anything(caplog):
    """An alert looks for it: a role that is missing shows up before anybody asks why nothing happens."""
    with caplog.at_level("WARNING"):
        calls.refused("https://management.azure.com/subscriptions/s/x?sig=secret", 403, "AuthorizationFailed")
    (line,) = caplog.messages
    assert line.startswith('{"what": "azure.refused"')
    shown = json.loads(line)
    assert (shown["host"], shown["status"], shown["code"]) == ("management.azure.com", 403, "AuthorizationFailed")
    assert "secret" not in line


def test_a_request_without_an_answer_is_one_too(told):
    """Nobody answered: no status, and the failure's name."""
    with pytest.raises(ConnectionError), calls.Call("PUT", "https://management.azure.com/x"):
        raise ConnectionError
    assert told.total("steward.azure.requests", status_class="none", throttled=False) == 1
    assert told.spans.get_finished_spans()[0].attributes["error.type"] == "ConnectionError"


def test_what_the_caller_does_not_record_is_no_span(told):
    """OpenTelemetry's own default: the parent decides; the trace goes on all the same."""
    unrecorded = trace.parse(f"00-{'a' * 32}-{'b' * 16}-00")
    with trace.bound(unrecorded), calls.Call("GET", "https://management.azure.com/x") as call:
        call.status = 200
    assert not told.spans.get_finished_spans()
    assert trace.parse(call.traceparent).id == "a" * 32


@pytest.mark.parametrize("row", meters.INSTRUMENTS, ids=lambda row: row.name)
def test_every_instrument_takes_what_its_row_says(told, row):
    """OpenTelemetry accepts each name, unit and value."""
    (meters.count if row.kind == "counter" else meters.observe)(row.name, 2, **dict.fromkeys(row.attributes, "x"))
    ((attributes, _),) = told.points(row.name)
    assert attributes == dict.fromkeys(row.attributes, "x")


def test_every_instrument_is_on_the_page():
    """docs/observability.md lists what is measured, by which attributes."""
    page = (ROOT / "docs" / "observability.md").read_text()
    for row in meters.INSTRUMENTS:
        listed = ", ".join(f"`{name}`" for name in row.attributes) or "none"
        assert f"| `{row.name}` | {row.kind} | {row.unit} | {listed} |" in page


def test_off_means_that_nothing_is_imported():
    """Requests are sent, measured by nobody, and no module of OpenTelemetry is loaded."""
    script = (
        "import sys\n"
        "from shared.telemetry import calls, export, meters\n"
        "assert export.start('off') is None and meters.sink() is None\n"
        "meters.count('steward.poison', 1, queue='q')\n"
        "with calls.Call('GET', 'https://management.azure.com/') as call: call.status = 200\n"
        "loaded = [name for name in sys.modules if name.startswith(('opentelemetry', 'azure'))]\n"
        "assert not loaded, loaded\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr


def test_packages_that_are_not_there_are_told_and_do_no_harm(monkeypatch, caplog):
    """A deployment without requirements-otel.txt works, and its log says what is missing."""
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.metric_exporter", None)
    assert export.start("otlp") is None
    assert "requirements-otel.txt" in caplog.text


def test_application_insights_needs_its_connection_string(caplog):
    """Named, and nothing is measured."""
    assert export.start("azuremonitor", {}) is None
    assert "APPLICATIONINSIGHTS_CONNECTION_STRING" in caplog.text
    assert meters.sink() is None


def test_a_sink_says_which_app_and_which_process_it_is():
    """Two processes of one app are two streams of numbers."""
    reader = InMemoryMetricReader()
    sink = export.sink([reader], [], {"WEBSITE_SITE_NAME": "steward1", "WEBSITE_INSTANCE_ID": "abc"})
    sink.measure("steward.poison", 1, {"queue": "q"})
    resource = reader.get_metrics_data().resource_metrics[0].resource.attributes
    assert resource["service.name"] == "steward1"
    assert resource["service.instance.id"].startswith("abc-")
    sink.close()


def test_telemetry_stands_below_every_other_layer():
    """It imports nothing of the app but itself, so that any module may tell."""
    for path in (ROOT / "shared" / "telemetry").glob("*.py"):
        named = re.findall(r"^\s*from (shared[\w.]*|functions[\w.]*|infra[\w.]*) import", path.read_text(), re.MULTILINE)
        assert set(named) <= {"shared.telemetry", "shared.telemetry.trace"}, path.name
