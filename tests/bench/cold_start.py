"""A fresh process: from the host's start to its first answers, and where the processor time of the first request goes.

Each start is measured to the end before the next; medians. In Azure the platform adds its own cold start to this. Not here:
import time alone (import_time).
"""

from __future__ import annotations

import dataclasses
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from infra.local import stack
from infra.local.demo.client import Steward
from tests.bench import bodies, processes

if TYPE_CHECKING:
    from collections.abc import Callable

STARTS = 3
TIMERS = ("poll_operation", "reconcile_operations", "cleanup_timer")  # they would warm the process up
READY = "worker started, app indexed"


def run() -> dict[str, tuple[float, float, float]]:
    """Return step → milliseconds, processor milliseconds of the worker, and milliseconds when it comes again (medians)."""
    samples: dict[str, list[tuple[float, float, float]]] = {}
    with tempfile.TemporaryDirectory() as state:
        options = stack.Options(state=Path(state), transitions="immediate", events=False)
        with stack.start_storage(options) as storage, stack.start_azure(options, storage) as azure:
            with stack.start_app(options, storage, azure) as app:
                caller = Steward(app.url, app.key, app.master_key)
                bodies.workspace(caller)
                caller.close()
            bodies.transitions(azure, "time", 0.1)
            off = {f"AzureWebJobs.{name}.Disabled": "true" for name in TIMERS}
            options = dataclasses.replace(options, settings=off)
            for number in range(STARTS):
                began = time.perf_counter()
                with stack.start_app(options, storage, azure) as app:
                    ready = (time.perf_counter() - began) * 1000
                    for step, sample in _first(app, number, ready).items():
                        samples.setdefault(step, []).append(sample)
    return {step: _medians(found) for step, found in samples.items()}


def _medians(samples: list[tuple[float, float, float]]) -> tuple[float, float, float]:
    first, cpu, again = (statistics.median(column) for column in zip(*samples, strict=True))
    return first, cpu, again


def _first(app: stack.App, number: int, ready: float) -> dict[str, tuple[float, float, float]]:
    (worker,) = processes.workers(app.part.process.pid)
    out = {READY: (ready, processes.cpu_s(worker) * 1000, 0.0)}
    caller = Steward(app.url, app.key, app.master_key)
    later = {"Prefer": "respond-async"}

    def accept(name: str) -> Callable[[], object]:
        path = f"{bodies.WORKSPACE}/computes/{name}{number}x"
        return lambda: caller.send("PUT", path, expect=202, json=bodies.cluster(), headers=later)

    steps: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "first answer of a function (a page)": (lambda: caller.send("GET", "docs"),) * 2,
        "first that is recorded: tables, queue": (accept("cold"), accept("warm")),
        "first to Azure: sign-in, TLS": (lambda: caller.get(bodies.WORKSPACE),) * 2,
    }
    for step, (first, again) in steps.items():
        before = processes.cpu_s(worker)
        took = _ms(first)
        out[step] = (took, (processes.cpu_s(worker) - before) * 1000, _ms(again))
    caller.close()
    return out


def _ms(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000
