"""HTTP functions: finds the one that answers, checks the key, runs it, turns its result into an answer.

What a function is given follows the platform (GrpcMessageConversionExtensions in Azure/azure-functions-host): header
names in lower case, repeated headers and parameters joined by commas, empty query parameters and route parameters
that the path does not reach left out.
"""

import contextlib
import math
import re
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from infra.local.host import paths, routes
from infra.local.host.functions import Function
from infra.local.host.invocation import InvocationLostError, Result, Value
from infra.local.host.keys import Keys
from infra.local.host.runner import Runner
from infra.local.host.web import Request, Response

LIMIT_S = 230.0  # Azure's load balancer gives up: https://learn.microsoft.com/azure/azure-functions/functions-scale#timeout
_TRACE_PARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class Throttle:
    """host.json ``maxConcurrentRequests`` and ``maxOutstandingRequests``; ``None`` is unlimited."""

    def __init__(self, concurrent: int | None = None, outstanding: int | None = None) -> None:
        self._running = contextlib.nullcontext() if concurrent is None else threading.BoundedSemaphore(concurrent)
        self._limit = math.inf if outstanding is None else outstanding
        self._outstanding = 0
        self._lock = threading.Lock()

    def run(self, answer: Callable[[], Response]) -> Response:
        """Answer in turn, or 429 at once if too many requests wait already."""
        with self._lock:
            if self._outstanding >= self._limit:
                return Response(status=HTTPStatus.TOO_MANY_REQUESTS)
            self._outstanding += 1
        try:
            with self._running:
                return answer()
        finally:
            with self._lock:
                self._outstanding -= 1


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpTrigger:
    """Answers requests by functions.

    Attributes:
        routes: In the platform's order.
        keys: Who may call what.
        runner: Runs the function.
        limit_s: How long a caller waits for an answer.
        throttle: How many callers at once.
    """

    routes: list[routes.Route]
    keys: Keys
    runner: Runner
    limit_s: float = LIMIT_S
    throttle: Throttle = field(default_factory=Throttle)

    def answer(self, request: Request) -> Response | None:
        """The answer of the function that the request is for; ``None`` if it is for none."""
        found = routes.find(self.routes, request.method, request.path)
        if found is None:
            return None
        function, values = found
        if not self.keys.opens_function(function.name, function.auth_level, request.key()):
            return Response(status=HTTPStatus.UNAUTHORIZED)
        if function.disabled and not self.keys.opens_function(function.name, "admin", request.key()):
            return Response(status=HTTPStatus.NOT_FOUND)
        if not request.header("host"):
            return Response(status=HTTPStatus.INTERNAL_SERVER_ERROR)  # the URL that the function would get cannot be made
        return self.throttle.run(lambda: self._run(function, request, values))

    def _run(self, function: Function, request: Request, values: dict[str, str]) -> Response:
        inputs = {function.parameter: http_value(request, values)}
        try:
            result = self.runner.run(
                function,
                inputs,
                reason="This function was programmatically called via the host APIs.",
                trace_parent=_trace_parent(request),
                limit_s=self.limit_s,
            )
        except InvocationLostError:
            return Response(status=HTTPStatus.INTERNAL_SERVER_ERROR)
        except TimeoutError:
            return Response(status=HTTPStatus.BAD_GATEWAY)  # Azure's front end gives up, not the host
        return to_response(result)


def http_value(request: Request, route_values: dict[str, str]) -> Value:
    """The request as the worker library takes it."""
    headers: dict[str, str] = {}
    for name, value in request.headers:
        headers[name.lower()] = f"{headers[name.lower()]},{value}" if name.lower() in headers else value
    query: dict[str, str] = {}
    spelled: dict[str, str] = {}  # ASP.NET's query ignores case: the first spelling is the name
    for name, value in request.parameters():
        first = spelled.setdefault(name.lower(), name)
        query[first] = f"{query[first]},{value}" if first in query else value
    host = headers.get("disguised-host") or headers["host"]  # AppServiceHeaderFixupMiddleware, as is the scheme
    scheme = headers.get("x-forwarded-proto", "").partition(",")[0].strip() or "http"
    content: dict[str, Any] = {
        "method": request.method,
        "url": f"{scheme}://{host}{paths.encode(request.path)}{'?' if request.query else ''}{request.query}",
        "headers": headers,
        "query": {name: value for name, value in query.items() if value},
        "params": route_values,
        "body": request.read_body() or None,
    }
    return "http", content


def to_response(result: Result) -> Response:
    """What the caller gets: the function's answer, or an empty 500 if it raised."""
    if result.error is not None:
        return Response(status=HTTPStatus.INTERNAL_SERVER_ERROR)
    if result.value is None:
        return Response(status=HTTPStatus.NO_CONTENT)
    kind, content = result.value
    if kind == "http":
        return Response(status=content["status"], headers=tuple(content["headers"]), body=content["body"], streamed=True)
    body = content if isinstance(content, bytes) else str(content).encode()
    return Response(headers=(("Content-Type", "text/plain; charset=utf-8"),), body=body, streamed=True)


def _trace_parent(request: Request) -> str:
    given = request.header("traceparent") or ""
    return given if _TRACE_PARENT.fullmatch(given) else f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-00"
