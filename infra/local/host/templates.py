"""Route templates as ASP.NET Core reads them: segments, parameters, constraints.

https://learn.microsoft.com/aspnet/core/fundamentals/routing#route-constraints
"""

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

_PARAMETER = re.compile(r"\{(\*{0,2})([A-Za-z_]\w*)((?::[^{}()?=:]+(?:\([^{}]*\))?)*)(=[^}?]*)?(\?)?\}")
_CONSTRAINT = re.compile(r":([A-Za-z]+)(?:\(((?:[^()]|\([^()]*\))*)\))?")


class RouteError(Exception):
    """A route template cannot be read; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One part of a template between slashes.

    Attributes:
        pattern: What it must look like; parameters are named groups.
        constraints: Parameter name to checks.
        catch_all: The parameter that takes the rest of the path.
        absent: What to answer when the path ends before it: ``None`` means that it must be there.
    """

    pattern: re.Pattern[str]
    constraints: Mapping[str, tuple[Callable[[str], bool], ...]]
    catch_all: str = ""
    absent: Mapping[str, str] | None = None

    def match(self, text: str) -> dict[str, str] | None:
        """The parameters in ``text``, or ``None``."""
        found = self.pattern.fullmatch(text)
        if not found:
            return None
        values = found.groupdict()
        fits = all(check(values[name]) for name, checks in self.constraints.items() for check in checks)
        return values if fits else None


def check(template: str) -> None:
    """Make sure that a template can be read.

    Raises:
        RouteError: It cannot.
    """
    segments(template)


def segments(template: str) -> tuple[Segment, ...]:
    """Read a template.

    Raises:
        RouteError: It cannot be read.
    """
    parts = re.split(r"/(?![^{]*\})", template) if template else []
    found = tuple(_segment(part, template) for part in parts)
    if any(segment.catch_all for segment in found[:-1]):
        raise RouteError(f"route {template!r}: a catch-all must be last")
    return found


def _segment(text: str, template: str) -> Segment:
    pattern, position, literals = "", 0, ""
    constraints: dict[str, tuple[Callable[[str], bool], ...]] = {}
    catch_all, absent = "", None
    for found in _PARAMETER.finditer(text):
        stars, name, limits, default, optional = found.groups()
        literal = text[position : found.start()]
        literals += literal
        pattern += re.escape(literal) + f"(?P<{name}>.+)"
        position = found.end()
        constraints[name] = tuple(_check(kind, argument, template) for kind, argument in _CONSTRAINT.findall(limits))
        catch_all = name if stars else catch_all
        if default:
            absent = {name: default[1:]}
        elif optional or stars:
            absent = {}
    pattern += re.escape(text[position:])
    if set(literals + text[position:]) & set("{}"):
        raise RouteError(f"route {template!r}: cannot read {text!r}")
    return Segment(
        pattern=re.compile(pattern, re.IGNORECASE | re.DOTALL),
        constraints=constraints,
        catch_all=catch_all,
        absent=absent,
    )


def _is(convert: Callable[[str], object]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            convert(text)
        except ValueError:
            return False
        return True

    return check


def _integer(bits: int) -> Callable[[str], bool]:
    limit = 1 << (bits - 1)
    return lambda text: bool(re.fullmatch(r"[+-]?[0-9]{1,20}", text)) and -limit <= int(text) < limit


_TYPES: dict[str, Callable[[str], bool]] = {
    "int": _integer(32),
    "long": _integer(64),
    "bool": lambda text: text.lower() in ("true", "false"),
    "guid": _is(uuid.UUID),
    "alpha": lambda text: bool(re.fullmatch(r"[A-Za-z]*", text)),
    "datetime": _is(datetime.fromisoformat),
    "decimal": _is(float),
    "double": _is(float),
    "float": _is(float),
    "required": bool,
}


def _check(name: str, argument: str, template: str) -> Callable[[str], bool]:
    kind = name.lower()
    if kind in _TYPES:
        return _TYPES[kind]
    if kind == "regex":
        expression = re.compile(argument, re.IGNORECASE)
        return lambda text: bool(expression.search(text))
    numbers = [int(number) for number in re.findall(r"-?\d+", argument)]
    integer = _integer(64)
    match kind, numbers:
        case (("length" | "minlength" | "maxlength"), [first, *more]):
            low = 0 if kind == "maxlength" else first
            high = {"length": more[0] if more else first, "maxlength": first}.get(kind, 1 << 31)
            return lambda text: low <= len(text) <= high
        case (("min" | "max" | "range"), [first, *more]):
            least = first if kind != "max" else -(1 << 63)
            most = {"range": more[0] if more else first, "max": first}.get(kind, 1 << 63)
            return lambda text: integer(text) and least <= int(text) <= most
    raise RouteError(f"route {template!r}: unknown constraint {name!r}")
