"""The contract of every machine: it dies anywhere, storage fails anywhere, messages come twice, late and in any order, or are lost.

Whatever happens, each piece of work is done, once, and nothing is left lying about. A new row of `MACHINES` needs a case here.
"""

from __future__ import annotations

import functools
import itertools
import json
import math
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest

from shared import machines, services
from shared.api.call import Call
from shared.api.resources import provision
from shared.cleanup.facts import pacing
from shared.cleanup.run import claims, journal, runs
from shared.durable import due, messages, storage_clock, worker
from shared.durable.worker import Next
from shared.expiry import expiry_record
from shared.expiry.expiry_record import Expiry
from shared.hooks import events, firings, inbox, rule_store
from shared.hooks.firing_record import Firing
from shared.hooks.rules import Rule, Step
from shared.notify import deliveries, notices, notifications
from shared.operations import flows
from shared.recipes import recipe_fields, recipe_schedule, recipe_store, run_steps
from shared.recipes.recipe_run import Run as RecipeRun
from shared.rest import errors
from shared.rollouts import rollout_fields, rollout_record, rollouts
from shared.rollouts.rollout_record import Rollout
from shared.settings import Settings
from tests import tables
from tests.fake_azure import SUBSCRIPTION, WORKSPACE
from tests.fakes import START, FakeQueue, FakeRows, Held, Killed
from tests.serving_azure import ENDPOINT, Model, ServingAzure
from tests.steward import MAX_DEQUEUE, RETRY_S, TIMER_S, Steward
from tests.unit.cleanup.runs import conftest as clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.sweep
QUEUES = ("queue", "event_queue", "cleanup_queue", "notification_queue")
NAMES = {name: getattr(messages, constant) for name, constant in zip(
    QUEUES, ("QUEUE", "EVENT_QUEUE", "CLEANUP_QUEUE", "NOTIFICATION_QUEUE"), strict=True)}  # fmt: skip
POINTS = 5  # places of one life at which a fault is tried
LIMIT = timedelta(hours=30)
MOSTLY_LATE_S, MOST_LATE_S = 60.0, 120.0  # what a death may cost: nineteen times of twenty, and ever
COMPUTE = {"location": "westeurope", "properties": {"computeType": "AmlCompute"}}
JOB = {"properties": {"jobType": "Command", "command": "python train.py"}}
ML = "Microsoft.MachineLearningServices"
RULES = """
rules:
  - name: copied
    on: {types: [ModelRegistered]}
    oncePer: ${{ data.modelName }}
    do:
      - request: PUT workspaces/w1/computes/${{ data.modelName }}
        body: {location: westeurope, properties: {computeType: AmlCompute}}
      - request: DELETE workspaces/w1/computes/${{ data.modelName }}
  - name: quiet
    on: {types: [ModelRegistered]}
    oncePer: ${{ data.modelName }}
    debounce: 90s
    do:
      request: PUT workspaces/w1/computes/q-${{ data.modelName }}
      body: {location: westeurope, properties: {computeType: AmlCompute}}
"""


