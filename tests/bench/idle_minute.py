"""``python -m tests.bench.idle_minute``: how many log entries the app costs, idle and for an operation, and how large they are.

Counted in the log of the local host, which writes what the platform's host hands to Application Insights, by the same levels
of host.json; each entry there has an envelope of its own besides its text. Not here: what a gigabyte costs (docs/deploy.md).
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from infra.local import stack
from infra.local.demo.client import Steward
from tests.bench import bodies

if TYPE_CHECKING:
    from collections.abc import Iterator

ENTRY = re.compile(r"^\[\d{4}-[^]]+Z\] \w+ ([\w.]+): ", re.MULTILINE)
ENVELOPE = 500  # bytes of names, times and ids around each entry, about
OPERATIONS = 20


def entries(text: str) -> Iterator[tuple[str, int]]:
    """Yield category and bytes of each entry of a log."""
    found = list(ENTRY.finditer(text))
    ends = [*(each.start() for each in found[1:]), *([len(text)] if found else [])]
    for each, end in zip(found, ends, strict=True):
        yield each[1], len(text[each.start() : end].encode())


def idle(log: Path, seconds: float) -> str:
    """Return what the host logs in so many seconds in which nothing is asked."""
    begin = log.stat().st_size
    time.sleep(seconds)
    return _since(log, begin)


def operations(log: Path, app: stack.App) -> str:
    """Return what the host logs for some operations, each followed to its end."""
    caller = Steward(app.url, app.key, app.master_key)
    try:
        bodies.workspace(caller)
        begin = log.stat().st_size
        for number in range(OPERATIONS):
            caller.done("PUT", f"{bodies.WORKSPACE}/computes/cpu{number}x", json=bodies.cluster())
    finally:
        caller.close()
    return _since(log, begin)


def _since(log: Path, begin: int) -> str:
    with log.open("rb") as opened:
        opened.seek(begin)
        return opened.read().decode(errors="replace")


def _table(title: str, text: str, times: int) -> Table:
    table = Table("category", "entries", "kB", title=title)
    count, size = Counter[str](), Counter[str]()
    for category, length in entries(text):
        name = category.split(".")[0] if category.startswith("Function.") else category
        count[name] += 1
        size[name] += length + ENVELOPE
    for name, number in count.most_common():
        table.add_row(name, f"{number / times:.1f}", f"{size[name] / times / 1000:.1f}")
    table.add_section()
    table.add_row("in all", f"{count.total() / times:.1f}", f"{size.total() / times / 1000:.1f}")
    return table


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.idle_minute", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the app is left alone")
    seconds = parser.parse_args().seconds
    console = Console()
    with tempfile.TemporaryDirectory() as state:
        options = stack.Options(state=Path(state), events=False)
        log = options.state / "logs" / "host.log"
        with stack.start(options) as parts:
            quiet, busy = idle(log, seconds), operations(log, parts.app)
    console.print(_table(f"{seconds:g} idle seconds", quiet, 1))
    console.print(_table(f"an operation (mean of {OPERATIONS})", busy, OPERATIONS))


if __name__ == "__main__":
    main()
