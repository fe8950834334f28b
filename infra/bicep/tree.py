"""What Bicep is made of, once syntax.py has read it: declarations, and the expressions in them. Not here: what it means."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, true, false or null."""

    value: Any


@dataclass(frozen=True, slots=True)
class Text:
    """A string: texts and what is embedded, by turns."""

    parts: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Name:
    """A name that is used."""

    name: str
    line: int


@dataclass(frozen=True, slots=True)
class Field:
    """`base.name`; `sure` after a `!`."""

    base: Any
    name: str
    sure: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """`base[key]`."""

    base: Any
    key: Any


@dataclass(frozen=True, slots=True)
class Call:
    """`name(arguments)`."""

    name: str
    arguments: tuple[Any, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator with one or two operands."""

    sign: str
    operands: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """`condition ? yes : no`."""

    condition: Any
    yes: Any
    no: Any


@dataclass(frozen=True, slots=True)
class Array:
    """`[…]`."""

    items: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Object:
    """`{…}`: keys (texts, or Text where something is embedded) with their values."""

    pairs: tuple[tuple[Any, Any], ...]


@dataclass(frozen=True, slots=True)
class Loop:
    """`[for … in over: body]`."""

    names: tuple[str, ...]
    over: Any
    body: Any


@dataclass(frozen=True, slots=True)
class When:
    """`if (condition) body`."""

    condition: Any
    body: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """`param`, `var`, `output`, `type`, `resource`, `module`, `targetScope`, `using` or `import`.

    Attributes:
        keyword: Which.
        name: What it declares; '' for the last three.
        kind: Type of a param or output as it is written, resource type and api-version, path of a module
            or of what is imported; '' where it has none of either.
        value: Default, value or body; None without one.
        existing: Of a resource that is there already.
        decorators: Arguments of each, by name.
        line: Where it stands.
    """

    keyword: str
    name: str
    kind: str
    value: Any
    existing: bool
    decorators: dict[str, tuple[Any, ...]]
    line: int


def below(node: Any) -> Iterator[Any]:
    """Return a node and everything in it."""
    if isinstance(node, tuple):
        for each in node:
            yield from below(each)
    elif is_dataclass(node):
        yield node
        yield from below(tuple(getattr(node, each.name) for each in fields(node)))
