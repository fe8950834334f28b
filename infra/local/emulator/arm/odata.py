"""The subset of OData filters and orders that Azure's lists take: comparisons, `and`, `or`, `not`, brackets, two functions.

`parse` gives a predicate over a function from field name to value; what fields there are is the caller's to say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import Any

type Lookup = Callable[[str], Any]
type Predicate = Callable[[Lookup], bool]

_TOKEN = re.compile(
    r"\s*(?:(?P<open>\()|(?P<close>\))|(?P<comma>,)|(?:datetime(?:offset)?)?'(?P<text>(?:[^']|'')*)'|\"(?P<quoted>[^\"]*)\""
    r"|(?P<time>\d{4}-\d\d-\d\d(?:T[\d:.]+(?:Z|[+-]\d\d:\d\d)?)?)|(?P<number>-?\d+(?:\.\d+)?)|(?P<word>[A-Za-z_][\w./-]*))"
)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: a is not None and b is not None and a < b,
    "le": lambda a, b: a is not None and b is not None and a <= b,
    "gt": lambda a, b: a is not None and b is not None and a > b,
    "ge": lambda a, b: a is not None and b is not None and a >= b,
}
# By name: the place of the field among the two arguments, and what holds for field and text.
_FUNCTIONS: dict[str, tuple[int, Callable[[str, str], bool]]] = {
    "substringof": (1, lambda field, text: text in field),
    "startswith": (0, lambda field, text: field.startswith(text)),
}
_WORDS: dict[str, Any] = {"null": None, "true": True, "false": False}


class FilterError(Exception):
    """The filter or order cannot be read; the message is for the user."""


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            raise FilterError(f"The filter cannot be read at {text[at : at + 20]!r}.")
        kind = str(match.lastgroup)
        if kind in {"text", "quoted"}:  # the SDK v1 quotes with "
            found.append(("text", match[kind].replace("''", "'") if kind == "text" else match[kind]))
        else:
            found.append((kind, match[kind]))
        at = match.end()
    return found


class _Parser:
    """Recursive descent over the tokens: or, and, not, bracket, function or comparison."""

    def __init__(self, tokens: list[tuple[str, str]], known: Callable[[str], bool], functions: Collection[str]) -> None:
        self._tokens = tokens
        self._known = known
        self._functions = functions
        self._at = 0

    def whole(self) -> Predicate:
        found = self._either()
        if self._at < len(self._tokens):
            raise FilterError(f"The filter has something behind its end: {self._tokens[self._at][1]!r}.")
        return found

    def _is_word(self, word: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at][0] == "word" and self._tokens[self._at][1].lower() == word:
            self._at += 1
            return True
        return False

    def _next(self, what: str) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise FilterError(f"The filter ends where {what} is expected.")
        self._at += 1
        return self._tokens[self._at - 1]

    def _either(self) -> Predicate:
        parts = [self._both()]
        while self._is_word("or"):
            parts.append(self._both())
        return lambda lookup: any(part(lookup) for part in parts)

    def _both(self) -> Predicate:
        parts = [self._one()]
        while self._is_word("and"):
            parts.append(self._one())
        return lambda lookup: all(part(lookup) for part in parts)

    def _one(self) -> Predicate:
        if self._is_word("not"):
            inner = self._one()
            return lambda lookup: not inner(lookup)
        kind, text = self._next("a comparison")
        if kind == "open":
            bracketed = self._either()
            if self._next("a closing bracket")[0] != "close":
                raise FilterError("The filter lacks a closing bracket.")
            return bracketed
        if kind == "word" and text.lower() in self._functions:
            return self._function(text.lower())
        if kind != "word" or not self._known(text):
            raise FilterError(f"The filter names {text!r}, which is not a field.")
        return self._comparison(text)

    def _function(self, name: str) -> Predicate:
        place, holds = _FUNCTIONS[name]
        tokens = [self._next(f"an argument of {name}") for _ in range(5)]
        (field_kind, field), (text_kind, text) = tokens[1 + 2 * place], tokens[3 - 2 * place]
        shape = (tokens[0][0], tokens[2][0], tokens[4][0])
        if shape != ("open", "comma", "close") or field_kind != "word" or text_kind != "text" or not self._known(field):
            raise FilterError(f"{name} takes {'a text and a field' if place else 'a field and a text'} in brackets.")
        return lambda lookup: holds(str(lookup(field) or "").lower(), text.lower())

    def _comparison(self, name: str) -> Predicate:
        compare = _COMPARE.get(self._next("an operator")[1].lower())
        if compare is None:
            raise FilterError(f"The operator is one of {', '.join(_COMPARE)}.")
        wanted = _value(*self._next("a value"))

        def holds(lookup: Lookup) -> bool:
            try:
                return compare(_as(lookup(name), wanted), wanted if not isinstance(wanted, str) else wanted.lower())
            except TypeError:
                return False

        return holds


def _value(kind: str, text: str) -> Any:
    if kind == "word":
        if text.lower() not in _WORDS:
            raise FilterError(f"{text!r} is no value; text stands in single quotes.")
        return _WORDS[text.lower()]
    if kind == "number":
        return float(text)
    if kind == "time":
        return _time(text)
    if kind == "text":
        return _time(text) if re.fullmatch(r"\d{4}-\d\d-\d\dT.*", text) else text
    raise FilterError(f"{text!r} is no value.")


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise FilterError(f"{text!r} is no time.") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _as(value: Any, wanted: Any) -> Any:
    """A run's value in the type it is compared with; text is compared in any case, as run history does."""
    if isinstance(wanted, str) and value is not None:
        return str(value).lower()
    if isinstance(wanted, float) and isinstance(value, str):
        return float(value) if re.fullmatch(r"-?\d+(\.\d+)?", value) else None
    return value


def parse(text: str | None, known: Callable[[str], bool], functions: Collection[str] = ()) -> Predicate:
    """The predicate of a filter; one that always holds for an empty filter.

    Args:
        text: e.g. `Status eq 'Running' and CreatedUtc ge 2026-01-01T00:00:00Z and tags/stage ne 'dev'`.
        known: whether a field exists.
        functions: which of `substringof` and `startswith` the service takes.

    Raises:
        FilterError: it cannot be read.
    """
    if not (text or "").strip():
        return lambda _lookup: True
    return _Parser(_tokens(text or ""), known, functions).whole()


def ordered[T](items: Sequence[T], order: str | None, known: Callable[[str], bool], lookup: Callable[[T], Lookup]) -> list[T]:
    """The items by `CreatedUtc desc, RunId`; absent values come last in either direction.

    Raises:
        FilterError: an unknown field or direction.
    """
    found = list(items)
    for part in reversed([part.split() for part in (order or "").split(",") if part.strip()]):
        name, direction = part[0], (part[1].lower() if len(part) > 1 else "asc")
        if not known(name) or direction not in {"asc", "desc"} or len(part) > 2:
            raise FilterError(f"The order {' '.join(part)!r} cannot be read.")
        there = [item for item in found if lookup(item)(name) is not None]
        absent = [item for item in found if lookup(item)(name) is None]
        there.sort(key=lambda item: lookup(item)(name), reverse=direction == "desc")
        found = there + absent
    return found
