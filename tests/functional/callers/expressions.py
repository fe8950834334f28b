"""The expression language that logic apps and pipelines share, as far as the docs use it: `@concat('a', body('B')?['c'])`.

Written after its reference ("Workflow Definition Language functions"). Not here: what the functions of a run return.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

type Functions = Mapping[str, Callable[..., Any]]

_TOKEN = re.compile(r"\s*('(?:[^']|'')*'|-?\d+|[A-Za-z_]\w*|\?\[|\?\.|[()\[\],.])")
_CONSTANTS = {"null": None, "true": True, "false": False}

PLAIN: Functions = {
    "concat": lambda *parts: "".join(map(str, parts)),
    "coalesce": lambda *given: next((one for one in given if one is not None), None),
    "contains": lambda whole, part: part in whole,
    "createArray": lambda *given: list(given),
    "equals": lambda one, other: one == other,
    "not": lambda one: not one,
    "json": json.loads,
    "base64": lambda text: b64encode(text.encode()).decode(),
    "base64ToString": lambda text: b64decode(text).decode(),
    "uriComponent": lambda text: quote(text, safe=""),
}


def evaluated(value: Any, functions: Functions) -> Any:
    """Return JSON with every expression in it replaced: `@…` by what it is, `@{…}` inside of a text by its text.

    Raises:
        KeyError: a function or a property (other than after `?`) that there is not.
        SyntaxError: it cannot be read.
    """
    if isinstance(value, dict):
        if value.get("type") == "Expression":
            return evaluated(value["value"], functions)
        return {name: evaluated(one, functions) for name, one in value.items()}
    if isinstance(value, list):
        return [evaluated(one, functions) for one in value]
    if not isinstance(value, str) or "@" not in value:
        return value
    if value.startswith("@") and not value.startswith("@{"):
        return _Reader(value[1:], functions).whole()

    def text(found: re.Match[str]) -> str:
        inner = _Reader(found[1], functions).whole()
        return "" if inner is None else inner if isinstance(inner, str) else json.dumps(inner)

    return re.sub(r"@\{([^}]*)\}", text, value)


class _Reader:
    """Reads one expression from left to right, and evaluates as it goes: all arguments, as the services do."""

    def __init__(self, text: str, functions: Functions) -> None:
        self._text, self._functions = text, {**PLAIN, **functions}
        self._tokens = _TOKEN.findall(text)
        if "".join(self._tokens) != re.sub(r"\s+(?=(?:[^']*'[^']*')*[^']*$)", "", text):
            raise SyntaxError(text)

    def whole(self) -> Any:
        """Return the expression's value, which must be all there is."""
        value = self._value()
        if self._tokens:
            raise SyntaxError(f"{self._text}: {self._tokens}")
        return value

    def _value(self) -> Any:
        token = self._tokens.pop(0)
        if token.startswith("'"):
            value: Any = token[1:-1].replace("''", "'")
        elif re.fullmatch(r"-?\d+", token):
            value = int(token)
        elif token in _CONSTANTS:
            value = _CONSTANTS[token]
        else:
            value = self._functions[token](*self._arguments())
        while self._tokens and self._tokens[0] in (".", "[", "?.", "?["):
            value = self._part_of(value)
        return value

    def _arguments(self) -> list[Any]:
        self._take("(")
        found: list[Any] = []
        while self._tokens[0] != ")":
            found.append(self._value())
            if self._tokens[0] == ",":
                self._tokens.pop(0)
        self._take(")")
        return found

    def _part_of(self, value: Any) -> Any:
        mark = self._tokens.pop(0)
        if mark.endswith("["):
            name = self._value()
            self._take("]")
        else:
            name = self._tokens.pop(0)
        if mark.startswith("?"):
            return value.get(name) if isinstance(value, dict) else None
        return value[name]

    def _take(self, token: str) -> None:
        if self._tokens.pop(0) != token:
            raise SyntaxError(f"{self._text}: expected {token}")
