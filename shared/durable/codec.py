"""Stored shapes as JSON: members that this version of the app does not know are kept, and written back with the rest.

A later version may have put them there, and reads them again after a rollback has come and gone. A dataclass that is stored
has a field `unknown` for them. Not here: the version that a shape carries (operations.versions), where it is stored.
"""

from __future__ import annotations

from dataclasses import MISSING, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared.text import times

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from collections.abc import Set as AbstractSet

UNKNOWN = "unknown"
VERSION = "version"

_known: dict[type[Any], dict[str, Any]] = {}  # a dataclass stays as it is


def members(kind: type[Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a dataclass is made of: the members it knows as they are stored, and the others under `unknown`."""
    names = _columns(kind).keys()
    known = {name: value for name, value in stored.items() if name in names}
    unknown = rest(stored, names | {VERSION}) if len(known) < len(stored) else {}
    return {**known, UNKNOWN: unknown} if unknown else known


def rest(stored: Mapping[str, Any], known: AbstractSet[str]) -> dict[str, Any]:
    """Return the members of a stored shape that are not among those that this version knows."""
    return {name: value for name, value in stored.items() if name not in known}


def read[T](kind: type[T], stored: Mapping[str, Any]) -> T:
    """Return the dataclass that was stored, where its members need no other form than JSON's."""
    return kind(**members(kind, stored))


def moments(stored: Mapping[str, Any], names: Iterable[str]) -> dict[str, datetime]:
    """Return those of the named members that have a moment, each as what it says (RFC 3339)."""
    return {name: datetime.fromisoformat(stored[name]) for name in names if stored.get(name)}


def dated(value: Any) -> dict[str, Any]:
    """Return what `written` does, each moment as text."""
    return {name: times.iso(held) if isinstance(held, datetime) else held for name, held in written(value).items()}


def written(value: Any, *, defaults: bool = True) -> dict[str, Any]:
    """Return the members of a dataclass as they are to be stored, the unknown ones first: what is known counts.

    Args:
        value: The dataclass; its members are not changed.
        defaults: Whether members that have their default value are written.
    """
    out: dict[str, Any] = dict(getattr(value, UNKNOWN))
    for name, default in _columns(type(value)).items():
        held = getattr(value, name)
        if defaults or held != default or type(held) is not type(default):
            out[name] = held
        else:
            out.pop(name, None)
    return out


def _columns(kind: type[Any]) -> dict[str, Any]:
    """Return the members of a dataclass that are stored, with their default values, which are compared only."""
    if kind not in _known:
        _known[kind] = {
            column.name: column.default_factory() if column.default_factory is not MISSING else column.default
            for column in fields(kind)
            if column.name != UNKNOWN
        }
    return _known[kind]
