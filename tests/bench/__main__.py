"""``make bench``: prints the numbers of the README."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.table import Table

from tests.bench import demo, import_time, upload


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", choices=("import", "demo", "upload"), help="measure only this")
    parser.add_argument("--megabytes", type=int, default=256, help="size of the upload")
    asked = parser.parse_args()
    only = asked.only
    console = Console()
    if only in (None, "import"):
        console.print(_imports())
    if only in (None, "upload"):
        console.print(_upload(asked.megabytes), highlight=False)
    if only in (None, "demo"):
        seconds, _ = demo.run()
        console.print(f"make demo, everything installed: {seconds:.1f} s", highlight=False)
        console.print(_calls())


def _imports() -> Table:
    table = Table("import in a fresh interpreter", "ms", "MB", "modules", title="Import time (medians)")
    for module, (seconds, megabytes, modules) in import_time.measure().items():
        table.add_row(module, f"{seconds * 1000:.0f}", f"{megabytes:.1f}", f"{modules:.0f}")
    return table


def _upload(megabytes: int) -> str:
    moved = upload.run(megabytes)
    peaks = ", ".join(f"{name} {peak} MB" for name, peak in moved["peaks"].items())
    return f"an upload of {megabytes} MB becomes a model in {moved['seconds']:.1f} s; most memory ever held: {peaks}"


def _calls() -> Table:
    # Two running answers before each end: the calls are then the same on every machine.
    _, steps = demo.run("--transitions", "polls:2")
    table = Table("step", "calls to ARM", "in all", title="ARM calls where Azure says twice that it is still at work")
    for step in steps:
        table.add_row(f"{step['step']} {step['what']}", demo.arm_calls(step), str(step["armCalls"]))
    return table


if __name__ == "__main__":
    main()
