"""One request to Azure: the trace it carries on, how long it took, how it ended.

With OpenTelemetry each is a client span, whose id is what the request's `traceparent` names; without, the id is made up all the
same, so that Azure's own logs of two requests can be distinguished. URLs are never recorded: they may be signed. Not here: sending.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from shared.telemetry import lines, meters, trace

if TYPE_CHECKING:
    from types import TracebackType

log = logging.getLogger("steward.azure")


class Call:
    """A request under way, used as a context manager.

    Attributes:
        status: The answer's, 0 as long as there is none.
        traceparent: The header to send.
    """

    __slots__ = ("_host", "_method", "_span", "_started", "status", "traceparent")

    def __init__(self, method: str, url: str) -> None:
        self.status = 0
        self._method = method
        self._host = service(url)
        within = trace.current() or trace.new()
        told = meters.sink()
        self._span = told.span(f"{method} {self._host}", within, {"http.request.method": method, **_address(url)}) if told else None
        self.traceparent = self._span.traceparent if self._span else within.child().header
        self._started = time.perf_counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, where: TracebackType | None) -> None:
        if self._span is None:
            return
        elapsed_s = time.perf_counter() - self._started
        status_class = f"{self.status // 100}xx" if self.status else "none"
        known: dict[str, meters.Value] = {"method": self._method, "host": self._host, "status_class": status_class}
        meters.count("steward.azure.requests", 1, throttled=self.status == 429, **known)
        meters.observe("steward.azure.request.duration", elapsed_s, **known)
        told: dict[str, meters.Value] = {"http.response.status_code": self.status} if self.status else {}
        if kind is not None:
            told["error.type"] = kind.__name__
        self._span.end(told, failed=kind is not None or self.status >= 400)


def throttled(url: str, delay_s: float) -> None:
    """Record that Azure answered 429, and how long the next try waits."""
    host = service(url)
    meters.observe("steward.throttling.wait", delay_s, host=host)
    lines.event(log, logging.WARNING, "azure.throttled", host=host, delayS=delay_s)


def unavailable(url: str, status: int, code: str, delay_s: float) -> None:
    """Record that Azure answered 408 or 5xx."""
    lines.event(log, logging.WARNING, "azure.unavailable", host=service(url), status=status, code=code, delayS=delay_s)


def refused(url: str, status: int, code: str) -> None:
    """Log that Azure answered 401 or 403: a role, a firewall or a sign-in that is not as it must be."""
    lines.event(log, logging.WARNING, "azure.refused", host=service(url), status=status, code=code)


def service(url: str) -> str:
    """Return which server of Azure's a URL leads to, by the last three labels of its host: names of resources stay out."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    labels = host.split(".")
    return "address" if labels[-1].isdigit() or ":" in host else ".".join(labels[-3:])


def _address(url: str) -> dict[str, meters.Value]:
    return {"server.address": urlsplit(url).hostname or ""}
