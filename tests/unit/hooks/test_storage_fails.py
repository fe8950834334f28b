"""The app's own storage fails while events are taken in and rules do what they say: each fires once, each step is done once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import azure.functions as func
import pytest

from functions import hooks as functions
from shared.hooks import inbox
from shared.rest import errors
from tests.unit.hooks.conftest import registered

if TYPE_CHECKING:
    from tests.unit.hooks.conftest import Hooks

RULE = """
rules:
  - name: seen
    on: {types: [ModelRegistered]}
    do: {request: GET workspaces/w1}
"""


def test_a_poison_message_that_cannot_be_put_aside_now_stays_in_its_queue(hooks: Hooks) -> None:
    """What was accepted does not disappear: it is brought again after ten minutes, and put aside then."""
    hooks.steward.fuse.fail(1, after=False)
    with pytest.raises(errors.TransientError):
        _poison("nonsense")
    _poison("nonsense")
    assert len([name for name in hooks.steward.blobs.blobs if name.startswith("hooks/dead/")]) == 1


def test_an_event_whose_workers_died_five_times_is_taken_in_again_with_one_request(hooks: Hooks) -> None:
    """Nothing is wrong with it: it fires as if it came for the first time, once."""
    hooks.rules(RULE)
    hooks.happen(registered())
    held = hooks.steward.event_queue.messages.pop()
    _poison(held.text)
    (name,) = (name for name in hooks.steward.blobs.blobs if name.startswith(inbox.DEAD))
    for _ in range(2):
        inbox.again(name.replace("/", "~"), hooks.app)
        hooks.drive()
        assert [each.status for each in hooks.firings()] == ["Succeeded"]
        assert not [name for name in hooks.steward.blobs.blobs if name.startswith(inbox.DEAD)]
        _poison(held.text)
        (name,) = (name for name in hooks.steward.blobs.blobs if name.startswith(inbox.DEAD))


@pytest.mark.parametrize("name", ["hooks~dead~none.json", "hooks~large~1.json", "hooks~dead~..~x.json", "poison~a.json"])
def test_what_was_not_put_aside_is_not_taken_in_again(hooks: Hooks, name: str) -> None:
    """Whatever blob is named."""
    hooks.steward.blobs.blobs["hooks/large/1.json"] = b"{}"
    with pytest.raises(errors.BadRequestError) as refused:
        inbox.again(name, hooks.app)
    assert (refused.value.status, refused.value.error.code) == (404, "PoisonNotFound")


def _poison(text: str) -> None:
    functions.on_poison._function.get_user_function()(func.QueueMessage(body=text))
