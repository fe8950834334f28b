"""Threads: each line is written by the task of the function, each thread carries on the context of its work."""

from __future__ import annotations

import ast
import asyncio
import logging
import threading
from pathlib import Path

import pytest

from shared.telemetry import threads, trace

ROOT = Path(__file__).parents[3]
BEGINNERS = {"Thread", "Timer", "ThreadPoolExecutor", "ProcessPoolExecutor", "to_thread", "run_in_executor", "start_new_thread"}
log = logging.getLogger("steward.test")


class Written(logging.Handler):
    """A handler as the platform's: notes by which task each line is written."""

    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        """Note one."""
        try:
            task = asyncio.current_task()
        except RuntimeError:
            task = None
        self.lines.append((record.getMessage(), task and task.get_name()))


@pytest.fixture
def written():
    """What the root logger's handler writes meanwhile, with the name of the task that does."""
    handler, root = Written(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield handler.lines
    root.setLevel(level)
    root.removeHandler(handler)


def invocation(work, pool=None):
    """Run `work` as a function named `invocation` does."""

    async def function():
        return await asyncio.create_task(threads.run(pool, work), name="invocation")

    return asyncio.run(function())


@pytest.mark.parametrize("pool", [None, threads.Pool(1)], ids=["the loop's pool", "a pool of the app"])
def test_a_line_of_the_thread_is_written_by_the_functions_task(written, pool):
    """The platform finds the invocation of a line by the task that writes it."""
    assert invocation(lambda: (log.info("from the %s", "thread"), 7)[1], pool) == 7
    assert written == [("from the thread", "invocation")]


def test_a_line_of_a_pool_within_the_thread_is_written_by_it_too(written):
    """Preflight, listing, transfers and health ask several things at once, from the thread of a request."""

    def work():
        with threads.Pool(2) as pool:
            list(pool.map(lambda number: log.info("line %d", number), range(20)))
            pool.submit(log.info, "the last")

    invocation(work)
    assert sorted(written) == [*sorted((f"line {number}", "invocation") for number in range(20)), ("the last", "invocation")]


def test_lines_before_a_failure_are_written(written):
    """The reason of a failure is what the lines before it say."""

    def work():
        log.info("before")
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - its own
        invocation(work)
    assert written == [("before", "invocation")]


def test_a_line_is_written_while_the_work_goes_on(written):
    """A line has the time at which it is written: it does not wait for the end of 45 seconds of work."""
    seen = threading.Event()

    class Seen(logging.Handler):
        def emit(self, record):
            seen.set()

    logging.getLogger().addHandler(handler := Seen())
    try:
        assert invocation(lambda: (log.info("early"), seen.wait(60))[1])
    finally:
        logging.getLogger().removeHandler(handler)


def test_a_line_says_what_was_when_it_was_logged(written):
    """Its arguments may change before the task writes it."""
    tally = {"done": 1}

    def work():
        log.info("%s", tally)
        tally["done"] = 2

    invocation(work)
    assert written[0][0] == "{'done': 1}"


def test_two_handlers_write_each_line_once(written):
    """OpenTelemetry's handler may stand beside the platform's, and come later."""
    other = Written()
    logging.getLogger().addHandler(other)
    try:
        invocation(lambda: log.info("once"))
    finally:
        logging.getLogger().removeHandler(other)
    assert other.lines == written == [("once", "invocation")]


def test_a_line_outside_such_a_thread_is_written_at_once(written):
    """Sync functions and coroutines log as ever, also after a run."""
    invocation(lambda: None)
    log.info("plain")
    assert written == [("plain", None)]


def test_a_pool_carries_on_trace_and_operation():
    """What is asked of Azure in a pool's thread belongs to the same trace."""
    given = trace.new()
    with trace.bound(given, operation="op-1"), threads.Pool(1) as pool:
        assert pool.submit(trace.current).result() == given
        assert list(pool.map(lambda _: trace.operation(), range(3))) == ["op-1"] * 3
    with threads.Pool(1) as pool:
        assert pool.submit(trace.current).result() is None


def begun(path):
    """Names of what begins a thread, as a module uses them."""
    for node in ast.walk(ast.parse(path.read_text())):
        name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
        if name in BEGINNERS:
            yield f"{path.relative_to(ROOT)}: {name}"


def test_no_thread_begins_elsewhere():
    """A thread that this module does not know logs into nothing, and one for each request is half of what a request costs."""
    modules = {path for folder in ("functions", "shared") for path in (ROOT / folder).rglob("*.py")} - {Path(threads.__file__)}
    found = {each for path in modules for each in begun(path)}
    assert found == set()


def test_what_takes_too_long_is_ended():
    """Whatever else is watched, and whatever becomes of another's end; what is done in time is left alone."""
    ended, never = threading.Event(), threading.Event()
    with threads.deadline(3600, never.set), threads.deadline(0, lambda: 1 // 0), threads.deadline(0.01, ended.set):
        assert ended.wait(60)
    assert not never.is_set()


def test_one_thread_watches_all_deadlines():
    """A thread for each request cost more than sending it."""
    before = threading.active_count()
    for _ in range(100):
        with threads.deadline(3600, print), threads.deadline(3600, print):
            assert threading.active_count() <= before + 1
    assert threads._deadlines._held == {}
