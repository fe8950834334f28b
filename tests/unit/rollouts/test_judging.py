"""What a rollout keeps of two answers that differ: where and how, and not a character of what a model said."""

from __future__ import annotations

import math
from typing import Any

import pytest

from shared.rollouts import judging

SECRET = "CANARYe4f1"


@pytest.mark.parametrize(
    ("expected", "said", "reason"),
    [
        ({"score": 1.0}, {"score": 1.2}, "score is 0.2 away from what is expected; the tolerance is 0.05"),
        ({"a": {"b": [SECRET]}}, {"a": {"b": ["xx"]}}, "a.b[0] is a text of 2 characters, expected a text of 10 characters"),
        ({"label": "cat"}, {"label": SECRET[:3]}, "label is another value: a text of 3 characters"),
        ({"ok": True}, {"ok": False}, "ok is another value: a boolean"),
        ({"ok": True}, {"ok": 1}, "ok is a number, expected a boolean"),
        ({"a": SECRET}, {}, "a is missing, expected a text of 10 characters"),
        ({}, {SECRET: 1}, "a field is a number, expected missing"),
        ({f"{SECRET}@contoso.com": 1}, {}, "a field is missing, expected a number"),
        ([1, 2], [1], "the answer is a list of 1, expected a list of 2"),
        (SECRET, {"a": SECRET}, "the answer is an object of 1 fields, expected a text of 10 characters"),
        (None, SECRET, "the answer is a text of 10 characters, expected null"),
        ({"n": 10**400}, {"n": 1.5}, "n is far away from what is expected; the tolerance is 0.05"),
        ({"n": 1.0}, {"n": math.nan}, "n is nan away from what is expected; the tolerance is 0.05"),
    ],
)
def test_a_difference_says_where_and_how(expected: Any, said: Any, reason: str) -> None:
    """Never a value; a field's name only where it was expected and looks like one."""
    found = judging.differing((200, expected), (200, said), 0.05, ())
    assert found == reason
    assert SECRET not in found
    assert SECRET not in judging.expected(expected, 200, said)


@pytest.mark.parametrize("expect", [f"body.a == '{SECRET}x'", "abs(body.a)", "sum(body.a)", "body.a > `1`"])
def test_a_smoke_test_that_fails_quotes_nothing(expect: str) -> None:
    """Neither the answer, which a function that does not fit it would name, nor the expression."""
    assert judging.expected("body.a", 200, {"a": SECRET}) == ""
    found = judging.expected(expect, 200, {"a": SECRET})
    assert found
    assert SECRET not in found


def test_what_is_equal_or_ignored_is_no_difference() -> None:
    """Numbers within the tolerance, whatever is ignored by its whole path."""
    live, new = {"a": 1.0, "b": [{"took": 3}], "n": 10**400}, {"a": 1.04, "b": [{"took": SECRET}], "n": 10**400}
    assert judging.differing((200, live), (200, new), 0.05, ("b[0].took",)) == ""
    assert judging.differing((200, live), (503, new), 0.05, ()) == "the status is 503; the live deployment answers 200"


def test_answers_may_be_nested_as_deeply_as_they_like() -> None:
    """They end the comparison, not the worker."""
    deep: Any = SECRET
    for _ in range(5_000):
        deep = [deep]
    found = judging.differing((200, deep), (200, [deep]), 0.05, ())
    assert found == "[0]" * 5_000 + " is a list of 1, expected a text of 10 characters"
