"""Virtual time: many tasks, one at a time, each with a stack of its own, that run until they wait; who goes on is drawn.

A run is a function of its seed: time passes only when every task waits. Not here: what tasks do (world).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from greenlet import greenlet

from tests.fakes import Killed

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from tests.fakes import Clock


@dataclass(eq=False, kw_only=True)
class Task:
    """A piece of work in one process of the app.

    Attributes:
        name: For the trace.
        process: Where it runs; it dies with that.
        work: What it does.
        ended: Called with what it ended with, None for well.
        died: Called instead when its process died.
        record: What names the record that it works on, '' for none.
        calls: Storage and Azure calls so far.
        wake_at: When it goes on.
        unbroken: How many locks it holds: it does not wait meanwhile.
        killed: It dies when it is to go on.
        under_way: Its request is on its way to Azure, whatever becomes of the process.
    """

    name: str
    process: Any
    work: Callable[[], None]
    ended: Callable[[Exception | None], None]
    died: Callable[[], None]
    record: str = ""
    calls: int = 0
    wake_at: datetime
    unbroken: int = 0
    killed: bool = False
    under_way: bool = False
    problem: BaseException | None = None
    over: bool = False
    stack: greenlet | None = None


class Scheduler:
    """Tasks in virtual time.

    Attributes:
        tasks: Those that have not ended.
        current: The one that runs.
    """

    def __init__(self, clock: Clock, drawn: random.Random) -> None:
        self.tasks: list[Task] = []
        self.current: Task | None = None
        self._clock = clock
        self._drawn = drawn
        self._main = greenlet.getcurrent()

    def spawn(self, task: Task) -> None:
        """Take a task on."""
        self.tasks.append(task)

    def pause(self, seconds: float) -> None:
        """Let the current task wait, and others go on meanwhile.

        Raises:
            Killed: its process died meanwhile.
        """
        task = self.current
        assert task, "only a task waits"
        task.wake_at = self._clock() + timedelta(seconds=seconds)
        self._main.switch()
        if task.killed:
            raise Killed

    def kill(self, process: Any) -> list[Task]:
        """End a process with all its tasks; returns those that it had, the current one, which must die by itself, among them."""
        dead = [task for task in self.tasks if task.process is process]
        for task in dead:
            task.killed, task.wake_at = True, self._clock()
        return dead

    def next_at(self) -> datetime | None:
        """Return when the next task goes on."""
        return min((task.wake_at for task in self.tasks), default=None)

    def run_one(self) -> bool:
        """Let one task go on whose time has come; False when there is none."""
        ready = [task for task in self.tasks if task.wake_at <= self._clock()]
        if not ready:
            return False
        task = self._drawn.choice(ready)
        if task.stack is None and task.killed:  # before it began
            self.tasks.remove(task)
            return True
        self.current = task
        if task.stack is None:
            task.stack = greenlet(self._run)
            task.stack.switch(task)
        else:
            task.stack.switch()
        self.current = None
        if task.over:
            self.tasks.remove(task)
            self._judge(task)
        return True

    def _run(self, task: Task) -> None:
        try:
            task.work()
        except BaseException as problem:  # noqa: BLE001 - judged by the scheduler
            task.problem = problem
        task.over = True

    def _judge(self, task: Task) -> None:
        if isinstance(task.problem, Killed) or task.killed:
            return
        if task.problem is not None and not isinstance(task.problem, Exception):
            raise task.problem
        task.ended(task.problem)
