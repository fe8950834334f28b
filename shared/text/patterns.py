"""Regular expressions that callers bring, matched within a bound: Python's own go on for years over some of them.

It follows all ways at once (Thompson), and counts its steps. Groups, choices, classes and repetitions are known, and what looks
ahead or back is not. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    type Node = Callable[[str, set[int], Steps], set[int]]  # where in a text it may begin → where it may end

STEPS = 100_000  # of one match
_ATOM = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]|\\[^\dAbBNuUxZ]|[^\\\[]", re.DOTALL)  # one character of the text
_TIMES = re.compile(r"(?:([*+?])|\{(?=,?\d)(\d{0,4})(?:(,)(\d{0,4}))?\})\??")
_BOUNDS: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}


class TooLongError(ValueError):
    """A text takes more steps than there are."""


@dataclass(slots=True)
class Steps:
    """How many are left."""

    left: int = STEPS

    def take(self, count: int) -> None:
        """Take some.

        Raises:
            TooLongError: there are not so many.
        """
        self.left -= count
        if self.left < 0:
            message = "it takes too long to match"
            raise TooLongError(message)


def matches(pattern: str, text: str) -> bool:
    """Return whether a text matches as a whole.

    Raises:
        ValueError: it is no such pattern; `TooLongError`.
    """
    return len(text) in read(pattern)(text, {0}, Steps())


@lru_cache(maxsize=256)
def read(pattern: str) -> Node:
    """Return what matches a pattern.

    Raises:
        ValueError: it is not one, with its place.
    """
    try:
        re.compile(pattern)  # says best what is wrong
    except (re.error, OverflowError) as bad:
        raise ValueError(str(bad)) from None
    node, at = _choice(pattern, 0)
    if at < len(pattern):
        raise _unknown(pattern, at)
    return node


def _choice(pattern: str, at: int) -> tuple[Node, int]:
    nodes = []
    while True:
        node, at = _sequence(pattern, at)
        nodes.append(node)
        if pattern[at : at + 1] != "|":
            break
        at += 1
    return (_any(nodes) if len(nodes) > 1 else nodes[0]), at


def _sequence(pattern: str, at: int) -> tuple[Node, int]:
    nodes = []
    while at < len(pattern) and pattern[at] not in "|)":
        node, at = _piece(pattern, at)
        if found := _TIMES.match(pattern, at):
            at = found.end()
            if pattern[at : at + 1] in ("*", "+", "?", "{"):
                raise _unknown(pattern, at)
            least, most = _BOUNDS.get(found[1]) or (int(found[2] or 0), int(found[4]) if found[4] else None)
            node = _times(node, least, most if found[1] or found[3] else least)
        nodes.append(node)
    return _all(nodes), at


def _piece(pattern: str, at: int) -> tuple[Node, int]:
    if pattern[at] == "(":
        start = at + 3 if pattern.startswith("(?:", at) else at + 1
        if pattern.startswith("?", start):
            raise _unknown(pattern, at)
        node, end = _choice(pattern, start)
        return node, end + 1
    if pattern[at] in "^$":
        return _edge(start=pattern[at] == "^"), at + 1
    found = _ATOM.match(pattern, at)
    if not found or pattern[at] in "*+?{":
        raise _unknown(pattern, at)
    return _one(re.compile(found[0])), found.end()


def _unknown(pattern: str, at: int) -> ValueError:
    return ValueError(f"'{pattern[at : at + 10]}' at {at} is not known here: only groups, choices, classes and repetitions are")


def _one(known: re.Pattern[str]) -> Node:
    def run(text: str, starts: set[int], steps: Steps) -> set[int]:
        steps.take(len(starts))
        return {start + 1 for start in starts if start < len(text) and known.fullmatch(text, start, start + 1)}

    return run


def _edge(*, start: bool) -> Node:
    return lambda text, starts, _steps: starts & {0 if start else len(text)}


def _all(nodes: list[Node]) -> Node:
    def run(text: str, starts: set[int], steps: Steps) -> set[int]:
        for node in nodes:
            starts = node(text, starts, steps)
        return starts

    return run


def _any(nodes: list[Node]) -> Node:
    def run(text: str, starts: set[int], steps: Steps) -> set[int]:
        return set[int]().union(*(node(text, starts, steps) for node in nodes))

    return run


def _times(node: Node, least: int, most: int | None) -> Node:
    def run(text: str, starts: set[int], steps: Steps) -> set[int]:
        for _ in range(least):
            steps.take(1)
            starts = node(text, starts, steps)
        found, count = set(starts), least
        while starts and (most is None or count < most):
            steps.take(1)
            starts = node(text, starts, steps) - found
            found |= starts
            count += 1
        return found

    return run