@dataclass(kw_only=True)
class Platform:
    """The app on storage in memory, and the platform around it: queues, timers, poison queues, processes that die.

    Attributes:
        cleans: Whether Azure is the clean-up's, a workspace with stale models, instead of the operations'.
        twice: Each message is delivered a second time, after the first worker has ended well.
        backwards: The queue gives out the newest message first.
        skews: How far the clocks of several processes are ahead; they take the messages in turn.
        bare: An event is in hand, and no record was made of it yet.
        died_bare: Then a process died: the platform brings the message again after ten minutes.
        settings: Settings of the app beside its scope.
    """

    cleans: bool = False
    twice: bool = False
    backwards: bool = False
    skews: tuple[timedelta, ...] = (timedelta(0),)
    bare: bool = False
    died_bare: bool = False
    settings: dict[str, Any] = field(default_factory=dict)
    steward: Steward = field(default_factory=Steward)

    def __post_init__(self) -> None:
        self.clock, self.fuse = self.steward.clock, self.steward.fuse
        self.steward.azure = ServingAzure(self.clock, self.fuse)
        names = {"hook_rows": "hooks", "delivery_rows": "deliveries", "cleanup_rows": "cleanup", "cost_rows": "costs"}
        self.tables = {name: FakeRows(kind, self.fuse, self.clock) for name, kind in names.items()}
        self.cleanup_queue, self.told = FakeQueue(self.clock, self.fuse), FakeQueue(self.clock, self.fuse)
        if self.cleans:
            self.clock.now = clean.NOW
            stage = clean.staged()
            stage.azure.clock, stage.azure.fuse = self.clock, self.fuse
            self.models = stage.azure
        self.restart()
        self.fuse.answered = self._answered

    def _answered(self) -> None:
        """Storage's answers have its clock."""
        self.app.clock.heard(format_datetime(self.clock().replace(microsecond=0), usegmt=True), 0.0)

    def restart(self) -> None:
        """Begin new processes on the same storage, one for each clock."""
        self.apps = [self._process(skew) for skew in self.skews]
        self._turn()

    def _turn(self) -> None:
        """It is the next process's turn."""
        self.app: Any = self.apps[0]
        self.apps = [*self.apps[1:], self.app]
        services.use(self.app)

    def _process(self, skew: timedelta) -> Any:
        process = self.steward.restart()
        settings = Settings(
            subscription_id=clean.SUBSCRIPTION if self.cleans else SUBSCRIPTION,
            resource_group="rg" if self.cleans else "rg1",
            **{"callback_hosts": ("queue:told",), **self.settings},
        )
        clock = storage_clock.StorageClock(lambda: self.clock() + skew)
        app: Any = services.Services(settings=settings, clock=clock)
        own = {name: getattr(process, name) for name in ("client", "addresses", "ledger", "due", *QUEUES[:2], QUEUES[3])}
        own |= {
            "access_rows": self.steward.access_rows,
            "reads": pacing.Buckets(self.clock.seconds),
            "blobs": self.steward.blobs,
            "cleanup_queue": self.cleanup_queue,
            "queue_named": lambda _name: self.told,
        }
        if self.cleans:
            own |= {"client": self.models, "addresses": self.models}
        app.__dict__.update(own | self.tables)
        return app

    def queue(self, name: str) -> FakeQueue:
        """Return one of the app's queues."""
        found: FakeQueue = getattr(self.app, name)
        return found

    def drive(self, done: Callable[[], bool] = lambda: False) -> datetime:
        """Let the platform work until nothing is open, due or queued; returns when all was `done`, or when it was quiet."""
        at = None
        end, tick = self.clock() + LIMIT, self.clock() + timedelta(seconds=TIMER_S)
        while self.clock() < end:
            try:
                while self._deliver():
                    pass
                if self.clock() >= tick:
                    tick = self.clock() + timedelta(seconds=TIMER_S)
                    self._tick()
                    continue
            except Killed:
                self.died_bare = self.bare
                self.restart()
                continue
            at = (at or self.clock()) if done() else None
            waiting = [held.visible_at for name in QUEUES for held in self.queue(name).messages]
            if not waiting and not self.steward.open.rows and not self._pending():
                return at or self.clock()
            self.clock.now = max(self.clock(), min([tick, *waiting]))
        left = {name: [held.text for held in self.queue(name).messages] for name in QUEUES}
        raise AssertionError(f"not quiet: {left}, {list(self.steward.due_rows.rows.values())}")

    def _pending(self) -> list[Any]:
        """Return the entries of the due index, but for the next start of a schedule in a year: that is none of this life."""
        far = self.clock() + timedelta(days=300)
        rows = self.steward.due_rows.rows.values()
        return [row for row in rows if row.columns["machine"] != "schedule" or row.columns[due.LOOK_AT] < far]

    def _tick(self) -> None:
        self._turn()
        try:
            machines.reconcile(self.app)
        except errors.TransientError:
            return  # the platform fires it again a minute later

    def _deliver(self) -> bool:
        self._turn()
        for name in QUEUES:
            queue = self.queue(name)
            if self.backwards:
                queue.messages.reverse()
            if held := queue.receive():
                for _ in range(2 if self.twice else 1):
                    if not self._taken(name, held):
                        return True
                queue.delete(held)
                return True
        return False

    def _taken(self, name: str, held: Held) -> bool:
        try:
            if name == "event_queue":
                self.bare = '"firing"' not in held.text
                inbox.take(held.text, self.app)
                self.bare = False
            else:
                machines.take(NAMES[name], held.text, self.app, again=held.dequeue_count > 1)
        except errors.TransientError:
            assert held.dequeue_count < MAX_DEQUEUE, f"poisoned: {held.text}"
            held.visible_at = self.clock() + timedelta(seconds=RETRY_S)
            return False
        return True


