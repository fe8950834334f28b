"""``make bench``: prints the numbers of the README."""

from __future__ import annotations

import argparse
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from tests.bench import (
    async_scores,
    cleanup,
    cold_start,
    completion,
    demo,
    events,
    events_processed,
    expiries,
    following,
    following_many,
    growth,
    handlers,
    import_time,
    lists,
    money,
    recipes,
    requests,
    storage_calls,
    storage_speed,
    upload,
)

if TYPE_CHECKING:
    from collections.abc import Callable

COMMANDS = (
    "yaml",
    "overdue",
    "idle_minute",
    "telemetry",
    "first_start",
)  # that can be run alone, too: `python -m tests.bench.yaml`


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", choices=(*PARTS, *COMMANDS), help="measure only this")
    parser.add_argument("--megabytes", type=int, default=256, help="size of the upload")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long events are sent")
    parser.add_argument("--scores", type=int, default=600, help="how many asynchronous scores are sent")
    parser.add_argument("--callers", type=int, default=16, help="how many send them at once")
    parser.add_argument("--expiries", type=int, default=600, help="how many clusters are made that expire")
    parser.add_argument("--per-second", type=float, default=5.0, help="how many of them in a second")
    parser.add_argument("--hold", type=float, default=60.0, help="after how many seconds they expire")
    parser.add_argument("--recipes", type=int, default=1_000, help="how many recipes are started")
    parser.add_argument("--kills", type=int, default=1, help="how often the app's worker dies during scores, expiries, recipes")
    parser.add_argument("--every", type=float, default=10.0, help="seconds between two of them")
    asked = parser.parse_args()
    console = Console()
    for name, part in PARTS.items():
        if asked.only in (None, name):
            part(asked, console)
    for each in COMMANDS:
        if asked.only in (None, each):
            subprocess.run([sys.executable, "-m", f"tests.bench.{each}"], check=True)


def _recipes(asked: argparse.Namespace) -> str:
    found = recipes.run(asked.recipes, asked.kills, asked.every)
    ended = f"{found.succeeded} of {found.runs} runs of {len(recipes.STEPS)} steps ended well in {found.seconds:.0f} s"
    most = f"{0.99 * found.steps / found.most_s:.0f} without the last 1 %"
    each = f"{found.steps / found.seconds:.0f} steps/s ({most}), {found.duplicates} duplicates, {found.spent}"
    return f"recipes: {ended} ({found.accepted_s:.0f} s until all were accepted): {each}"


def _expiries(asked: argparse.Namespace) -> str:
    found = expiries.run(asked.expiries, asked.kills, asked.every, asked.per_second, asked.hold)
    late = f"{found.late[len(found.late) // 2]:.0f} s late, {found.late[-1]:.0f} s at most" if found.late else "none went"
    went = f"{100 * found.prompt:.2f} % of the others went within {expiries.PROMPT_S:.0f} s of their time ({late})"
    wrong = f"{found.early} early, {found.lost} lost, {found.wrong} namesakes deleted"
    return f"expiries: {found.asked} clusters, {found.namesakes} of them made again: {went}, {wrong}; {found.spent}"


def _imports() -> Table:
    found = import_time.measure()
    table = Table("import in a fresh interpreter", "ms", "times the least", "MB", "modules", title="Import time (medians)")
    for module, (seconds, megabytes, modules) in found.items():
        times = f"{seconds / found['azure.functions'][0]:.2f}"
        table.add_row(module, f"{seconds * 1000:.0f}", times, f"{megabytes:.1f}", f"{modules:.0f}")
    return table


def _cold_start() -> Table:
    table = Table("", "ms", "CPU ms", "again, ms", title=f"A fresh process, step by step (medians of {cold_start.STARTS})")
    for step, (first, cpu, again) in cold_start.run().items():
        table.add_row(step, f"{first:.0f}", f"{cpu:.0f}", f"{again:.0f}" if again else "")
    return table


