"""Reading under ARM's limits: one token bucket per subscription, shared by all that reads in this process, and a count.

ARM counts reads in a bucket of 250 per subscription, principal and region that fills at 25 a second (Azure Resource Manager
documentation, "Request limits and throttling"); each answer says what is left, also of what other instances took. The wait
for the next token is short and is waited for here; what ARM asks for by a long Retry-After is not: it is raised, and the
queue brings the work back. What a run read a moment ago is not read again (`Memo`). Not here: writes, which are operations and
take their turn there.
"""

from __future__ import annotations

import json
import threading
import time
import zlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from shared.rest import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shared.cleanup.facts.inventory import Estate
    from shared.rest.addresses import Addresses
    from shared.rest.client import Client, Response
    from shared.rest.clouds import Cloud
    from shared.settings import Settings

SIZE = 250.0  # tokens
REFILL = 25.0  # tokens a second
SPARE = 25.0  # left to all others: callers of this app, people in the portal
PATIENCE_S = 20.0  # longest wait for one answer
ATTEMPTS = 4  # of one read that ARM throttles
OK = 200
MEMO_S = 600.0  # seconds that an answer is kept
MEMO_BYTES = 16 * 1024**2  # packed, of all that is kept
MEMO_LARGEST = 256 * 1024  # of one answer, before it is packed
REMAINING = "x-ms-ratelimit-remaining-subscription-reads"


@dataclass(slots=True, kw_only=True)
class _Bucket:
    """What is left of one subscription's reads, as far as is known here."""

    left: float = SIZE
    at: float = 0.0
    closed_until: float = 0.0

    def refill(self, now: float) -> None:
        self.left = min(SIZE, self.left + max(0.0, now - self.at) * REFILL)
        self.at = now


class Memo:
    """What ARM answered to the reads of one run, packed: several conditions and policies ask the same of it.

    What is acted upon is read again before that, without it. Bounded by bytes and by age; the oldest goes first. Safe to use from
    many threads.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[str, tuple[float, bytes, Response]] = {}
        self._bytes = 0
        self._guard = threading.Lock()

    def read(self, url: str) -> Response | None:
        """Return an answer that is known, each time as a body of its own."""
        with self._guard:
            at, packed, answer = self._kept.get(url) or (-MEMO_S, b"", None)
        if answer is None or self._clock() - at >= MEMO_S:
            return None
        return replace(answer, body=json.loads(zlib.decompress(packed)))

    def keep(self, url: str, answer: Response) -> None:
        """Keep an answer that is a body of JSON and no large one."""
        if answer.status != OK or not isinstance(answer.body, dict) or not 0 < len(answer.content) <= MEMO_LARGEST:
            return
        packed = zlib.compress(answer.content, 1)
        with self._guard:
            self._drop(url)
            self._kept[url] = (self._clock(), packed, replace(answer, body=None, content=b""))
            self._bytes += len(packed)
            while self._bytes > MEMO_BYTES:
                self._drop(next(iter(self._kept)))

    def _drop(self, url: str) -> None:
        if known := self._kept.pop(url, None):
            self._bytes -= len(known[1])


class Buckets:
    """The token buckets of one process, and what its run read; safe to use from many threads.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}
        self._memo = ("", Memo(clock))
        self._guard = threading.Lock()

    def memo(self, run: str) -> Memo:
        """Return what this process read for a run; that of the run before is forgotten."""
        with self._guard:
            if self._memo[0] != run:
                self._memo = (run, Memo(self._clock))
            return self._memo[1]

    def take(self, subscription: str) -> float:
        """Take one token; return the seconds to wait before it may be used."""
        with self._guard:
            bucket, now = self._at(subscription)
            bucket.left -= 1.0
            return max(0.0, (SPARE - bucket.left) / REFILL, bucket.closed_until - now)

    def told(self, subscription: str, remaining: int) -> None:
        """Believe ARM where it says that less is left than is known here; the others took it."""
        with self._guard:
            bucket, _ = self._at(subscription)
            bucket.left = min(bucket.left, float(remaining))

    def refused(self, subscription: str, delay_s: float) -> None:
        """Send nothing for that long."""
        with self._guard:
            bucket, now = self._at(subscription)
            bucket.closed_until = max(bucket.closed_until, now + delay_s)

    def _at(self, subscription: str) -> tuple[_Bucket, float]:
        now = self._clock()
        bucket = self._buckets.setdefault(subscription.lower(), _Bucket(at=now))
        bucket.refill(now)
        return bucket, now


