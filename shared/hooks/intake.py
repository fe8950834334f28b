"""What becomes of an event: operations it concerns are looked at at once, rules that want it fire, the rest is counted.

Everything here may happen twice: an event that comes again finds the firings of the first time, and waking an operation
twice is one poll too many. Not here: reading deliveries (events), the steps of a firing (firings).
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from shared.hooks import events, expressions, firings
from shared.hooks.model import VERSION, Firing
from shared.operations import models, steps, storage
from shared.rest import errors, ids

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shared.hooks.events import Event
    from shared.hooks.rules import Rule
    from shared.operations.ledger import Stored
    from shared.operations.storage import Row

log = logging.getLogger("steward.hooks")

DEPTH_LIMIT = 5  # rules in a row that one event of the world may lead to
ECHO = timedelta(hours=1)  # how long after the end of an operation Azure may date an event that it caused
WINDOWS_AHEAD = 500  # how far in the future a rule's rate may put a firing
SEEN_DAYS = 7  # Event Grid repeats a delivery for a day at most
ORIGIN = "steward-origin"  # property that a rule's requests put on jobs and models: Azure's events of them carry it
RUNS_BEHIND = ("runid", "azureml.pipelinerunid", "azureml.rootpipelinerunid")  # properties that Azure ML gives to models and steps
PARALLEL_OPERATIONS = 20  # of one target that are looked at
IN_PLACE = 8  # operations that one message's events may have polled at once; further ones go through the queue
STEPS_IN_PLACE = 3  # a last poll, and the resource it made


class Services(firings.Services, steps.Services, Protocol):
    """What taking events in needs of the composition root."""

    @property
    def rules(self) -> tuple[Rule, ...]: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """What one rule makes of one event.

    Attributes:
        firing: What would be done; None when the rule's condition does not hold.
        reason: Why it would be, or why not.
        group: What the event has in common with those that a debounced rule waits for.
    """

    rule: Rule
    firing: Firing | None
    reason: str
    group: str = ""


@dataclass(slots=True, kw_only=True)
class Tally:
    """What a message's events came to."""

    counts: Counter[str] = field(default_factory=Counter)
    failed: list[tuple[Event, errors.TransientError]] = field(default_factory=list)
    broken: list[tuple[Event, str]] = field(default_factory=list)


def take(found: Iterable[Event], services: Services) -> Tally:
    """Take in the events of one message, each on its own.

    Those that could not be now are in `failed`, and the message's job to bring again; those that the app cannot work with are
    in `broken` with the reason, to be put aside.
    """
    tally = Tally()
    woken: set[str] = set()
    try:
        in_force = services.rules  # looked at once a message, which is younger than the rules it finds
    except errors.TransientError as problem:
        tally.failed = [(event, problem) for event in found]
        return tally
    for event in found:
        try:
            _take(event, in_force, services, tally, woken)
        except errors.TransientError as problem:
            tally.failed.append((event, problem))
        except Exception as problem:
            log.exception("event %s could not be taken in", event.key)
            tally.broken.append((event, f"{type(problem).__name__}: {problem}"[:300]))
    return tally


def _take(event: Event, in_force: tuple[Rule, ...], services: Services, tally: Tally, woken: set[str]) -> None:
    targets = events.targets_of(event)
    for target in targets:
        if target.key not in woken:
            woken.add(target.key)
            tally.counts["woken"] += wake_operations(target, services, in_place=tally.counts["woken"] < IN_PLACE)
    wanted = [rule for rule in in_force if rule.wants(event)]
    if not wanted:
        tally.counts["dropped"] += 1
        return
    if _seen(event, services):
        tally.counts["repeated"] += 1
        return
    depth = depth_of(event, targets, services)
    for rule in wanted:
        outcome = _fire(rule, event, depth, services)
        tally.counts[outcome] += 1
    _remember(event, services)


