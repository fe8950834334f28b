"""What compute cost: node-hours, idle hours and money, by owner, experiment, compute, endpoint or workspace.

The figures are an estimate, not an invoice. What could not be seen is named, never counted as zero.
Not here: node-hours (spans), who asks (cost_routes).
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared.cleanup.facts.workspace_facts import Spent
from shared.costs import cost_book, prices, spans
from shared.rest import ids
from shared.text import times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from shared.costs.cost_book import Place, Services
    from shared.costs.prices import Prices
    from shared.costs.spans import Charge

ESTIMATE = "An estimate from what the app saw in Azure and your own prices, for compute only. It is not an invoice."
SERVICE = ("Microsoft", "Microsoft", "AI and Machine Learning", "Azure Machine Learning")
STALE = timedelta(hours=2)  # after a look; then what came since is not known
# The columns of FOCUS 1.0 (focus.finops.org) that are known here, and our own.
FOCUS = (
    "BillingAccountId", "BillingCurrency", "BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd",
    "ChargeCategory", "ChargeDescription", "BilledCost", "EffectiveCost", "ConsumedQuantity", "ConsumedUnit", "ProviderName",
    "PublisherName", "ServiceCategory", "ServiceName", "SubAccountId", "ResourceId", "ResourceName", "ResourceType", "SkuId",
    "Tags", "x_Group", "x_Owner", "x_Experiment", "x_Idle",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked for: the window, which charges (by the ids of resource and run), and which workspaces.

    Attributes:
        names: Names or ids of workspaces in lower case; empty for all that are reached.
        limited: Its caller may not see everything: what could not be listed is not theirs to know.
    """

    since: datetime
    until: datetime
    sees: Callable[..., bool] = lambda *_ids: True
    reaches: Callable[[str], bool] = lambda _workspace: True
    names: frozenset[str] = frozenset()
    limited: bool = False


@dataclass(slots=True, kw_only=True)
class Found:
    """What was found: the charges, the prices, and what was not seen: workspace, from, until, reason."""

    wanted: Wanted
    table: Prices
    charges: list[Charge] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    gaps: list[dict[str, Any]] = field(default_factory=list)


def read(wanted: Wanted, app: Services) -> Found:
    """Sum up what is known of the workspaces in a window."""
    found = Found(wanted=wanted, table=prices.read(app.blobs.get(prices.PRICES)))
    now, known = app.clock(), set[str]()
    for place in cost_book.places(app.cost_rows):
        key = place.id.lower()
        same = {key, key.rpartition("/")[2]} & wanted.names if wanted.names else {key}
        if key and not (same and wanted.reaches(place.id)):
            continue
        known |= same
        found.gaps += _gaps(place, wanted, now)
        if key and place.seen_at is None:
            found.unread.append(place.id)
        elif key:
            _add(place, found, app)
    for name in sorted(wanted.names - known) if wanted.names else [] if known - {""} else [""]:
        which = f"workspace {name}" if name else "a workspace of this request"
        found.gaps.append(_gap("", wanted.since, wanted.until, f"the app has not read {which} yet"))
    if not app.settings.cost_days:
        found.gaps.append(_gap("", wanted.since, wanted.until, "STEWARD_COST_DAYS is 0, so the app records no costs"))
    elif wanted.since < (kept := now - timedelta(days=app.settings.cost_days)):
        found.gaps.append(_gap("", wanted.since, kept, f"STEWARD_COST_DAYS is {app.settings.cost_days}: older rows are deleted"))
    return found


def spending(app: Services) -> Callable[[ids.ResourceId, datetime], Callable[[ids.ResourceId], Spent]]:
    """Return a function that says of each resource of a workspace what it cost since a moment, for policies."""

    def of_workspace(place: ids.ResourceId, since: datetime) -> Callable[[ids.ResourceId], Spent]:
        found = read(Wanted(since=since, until=app.clock(), reaches=lambda path: path.lower() == place.key), app)
        missed = found.gaps[0]["reason"] if found.gaps else "" if found.table.by_size else f"there is no {prices.PRICES}"
        below: dict[str, list[Charge]] = defaultdict(list)
        for charge in found.charges:
            named = [ids.parse(path) for path in (charge.resource, charge.run, charge.parent) if path]
            for key in {each.ancestor(depth).key for each in named for depth in range(1, len(each.types) + 1)}:
                below[key].append(charge)

        def of(resource: ids.ResourceId) -> Spent:
            sums = _sums(below.get(resource.key, ()), found.table)
            unpriced = f"{prices.PRICES} has no price of {', '.join(sums['unpriced'])}" if sums.get("unpriced") else ""
            return Spent(money=sums.get("money") or 0.0, currency=found.table.currency, unknown=missed or unpriced)

        return of

    return of_workspace


def _add(place: Place, found: Found, app: Services) -> None:
    wanted = found.wanted
    seen = place.seen_at or wanted.since
    fresh = not place.problem and not place.gone and app.clock() - seen <= STALE
    until = wanted.until if fresh else min(wanted.until, seen)
    known = list(cost_book.between(app.cost_rows, place.id, wanted.since)) if wanted.since < until else []
    guessed = sum(span.assumed and wanted.sees(span.on, span.id) for span in known)
    if guessed:
        reason = f"Azure does not say on how many nodes {guessed} run{'' if guessed == 1 else 's'} went on: each counts as one node"
        found.gaps.append(_gap(place.id, wanted.since, until, reason))
    found.charges += [each for each in spans.charges(known, wanted.since, until) if wanted.sees(each.resource, each.run)]