@dataclass(frozen=True, kw_only=True)
class Case:
    """Work for a machine.

    Attributes:
        begin: What a caller, an event or a timer asks for; asked again, under the same name, until it was accepted.
        done: What came of it, each effect once, as it must be.
        found: Reads that from the world.
        wait: Makes open record number n of the machine.
    """

    begin: Callable[[Platform], Any]
    done: Any
    found: Callable[[Platform], Any]
    wait: Callable[[Platform, int], Any]
    cleans: bool = False


def _registered() -> events.Event:
    data = {"ModelName": "credit", "ModelVersion": "1", "ModelTags": {}, "ModelProperties": {}}
    return events.Event(id="credit-1", source=WORKSPACE, type=f"{ML}.ModelRegistered", subject="models/credit:1", data=data)


def _happens(world: Platform) -> None:
    world.steward.blobs.blobs[f"{rule_store.PREFIX}a.yaml"] = RULES.encode()
    inbox.store([_registered()], world.app)


def _fired(world: Platform) -> Any:
    counts = [world.steward.azure.count(effect) for effect in (
        "^PUT workspaces/w1/computes/credit$", "^DELETE workspaces/w1/computes/credit$", "^PUT.*/q-credit$")]  # fmt: skip
    return sorted((each.rule.name, each.status) for each in firings.newest(9, world.app)), counts


def _worked(world: Platform) -> Any:
    assert not [name for _, name in world.steward.rows.rows if name == "lane"]
    assert not [name for name in world.steward.blobs.blobs if "/content/" in name]
    azure = world.steward.azure
    return [each.status for each in world.app.ledger.newest(top=9)], azure.count("^PUT workspaces/w1/jobs/")


def _asked(world: Platform, path: str = "workspaces/w1/jobs", key: str = "k1", **more: Any) -> Any:
    files = {} if "computes" in path else {"code": clean_zip()}
    body = COMPUTE if "computes" in path else JOB
    method = "PUT" if "computes" in path else "POST"
    request = world.steward.request(method, path, body, idempotency_key=key, files=files, **more)
    return flows.submit(request, world.app)


def clean_zip() -> bytes:
    """Return a zip with one file."""
    import io
    import zipfile

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(zipfile.ZipInfo("train.py"), "print(1)")
    return out.getvalue()


def _told(world: Platform) -> Any:
    (operation,) = world.app.ledger.newest(top=9)
    ids = {held.text.split('"id":"')[1].split('"')[0] for held in world.told.messages}
    return [each.status for each in deliveries.of(operation.id, world.app)], len(ids)


def _made_to_expire(world: Platform) -> None:
    headers = {"expires-in": "PT2M", "idempotency-key": "k1", "content-type": "application/json"}
    body = json.dumps(COMPUTE).encode()
    provision.change(Call(method="PUT", path="workspaces/w1/computes/gpu", headers=headers, body=body), world.app)


def _expired(world: Platform) -> Any:
    found = list(expiry_record.table(world.app.cleanup_rows).find(least={"expires_at": world.clock() - LIMIT}))
    azure = world.steward.azure
    ends = [each for each in world.app.ledger.newest(top=9) if each.method == "DELETE"]
    early = [each.id for each in ends if each.sent_at and each.sent_at < found[0].value.at]
    return [each.value.status for each in found], early, azure.count("^PUT .*/gpu$"), azure.count("^DELETE .*/gpu$")