def wake_operations(target: ids.ResourceId, services: Services, *, in_place: bool = False) -> int:
    """Have every open operation on a resource polled now instead of when its message is due; returns how many.

    Args:
        target: The resource.
        services: The app.
        in_place: Poll here instead of by a message, which would wait until the idle queue is looked at.
    """
    count = 0
    for operation_id in services.ledger.open_on(models.partition_of(target)):
        stored = services.ledger.load(operation_id)
        if stored is None or stored.operation.phase != "following":
            continue
        with suppress(storage.ConflictError):  # a worker is on it this moment
            count += _polled(stored, services) if in_place else steps.wake(stored, services)
    return count


def _polled(stored: Stored, services: Services) -> bool:
    """Take the operation's next steps here, as long as they are due; each is recorded and enqueued as any other.

    Raises:
        ConflictError: another worker is on it.
        TransientError: the app's storage is out of reach.
    """
    for _ in range(STEPS_IN_PLACE):
        stored = steps.take(stored, services)
        operation = stored.operation
        if operation.ended or operation.phase != "following" or operation.due_at > services.clock() + steps.GRACE:
            break
    return True


def matches(event: Event, services: Services) -> list[Match]:
    """Return what each rule would make of an event, without doing any of it (POST `events/test`).

    Raises:
        StewardError: the resource that a rule reads cannot be read.
    """
    depth = depth_of(event, events.targets_of(event), services)
    found = []
    for rule in services.rules:
        if not rule.enabled:
            found.append(Match(rule=rule, firing=None, reason="the rule is disabled"))
        elif not rule.wants(event):
            found.append(Match(rule=rule, firing=None, reason="'on' does not name this type, subject or source"))
        else:
            found.append(match(rule, event, depth, services))
    return found


def match(rule: Rule, event: Event, depth: int, services: Services) -> Match:
    """Return what a rule makes of an event that it wants, recording nothing.

    Raises:
        TransientError: the resource cannot be read now.
    """
    document: dict[str, Any] = {**event.document(), "event": event.document(), "workspace": _workspace(event)}
    if rule.read:
        document["resource"] = _resource(event, services)
    if rule.condition and not expressions.holds(rule.condition, document):
        return Match(rule=rule, firing=None, reason=f"'if' does not hold: {rule.condition}")
    try:
        once = expressions.text(rule.once_per, document) if rule.once_per else event.key
    except expressions.NothingThereError as nothing:
        return Match(rule=rule, firing=None, reason=f"'oncePer': {nothing}")
    now = services.clock()
    firing = Firing(
        id=firings.id_of(rule.name, f"{once}\n{event.key}" if rule.debounce else once),
        rule=rule,
        document=document,
        depth=depth,
        created_at=now,
        due_at=now + firings.GRACE,
    )
    return Match(rule=rule, firing=firing, reason="it fires", group=once if rule.once_per else "")


def settle_debounced(rule_name: str, key: str, sequence: int | str, services: Services) -> bool:
    """Fire for the newest event of a debounced key, unless another came since this message was sent."""
    row = services.hook_rows.get(_debounce_partition(rule_name), key)
    if row is None or row.columns["sequence"] != sequence:
        return False
    _start(Firing.from_json(firings.joined(row.columns)), services)
    with suppress(storage.ConflictError):  # an event came this moment: it fires by itself
        services.hook_rows.write([storage.Change(verb="delete", row=row)])
    return True


def depth_of(event: Event, targets: tuple[ids.ResourceId, ...], services: Services) -> int:
    """Return how many rules led to an event: 1 when none did.

    Told by the mark that a rule's requests leave on jobs and models, which Azure's events of them carry; by the operation
    of ours that changed the resource at that time; for a model, by the job that made it; for a run, by the one it is a part of.
    """
    deepest = max((_marked(event.value(name)) for name in ("runProperties", "modelProperties", "properties")), default=0)
    deepest = max(deepest, _number(event.value("stewardDepth")))
    lineage, happened = list(targets), min(events.moment(event) or services.clock(), services.clock())
    workspace = events.workspace_of(event)
    lineage += [workspace.child("jobs", run) for run in _runs_behind(event)] if workspace else []
    for target in lineage:
        for operation in services.ledger.newest(top=PARALLEL_OPERATIONS, partition=models.partition_of(target)):
            if operation.ended_at is None or happened <= operation.ended_at + ECHO:  # what was over long before caused nothing
                deepest = max(deepest, operation.depth)
    return deepest + 1


