"""What telling costs while nobody listens (`STEWARD_TELEMETRY=off`): microseconds of each thing on an operation's way.

`python -m tests.bench.telemetry`. Not here: what an exporter costs, which is OpenTelemetry's own.
"""

from __future__ import annotations

import logging
import timeit
from typing import TYPE_CHECKING

from shared.telemetry import calls, lines, meters, trace

if TYPE_CHECKING:
    from collections.abc import Callable

URL = "https://management.azure.com/subscriptions/s1/resourceGroups/rg1?api-version=2025-12-01"
HEADER = trace.new().header
TIMES = 20_000
QUIET = logging.getLogger("steward.bench")


def _call() -> None:
    with calls.Call("GET", URL) as call:
        call.status = 200


def _within() -> None:
    with trace.bound(trace.parse(HEADER), operation="op-1"):
        pass


def measure() -> dict[str, float]:
    """Return what is done → microseconds, the best of five rounds."""
    QUIET.setLevel(logging.WARNING)
    work: dict[str, Callable[[], None]] = {
        "a step within its operation's trace": _within,
        "a request to Azure: its span id, its host": _call,
        "a measurement that nobody wants": lambda: meters.count("steward.poison", 1, queue="q"),
        "a line below the level": lambda: lines.event(QUIET, logging.DEBUG, "operation.step", status="Running"),
    }
    return {name: min(timeit.repeat(each, number=TIMES, repeat=5)) / TIMES * 1e6 for name, each in work.items()}


def main() -> None:
    """Print them."""
    for name, microseconds in measure().items():
        print(f"{name}: {microseconds:.1f} µs")  # noqa: T201 - what it is for


if __name__ == "__main__":
    main()
