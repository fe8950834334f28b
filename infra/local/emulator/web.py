"""HTTP as every service of the local Azure sees it: requests, responses, routes and the shapes errors come in.

A service is a `Routes`: a host pattern, a guard (authentication), and handlers by method and path template. A handler is
`(world, request) -> Response`; it refuses by raising `Refused`. This module knows no service, no state and no socket:
`sockets/server.py` makes the requests and sends the answers.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from werkzeug.formparser import FormDataParser

if TYPE_CHECKING:
    from infra.local.emulator.identity.state import Principal
    from infra.local.emulator.world import World

type Handler = Callable[[World, Request], Response]
type Guard = Callable[[World, Request], Request]
type Finish = Callable[[World, Request, Response], Response]


COMMAS = 100  # too many, in one body, that are taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request, fully read.

    Attributes:
        method: upper case.
        host: lower case, without a port.
        path: as sent (still percent-encoded), without the query; runs of slashes are one, none at the end.
        query: the first value of each parameter; names are lower case, because Azure compares them so.
        headers: names are lower case.
        body: the bytes.
        params: the route's path parameters, percent-decoded.
        id: the server's request id, sent back as `x-ms-request-id`.
        principal: whose token it is, once a guard has checked one.
        raw_query: the query as sent, without `?`.
        notes: what guard and handler leave for `finish` (the rate limit that remains, …); shared by all copies of the request.
        operation_error: set by a fault rule: the operation that this request starts ends with this ARM error.
        service: the routes that answer it; a handler can ask them more (a template's resources, what a GET would say).
    """

    method: str
    host: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    params: Mapping[str, str] = field(default_factory=dict)
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    principal: Principal | None = None
    raw_query: str = ""
    notes: dict[str, Any] = field(default_factory=dict)
    operation_error: Mapping[str, Any] | None = None
    service: Routes = field(default_factory=lambda: Routes("(?!)"))

    @property
    def where(self) -> str:
        """`host/path?query`, as sent."""
        return f"{self.host}{self.path}" + (f"?{self.raw_query}" if self.raw_query else "")

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            ValueError: it is none (`json.JSONDecodeError` and `UnicodeDecodeError` are ValueErrors).
        """
        try:
            return _lenient(self.body.decode("utf-8-sig"))
        except RecursionError:
            raise ValueError("The JSON is nested too deeply.") from None

    def form(self) -> tuple[dict[str, str], dict[str, bytes]]:
        """The fields and the files of a form body (url-encoded or multipart), each by name; the last of a name wins."""
        content_type, options = _content_type(self.headers.get("content-type", ""))
        _, fields, files = FormDataParser().parse(io.BytesIO(self.body), content_type, len(self.body), options)
        return dict(fields.items()), {name: file.read() for name, file in files.items()}


def _lenient(text: str) -> Any:
    """JSON as ARM's parser takes it: raw line ends in texts, commas behind the last member.

    Microsoft's own walk-throughs send both (azureml-examples, cli/deploy-rest.sh and cli/batch-score-rest.sh).
    """
    for _ in range(COMMAS):
        try:
            return json.loads(text, parse_constant=_no_number, strict=False)
        except json.JSONDecodeError as bad:
            if not bad.msg.startswith("Illegal trailing comma"):
                raise
            text = text[: bad.pos] + text[bad.pos + 1 :]
    raise ValueError(f"more than {COMMAS} commas with nothing behind them")


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def _content_type(header: str) -> tuple[str, dict[str, str]]:
    kind, _, rest = header.partition(";")
    options = dict(re.findall(r'([\w-]+)\s*=\s*"?([^";]+)"?', rest))
    return kind.strip().lower(), options


def request_from(
    method: str, host: str, target: str, headers: Mapping[str, str], body: bytes
) -> Request:  # the one place where a wire request becomes ours
    """A `Request` from the parts of an HTTP/1.1 message; `target` is the path with its query, as sent."""
    path, _, query = target.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True)
    return Request(
        method=method.upper(),
        host=host.partition(":")[0].lower(),
        path=re.sub(r"/{2,}", "/", path).rstrip("/") or "/",
        query={name.lower(): value for name, value in reversed(pairs)},
        headers={name.lower(): value for name, value in headers.items()},
        body=body,
        raw_query=query,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One answer; `headers` keep the case they are written in, because Azure's case varies and clients must bear it."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def with_headers(self, headers: Mapping[str, str]) -> Response:
        """The same answer with more headers; one already there (in any case) is kept."""
        names = {name.lower() for name, _ in self.headers}
        more = tuple((name, value) for name, value in headers.items() if name.lower() not in names)
        return replace(self, headers=self.headers + more)


class Refused(Exception):  # noqa: N818 - it is an answer, not a mistake of ours
    """Raised by a handler or guard: answer this instead."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status, response.body[:300])
        self.response = response