def _fire(rule: Rule, event: Event, depth: int, services: Services) -> str:
    """Fire a rule, or note that it must not; returns what happened in one word."""
    try:
        found = match(rule, event, depth, services)
    except errors.PermanentError as problem:  # the resource that the rule reads cannot be read, whenever it is tried
        return "refused" if firings.begin(_unread(rule, event, depth, problem.error, services.clock()), services) else "repeated"
    if found.firing is None:
        return "unmet"
    if depth > DEPTH_LIMIT:
        message = f"{depth - 1} rules led to this event; a rule fires up to a depth of {DEPTH_LIMIT}, so that rules cannot loop."
        now = services.clock()
        refused = errors.AzureError(code="RuleLoop", message=message, target=rule.name)
        firings.begin(replace(found.firing, status="Refused", ended_at=now, error=refused), services)
        log.warning("rule %s was refused at depth %d", rule.name, depth)
        return "refused"
    if rule.debounce:
        _debounce(found, event, services)
        return "debounced"
    return "fired" if _start(found.firing, services) else "repeated"


def _start(firing: Firing, services: Services) -> bool:
    """Record and queue a firing, as soon as its rule's rate has room."""
    if firings.load(firing.id, services):
        return False
    delay_s = _room(firing.rule, services)
    try:
        return firings.begin(firing, services, delay_s=delay_s)
    except errors.BadRequestError as problem:
        refused = replace(firing, document=_shortened(firing.document["event"]), status="Refused", error=problem.error)
        return firings.begin(replace(refused, ended_at=services.clock()), services)


def _unread(rule: Rule, event: Event, depth: int, error: errors.AzureError, now: datetime) -> Firing:
    return Firing(
        id=firings.id_of(rule.name, event.key),
        rule=rule,
        document=_shortened(event.document()),
        depth=depth,
        created_at=now,
        due_at=now,
        status="Refused",
        ended_at=now,
        error=error,
    )


def _shortened(event: dict[str, Any]) -> dict[str, Any]:
    """Return the document of a firing that does nothing: the event without its data."""
    return {"event": {name: value for name, value in event.items() if name != "data"}}


