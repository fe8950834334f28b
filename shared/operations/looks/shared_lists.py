"""One list for many: what a LIST of a collection says of the operations in it that are due at about the same time.

A list is a hint and seldom a proof. An item that is at work says that its operation goes on. One that has succeeded is the
operation's result, where it was changed since the request was sent; while Azure names a status URL, that ends the operation.
Everything else is for the operation's own GET: an item that is missing, has failed, or was made by another request. Each process
keeps its own lists, for seconds. Not here: when an operation is looked at (rest.poll_delays), what follows from a look (steps).
"""

from __future__ import annotations

import logging
import math
import threading
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from shared.operations import proof, settle
from shared.rest import errors, ids, long_running
from shared.rest import operation_answers as answers
from shared.rest.client import Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.operations.models import Operation
    from shared.rest.addresses import Addresses
    from shared.rest.client import Client
    from shared.rest.long_running import Follow

log = logging.getLogger("steward.operations")

FEW = 3  # looks at one collection: for fewer no list is asked for
TOGETHER = timedelta(seconds=4)  # looks at one collection are moved to common moments, so far apart
AT_ITS_END_S = 2.0  # the same where it is known when such an operation usually ends: those looks bring news
ROUNDED = timedelta(seconds=1)  # a queue's delays are whole seconds
OLD = timedelta(seconds=6)  # an answer is not used after that
REFUSED = timedelta(minutes=5)  # how long a collection is not listed after a list that failed, or showed few of those it was for
OWN_EVERY = 8  # looks: one of so many is an operation's own GET, for lists may lag behind
COLLECTIONS = 1_000  # that are kept
METHODS = ("PUT", "PATCH", "DELETE")  # what an action changes, its resource's state seldom shows
NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class _Collection:
    """One collection: which operations look at it when, and what its last list said.

    Attributes:
        due, looked: Operation → moment of its next and of its last look, and the key of its target.
        silent: Operation → since when it is known that a list says nothing of it.
        asked_at, items: When the last list was asked for, and its items by their keys.
        refused_until: Until when none is asked for.
        asking: Held by the thread that asks for one.
    """

    asking: Any
    due: dict[str, tuple[datetime, str]] = field(default_factory=dict)
    looked: dict[str, tuple[datetime, str]] = field(default_factory=dict)
    silent: dict[str, datetime] = field(default_factory=dict)
    asked_at: datetime = NEVER
    refused_until: datetime = NEVER
    items: dict[str, Any] = field(default_factory=dict)

    def waiting(self, now: datetime) -> set[str]:
        """Return the targets that are looked at about now, or were just now."""
        late = {target for at, target in self.due.values() if at <= now + TOGETHER}
        return late | {target for at, target in self.looked.values() if now - at < TOGETHER}

    def tidy(self, now: datetime) -> None:
        """Forget what was long ago."""
        self.due = {each: known for each, known in self.due.items() if now - known[0] <= OLD}
        self.looked = {each: known for each, known in self.looked.items() if now - known[0] <= OLD}
        self.silent = {each: at for each, at in self.silent.items() if now - at <= REFUSED}
        self.items = self.items if now - self.asked_at <= OLD else {}


