"""The step that sees that Azure is done reads the result, too: no message and no save of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fake_azure import Fault, refusal
from tests.fakes import STORAGE

if TYPE_CHECKING:
    from shared.operations.models import Operation
    from tests.steward import Steward

COMPUTE = {"location": "westeurope", "properties": {"computeType": "AmlCompute"}}


def followed(steward: Steward) -> tuple[Operation, int, int]:
    """Create a compute and follow it to its end; returns the operation, its calls to storage, and its messages."""
    steward.ledger.durations.refresh(steward.clock())  # once in ten minutes
    steward.fuse.calls.clear()
    operation = steward.submit("PUT", "workspaces/w1/computes/c", COMPUTE)
    messages = 0
    while steward.open.rows:
        steward.clock.now = max(steward.clock(), min(each.visible_at for each in steward.queue.messages))
        messages += steward.step()
    return steward.load(operation), sum(each.startswith(STORAGE) for each in steward.fuse.calls), messages


def test_the_last_look_and_the_result_are_one_step(steward: Steward) -> None:
    """So many messages as looks at the status, and three calls to storage for each."""
    ended, calls, messages = followed(steward)
    assert ended.status == "Succeeded"
    assert steward.ledger.payload(ended.result)["name"] == "c"
    assert messages == ended.calls["poll"] - 1
    assert calls <= 6 + 3 * messages + 3


def test_a_result_that_cannot_be_read_is_read_again(steward: Steward) -> None:
    """Azure's trouble with the resource is none of the operation's."""
    fault = Fault(method="GET", match="/computes/c", response=refusal(503, "ServerBusy", "Try again."), times=2)
    steward.azure.faults.append(fault)
    ended, _, _ = followed(steward)
    assert (ended.status, fault.times) == ("Succeeded", 0)
    assert steward.ledger.payload(ended.result)["name"] == "c"
