"""What the simulation found, each as the smallest case that shows it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shared.durable import due, worker
from shared.hooks import events, firings, inbox, rule_store
from shared.operations import ledger
from shared.recipes import run_steps
from tests.fake_azure import DURATION_S, ML
from tests.fakes import Killed
from tests.faults.test_every_machine import MOST_LATE_S, RULES, Platform, _recipe_run, _registered
from tests.steward import TIMER_S, Steward

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.operations.models import Operation
    from tests.fakes import FakeQueue

BODY: dict[str, Any] = {"location": "westeurope", "properties": {}}
WORKSPACE = "workspaces/w2"


def test_an_outage_of_tables_and_queues_ends_no_operation() -> None:
    """Seed 32: the step's message was in the poison queue within a minute, and an operation that lacked nothing was `Failed`."""
    steward = Steward()
    operation = steward.submit("PUT", WORKSPACE, BODY)
    steward.clock.advance(30)
    steward.fuse.fail(1, after=False, calls=12)  # a read and a send at each of its deliveries
    steward.drive()
    assert (steward.load(operation).status, steward.poisoned) == ("Succeeded", [])


def _until_ended(steward: Steward, operation: Any) -> float:
    """Let time pass until an operation has ended; returns in how many seconds."""
    began = steward.clock()
    while not steward.load(operation).ended:
        while steward.step():
            pass
        steward.clock.advance(TIMER_S)
        steward._reconcile()
        assert steward.clock() - began < timedelta(hours=2)
    return (steward.clock() - began).total_seconds()


def test_what_waited_long_for_its_turn_is_found_as_soon_as_anything_else() -> None:
    """Seed 0: the timer looked ever more rarely at what waited, and went on so when its turn had come: 400 seconds to recover."""
    steward = Steward()
    first, *_, last = [
        steward.submit("PATCH" if n else "PUT", WORKSPACE, BODY if not n else {"tags": {"n": str(n)}}) for n in range(20)
    ]
    while steward.load(last).phase != "following":
        while steward.step():
            pass
        steward.clock.advance(TIMER_S)
        steward._reconcile()
    assert steward.clock() - steward.load(first).created_at > timedelta(minutes=10)
    steward.queue.messages.clear()  # the process died with it
    assert _until_ended(steward, last) < MOST_LATE_S


def test_what_was_lost_again_and_again_is_found_soon_when_it_has_gone_on() -> None:
    """The pauses that double are over with the first step that is taken, for every machine."""
    world, lost = Platform(), timedelta(minutes=17)
    began, late = world.clock(), []
    queue: FakeQueue = world.steward.queue

    def lossy(text: str, *, delay_s: float = 0.0, send: Any = queue.send) -> None:
        send(text, delay_s=delay_s)
        if '"recipe"' in text:
            late.extend([world.clock()] if world.clock() - began >= lost else [])
            if world.clock() - began < lost or len(late) == 2:
                queue.messages.pop()

    queue.send = lossy  # type: ignore[method-assign]
    run_steps.begin(_recipe_run("a" * 32, world, "steps: {rest: {wait: PT30S}, more: {wait: PT30S}}"), world.app)
    world.drive()
    assert (late[2] - late[1]).total_seconds() < MOST_LATE_S