def _requests(_: argparse.Namespace, console: Console) -> None:
    found = requests.run()
    title = f"What a caller waits for, with one worker process ({found.megabytes:.0f} MB at most)"
    table = Table(
        *("callers", "request", "median ms", "p95 ms", "CPU ms", "per s", "times as long", "as", "its ms", "host alone ms", "goal"),
        title=title,
    )
    for callers in requests.CALLERS:
        for each in found.asked:
            took = found.timed[each.name, callers]
            row = (
                each.name,
                f"{took.median_ms:.1f}",
                f"{took.p95_ms:.1f}",
                f"{took.worker_ms:.1f}",
                f"{len(took.seconds) / took.wall_s:.0f}",
            )
            beside, alone = (f"{found.timed[name, callers].median_ms:.1f}" for name in (each.beside, requests.LEAST))
            goal = requests.GOALS.get((each.name, callers), "")
            table.add_row(str(callers), *row, f"{found.ratio(each, callers):.1f}", each.beside, beside, alone, goal)
        table.add_section()
    console.print(table, soft_wrap=True)


def _handlers() -> Table:
    title = "The app's functions in this process, on real storage and the local Azure, beside the same by bare requests"
    table = Table("", "median ms", "p95 ms", "goal", "CPU ms", "goal", "least, CPU ms", "times", title=title)
    timed = handlers.run()
    for name, each in timed.items():
        if name.startswith(handlers.LEAST):
            continue
        p95, cpu = (f"≤ {goal:g}" if goal else "" for goal in handlers.GOALS.get(name, (None, None)))
        least = timed[handlers.LEAST + name]
        (median_ms, p95_ms, cpu_ms, _), least_ms = each.row, least.row[2]
        ratio = (each.cpu_s / len(each.seconds)) / (least.cpu_s / len(least.seconds))
        table.add_row(name, median_ms, p95_ms, p95, cpu_ms, cpu, least_ms, f"{ratio:.1f}")
    return table


def _storage(_: argparse.Namespace, console: Console) -> None:
    costs, idle = storage_calls.run()
    title = f"Storage transactions from request to end, where Azure says {storage_calls.POLLS} times that it is still at work"
    table = Table("", "polls", "table", "queue", "blob", "messages received, deleted", "in all", "goal", title=title)
    for name, cost in costs.items():
        services = (str(cost.app[service]) for service in ("table", "queue", "blob"))
        table.add_row(name, str(cost.polls), *services, str(cost.messages), str(cost.total), storage_calls.GOALS.get(name, ""))
    console.print(table)
    hourly = ", ".join(f"{name} {count.total()}" for name, count in idle.items())
    line = f"an idle hour: {hourly} transactions of the timers, and the platform's looks into the queues"
    console.print(line, highlight=False, soft_wrap=True)
    console.print(_storage_speed(), soft_wrap=True)
    console.print(_storage_growth(), soft_wrap=True)


def _storage_speed() -> Table:
    title = "The app's own storage, ours beside Azure's libraries and the bare requests"
    table = Table("callers", "what", "by", "median ms", "p95 ms", "CPU ms", "per s", "CPU beside the libraries", title=title)
    timed = storage_speed.run()
    for (what, who, callers), each in timed.items():
        beside = timed[what, "libraries", callers]
        table.add_row(str(callers), what, who, *each.row, f"{each.cpu_s / beside.cpu_s:.2f}", end_section=who == "bare")
    return table


def _storage_growth() -> Table:
    table = Table("rows", "what", "median ms", "p95 ms", "CPU ms", title="What grows with what is recorded")
    for (what, rows), each in storage_speed.grown().items():
        table.add_row(str(rows), what, *each.row[:3])
    return table


def _upload(megabytes: int) -> str:
    moved = upload.run(megabytes)
    peaks = ", ".join(f"{name} {peak} MB" for name, peak in moved["peaks"].items())
    small = f"a folder of {moved['files']} files of 4 KB in {moved['files_seconds']:.1f} s"
    body = moved["body"]
    return (
        f"an upload of {megabytes} MB becomes a model in {moved['seconds']:.1f} s, {small}; most memory ever held: {peaks}\n"
        f"a file of {upload.BODY // 1024**2} MB with its request: {body['seconds']:.1f} s, MLClient {body['client']:.1f} s; "
        f"{body['beyond']:.2f} of its size in memory beyond a request that is only received"
    )