class Dropped(Exception):  # noqa: N818 - a fault that was asked for
    """Raised to close the connection without an answer (a fault rule)."""


def answer(body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer; `body=None` gives the four characters `null`, as the managementfrontend sends them."""
    return Response(
        status=status,
        headers=(("Content-Type", "application/json; charset=utf-8"), *(headers or {}).items()),
        # a lone surrogate, which JSON can escape and UTF-8 cannot hold, becomes its escape again
        body=json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode(errors="backslashreplace"),
    )


def empty(status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer of `Content-Length: 0` without a content type."""
    return Response(status=status, headers=tuple((headers or {}).items()))


# ── the shapes of errors (what real traffic shows; no two services agree) ────────────────────────────────────────────
def arm_error(
    status: int,
    code: str,
    message: str,
    *,
    target: str | None = None,
    details: Iterable[Mapping[str, Any]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Shape (a), ARM's own gateway: `{"error":{"code","message"}}` and `x-ms-failure-cause: gateway`."""
    error: dict[str, Any] = {"code": code, "message": message}
    if target is not None:
        error["target"] = target
    if listed := list(details):
        error["details"] = listed
    return answer({"error": error}, status=status, headers={"x-ms-failure-cause": "gateway", **(headers or {})})


def frontend_error_body(code: str, message: str, *, inner: Iterable[str] = (), component: str) -> dict[str, Any]:
    """What stands under `error` in shape (b): the useful code is the innermost of `additionalInfo[InnerError]`."""
    chain: dict[str, Any] | None = None
    for name in reversed(list(inner)):
        chain = {"code": name, "innerError": chain}
    info: list[dict[str, Any]] = [
        {"type": "ComponentName", "info": {"value": component}},
        {"type": "MessageFormat", "info": {"value": message}},
    ]
    if chain is not None:
        info.append({"type": "InnerError", "info": {"value": {"code": code, "innerError": chain}}})
    return {"code": code, "message": message, "details": [], "additionalInfo": info}


def frontend_error(status: int, code: str, message: str, *, inner: Iterable[str] = ()) -> Response:
    """Shape (b), Azure ML's managementfrontend (assets, jobs, endpoints). `inner` goes from outer to innermost code."""
    return answer({"error": frontend_error_body(code, message, inner=inner, component="managementfrontend")}, status=status)


def service_error(
    status: int, code: str, message: str, *, inner: Iterable[str] = (), component: str, location: str = ""
) -> Response:
    """Shape (c), the older Azure ML services (compute, connections, run history, execution). `inner` as in (b)."""
    chain: dict[str, Any] | None = None
    for name in reversed(list(inner)):
        chain = {"code": name, "innerError": chain}
    error: dict[str, Any] = {
        "code": code,
        "severity": None,
        "message": message,
        "messageFormat": None,
        "messageParameters": None,
        "referenceCode": None,
        "detailsUri": None,
        "target": None,
        "details": [],
        "innerError": chain,
        "debugInfo": None,
        "additionalInfo": None,
    }
    operation = uuid.uuid4().hex
    body = {
        "error": error,
        "correlation": {"operation": operation, "request": operation[:16]},
        "environment": location,
        "location": location,
        "componentName": component,
        "statusCode": status,
    }
    return answer(body, status=status)


def model_management_error(status: int, code: str, message: str) -> Response:
    """Shape (e), v1 model management: no `error` envelope."""
    return answer({"code": code, "statusCode": status, "message": message}, status=status)


def storage_error(status: int, code: str, message: str, *, request_id: str, detail: str = "") -> Response:
    """Storage's XML, which begins with a byte order mark; `detail` says why a caller is not known."""
    more = f"<AuthenticationErrorDetail>{detail}</AuthenticationErrorDetail>" if detail else ""
    text = (
        f'\ufeff<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code>'
        f"<Message>{message}\nRequestId:{request_id}</Message>{more}</Error>"
    )
    return Response(status=status, headers=(("Content-Type", "application/xml"), ("x-ms-error-code", code)), body=text.encode())


# ── routes ───────────────────────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method and path template with its handler."""

    method: str
    template: str
    pattern: re.Pattern[str]
    handler: Handler


def _pattern(template: str) -> re.Pattern[str]:
    """`{name}` is one segment, `{name*}` the rest (one or more); literals match in any case, as in ARM."""
    parts = re.split(r"(\{\w+\*?\})", template)
    regex = "".join(
        (f"(?P<{part[1:-2]}>.+)" if part.endswith("*}") else f"(?P<{part[1:-1]}>[^/]+)")
        if part.startswith("{")
        else re.escape(part)
        for part in parts
    )
    return re.compile(regex, re.IGNORECASE)


class Routes:
    """The routes of one service: the first that matches, in the order they were added, answers.

    Args:
        host: a regular expression that the whole host name must match, in any case.
        guard: runs before the handler; returns the request (with its principal) or raises `Refused`.
        not_found: answers what no route matches.
        finish: adds what every answer of the service has (ids, rate-limit headers); refusals pass through it too.
        locked: handlers run one at a time under the world's lock; else they take it themselves (slow work, scoring).
    """

    def __init__(
        self,
        host: str,
        *,
        guard: Guard | None = None,
        not_found: Handler | None = None,
        finish: Finish | None = None,
        locked: bool = False,
    ) -> None:
        self._finish = finish or (lambda _world, _request, response: response)
        self.locked = locked
        self.host = re.compile(host, re.IGNORECASE)
        self._guard = guard
        self._not_found = not_found or (lambda _world, _request: empty(404))
        self._routes: list[Route] = []

    def route(self, methods: str, template: str) -> Callable[[Handler], Handler]:
        """Decorator: `methods` are separated by spaces; stack it for several templates."""

        def register(handler: Handler) -> Handler:
            for method in methods.split():
                self._routes.append(Route(method=method, template=template, pattern=_pattern(template), handler=handler))
            return handler

        return register

    def serves(self, host: str) -> bool:
        """Whether this service answers for the host."""
        return self.host.fullmatch(host) is not None

    def find(self, request: Request) -> tuple[Handler, Request]:
        """The handler for a request and the request with its path parameters; else the service's not-found answer."""
        for route in self._routes:
            if route.method == request.method and (match := route.pattern.fullmatch(request.path)):
                params = {name: unquote(value) for name, value in match.groupdict().items()}
                return route.handler, replace(request, params=params)
        return self._not_found, request

    def knows(self, path: str) -> bool:
        """Whether a route has the path, with whatever method."""
        return any(route.pattern.fullmatch(path) for route in self._routes)

    def include(self, other: Routes) -> None:
        """Append another's routes (its host, guard and finish are not used)."""
        self._routes.extend(other._routes)

    def include_locked(self, other: Routes) -> None:
        """Append another's routes, whose handlers want the world's lock, to a service that does not take it."""

        def under_lock(handler: Handler) -> Handler:
            def locked(world: World, request: Request) -> Response:
                with world.lock:
                    return handler(world, request)

            return locked

        self._routes.extend(replace(route, handler=under_lock(route.handler)) for route in other._routes)

    def handle(self, world: World, request: Request) -> Response:
        """Guard, find, handle; a refusal becomes its answer."""
        request = replace(request, service=self)
        with world.lock if self.locked else contextlib.nullcontext():
            try:
                if self._guard is not None:
                    request = self._guard(world, request)
                    request.notes["principal"] = request.principal
                handler, request = self.find(request)
                response = handler(world, request)
            except Refused as refused:
                response = refused.response
            return self._finish(world, request, response)
