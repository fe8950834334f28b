"""A process that dies between any two calls to storage or Azure loses nothing and does nothing twice."""

from __future__ import annotations

import io
import itertools
import re
import zipfile
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.operations import flows
from shared.rest import errors
from tests import tables
from tests.fake_azure import WORKSPACE, Fault
from tests.fakes import Killed
from tests.steward import Steward, advance, look_after

pytestmark = pytest.mark.sweep
EVERY_DAY = 8  # calls of a life; make nightly dies at each
ENDPOINT = f"{WORKSPACE}/onlineEndpoints/e1"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One request, the write of Azure's that must not happen twice, and what is there before."""

    name: str
    method: str
    path: str
    body: dict[str, Any] | None = None
    files: tuple[str, ...] = ()
    write: str = ""
    exists: dict[str, dict[str, Any]] = field(default_factory=dict)


CASES = [
    Case(
        name="PUT workspace",
        method="PUT",
        path="workspaces/w2",
        body={"location": "westeurope", "properties": {}},
        write="^PUT workspaces/w2$",
    ),
    Case(
        name="PUT compute",
        method="PUT",
        path="workspaces/w1/computes/cpu",
        body={"location": "westeurope", "properties": {"computeType": "AmlCompute"}},
        write="^PUT workspaces/w1/computes/cpu$",
    ),
    Case(
        name="PUT workspace again",
        method="PUT",
        path="workspaces/w1",
        body={"location": "westeurope", "tags": {"a": "b"}},
        write="^PUT workspaces/w1$",
    ),
    Case(
        name="POST job with code",
        method="POST",
        path="workspaces/w1/jobs",
        body={"properties": {"jobType": "Command", "command": "python train.py"}},
        files=("code",),
        write="^PUT workspaces/w1/jobs/",
    ),
    Case(
        name="POST job with a large body",
        method="POST",
        path="workspaces/w1/jobs",
        body={"properties": {"jobType": "Command", "command": "x" * 40_000}},
        write="^PUT workspaces/w1/jobs/",
    ),
    Case(
        name="startrun",
        method="POST",
        path="workspaces/w1/experiments/ex/startrun",
        files=("projectZipFile", "runDefinitionFile"),
        write="^POST startrun",
    ),
    Case(
        name="PATCH workspace",
        method="PATCH",
        path="workspaces/w1",
        body={"tags": {"team": "ml"}},
        write="^PATCH workspaces/w1$",
    ),
    Case(
        name="DELETE endpoint",
        method="DELETE",
        path="workspaces/w1/onlineEndpoints/e1",
        write="^DELETE workspaces/w1/onlineEndpoints/e1$",
        exists={ENDPOINT: {"properties": {"authMode": "Key"}}},
    ),
    Case(
        name="stop compute",
        method="POST",
        path="workspaces/w1/computes/ci/stop",
        exists={f"{WORKSPACE}/computes/ci": {"properties": {"computeType": "ComputeInstance"}}},
    ),
    Case(
        name="PUT model with its files",
        method="PUT",
        path="workspaces/w1/models/m/versions/1",
        body={"properties": {"modelType": "custom_model"}},
        files=("model",),
        write="^PUT workspaces/w1/models/m/versions/1$",
    ),
]
named = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def _zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(zipfile.ZipInfo("train.py"), "print(1)")
    return out.getvalue()


ZIP = _zip()


def _submit(steward: Steward, case: Case, *, respond_async: bool = False) -> None:
    steward.submit(case.method, case.path, case.body, files=dict.fromkeys(case.files, ZIP), respond_async=respond_async)


def _begun(case: Case) -> Steward:
    steward = Steward()
    for path, body in case.exists.items():
        steward.azure.put(path, body)
    return steward


def _calls_of(case: Case, *, respond_async: bool = False) -> int:
    steward = _begun(case)
    _submit(steward, case, respond_async=respond_async)
    steward.drive()
    return len(steward.fuse.calls)


def _survives(case: Case, nth: int, *, after: bool, respond_async: bool = False) -> None:
    steward = _begun(case)
    steward.fuse.blow(nth, after=after)
    try:
        _submit(steward, case, respond_async=respond_async)
    except Killed:
        steward.restart()
    steward.drive()
    _check(steward, case)
    assert not [name for name in steward.blobs.blobs if "/content/" in name], "files that are in Azure are kept"