def _clean_up(_: argparse.Namespace, console: Console) -> None:
    with cleanup.local_azure() as azure:
        console.print(_beside_custodian(cleanup.compare(azure)))
        kept, again, least = cleanup.repeats(azure)
        whole = cleanup.large(azure)
    sizes, own, pace = cleanup.LARGE, whole.own, cleanup.THROTTLE["reads_per_s"]
    for line in (
        f"{sizes.workspaces} workspaces x {sizes.versions} model versions x {sizes.computes} computes, every kind and policy,",
        f"and who refers to what: {whole.resources} resources, {own['verdicts']:.0f} verdicts, {whole.calls} ARM reads",
        f"({whole.per_1000(whole.calls):.1f} of 1,000) and {own['other']:.0f} of Azure ML's own servers in {whole.seconds:.0f} s",
        f"without limits, {whole.calls / pace / 60:.0f} min at ARM's pace; most memory ever held: {own['peakMB']:.0f} MB",
        f"{cleanup.FEW.workspaces} workspaces, {kept.resources} resources: {kept.calls} reads, {again.calls} if nothing is kept",
        f"(ratio {kept.calls / again.calls:.2f}), {least} different ones (ratio {kept.calls / least:.2f})",
    ):
        console.print(line, highlight=False, soft_wrap=True)


def _beside_custodian(found: dict[str, tuple[cleanup.Listed, cleanup.Listed, cleanup.Listed]]) -> Table:
    title = f"{cleanup.SMALL.workspaces} workspaces under ARM's limits (250 reads, 25 a second)"
    table = Table("", "found", "reads", "/ 1,000", "429s", "s", "s / 1,000", title=title)
    for kind, (ours, theirs, judged) in found.items():
        for who, each in (("listed by steward", ours), ("listed by c7n", theirs), ("listed and judged", judged)):
            reads, seconds = f"{each.per_1000(each.calls):.1f}", f"{each.per_1000(each.seconds):.2f}"
            table.add_row(
                f"{kind} {who}", str(each.resources), str(each.calls), reads, str(each.throttled), f"{each.seconds:.1f}", seconds
            )
        reads, seconds = (f"{a / max(b, 1e-9):.2f}" for a, b in ((ours.calls, theirs.calls), (ours.seconds, theirs.seconds)))
        table.add_row("listed, ours : theirs", "", reads, "", "", seconds, "", end_section=True)
    return table


def _scores(asked: argparse.Namespace) -> str:
    found = async_scores.run(asked.scores, asked.callers, asked.kills, asked.every)
    pace = f"{found.accepted_s:.0f} accepted/s, {found.answered_s:.0f} answered/s ({found.most_s:.0f} without the last 1 %)"
    wrong = f"{found.lost} lost, {found.duplicates} duplicates"
    return f"{found.sent} asynchronous scores of a parked endpoint by {asked.callers} callers: {pace}, {wrong}; {found.spent}"


def _events(seconds: float) -> str:
    found = events.run(seconds)
    lost = found.sent - found.found
    return (
        f"events in batches of {events.BATCH} to POST /api/events for {found.seconds:.0f} s: {found.per_s:,.0f} a second accepted, "
        f"{found.sent:,} in {found.messages} messages, {lost} lost; bare queue puts of the same messages {found.bare_per_s:,.0f} "
        f"a second, ratio {found.per_s / found.bare_per_s:.2f}"
    )


def _processed() -> Table:
    title = f"Events taken in by one process, in messages of {events.BATCH}, by CPU time"
    table = Table("", "a second", "reading and judging alone", "ratio", "storage calls a message", title=title)
    for name, each in events_processed.run().items():
        ratio = f"{each.per_s / each.least_per_s:.2f}"
        table.add_row(name, f"{each.per_s:,.0f}", f"{each.least_per_s:,.0f}", ratio, f"{each.calls:.2f}")
    return table


