"""Event Grid itself: takes events, finds who subscribed, delivers in the background, again when it must.

Retries go by Event Grid's published schedule ("Event Grid message delivery and retry"), on the local Azure's clock and
`retry_speed` times faster. Deliveries of one subscription run side by side, so order is not kept, as in Azure.
"""

from __future__ import annotations

import heapq
import itertools
import json
import logging
import threading
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from infra.local.emulator.events import destinations

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from infra.local.emulator.events.happened import Event
    from infra.local.emulator.events.subscriptions import Subscription
    from infra.local.emulator.storage.accounts import StorageAccounts

log = logging.getLogger("emulator.events")

SCHEDULE_S = (10, 30, 60, 300, 600, 1_800, 3_600, 10_800, 21_600, 43_200)
RETRY_SPEED = 10.0
NEVER_AGAIN = frozenset({400, 403, 413})
LATER_S = {401: 300, 404: 300, 408: 120, 503: 30}  # the least pause after such an answer
WORKERS = 4  # deliveries of one subscription at a time
TICK_S = 0.05
KEPT = 10_000


@dataclass(order=True, slots=True)
class _Waiting:
    """An event on its way to one subscription."""

    due_at: datetime
    order: int
    content: Any = field(compare=False)
    began_at: datetime = field(compare=False)
    tried: int = field(compare=False, default=0)


class _Line:
    """The events on their way to one subscription, and the threads that send them."""

    def __init__(self, grid: Grid, subscription: Subscription) -> None:
        self.subscription = subscription
        self.counts: Counter[str] = Counter()
        self._grid = grid
        self._waiting: list[_Waiting] = []
        self._sending = 0  # what is on its way is not delivered yet
        self._changed = threading.Condition()
        self._ended = False
        for _ in range(WORKERS):
            threading.Thread(target=self._work, daemon=True).start()

    def put(self, waiting: _Waiting) -> None:
        with self._changed:
            heapq.heappush(self._waiting, waiting)
            self._changed.notify()

    def end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def view(self) -> dict[str, Any]:
        with self._changed:
            return {"waiting": len(self._waiting), "sending": self._sending, **self.counts}

    def _work(self) -> None:
        while batch := self._next():
            status = 0
            try:
                contents = [waiting.content for waiting in batch]
                status = destinations.send(self.subscription, contents, batch[0].tried, self._grid.places)
            except Exception:
                log.exception("a delivery to %s", self.subscription.id)
            self._settle(batch, status)
            with self._changed:
                self._sending -= len(batch)

    def _next(self) -> list[_Waiting]:
        with self._changed:
            while not self._ended:
                if self._waiting and self._waiting[0].due_at <= self._grid.now():
                    batch = self._batch()
                    self._sending += len(batch)
                    return batch
                # a test may move the clock: with something to wait for, look again soon
                self._changed.wait(TICK_S if self._waiting else None)
        return []

    def _batch(self) -> list[_Waiting]:
        destination, now = self.subscription.destination, self._grid.now()
        batch, size = [heapq.heappop(self._waiting)], 0
        while self._waiting and len(batch) < destination.batch and self._waiting[0].due_at <= now:
            size += len(json.dumps(batch[-1].content)) if not isinstance(batch[-1].content, bytes) else 0
            if size >= destination.kilobytes * 1024 or isinstance(batch[0].content, bytes):
                break
            if isinstance(self._waiting[0].content, bytes):  # what is no event goes alone
                break
            batch.append(heapq.heappop(self._waiting))
        return batch

    def _settle(self, batch: list[_Waiting], status: int) -> None:
        if 200 <= status < 300:
            self.counts["delivered"] += len(batch)
            return
        now, subscription = self._grid.now(), self.subscription
        for waiting in batch:
            pause_s = max(SCHEDULE_S[min(waiting.tried, len(SCHEDULE_S) - 1)], LATER_S.get(status, 0)) / self._grid.retry_speed
            waiting.tried += 1
            late = now - waiting.began_at >= timedelta(seconds=subscription.lifetime_s)
            if status in NEVER_AGAIN or waiting.tried >= subscription.attempts or late:
                self.counts["dropped"] += 1
                log.info("an event for %s is dropped after answer %d", subscription.id, status)
            else:
                self.counts["again"] += 1
                waiting.due_at = now + timedelta(seconds=pause_s)
                self.put(waiting)


class Grid:
    """All subscriptions and what was raised. Thread-safe.

    Args:
        now: the world's clock.
        storage: the accounts of the local Azure.
        settle: ends the long-running operations that are due: while there are subscriptions, they end by themselves.
    """

    def __init__(self, now: Callable[[], datetime], storage: StorageAccounts, settle: Callable[[], None]) -> None:
        self.now = now
        self.places = destinations.Places(storage)
        self.retry_speed = RETRY_SPEED
        self.raised: deque[Event] = deque(maxlen=KEPT)
        self.published: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._settle = settle
        self._lock = threading.Lock()
        self._lines: dict[str, _Line] = {}
        self._order = itertools.count()
        self._idle = threading.Event()
        self._ticker: threading.Thread | None = None

    def subscribe(self, subscription: Subscription) -> None:
        """Begin to send; one of the same id takes the other's place."""
        with self._lock:
            old = self._lines.pop(subscription.id.lower(), None)
            self._lines[subscription.id.lower()] = _Line(self, subscription)
            if self._ticker is None:
                self._ticker = threading.Thread(target=self._tick, daemon=True)
                self._ticker.start()
        if old is not None:
            old.end()

    def unsubscribe(self, arm_id: str) -> None:
        """Stop; what is on its way is dropped."""
        with self._lock:
            line = self._lines.pop(arm_id.lower(), None)
        if line is not None:
            line.end()

    def take(self, event: Event) -> None:
        """Take an event: every subscriber will get it."""
        self.raised.append(event)
        with self._lock:
            lines = list(self._lines.values())
        for line in lines:
            if topic := line.subscription.topic_of(event):
                self._put(line, event.to_json(line.subscription.schema, topic))

    def deliver(self, arm_id: str, content: Any) -> None:
        """Send something to one subscriber, event or not (a storm).

        Raises:
            KeyError: there is no such subscription.
        """
        with self._lock:
            line = self._lines[arm_id.lower()]
        self._put(line, content)

    def view(self) -> list[dict[str, Any]]:
        """The subscriptions, with how many of their events wait, were delivered, tried again, dropped."""
        with self._lock:
            lines = list(self._lines.values())
        return [{"id": line.subscription.id, "topic": line.subscription.topic, **line.view()} for line in lines]

    def get(self, arm_id: str) -> Subscription | None:
        """A subscription."""
        with self._lock:
            line = self._lines.get(arm_id.lower())
        return line.subscription if line else None

    def forget(self) -> None:
        """Back to the beginning: no subscription, nothing raised; where the hosts are stays known."""
        with self._lock:
            lines, self._lines = list(self._lines.values()), {}
        for line in lines:
            line.end()
        self.raised.clear()
        self.published.clear()
        self.retry_speed = RETRY_SPEED

    def stop(self) -> None:
        """End every thread."""
        self._idle.set()
        self.forget()

    def _put(self, line: _Line, content: Any) -> None:
        now = self.now()
        line.put(_Waiting(now, next(self._order), content, now))

    def _tick(self) -> None:
        while not self._idle.wait(TICK_S):
            if self._lines:
                try:
                    self._settle()
                except Exception:
                    log.exception("operations that are due")