def _room(rule: Rule, services: Services) -> float:
    """Take a place in the first window of the rule's rate that has one; returns the seconds until it begins."""
    now = services.clock()
    length = rule.per.total_seconds()
    window = int(now.timestamp() // length)
    for ahead in range(WINDOWS_AHEAD):
        if _counted(rule, window + ahead, services):
            return max(0.0, (window + ahead) * length - now.timestamp()) if ahead else 0.0
    return WINDOWS_AHEAD * length


def _counted(rule: Rule, window: int, services: Services) -> bool:
    partition, key = f"rate-{rule.name}", f"{int(rule.per.total_seconds())}-{window}"
    while True:
        row = services.hook_rows.get(partition, key)
        count = int(row.columns["count"]) if row else 0
        if count >= rule.rate:
            return False
        columns = {"count": count + 1, "ended_at": datetime.fromtimestamp((window + 1) * rule.per.total_seconds(), tz=UTC)}
        changed = storage.Row(partition=partition, key=key, columns=columns, etag=row.etag if row else "")
        with suppress(storage.ConflictError):
            services.hook_rows.write([storage.Change(verb="replace" if row else "insert", row=changed)])
            return True


def _debounce(found: Match, event: Event, services: Services) -> None:
    """Keep the newest event of a group, and look again when it has been quiet for long enough.

    The newest is the one that happened last, not the one that came last: Event Grid promises no order.
    """
    rule, firing = found.rule, found.firing
    key = hashlib.sha256(found.group.encode()).hexdigest()[:40]
    text = json.dumps(firing.to_json()) if firing else ""
    if firing and len(text) > firings.ROW_LIMIT:
        _start(firing, services)  # is refused there, with the reason
        return
    while True:
        row = services.hook_rows.get(_debounce_partition(rule.name), key)
        sequence = secrets.token_hex(8)  # never one of an earlier burst, whose message may come again
        columns: dict[str, Any] = {"sequence": sequence, "rule": rule.name, "created_at": services.clock()}
        columns |= _newest(firings.chunked(text), events.moment(event), row)
        changed = storage.Row(partition=_debounce_partition(rule.name), key=key, columns=columns, etag=row.etag if row else "")
        with suppress(storage.ConflictError):
            services.hook_rows.write([storage.Change(verb="replace" if row else "insert", row=changed)])
            break
    asked = {"version": VERSION, "debounced": {"rule": rule.name, "key": key, "sequence": sequence}}
    services.event_queue.send(json.dumps(asked), delay_s=rule.debounce.total_seconds())


def _newest(kept: dict[str, str], happened: datetime | None, row: Row | None) -> dict[str, Any]:
    """Return the columns of the event at hand, or those of the one in the row when that happened later."""
    known = row.columns.get("happened") if row else None
    if row and known and happened and known > happened:
        return {name: value for name, value in row.columns.items() if name == "happened" or name.startswith("json")}
    return {**kept, **({"happened": happened} if happened else {})}


def _seen(event: Event, services: Services) -> bool:
    return services.hook_rows.get(f"seen-{event.key[:2]}", event.key) is not None


def _remember(event: Event, services: Services) -> None:
    now = services.clock()
    row = storage.Row(partition=f"seen-{event.key[:2]}", key=event.key, columns={"ended_at": now + timedelta(days=SEEN_DAYS)})
    with suppress(storage.ConflictError):
        services.hook_rows.write([storage.Change(verb="insert", row=row)])


def purge(services: Services, *, firings_before: datetime) -> int:
    """Delete firings that ended before that moment, and what was remembered only for a time; returns how many rows."""
    count, now = 0, services.clock()
    for row in services.hook_rows.query(columns=["ended_at"], below={"ended_at": now}):
        old = row.columns["ended_at"] < firings_before if row.partition == firings.PARTITION else True
        if old:
            with suppress(storage.ConflictError):
                services.hook_rows.write([storage.Change(verb="delete", row=row)])
                count += 1
    return count


def _resource(event: Event, services: Services) -> Any:
    """Return the resource an event names as Azure has it now; None when it is gone or the event names none."""
    from shared.catalog import kinds

    rows = kinds.by_type()
    for target in events.targets_of(event):
        kind = rows.get(("arm", target.namespace.lower(), "/".join(target.types).lower()))
        if kind is None:
            continue
        url = services.addresses.url("arm", target.path, f"api-version={kind.api_version}", workspace=target.ancestor(1).path)
        response = services.client.send("GET", url)
        if response.status not in (404, 410):
            return response.checked().body
    return None


def _workspace(event: Event) -> dict[str, str] | None:
    found = events.workspace_of(event)
    if found is None:
        return None
    return {"id": found.path, "name": found.name, "resourceGroup": found.resource_group, "subscription": found.subscription}


def _runs_behind(event: Event) -> list[str]:
    """Return the runs that made what an event tells of: a model's, a step's pipeline, a trial's sweep (`{sweep}_{number}`)."""
    told = [events.lowered(found) for name in ("modelProperties", "runProperties") if isinstance(found := event.value(name), dict)]
    named = [properties.get(name) for properties in told for name in RUNS_BEHIND]
    sweep, _, number = event.text("runId").rpartition("_")
    found = [run for run in named if isinstance(run, str) and 0 < len(run) <= events.TEXT_LIMIT]
    return list(dict.fromkeys([*found, *([sweep] if sweep and number.isdecimal() else [])]))


def _marked(properties: Any) -> int:
    """Return the depth that `steward-origin: rule/firing/depth` tells, 0 when there is no such mark."""
    text = events.lowered(properties).get(ORIGIN) if isinstance(properties, dict) else None
    return _number(text.rpartition("/")[2]) if isinstance(text, str) else 0


def _number(value: Any) -> int:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0


def _debounce_partition(rule: str) -> str:
    return f"debounce-{rule}"
