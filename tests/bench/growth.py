"""``python -m tests.bench.growth``: what an operation costs while many others are open, as a table and as a plot (docs/growth.svg).

The app's own steps on storage and an Azure in memory, in virtual time: the counts are exact, and the same on every machine.
Computes of half a minute are made at once, 50 in each workspace. Counted are all calls to storage, those of the timer and the
platform's receive and delete of each message included, and all calls to Azure. Not here: how long anything takes (requests).
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import logging
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from tests.fake_azure import FakeAzure
from tests.fakes import STORAGE, FakeQueue, Held
from tests.steward import TIMER_S, Steward, look_after

if TYPE_CHECKING:
    from collections.abc import Sequence

OPEN = (10, 100, 1_000, 10_000)
EACH = 50  # computes of a workspace
BODY: dict[str, Any] = {"location": "westeurope", "properties": {"computeType": "AmlCompute"}}
PLOT = Path(__file__).parents[2] / "docs" / "growth.svg"
WIDTH, HEIGHT, LEFT, TOP = 640, 300, 60, 40  # of the plot; the margins
STYLE = """
    text { fill: #1f2328; } .dim { fill: #57606a; font-size: 12px; } .axis { stroke: #d0d7de; }
    .storage { stroke: #0969da; fill: #0969da; } .azure { stroke: #bc4c00; fill: #bc4c00; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3; } .dim { fill: #9da7b3; } .axis { stroke: #3d444d; }
      .storage { stroke: #58a6ff; fill: #58a6ff; } .azure { stroke: #f0883e; fill: #f0883e; }
    }
    polyline.storage, polyline.azure { fill: none; stroke-width: 2; }
    text.storage, text.azure { stroke: none; }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one operation came to while so many were open.

    Attributes:
        open: How many.
        storage, azure: Calls of each.
        messages: Queue messages of each; their sends, receives and deletes are in `storage`.
        cpu_ms: CPU of the app and of what stands for storage and Azure.
    """

    open: int
    storage: float
    azure: float
    messages: float
    cpu_ms: float


class Queue(FakeQueue):
    """The queue in memory, sorted: the other one looks through all messages for the next."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self._sorted: list[tuple[Any, int, Held]] = []
        self._count = itertools.count()

    def send(self, text: str, *, delay_s: float = 0.0) -> None:
        """See `storage.Queue.send`."""
        super().send(text, delay_s=delay_s)
        self.sent.clear()
        held = self.messages.pop()
        heapq.heappush(self._sorted, (held.visible_at, next(self._count), held))

    @property
    def next_at(self) -> Any:
        """When the next message is visible, None without one."""
        return self._sorted[0][0] if self._sorted else None

    def receive(self) -> Held | None:
        """Return the next visible message."""
        if not self._sorted or self._sorted[0][0] > self._clock():
            return None
        held = heapq.heappop(self._sorted)[2]
        self.messages.append(held)
        return held


class Azure(FakeAzure):
    """Azure in memory, which lets time pass only when some has passed: the other one looks at all that is under way each time."""

    _seen_at: Any = None

    def _settle(self) -> None:
        if self._seen_at != self.now():
            self._seen_at = self.now()
            super()._settle()


def measure(count: int) -> Cost:
    """Make so many computes at once, and follow all of them to their end.

    Raises:
        RuntimeError: one did not succeed.
    """
    steward, began = Steward(), time.process_time()
    steward.queue = queue = Queue(steward.clock, steward.fuse)
    steward.azure = Azure(steward.clock, steward.fuse)
    steward.restart()
    made = [steward.submit("PUT", f"workspaces/w{number // EACH}/computes/c{number}", BODY) for number in range(count)]
    tick_at = steward.clock() + timedelta(seconds=TIMER_S)
    while queue.next_at:
        while steward.step():
            pass
        if steward.clock() >= tick_at:
            tick_at += timedelta(seconds=TIMER_S)
            look_after(steward.process)
        steward.clock.now = max(steward.clock(), min(filter(None, (queue.next_at, tick_at))))
    spent_s = time.process_time() - began
    if any(steward.load(each).status != "Succeeded" for each in made):
        message = f"of {count} operations one did not succeed"
        raise RuntimeError(message)
    calls = steward.fuse.calls[: len(steward.fuse.calls) - count]  # the last are our own looks
    messages = calls.count("queue.send")
    storage = sum(name.startswith(STORAGE) for name in calls) + 2 * messages
    azure = sum(name.startswith("azure") for name in calls)
    return Cost(
        open=count,
        storage=round(storage / count, 2),
        azure=round(azure / count, 2),
        messages=round(messages / count, 2),
        cpu_ms=spent_s / count * 1_000,
    )


def plot(costs: Sequence[Cost]) -> str:
    """Return the curves as an SVG that is readable on light and on dark."""
    most = max(each.storage for each in costs) * 1.15
    across = (WIDTH - 2 * LEFT) / max(1, len(costs) - 1)

    def at(index: int, value: float) -> tuple[float, float]:
        return LEFT + index * across, HEIGHT - TOP - value / most * (HEIGHT - 2 * TOP)

    said = "; ".join(f"{each.open:,} open: {each.storage:g} storage, {each.azure:g} Azure" for each in costs)
    font = "-apple-system, Segoe UI, Helvetica, Arial, sans-serif"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="t d" font-size="14">',
        '  <title id="t">Calls for each operation while others are open</title>',
        f'  <desc id="d">{said}.</desc>',
        f"  <style>{STYLE}  </style>",
        f'  <g font-family="{font}">',
        f'  <path class="axis" d="M{LEFT} {HEIGHT - TOP} H{WIDTH - LEFT}"/>',
        f'  <text class="dim" x="{WIDTH / 2:g}" y="{HEIGHT - 6}" text-anchor="middle">operations open at once</text>',
    ]
    for index, each in enumerate(costs):
        parts.append(
            f'  <text class="dim" x="{at(index, 0)[0]:.0f}" y="{HEIGHT - TOP + 18}" text-anchor="middle">{each.open:,}</text>'
        )
    for name, label in (("storage", "transactions with storage"), ("azure", "requests to Azure")):
        points = [(*at(index, getattr(each, name)), getattr(each, name)) for index, each in enumerate(costs)]
        line = " ".join(f"{x:.0f},{y:.1f}" for x, y, _ in points)
        parts.append(f'  <polyline class="{name}" points="{line}"/>')
        parts += [f'  <circle class="{name}" cx="{x:.0f}" cy="{y:.1f}" r="3.5"/>' for x, y, _ in points]
        parts += [
            f'  <text class="{name}" x="{x:.0f}" y="{y - 9:.1f}" text-anchor="middle" font-size="12">{value:.1f}</text>'
            for x, y, value in points
        ]
        parts.append(f'  <text class="{name}" x="{LEFT + 12}" y="{points[0][1] + 20:.1f}" font-size="12">{label}</text>')
    return "\n".join([*parts, "  </g>", "</svg>", ""])


def table(costs: Sequence[Cost]) -> Table:
    """Return the costs as they are printed."""
    made = Table("open", "storage", "Azure", "messages", "CPU ms", title="What one operation costs while so many are open")
    for each in costs:
        made.add_row(f"{each.open:,}", f"{each.storage:.1f}", f"{each.azure:.1f}", f"{each.messages:.1f}", f"{each.cpu_ms:.1f}")
    return made


def main() -> None:
    """Measure, print, and write the plot."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.growth", description=__doc__)
    parser.add_argument("--svg", type=Path, help="where the plot is written")
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)
    costs = [measure(count) for count in OPEN]
    Console().print(table(costs))
    if asked.svg:
        asked.svg.write_text(plot(costs))


if __name__ == "__main__":
    main()