def _cleaned(mode: str) -> Callable[[Platform], Any]:
    def begin(world: Platform) -> None:
        if not list(world.app.journal.runs()):
            asked = runs.Asked(mode=mode, caller="a test")  # type: ignore[arg-type]
            runs.start([clean.policy(name="models")], asked, world.app)

    return begin


def _reported(world: Platform) -> Any:
    ended = [(run.status, run.totals["looked"], run.totals["outcomes"]) for run in world.app.journal.runs()]
    return ended, sorted(world.models.writes)


COOKED = """
steps:
  one: {request: PUT workspaces/w1/computes/one, needs: [], body: {location: westeurope, properties: {computeType: AmlCompute}}}
  two: {request: PUT workspaces/w1/computes/two, needs: [], body: {location: westeurope, properties: {computeType: AmlCompute}}}
  rest: {wait: PT2M, needs: [one, two]}
  seen: {until: GET workspaces/w1/computes/two, expect: status == `200`, every: PT10S}
  gone: {request: "DELETE workspaces/w1/computes/${{ steps.one.result.name }}"}
"""


def _recipe_run(name: str, world: Platform, text: str = COOKED) -> RecipeRun:
    now = world.clock()
    return RecipeRun(id=name, recipe=recipe_fields.parse(text), caller="a test", created_at=now, due_at=now, notify=("queue:told",))


def _cooked(world: Platform) -> Any:
    counts = [world.steward.azure.count(f"^{effect}$") for effect in (
        "PUT workspaces/w1/computes/one", "PUT workspaces/w1/computes/two", "DELETE workspaces/w1/computes/one")]  # fmt: skip
    ids = {held.text.split('"id":"')[1].split('"')[0] for held in world.told.messages}
    found = run_steps.table(world.app).newest(9, partition=run_steps.PARTITION)
    return [(run.status, [run.taken(step.name).state for step in run.recipe.steps]) for run in found], counts, len(ids)


def _open_recipe(world: Platform, number: int) -> Any:
    run = _recipe_run(f"{number:032x}", world, "steps: {a: {wait: P1D}}")
    run_steps.begin(run, world.app)
    known = run_steps.load(run.id, world.app)
    return known, known and known.value


def _kept_with_a_schedule(world: Platform) -> None:
    step = {"request": "PUT workspaces/w1/computes/one", "body": COMPUTE}
    text = json.dumps({"schedule": "0 2 9 2 3 *", "steps": {"one": step}})
    recipe_schedule.put(recipe_store.Kept(name="yearly", text=text, by="a test"), world.app)


def _cooked_in_time(world: Platform) -> Any:
    known, at = recipe_schedule._load("yearly", world.app), START + timedelta(minutes=2)
    found = run_steps.table(world.app).newest(9, partition=run_steps.PARTITION)
    ended = [(run.status, run.created_at < at, known and known.value.last_run == run.id) for run in found]
    return ended, world.steward.azure.count("^PUT workspaces/w1/computes/one$"), known and known.value.last_at == at


def _open_schedule(world: Platform, number: int) -> Any:
    now = world.clock()
    made = recipe_schedule.Schedule(name=f"s{number}", since=now, asked_at=now, due_at=now)
    known = recipe_schedule._table(world.app).insert(made)
    return known, replace(made, due_at=now + timedelta(seconds=WAIT_S), step=1)


def _open_operation(world: Platform, number: int) -> Any:
    operation = flows.submit(world.steward.request("PUT", f"workspaces/many{number}", COMPUTE), world.app)
    known = world.app.ledger.load(operation.id)
    return known, known.operation


def _open_firing(world: Platform, number: int) -> Any:
    rule = Rule(name="r", types=("*",), steps=(Step(name="s", method="GET", path="health"),))
    now = world.clock()
    firing = Firing(id=f"{number:040x}", rule=rule, document={}, depth=1, created_at=now, due_at=now)
    firings.begin(firing, world.app)
    known = firings.load(firing.id, world.app)
    return known, known and known.value