def _check(steward: Steward, case: Case) -> None:
    """The operation, if it was recorded, ended Succeeded; Azure did the write once; nothing is left lying about."""
    operations = steward.ledger.newest(top=10)
    for operation in operations:
        story = [f"{entry.what} {entry.detail}" for entry in operation.timeline]
        assert operation.status == "Succeeded", (operation.error, story)
    if operations and case.write:
        assert steward.azure.count(case.write) == 1, steward.azure.effects
    if not operations:
        assert not steward.azure.effects, "something was done of which nothing is known"
        assert not steward.blobs.blobs, "an acceptance that died left a blob"
    assert not steward.queue.messages
    assert not steward.open.rows
    assert [key for _, key in steward.rows.rows if key == "lane"] == []
    assert not steward.poisoned


@named
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_kill_at_any_call_is_survived(case: Case, after: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """For every I/O call of the whole life of an operation: die there, restart, and it still ends Succeeded, done once."""
    for nth in tables.sample(range(1, _calls_of(case) + 1), EVERY_DAY, seed=f"{case.name} {after}"):
        _survives(case, nth, after=after)


@named
def test_a_kill_at_any_call_is_survived_by_what_was_only_queued(case: Case) -> None:
    """The same when the caller asked for respond-async and the queue sends the request."""
    for nth in tables.sample(range(1, _calls_of(case, respond_async=True) + 1), EVERY_DAY, seed=case.name):
        _survives(case, nth, after=nth % 2 == 0, respond_async=True)


@named
def test_a_caller_that_repeats_its_key_after_a_crash_gets_the_one_operation(case: Case) -> None:
    """The accepting process dies at any call; the caller sends the same request with the same Idempotency-Key again."""
    steward = _begun(case)
    steward.submit(case.method, case.path, case.body, files=dict.fromkeys(case.files, ZIP), idempotency_key="k1")
    accepting = len(steward.fuse.calls)
    for nth in tables.sample(range(1, accepting + 1), EVERY_DAY, seed=case.name):
        for after in (False, True):
            steward = _begun(case)
            steward.fuse.blow(nth, after=after)
            again = {"files": dict.fromkeys(case.files, ZIP), "idempotency_key": "k1"}
            with pytest.raises(Killed):
                steward.submit(case.method, case.path, case.body, **again)
            steward.restart()
            operation = steward.submit(case.method, case.path, case.body, **again)
            steward.drive()
            assert [each.id for each in steward.ledger.newest(top=5)] == [operation.id]
            _check(steward, case)


@settings(max_examples=150 if tables.WHOLE else 50, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_processes_that_keep_dying_do_the_work_in_the_end(data: st.DataObject) -> None:
    """Many kills in one life, at places drawn at random: the same promise."""
    case = data.draw(st.sampled_from(CASES))
    kills = data.draw(st.lists(st.tuples(st.integers(1, 25), st.booleans()), min_size=1, max_size=6))
    steward = _begun(case)
    nth, after = kills.pop()
    steward.fuse.blow(nth, after=after)
    try:
        _submit(steward, case, respond_async=data.draw(st.booleans()))
    except Killed:
        steward.restart()
    for nth, after in kills:
        steward.fuse.blow(nth, after=after)
        steward.drive()
    steward.fuse.disarm()
    steward.drive()
    _check(steward, case)


@named
def test_a_second_worker_with_the_same_message_does_nothing_twice(case: Case) -> None:
    """The queue delivers at least once: at every call of one worker another takes the very same message."""
    total = _calls_of(case, respond_async=True)
    for nth in tables.sample(range(1, total + 1), EVERY_DAY, seed=case.name):
        steward = _begun(case)
        _submit(steward, case, respond_async=True)
        _interleave(steward, nth)
        steward.drive()
        _check(steward, case)


def _interleave(steward: Steward, nth: int) -> None:
    """Before the n-th I/O call from now, let another process handle every message that is being worked on, and reconcile."""
    count = 0

    def other(_name: str) -> None:
        nonlocal count
        count += 1
        if count == nth:
            steward.fuse.between = None
            for message in list(steward.queue.messages):
                advance(message.text, steward.process)
            look_after(steward.process)

    steward.fuse.between = other


def test_a_request_that_was_never_recorded_was_never_sent() -> None:
    """Record before the request: of an acceptance that died early Azure saw nothing, and its traces are swept."""
    case = CASES[3]
    for nth in range(1, 6):
        steward = _begun(case)
        steward.fuse.blow(nth, after=False)
        with pytest.raises(Killed):
            _submit(steward, case)
        steward.restart()
        steward.drive()
        if not steward.ledger.newest(top=1):
            assert steward.azure.requests == []


def test_what_cannot_be_settled_ends_with_what_to_look_at() -> None:
    """Restart takes nothing that a look could prove and harms when repeated: a lost answer ends as OutcomeUnknown."""
    steward = Steward()
    target = f"{WORKSPACE}/computes/ci"
    steward.azure.put(target, {"properties": {"computeType": "ComputeInstance"}})
    place = _place_of(steward, "azure POST", "workspaces/w1/computes/ci/restart")
    steward = Steward()
    steward.azure.put(target, {"properties": {"computeType": "ComputeInstance"}})
    steward.fuse.blow(place, after=False)
    with pytest.raises(Killed):
        steward.submit("POST", "workspaces/w1/computes/ci/restart")
    steward.restart()
    steward.drive()
    operation = steward.ledger.newest(top=1)[0]
    assert operation.error is not None
    assert (operation.status, operation.error.code, operation.error.target) == ("Failed", "OutcomeUnknown", target)
    assert steward.azure.count("restart") == 0


def _place_of(steward: Steward, call: str, path: str) -> int:
    steward.submit("POST", path)
    return next(n for n, name in enumerate(steward.fuse.calls, 1) if re.search(call, name))


@named
def test_two_requests_with_one_key_at_the_same_time_are_one_operation(case: Case) -> None:
    """At every call of an accepting process another accepts the same request with the same Idempotency-Key."""
    again: dict[str, Any] = {"files": dict.fromkeys(case.files, ZIP), "idempotency_key": "k1"}
    steward = _begun(case)
    steward.submit(case.method, case.path, case.body, **again)
    for nth in tables.sample(range(1, len(steward.fuse.calls) + 1), EVERY_DAY, seed=case.name):
        steward = _begun(case)
        seen = itertools.count(1)

        def other(_name: str, steward: Steward = steward, seen: itertools.count[int] = seen, nth: int = nth) -> None:
            if next(seen) == nth:
                steward.fuse.between = None
                steward.submit(case.method, case.path, case.body, **again)

        steward.fuse.between = other
        steward.submit(case.method, case.path, case.body, **again)
        steward.drive()
        assert len(steward.ledger.newest(top=5)) == 1
        _check(steward, case)


def test_a_request_that_comes_twice_does_not_touch_the_files_that_are_being_moved() -> None:
    """The second one has looked for the operation before the first recorded it, and brings its files when they are under way."""
    case = CASES[-1]
    again: dict[str, Any] = {"files": dict.fromkeys(case.files, ZIP), "idempotency_key": "k1"}
    steward = _begun(case)
    gone = errors.UnreachableError("Gone.", delay_s=5.0, maybe_arrived=True)
    steward.azure.faults.append(Fault(method="PUT", match="blob.core", problem=gone))

    def first(name: str) -> None:
        if name == "blobs.put":
            steward.fuse.between = None
            assert steward.submit(case.method, case.path, case.body, **again).phase == "preparing"

    steward.fuse.between = first
    steward.submit(case.method, case.path, case.body, **again)
    steward.drive()
    _check(steward, case)


@pytest.mark.parametrize("secret", [False, True], ids=["plain", "secret"])
@pytest.mark.parametrize("kind", [errors.ThrottledError, errors.UnreachableError])
def test_a_look_that_is_not_answered_says_nothing_about_the_write_before_it(
    kind: type[errors.TransientError],
    secret: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """The answer of the write was lost, and Azure throttles the look at its target: it is looked again, never sent again."""
    key = {"credentialsType": "AccountKey", "secrets": {"secretsType": "AccountKey", "key": "SECRET"}}
    body = {"properties": {"datastoreType": "AzureBlob", "accountName": "one", **({"credentials": key} if secret else {})}}
    path = "workspaces/w1/datastores/d1"
    steward = Steward()
    lost = errors.UnreachableError("Gone.", delay_s=5.0, maybe_arrived=True)
    steward.azure.faults.append(Fault(method="PUT", match=path, problem=lost, after=True))
    steward.azure.faults.append(Fault(method="GET", match=path, problem=kind("No.", delay_s=5.0, maybe_arrived=False), times=3))
    operation = steward.submit("PUT", path, body)
    steward.drive()
    ended = steward.load(operation)
    assert ended.status == ("Failed" if secret else "Succeeded")
    assert (ended.error.code if ended.error else "") == (
        "OutcomeUnknown" if secret else ""
    )  # a secret can be compared with nothing
    assert steward.azure.count(f"^PUT {path}$") == 1


def test_a_kill_at_any_call_loses_nobody_in_the_lane() -> None:
    """Two changes of one target, one waiting for the other: both are made, in their order, wherever a process dies."""

    def begin(nth: int, *, after: bool) -> Steward:
        steward = Steward()
        if nth:
            steward.fuse.blow(nth, after=after)
        for number in ("1", "2"):
            try:
                steward.submit("PATCH", "workspaces/w1", {"tags": {"n": number}}, idempotency_key=number)
            except Killed:
                steward.restart()
                steward.submit("PATCH", "workspaces/w1", {"tags": {"n": number}}, idempotency_key=number)
        steward.drive()
        return steward

    for nth in tables.sample(range(1, len(begin(0, after=False).fuse.calls) + 1), EVERY_DAY, seed="lane"):
        for after in (False, True):
            steward = begin(nth, after=after)
            assert [operation.status for operation in steward.ledger.newest(top=5)] == ["Succeeded"] * 2
            workspace = steward.azure.get(WORKSPACE)
            assert workspace
            assert (steward.azure.count("PATCH"), workspace["tags"]) == (2, {"n": "2"})


def test_a_kill_at_any_call_of_a_cancel_is_survived() -> None:
    """Canceling a running job: asked for again after a crash, it ends Canceled and nothing is left open."""
    case = CASES[4]

    def cancel(steward: Steward) -> None:
        operation = steward.ledger.newest(top=1)[0]
        flows.cancel(steward.stored(operation), steward.process)

    whole = _begun(case)
    _submit(whole, case)
    before = len(whole.fuse.calls)
    cancel(whole)
    for nth in tables.sample(range(1, len(whole.fuse.calls) - before + 1), EVERY_DAY, seed="cancel"):
        for after in (False, True):
            steward = _begun(case)
            _submit(steward, case)
            steward.fuse.blow(nth, after=after)
            with pytest.raises(Killed):
                cancel(steward)
            steward.restart()
            cancel(steward)
            steward.drive()
            assert steward.ledger.newest(top=1)[0].status == "Canceled"
            assert not steward.open.rows
            assert not steward.queue.messages


@pytest.mark.parametrize(("deadly", "code"), [("token", "NotSent"), ("blobs.read", "NotSent"), ("azure GET", "OutcomeUnknown")])
def test_a_step_that_kills_whoever_takes_it_ends_the_operation_after_a_day(deadly: str, code: str) -> None:
    """Its files do not fit the memory, say: each death is a message of its own, which the platform does not count."""
    case = CASES[-1] if deadly == "blobs.read" else CASES[1]
    steward = _begun(case)
    _submit(steward, case, respond_async=deadly != "azure GET")
    dies = 0

    def between(name: str) -> None:
        nonlocal dies
        if name.startswith(deadly):
            dies += 1
            raise Killed(name)

    steward.fuse.between = between
    steward.drive()
    (operation,) = steward.ledger.newest(top=1)
    assert operation.error
    assert (operation.status, operation.error.code) == ("Failed", code)
    assert operation.ended_at
    assert 24 <= (operation.ended_at - operation.created_at).total_seconds() / 3600 < 25
    assert dies > 20
    assert not steward.open.rows
