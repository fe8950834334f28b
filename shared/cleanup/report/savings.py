"""The numbers of a report: what was looked at, what came of it, what it cost in requests, what it saves in node-hours and money.

Not here: what a resource saves (judge), the prices (costs.prices).
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared.cleanup.run import outcomes, report_lines, units
from shared.costs import prices as price_table
from shared.rest import ids
from shared.text import times

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from shared.cleanup.run.claims import Services
    from shared.cleanup.run.journal import Run, Unit
    from shared.cleanup.run.report_lines import Line
    from shared.costs.prices import Prices

DAY = 24
HOUR = timedelta(hours=1)


def by_policy(found: Iterable[Unit]) -> dict[str, Counter[str]]:
    """Return what was counted, by policy."""
    out: dict[str, Counter[str]] = {}
    for unit in found:
        for policy, numbers in unit.counts.items():
            out.setdefault(policy, Counter()).update(numbers)
    return out


def totals(run: Run, acts: Sequence[Line], services: Services) -> tuple[dict[str, Any], list[str]]:
    """Return the numbers of a run, and what there is to say about the price table."""
    found = [kept.value for kept in services.journal.units(run.name)]
    plan = report_lines.read(services.blobs, outcomes.plan_blob(run.name))
    prices = price_table.read(services.blobs.get(price_table.PRICES))
    numbers = {name: by_policy(found).get(name, Counter()) for name in run.policies}
    whole = sum(numbers.values(), Counter())
    came = Counter(text(line) for line in (*acts, *plan))
    enforced = {policy.name for policy in units.frozen(run, services) if policy.mode == "enforce"}
    for name, counted in numbers.items():
        came["notified" if name in enforced else "would notify"] += counted["notified"]
    planned, doubled = run.ended or run.phase in ("act", "settle"), int(run.totals.get("doubled", 0))
    came["limit reached" if planned else "found"] += max(0, whole["todo"] - len(acts) - len(plan) - doubled)
    came["kept"] += whole["looked"] - whole["todo"] - whole["notified"] + doubled
    calls, seconds = sum(unit.calls for unit in found), sum(unit.seconds for unit in found)
    thousands = max(whole["looked"], 1) / 1000
    done = [line for line in acts if line.outcome == "done"] if enforced else plan
    out = {
        "subscriptions": by_subscription(run, found, [*acts, *plan], done, prices, services),
        "looked": whole["looked"],
        "outcomes": {name: count for name, count in sorted(came.items()) if count},
        "policies": {name: dict(counted) for name, counted in numbers.items()},
        "savings": saved(done, prices, services.clock()),
        "requests": {
            "calls": calls,
            "seconds": round(seconds, 1),
            "callsPer1000": round(calls / thousands, 1),
            "secondsPer1000": round(seconds / thousands, 1),
        },
    }
    return out, list(prices.problems)


def by_subscription(
    run: Run, found: Iterable[Unit], changed: Sequence[Line], done: Iterable[Line], prices: Prices, services: Services
) -> list[dict[str, Any]]:
    """Return what was looked at, what came of it and what it saves in each subscription; and which of them was not seen."""
    looked: Counter[str] = Counter()
    came: dict[str, Counter[str]] = {}
    saving: dict[str, list[Line]] = {}
    unseen = {each.lower(): reason for each, reason in run.unseen}
    for unit in (each for each in found if each.sort != units.PLAN):
        own = (ids.parse(unit.id).subscription if unit.id else unit.other or services.settings.subscription_id).lower()
        looked[own] += sum(numbers["looked"] for numbers in unit.counts.values())
        if unit.problem and not unit.id:
            unseen.setdefault(own, unit.problem)
    for line in changed:
        own = ids.parse(line.id).subscription.lower()
        came.setdefault(own, Counter())[text(line)] += 1
        looked[own] += bool(run.plan)
    for line in done:
        saving.setdefault(ids.parse(line.id).subscription.lower(), []).append(line)
    return [
        {
            "id": own,
            "status": "unreadable" if own in unseen else "read",
            **({"reason": unseen[own]} if own in unseen else {}),
            "looked": looked[own],
            "outcomes": dict(sorted(came.get(own, Counter()).items())),
            "savings": saved(saving.get(own, ()), prices, services.clock()),
        }
        for own in dict.fromkeys((*map(str.lower, services.settings.subscriptions), *looked))
    ]


def saved(done: Iterable[Line], prices: Prices, now: datetime) -> dict[str, Any]:
    """Return what acts save: node-hours of each day from now on, and those that were spent idle until now."""
    a_day = idle = money = idle_money = 0.0
    unpriced: set[str] = set()
    for line in done:
        nodes = float(line.saves.get("nodes") or 0)
        if not nodes or line.step != "act":
            continue
        hours = max(0.0, (now - line.since) / HOUR) if line.since else 0.0
        a_day += nodes * DAY
        idle += nodes * hours
        size = str(line.saves.get("vmSize") or "")
        price = prices.by_size.get(size.lower())
        if price is None:
            unpriced.add(size or "unknown")
            continue
        money += nodes * DAY * price
        idle_money += nodes * hours * price
    out: dict[str, Any] = {"nodeHoursADay": round(a_day, 1), "idleNodeHours": round(idle, 1)}
    if prices.by_size:
        out |= {"moneyADay": round(money, 2), "idleMoney": round(idle_money, 2), "currency": prices.currency}
        out |= {"unpriced": sorted(unpriced)} if unpriced else {}
    return out


def until_now(runs: Iterable[Run], since: datetime, now: datetime) -> dict[str, Any]:
    """Return what the acts of runs have saved until now: what each saves a day, for the days since it ended.

    It is an estimate, upwards: a compute that would have been stopped later anyway is counted until now.
    """
    numbers, count, currency = dict.fromkeys(("nodeHours", "money", "nodeHoursADay", "moneyADay"), 0.0), 0, ""
    for run in runs:
        told = run.totals.get("savings", {}) if run.mode == "enforce" and run.ended_at else {}
        if not told:
            continue
        days = (now - run.ended_at) / timedelta(days=1) if run.ended_at else 0.0
        count, currency = count + 1, told.get("currency") or currency
        for name, a_day in (("nodeHours", told.get("nodeHoursADay", 0)), ("money", told.get("moneyADay", 0))):
            numbers[name] += a_day * days
            numbers[f"{name}ADay"] += a_day
    shown = {name: round(number, 2) for name, number in numbers.items() if numbers["moneyADay"] or name.startswith("node")}
    return {"since": times.iso(since), "runs": count, **shown, **({"currency": currency} if currency else {})}


def text(line: Line) -> str:
    """Return a line's outcome as reports say it: `deleted`, `would delete`, `kept`."""
    if line.outcome == "done":
        return line.did
    if line.outcome == "planned":
        verb = {"mark": "mark", "lift": "take its mark off"}.get(line.step, line.action)
        return f"would {verb}"
    return line.outcome
