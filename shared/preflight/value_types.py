"""Whether each value of a body has its type: a text where a number belongs, a list where an object does.

As lenient as the service: `"2"` is a whole number, `"true"` a flag, a number a text, null is nothing. Not here: words
(preflight.known_words), ranges (preflight.values).
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.catalog import bodies
from shared.preflight import known_words
from shared.preflight.findings import Finding, Question, wrong

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_KNOWN = Path(__file__).parents[1] / "catalog" / "known_types.json"  # made by infra/known_properties.py
_FIRST = "2023-04-01"  # older api-versions have other bodies
_MOST = 20  # values that are named


def _is_whole(value: Any, bits: int = 31) -> bool:
    if isinstance(value, str):
        return bool(re.fullmatch(r"\s*[+-]?\d{1,18}\s*", value)) and _is_whole(int(value), bits)
    return isinstance(value, int | float) and not isinstance(value, bool) and -(2**bits) <= value < 2**bits and value == int(value)


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        return bool(re.fullmatch(r"\s*[+-]?\d*\.?\d+([eE][+-]?\d+)?\s*", value))
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_flag(value: Any) -> bool:
    return value.strip().lower() in ("true", "false") if isinstance(value, str) else isinstance(value, int | float)


_IS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "flag": ("true or false", _is_flag),
    "whole": ("a whole number, at most 2,147,483,647", _is_whole),
    "long": ("a whole number", lambda value: _is_whole(value, 63)),
    "number": ("a number", _is_number),
    "text": ("a string", lambda value: not isinstance(value, dict | list)),
    "list": ("an array", lambda value: isinstance(value, list)),
    "object": ("an object", lambda value: isinstance(value, dict)),
}


def check(question: Question) -> Iterator[Finding]:
    """Yield the values that Azure cannot read."""
    if question.target.api_version < _FIRST:
        return
    found = 0
    for name, paths in _known(question.target.kind.full_type):
        noun, is_one = _IS[name]
        for path in paths:
            for at, value in known_words.standing(question.body, path.split(".")):
                if found < _MOST and value is not None and not is_one(value):
                    found += 1
                    yield wrong(at, "InvalidType", f"'{at[:200]}' is {_said(value)}; expected {noun}.")


def _said(value: Any) -> str:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return f"'{str(value)[:80]}'"
    noun = bodies.noun(value)
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


@cache
def _known(full_type: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    found = json.loads(_KNOWN.read_text(encoding="utf-8")).get(full_type) or {}
    return tuple((name, tuple(paths.split())) for name, paths in found.items())