def _gaps(place: Place, wanted: Wanted, now: datetime) -> Iterator[dict[str, Any]]:
    """Yield what of a workspace, or of their list, is not known in the window."""
    since, until = wanted.since, wanted.until
    if not place.id:
        if place.problem:
            why = "" if wanted.limited else f": {place.problem}"
            yield _gap("", place.seen_at or since, until, f"some workspaces could not be listed{why}")
        return
    if place.seen_at is None:
        yield _gap(place.id, since, until, place.problem or "the app has not read it yet")
        return
    if place.first_at and since < place.first_at:
        reason = "the app first read it then; earlier changes and deletions are not known"
        yield _gap(place.id, since, min(place.first_at, until), reason)
    if not place.gone and until > place.seen_at and (place.problem or now - place.seen_at > STALE):
        yield _gap(place.id, max(since, place.seen_at), until, place.problem or "the app has not read it since then")


def _gap(workspace: str, since: datetime, until: datetime, reason: str) -> dict[str, Any]:
    return {"workspace": workspace or None, "since": times.iso(since), "until": times.iso(until), "reason": reason}


def view(by: str, found: Found) -> dict[str, Any]:
    """Return the answer: a row for each group, the dearest first, and their total."""
    groups: dict[str, list[Charge]] = defaultdict(list)
    for charge in found.charges:
        groups[_group(by, charge)].append(charge)
    rows = [{**_named(by, key), **_sums(of, found.table)} for key, of in groups.items()]
    rows.sort(key=lambda row: (-(row.get("money") or 0.0), -row["nodeHours"], row["name"]))
    unknown = {"nodeHours": None, "idleHours": None}
    rows += [{**_named(by, place), **unknown} for place in found.unread] if by == "workspace" else []
    out: dict[str, Any] = {
        "by": by,
        "since": times.iso(found.wanted.since),
        "until": times.iso(found.wanted.until),
        "estimate": ESTIMATE,
        "currency": found.table.currency or None,
        "priceSource": prices.PRICES if found.table.by_size else None,
        "value": rows,
        "total": _sums(found.charges, found.table),
        "complete": not found.gaps,
        "notSeen": found.gaps,
    }
    return {**out, "problems": list(found.table.problems)} if found.table.problems else out


def table(by: str, found: Found) -> Iterator[list[Any]]:
    """Yield the rows of a table in FOCUS columns: one for each group, resource, owner, experiment and VM size."""
    yield list(FOCUS)
    since, until = (f"{at:%Y-%m-%dT%H:%M:%SZ}" for at in (found.wanted.since, found.wanted.until))
    lines: dict[tuple[Any, ...], list[Charge]] = defaultdict(list)
    for each in found.charges:
        lines[_group(by, each), each.resource, each.owner, each.experiment, each.size, each.idle].append(each)
    for (key, resource, owner, experiment, size, idle), of in sorted(lines.items(), key=lambda line: str(line[0])):
        named = ids.parse(resource)
        tags = json.dumps({name: held for name, held in (("owner", owner), ("experiment", experiment)) if held})
        account, kind = named.subscription, ("Usage", ESTIMATE)
        sums, period = _sums(of, found.table), (since, until)
        money, hours = sums.get("money"), sums["nodeHours"]
        yield [
            ids.group(account), found.table.currency, *period, *period, *kind, money, money, hours, "Hours", *SERVICE,
            account, resource, named.name, named.full_type, size, tags, _named(by, key)["name"], owner, experiment, idle,
        ]  # fmt: skip


def _group(by: str, charge: Charge) -> str:
    """Return the group of a charge: an id or a name, '' for what belongs to none."""
    if by == "owner":
        return charge.owner
    resource, deployed = ids.parse(charge.resource), charge.kind == spans.DEPLOYMENT
    workspace = resource.ancestor(1).path
    if by == "experiment":
        return f"{workspace} {charge.experiment}" if charge.experiment else ""
    if by == "endpoint":
        return resource.ancestor(2).path if deployed else ""
    if by == "compute":
        return "" if deployed else f"{workspace} " if charge.kind == "serverless" else charge.resource
    return workspace


def _named(by: str, key: str) -> dict[str, Any]:
    if by == "owner" or not key:
        return {"name": key}
    path, _, name = key.partition(" ")
    place = ids.parse(path)
    if path != key:
        return {"name": name or "serverless", "workspace": place.path}
    return {"name": place.name, "id": place.path}


def _sums(charges: Iterable[Charge], table: Prices) -> dict[str, Any]:
    """Return node-hours, idle ones among them, and money, with the sizes that have no price."""
    hours = idle = money = 0.0
    unpriced, priced = set[str](), False
    for each in charges:
        hours += each.hours
        idle += each.hours if each.idle else 0.0
        price = table.by_size.get(each.size.lower())
        if price is None:
            unpriced.add(each.size or "unknown")
        else:
            money, priced = money + each.hours * price, True
    out: dict[str, Any] = {"nodeHours": round(hours, 2), "idleHours": round(idle, 2)}
    if table.by_size:
        out |= {"money": round(money, 2) if priced or not unpriced else None}
        out |= {"unpriced": sorted(unpriced)} if unpriced else {}
    return out
