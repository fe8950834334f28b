"""The official exporters, as `STEWARD_TELEMETRY` chooses them, in front of a receiver on this machine."""

from __future__ import annotations

import gzip
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from shared.telemetry import calls, export, meters, trace


class _Receiver(ThreadingHTTPServer):
    """A collector: keeps path and body of what is sent."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got = []


class _Handler(BaseHTTPRequestHandler):
    server: _Receiver

    def do_POST(self):
        """Take it."""
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append((self.path, gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body))
        count = len(body)
        answer = (
            json.dumps({"itemsReceived": count, "itemsAccepted": count, "errors": []}).encode() if "track" in self.path else b""
        )
        self.send_response(200)
        self.send_header("Content-Type", "application/json" if answer else "application/x-protobuf")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format, *args):  # noqa: A002 - the base class's name
        """Say nothing."""


@pytest.fixture
def receiver():
    """A collector that takes everything."""
    with _Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
    meters.use(None)


def work():
    """Do what is measured: one request to Azure within a trace, one poison message."""
    with trace.bound(trace.derived("caller")), calls.Call("GET", "https://management.azure.com/x?sig=SECRET") as call:
        call.status = 200
    meters.count("steward.poison", 1, queue="steward-events")


def test_otlp_sends_measurements_and_spans_to_the_collector(receiver, monkeypatch):
    """The standard variables name it; what is left is sent when the process ends."""
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{receiver.server_address[1]}")
    sink = export.start("otlp")
    work()
    sink.close()
    sent = dict(receiver.got)
    assert b"steward.poison" in sent["/v1/metrics"]
    assert b"steward.azure.request.duration" in sent["/v1/metrics"]
    assert bytes.fromhex(trace.derived("caller").id) in sent["/v1/traces"]
    assert b"SECRET" not in sent["/v1/traces"]


def test_azure_monitor_sends_them_to_application_insights(receiver, monkeypatch):
    """Metrics by their names, requests to Azure as dependencies of the caller's trace."""
    monkeypatch.setenv("APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL", "true")
    key = "00000000-0000-4000-8000-000000000000"
    address = f"http://127.0.0.1:{receiver.server_address[1]}/"
    sink = export.start(
        "azuremonitor", {"APPLICATIONINSIGHTS_CONNECTION_STRING": f"InstrumentationKey={key};IngestionEndpoint={address}"}
    )
    work()
    sink.close()
    items = [item for path, body in receiver.got if "track" in path for item in json.loads(body)]
    metrics = {metric["name"] for item in items for metric in item["data"]["baseData"].get("metrics", [])}
    assert {"steward.poison", "steward.azure.requests"} <= metrics
    (request,) = [item for item in items if item["data"]["baseType"] == "RemoteDependencyData"]
    assert request["tags"]["ai.operation.id"] == trace.derived("caller").id
    assert request["tags"]["ai.operation.parentId"] == trace.derived("caller").parent
    assert "SECRET" not in json.dumps(items)
