"""How the app itself is: its queues, what is open, receivers out of reach, its files, what Azure still allows, the sign-in.

For the people who run it; each part is read for itself, so that one that is out of order hides no other. What needs attention
is said once more in `attention`, in words. Not here: up or down for a load balancer (functions.answering), metrics over time
(telemetry.meters).
"""

from __future__ import annotations

import logging
import re
from concurrent.futures import wait
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared import services
from shared.durable import timers, unreadable
from shared.durable.storage_clock import StorageClock
from shared.durable.unreadable import UnreadableError
from shared.rest import errors
from shared.telemetry import threads
from shared.text import times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from shared.services import Services

log = logging.getLogger("steward.vitals")

QUEUES = services.QUEUES
READS_AT_ONCE = 8
LOOK_S = 8.0  # a part that takes longer is named as one that does not answer
LATE = {"error": errors.AzureError(code="NoAnswer", message=f"It did not answer within {LOOK_S:.0f} seconds.").to_json()}
COUNT_LIMIT = 1_000  # of events put aside, and of deliveries: beyond that it only matters that there are many
SKEWED_S = 60.0  # a clock that differs by more needs to be set, for sign-in and TLS
OLD_S = 24 * 3600  # an operation that is open for longer needs a look by a person
RECENT = timedelta(days=1)  # how long a delivery that was given up, or a rule run that failed, is news
HOUR = timedelta(hours=1)
SHOWN = 5  # deliveries that do not go well, by name
STAYING = (
    "GET health/poison shows each with its reason; DELETE health/poison/{id} discards it. One that stays for more than ten "
    "minutes is not base64 text: the platform cannot read it, and no function gets it."
)
UNREADABLE = "Everything else continues. docs/troubleshoot.md, 'Unreadable rows', says what to do."
_PLACE = re.compile(r".*?, line (\d+), column (\d+): ")


def look(app: Services) -> dict[str, Any]:
    """Return each part as JSON; a part that cannot be read is `{"error": {"code", "message"}}` instead."""
    parts: dict[str, Callable[[Services], Any]] = {
        "missing": _missing,
        "queues": _queues,
        "clocks": _clocks,
        "timers": _timers,
        "operations": _operations,
        "firings": _firings,
        "deliveries": _deliveries,
        "eventsPutAside": _put_aside,
        "messagesPutAside": _messages_put_aside,
        "unreadable": _unreadable,
        "settings": _settings,
        "policyFiles": _policy_files,
        "ruleFiles": _rule_files,
        "throttling": _throttling,
        "token": _token,
    }
    pool = threads.Pool(max_workers=len(parts), thread_name_prefix="vitals")
    read = {name: pool.submit(_read, part, app) for name, part in parts.items()}
    pool.shutdown(wait=False)  # what does not answer is not waited for
    wait(read.values(), timeout=LOOK_S)
    found = {name: each.result() if each.done() else LATE for name, each in read.items()}
    troubled = any(isinstance(part, dict) and "error" in part for part in found.values())
    known = {"status": "degraded" if troubled else "up", "at": times.iso(app.clock())}
    return {**known, "attention": list(attention(found)), **found}


