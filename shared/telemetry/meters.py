"""What the app measures: the table of instruments, and the two calls that the rest of the app makes.

Without `STEWARD_TELEMETRY` there is no receiver: a call then costs one comparison. Attributes are few and bounded (a kind,
a status, a queue), never a name of a resource. Not here: OpenTelemetry itself (export).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.telemetry.trace import Trace

type Value = str | bool | int | float


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One thing that is measured; `unit` in UCUM as OpenTelemetry wants it."""

    name: str
    kind: Literal["counter", "histogram", "gauge"]
    unit: str
    tells: str
    attributes: tuple[str, ...] = ()


INSTRUMENTS = (
    Instrument(
        name="steward.operations.accepted", kind="counter", unit="{operation}", tells="Requests accepted as operations",
        attributes=("kind", "method"),
    ),
    Instrument(
        name="steward.operations.ended", kind="counter", unit="{operation}", tells="Operations that ended, by how",
        attributes=("kind", "method", "status", "code"),
    ),
    Instrument(
        name="steward.operations.duration", kind="histogram", unit="s", tells="From accepting an operation to its end",
        attributes=("kind", "method", "status"),
    ),
    Instrument(
        name="steward.operations.open", kind="gauge", unit="{operation}",
        tells="Operations that have not ended, each minute; each 15 minutes while over 1,000 are open",
    ),
    Instrument(
        name="steward.operations.oldest", kind="gauge", unit="s", tells="Age of the oldest operation that has not ended",
    ),
    Instrument(
        name="steward.operations.woken", kind="counter", unit="{operation}", tells="Overdue operations put back on the queue",
    ),
    Instrument(
        name="steward.steps", kind="counter", unit="{step}", tells="Steps of operations, by the phase they began in",
        attributes=("phase", "outcome"),
    ),
    Instrument(
        name="steward.azure.requests", kind="counter", unit="{request}", tells="Requests to Azure",
        attributes=("method", "host", "status_class", "throttled"),
    ),
    Instrument(
        name="steward.azure.request.duration", kind="histogram", unit="s", tells="How long Azure took to answer",
        attributes=("method", "host", "status_class"),
    ),
    Instrument(
        name="steward.throttling.wait", kind="histogram", unit="s", tells="How long a 429 has the next try wait",
        attributes=("host",),
    ),
    Instrument(
        name="steward.cleanup.looked", kind="counter", unit="{resource}", tells="Resources that a clean-up judged",
        attributes=("mode",),
    ),
    Instrument(
        name="steward.cleanup.acted", kind="counter", unit="{resource}", tells="What came of them, by outcome",
        attributes=("mode", "outcome"),
    ),
    Instrument(
        name="steward.deliveries", kind="counter", unit="{attempt}", tells="Delivery attempts",
        attributes=("status", "way"),
    ),
    Instrument(
        name="steward.events", kind="counter", unit="{event}", tells="Events processed, by their outcome",
        attributes=("outcome",),
    ),
    Instrument(
        name="steward.firings", kind="counter", unit="{firing}", tells="Firings of rules that ended, by how",
        attributes=("rule", "status"),
    ),
    Instrument(
        name="steward.poison", kind="counter", unit="{message}", tells="Messages that kept failing",
        attributes=("queue",),
    ),
)  # fmt: skip


class Span(Protocol):
    """One request under way, as OpenTelemetry has it."""

    @property
    def traceparent(self) -> str:
        """The header that names it as the parent of what the server does."""

    def end(self, attributes: Mapping[str, Value], *, failed: bool) -> None:
        """It is over."""


class Sink(Protocol):
    """The receiver of measurements."""

    def measure(self, name: str, value: float, attributes: Mapping[str, Value]) -> None:
        """Add to a counter, or record with a histogram or gauge."""

    def span(self, name: str, within: Trace, attributes: Mapping[str, Value]) -> Span:
        """Begin a request to another service."""


_sink: Sink | None = None


def use(sink: Sink | None) -> None:
    """Report to `sink` from now on; None for no one."""
    global _sink  # noqa: PLW0603 - one for the process, as OpenTelemetry's own providers are
    _sink = sink


def sink() -> Sink | None:
    """Return the receiver, None when there is none."""
    return _sink


def count(name: str, by: int = 1, /, **attributes: Value) -> None:
    """Add to a counter of the table."""
    if _sink is not None:
        _sink.measure(name, by, attributes)


def observe(name: str, value: float, /, **attributes: Value) -> None:
    """Record a value with a histogram or gauge of the table."""
    if _sink is not None:
        _sink.measure(name, value, attributes)
