"""Process events: poll the operations that an event is about at once, fire the matching rules, count the rest.

Everything here may safely happen twice: a repeated event finds the firings of the first one, and waking an operation twice
only costs a poll. Not here: reading deliveries (events), the target of an event (event_target), the number of rules in its
chain (lineage), rates and bursts (pace), the steps of a firing (firings).
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from shared.catalog import grants
from shared.chains import expressions
from shared.durable import storage, unreadable
from shared.durable.unreadable import UnreadableError
from shared.hooks import authors, event_target, events, firings, lineage, pace
from shared.hooks.firing_record import Firing
from shared.operations import context, steps
from shared.rest import errors, ids

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from shared.catalog.grants import Grant
    from shared.hooks.events import Event
    from shared.hooks.rule_store import Store
    from shared.hooks.rules import Rule
    from shared.operations.ledger import Stored

log = logging.getLogger("steward.hooks")

BROKEN = "event %s could not be processed"
DEPTH_LIMIT = 5  # maximum length of a chain of rules that one external event starts
SEEN_DAYS = 7  # Event Grid repeats a delivery for at most a day
IN_PLACE = 8  # operations polled at once for the events of one message; further ones are queued
STEPS_IN_PLACE = 3  # a last poll, and a GET of the created resource
NEEDS_MORE = re.compile(r"resource|[@*\\]")  # a reference to the resource in a condition, in any form


class Services(firings.Services, context.Services, Protocol):
    """The part of the composition root that processing events needs."""

    @property
    def rules(self) -> tuple[Rule, ...]: ...  # noqa: D102
    @property
    def rule_store(self) -> Store: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The result of matching one rule with one event.

    Attributes:
        firing: The firing; None when the rule's condition is false.
        reason: Why the rule fires, or why not.
        group: The key of the events that are debounced together.
    """

    rule: Rule
    firing: Firing | None
    reason: str
    group: str = ""


@dataclass(slots=True, kw_only=True)
class Tally:
    """The results of a message's events."""

    counts: Counter[str] = field(default_factory=Counter)
    failed: list[tuple[Event, errors.TransientError]] = field(default_factory=list)
    broken: list[tuple[Event, str]] = field(default_factory=list)


def take(found: Iterable[Event], services: Services, stored_at: datetime | None = None) -> Tally:
    """Process the events of one message, each independently.

    Events that cannot be processed now are in `failed`, to be delivered again with the message; invalid events are in `broken`
    with the reason, to be put aside.

    Args:
        found: The events.
        services: The app.
        stored_at: When their message was queued: the rules that were in force then, or later ones, apply.
    """
    tally = Tally()
    read = [(event, about) for event in found if (about := _about(event, tally)) is not None]
    targets = {target.key: target for _, about in read for target in about}
    try:
        in_force = services.rule_store.rules(stored_at)
        under_way = services.ledger.open_on(*targets.values())
    except errors.TransientError as problem:
        tally.failed = [(event, problem) for event, _ in read]
        return tally
    for event, about in read:
        try:
            for target in about:
                in_place = tally.counts["woken"] < IN_PLACE
                tally.counts["woken"] += wake_operations(under_way.pop(target.key, ()), services, in_place=in_place)
            _take(event, about, in_force, services, tally)
        except errors.TransientError as problem:
            tally.failed.append((event, problem))
        except Exception as problem:
            log.exception(BROKEN, event.key)
            tally.broken.append((event, _reason(problem)))
    return tally


def _about(event: Event, tally: Tally) -> tuple[ids.ResourceId, ...] | None:
    """Return the resources that an event is about; None for an invalid event."""
    try:
        return event_target.of(event)
    except Exception as problem:
        log.exception(BROKEN, event.key)
        tally.broken.append((event, _reason(problem)))
        return None


def _reason(problem: Exception) -> str:
    return f"{type(problem).__name__}: {problem}"[:300]


def _take(event: Event, about: tuple[ids.ResourceId, ...], in_force: tuple[Rule, ...], services: Services, tally: Tally) -> None:
    """Fire the rules that match an event. Storage is read only if one may fire: most events fire nothing."""
    wanted = [rule for rule in in_force if rule.wants(event) and _may_know(rule, event)]
    if not wanted:
        tally.counts["dropped"] += 1
        return
    document = _document(event)
    may_fire = [rule for rule in wanted if _may_fire(rule, document)]
    if may_fire and _seen(event, services):
        tally.counts["repeated"] += 1
        return
    tally.counts["unmet"] += len(wanted) - len(may_fire)
    if may_fire:
        depth = lineage.depth_of(event, about, services)
        for rule in may_fire:
            tally.counts[_fire(rule, event, document, depth, services)] += 1
        _remember(event, services)


def _may_fire(rule: Rule, document: Mapping[str, Any]) -> bool:
    """Return False if the condition is false for any state of the resource."""
    if not rule.condition or (rule.read and NEEDS_MORE.search(rule.condition)):
        return True
    try:
        return expressions.holds(rule.condition, document)
    except errors.BadRequestError:  # that ends as a firing that is refused
        return True


def wake_operations(under_way: Iterable[str], services: Services, *, in_place: bool = False) -> int:
    """Poll operations now instead of when their messages are due; return their number.

    Args:
        under_way: Their ids.
        services: The app.
        in_place: Poll here instead of by a message, which would wait for the next poll of an idle queue.
    """
    count = 0
    for operation_id in under_way:
        try:
            stored = services.ledger.load(operation_id)
        except UnreadableError as problem:  # this operation cannot continue; the others on the target are woken
            unreadable.note(f"operation {operation_id}", problem)
            continue
        if stored is None or stored.operation.phase != "following":
            continue
        with suppress(storage.ConflictError):  # a worker has the operation now
            count += _polled(stored, services) if in_place else steps.wake(stored, services)
    return count


