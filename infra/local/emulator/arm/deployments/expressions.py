"""The expression language of ARM templates: `[concat('kv', uniqueString(parameters('name')))]` to its value.

Only the functions that templates of Azure ML's clients use. Not here: what a template deploys (`resources.py`).
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

type Functions = Mapping[str, Callable[..., Any]]

_TOKEN = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+)|(?P<name>[A-Za-z_]\w*)|(?P<mark>[()\[\],.]))")
_DEEPEST = 100


class TemplateError(Exception):
    """The template cannot be understood; the message is for the user."""


def evaluated(value: Any, functions: Functions) -> Any:
    """A template's value with every expression in it replaced; names of fields may be expressions too.

    Args:
        value: any JSON.
        functions: by lower-cased name; each gets its evaluated arguments.

    Raises:
        TemplateError: an expression cannot be read, or names an unknown function.
    """
    if isinstance(value, dict):
        return {evaluated(name, functions): evaluated(one, functions) for name, one in value.items()}
    if isinstance(value, list):
        return [evaluated(one, functions) for one in value]
    if isinstance(value, str) and value.startswith("[") and value.endswith("]"):
        return value[1:] if value.startswith("[[") else _Reader(value[1:-1], functions).whole()
    return value


class _Reader:
    """Reads one expression from left to right; what it reads is evaluated as it goes."""

    def __init__(self, text: str, functions: Functions) -> None:
        self._text, self._functions = text, functions
        self._tokens: list[tuple[str, str]] = []
        at = 0
        while text[at:].strip():
            match = _TOKEN.match(text, at)
            if match is None:
                raise TemplateError(f"The template language expression '{text}' is not valid at position {at}.")
            self._tokens.append((str(match.lastgroup), match.group(str(match.lastgroup))))
            at = match.end()
        self._at = self._depth = 0

    def whole(self) -> Any:
        """The value of the expression, which must be all there is."""
        value = self._value()
        if self._at != len(self._tokens):
            raise TemplateError(f"The template language expression '{self._text}' has more than one value.")
        return value

    def _next(self, mark: str = "") -> tuple[str, str]:
        kind, text = self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")
        if mark and text != mark:
            raise TemplateError(f"The template language expression '{self._text}' lacks a '{mark}'.")
        self._at += 1
        return kind, text

    def _sees(self, mark: str) -> bool:
        return self._at < len(self._tokens) and self._tokens[self._at] == ("mark", mark)

    def _value(self) -> Any:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise TemplateError("The template language expression is nested too deeply.")
        kind, text = self._next()
        value: Any
        if kind == "text":
            value = text[1:-1].replace("''", "'")
        elif kind == "number":
            value = int(text)
        elif kind == "name":
            value = self._call(text)
        else:
            raise TemplateError(f"The template language expression '{self._text}' is not valid at '{text}'.")
        while self._sees(".") or self._sees("["):
            value = self._part_of(value)
        self._depth -= 1
        return value

    def _call(self, name: str) -> Any:
        function = self._functions.get(name.lower())
        if function is None:
            raise TemplateError(f"The template function '{name}' is not valid.")
        self._next("(")
        arguments: list[Any] = []
        while not self._sees(")"):
            arguments.append(self._value())
            if not self._sees(")"):
                self._next(",")
        self._next(")")
        try:
            return function(*arguments)
        except TypeError as error:
            raise TemplateError(f"The template function '{name}' was called wrongly: {error}") from None

    def _part_of(self, value: Any) -> Any:
        _, mark = self._next()
        key = self._next()[1] if mark == "." else self._value()
        if mark == "[":
            self._next("]")
        try:
            if isinstance(value, dict):
                return {name.lower(): one for name, one in value.items()}[str(key).lower()]
            return value[key]
        except (KeyError, IndexError, TypeError):
            raise TemplateError(
                f"The language expression property '{key}' doesn't exist, in the expression '{self._text}'."
            ) from None


# ── functions that need nothing but their arguments ──────────────────────────────────────────────────────────────────
def _concat(*parts: Any) -> Any:
    if parts and isinstance(parts[0], list):
        return [one for part in parts for one in part]
    return "".join(_text(part) for part in parts)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _unique(*parts: Any) -> str:
    digest = hashlib.sha256("\0".join(_text(part) for part in parts).encode()).digest()
    return "".join("abcdefghijklmnopqrstuvwxyz234567"[byte & 31] for byte in digest[:13])


def _equals(one: Any, other: Any) -> bool:
    return bool(one.lower() == other.lower() if isinstance(one, str) and isinstance(other, str) else one == other)


PLAIN: dict[str, Callable[..., Any]] = {
    "concat": _concat,
    "uniquestring": _unique,
    "guid": lambda *parts: str(uuid.uuid5(uuid.NAMESPACE_URL, "-".join(_text(part) for part in parts))),
    "newguid": lambda: str(uuid.uuid4()),
    "equals": _equals,
    "not": lambda value: not value,
    "and": lambda *values: all(values),
    "or": lambda *values: any(values),
    "if": lambda condition, yes, no: yes if condition else no,
    "empty": lambda value: not value,
    "length": len,
    "array": lambda value: value if isinstance(value, list) else [value],
    "createarray": lambda *values: list(values),
    "json": json.loads,
    "string": _text,
    "int": int,
    "bool": lambda value: value if isinstance(value, bool) else str(value).lower() == "true",
    "true": lambda: True,
    "false": lambda: False,
    "null": lambda: None,
    "tolower": lambda text: text.lower(),
    "toupper": lambda text: text.upper(),
    "trim": lambda text: text.strip(),
    "replace": lambda text, old, new: text.replace(old, new),
    "split": lambda text, by: text.split(by),
    "substring": lambda text, start, count=None: text[start:] if count is None else text[start : start + count],
    "take": lambda value, count: value[:count],
    "last": lambda value: value[-1],
    "first": lambda value: value[0],
    "contains": lambda value, item: item in value,
    "startswith": lambda text, start: text.lower().startswith(start.lower()),
    "endswith": lambda text, end: text.lower().endswith(end.lower()),
    "coalesce": lambda *values: next((value for value in values if value is not None), None),
    "union": lambda *values: {name: one for value in values for name, one in value.items()},
    "format": lambda text, *values: re.sub(r"\{(\d+)\}", lambda match: _text(values[int(match[1])]), text),
    "add": lambda one, other: one + other,
    "sub": lambda one, other: one - other,
    "mul": lambda one, other: one * other,
    "div": lambda one, other: one // other,
    "mod": lambda one, other: one % other,
    "min": lambda *values: min(values[0] if isinstance(values[0], list) else values),
    "max": lambda *values: max(values[0] if isinstance(values[0], list) else values),
    "range": lambda start, count: list(range(start, start + count)),
    "greater": lambda one, other: one > other,
    "greaterorequals": lambda one, other: one >= other,
    "less": lambda one, other: one < other,
    "lessorequals": lambda one, other: one <= other,
    "createobject": lambda *pairs: dict(zip(pairs[::2], pairs[1::2], strict=True)),
    "join": lambda values, by: by.join(map(_text, values)),
    "skip": lambda value, count: value[count:],
    "indexof": lambda text, part: text.lower().find(part.lower()),
}
