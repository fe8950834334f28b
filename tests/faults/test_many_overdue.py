"""More is overdue than one tick can look after: the rest goes to other workers, a page for each message, each entry once."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from shared.durable import sweep
from shared.operations import steps
from tests.fakes import Killed
from tests.steward import Steward, look_after

if TYPE_CHECKING:
    from shared.operations.models import Operation

MANY, INLINE, PAGE = 60, 20, 10
BODY: dict[str, Any] = {"location": "westeurope", "properties": {}}


@pytest.fixture
def steward(monkeypatch: pytest.MonkeyPatch) -> Steward:
    """The app with sixty operations whose messages were lost, ten minutes ago."""
    monkeypatch.setattr(sweep, "INLINE", INLINE)
    monkeypatch.setattr(sweep, "PAGE", PAGE)
    steward = Steward()
    for number in range(MANY):
        steward.submit("PUT", f"workspaces/many{number}", BODY, respond_async=True)
    steward.queue.messages.clear()
    steward.clock.advance(600)
    return steward


def _pages(steward: Steward) -> list[str]:
    return [held.text for held in steward.queue.messages if "overdue" in held.text]


def _page(steward: Steward, text: str) -> int:
    """Take a page as a queue's function does; returns how many were woken."""
    woken = sweep.page((steps.MACHINE,), text, steward.process)
    assert woken is not None
    return woken["operation"]


def _woken(steward: Steward) -> list[Operation]:
    return [each for each in steward.ledger.newest(top=MANY) if each.lost_since]


def test_a_tick_looks_after_some_and_names_the_others_in_messages(steward: Steward) -> None:
    """In as many messages as it takes; after them nobody is overdue, and nothing was queued twice."""
    assert look_after(steward.process) == INLINE
    pages = _pages(steward)
    assert len(pages) == (MANY - INLINE) / PAGE
    assert [_page(steward, text) for text in pages] == [PAGE] * len(pages)
    assert len(_woken(steward)) == MANY
    steward.queue.messages = [held for held in steward.queue.messages if held.text not in pages]
    assert len(steward.queue.messages) == MANY
    assert look_after(steward.process) == 0
    steward.drive()
    assert {each.status for each in steward.ledger.newest(top=MANY)} == {"Succeeded"}


def test_a_page_that_comes_twice_or_late_wakes_nothing_twice(steward: Steward) -> None:
    """The next tick names those that wait again; a page of what was looked after costs one read."""
    look_after(steward.process)
    first = _pages(steward)
    steward.clock.advance(20)
    look_after(steward.process)
    again = [text for text in _pages(steward) if text not in first]
    assert sum(_page(steward, text) for text in first + again) == MANY - 2 * INLINE
    calls = len(steward.fuse.calls)
    assert [_page(steward, text) for text in first] == [0] * len(first)
    assert steward.fuse.calls[calls:] == ["open.query"] * len(first)


def test_what_is_left_of_a_page_whose_worker_died_is_in_the_next_ones(steward: Steward) -> None:
    """And of one that storage failed."""
    look_after(steward.process)
    dying, failing, *_ = _pages(steward)
    steward.fuse.blow(13, after=True)
    with pytest.raises(Killed):
        _page(steward, dying)
    steward.restart()
    steward.fuse.fail(1, after=False)
    assert _page(steward, failing) == 0
    steward.queue.messages.clear()
    steward.clock.advance(20)
    look_after(steward.process)
    for text in _pages(steward):
        _page(steward, text)
    assert len(_woken(steward)) == MANY


def test_other_messages_are_no_pages(steward: Steward) -> None:
    """And one of a newer version of the app is refused."""
    assert sweep.page((steps.MACHINE,), '{"version": 1, "operation": "a", "step": 1}', steward.process) is None
    with pytest.raises(ValueError, match="version"):
        sweep.page((steps.MACHINE,), json.dumps({"version": sweep.VERSION + 1, "overdue": []}), steward.process)


def test_the_pauses_between_messages_that_do_not_help_double(steward: Steward) -> None:
    """The queue may be long: nothing is named every half minute for hours."""
    for _ in range(180):
        look_after(steward.process)
        for text in _pages(steward):
            _page(steward, text)
        steward.queue.messages.clear()
        steward.clock.advance(20)
    sent = Counter(json.loads(text).get("operation") for text, _ in steward.queue.sent if "overdue" not in text)
    assert set(sent.values()) <= {9, 10, 11}