def _open_delivery(world: Platform, number: int) -> Any:
    notice = notices.Notice(about=f"a{number}", type="t", subject="s", at=world.clock(), data={})
    notifications.tell(notice, ("queue:told",), world.app)
    (delivery,) = deliveries.of(notice.about, world.app)
    known = deliveries.table(world.app).load(delivery.about, delivery.key)
    moved = replace(delivery, tried=2, next_at=world.clock() + timedelta(seconds=WAIT_S))
    return known, moved


def _open_run(world: Platform, number: int) -> Any:
    name = journal.new_name(world.clock(), str(number))
    run = journal.Run(name=name, mode="dryRun", caller="a test", created_at=world.clock(), due_at=world.clock())
    world.app.journal.insert(run)
    return world.app.journal.load(name), run


def _open_unit(world: Platform, number: int) -> Any:
    run = journal.Run(
        name=RUN, mode="dryRun", caller="a test", created_at=world.clock(), due_at=world.clock(), phase="survey", round=1
    )
    world.app.journal.insert(run)
    world.app.journal.enter(RUN, [journal.Unit(key=f"{number:020x}", due_at=world.clock())]) if not number else None
    world.tables["cleanup_rows"].put(journal._unit_row(RUN, journal.Unit(key=f"{number:020x}", due_at=world.clock())))
    held = claims.load(run, f"{number:020x}", world.app)
    return held, held and held.unit


def _open_expiry(world: Platform, number: int) -> Any:
    now = world.clock()
    made = Expiry(
        id=f"{number:020x}-{number:020x}",
        target=f"{WORKSPACE}/computes/c{number}",
        kind="computeCluster",
        act="delete",
        at=now + timedelta(seconds=WAIT_S),
        created_at=now,
        due_at=now,
        made={"systemData.createdAt": "2026-03-02"},
    )
    known = expiry_record.table(world.app.cleanup_rows).insert(made)
    return known, replace(made, due_at=now + timedelta(seconds=WAIT_S))


def _rolled(number: int = 0, **plan: Any) -> Rollout:
    asked = {"deployment": "green", "body": {"like": "blue", "model": "azureml:green:1"}, "keepOld": "PT10M", "bake": "PT2M"}
    asked |= {"steps": [20, 100], "golden": [{"send": 1}], "gate": {"errorRate": {"atMost": 0.1}}}
    return Rollout(
        id=f"{number:020x}", endpoint=f"{ENDPOINT}{number or ''}", plan=rollout_fields.parse({**asked, **plan}), caller="a test",
        created_at=START, due_at=START, notify=("queue:told",), traffic={"blue": 100},
        before={"traffic": {"blue": 100}, "mirror": {}},
    )  # fmt: skip


def _rolls(world: Platform) -> None:
    azure: Any = world.steward.azure
    if azure.get(ENDPOINT) is None:
        azure.serve(green=Model())
    rollouts.begin(
        replace(_rolled(), stamps={"blue": azure.get(f"{ENDPOINT}/deployments/blue")["systemData"]["lastModifiedAt"]}), world.app
    )


def _rolled_out(world: Platform) -> Any:
    azure: Any = world.steward.azure
    (found,) = rollouts.newest(ENDPOINT, 9, world.app)
    events = {json.loads(held.text)["id"]: json.loads(held.text)["type"].rpartition(".")[2] for held in world.told.messages}
    counts = [azure.count(effect) for effect in ("^PUT.*/green$", "^PUT.*/echo$", "^DELETE")]
    return found.status, azure.traffic(), counts, sorted(events.values())


def _open_rollout(world: Platform, number: int) -> Any:
    rollout = replace(_rolled(number + 1), stage="step", since=world.clock(), stamps={})
    known = rollout_record.insert(rollout, world.app.cleanup_rows)
    return known, replace(rollout, due_at=world.clock() + timedelta(seconds=WAIT_S), step=1)


