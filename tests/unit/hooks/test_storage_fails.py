"""The app's own storage fails while events are taken in and rules do what they say: each fires once, each step is done once."""

from __future__ import annotations

import azure.functions as func
import pytest

from functions import hooks as functions
from shared.rest import errors
from tests import tables
from tests.unit.hooks.conftest import Hooks, registered

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
    debounce: 5s
    do:
      request: PUT workspaces/w1/computes/q-${{ data.modelName }}
      body: {location: westeurope, properties: {computeType: AmlCompute}}
"""


def _begun() -> Hooks:
    hooks = Hooks()
    hooks.rules(RULES)
    hooks.happen(registered())
    return hooks


def _calls() -> int:
    hooks = _begun()
    before = len(hooks.steward.fuse.calls)
    hooks.drive(4 * 3600)
    return sum(not name.startswith("azure") for name in hooks.steward.fuse.calls[before:])


@pytest.mark.sweep
@pytest.mark.parametrize("calls", [1, 10], ids=["once", "for-minutes-but-queues"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_failure_at_any_call_delays_the_rules(hooks: Hooks, after: bool, calls: int) -> None:  # noqa: FBT001
    """The chain goes on where it was; a debounced rule still fires; nothing is put aside as dead."""
    assert hooks
    for nth in tables.sample(range(1, _calls() + 1), 12, seed=f"{calls} {after}"):
        begun = _begun()
        begun.steward.fuse.fail(nth, after=after, calls=calls, spared="" if calls == 1 else "queue.")
        begun.drive(12 * 3600)
        begun.steward.fuse.disarm()
        begun.drive(12 * 3600)
        assert sorted((each.rule.name, each.status) for each in begun.firings()) == [
            ("copied", "Succeeded"),
            ("quiet", "Succeeded"),
        ]
        for effect in ("^PUT workspaces/w1/computes/credit$", "^DELETE workspaces/w1/computes/credit$", "^PUT.*/q-credit$"):
            assert begun.steward.azure.count(effect) == 1, (nth, begun.steward.azure.effects)
        assert not [name for name in begun.steward.blobs.blobs if name.startswith("hooks/dead/")]
        assert not [row for row in begun.hook_rows.rows.values() if row.partition.startswith("debounce-")]
        assert not begun.steward.open.rows


def test_a_poison_message_that_cannot_be_put_aside_now_stays_in_its_queue(hooks: Hooks) -> None:
    """What was accepted does not disappear: it is brought again after ten minutes, and put aside then."""
    hooks.steward.fuse.fail(1, after=False)
    with pytest.raises(errors.TransientError):
        _poison("nonsense")
    _poison("nonsense")
    assert len([name for name in hooks.steward.blobs.blobs if name.startswith("hooks/dead/")]) == 1


def _poison(text: str) -> None:
    functions.on_poison._function.get_user_function()(func.QueueMessage(body=text))