@pytest.mark.parametrize("action", ["start", "restart"])
def test_what_azure_takes_in_after_the_lease_is_not_sent_again(action: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seed 56 of 100: a process was frozen in its send, the look came before the effect, and the instance was started twice."""
    steward = Steward()
    made = {"operationName": "Create", "operationTime": (steward.azure.now() - timedelta(days=7)).isoformat()}
    own = {"lastOperation": {**made, "operationStatus": "Succeeded"}}
    steward.azure.put(f"{ML}/workspaces/w1/computes/ci", {"properties": {"computeType": "ComputeInstance", "properties": own}})
    sent: list[Any] = []
    send = steward.azure.send

    def frozen(method: str, url: str, **more: Any) -> Any:
        if method == "POST" and not sent:
            sent.append((method, url, more))
            raise Killed
        return send(method, url, **more)

    monkeypatch.setattr(steward.azure, "send", frozen)
    operation = steward.submit("POST", f"workspaces/w1/computes/ci/{action}", respond_async=True)
    with pytest.raises(Killed):
        steward.step()
    steward.restart()
    steward.queue.messages.clear()
    began = steward.clock()
    while steward.clock() - began < timedelta(seconds=40):
        while steward.step():
            pass
        steward.clock.advance(1)
        steward._reconcile()
    method, url, more = sent[0]
    send(method, url, **more)
    last = steward.azure.get(f"{ML}/workspaces/w1/computes/ci")["properties"]["properties"]["lastOperation"]
    last |= {"operationName": action.title(), "operationTime": steward.azure.now().isoformat()}
    assert _until_ended(steward, operation) < MOST_LATE_S
    assert steward.load(operation).status == "Succeeded"
    assert [each for each in steward.azure.effects if each.startswith("POST")] == [f"POST workspaces/w1/computes/ci/{action}"]


@pytest.mark.parametrize(
    "moment",
    [
        # Seed 77: what had waited long woke by its own entry alone, which the timer looked at ever more rarely: 180 seconds.
        lambda first, _second: first.status == "Succeeded",
        # Seed 869 of 100: it no longer waited, its message was not sent, and its entry was that of one that waits: 160 seconds.
        lambda _first, second: second.phase != "waiting",
    ],
    ids=["at the end of the one before it", "as it was woken"],
)
def test_the_next_in_a_lane_is_found_soon_when_a_worker_died(moment: Callable[[Operation, Operation], bool]) -> None:
    """Its own entry is a quarter of an hour away by then."""
    steward = Steward()
    first, second = (steward.submit("PUT", WORKSPACE, BODY) for _ in range(2))
    row = steward.open.rows[second.partition, second.suffix]
    steward.open.put(replace(row, columns={**row.columns, due.LOOK_AT: steward.clock() + timedelta(minutes=16)}))

    def dies(_name: str) -> None:
        stored = (ledger.operation_of(steward.rows.rows[each.partition, each.suffix]) for each in (first, second))
        if moment(*stored):
            steward.fuse.between = None
            raise Killed

    steward.fuse.between = dies
    with pytest.raises(Killed):
        _until_ended(steward, first)
    steward.restart()
    steward.queue.messages.clear()  # for ten minutes
    assert _until_ended(steward, second) < MOST_LATE_S + DURATION_S


def test_looks_at_what_waits_do_not_count_as_lost_messages() -> None:
    """Seed 869 of 100: they did, and after its first lost message it was looked for in four minutes, not in half a one."""
    steward = Steward()
    _, second = (steward.submit("PUT", WORKSPACE, BODY) for _ in range(2))
    for _ in range(30):
        steward.queue.messages.clear()
        steward.clock.advance(TIMER_S)
        steward._reconcile()
    assert worker.LOST not in steward.open.rows[second.partition, second.suffix].columns


def test_two_events_of_a_group_at_the_same_time_fire_the_rule_that_waits_for_quiet() -> None:
    """Seed 11: a group has one entry in the due index, and it named the event that was no longer the newest."""
    world = Platform()
    world.steward.blobs.blobs[f"{rule_store.PREFIX}a.yaml"] = RULES.encode()
    first, second = (replace(_registered(), id=f"credit-{number}") for number in range(2))

    def meanwhile(name: str) -> None:
        if name == "due.put" and any(partition == "debounce-quiet" for partition, _ in world.tables["hook_rows"].rows):
            world.fuse.between = None
            inbox.take(next(events.packed([second])), world.app)

    world.fuse.between = meanwhile
    inbox.take(next(events.packed([first])), world.app)
    world.drive()
    assert sorted((each.rule.name, each.status) for each in firings.newest(9, world.app)) == [
        ("copied", "Succeeded"),
        ("quiet", "Succeeded"),
    ]