RUN = "20260302T090000Z-00000000"
WAIT_S = 600.0
MANY = 250
GONE = ["DELETE models/old/versions/1", "DELETE models/older/versions/1"]
CASES: dict[str, Case] = {
    "operation": Case(begin=_asked, done=(["Succeeded"], 1), found=_worked, wait=_open_operation),
    "firing": Case(
        begin=_happens, done=([("copied", "Succeeded"), ("quiet", "Succeeded")], [1, 1, 1]), found=_fired, wait=_open_firing
    ),
    "recipe": Case(
        begin=lambda world: run_steps.begin(_recipe_run("a" * 32, world), world.app),
        done=([("Succeeded", ["Succeeded"] * 5)], [1, 1, 1], 1),
        found=_cooked,
        wait=_open_recipe,
    ),
    "delivery": Case(
        begin=lambda world: _asked(world, "workspaces/w1/computes/cpu", notify=("queue:told",)),
        done=(["Delivered"], 1),
        found=_told,
        wait=_open_delivery,
    ),
    "run": Case(
        begin=_cleaned("enforce"),
        done=([("Completed", 8, {"deleted": 2, "kept": 6})], GONE),
        found=_reported,
        wait=_open_run,
        cleans=True,
    ),
    "unit": Case(
        begin=_cleaned("dryRun"),
        done=([("Completed", 8, {"would delete": 2, "kept": 6})], []),
        found=_reported,
        wait=_open_unit,
        cleans=True,
    ),
    "expiry": Case(begin=_made_to_expire, done=(["Done"], [], 1, 1), found=_expired, wait=_open_expiry),
}
CASES["rollout"] = Case(
    begin=_rolls,
    done=("Succeeded", {"green": 100}, [1, 2, 1], ["begun", "step", "step", "succeeded"]),
    found=_rolled_out,
    wait=_open_rollout,
)
CASES["schedule"] = Case(
    begin=_kept_with_a_schedule,
    done=([("Succeeded", False, True)], 1, True),
    found=_cooked_in_time,
    wait=_open_schedule,
)
named = pytest.mark.parametrize("name", CASES)


@pytest.fixture(autouse=True)
def _no_services() -> Iterator[None]:
    yield
    services.use(None)


def _lived(case: Case, world: Platform) -> float:
    """Ask until it is accepted, let the platform work, and see that everything was done once; returns after how many seconds."""
    began = world.clock()

    def done() -> bool:
        world.fuse.looking = True
        try:
            return bool(case.found(world) == case.done)
        except Exception:  # noqa: BLE001 - half done, it need not even be readable
            return False
        finally:
            world.fuse.looking = False

    for _ in range(60):
        try:
            case.begin(world)
            break
        except Killed:
            world.restart()
        except errors.TransientError:
            world.clock.advance(1)
    ended = world.drive(done)
    world.fuse.disarm()
    assert case.found(world) == case.done, world.fuse.calls[-40:]
    assert not [blob for blob in world.steward.blobs.blobs if blob.startswith(("poison/", "hooks/dead/"))]
    return (ended - began).total_seconds()


@functools.cache
def _undisturbed(name: str) -> tuple[float, int]:
    """Live without a fault; returns after how many seconds all was done, and how many calls that took."""
    world = Platform(cleans=CASES[name].cleans)
    before = len(world.fuse.calls)
    return _lived(CASES[name], world), len(world.fuse.calls) - before


def _places(name: str) -> list[int]:
    """Return the calls of a whole life at which a fault is tried: a sample by day, all of them in `make nightly`."""
    _, calls = _undisturbed(name)
    return tables.sample(range(1, calls + 1), POINTS, seed=str(CASES[name].done))


def test_every_machine_has_a_case() -> None:
    """And every record keeps what a later version stored beside what we know."""
    assert set(CASES) == {machine.name for machine in machines.MACHINES}
    assert all("unknown" in machine.record.__dataclass_fields__ for machine in machines.MACHINES)


