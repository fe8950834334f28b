"""A report as a page for people and as a table for spreadsheets: no script, nothing loaded, everything escaped.

Not here: what stands in a report (reports).
"""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING, Any

from shared.cleanup.report import reports, savings

if TYPE_CHECKING:
    from shared.cleanup.report.reports import Report
    from shared.cleanup.run.report_lines import Line

COLUMNS = (
    "workspace", "resource", "kind", "policy", "outcome", "action", "reason", "evidence", "since", "due", "vmSize", "nodes",
    "owner", "operation", "error", "id", "subscription",
)  # fmt: skip

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; }
body { font: 16px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 72rem; padding: 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; } dt { opacity: .7; } dd { margin: 0; }
article { border: 1px solid var(--line); border-radius: .5rem; margin: .6rem 0; padding: .6rem .8rem; }
article p { margin: .2rem 0; } .out { background: var(--soft); border-radius: .3rem; font-weight: 600; padding: .05rem .4rem; }
.small { font-size: .85rem; opacity: .8; } ul { margin: .3rem 0; padding-left: 1.2rem; }
"""


def table(report: Report) -> list[list[Any]]:
    """Return the lines of a report as the rows of a table, with their heads."""
    return [list(COLUMNS), *(_row(line) for line in report.lines)]


def page(report: Report, *, following: str = "") -> bytes:
    """Return a report as an HTML page.

    Args:
        report: A page of it.
        following: Relative link to the next page, '' for none.
    """
    run = report.run
    title = f"Clean-up {run.name}"
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{_text(title)}</title><style>{STYLE}</style></head><body>",
        f"<h1>{_text(title)}</h1>",
        _facts(report),
        *_list("Notes", list(run.notes)),
        *_list("Subscriptions", [_subscription(each) for each in reports.view(report)["subscriptions"]]),
        *_list("Not read, or incomplete", [_unread(each) for each in reports.view(report)["workspaces"] if "reason" in each]),
        "<h2>Resources</h2>",
        *(_article(line) for line in sorted(report.lines, key=_weight)),
        f'<p><a href="{html.escape(following)}">Next page</a></p>' if following else "",
        "</body></html>",
    ]
    return "\n".join(part for part in parts if part).encode("utf-8", errors="replace")


def _facts(report: Report) -> str:
    told = reports.summary(report.run, report.totals)
    out = [("Status", f"{told['status']} ({told['mode']}, caller {told['caller']})"), ("Started", told["startTime"])]
    if told.get("endTime"):
        out.append(("Ended", told["endTime"]))
    if told.get("approves"):
        out.append(("Carries out", told["approves"]))
    out.append(("Policies", ", ".join(told["policies"])))
    counts = ", ".join(f"{count} {outcome}" for outcome, count in told.get("outcomes", {}).items())
    out.append(("Checked", f"{told.get('looked', 0)} resources: {counts or 'none'}"))
    saved: dict[str, Any] = told.get("savings", {})
    if saved.get("nodeHoursADay"):
        money = f", {saved['moneyADay']:g} {saved.get('currency', '')}" if "moneyADay" in saved else ""
        spent = f"; {saved['idleNodeHours']:g} node-hours were spent idle" if saved["idleNodeHours"] else ""
        out.append(("Saves", f"{saved['nodeHoursADay']:g} node-hours{money} a day{spent}"))
    asked: dict[str, Any] = told.get("requests", {})
    if asked:
        out.append(("Took", f"{asked['calls']} requests, {asked['seconds']:g} s of work"))
    return "<dl>" + "".join(f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>" for name, value in out) + "</dl>"


def _article(line: Line) -> str:
    workspace, path, _ = reports.place(line)
    out = [f'<article><p><span class="out">{_text(savings.text(line))}</span> <b>{_text(path)}</b> in {_text(workspace)}</p>']
    out.append(f"<p>{_text(line.reason)}</p>")
    if line.error:
        out.append(f"<p><b>{_text(line.error.get('code'))}</b>: {_text(line.error.get('message'))}</p>")
    if line.evidence:
        out.append("<ul>" + "".join(f"<li>{_text(fact)}</li>" for fact in line.evidence) + "</ul>")
    notes = [f"policy {line.policy}", *([f"due {line.due:%Y-%m-%d}"] if line.due else [])]
    notes += [f"operation {line.operation}"] if line.operation else []
    notes += [f"owner {line.notify['owner']}"] if line.notify.get("owner") else []
    out.append(f'<p class="small">{_text(", ".join(notes))}</p></article>')
    return "".join(out)


def _list(title: str, items: list[str]) -> list[str]:
    if not items:
        return []
    return [f"<h2>{_text(title)}</h2><ul>", *(f"<li>{_text(item)}</li>" for item in items), "</ul>"]


def _subscription(found: dict[str, Any]) -> str:
    counts = ", ".join(f"{count} {outcome}" for outcome, count in found["outcomes"].items())
    hours = found["savings"]["nodeHoursADay"]
    said = f"{found['id']}: {found['looked']} resources checked: {counts or 'none to change'}"
    said += f"; saves {hours:g} node-hours a day" if hours else ""
    return f"{said}; not fully read: {found['reason']}" if "reason" in found else said


def _unread(workspace: dict[str, Any]) -> str:
    return f"{workspace['id'].rpartition('/')[2]}: {workspace['status']}: {workspace['reason']}"


def _weight(line: Line) -> int:
    """Put what was done first, then what was not, then what is kept."""
    order = {"done": 0, "failed": 1, "under way": 2, "planned": 3, "not done": 4, "limit reached": 5}
    return order.get(line.outcome, 6)


def _row(line: Line) -> list[Any]:
    workspace, path, subscription = reports.place(line)
    told = reports.told(line)
    values: dict[str, Any] = {
        **{name: told.get(name, "") for name in COLUMNS},
        "subscription": subscription,
        "workspace": workspace,
        "resource": path,
        "action": line.action,
        "evidence": "; ".join(line.evidence),
        "vmSize": line.saves.get("vmSize", ""),
        "nodes": line.saves.get("nodes", ""),
        "owner": line.notify.get("owner", ""),
        "error": json.dumps(line.error) if line.error else "",
    }
    return [values[name] for name in COLUMNS]


def _text(value: Any) -> str:
    return html.escape(str(value if value is not None else ""))
