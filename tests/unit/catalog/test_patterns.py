"""Callers' regular expressions: Python's verdicts for what both read alike, in time that grows with the text alone."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import time

import pytest

from shared.recipes.recipe import Parameter
from shared.text import patterns

LEAVES = ("a", "b", ".", "[ab]", "[^a]", "[a-c-]", r"\w", r"\.", "-", "")
TIMES = ("", "", "*", "+", "?", "{2}", "{1,}", "{0,2}", "{1,3}", "*?", "{0,2}?")
ENDLESS = (
    "(a|aa)+",
    "(a+)+",
    "(a*)*b",
    "(a?){50}a{50}",
    "(.|a)*x",
    "a*a*a*a*a*a*a*a*b",
    "((a|b)*(b|a)*)*c",
    "(a|a)" * 40,
    "(?:a?b?c?d?){250}x",
    "(?:(?:a|b|.)?){900}(?:.*a){50}y",
    ".*a.{200}.*b.{150}",
)
UNKNOWN = {
    "(?=a)": patterns.UNKNOWN,
    "(?!a)": patterns.UNKNOWN,
    "(?<=a)b": patterns.UNKNOWN,
    "(?>a)": patterns.UNKNOWN,
    r"(a)\1": patterns.UNKNOWN,
    r"a\Z": patterns.UNKNOWN,
    "a*+": "bad repetition operator",
    "a**": "bad repetition operator",
    "a{12345}": "invalid repetition size",
    "(a{500}){500}": "invalid repetition size",
    "a{2,1}": "invalid repetition size",
    "a{,2}": "write {0,2} for {,2}",
    "(": "missing )",
    "[": "missing ]",
    r"(?:\pL?\pN?){100}x": "too large",
    "\ud800": "surrogates",
}


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
    """Where Python's would take years."""
    began = time.process_time()
    for length in (30, 3_000, patterns.LENGTH - 1):
        assert not patterns.matches(pattern, "a" * length + "!")
    assert time.process_time() - began < 3


@pytest.mark.parametrize("pattern", UNKNOWN)
def test_what_is_not_known_is_refused(pattern: str) -> None:
    """With the reason."""
    with pytest.raises(ValueError, match=re.escape(UNKNOWN[pattern])):
        patterns.read(pattern)


@pytest.mark.parametrize("text", ["a" * (patterns.LENGTH + 1), "\udfff"])
def test_a_text_that_cannot_be_matched_is_a_mistake_of_the_value(text: str) -> None:
    """Too long, or half of a surrogate pair."""
    assert Parameter(name="p", pattern=".*").refusal("short") == ""
    assert Parameter(name="p", pattern=".*").refusal(text)


def test_nothing_is_written_to_the_hosts_log() -> None:
    """The library would print each pattern that it refuses: it is a caller's text."""
    program = "from shared.text import patterns\ntry: patterns.read('(CANARY')\nexcept ValueError: pass"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=100)
    assert done.stdout + done.stderr == ""
