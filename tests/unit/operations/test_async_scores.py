"""Asynchronous scores: kept until the endpoint has answered, repeated where that is right, and forgotten in time."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from shared.endpoints import async_scores, score_answers, score_gates
from shared.operations import flows
from shared.rest import errors
from shared.rest.client import Response
from tests import tables
from tests.fake_azure import Fault, lost
from tests.fakes import Killed
from tests.steward import SETTINGS, Steward, look_after
from tests.unit.operations import test_parking as parking

if TYPE_CHECKING:
    from shared.endpoints.score_answers import Kept
    from shared.operations.models import Operation

URI = "https://echo.westeurope.inference.ml.azure.com/score"
BODY = b'{"data": [1]}'
HEADERS = {"content-type": "application/json"}
HOUR_S = 3600.0


@pytest.fixture
def steward() -> Steward:
    """An app before a served endpoint."""
    return served()


POINTS = 5  # places at which a process dies in a run by day


def served() -> Steward:
    """Make one."""
    made = parking.prepared()
    made.azure.resources[parking.ENDPOINT.lower()]["properties"]["scoringUri"] = URI
    return made


def submit(steward: Steward, content: bytes = BODY, *, key: str = "", each: str = "") -> Operation:
    """Accept a score."""
    made = async_scores.request(content, HEADERS, each=each, keyed=bool(key))
    return steward.submit("POST", f"{parking.PATH}/score", made.pop("body"), idempotency_key=key, respond_async=True, **made)


def answer(steward: Steward, operation: Operation, *, take: bool = False) -> Kept:
    """Read what an operation ended with."""
    known = steward.load(operation)
    return score_answers.read(known, steward.ledger, steward.clock(), SETTINGS.score_hours, take=take)


def scored(steward: Steward) -> int:
    """How often the model has run."""
    return steward.azure.count("^SCORE")


def fails(steward: Steward, *, status: int = 0, times: int = 1, problem: errors.TransientError | None = None, **said: str) -> None:
    """Have the endpoint refuse, or the connection break."""
    refused = Response(status=status, url=URI, headers=said, content=b"no", body="no")
    steward.azure.faults.append(Fault(method="SCORE", match="score", response=refused, problem=problem, times=times))


@pytest.mark.parametrize("size", [1, 20_000], ids=["in-its-row", "in-a-blob"])
def test_the_answer_is_the_endpoints_own_and_nothing_else_is_kept(steward: Steward, size: int) -> None:
    """Status, bytes and headers but for secrets; the request's body, the lane and the endpoint's key are nowhere."""
    content = json.dumps({"secret": "x" * size}).encode()
    operation = submit(steward, content)
    steward.drive()
    kept = answer(steward, operation)
    assert (kept.status, kept.media, kept.content, kept.headers) == (200, "application/json", content, {"x-model": "m"})
    assert (steward.load(operation).status, scored(steward)) == ("Succeeded", 1)
    assert [name for name in steward.blobs.blobs if "limits" not in name] == [steward.load(operation).result["answer"]]
    stored = steward.everything_stored()
    assert "ENDPOINT-KEY-SECRET" not in stored
    assert "'lane'" not in stored


@pytest.mark.parametrize("status", [408, 429, 503])
def test_an_endpoint_that_cannot_now_is_asked_again_when_it_says(steward: Steward, status: int) -> None:
    """With the Retry-After that it gave; the model ran once."""
    fails(steward, status=status, **{"retry-after": "17"})
    began, operation = steward.clock(), submit(steward)
    steward.drive()
    ended = steward.load(operation)
    assert (ended.status, scored(steward)) == ("Succeeded", 1)
    assert 17 <= (ended.ended_at - began).total_seconds() < 18  # type: ignore[operator]


@pytest.mark.parametrize(
    ("arrived", "key", "ended", "runs"),
    [(False, "", "Succeeded", 1), (True, "", "Failed", 0), (True, "k", "Succeeded", 1)],
    ids=["refused-connection", "timed-out", "timed-out-with-a-key"],
)
def test_what_the_model_may_have_run_is_repeated_only_with_a_key(
    steward: Steward,
    arrived: bool,  # noqa: FBT001
    key: str,
    ended: str,
    runs: int,
) -> None:
    """Otherwise the operation says that it is not known, and what to do."""
    fails(steward, problem=lost(arrived=arrived))
    operation = submit(steward, key=key)
    steward.drive()
    known = steward.load(operation)
    assert (known.status, scored(steward)) == (ended, runs)
    if ended == "Failed":
        assert known.error
        assert (known.error.code, known.end_status) == ("OutcomeUnknown", 500)
        assert "Idempotency-Key" in known.error.message


def test_arm_that_fails_is_no_run_of_the_model(steward: Steward) -> None:
    """Whatever of it may have arrived, it is asked again without a key."""
    steward.azure.faults.append(Fault(method="POST", match="listKeys", problem=lost(arrived=True)))
    operation = submit(steward)
    steward.drive()
    assert (steward.load(operation).status, scored(steward)) == ("Succeeded", 1)


def test_a_models_own_failure_is_the_answer(steward: Steward) -> None:
    """The operation has failed, and its result is what the endpoint said."""
    fails(steward, status=424, **{"ms-azureml-model-error-statuscode": "500", "content-type": "text/plain"})
    operation = submit(steward)
    steward.drive()
    known, kept = steward.load(operation), answer(steward, operation)
    assert (known.status, known.error and known.error.code, known.end_status) == ("Failed", "ScoreFailed", 424)
    assert (kept.status, kept.content, kept.media, list(kept.headers)) == (
        424, b"no", "text/plain", ["ms-azureml-model-error-statuscode"])  # fmt: skip


def test_it_ends_when_its_hours_are_over(steward: Steward) -> None:
    """An endpoint that is down for a day is not asked for ever, and nothing of the body stays."""
    fails(steward, status=503, times=10**6, **{"retry-after": "3000"})
    operation = submit(steward, b"[" + b"1," * 9_000 + b"1]")
    steward.drive()
    known = steward.load(operation)
    assert (known.status, known.error and known.error.code) == ("Failed", "Expired")
    assert "503" in str(known.error)
    assert not [name for name in steward.blobs.blobs if "limits" not in name]


def test_an_answer_can_be_taken_once(steward: Steward) -> None:
    """Of two readers one gets it, and the blob is gone."""
    operation = submit(steward)
    steward.drive()
    early = steward.load(operation)
    assert answer(steward, operation, take=True).content == BODY
    for known in (early, steward.load(operation)):
        with pytest.raises(errors.BadRequestError, match="not kept any more") as refused:
            score_answers.read(known, steward.ledger, steward.clock(), SETTINGS.score_hours, take=True)
        assert refused.value.status == 410
    assert not [name for name in steward.blobs.blobs if name.startswith(score_answers.FOLDER)]


def test_two_who_take_at_once_get_one_answer(steward: Steward) -> None:
    """The second finds it noted in the row, though it had read the blob before."""
    operation = submit(steward)
    steward.drive()
    known, got = steward.load(operation), []
    real, once = steward.blobs.get, iter([True])

    def other_reads_first(name: str) -> bytes | None:
        content = real(name)
        if next(once, False):
            got.append(answer(steward, operation, take=True).content)
        return content

    steward.blobs.get = other_reads_first  # type: ignore[method-assign]
    with pytest.raises(errors.BadRequestError, match="taken"):
        score_answers.read(known, steward.ledger, steward.clock(), SETTINGS.score_hours, take=True)
    assert got == [BODY]


def test_answers_go_after_their_hours_also_those_that_no_operation_names(steward: Steward) -> None:
    """The timer goes by the names; a reader is refused from the moment on."""
    operation = submit(steward)
    steward.drive()
    orphan = score_answers.new_name(f"{'0' * 20}-{'1' * 20}", steward.clock())
    steward.blobs.put(orphan, b"left by a worker that died")
    steward.clock.advance(SETTINGS.score_hours * HOUR_S - 60)
    assert score_answers.purge(steward.blobs, steward.clock(), SETTINGS.score_hours) == 0
    steward.clock.advance(120)
    with pytest.raises(errors.BadRequestError, match="hours are over"):
        answer(steward, operation)
    assert score_answers.purge(steward.blobs, steward.clock(), SETTINGS.score_hours) == 2
    assert not [name for name in steward.blobs.blobs if name.startswith(score_answers.FOLDER)]


@pytest.mark.parametrize("asked", [False, True], ids=["waiting", "with-the-endpoint"])
def test_a_canceled_score_leaves_nothing(steward: Steward, asked: bool) -> None:  # noqa: FBT001
    """Also where its answer comes afterwards: the operation stays canceled."""
    operation = submit(steward, b"[" + b"1," * 9_000 + b"1]")
    if asked:

        def cancel(name: str) -> None:
            if name.startswith("azure SCORE") and not steward.load(operation).ended:
                flows.cancel(steward.stored(operation), steward.process)

        steward.fuse.between = cancel
    else:
        flows.cancel(steward.stored(operation), steward.process)
    steward.drive()
    assert (steward.load(operation).status, scored(steward)) == ("Canceled", int(asked))
    assert ("after the call to the endpoint" in str(steward.load(operation).error)) == asked
    assert not [name for name in steward.blobs.blobs if name.startswith("operations/")]
    score_answers.purge(steward.blobs, steward.clock(), 0)
    assert not [name for name in steward.blobs.blobs if name.startswith(score_answers.FOLDER)]


def test_lines_are_scored_one_by_one_in_their_order(steward: Steward) -> None:
    """A line that fails has an error in its place; a throttled one is asked again; what was scored is not scored again."""
    lines = [json.dumps({"n": number}) for number in range(5)]
    steward.azure.faults = [
        Fault(method="SCORE", match="score", response=Response(status=424, url=URI, content=b"bad line", body="bad line")),
    ]
    fails(steward, status=429, **{"retry-after": "9"})
    operation = submit(steward, "\n".join([*lines[:3], "", *lines[3:]]).encode(), each="line")
    steward.drive()
    kept = answer(steward, operation)
    found = [json.loads(line) for line in kept.content.splitlines()]
    assert found[0] == {"error": {"code": "ScoreFailed", "message": "bad line", "status": 424}}
    assert found[1:] == [json.loads(line) for line in lines[1:]]
    assert (kept.media, scored(steward), steward.load(operation).status) == ("application/jsonl", 4, "Succeeded")
    assert not [name for name in steward.blobs.blobs if name.startswith("operations/")]


def test_many_lines_take_many_steps(steward: Steward) -> None:
    """A step ends in time; the next one goes on where it stopped, and a timed-out line is an error of its own."""
    steward.azure.faults = [Fault(method="SCORE", match="score", problem=lost(arrived=True))]
    steward.fuse.between = lambda name: steward.clock.advance(20) if name.startswith("azure SCORE") else None
    operation = submit(steward, b"\n".join(b"%d" % number for number in range(8)), each="line")
    steward.drive()
    found = [json.loads(line) for line in answer(steward, operation).content.splitlines()]
    assert found[0]["error"]["code"] == "OutcomeUnknown"
    assert (found[1:], scored(steward)) == ([*range(1, 8)], 7)
    assert steward.load(operation).calls["write"] > 1


def test_a_parked_endpoint_keeps_the_requests_and_is_woken_once(steward: Steward) -> None:
    """All of them are scored as soon as the wake has ended, long before their own look is due."""
    assert parking.run(steward, "park").status == "Succeeded"
    many = [submit(steward, json.dumps({"data": number}).encode()) for number in range(20)]
    began, calls = steward.clock(), len(steward.fuse.calls)
    steward.drive()
    assert steward.fuse.calls[calls:].count("rows.query") < 5  # the wake is looked for once in some seconds
    assert [json.loads(answer(steward, each).content)["data"] for each in many] == [*range(20)]
    assert scored(steward) == 20
    wakes = [each for each in steward.ledger.newest(top=50) if each.action == "wake"]
    assert [each.status for each in wakes] == ["Succeeded"]
    assert max(steward.load(each).ended_at for each in many) < began + score_wait()  # type: ignore[type-var]


def test_a_wake_that_ends_while_a_score_begins_to_wait_calls_it_back(steward: Steward) -> None:
    """Its entry came after the wake had looked for those that wait."""
    parking.run(steward, "park")
    operation, began = submit(steward), []

    def wake_ends_first(name: str) -> None:
        wakes = [each for each in steward.ledger.newest(top=9) if each.action == "wake"] if name == "open.put" else []
        if wakes and not began:
            began.append(steward.clock())
            while not steward.load(wakes[0]).ended:
                if not steward.step():
                    steward.clock.advance(1)
            began.append(steward.clock())

    steward.fuse.between = wake_ends_first
    steward.drive()
    assert len(began) == 2
    ended = steward.load(operation)
    assert ended.status == "Succeeded"
    assert ended.ended_at
    assert (ended.ended_at - began[1]).total_seconds() < 60


def score_wait() -> Any:
    """How long a score waits at most before it looks at the wake by itself."""
    from datetime import timedelta

    return timedelta(seconds=async_scores.WAKE_S)


def test_a_wake_that_fails_ends_what_waited_for_it(steward: Steward) -> None:
    """With the reason; nothing waits for hours for quota."""
    parking.run(steward, "park")
    steward.azure.failing[f"{parking.ENDPOINT}/deployments/blue"] = {"code": "OutOfQuota", "message": "No cores."}
    operation = submit(steward)
    steward.drive()
    known = steward.load(operation)
    assert (known.status, known.error and known.error.code, known.end_status) == ("Failed", "EndpointParked", 503)
    assert "No cores." in str(known.error)


def test_the_same_key_makes_one_score(steward: Steward) -> None:
    """Another body under it is refused."""
    first, second = submit(steward, key="k"), submit(steward, key="k")
    assert first.id == second.id
    with pytest.raises(errors.BadRequestError, match="was already used"):
        submit(steward, b"{}", key="k")
    steward.drive()
    assert scored(steward) == 1


def test_a_queue_that_is_longer_than_the_lease_is_worked_off_from_its_front(steward: Steward) -> None:
    """The timer takes a message that waits for a lost one: the first is taken all the same, the others are stale."""
    operation = submit(steward)
    for _ in range(9):
        steward.clock.advance(20)
        look_after(steward.process)
    first, *others = sorted(steward.queue.messages, key=lambda held: held.visible_at)
    assert others
    steward.deliver(first)
    assert (steward.load(operation).status, scored(steward)) == ("Succeeded", 1)
    steward.drive()
    assert scored(steward) == 1


def asleep() -> Steward:
    """An app with a parked endpoint."""
    here = served()
    parking.run(here, "park")
    here.azure.effects.clear()
    return here


@pytest.mark.sweep
@pytest.mark.parametrize("key", ["", "k"], ids=["without-a-key", "with-a-key"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_process_that_dies_anywhere_loses_no_score(key: str, after: bool) -> None:  # noqa: FBT001
    """From the acceptance on a parked endpoint to the answer: one answer each; without a key at worst one that says unknown."""
    whole = asleep()
    before = len(whole.fuse.calls)
    submit(whole, key=key)
    whole.drive()
    places = range(1, len(whole.fuse.calls) - before + 1)
    assert len(places) > 20
    for nth in tables.sample(places, POINTS, seed=f"{key}{after}"):
        asked, here = 1, asleep()
        here.fuse.blow(nth, after=after)
        try:
            operation = submit(here, key=key)
        except Killed:
            here.restart()
            operation, asked = submit(here, key=key), 2  # no answer came: its caller asks again
        here.drive()
        known, label = here.load(operation), here.fuse.calls
        if known.status == "Succeeded":
            assert answer(here, operation).content == BODY, label
            assert scored(here) <= (2 if key else asked), label  # an app that dies with the answer in its hands asks again
        else:
            assert not key, (known.error, label)
            assert known.error, label
            assert known.error.code == "OutcomeUnknown", (known.error, label)
        others = [each for each in here.ledger.newest(top=9) if each.scores and each.id != operation.id]
        assert all(each.ended for each in others), label
        assert not [name for name in here.blobs.blobs if name.startswith("operations/")], label
    assert nth > 20


class Limits:
    """A clock and gates on one storage."""

    def __init__(self, steward: Steward) -> None:
        self.clock = steward.clock
        self.gates = score_gates.Gates(lambda: steward.blobs, steward.clock.seconds)

    def inside(self) -> int:
        """Take as many places as there are, and give them back."""
        count = 0
        while not self.gates.enter("e"):
            count += 1
        for _ in range(count):
            self.gates.leave("e", None, throttled=False)
        return count


def test_a_throttled_endpoint_is_asked_less_and_a_good_one_more(steward: Steward) -> None:
    """Half after a burst of refusals, one more for each round of good answers, within bounds; a new process knows it."""
    here = Limits(steward)
    assert here.inside() == score_gates.FIRST
    for _ in range(3):
        here.gates.enter("e")
    for _ in range(3):
        here.gates.leave("e", None, throttled=True)
    assert here.inside() == score_gates.FIRST / 2
    assert Limits(steward).inside() == score_gates.FIRST / 2
    for _ in range(200):
        here.clock.advance(1)
        here.gates.enter("e")
        here.gates.leave("e", 0.1, throttled=False)
    assert here.inside() == score_gates.MOST
    assert Limits(steward).inside() == score_gates.MOST
    for _ in range(9):
        here.clock.advance(9)
        here.gates.enter("e")
        here.gates.leave("e", None, throttled=True)
    assert here.inside() == 0  # below one it pauses
    here.clock.advance(score_gates.FIRST_S / score_gates.LEAST)
    assert here.inside() == 1


def test_those_who_find_no_place_come_back_one_after_the_other(steward: Steward) -> None:
    """As fast as the endpoint answers, not all at once."""
    here = Limits(steward)
    while not here.gates.enter("e"):
        pass
    pauses = [here.gates.enter("e") for _ in range(30)]
    apart = {round(later - sooner, 3) for sooner, later in itertools.pairwise(pauses)}
    assert apart == {round(score_gates.FIRST_S / score_gates.FIRST, 3)}


def test_an_older_app_that_left_members_behind_keeps_them(steward: Steward) -> None:
    """What a later version stores beside what this one knows is written back."""
    operation = submit(steward)
    stored = steward.stored(operation)
    steward.ledger.save(stored, replace(stored.operation, unknown={"later": 1}))
    steward.drive()
    assert steward.load(operation).unknown == {"later": 1}
