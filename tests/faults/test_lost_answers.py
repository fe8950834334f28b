"""Answers get lost while other clients change the same targets and clocks disagree: no end is wrong, whatever the order."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shared.rest import errors
from tests import tables
from tests.fake_azure import ML, Fault, lost
from tests.steward import Steward

if TYPE_CHECKING:
    from shared.operations.models import Operation

ENDINGS = 10
SEEDS = 300
EVERY_DAY = 10  # of them; make nightly tries all
TARGETS = (
    ("workspaces/w1/models/m/versions/1", ("PUT",)),
    ("workspaces/w1", ("PUT", "PATCH")),
    ("workspaces/w1/onlineEndpoints/e1", ("PUT", "PATCH")),
    ("workspaces/w1/computes/c1", ("PUT", "PATCH")),
)
UNAVAILABLE = errors.AzureUnavailableError("503", delay_s=10.0, maybe_arrived=True)


def _body(value: str) -> dict[str, Any]:
    return {"location": "westeurope", "tags": {"v": value}, "properties": {}}


def _took_effect(steward: Steward, value: str) -> int:
    return sum(body["tags"]["v"] == value for _, body in steward.azure.bodies)


def _foreign(steward: Steward, path: str, value: str) -> None:
    """Another client changes the target, at once."""
    known = steward.azure.get(f"{ML}/{path}")
    if known:
        known["tags"] = {"v": value}
        known["systemData"]["lastModifiedAt"] = steward.azure.now().isoformat()


def test_the_second_of_two_changes_within_a_second_is_sent_again_when_azure_never_got_it() -> None:
    """R1: what the first had changed was taken for the second's arrival, and an update was lost."""
    steward = Steward()
    steward.clock.advance(0.123)
    path = "workspaces/w1/models/m/versions/1"
    first = steward.submit("PUT", path, _body("1"))
    steward.clock.advance(0.4)
    steward.azure.faults = [Fault(method="PUT", match="/versions/", problem=UNAVAILABLE)]
    second = steward.submit("PUT", path, _body("2"))
    steward.drive()
    assert [steward.load(each).status for each in (first, second)] == ["Succeeded", "Succeeded"]
    assert [body["tags"]["v"] for _, body in steward.azure.bodies] == ["1", "2"]


def test_a_change_of_another_clients_is_no_proof() -> None:
    """It came between the lost write and the look: what differs is named, and neither change is overwritten."""
    steward = Steward()
    steward.azure.put(f"{ML}/workspaces/w1", _body("0"))
    steward.azure.faults = [Fault(method="PATCH", match="/w1", problem=lost(arrived=True))]
    operation = steward.submit("PATCH", "workspaces/w1", {"tags": {"v": "ours"}})
    steward.clock.advance(4)
    _foreign(steward, "workspaces/w1", "theirs")
    steward.drive()
    ended = steward.load(operation)
    assert ended.error
    assert (ended.status, ended.error.code) == ("Failed", "OutcomeUnknown")
    assert [(each.target, each.message) for each in ended.error.details] == [("tags.v", "asked for 'ours', found 'theirs'")]


SKEWS = pytest.mark.parametrize("skew", [timedelta(minutes=m) for m in (-15, 0, 15)], ids=["behind", "in step", "ahead"])


@pytest.mark.sweep
@SKEWS
def test_no_end_is_wrong_in_any_order_of_losses_and_foreign_changes(skew: timedelta) -> None:
    """`Succeeded` means that Azure took it; where that cannot be seen, the end says so."""
    counts = {"Succeeded": 0, "Failed": 0}
    for seed in tables.sample(range(SEEDS), EVERY_DAY, seed=f"foreign {skew}"):
        for operation, effects in _history(seed, skew, foreign=0.2):
            counts[operation.status] += 1
            if operation.status == "Succeeded":
                assert effects, f"seed {seed}: {operation.method} {operation.target} was never done"
            else:
                assert operation.error
                assert operation.error.code == "OutcomeUnknown", f"seed {seed}: {operation.error}"
    assert counts["Failed"] < 0.2 * counts["Succeeded"], counts


@pytest.mark.sweep
@SKEWS
def test_without_foreign_changes_every_lost_answer_is_settled(skew: timedelta) -> None:
    """Nothing is left unknown, and what had arrived is not sent a second time."""
    for seed in tables.sample(range(SEEDS), EVERY_DAY, seed=f"own {skew}"):
        for operation, effects in _history(seed, skew, foreign=0.0):
            assert (operation.status, effects) == ("Succeeded", 1), f"seed {seed}: {operation.method} {operation.target}"


def _history(seed: int, skew: timedelta, *, foreign: float) -> list[tuple[Operation, int]]:
    """Return what became of some changes of one target, each with how often it took effect."""
    drawn, steward = random.Random(seed), Steward()  # noqa: S311 - a history that can be repeated
    steward.azure.ahead = skew
    path, methods = drawn.choice(TARGETS)
    steward.azure.put(f"{ML}/{path}", _body("before"))
    sent = []
    for n in range(ENDINGS):
        steward.clock.advance(drawn.choice((0.0, 0.3, 0.9, 1.5, 4.0, 60.0)) + drawn.random() / 1_000)
        if drawn.random() < 0.5:
            problem = drawn.choice((UNAVAILABLE, lost(arrived=True)))
            after, times = drawn.random() < 0.5, drawn.choice((1, 1, 2))
            steward.azure.faults = [
                Fault(method=method, match=f"{path}\\?", problem=problem, after=after, times=times) for method in methods
            ]
        method = drawn.choice(methods)
        sent.append((steward.submit(method, path, _body(f"{n}")), f"{n}"))
        if drawn.random() < foreign:
            steward.clock.advance(drawn.choice((0.0, 0.5, 3.0)))
            _foreign(steward, path, f"foreign {n}")
        if drawn.random() < 0.7:
            steward.drive()
    steward.drive()
    return [(steward.load(operation), _took_effect(steward, value)) for operation, value in sent]
