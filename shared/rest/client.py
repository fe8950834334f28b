"""The wire: one HTTP request to Azure, one definite answer, or a TransientError.

`Client.send` is the only place that puts a bearer token into a request, and it does so only for hosts that the cloud
allows. `requests` exceptions never get past rest.transport. Not here: what an answer means (long_running, operations.flows).
"""

from __future__ import annotations

import json
import logging
import math
import threading
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from shared.rest import clouds, error_bodies, errors, ids, streams
from shared.telemetry import calls, trace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import requests

    from shared.rest import transport
    from shared.rest.streams import Content
    from shared.rest.tokens import Tokens

log = logging.getLogger("steward.rest")

CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 40.0
SLACK_S = 45.0  # beyond the first byte of an answer
SLOWEST_BYTES_S = 1024 * 1024  # bytes a second; slower than that no content is sent
UNREACHABLE_DELAY_S = 5.0
UNAVAILABLE_DELAY_S = 10.0
THROTTLED_DELAY_S = 20.0
MAX_DELAY_S = 3_600.0
NESTING = (dict, list)
DEPTH_LIMIT = 200  # levels; no answer of Azure's has as many, and a model may say anything
PARSE_LIMIT = 32 * 1024 * 1024  # bytes; no JSON of Azure's is as large, an artifact's content may be
READ_ALLOWANCES = ("reads", "global-reads")  # ARM counts per region and service principal, and 15 times that for everyone
REQUEST_ID_HEADERS = ("x-ms-request-id", "x-ms-correlation-request-id", "request-id", "x-request-id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A definite answer: any status but 408, 429 and 5xx. Header names are lower case; `body` is parsed JSON, text or None."""

    status: int
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    content: bytes = b""

    @property
    def ok(self) -> bool:
        """Return whether the status is 2xx."""
        return 200 <= self.status < 300

    @property
    def request_id(self) -> str | None:
        """Azure's id of the request, to quote to support."""
        return next((self.headers[name] for name in REQUEST_ID_HEADERS if name in self.headers), None)

    def error(self) -> errors.AzureError:
        """Return what a 3xx or 4xx answer says; of one that says nothing (a compute that is not there) what was asked for."""
        error = error_bodies.unfold(self.status, self.body)
        if self.body is not None:
            return error
        path = urlsplit(self.url).path
        message = (_missing(path) if self.status == 404 else "") or f"{error.message.removesuffix('.')}: {path}"
        return replace(error, message=message, target=error.target or path)

    def checked(self) -> Response:
        """Return this answer when it is 2xx.

        Raises:
            RejectedError: with Azure's own status and error.
        """
        if not self.ok:
            raise errors.RejectedError(self.error(), status=self.status if self.status >= 400 else 502)
        return self


def _missing(path: str) -> str:
    """Return that there is no such resource, '' for a path that is no resource's."""
    try:
        named = ids.parse(path)
    except errors.BadRequestError:
        return ""
    return "" if named.is_collection else f"There is no {named.words}."


def _incomplete(url: str, why: str) -> errors.RejectedError:
    message = f"{loggable(url)} could not be read completely: {why}."
    return errors.RejectedError(errors.AzureError(code="IncompleteList", message=message), status=502)


class Client:
    """Sends requests to Azure over one pooled session; safe to use from many threads.

    Args:
        cloud: Whose hosts may be sent a token.
        tokens: Where tokens come from.
        make_session: Opens connections; imported lazily because `requests` costs 50 ms of cold start.
        clock: Seconds since the epoch, for Retry-After dates.
        monotonic: Seconds that only ever pass.
    """

    def __init__(
        self,
        cloud: clouds.Cloud,
        tokens: Tokens,
        *,
        make_session: Callable[[], transport.Session] | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.cloud = cloud
        self._tokens = tokens
        self._make_session = make_session or _opened
        self._session: transport.Session | None = None
        self._clock = clock
        self._monotonic = monotonic
        self._guard = threading.Lock()
        self._remaining: dict[tuple[str, str], tuple[int, int]] = {}
        self._ahead: dict[str, float] = {}  # by host: its clock minus this process's monotonic one, at the least
        self.throttled = 0  # answers 429 since this client was made

    def send(
        self,
        method: str,
        url: str,
        *,
        body: Any = None,
        content: bytes | None = None,
        files: Mapping[str, tuple[str, Content, str]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Send one request with a bearer token and return Azure's answer.

        Args:
            method: HTTP verb.
            url: Absolute URL, sent byte for byte; its host decides the token's audience.
            body: JSON value, or None for no body.
            content: A body as it is, instead of `body`; `headers` then name its type.
            files: Multipart parts, name → (file name, content, content type); instead of `body`.
            headers: Further request headers.

        Raises:
            BadRequestError: `HostNotAllowed` or `RequestNotSendable`, before anything is sent.
            RejectedError: `SignInFailed`; there is no token.
            TransientError: throttled, unavailable or unreachable.
        """
        scope = clouds.scope_for(self.cloud, url)
        sent = dict(headers or {})
        if body is not None:
            content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
            sent.setdefault("Content-Type", "application/json")
        whole: bytes | streams.Source | None = content
        if files:
            whole, sent["Content-Type"] = streams.multipart(files)
        request = _Request(method=method, url=url, content=whole, headers=sent)
        token, began_s = self._tokens.get(scope), self._monotonic()
        response = self._exchange(request, token)
        if _token_ended(response):
            response = self._exchange(request, self._tokens.renew(scope, token))
        self._watch(url, response)
        self._set_clock(url, response, began_s)
        return self._definite(response)

    def send_signed(
        self, method: str, url: str, *, content: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Response:
        """Send one request whose proof is in the URL (a SAS of this cloud's blob storage): no token.

        Raises:
            BadRequestError: `HostNotAllowed`, when the URL is not blob storage of this cloud.
            TransientError: as `send`.
        """
        if not clouds.is_storage(self.cloud, url):
            raise errors.BadRequestError("HostNotAllowed", "A signed URL must be https blob storage of this cloud.", status=502)
        request = _Request(method=method, url=url, content=content, headers=headers or {})
        return self._definite(self._exchange(request, None))

    def send_to_storage(
        self, method: str, url: str, *, content: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Response:
        """Send one request to this cloud's blob storage with a token for storage, which no other host ever sees.

        Raises:
            BadRequestError: `HostNotAllowed`, when the URL is not blob storage of this cloud.
            RejectedError: `SignInFailed`.
            TransientError: as `send`.
        """
        if not clouds.is_storage(self.cloud, url):
            raise errors.BadRequestError("HostNotAllowed", "It must be https blob storage of this cloud.", status=502)
        request = _Request(method=method, url=url, content=content, headers=headers or {})
        return self._definite(self._exchange(request, self._tokens.get(clouds.STORAGE_SCOPE)))

    def send_keyed(self, url: str, key: str, *, content: bytes, headers: Mapping[str, str], timeout_s: float) -> Response:
        """POST to a scoring URI with the endpoint's own key or token; '' sends none. The caller has checked the URI (scoring).

        Returns:
            The answer whatever its status: a scoring script's 5xx is the caller's to see.
        """
        return self._exchange(_Request(method="POST", url=url, content=content, headers=headers, timeout_s=timeout_s), key or None)

    def pages(self, url: str) -> Iterator[Any]:
        """Yield each item of a list, following `nextLink` unchanged (docs/protocol.md §7: it is absent on the last page).

        Raises:
            RejectedError: `IncompleteList`; an answer is not a page of a list, or a page is its own successor.
        """
        read: set[str] = set()
        next_url = url
        while next_url:
            read.add(next_url)
            page = self.send("GET", next_url).checked().body
            if not isinstance(page, dict) or not isinstance(page.get("value"), list):
                raise _incomplete(url, "an answer is not a page of a list")
            yield from page["value"]
            next_url = str(page.get("nextLink") or "")
            if next_url in read:
                raise _incomplete(url, "its nextLink leads back to a page that was read before")

    def token(self, scope: str) -> str:
        """Return a token of ours for `scope`, for the one host that the caller has checked."""
        return self._tokens.get(scope)

    def pressure(self, subscription: str) -> float:
        """Return how much of the subscription's read allowance is used, 0.0 to 1.0, as ARM's last answer said."""
        known = [self._remaining.get((subscription.lower(), name), (1, 1)) for name in READ_ALLOWANCES]
        return max(1.0 - remaining / most for remaining, most in known)

    def allowances(self) -> list[tuple[str, str, int, int]]:
        """Return subscription, name, what is left and the most that ever was, of each read allowance that ARM has named."""
        return [(subscription, name, left, most) for (subscription, name), (left, most) in sorted(self._remaining.copy().items())]

    def azure_now(self, url: str) -> datetime | None:
        """Return the clock of that URL's server, at the earliest, from its answers so far; None before the first.

        It is counted on by this process's monotonic clock, so that a wrong clock of ours, or one that jumps, changes nothing.
        """
        ahead_s = self._ahead.get(urlsplit(url).hostname or "")
        return None if ahead_s is None else datetime.fromtimestamp(ahead_s + self._monotonic(), UTC)

    def _exchange(self, request: _Request, token: str | None) -> Response:
        import uuid

        call = calls.Call(request.method, request.url)
        headers = {"Accept": "application/json", "x-ms-client-request-id": str(uuid.uuid4()), **request.headers}
        headers[trace.HEADER] = call.traceparent
        if token:
            headers["Authorization"] = f"Bearer {token}"
        started = time.perf_counter()
        with call:
            response = self._transmit(request, headers)
            call.status = response.status
        elapsed_ms = 1_000 * (time.perf_counter() - started)
        log.debug("%s %s -> %s in %.0f ms", request.method, loggable(request.url), response.status, elapsed_ms)
        return response

    def _transmit(self, request: _Request, headers: dict[str, str]) -> Response:
        from shared.rest import transport

        host = urlsplit(request.url).hostname
        attempts = 2 if request.method == "GET" else 1  # a pooled connection may have died of age; only a read is repeated
        for attempt in range(1, attempts + 1):
            try:
                answer, content = transport.transmit(
                    self._pool(),
                    request.method,
                    request.url,
                    headers=headers,
                    content=request.content,
                    timeout_s=(CONNECT_TIMEOUT_S, request.timeout_s, request.total_s),
                )
                return _response(request.url, answer, content)
            except transport.TooLargeError:
                message = f"The answer of {host} is larger than {transport.ANSWER_LIMIT} bytes; read it from its storage."
                raise errors.BadRequestError("AnswerTooLarge", message, status=502) from None
            except transport.NoAnswerError as silence:
                if attempt == attempts or silence.timed_out or not silence.left:
                    message = f"{host} could not be reached ({silence})."
                    raise errors.UnreachableError(message, delay_s=UNREACHABLE_DELAY_S, maybe_arrived=silence.left) from None
            except ValueError as unfit:
                message = f"The request to {host} cannot be sent: {type(unfit).__name__}."
                raise errors.BadRequestError("RequestNotSendable", message) from None
        raise AssertionError(attempts)

    def _pool(self) -> transport.Session:
        if self._session is None:
            with self._guard:
                if self._session is None:
                    self._session = self._make_session()
        return self._session

    def _watch(self, url: str, response: Response) -> None:
        """Remember ARM's rate-limit headers; the allowance itself is taken as the most ever seen remaining."""
        parts = urlsplit(url).path.split("/")
        if len(parts) > 2 and parts[1].lower() == "subscriptions":
            for name in READ_ALLOWANCES:
                value = response.headers.get(f"x-ms-ratelimit-remaining-subscription-{name}", "")
                if value.isdecimal() and len(value) < 10:
                    key = (parts[2].lower(), name)
                    most = max(int(value), self._remaining.get(key, (0, 1))[1])
                    self._remaining[key] = (int(value), most)

    def _set_clock(self, url: str, response: Response, began_s: float) -> None:
        """Learn the server's clock: it wrote `Date`, in whole seconds, between the request and the answer."""
        date, host = date_of(response), urlsplit(url).hostname or ""
        if date is None:
            return
        least_s = date.timestamp() - self._monotonic()
        known_s = self._ahead.get(host, least_s)
        was_set_back = known_s > date.timestamp() + 1.0 - began_s
        self._ahead[host] = least_s if was_set_back else max(known_s, least_s)

    def _definite(self, response: Response) -> Response:
        """Return `response`, or raise the TransientError that it is."""
        status = response.status
        if status == 429:
            self.throttled += 1
            delay_s = self.retry_after_s(response) or THROTTLED_DELAY_S
            calls.throttled(response.url, delay_s)
            raise errors.ThrottledError(response.error().message, delay_s=delay_s, maybe_arrived=False)
        if status == 408 or status >= 500:
            error = response.error()
            delay_s = self.retry_after_s(response) or UNAVAILABLE_DELAY_S
            calls.unavailable(response.url, status, error.code, delay_s)
            message = f"Azure answered {status}: {error.message}"
            raise errors.AzureUnavailableError(message, delay_s=delay_s, maybe_arrived=True, code=error.code)
        if status in {401, 403}:
            calls.refused(response.url, status, response.error().code)
        return response

    def retry_after_s(self, response: Response) -> float | None:
        """Return the Retry-After of `response` in seconds (it may be a number or an HTTP date), or None."""
        return retry_after_s(response, now=datetime.fromtimestamp(self._clock(), UTC))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    method: str
    url: str
    content: bytes | streams.Source | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = READ_TIMEOUT_S

    @property
    def total_s(self) -> float:
        """How long all of it may take: waiting for the answer, reading it, and sending what is sent at a slow line's pace."""
        return self.timeout_s + SLACK_S + streams.of(self.content or b"").size / SLOWEST_BYTES_S


def retry_after_s(response: Response, *, now: datetime) -> float | None:
    """Read Retry-After as seconds or as an HTTP date (RFC 9110 §10.2.3), between 0 and an hour; None when absent or unreadable."""
    text = response.headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        delay_s = float(text)
    except ValueError:
        try:
            delay_s = (parsedate_to_datetime(text) - now).total_seconds()
        except (TypeError, ValueError):
            return None
    return min(max(delay_s, 0.0), MAX_DELAY_S) if delay_s == delay_s else None  # noqa: PLR0124 - NaN is not equal to itself


def date_of(response: Response) -> datetime | None:
    """Return the moment at which the server wrote an answer (`Date`, whole seconds), None when it does not say."""
    try:
        date = parsedate_to_datetime(response.headers.get("date", ""))
    except (TypeError, ValueError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def loggable(url: str) -> str:
    """Return `url` without its query: status URLs may be signed (`t`, `c`, `s`, `h`) and a SAS always is."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}{parts.path}"


def _opened() -> transport.Session:
    from shared.rest import transport

    return transport.Session()


def _response(url: str, answer: requests.Response, content: bytes) -> Response:
    return Response(
        status=answer.status_code,
        url=url,
        headers={name.lower(): value for name, value in answer.headers.items()},
        body=parsed(content, answer.headers.get("Content-Type", "")) if len(content) <= PARSE_LIMIT else None,
        content=content,
    )


def deeper(value: Any, limit: int) -> bool:
    """Return whether objects and arrays are nested in more than `limit` levels; a loop, so that hostile depth costs no stack."""
    level = [value] if isinstance(value, NESTING) else []
    for _ in range(limit):
        if not level:
            return False
        level = [
            inner for each in level for inner in (each.values() if isinstance(each, dict) else each) if isinstance(inner, NESTING)
        ]
    return True


def _token_ended(response: Response) -> bool:
    if response.status != 401:
        return False
    challenge = response.headers.get("www-authenticate", "")
    return "invalid_token" in challenge or response.error().code == "ExpiredAuthenticationToken"


def _finite(text: str) -> float | str:
    """Return a number, or its text where it is too large for one: infinity cannot be written as JSON."""
    number = float(text)
    return text if math.isinf(number) else number


def parsed(content: bytes, content_type: str) -> Any:
    """Return JSON when it is JSON (`null` and nothing both give None), else text. Never raises: bodies of Azure and models vary."""
    text = content.decode("utf-8-sig", errors="replace")
    if not text.strip():
        return None
    if "json" in content_type.lower() or text[:1] in "{[n":
        try:
            found = json.loads(text, parse_constant=str, parse_float=_finite)  # a bare NaN is no JSON: it becomes text
        except (ValueError, RecursionError):
            return text
        deep = text.count("[") + text.count("{") > DEPTH_LIMIT and deeper(found, DEPTH_LIMIT)
        return text if deep else found
    return text