def _lists() -> Table:
    found = lists.run()
    table = Table("", "requests", "s", "times as long", title=f"{lists.VERSIONS} versions of a model, with one worker process")
    least = min(seconds for seconds, _ in found.values())
    for name, (seconds, asked) in found.items():
        table.add_row(name, str(asked), f"{seconds:.2f}", f"{seconds / least:.2f}")
    return table


def _following() -> Table:
    found = following.run()
    title = "Computes of 31 s, 20 at once in one workspace: ARM GETs of each, and seconds from Azure's end to ours"
    table = Table("", "GETs", "late s", "longest s", title=title)
    for name, each in found.items():
        table.add_row(name, f"{each.gets:.1f}", f"{each.late_s:.1f}", f"{each.latest_s:.1f}")
    table.add_row("the least there is", str(following.LEAST), "0", "0")
    ours, theirs = found["ours"], found["MLClient"]
    table.add_row("ours : MLClient", f"{ours.gets / theirs.gets:.2f}", f"{ours.late_s / theirs.late_s:.2f}", "")
    return table


def _following_many() -> Table:
    title = "Computes of 31 s, and jobs: ARM GETs and storage transactions of each, and seconds from Azure's end to ours"
    table = Table("", "looked at by", "GETs", "storage", "late s", "p95 s", title=title)
    for (what, way), each in sorted(following_many.run().items()):
        counts = (f"{each.gets:.2f}", f"{each.transactions:.1f}", f"{each.late_s:.1f}", f"{each.p95_s:.1f}")
        table.add_row(what, way, *counts, end_section=way == "own GETs")
    return table


def _completion() -> Table:
    without, told = completion.run()
    title = f"{told.operations} operations in Azure's real time: polls, and seconds from Azure's end to ours (medians)"
    table = Table("", "ARM polls of one", "delay s", "longest s", title=title)
    for name, each in (("polling alone", without), ("events, and polls each 5 min", told)):
        table.add_row(name, f"{each.polls:.1f}", f"{each.delay_s:.2f}", f"{each.slowest_s:.2f}")
    table.add_row("ratio", f"{without.polls / told.polls:.1f}", f"{without.delay_s / told.delay_s:.0f}", "")
    return table


def _calls(steps: list[dict[str, Any]]) -> Table:
    table = Table("step", "calls to ARM", "in all", title="Calls to ARM in that run")
    for step in steps:
        table.add_row(f"{step['step']} {step['what']}", demo.arm_calls(step), str(step["armCalls"]))
    return table


def _growth(_: argparse.Namespace, console: Console) -> None:
    console.print(growth.table([growth.measure(count) for count in growth.OPEN]))
    console.print(money.page(), highlight=False, soft_wrap=True)


def _demo(_: argparse.Namespace, console: Console) -> None:
    seconds, steps = demo.run()
    console.print(f"make demo, everything installed: {seconds:.1f} s", highlight=False)
    console.print(_calls(steps))


def _shown(*made: Callable[[argparse.Namespace], Any]) -> Callable[[argparse.Namespace, Console], None]:
    def show(asked: argparse.Namespace, console: Console) -> None:
        for each in made:
            console.print(each(asked), highlight=False, soft_wrap=True)

    return show


PARTS: dict[str, Callable[[argparse.Namespace, Console], None]] = {
    "import": _shown(lambda _: _imports()),
    "cold": _shown(lambda _: _cold_start()),
    "requests": _requests,
    "handlers": _shown(lambda _: _handlers()),
    "storage": _storage,
    "upload": _shown(lambda asked: _upload(asked.megabytes)),
    "cleanup": _clean_up,
    "events": _shown(lambda asked: _events(asked.seconds), lambda _: _processed()),
    "following": _shown(lambda _: _following(), lambda _: _following_many()),
    "lists": _shown(lambda _: _lists()),
    "completion": _shown(lambda _: _completion()),
    "growth": _growth,
    "async_scores": _shown(_scores),
    "expiries": _shown(_expiries),
    "recipes": _shown(_recipes),
    "demo": _demo,
}


if __name__ == "__main__":
    main()