def attention(found: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Yield what needs attention, as `{"code", "message", "next"}`; nothing when all is well."""
    for part, said in found.items():
        if isinstance(said, dict) and "error" in said:
            told = f"{part} cannot be read: {said['error']['code']}: {said['error']['message']}"
            yield _point("PartUnreadable", told, "make doctor checks settings, identity and storage.")
    yield from _poison(found)
    yield from _late(found)
    yield from _skewed(found)
    yield from _unusable(found)
    for part, noun in (("policyFiles", "policies"), ("ruleFiles", "rules")):
        if count := found[part].get("mistakes"):
            first = found[part]["first"]
            place = f", line {first['line']}, column {first['column']}" if "line" in first else ""
            told = f"Mistakes in files of {noun}: {count}. {first['file']}{place}: {first['message']}"
            yield _point("FileMistakes", told, "Such a file has no effect until you correct it.")
    if silent := found["ruleFiles"].get("silent"):
        told = f"Rules that notify have no receiver: {', '.join(silent[:SHOWN])}."
        yield _point("RulesNotifyNoReceiver", told, "Their notify steps are skipped until the setting STEWARD_NOTIFY names one.")
    if failed := found["firings"].get("failedToday"):
        told = f"Rule runs that failed in the last day: {failed} ({', '.join(found['firings']['rules'][:SHOWN])})."
        yield _point("FiringsFailed", told, "GET events/firings?status=Failed shows each with the step that failed.")
    yield from _failed(found["operations"].get("lastHour", {}))
    oldest = found["operations"].get("oldest")
    if oldest and oldest["ageS"] > OLD_S:
        told = f"{oldest['target']} has been under way for {oldest['ageS'] // 3600} hours."
        yield _point("OldOperation", told, f"operations/{oldest['name']} shows what it waits for.")
    if lost := found["deliveries"].get("givenUpToday"):
        told = f"Notifications that were given up in the last day: {lost}."
        yield _point("DeliveriesGivenUp", told, "health/details names receivers; their operations' `deliveries` have each attempt.")


def _failed(hour: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Yield that operations of the last hour failed, apart from what Azure refused at once."""
    outcomes = hour.get("outcomes", {})
    if failed := outcomes.get("Failed"):
        refused = outcomes.get("Refused", 0)
        why = ", ".join(f"{each['name']} {each['count']}" for each in hour["codes"][:SHOWN])
        apart = f"; {refused} more were refused at once (callers' mistakes)" if refused else ""
        told = f"Operations that failed in the last hour: {failed}{apart}. Codes: {why}."
        yield _point("OperationsFailed", told, "GET operations?outcome=Failed&since=PT1H shows each with its cause and next step.")


def _skewed(found: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Yield that this machine's clock is wrong: the app goes by storage's, but tokens and certificates may be refused."""
    for name, ahead_s in found["clocks"].items():
        if isinstance(ahead_s, float) and abs(ahead_s) >= SKEWED_S:
            whose, way = name.removesuffix("AheadS"), "ahead of" if ahead_s > 0 else "behind"
            told = f"The clock of {whose} is {abs(ahead_s):.0f} seconds {way} this process's."
            yield _point("ClockSkew", told, "The app uses storage's clock. Correct the machine's clock: sign-in and TLS need it.")


def _late(found: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Yield what of the account is missing, and the timers that have not run for long."""
    if isinstance(found["missing"], list) and found["missing"]:
        told = f"The account has no {', no '.join(found['missing'])}. Data for it waits or is lost."
        yield _point(
            "StorageMissing", told, "reconcile_operations creates it within a minute; if it does not, make doctor shows why."
        )
    for timer in found["timers"] if isinstance(found["timers"], list) else ():
        if timer["late"]:
            told = f"{timer['name']} has not finished a run for {timer['quietS'] // 60} minutes."
            following = f"GET /admin/functions/{timer['name']}/status shows whether it is in error; if not, read the log."
            yield _point("TimerLate", told, following)


def _poison(found: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Yield the messages that kept failing: in their queues, or put aside."""
    queues = found["queues"] if isinstance(found["queues"], list) else []
    for queue in queues:
        if queue["poison"]:
            name, plural = f"{queue['name']}-poison", "s" if queue["poison"] > 1 else ""
            told = f"{name} holds {queue['poison']} message{plural} that kept failing."
            yield _point("PoisonMessages", told, STAYING)
    for part, told, more in (
        ("eventsPutAside", "Event messages that could not be processed", " POST health/poison/{id}/again processes one again."),
        ("messagesPutAside", "Messages that meant nothing", ""),
    ):
        if count := found[part].get("count"):
            yield _point(
                f"{part[0].upper()}{part[1:]}",
                f"{told}: {count}.",
                f"GET health/poison shows each with its reason; each is a blob below {found[part]['prefix']}.{more}",
            )


def _unusable(found: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Yield what is stored and cannot be read, and the settings that cannot be used."""
    met = found["operations"].get("unreadable", [])
    rows = {each["stored"]: each["reason"] for each in [*found["unreadable"].get("rows", []), *met]}
    for stored, reason in list(rows.items())[:SHOWN]:
        yield _point("Unreadable", f"{stored} cannot be read: {reason}", UNREADABLE)
    if (count := max(found["unreadable"].get("count", 0), len(rows))) > SHOWN:
        yield _point("Unreadable", f"Stored records that cannot be read: {count}.", "`unreadable` names the first of them.")
    for each in found["settings"].get("problems", []):
        yield _point("SettingUnusable", f"{each['message']}.", "Its feature is off until it is correct; everything else works.")


def _point(code: str, message: str, following: str) -> dict[str, str]:
    return {"code": code, "message": message, "next": following}


def _read(part: Callable[[Services], Any], app: Services) -> Any:
    try:
        return part(app)
    except errors.StewardError as problem:
        return {"error": problem.error.to_json()}
    except Exception as problem:  # the page is for people in trouble: it comes, whatever a part meets
        log.exception("a part of health/details cannot be read")
        return {"error": errors.AzureError(code=type(problem).__name__, message=str(problem)[:300]).to_json()}


def _missing(app: Services) -> list[str]:
    """Return what the app needs of its storage account and is not there."""
    return [" ".join(each) for each in app.missing()]


def _queues(app: Services) -> list[dict[str, Any]]:
    names = [each for name in QUEUES for each in (name, f"{name}-poison")]
    with threads.Pool(max_workers=READS_AT_ONCE, thread_name_prefix="depth") as pool:
        depths = dict(zip(names, pool.map(app.depth, names), strict=True))
    return [{"name": name, "messages": depths[name], "poison": depths[f"{name}-poison"]} for name in QUEUES]


def _timers(app: Services) -> list[dict[str, Any]]:
    """Return when each timer last finished a run: one that the platform does not run is noticed by nothing else."""
    out = []
    for name, at in timers.last_runs(app.cleanup_rows).items():
        quiet = app.clock() - (at or app.watched_since)
        known = {"name": name, "quietS": max(0, round(quiet.total_seconds())), "late": quiet > timers.LIMITS[name]}
        out.append({**known, "last": times.iso(at)} if at else known)
    return out


def _clocks(app: Services) -> dict[str, float]:
    """Return how far the clocks of storage and of Azure are ahead of this process's, as far as they have answered."""
    if not isinstance(app.clock, StorageClock):
        return {}
    ahead = {"storageAheadS": app.clock.ahead} if app.clock.measured else {}
    if azure := app.client.azure_now(app.settings.cloud.arm):
        ahead["azureAheadS"] = azure - app.clock() + app.clock.ahead
    return {name: round(each.total_seconds(), 1) for name, each in ahead.items()}


def _operations(app: Services) -> dict[str, Any]:
    """Return how many operations are open, and the oldest of them that really is."""
    opened = sorted(((each.id, each.created_at) for each in app.ledger.open.listed()), key=lambda each: each[1])
    out: dict[str, Any] = {"open": len(opened), "lastHour": _last_hour(app)}
    for operation_id, created_at in opened:
        try:
            stored = app.ledger.load(operation_id)
        except UnreadableError as problem:
            met = {"stored": f"operation {operation_id}", "reason": f"{type(problem).__name__}: {problem}"[:300]}
            out.setdefault("unreadable", []).append(met)
            if len(out["unreadable"]) >= SHOWN:
                break
            continue
        if stored and not stored.operation.ended:  # the list is tidied by the timer: an ended one may still be on it
            age_s = max(0, round((app.clock() - created_at).total_seconds()))
            out["oldest"] = {
                "name": operation_id,
                "target": stored.operation.target,
                "startTime": times.iso(created_at),
                "ageS": age_s,
            }
            break
    return out


def _last_hour(app: Services) -> dict[str, Any]:
    """Return how many operations of the last hour ended how, and why those that did not succeed."""
    from shared.operations import listing, throughput

    now = app.clock()
    found = throughput.counted(listing.briefs(listing.Wanted(since=now - HOUR), app.ledger), now - HOUR, now)
    return {"outcomes": found["outcomes"], "codes": found["codes"]}


def _firings(app: Services) -> dict[str, Any]:
    """Return how many runs of rules failed in the last day, and which rules."""
    from shared.hooks import firings

    asked: dict[str, Any] = {"partition": firings.PARTITION, "least": {"ended_at": app.clock() - RECENT}, "columns": ("rule",)}
    failed = [row for status in ("Failed", "Refused") for row in app.hook_rows.query(equal={"status": status}, **asked)]
    return {"failedToday": len(failed), "rules": sorted({str(row.columns.get("rule", "")) for row in failed})}


def _put_aside(app: Services) -> dict[str, Any]:
    """Return how many event messages could not be processed (`hooks/dead/` in the app's container)."""
    from itertools import islice

    from shared.hooks import inbox

    count = sum(1 for _ in islice(app.blobs.names(inbox.DEAD), COUNT_LIMIT))
    return {"count": count, "prefix": inbox.DEAD}


def _messages_put_aside(app: Services) -> dict[str, Any]:
    """Return how many messages of the other queues the app could make nothing of."""
    from itertools import islice

    count = sum(1 for _ in islice(app.blobs.names(unreadable.DEAD), COUNT_LIMIT))
    return {"count": count, "prefix": unreadable.DEAD}


def _unreadable(app: Services) -> dict[str, Any]:
    """Return what is stored and could not be read when the timers last came by."""
    return unreadable.known(app.blobs)


def _settings(app: Services) -> dict[str, Any]:
    """Return the settings that cannot be used; what each is for is off."""
    return {"problems": [{"setting": each.name, "message": each.message} for each in app.settings.problems]}


def _deliveries(app: Services) -> dict[str, Any]:
    """Return how many receivers are tried again, how many were given up, and the newest of both."""
    from itertools import chain, islice

    from shared.notify import deliveries

    news = app.clock() - RECENT
    again = [each for each in deliveries.in_state("Pending", app) if each.tried]
    lost = list(islice(chain(deliveries.in_state("Failed", app), deliveries.in_state("Gone", app)), COUNT_LIMIT))
    newest = sorted((*again, *lost), key=lambda each: each.created_at, reverse=True)[:SHOWN]
    return {
        "triedAgain": len(again),
        "givenUp": len(lost),
        "givenUpToday": sum(1 for each in lost if each.ended_at and each.ended_at > news),
        "newest": [{"about": each.about, **each.view()} for each in newest],
    }


def _policy_files(app: Services) -> dict[str, Any]:
    """Return how many mistakes files of policies have, and the first: such a file has no effect."""
    from shared.cleanup.policy import policies

    _, problems = policies.load(app.blobs)
    return _mistakes([_placed({"file": each.source, "message": str(each)}) for each in problems])


def _rule_files(app: Services) -> dict[str, Any]:
    """Return how many mistakes files of rules have, and the first; and the rules that notify while no receiver is set."""
    told = [
        {"file": each.file, "message": one.message}
        for each in app.rule_store.problems()
        for one in each.error.details or (each.error,)
    ]
    silent = [rule.name for rule in app.rule_store.rules() if rule.enabled and any(step.notify for step in rule.steps)]
    return {**_mistakes([_placed(each) for each in told]), **({"silent": silent} if silent and not app.settings.notify else {})}


def _placed(told: dict[str, Any]) -> dict[str, Any]:
    """Return a mistake with its line and column beside its message, where that begins with them."""
    found = _PLACE.match(told["message"])
    if not found:
        return told
    return {**told, "line": int(found[1]), "column": int(found[2]), "message": told["message"][found.end() :]}


def _mistakes(found: list[dict[str, Any]]) -> dict[str, Any]:
    return {"mistakes": len(found), "files": len({each["file"] for each in found}), **({"first": found[0]} if found else {})}


def _throttling(app: Services) -> dict[str, Any]:
    """Return what ARM said to this process; ARM counts for all processes together."""
    left = [
        {"subscription": subscription, "allowance": name, "left": remaining, "of": most}
        for subscription, name, remaining, most in app.client.allowances()
    ]
    return {"refused": app.client.throttled, "allowances": left}


def _token(app: Services) -> dict[str, Any]:
    """Return that the app gets a token for ARM: a cached one will do."""
    app.client.token(app.settings.cloud.arm_scope)
    return {"signedIn": True}


def probe(app: Services) -> None:
    """Read storage once; for a load balancer, which asks often.

    Raises:
        TransientError: it is out of reach.
    """
    app.ledger.rows.get("health", "probe")
