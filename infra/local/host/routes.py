"""Which HTTP function answers a path: route templates as ASP.NET Core matches them.

Pure matching. The platform tries the functions in the order of their names and takes the first whose template and
method fit; it does not prefer the more specific one. A path that fits with another method is 404, not 405
(methods are route constraints there: WebScriptHostHttpRoutesManager in Azure/azure-functions-host).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from infra.local.host.functions import Function
from infra.local.host.templates import Segment, segments


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One HTTP function, its template, prefix included, and its methods: none means all."""

    function: Function
    segments: tuple[Segment, ...]
    methods: frozenset[str]

    def match(self, parts: list[str], path: str) -> dict[str, str] | None:
        """The route parameters if the decoded path fits. A parameter that the path does not reach is left out.

        An empty segment fits nothing, neither a parameter nor the beginning of a catch-all; within what a catch-all takes
        it may stand.
        """
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


def _caught(segment: Segment, rest: str, values: dict[str, str]) -> dict[str, str] | None:
    if not rest:
        return {**values, **(segment.absent or {})}
    checks = segment.constraints.get(segment.catch_all, ())
    return values | {segment.catch_all: rest} if all(check(rest) for check in checks) else None


def table(functions: Iterable[Function], prefix: str) -> list[Route]:
    """The routes of the HTTP functions among ``functions``, in their order.

    Raises:
        RouteError: A template cannot be read.
    """
    return [
        Route(
            function=function,
            segments=segments(f"{prefix}/{function.route}".strip("/")),
            methods=frozenset(function.methods),
        )
        for function in functions
        if function.kind == "httpTrigger"
    ]


def find(routes: Iterable[Route], method: str, path: str) -> tuple[Function, dict[str, str]] | None:
    """The function that answers and its route parameters; ``path`` is decoded (``paths.decode``)."""
    parts, wanted = path.removeprefix("/").split("/"), method.upper()
    if parts[-1] == "":
        parts.pop()  # one slash at the end makes no difference
    for route in routes:
        if route.methods and wanted not in route.methods:
            continue
        values = route.match(parts, path)
        if values is not None:
            return route.function, values
    return None
