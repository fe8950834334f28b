"""The HTTP routes: each function registers through here, so that one place knows which verbs a path takes.

Whatever answers GET answers HEAD alike (RFC 9110 §9.3.2; the platform leaves the content out). Not here: what no route takes
(others), what a route may be asked (openapi.asked).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import azure.functions as func

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    type Answer = Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]

CATCH_ALL = "{*rest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One function, the verbs and the template that it is registered with."""

    verbs: tuple[str, ...]
    template: str
    function: Answer

    def takes(self, path: str) -> bool:
        """Tell whether a decoded path without empty segments fits."""
        wanted, given = self.template.split("/"), path.split("/")
        if wanted[-1] == CATCH_ALL:
            wanted.pop()
            given = given[: len(wanted)]
        same = len(wanted) == len(given)
        return same and all(each.startswith("{") or each.lower() == one.lower() for each, one in zip(wanted, given, strict=True))


ROUTES: list[Route] = []  # in the order in which the modules are imported; no two take the same verb and path


def route(
    blueprint: func.Blueprint,
    name: str,
    template: str,
    verbs: list[str],
    *,
    anonymous: bool = False,
    head: Answer | None = None,
) -> Callable[[Answer], Answer]:
    """Register the function that follows: its platform name, route and verbs, and HEAD wherever it answers GET.

    Args:
        blueprint: Its module's.
        name: Unique; the platform asks functions in the order of their names.
        template: Its route.
        verbs: What it takes.
        anonymous: No key is asked for.
        head: What answers HEAD, where that is not GET without its content.
    """

    def registered(function: Answer) -> Answer:
        every = tuple(verbs) if "GET" not in verbs else (*verbs, "HEAD")

        async def trigger(req: func.HttpRequest) -> func.HttpResponse:
            if req.method != "HEAD":
                return await function(req)
            return await (head(req) if head else function(as_get(req)))

        trigger.__name__ = name
        level = func.AuthLevel.ANONYMOUS if anonymous else None
        blueprint.function_name(name)(blueprint.route(template, methods=every, auth_level=level)(trigger))
        ROUTES.append(Route(verbs=every, template=template, function=trigger))
        return function

    return registered


def as_get(req: func.HttpRequest) -> func.HttpRequest:
    """Return the GET that a HEAD asks about."""
    return again(req, "GET", req.url, dict(req.route_params))


def again(req: func.HttpRequest, method: str, url: str, route_params: dict[str, str]) -> func.HttpRequest:
    """Return a request with another verb or place, all else as it came."""
    return func.HttpRequest(
        method=method,
        url=url,
        headers=dict(req.headers.items()),
        params=dict(req.params),
        route_params=route_params,
        body=req.get_body(),
    )