@named
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_it_dies_anywhere(name: str, after: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """At a call to storage, queue or Azure, before or after that took effect; it goes on within two minutes, mostly within one."""
    case, late_s = CASES[name], []
    undisturbed_s, _ = _undisturbed(name)
    for nth in _places(name):
        world = Platform(cleans=case.cleans)
        world.fuse.blow(nth, after=after)
        took_s = _lived(case, world)
        late_s += [] if world.died_bare else [took_s - undisturbed_s]
    assert max(late_s) <= MOST_LATE_S
    assert sorted(late_s)[-1 - math.ceil(len(late_s) / 20)] <= MOSTLY_LATE_S, sorted(late_s)  # all but one in twenty


@named
@pytest.mark.parametrize("calls", [1, 4], ids=["once", "for-a-while"])
def test_storage_fails_anywhere(name: str, calls: int) -> None:
    """Before or after a call took effect; the queue works on while an outage lasts."""
    for nth, after in itertools.product(_places(name)[::calls], (False, True)):
        world = Platform(cleans=CASES[name].cleans)
        world.fuse.fail(nth, after=after, calls=calls, spared="" if calls == 1 else "queue.")
        _lived(CASES[name], world)


@named
@pytest.mark.parametrize("how", ["twice", "backwards"])
def test_messages_come_twice_and_in_any_order(name: str, how: str) -> None:
    """The queue promises neither once nor an order."""
    _lived(CASES[name], Platform(cleans=CASES[name].cleans, **{how: True}))  # type: ignore[arg-type]


@named
def test_any_message_is_lost(name: str) -> None:
    """A timer finds the record by its entry in the due index."""
    case = CASES[name]
    own = len(_losing(Platform(cleans=case.cleans), name, 0, case))
    for nth in sorted({1, own, *range(1, own, max(1, own // POINTS))}):
        _losing(Platform(cleans=case.cleans), name, nth, case)


@named
@pytest.mark.parametrize("skews", [(15, -15), (-15, 15), (15,), (-15,), (-1, 1, 15)], ids=str)
def test_clocks_apart_lose_nothing_and_do_nothing_early(name: str, skews: tuple[int, ...]) -> None:
    """Storage's clock decides, whatever the processes' own say: by minutes, and of several that share the work."""
    case = CASES[name]
    undisturbed_s, _ = _undisturbed(name)
    took_s = _lived(case, Platform(cleans=case.cleans, skews=tuple(timedelta(minutes=each) for each in skews)))
    assert -2.0 <= took_s - undisturbed_s <= MOSTLY_LATE_S


def _losing(world: Platform, name: str, nth: int, case: Case) -> list[str]:
    """Live while the queues lose the machine's own message number `nth`; returns all of its messages."""
    sent: list[str] = []
    for queue in (world.queue(each) for each in QUEUES):

        def lossy(text: str, *, delay_s: float = 0.0, queue: FakeQueue = queue, send: Any = queue.send) -> None:
            send(text, delay_s=delay_s)
            try:
                own = messages.read(text, *messages.FORMS).machine == name
            except ValueError:  # an event
                return
            sent.extend([text] if own else [])
            if own and len(sent) == nth:
                queue.messages.pop()

        queue.send = lossy  # type: ignore[method-assign]
    _lived(case, world)
    return sent


@named
def test_with_many_open_and_none_due_the_queue_is_empty_and_nothing_is_read(name: str) -> None:
    """The platform's scaler counts invisible messages, too; a tick asks the index, and it holds the moments."""
    (machine,) = (each for each in machines.MACHINES if each.name == name)
    world = Platform(cleans=CASES[name].cleans and name != "operation")
    queue = machine.send(world.app)
    for number in range(MANY):
        known, value = CASES[name].wait(world, number)
        queue.messages.clear()  # type: ignore[attr-defined]
        worker.record(machine, Next(known=known, value=value, delay_s=WAIT_S), world.app)
        assert not queue.messages  # type: ignore[attr-defined]
    world.steward.due_rows.rows = {place: row for place, row in world.steward.due_rows.rows.items() if due.WAKE_AT in row.columns}
    world.clock.advance(61)
    calls = len(world.fuse.calls)
    machines.reconcile(world.app)
    assert sorted(world.fuse.calls[calls:]) == ["due.query", "open.query"]
    assert not queue.messages  # type: ignore[attr-defined]
    world.clock.advance(WAIT_S - 61 - TIMER_S)
    machines.reconcile(world.app)
    pages = [held for held in world.queue("queue").messages if "overdue" in held.text]  # what is more than a tick looks after
    for held in pages:
        world.queue("queue").delete(held)
        machines.take(messages.QUEUE, held.text, world.app)
    delays = [(held.visible_at - world.clock()).total_seconds() for held in queue.messages]  # type: ignore[attr-defined]
    assert (len(delays), {round(each) for each in delays}) == (MANY, {round(TIMER_S)})
    calls = len(world.fuse.calls)
    world.clock.advance(1)
    machines.reconcile(world.app)
    assert sorted(world.fuse.calls[calls:]) == ["due.query", "open.query"]


@named
def test_a_long_invisible_message_of_the_version_before_is_taken(name: str) -> None:
    """It waits on the queue instead of in the index, and is read when it comes."""
    (machine,) = (each for each in machines.MACHINES if each.name == name)
    world = Platform(cleans=CASES[name].cleans)
    known, _ = CASES[name].wait(world, 0)
    message = worker._read((machine,), machine.message(known), again=False)[1]
    found = machine.load(message, world.app)
    assert found is not None
    assert not machine.stale(found, message)
    assert isinstance(machine.due_at(found), datetime)


# What the timer of version 0.2.0 asked for, at a moment: its own columns say when a record is overdue, or is to be queued.
BEFORE: dict[str, Callable[[Platform], Any]] = {
    "operation": lambda world: [row for row in world.steward.open.rows.values() if row.columns["look_at"] <= world.clock()],
    "firing": lambda world: world.app.hook_rows.query(
        partition="firing", equal={"status": "Running"}, below={"due_at": world.clock()}
    ),
    "recipe": lambda world: world.app.hook_rows.query(
        partition="recipe", equal={"status": "Running"}, below={"due_at": world.clock()}
    ),
    "schedule": lambda world: world.app.hook_rows.query(
        partition="schedule", equal={"scheduled": True}, below={"due_at": world.clock()}
    ),
    "delivery": lambda world: world.app.delivery_rows.query(
        equal={"status": "Pending"}, below={"next_at": world.clock() - notifications.GRACE}
    ),
    "run": lambda world: [run for run in world.app.journal.runs(only_open=True) if run.due_at <= world.clock()],
    "rollout": lambda world: world.app.cleanup_rows.query(equal={"rolling": True}, below={"due_at": world.clock()}),
    "unit": lambda world: [each for each in world.app.journal.units(RUN) if each.value.due_at <= world.clock()],
    "expiry": lambda world: world.app.cleanup_rows.query(equal={"expiring": True}, below={"due_at": world.clock()}),
}


@named
def test_the_version_before_finds_what_waits_after_a_rollback(name: str) -> None:
    """Its message is on no queue, and the version before knows no due index: its own columns name the moment."""
    (machine,) = (each for each in machines.MACHINES if each.name == name)
    world = Platform(cleans=CASES[name].cleans and name != "operation")
    known, value = CASES[name].wait(world, 0)
    worker.record(machine, Next(known=known, value=value, delay_s=WAIT_S), world.app)
    assert not list(BEFORE[name](world))
    world.clock.advance(WAIT_S + 400)
    assert len(list(BEFORE[name](world))) == 1
    if name == "operation":
        (row,) = world.steward.open.rows.values()
        assert {"look_at", "wake_at", "step", "target", "created_at"} == set(row.columns)


@named
def test_a_record_of_an_older_version_without_an_entry_is_found(name: str) -> None:
    """Every quarter of an hour the tables themselves are asked, besides the index."""
    world = Platform(cleans=CASES[name].cleans and name != "operation")
    CASES[name].wait(world, 0)
    for queue in QUEUES:
        world.queue(queue).messages.clear()
    world.steward.due_rows.rows.clear()
    for place, row in world.steward.open.rows.items():  # version 0.1.0 noted no moment
        columns = {column: row.columns[column] for column in ("target", "created_at")}
        world.steward.open.rows[place] = replace(row, columns=columns)
    world.clock.advance(3600)
    machines.reconcile(world.app)
    queued = [messages.read(held.text, *messages.FORMS).machine for queue in QUEUES for held in world.queue(queue).messages]
    assert queued.count(name) == 1
    assert sum(len(world.queue(queue).messages) for queue in QUEUES) >= 1
