"""The app's own storage fails while events are taken in and rules do what they say: each fires once, each step is done once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import azure.functions as func
import pytest

from functions import hooks as functions
from shared.rest import errors

if TYPE_CHECKING:
    from tests.unit.hooks.conftest import Hooks


def test_a_poison_message_that_cannot_be_put_aside_now_stays_in_its_queue(hooks: Hooks) -> None:
    """What was accepted does not disappear: it is brought again after ten minutes, and put aside then."""
    hooks.steward.fuse.fail(1, after=False)
    with pytest.raises(errors.TransientError):
        _poison("nonsense")
    _poison("nonsense")
    assert len([name for name in hooks.steward.blobs.blobs if name.startswith("hooks/dead/")]) == 1


def _poison(text: str) -> None:
    functions.on_poison._function.get_user_function()(func.QueueMessage(body=text))