@dataclass(slots=True, kw_only=True)
class Count:
    """What one piece of work read: calls to ARM and to Azure ML's own servers, how many of them were throttled, and the waiting."""

    arm: int = 0
    other: int = 0
    throttled: int = 0
    waited_s: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return it for the report."""
        return {"arm": self.arm, "other": self.other, "throttled": self.throttled, "waitedSeconds": round(self.waited_s, 3)}


class Services(Protocol):
    """What reading under the limits needs of the composition root."""

    @property
    def client(self) -> Client: ...  # noqa: D102
    @property
    def addresses(self) -> Addresses: ...  # noqa: D102
    @property
    def reads(self) -> Buckets: ...  # noqa: D102
    @property
    def settings(self) -> Settings: ...  # noqa: D102


def of(services: Services) -> Paced:
    """Return the app's reads under the limits."""
    return Paced(inner=services.client, places=services.addresses, buckets=services.reads, settings=services.settings)


@dataclass(slots=True, kw_only=True)
class Paced:
    """The client and the addresses, as reading needs them, under the limits and counted: `inventory.Azure`.

    Attributes:
        inner: The app's client.
        places: The app's addresses.
        buckets: The process's.
        settings: Where the app works.
        count: Of what is read through this object.
        patience_s: The longest wait for one answer; longer ones are raised.
        spending: What resources of a workspace cost since a moment (costs); None where it is not asked for.
        memo: Answers that are as good as new ones; None where each must be new.
    """

    inner: Client
    places: Addresses
    buckets: Buckets
    settings: Estate
    sleep: Callable[[float], None] = time.sleep
    count: Count = field(default_factory=Count)
    patience_s: float = PATIENCE_S
    spending: Callable[..., Any] | None = None
    memo: Memo | None = None

    @property
    def client(self) -> Paced:
        """Sends."""
        return self

    @property
    def addresses(self) -> Addresses:
        """Where paths live."""
        return self.places

    @property
    def cloud(self) -> Cloud:
        """Whose hosts they are."""
        return self.inner.cloud

    def send(
        self, method: str, url: str, *, body: Any = None, content: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Response:
        """Send one read, see `Client.send`; wait for its turn, and again when it is throttled for a short time.

        Raises:
            ThrottledError: ARM wants a longer wait than `patience_s`, or throttled it again and again.
            StewardError: as `Client.send`.
        """
        subscription = _subscription(url, self.inner.cloud.arm)
        memo = self.memo if method == "GET" and subscription else None
        if memo and (known := memo.read(url)):
            return known
        for attempt in range(1, ATTEMPTS + 1):
            self._wait(subscription)
            try:
                answer = self.inner.send(method, url, body=body, content=content, headers=headers)
            except errors.ThrottledError as throttled:
                self.count.throttled += 1
                if subscription:
                    self.buckets.refused(subscription, throttled.delay_s)
                if attempt == ATTEMPTS or throttled.delay_s > self.patience_s:
                    raise
                if not subscription:
                    self._pause(throttled.delay_s)
                continue
            remaining = answer.headers.get(REMAINING, "")
            if subscription and remaining.isdecimal() and len(remaining) < 10:
                self.buckets.told(subscription, int(remaining))
            if memo:
                memo.keep(url, answer)
            return answer
        raise AssertionError(ATTEMPTS)

    def _wait(self, subscription: str) -> None:
        """Wait for the turn of a call to ARM; other servers count for themselves."""
        if not subscription:
            self.count.other += 1
            return
        self.count.arm += 1
        delay_s = self.buckets.take(subscription)
        if delay_s > self.patience_s:
            raise errors.ThrottledError(f"ARM takes no more reads for {delay_s:.0f} seconds.", delay_s=delay_s, maybe_arrived=False)
        if delay_s:
            self._pause(delay_s)

    def _pause(self, delay_s: float) -> None:
        self.count.waited_s += delay_s
        self.sleep(delay_s)


def _subscription(url: str, arm: str) -> str:
    """Return whose reads a URL counts among, '' when it is not ARM's."""
    if not url.startswith(f"{arm}/"):
        return ""
    parts = urlsplit(url).path.split("/")
    return parts[2] if len(parts) > 2 and parts[1].lower() == "subscriptions" else "tenant"
