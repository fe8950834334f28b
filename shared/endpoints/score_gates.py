"""How many asynchronous scores may be with an endpoint at once: fewer when it throttles, more when it answers.

Each process counts its own calls, as a TCP sender does: the limit halves on a throttled call and grows by one for each round of
good ones. Below one the process pauses after each call, so that many processes share an endpoint that takes fewer calls than there
are processes, and need not know of each other. What was learned of an endpoint is kept in a blob, for the processes that come
later. Scores leave at least half of a process' places on the queue to other operations. Not here: what is scored (async_scores).
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.durable import versions
from shared.rest import errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.durable.storage import Blobs

log = logging.getLogger("steward.score")

VERSION = 1
FOLDER = "score-limits/"
LEAST = 1 / 64  # of an endpoint in a process: one call, and a pause of 63 times as long
FIRST, MOST = 6.0, 12.0  # of one endpoint in a process; all endpoints together have MOST: host.json gives the queue 24 places
FIRST_S = 0.2  # how long a call takes, before one was seen
SHARE = 0.2  # of the newest call in what calls take
LEAST_S, MOST_S = 1.0, 600.0  # of the pause before a score asks for a place again
STORE_EVERY_S = 30.0  # growth is stored this often at most; a drop at once


@dataclass(slots=True, kw_only=True)
class _Gate:
    """What a process knows of an endpoint; moments are of its monotonic clock."""

    limit: float = FIRST
    inside: int = 0
    takes_s: float = FIRST_S
    booked: float = 0.0
    paused: float = 0.0
    dropped: float = float("-inf")
    stored: float = float("-inf")
    kept: int = 0


class Gates:
    """The places of all endpoints in one process; safe to use from many threads."""

    def __init__(self, blobs: Callable[[], Blobs], clock: Callable[[], float] = time.monotonic) -> None:
        self._blobs = blobs
        self._clock = clock
        self._gates: dict[str, _Gate] = {}
        self._guard = threading.Lock()

    def enter(self, key: str) -> float:
        """Take a place at an endpoint; returns 0, or in how many seconds a place is likely to be free."""
        gate = self._gates.get(key) or self._learned(key)
        with self._guard:
            now = self._clock()
            free = gate.inside < max(1, int(gate.limit)) and now >= gate.paused
            if free and sum(each.inside for each in self._gates.values()) < MOST:
                gate.inside += 1
                return 0.0
            # each one that must wait books the next moment at which a call is likely to have ended
            gate.booked = max(gate.booked, now + LEAST_S) + gate.takes_s / max(1, int(gate.limit))
            return min(gate.booked - now, MOST_S)

    def leave(self, key: str, took_s: float | None, *, throttled: bool) -> None:
        """Give a place back; `took_s` is how long the endpoint took for one call, None when it was not asked."""
        gate = self._gates[key]
        with self._guard:
            gate.inside -= 1
            now = self._clock()
            if throttled:
                if now - gate.dropped >= gate.takes_s:  # the calls of one burst are one reason
                    gate.limit, gate.dropped = max(LEAST, gate.limit / 2), now
            elif took_s is not None:
                gate.limit = min(MOST, gate.limit + min(gate.limit, 1 / gate.limit))
                gate.takes_s += SHARE * (took_s - gate.takes_s)
            if gate.limit < 1:
                gate.paused = now + gate.takes_s * (1 / gate.limit - 1)
            changed = int(gate.limit) != gate.kept
            store = changed and (throttled or now - gate.stored >= STORE_EVERY_S)
            if store:
                gate.kept, gate.stored = int(gate.limit), now
        if store:
            self._store(key, gate)

    def _learned(self, key: str) -> _Gate:
        """Return the gate of an endpoint that this process has not scored yet."""
        limit = FIRST
        try:
            if text := self._blobs().get(_blob(key)):
                stored = json.loads(text)
                versions.check(stored, VERSION, "what was learned of an endpoint")
                limit = min(max(float(stored["limit"]), LEAST), MOST)
        except (errors.TransientError, ValueError, KeyError, TypeError) as problem:  # it is learned again
            log.info("the limit of an endpoint cannot be read: %s", problem)
        with self._guard:
            return self._gates.setdefault(key, _Gate(limit=limit, kept=int(limit)))

    def _store(self, key: str, gate: _Gate) -> None:
        try:
            self._blobs().put(_blob(key), json.dumps({"version": VERSION, "limit": round(gate.limit, 2)}).encode())
        except errors.TransientError as problem:
            log.info("the limit of an endpoint cannot be stored: %s", problem)


def _blob(key: str) -> str:
    return f"{FOLDER}{hashlib.sha256(key.encode()).hexdigest()[:20]}.json"