class Lists:
    """The collections that this process follows operations in.

    Args:
        client, addresses: What lists are asked for with.
        clock: The present.
    """

    def __init__(self, client: Client, addresses: Addresses, clock: Callable[[], datetime]) -> None:
        self._client, self._addresses, self._clock = client, addresses, clock
        self._held: OrderedDict[str, _Collection] = OrderedDict()
        self._guard = threading.Lock()
        self._tidied_at = NEVER
        self._lock: Callable[[], Any] = threading.RLock

    def crowded(self, operation: Operation) -> bool:
        """Return whether others in its collection are followed, too, so that one list will say how all of them get on."""
        with self._guard:
            held = self._of(_collection(operation), self._clock())
            return len(held.due.keys() | held.looked.keys()) >= FEW

    def together(self, operation: Operation, delay_s: float) -> float:
        """Return the pause before an operation's next look, moved to a moment at which others in its collection look, too.

        Where no usual end is known, those moments are further apart the longer the pause is.
        """
        now, path = self._clock(), _collection(operation)
        ends = operation.follow.ends if operation.follow else []
        with self._guard:
            held = self._of(path, now)
            if not path or operation.id in held.silent:
                return delay_s
            if len(held.due.keys() | held.looked.keys() | {operation.id}) >= FEW:
                apart_s = AT_ITS_END_S if ends else TOGETHER.total_seconds()
                while not ends and apart_s * 4 <= delay_s:
                    apart_s *= 2
                delay_s = math.ceil(math.ceil((now.timestamp() + delay_s) / apart_s) * apart_s - now.timestamp())
            held.due[operation.id] = (now + timedelta(seconds=delay_s), operation.target.lower())
            return delay_s

    def item(self, operation: Operation, follow: Follow, due: datetime) -> Any:
        """Return an operation's target as a list shows it that was asked for after the last look at it; None without one.

        Args:
            operation: It.
            follow: Where it stands.
            due: When it was to be looked at.
        """
        now, path, key = self._clock(), _collection(operation), operation.target.lower()
        looks = operation.calls.get("poll", 0) + operation.calls.get("list", 0)
        with self._guard:
            held = self._of(path, now)
            if not path or follow.style == "result" or not follow.began_s or operation.id in held.silent:
                return None
            held.due.pop(operation.id, None)
            held.looked[operation.id] = (now, key)
        if looks % OWN_EVERY == OWN_EVERY - 1:
            return None
        fresh = max(due - ROUNDED, now - OLD, datetime.fromtimestamp(follow.began_s + follow.looked_s, UTC))
        with held.asking:  # what another thread asks for now may be what this one looks for
            if held.asked_at <= fresh:
                with self._guard:
                    wanted = held.waiting(now)
                if len(wanted) < FEW or held.refused_until > now:
                    return None
                self._ask(held, path, wanted, operation)
            return held.items.get(key)

    def forget(self, operation: Operation, *, silent: bool = False) -> None:
        """Forget an operation that has ended, or of whose progress its target's state says nothing: its own GETs follow it."""
        now = self._clock()
        with self._guard:
            held = self._of(_collection(operation), now)
            held.due.pop(operation.id, None)
            held.looked.pop(operation.id, None)
            if silent:
                held.silent[operation.id] = now

    def _ask(self, held: _Collection, path: str, wanted: set[str], operation: Operation) -> None:
        """Ask for a list, as far as it is cheaper than the GETs that it stands for."""
        now = self._clock()
        held.asked_at, held.items = now, {}
        version = operation.query.partition("&")[0]
        workspace = ids.parse(operation.target).ancestor(1).path
        try:
            url = self._addresses.url(operation.plane, path, version, workspace=workspace)
            for _ in range(max(1, len(wanted) // FEW)):
                body = self._client.send("GET", url).checked().body
                page = body.get("value") if isinstance(body, dict) else None
                found = {answers.state(each, "id").lower(): each for each in page} if isinstance(page, list) else {}
                held.items |= {key: each for key, each in found.items() if key}
                url = answers.state(body, "nextLink")
                if not url or wanted <= held.items.keys() or urlsplit(url).path.lower() != path.lower():
                    break
        except errors.StewardError as problem:
            log.info("the list of %s is of no use: %s", path, problem)
            held.refused_until = now + REFUSED
        if len(wanted & held.items.keys()) * 2 < len(wanted):
            held.refused_until = now + REFUSED

    def _of(self, path: str, now: datetime) -> _Collection:
        held = self._held.setdefault(path.lower(), _Collection(asking=self._lock()))
        self._held.move_to_end(path.lower())
        if len(self._held) > COLLECTIONS:
            self._held.popitem(last=False)
        if now - self._tidied_at >= ROUNDED:
            self._tidied_at = now
            for each in self._held.values():
                each.tidy(now)
        return held


def judged(operation: Operation, follow: Follow, item: Any, *, now: datetime) -> long_running.Outcome | None:
    """Return what an item of a list says of an operation, None where only Azure's own answer says it."""
    state = answers.state(item, follow.state_field)
    if not state or long_running.is_terminal(state) != (state.lower() in long_running.SUCCEEDED):
        return None
    if not long_running.is_terminal(state):
        outcome = long_running.goes_on(follow, now)
        shown = follow.style == "resource" and follow.method != "DELETE"
        return replace(outcome, follow=replace(outcome.follow, state=state), body=item) if shown else outcome
    if follow.style not in ("resource", "result") or follow.method not in ("PUT", "PATCH") or not _is_its(operation, follow, item):
        return None
    read = long_running.advance(follow, Response(status=200, url=follow.resource_url, body=item), now=now)
    return read if isinstance(read, long_running.Done) else None


def _is_its(operation: Operation, follow: Follow, item: Any) -> bool:
    """Return whether an item that has succeeded did so by this operation: it was seen at work, and changed since the send."""
    seen = answers.state(operation.resource, follow.state_field)
    made, before = (proof.moment(each, *proof.CREATED) for each in (item, operation.resource))
    changed, known = (proof.moment(each, *proof.MODIFIED, *proof.CREATED) for each in (item, operation.resource))
    if not seen or long_running.is_terminal(seen) or made is None or made != before:
        return False
    return bool(changed and known and operation.sent_azure and changed >= max(known, operation.sent_azure))


def _collection(operation: Operation) -> str:
    """Return the path of the collection that an operation's target is in, '' where no list can stand for looks at it."""
    if operation.plane != "arm" or operation.method not in METHODS or operation.action:
        return ""
    if "LIST" not in settle.kind_of(operation).verbs:
        return ""
    target = ids.parse(operation.target)
    return "" if target.is_collection or not target.types else replace(target, names=target.names[:-1]).path
