"""Which HTTP function answers a path: route templates as ASP.NET Core matches them.

Pure matching. The platform tries the functions in the order of their names and takes the first whose template and
method fit; it does not prefer the more specific one. A path that fits with another method is 404, not 405
(methods are route constraints there: WebScriptHostHttpRoutesManager in Azure/azure-functions-host).
Templates: https://learn.microsoft.com/aspnet/core/fundamentals/routing#route-constraints
"""

import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infra.local.host.functions import Function

_PARAMETER = re.compile(r"\{(\*{0,2})([A-Za-z_]\w*)((?::[^{}()?=:]+(?:\([^{}]*\))?)*)(=[^}?]*)?(\?)?\}")
_CONSTRAINT = re.compile(r":([A-Za-z]+)(?:\(((?:[^()]|\([^()]*\))*)\))?")


class RouteError(Exception):
    """A route template cannot be read; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Segment:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One HTTP function and its template, prefix included."""

    function: "Function"
    segments: tuple[_Segment, ...]

    def match(self, path: str) -> dict[str, str] | None:
        """The route parameters if the decoded path fits. A parameter that the path does not reach is left out.

        An empty segment fits nothing, neither a parameter nor the beginning of a catch-all; within what a catch-all takes
        it may stand.
        """
        parts = path.removeprefix("/").split("/")
        if parts[-1] == "":
            parts.pop()  # one slash at the end makes no difference
        values: dict[str, str] = {}
        for index, segment in enumerate(self.segments):
            if parts[index : index + 1] == [""]:
                return None
            if segment.catch_all:
                rest = "/".join(path.removeprefix("/").split("/")[index:])
                return _caught(segment, rest, values)
            if index >= len(parts):
                if segment.absent is None:
                    return None
                values |= segment.absent
                continue
            found = segment.match(parts[index])
            if found is None:
                return None
            values |= found
        return values if len(parts) <= len(self.segments) else None


def _caught(segment: _Segment, rest: str, values: dict[str, str]) -> dict[str, str] | None:
    if not rest:
        return {**values, **(segment.absent or {})}
    checks = segment.constraints.get(segment.catch_all, ())
    return values | {segment.catch_all: rest} if all(check(rest) for check in checks) else None


def check(template: str) -> None:
    """Make sure that a template can be read.

    Raises:
        RouteError: It cannot.
    """
    _segments(template)


def table(functions: Iterable["Function"], prefix: str) -> list[Route]:
    """The routes of the HTTP functions among ``functions``, in their order.

    Raises:
        RouteError: A template cannot be read.
    """
    return [
        Route(function=function, segments=_segments(f"{prefix}/{function.route}".strip("/")))
        for function in functions
        if function.kind == "httpTrigger"
    ]


def find(routes: Iterable[Route], method: str, path: str) -> tuple["Function", dict[str, str]] | None:
    """The function that answers and its route parameters; ``path`` is decoded (``paths.decode``)."""
    for route in routes:
        if route.function.methods and method.upper() not in route.function.methods:
            continue
        values = route.match(path)
        if values is not None:
            return route.function, values
    return None


def _segments(template: str) -> tuple[_Segment, ...]:
    parts = re.split(r"/(?![^{]*\})", template) if template else []
    segments = tuple(_segment(part, template) for part in parts)
    if any(segment.catch_all for segment in segments[:-1]):
        raise RouteError(f"route {template!r}: a catch-all must be last")
    return segments


def _segment(text: str, template: str) -> _Segment:
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
    return _Segment(
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