def _polled(stored: Stored, services: Services) -> bool:
    """Do the operation's next steps here as long as they are due; each is recorded and enqueued as usual.

    Raises:
        ConflictError: another worker has the operation.
        TransientError: the app's storage is out of reach.
    """
    for _ in range(STEPS_IN_PLACE):
        stored = steps.take(stored, services)
        operation = stored.operation
        if operation.ended or operation.phase != "following" or steps.planned(operation) > services.clock():
            break
    return True


def matches(event: Event, services: Services) -> list[Match]:
    """Return the result of matching each rule with an event, without firing any (POST `events/test`).

    Raises:
        StewardError: the resource of a rule cannot be read.
    """
    depth, document = lineage.depth_of(event, event_target.of(event), services), _document(event)
    found = []
    for rule in services.rules:
        if not rule.enabled:
            found.append(Match(rule=rule, firing=None, reason="the rule is disabled"))
        elif not rule.wants(event):
            found.append(Match(rule=rule, firing=None, reason="'on' does not name this type, subject or source"))
        elif not _may_know(rule, event):
            found.append(Match(rule=rule, firing=None, reason="its resource is outside the scope of the rule's author"))
        else:
            found.append(match(rule, event, document, depth, services))
    return found


def _may_know(rule: Rule, event: Event) -> bool:
    """Return whether an event is within the scope of the rule's author."""
    limits = [grant for grant in authors.grants_of(rule.author) if grant.below]
    return not limits or event_target.within(event, lambda about: all(grant.reach(about) == "all" for grant in limits))


def match(rule: Rule, event: Event, document: Mapping[str, Any], depth: int, services: Services) -> Match:
    """Return the result of matching a rule with an event of its type, without recording anything.

    Raises:
        TransientError: the resource cannot be read now.
    """
    if rule.read:
        document = {**document, "resource": _resource(event, authors.grants_of(rule.author), services)}
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
    """Fire for the newest event of a debounced key, unless another has arrived since this message was sent."""
    row = pace.held(rule_name, key, sequence, services)
    if row is None:
        return False
    _start(firings.from_row(row), services)
    pace.release(row, services)
    return True


def _fire(rule: Rule, event: Event, document: Mapping[str, Any], depth: int, services: Services) -> str:
    """Fire a rule, or record that it must not fire; return the outcome as one word."""
    try:
        found = match(rule, event, document, depth, services)
    except errors.PermanentError as problem:  # the resource of the rule can never be read
        return "refused" if firings.begin(_unread(rule, event, depth, problem.error, services.clock()), services) else "repeated"
    if found.firing is None:
        return "unmet"
    if depth > DEPTH_LIMIT:
        message = f"{depth - 1} rules in a row led to this event; the limit is {DEPTH_LIMIT}, so that rules cannot loop."
        now = services.clock()
        refused = errors.AzureError(code="RuleLoop", message=message, target=rule.name)
        firings.begin(found.firing.over("Refused", now, refused), services)
        log.warning("rule %s was refused at depth %d", rule.name, depth)
        return "refused"
    if rule.debounce:
        if not pace.hold(found.firing, found.group, events.moment(event), services):
            _start(found.firing, services)  # is refused there, with the reason
        return "debounced"
    return "fired" if _start(found.firing, services) else "repeated"


def _start(firing: Firing, services: Services) -> bool:
    """Record and queue a firing at the next time that its rule's rate allows."""
    if firings.load(firing.id, services):
        return False
    delay_s = pace.room_s(firing.rule, services)
    try:
        return firings.begin(firing, services, delay_s=delay_s)
    except errors.BadRequestError as problem:
        return firings.begin(firing.over("Refused", services.clock(), problem.error), services)


def _unread(rule: Rule, event: Event, depth: int, error: errors.AzureError, now: datetime) -> Firing:
    document, key = {"event": event.document()}, firings.id_of(rule.name, event.key)
    firing = Firing(id=key, rule=rule, document=document, depth=depth, created_at=now, due_at=now)
    return firing.over("Refused", now, error)


def _seen(event: Event, services: Services) -> bool:
    return services.hook_rows.get(f"seen-{event.key[:2]}", event.key) is not None


def _remember(event: Event, services: Services) -> None:
    now = services.clock()
    row = storage.Row(partition=f"seen-{event.key[:2]}", key=event.key, columns={"ended_at": now + timedelta(days=SEEN_DAYS)})
    with suppress(storage.ConflictError):
        services.hook_rows.write([storage.Change(verb="insert", row=row)])


def _document(event: Event) -> dict[str, Any]:
    """Return the input of expressions for an event."""
    seen = event.document()
    return {**seen, "event": seen, "workspace": _workspace(event)}


def _resource(event: Event, held: tuple[Grant, ...], services: Services) -> Any:
    """Return the current resource of an event; None when it was deleted, is outside the author's scope, or none is named."""
    from shared.catalog import kinds, paths

    rows = kinds.by_type()
    for target in event_target.of(event):
        kind = rows.get(("arm", target.namespace.lower(), "/".join(target.types).lower()))
        if kind is None or not grants.holds(held, target, kind.full_type):
            continue
        paths.check_listed(target.subscription, services.settings)
        url = services.addresses.url("arm", target.path, f"api-version={kind.api_version}", workspace=target.ancestor(1).path)
        response = services.client.send("GET", url)
        if response.status not in (404, 410):
            return response.checked().body
    return None


def _workspace(event: Event) -> dict[str, str] | None:
    found = event_target.workspace_of(event)
    if found is None:
        return None
    return {"id": found.path, "name": found.name, "resourceGroup": found.resource_group, "subscription": found.subscription}
