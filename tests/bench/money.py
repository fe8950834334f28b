"""``python -m tests.bench.money``: what a month of operations costs on Flex Consumption, from the app's own counts.

Executions, queue messages and transactions are those of the app's own steps (growth.measure, and the timers as they are
declared). Each execution is charged as a second with 2048 MB, the least that Flex Consumption charges, as if it had its instance
for itself: the real bill is lower where work overlaps. Not here: an app that does other work besides (docs/deploy-run.md).
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import dataclass

from rich.console import Console

from tests.bench import growth

# US dollars, East US, list prices of 2025 as docs/deploy-run.md has them, with Microsoft's pages; * from secondary sources.
SOURCES = (
    "https://azure.microsoft.com/pricing/details/functions/",
    "https://azure.microsoft.com/pricing/details/storage/tables/",
    "https://azure.microsoft.com/pricing/details/azure-nat-gateway/",
    "https://azure.microsoft.com/pricing/details/private-link/",
    "https://azure.microsoft.com/pricing/details/monitor/",
)
PRICES = {
    "GB-s on demand": 0.000026,
    "execution": 0.40 / 1_000_000,
    "GB-s always ready, waiting": 0.000004,
    "GB-s always ready, at work": 0.000016,
    "storage transaction*": 0.0004 / 10_000,
    "GB of logs*": 2.30,
    "NAT gateway and its address*, hour": 0.045 + 0.005,
    "private endpoint*, hour": 0.01,
    "private DNS zone*, month": 0.50,
}
FREE_GB_S, FREE_EXECUTIONS = 100_000, 250_000  # on demand, each month
GB, LEAST_S = 2.0, 1.0  # of an instance; of an execution
DAYS, HOURS = 30.4, 730
TICKS_AN_HOUR = {"reconcile_operations": 180, "cleanup_timer": 60}  # their schedules
TICK_TRANSACTIONS = 9  # of one, with the platform's own lock and schedule, as `make bench` counts an idle hour
LOOKS_A_MONTH = 4 * 2_628_000  # of the platform into four queues, one each second (host.json), while an instance is up
LOG_GB_IDLE, LOG_GB_EACH = 0.4, 0.01 / 1_000  # a month; an operation (tests.bench.idle_minute)
ALWAYS_READY = 3  # instances of infra/azure/prod.bicepparam
ENDPOINTS, ZONES = 3, 3
OPEN = 100  # at once: what an operation costs does not depend on it (growth)


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """A month of one kind of deployment.

    Attributes:
        lines: What is paid for → US dollars.
    """

    lines: dict[str, float]

    @property
    def total(self) -> float:
        """The bill."""
        return sum(self.lines.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What is used in a month.

    Attributes:
        operations: How many.
        executions: Of functions: requests, messages, timers.
        transactions: With storage: the app's, the platform's for each message, the timers', the looks into queues.
        gb_s: A second at least for each execution.
    """

    operations: int
    executions: int
    transactions: int
    gb_s: int


def used(a_day: int, each: growth.Cost) -> Use:
    """Return what so many operations a day use in a month."""
    operations = round(a_day * DAYS)
    ticks = sum(TICKS_AN_HOUR.values()) * HOURS
    executions = round(operations * (1 + each.messages)) + ticks
    transactions = round(operations * each.storage) + ticks * TICK_TRANSACTIONS + LOOKS_A_MONTH
    return Use(operations=operations, executions=executions, transactions=transactions, gb_s=round(executions * GB * LEAST_S))


def month(use: Use, *, ready: int, networking: bool) -> Month:
    """Return a month's bill: always-ready instances do all work where there are some, else it is on demand."""
    lines = {}
    if ready:
        lines["always-ready instances"] = ready * GB * HOURS * 3_600 * PRICES["GB-s always ready, waiting"]
        lines["run time"] = use.gb_s * PRICES["GB-s always ready, at work"]
        lines["executions"] = use.executions * PRICES["execution"]
    else:
        lines["run time"] = max(0.0, use.gb_s - FREE_GB_S) * PRICES["GB-s on demand"]
        lines["executions"] = max(0, use.executions - FREE_EXECUTIONS) * PRICES["execution"]
    lines["storage transactions"] = use.transactions * PRICES["storage transaction*"]
    lines["logs"] = (LOG_GB_IDLE + use.operations * LOG_GB_EACH) * PRICES["GB of logs*"]
    if networking:
        endpoints = ENDPOINTS * HOURS * PRICES["private endpoint*, hour"] + ZONES * PRICES["private DNS zone*, month"]
        lines["networking"] = HOURS * PRICES["NAT gateway and its address*, hour"] + endpoints
    return Month(lines=lines)


WAYS = {
    "on demand": {"ready": 0, "networking": False},
    f"{ALWAYS_READY} always-ready instances": {"ready": ALWAYS_READY, "networking": False},
    "… and networking": {"ready": ALWAYS_READY, "networking": True},
}


def page(a_day: int = 1_000) -> str:
    """Return the table as Markdown, as docs/scale.md has it."""
    each = growth.measure(OPEN)
    use = used(a_day, each)
    months = {name: month(use, **way) for name, way in WAYS.items()}  # type: ignore[arg-type]
    names = dict.fromkeys(name for each in months.values() for name in each.lines)
    rows = [["a month, $", *months], ["---"] * (len(months) + 1)]
    rows += [[name, *(f"{each.lines[name]:.2f}" if name in each.lines else "" for each in months.values())] for name in names]
    rows.append(["in all", *(f"{each.total:.0f}" for each in months.values())])
    head = (
        f"{use.operations:,} operations of half a minute: {use.executions:,} executions, {use.gb_s:,} GB-s, "
        f"{use.transactions / 1e6:.1f} million transactions."
    )
    return "\n".join([head, "", *(f"| {' | '.join(row)} |".replace("  ", " ") for row in rows)])


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.money", description=__doc__)
    parser.add_argument("--a-day", type=int, default=1_000, help="operations a day")
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)
    console = Console(soft_wrap=True, highlight=False)
    console.print(page(asked.a_day))
    for name, price in PRICES.items():
        console.print(f"{name}: ${price:.8f}".rstrip("0"))
    for source in SOURCES:
        console.print(source)


if __name__ == "__main__":
    main()
