"""Waiting without holding the event loop: for work that blocks, in a thread; for what is to end, asleep."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from shared import services
from shared.api.answer import Later
from shared.api.call import WAIT_LIMIT_S
from shared.telemetry import threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shared.api.answer import Answer

STEP_S = 0.25
LONGEST_STEP_S = 1.0
SHARE = 0.1  # of what was waited already: an end is seen later by that much at most, or by a step
_waiting: set[object] = set()  # of this process' event loop, which alone changes it


async def in_thread[T](work: Callable[..., T], *args: Any) -> T:
    """Run blocking work in the app's own pool (the event loop's default has six threads on two cores)."""
    return await threads.run(_pool(), work, *args)


def pause_s(waited_s: float) -> float:
    """Return how long to wait before the next look: every look of every caller who waits is a read of a table."""
    return min(max(STEP_S, SHARE * waited_s), LONGEST_STEP_S)


async def for_end(later: Later) -> Later:
    """Return it once it has ended or its caller has waited long enough: sleeping on the loop, looking in a thread."""
    began = time.monotonic()
    end = began + min(later.wait_s, WAIT_LIMIT_S)
    with place() as free:
        while free and not later.ended and (now := time.monotonic()) < end:
            await asyncio.sleep(min(pause_s(now - began), end - now))
            later = await in_thread(later.look)
    return later


async def answered(work: Callable[[], Answer | Later]) -> Answer:
    """Return the answer that blocking work makes, at once or after as long as its caller waits."""
    found = await in_thread(work)
    return await in_thread((await for_end(found)).answer) if isinstance(found, Later) else found


@contextmanager
def place() -> Iterator[bool]:
    """Take a place among those who wait; False when there is none left, and the answer is what is known now.

    As many may wait in a process as may work: the platform hands an instance only so many requests at once (host.json), and
    without this, callers who wait could hold all of them, and delay every other call.
    """
    mine = object()
    free = len(_waiting) < services.get().settings.threads
    if free:
        _waiting.add(mine)
    try:
        yield free
    finally:
        _waiting.discard(mine)


@cache
def _pool() -> threads.Pool:
    return threads.Pool(max_workers=services.get().settings.threads, thread_name_prefix="steward")
