"""Callers' regular expressions: the same verdicts as Python's own, in a bounded number of steps."""

from __future__ import annotations

import random
import re
import time

import pytest

from shared.text import patterns

LEAVES = ("a", "b", ".", "[ab]", "[^a]", "[a-c-]", r"\w", r"\.", "-", "")
TIMES = ("", "", "*", "+", "?", "{2}", "{1,}", "{,2}", "{1,3}", "*?", "{0,2}?")
ENDLESS = (
    "(a|aa)+",
    "(a+)+",
    "(a*)*b",
    "(a?){50}a{50}",
    "(.|a)*x",
    "a*a*a*a*a*a*a*a*b",
    "((a|b)*(b|a)*)*c",
    "(a|a)" * 40,
    "(){9999}" * 20,
)
UNKNOWN = (
    "(?=a)",
    "(?!a)",
    "(?<=a)b",
    "(?P<n>a)",
    r"(a)\1",
    r"\bword\b",
    "a*+",
    "(?>a)",
    "(?i)a",
    "a{12345}",
    "a**",
    "(",
    "[",
    "a{2,1}",
    r"\x41",
)


def made(chance: random.Random, depth: int) -> str:
    """A pattern."""
    ways = chance.randint(1, 3)
    if not depth:
        return chance.choice(LEAVES)
    inner = [made(chance, depth - 1) for _ in range(ways)]
    joined = "|".join(inner) if chance.random() < 0.4 else "".join(inner)
    times = chance.choice(TIMES)
    return f"{chance.choice(('(', '(?:'))}{joined}){times}" if times or chance.random() < 0.5 else joined


def test_the_verdict_is_pythons() -> None:
    """Over random patterns that end soon, and short texts."""
    chance = random.Random(11)  # noqa: S311 - reproducible
    told = {True: 0, False: 0}
    for _ in range(1_500):
        pattern = made(chance, 2)
        for _ in range(4):
            text = "".join(chance.choice("aabc.-\n") for _ in range(chance.randint(0, 6)))
            verdict = patterns.matches(pattern, text)
            assert verdict == bool(re.fullmatch(pattern, text)), (pattern, text)
            told[verdict] += 1
    assert min(told.values()) > 500
    assert patterns.matches("^a$", "a")
    assert not patterns.matches("a^b$", "ab")


@pytest.mark.parametrize("pattern", ENDLESS)
def test_no_pattern_goes_on_and_on(pattern: str) -> None:
    """Where Python's would take years it ends, or says that it does not."""
    began = time.process_time()
    for length in (30, 3_000, 300_000):
        try:
            assert not patterns.matches(pattern, "a" * length + "!")
        except patterns.TooLongError:
            assert length > 30 or "9999" in pattern
    assert time.process_time() - began < 3


@pytest.mark.parametrize("pattern", UNKNOWN)
def test_what_is_not_known_is_refused(pattern: str) -> None:
    """With the reason."""
    with pytest.raises(ValueError, match=r"."):
        patterns.read(pattern)
