"""Threads: the one place that begins them, so that no log line of theirs is lost and each carries the trace it belongs to.

The platform looks for a line's invocation in the running task, then in the context of a sync function; a line that has neither is
dropped without a word (https://github.com/Azure/azure-functions-host/pull/10796). So threads of a `Pool` run in the context of the
work that uses them, and what a thread of an async function logs is written by that function's own task (`run`), as it comes.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar, copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, override

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor, Future

    Line = tuple[logging.Handler, logging.LogRecord]


class Pool(ThreadPoolExecutor):
    """Threads that work in the context of what gives them work: its invocation, its trace, its operation."""

    @override
    def submit[**P, T](self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return super().submit(copy_context().run, partial(work, *args, **kwargs))


@contextmanager
def beside(after_s: float, work: Callable[..., None], *args: Any, name: str) -> Iterator[None]:
    """Run `work` in a thread of its own, in this context, where the block lasts longer than that; its end waits for the thread's.

    Its last argument is a `threading.Event` that is set then. Most blocks are shorter, and cost no thread.
    """
    over, turn = threading.Event(), threading.Lock()
    thread = threading.Thread(target=copy_context().run, args=(work, *args, over), name=name, daemon=True)

    def start() -> None:
        with turn:
            if not over.is_set():
                thread.start()

    try:
        with deadline(after_s, start):
            yield
    finally:
        with turn:
            over.set()
        if thread.ident is not None:
            thread.join()


async def run[T](pool: Executor | None, work: Callable[..., T], *args: Any) -> T:
    """Run blocking work of an async function in a thread of `pool`, None for the event loop's own."""
    loop = asyncio.get_running_loop()
    lines, context = _Lines(loop), copy_context()
    context.run(_handed_over.set, lines)
    _watch()
    ended = loop.run_in_executor(pool, context.run, work, *args)
    ended.add_done_callback(lambda _: lines.end())
    await lines.write()
    return await ended


@contextmanager
def deadline(seconds: float, end: Callable[[], None]) -> Iterator[None]:
    """Call `end` when the block takes longer than that, from the one thread that watches all deadlines of the process."""
    mine = _deadlines.add(seconds, end)
    try:
        yield
    finally:
        _deadlines.remove(mine)


class _Deadlines:
    """What is to end when: a timer for each request would be a thread for each, half of what a request costs."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._held: dict[object, tuple[float, Callable[[], None]]] = {}
        self._wakes_at = math.inf
        self._watching = False

    def add(self, seconds: float, end: Callable[[], None]) -> object:
        """Watch one more; the thread is woken only when this one is the first that is due."""
        mine, due = object(), time.monotonic() + seconds
        with self._changed:
            self._held[mine] = due, end
            if not self._watching:
                threading.Thread(target=self._watch, daemon=True, name="deadlines").start()
                self._watching = True
            elif due < self._wakes_at:
                self._changed.notify()
        return mine

    def remove(self, mine: object) -> None:
        """Watch it no more."""
        with self._changed:
            self._held.pop(mine, None)

    def _watch(self) -> None:
        while True:
            with self._changed:
                now = time.monotonic()
                over = [mine for mine, (due, _) in self._held.items() if due <= now]
                ends = [self._held.pop(mine)[1] for mine in over]
                if not ends:
                    self._wakes_at = min((due for due, _ in self._held.values()), default=math.inf)
                    self._changed.wait(None if self._wakes_at == math.inf else self._wakes_at - now)
            for end in ends:
                with suppress(Exception):  # one that cannot be ended does not keep the others from it
                    end()


_deadlines = _Deadlines()


class _Lines:
    """What one piece of work logs in its thread, on its way to the task that waits for the work."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue: asyncio.Queue[Line | None] = asyncio.Queue()

    def take(self, handler: logging.Handler, record: logging.LogRecord) -> bool:
        """Take a line in the thread that logs it; False when the loop is gone."""
        record.msg, record.args = record.getMessage(), None  # what it names may have changed by the time it is written
        try:
            self._loop.call_soon_threadsafe(self._queue.put_nowait, (handler, record))
        except RuntimeError:
            return False
        return True

    def end(self) -> None:
        """Let `write` return: nothing more comes."""
        self._queue.put_nowait(None)

    async def write(self) -> None:
        """Write the lines, in the task that calls it, until the end."""
        while (line := await self._queue.get()) is not None:
            handler, record = line
            handler.handle(record)


class _HandOver(logging.Filter):
    """Keeps a line from a handler while it is logged in the thread of a `run`; that one's task writes it."""

    def __init__(self, handler: logging.Handler) -> None:
        super().__init__()
        self._handler = handler

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        lines = _handed_over.get()
        return lines is None or not lines.take(self._handler, record)


_handed_over: ContextVar[_Lines | None] = ContextVar("lines", default=None)


def _watch() -> None:
    """See that every handler of the root logger hands over; the platform's is there from the start, others come later."""
    for handler in logging.getLogger().handlers:
        if not any(isinstance(each, _HandOver) for each in handler.filters):
            handler.addFilter(_HandOver(handler))
