"""Which type each value of a body has: a text where a number belongs is refused before anything else, as what cannot be read is.

The paths are distilled from the types that Microsoft generates for Bicep (infra/known_properties.py). Lenient as a .NET service
is: `"2"` is a whole number, `"true"` a flag, a number a text, and null is nothing. A real refusal of this kind:
https://github.com/pulumi/pulumi-azure-native/issues/1557. Not here: words (machine_learning.words), ranges (each kind's code).
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.local.emulator.arm import gateway
from infra.local.emulator.machine_learning import scope

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local.emulator import web

_TABLE = Path(__file__).with_name("value_types.json")
_FIRST = "2023-04-01"  # older versions have other bodies
_WHOLE = re.compile(r"\s*[+-]?\d{1,18}\s*")


def _is_whole(value: Any, bits: int = 31) -> bool:
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        value = int(value)
    return isinstance(value, int | float) and not isinstance(value, bool) and -(2**bits) <= value < 2**bits and value == int(value)


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        return bool(re.fullmatch(r"\s*[+-]?\d*\.?\d+([eE][+-]?\d+)?\s*", value))
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_flag(value: Any) -> bool:
    return value.strip().lower() in ("true", "false") if isinstance(value, str) else isinstance(value, int | float)


_IS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "flag": ("true or false", _is_flag),
    "whole": ("a whole number of 32 bits", _is_whole),
    "long": ("a whole number of 64 bits", lambda value: _is_whole(value, 63)),
    "number": ("a number", _is_number),
    "text": ("a string", lambda value: not isinstance(value, dict | list)),
    "list": ("an array", lambda value: isinstance(value, list)),
    "object": ("an object", lambda value: isinstance(value, dict)),
}


def check(request: web.Request) -> None:
    """Refuse a value of another type than its member has.

    Raises:
        web.Refused: 400, naming the member and its type.
    """
    known = _types().get(scope.changed(request), {})
    if not known or not request.body or request.query.get("api-version", "") < _FIRST:
        return
    body = gateway.body_object(request)
    for name, paths in known.items():
        noun, is_one = _IS[name]
        for path in paths:
            for at, value in scope.standing(body, path.split(".")):
                if value is not None and not is_one(value):
                    field = at.removeprefix(".properties.").lstrip(".")
                    raise scope.invalid(f"The field {field} must be {noun}.", "ValidationError")


@cache
def _types() -> dict[str, dict[str, list[str]]]:
    """By lower-cased type below the workspace, or the top one's name: the paths of each type."""
    found = json.loads(_TABLE.read_text(encoding="utf-8"))
    out = {}
    for full_type, types in found.items():
        _, first, *below = full_type.lower().split("/")
        out["/".join(below) if below else first] = {name: paths.split() for name, paths in types.items()}
    return out
