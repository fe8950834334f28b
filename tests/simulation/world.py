"""The app in virtual time: processes with clocks apart that die in the middle, storage and Azure that fail, other clients.

Everything is drawn from one seed. Real: the machines, the engine, the ledger. Models: storage (fakes), Azure (fake_azure), the
platform. Not here: what callers ask for (load), what must hold (judge).
"""

from __future__ import annotations

import itertools
import json
import random
import secrets
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from unittest import mock

from shared import machines, services
from shared.cleanup.facts import pacing
from shared.durable import lease, messages
from shared.hooks import inbox
from shared.rest import errors
from tests.fake_azure import ML, lost, throttled
from tests.fakes import STORAGE, Fuse, Held, Killed, unavailable
from tests.faults.test_every_machine import NAMES, QUEUES, Platform
from tests.serving_azure import ENDPOINT, ServingAzure
from tests.simulation.scheduler import Scheduler, Task
from tests.steward import MAX_DEQUEUE, RETRY_S, TIMER_S, Steward
from tests.unit.cleanup.runs import conftest as clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from shared.rest.client import Response

PROCESSES = 3
SKEW_MINUTES = (-15.0, -1.0, 0.0, 0.0, 1.0, 15.0)
LAST_OPERATION = ("start", "stop", "restart")
QUIET = timedelta(hours=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """How often what goes wrong, of each call.

    Attributes:
        switch: Another task goes on before a call.
        storage, outage: A call to storage fails; storage fails for up to half a minute.
        kill: The process dies.
        freeze: The process stands still for up to two minutes, and gives no sign of life.
        azure, reads: A write to Azure, or a read, is refused, lost, throttled or answered 503.
        slow: An answer of Azure's takes up to 40 seconds.
        twice: A message comes again although it was done; a timer fires twice.
        foreign: Another client changes the target, of each write whose answer was lost.
        fails: Azure's work on a write ends badly.
        at_once: Messages that are under way at the same time, of all processes.
    """

    switch: float = 0.2
    storage: float = 0.004
    outage: float = 0.0005
    kill: float = 0.003
    freeze: float = 0.0005
    azure: float = 0.15
    reads: float = 0.03
    slow: float = 0.04
    twice: float = 0.03
    foreign: float = 0.3
    fails: float = 0.04
    at_once: int = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """A write that Azure carried out: its number, when, what, with which mark, and whether its work ends badly."""

    at: datetime
    write: str
    path: str
    mark: str
    fails: bool = False
    foreign: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """The lease of a task's record, with when its next sign of life is due."""

    task: Task
    held: lease.Held[Any]
    at: list[datetime]


class _Unbroken:
    """A lock: who holds it goes on without a pause, so that it need not be one in real time."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __enter__(self) -> None:
        self._count(1)

    def __exit__(self, *_: object) -> None:
        self._count(-1)

    def _count(self, by: int) -> None:
        if task := self._world.current:
            task.unbroken += by


class DrawnFuse(Fuse):
    """Each call to storage or Azure is a point at which another task goes on, the process dies, or storage fails."""

    world: World

    @contextmanager
    def call(self, name: str) -> Iterator[None]:
        """See `Fuse.call`."""
        if self.looking:
            yield
            return
        world, at_storage = self.world, name.startswith(STORAGE)
        world.count(name)
        world.before(name, at_storage=at_storage)
        fails = at_storage and world.storage_fails(name)
        if fails and world.drawn.random() < 0.5:
            world.failed(name, "before")
            raise unavailable()
        yield
        if fails:
            world.failed(name, "after")
            raise unavailable()
        if at_storage:
            world.heard()
        world.after(name, at_storage=at_storage)


class DrawnAzure(ServingAzure):
    """Azure, with answers that get lost and clients of its own; it keeps what took effect, in order."""

    world: World

    def _exchange(self, method: str, url: str, body: Any, files: Any) -> Response:
        return self.world.through(method, url, lambda: super(DrawnAzure, self)._exchange(method, url, body, files))

    def send_keyed(self, url: str, key: str, *, content: bytes, headers: Mapping[str, str], timeout_s: float) -> Response:
        """See `client.Client.send_keyed`."""
        if self.world.azure_fault("GET", url):
            raise lost(arrived=True)
        return super().send_keyed(url, key, content=content, headers=headers, timeout_s=timeout_s)

    def _answer(self, method: str, url: str, body: Any, files: Any) -> Response:
        before, failing = len(self.effects), set(self.failing)
        response = super()._answer(method, url, body, files)
        for effect in self.effects[before:]:
            path = effect.partition(" ")[2]
            mark = str(((body or {}).get("tags") or {}).get("mark", "")) if isinstance(body, dict) else ""
            fails = bool(failing - set(self.failing))
            self.world.took_effect(Effect(at=self.world.clock(), write=effect.partition(" ")[0], path=path, mark=mark, fails=fails))
            self._acted(f"{ML}/{path}")
        return response

    def _acted(self, path: str) -> None:
        """A compute instance says itself which action came last."""
        target, _, action = path.rpartition("/")
        known = self.resources.get(target.lower())
        if known and action in LAST_OPERATION and "/computes/" in path:
            last = {"operationName": action.title(), "operationTime": self.now().isoformat(), "operationStatus": "Succeeded"}
            known["properties"].setdefault("properties", {})["lastOperation"] = last

    def forget(self, path: str) -> None:
        """What was going on with a resource that is gone, and with those below it, is over."""
        self._tasks = {key: task for key, task in self._tasks.items() if not f"{key}/".startswith(f"{path}/")}

    def foreign(self, path: str, number: int) -> str:
        """Another client changes, or deletes, a resource; returns what it did."""
        known = self.get(path)
        if not known:
            return ""
        at = self.now().isoformat()
        if self.world.drawn.random() < 0.15:
            del self.resources[path.lower()]
            self.forget(path)
            return "DELETE"
        known["tags"] = {"mark": f"foreign {number}"}
        known["systemData"]["lastModifiedAt"] = at
        return "PATCH"


class DrawnModels(clean.Azure):
    """The Azure of a clean-up, with answers that get lost; it says what was deleted, and when."""

    world: World

    def send(self, method: str, url: str, *, body: Any = None, **more: Any) -> Response:
        """See `client.Client.send`."""
        return self.world.through(method, url, lambda: super(DrawnModels, self).send(method, url, body=body, **more))

    def _write(self, method: str, path: str, body: Any, url: str) -> Response:
        there = path in self.resources
        response = super()._write(method, path, body, url)
        if there:
            effect = Effect(at=self.world.clock(), write=method, path=path.removeprefix(f"{clean.WS}/"), mark="")
            self.world.took_effect(effect)
        return response


@dataclass(kw_only=True)
class World(Platform):
    """The platform, as one seed draws it.

    Attributes:
        seed, rates: What is drawn.
        effects: What took effect in Azure, in order.
        recoveries: Seconds from a kill until the record went on.
        poisoned: Messages that were given up.
        counts: Calls by name.
        trace: What happened, a line each.
        disturbed_at: When something last went wrong, so that work may have come to a halt.
        stranger: What another client does to a target that is shared.
        watch: Called with each effect.
    """

    seed: int = 0
    rates: Rates = field(default_factory=Rates)
    effects: list[Effect] = field(default_factory=list)
    recoveries: list[float] = field(default_factory=list)
    poisoned: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    trace: list[str] = field(default_factory=list)
    steward: Steward = field(default_factory=lambda: Steward(fuse=DrawnFuse()))

    def __post_init__(self) -> None:
        self.drawn = random.Random(self.seed)  # noqa: S311 - a run that can be repeated
        self.over = True  # nothing goes wrong while the world is being made
        fuse: Any = self.steward.fuse
        fuse.world = self
        self._tasks = Scheduler(self.steward.clock, self.drawn)
        super().__post_init__()
        azure = DrawnAzure(self.clock, self.fuse)
        azure.world = self
        # Azure says fractions of a second, also where this clock, which knows only hundredths, stands at a whole one.
        azure.ahead = timedelta(minutes=self.drawn.choice(SKEW_MINUTES), microseconds=1)
        self.steward.azure = azure
        if self.cleans:
            self.models = DrawnModels(clock=self.clock, fuse=self.fuse, resources=self.models.resources)
            self.models.world = self
        self.skews = tuple(timedelta(minutes=self.drawn.choice(SKEW_MINUTES)) for _ in range(PROCESSES))
        self.restart()
        self.fuse.answered = None
        self._beats: list[Beat] = []
        self._frozen: dict[int, datetime] = {}
        self._plans: list[tuple[datetime, int, Callable[[], None]]] = []
        self._outage_until, self._whole = self.clock(), False
        self._queues = {name: self.queue(name) for name in QUEUES}
        self._since: dict[str, datetime] = {}
        self._deaths: Counter[str] = Counter()
        self._foreign = 0
        self._numbers = itertools.count()
        self._heard: dict[int, datetime] = {}
        self._epoch = self.clock()
        self.disturbed_at = self.clock()
        self.stranger: Callable[[str], None] = self.foreign
        self.watch: Callable[[Effect], None] = lambda _effect: None
        self.over = False

    def _process(self, skew: timedelta) -> Any:
        """Begin a process; it hears storage's clock when it opens its tables."""
        self.app = super()._process(skew)
        self._answered()
        self.app.rule_store._guard = _Unbroken(self)  # the only locks that are held during calls
        self.app.lists._lock = lambda: _Unbroken(self)
        return self.app

    # What the models ask

    @property
    def azure(self) -> DrawnAzure:
        """Azure."""
        found: Any = self.steward.azure
        return found

    @property
    def current(self) -> Task | None:
        """The task that runs."""
        return self._tasks.current

    def say(self, what: str) -> None:
        """Note what happened."""
        name = self._tasks.current.name if self._tasks.current else "-"
        self.trace.append(f"{(self.clock() - self._epoch).total_seconds():10.3f} {name}: {what}")

    def count(self, name: str) -> None:
        """Count a call."""
        kind = name.split(" ", 2)
        self.counts[kind[0] if len(kind) == 1 else " ".join(kind[:2])] += 1

    def before(self, name: str, *, at_storage: bool) -> None:
        """Let others go on, or the process die, before a call takes effect."""
        task = self._tasks.current
        if task is None:
            return
        task.calls += 1
        self.say(name)
        if task.calls == 2:
            self._goes_on(task.record)
        if not at_storage:
            task.under_way = True
            self._pause(self._latency_s())
            task.under_way = False
        elif self.drawn.random() < self.rates.switch:
            self._pause(self.drawn.choice((0.0, 0.01, 0.01, 0.05, 0.3)))
        self._may_die("before", name)

    def after(self, name: str, *, at_storage: bool) -> None:
        """The answer of a call is on its way."""
        task = self._tasks.current
        if task is None:
            return
        self._may_die("after", name)
        if not at_storage:
            frozen = (self._frozen.get(id(task.process), self.clock()) - self.clock()).total_seconds()
            self._pause(max(frozen, self._latency_s()))
        elif not self.over and self.drawn.random() < self.rates.freeze:
            self._freeze(task)

    def storage_fails(self, name: str) -> bool:
        """Draw whether storage fails now: once, or for a while, its queues, too, or not."""
        if self.over:
            return False
        if self.clock() >= self._outage_until and self.drawn.random() < self.rates.outage:
            self._outage_until = self.clock() + timedelta(seconds=self.drawn.uniform(1, 30))
            self._whole = self.drawn.random() < 0.5
            self.say(f"an outage of storage begins{', queues and all' if self._whole else ''}")
        out = self.clock() < self._outage_until and (self._whole or not name.startswith("queue."))
        return out or self.drawn.random() < self.rates.storage

    def failed(self, name: str, when: str) -> None:
        """Storage failed: what is being recovered is measured from here."""
        self.say(f"storage fails {when} {name}")
        self._since.update(dict.fromkeys(self._since, self.clock()))
        self.disturbed_at = max(self.disturbed_at, self.clock())

    def heard(self) -> None:
        """A process heard storage's clock."""
        task = self._tasks.current
        if task and self._heard.get(id(task.process)) != self.clock():
            self._heard[id(task.process)] = self.clock()
            self.app = task.process
            self._answered()

    def azure_fault(self, method: str, path: str) -> str:
        """Draw what becomes of a request to Azure; other clients like to come when an answer was lost."""
        if self.over or self.drawn.random() >= (self.rates.reads if method == "GET" else self.rates.azure):
            return ""
        fault = self.drawn.choice(("refused", "throttled", "lost before", "lost after", "503 before", "503 after"))
        self.say(f"Azure: {fault} {method} {path.rpartition('/workspaces/')[2]}")
        if method in ("PUT", "PATCH", "DELETE") and self.shared(path) and self.drawn.random() < self.rates.foreign:
            self.plan(self.drawn.choice((0.0, 0.5, 3.0, 8.0, 40.0)), lambda: self.stranger(path))
        if self._tasks.current:
            self._disturbed([self._tasks.current], self.clock())
        return fault

    def through(self, method: str, url: str, exchange: Callable[[], Response]) -> Response:
        """Send a request to Azure, as far as it gets.

        Raises:
            TransientError: it, or its answer, was lost, or refused for now.
        """
        fault = self.azure_fault(method, url.partition("?")[0].partition(".com")[2])
        if fault == "refused":
            raise lost(arrived=False)
        if fault == "throttled":
            raise throttled(self.drawn.choice((1.0, 5.0, 20.0)))
        if fault == "lost before":
            raise lost(arrived=True)
        if fault == "503 before":
            raise errors.AzureUnavailableError("503", delay_s=10.0, maybe_arrived=True)
        response = exchange()
        if fault == "lost after":
            raise lost(arrived=True)
        if fault == "503 after":
            raise errors.AzureUnavailableError("503", delay_s=10.0, maybe_arrived=True)
        return response

    def took_effect(self, effect: Effect) -> None:
        """Azure carried a write out."""
        self.effects.append(effect)
        self.watch(effect)
        self.say(f"EFFECT {effect.write} {effect.path} {effect.mark}{' (will fail)' if effect.fails else ''}")

    def shared(self, path: str) -> bool:
        """Return whether other clients change a target, too."""
        return "foreign" in path or path == ENDPOINT

    def foreign(self, path: str) -> None:
        """Another client changes a target now."""
        self._foreign += 1
        if did := self.azure.foreign(path, self._foreign):
            effect = Effect(
                at=self.clock(), write=did, path=path.removeprefix(f"{ML}/"), mark=f"foreign {self._foreign}", foreign=True
            )
            self.took_effect(effect)

    # Time

    def plan(self, delay_s: float, what: Callable[[], None]) -> None:
        """Have something happen later."""
        self._plans.append((self.clock() + timedelta(seconds=delay_s), next(self._numbers), what))

    def spawn(
        self,
        name: str,
        work: Callable[[Any], None],
        ended: Callable[[Exception | None], None] = lambda _problem: None,
        *,
        record: str = "",
        died: Callable[[], None] = lambda: None,
    ) -> None:
        """Begin a task in one of the processes; `died` is called when that one dies."""
        awake = [app for app in self.apps if self._frozen.get(id(app), self.clock()) <= self.clock()]
        process = self.drawn.choice(awake or self.apps)
        task = Task(
            name=f"{name}@p{self.apps.index(process)}",
            process=process,
            work=lambda: work(process),
            ended=ended,
            record=record,
            died=died,
            wake_at=self.clock(),
        )
        self._tasks.spawn(task)

    def live(self, until: Callable[[], bool]) -> bool:
        """Let time pass until nothing is left to do; False when that does not come."""
        end, tick = self.clock() + QUIET, self.clock() + timedelta(seconds=TIMER_S)
        while self.clock() < end:
            self._receive()
            if self._tasks.tasks:
                running = self._tasks.next_at()
                if running and running <= self.clock():
                    self._tasks.run_one()
                    continue
            due = [at for at, _, _ in self._plans] + [tick] + [beat.at[0] for beat in self._beats]
            due += [] if not (running := self._tasks.next_at()) else [running]
            due += (
                [held.visible_at for held in self._held()]
                if len(self._tasks.tasks) < self.rates.at_once and not self._is_silent()
                else []
            )
            due += [self._outage_until] if self._is_silent() else []
            if not self._tasks.tasks and not self._plans and not self._held() and until() and self._is_quiet():
                return True
            self.clock.now = max(self.clock(), min(due))
            self._happen()
            if self.clock() >= tick:
                tick = self.clock() + timedelta(seconds=TIMER_S)
                for _ in range(2 if self._chance(self.rates.twice) else 1):
                    self.spawn("timer", machines.reconcile)
        return False

    def _is_quiet(self) -> bool:
        return not self.steward.open.rows and not self.steward.due_rows.rows

    def _held(self) -> list[Held]:
        return [held for queue in self._queues.values() for held in queue.messages]

    def _happen(self) -> None:
        """What was planned for now, and the signs of life of those at work."""
        now = self.clock()
        ready = sorted((plan for plan in self._plans if plan[0] <= now), key=lambda plan: plan[:2])
        self._plans = [plan for plan in self._plans if plan[0] > now]
        for _, _, what in ready:
            what()
        for beat in list(self._beats):
            if beat.at[0] > now:
                continue
            awake_at = self._frozen.get(id(beat.task.process), now)
            if awake_at > now:
                beat.at[0] = awake_at
                continue
            beat.at[0] = now + timedelta(seconds=lease.EVERY_S if beat.held.lost or beat.held.beat() else lease.AGAIN_S)

    @contextmanager
    def kept[K](self, known: K, renew: Callable[[K], K]) -> Iterator[lease.Held[K]]:
        """See `lease.kept`: a sign of life every few seconds, in virtual time."""
        held = lease.Held(known=known, renew=renew)
        task = self._tasks.current
        assert task
        beat = Beat(task=task, held=held, at=[self.clock() + timedelta(seconds=lease.EVERY_S)])
        self._beats.append(beat)
        try:
            yield held
        finally:
            if beat in self._beats:
                self._beats.remove(beat)

    def sleep(self, seconds: float) -> None:
        """Let a task wait for its turn."""
        self._pause(seconds)

    def _pause(self, seconds: float) -> None:
        """Let a task wait; but for one that opens a part of the app: the others would wait for it in real time."""
        task = self._tasks.current
        if task and not task.unbroken and not services._OpenedOnce._guard._is_owned():  # type: ignore[attr-defined]
            self._tasks.pause(seconds)

    # The platform's queues

    def _receive(self) -> None:
        while len(self._tasks.tasks) < self.rates.at_once and not self._is_silent():
            now = self.clock()
            waiting = [(name, held) for name, queue in self._queues.items() for held in queue.messages if held.visible_at <= now]
            if not waiting:
                return
            name, held = self.drawn.choice(waiting)
            held.dequeue_count += 1
            held.visible_at = now + timedelta(seconds=600)
            self._begin(name, held)

    def _is_silent(self) -> bool:
        """Return whether the queues give nothing out."""
        return self._whole and self.clock() < self._outage_until

    def _begin(self, name: str, held: Held) -> None:
        queue = self.queue(name)

        def work(app: Any) -> None:
            if held.dequeue_count > MAX_DEQUEUE:
                self.poisoned.append(held.text)
                poisoned = inbox.bury if name == "event_queue" else None
                poisoned(held.text, app, "every attempt failed") if poisoned else machines.poisoned(NAMES[name], held.text, app)
            elif name == "event_queue":
                inbox.take(held.text, app)
            else:
                machines.take(NAMES[name], held.text, app, again=held.dequeue_count > 1)

        def ended(problem: Exception | None) -> None:
            if problem is not None:
                self.say(f"failed: {type(problem).__name__} {problem}")
                held.visible_at = self.clock() + timedelta(seconds=RETRY_S)
                if not isinstance(problem, errors.TransientError):
                    raise problem
            elif self._chance(self.rates.twice):
                held.visible_at, held.dequeue_count = self.clock() + timedelta(seconds=self.drawn.uniform(0, 60)), 0
            else:
                queue.delete(held)

        self.spawn(_named(held.text), work, ended, record=_record(held.text))

    # Deaths

    def _chance(self, rate: float) -> bool:
        return not self.over and self.drawn.random() < rate

    def _latency_s(self) -> float:
        if self._chance(self.rates.slow):
            slow_s = self.drawn.uniform(5, 40)
            self.disturbed_at = max(self.disturbed_at, self.clock() + timedelta(seconds=slow_s))
            return slow_s
        return self.drawn.choice((0.05, 0.1, 0.2, 0.5, 1.5))

    def _may_die(self, when: str, name: str) -> None:
        task = self._tasks.current
        if task is None or not self._chance(self.rates.kill):
            return
        self.say(f"DIES {when} {name}")
        position = self.apps.index(task.process)
        dead = self._tasks.kill(task.process)
        self._beats = [beat for beat in self._beats if beat.task.process is not task.process]
        self.apps[position] = self._process(timedelta(minutes=self.drawn.choice(SKEW_MINUTES)))
        for each in dead:
            each.died()
            self._watch(each.record)
        self._disturbed(dead, self.clock())
        raise Killed

    def _freeze(self, task: Task) -> None:
        """Stop a process for a while: its tasks and its signs of life."""
        until = self.clock() + timedelta(seconds=self.drawn.uniform(5, 120))
        self.say(f"its process is frozen for {(until - self.clock()).total_seconds():.0f} s")
        self._frozen[id(task.process)] = until
        stopped = [each for each in self._tasks.tasks if each.process is task.process]
        for each in stopped:
            if each is not task and not each.under_way:
                each.wake_at = max(each.wake_at, until)
        self._disturbed(stopped, until)
        self._pause((until - self.clock()).total_seconds())

    def _disturbed(self, tasks: list[Task], at: datetime) -> None:
        """What was to be recovered by one of these tasks is measured from here; a timer looks after everything."""
        self.disturbed_at = max(self.disturbed_at, at)
        timer = any(task.name.startswith("timer") for task in tasks)
        for record in self._since if timer else {task.record for task in tasks} & self._since.keys():
            self._since[record] = max(self._since[record], at)

    def _watch(self, record: str) -> None:
        """Measure how long it takes until the work of a dead process goes on."""
        self.fuse.looking = True
        try:
            found = self.app.ledger.load(record)
            before = self.app.ledger.before(found.operation) if found and found.operation.ended else ""
            found = self.app.ledger.load(before) if before else found
        finally:
            self.fuse.looking = False
        if found and not found.operation.ended and (before or found.operation.phase != "waiting"):
            planned = self.clock() if before else found.operation.due_at - lease.LEASE
            self._since[found.operation.id] = max(self.clock(), planned)
            self._deaths[found.operation.id] += 1

    def _goes_on(self, record: str) -> None:
        began = self._since.pop(record, None)
        deaths = self._deaths.pop(record, 0)
        if began is not None and deaths <= 2:
            self.recoveries.append(max(0.0, (self.clock() - began).total_seconds()))
            self.say(f"{record[-8:]} goes on after {self.recoveries[-1]:.0f} s")


@contextmanager
def made(seed: int, rates: Rates | None = None, *, cleans: bool = False) -> Iterator[World]:
    """Make a world; ids, jitter and leases are drawn from its seed, too."""
    own = random.Random(f"ids {seed}")  # noqa: S311 - a run that can be repeated
    world: list[World] = []

    def kept(known: Any, renew: Any) -> Any:
        return world[0].kept(known, renew)

    def slept(seconds: float) -> None:
        world[0].sleep(seconds)

    with (
        mock.patch.object(secrets, "token_hex", lambda n=16: own.randbytes(n).hex()),
        mock.patch.object(secrets, "randbelow", own.randrange),
        mock.patch.object(lease, "kept", kept),
        mock.patch.dict(pacing.Paced.__init__.__kwdefaults__, sleep=slept),
    ):
        world.append(World(seed=seed, rates=rates or Rates(), cleans=cleans))
        try:
            yield world[0]
        finally:
            services.use(None)


def _named(text: str) -> str:
    try:
        message = messages.read(text, *messages.FORMS)
    except ValueError:
        return "event"
    return f"{message.machine} {str(message.key[0])[-8:]} {message.step}"


def _record(text: str) -> str:
    asked = json.loads(text)
    return str(asked.get("operation", "")) if isinstance(asked, dict) and "target" not in asked else ""
