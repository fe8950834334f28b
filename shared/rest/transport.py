"""`requests` as the client wants it: pooled, without netrc or cookies, and with every URL sent byte for byte.

`requests` and urllib3 rewrite percent-encodings (`%2f` becomes `%2F`, `%7E` becomes `~`); signed status URLs and nextLinks must
not be touched (docs/protocol.md §3.9, §7.2). Imported when the first request is sent: `requests` costs 50 ms of cold start.
Not here: tokens, allowed hosts, what an answer means (client).
"""

from __future__ import annotations

import logging
import re
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool

from shared.rest.streams import Source
from shared.rest.trust import TrustingAdapter, Ways
from shared.telemetry import threads

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from urllib3.connectionpool import HTTPConnectionPool

    from shared.rest.trust import Way

POOL_SIZE = 64  # HTTP requests and queue messages have up to 32 threads each
ANSWER_LIMIT = 100 * 1024 * 1024  # bytes; content that is larger is read from storage, not through a function
CHUNK = 64 * 1024
# All of printable ASCII: only what cannot stand in a request line is encoded.
_URL_CHARACTERS = "!#$%&'()*+,-./:;=?@[]_~\\\"<>^`{|}"
_AUTHORITY = re.compile(r"https?://[^\s/?#\\@]+(?=[/?#]|\Z)", re.IGNORECASE)  # parsers read a backslash or user info differently

# At DEBUG urllib3 logs whole URLs, signatures included.
logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)

_sending = threading.local()


class NoAnswerError(Exception):
    """No answer came.

    Attributes:
        left: Whether a byte of the request can have left. Behind a proxy urllib3 calls a connection that breaks later a
            proxy error, too, so this is noted where the request line is written.
        timed_out: Whether patience ended, not the connection.
    """

    def __init__(self, reason: str, *, left: bool, timed_out: bool) -> None:
        super().__init__(reason)
        self.left = left
        self.timed_out = timed_out


class _Flight:
    """One request under way, and how to end it from outside: time-outs of a socket begin again with every byte."""

    def __init__(self) -> None:
        self.over = False
        self.connection: HTTPSConnection | None = None
        self.socket: Any = None

    def end(self) -> None:
        """Shut its connection down, so that a reader or writer that waits for a byte sees the end."""
        self.over = True
        held = self.socket or getattr(self.connection, "sock", None)
        held = getattr(held, "socket", held)  # TLS within TLS
        if isinstance(held, socket.socket):
            with suppress(OSError):
                socket.socket.shutdown(held, socket.SHUT_RDWR)  # of the socket below TLS, which another thread is using


class TooLargeError(Exception):
    """The answer is larger than `ANSWER_LIMIT`; the rest of it was not read."""


class _VerbatimConnection(HTTPSConnection):
    """Puts the target that the adapter was given into the request line, not what urllib3 made of it."""

    def connect(self) -> None:
        """See the base class."""
        if flight := getattr(_sending, "flight", None):
            flight.connection = self
        super().connect()

    def putrequest(self, method: str, url: str, skip_host: bool = False, skip_accept_encoding: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - urllib3's own signature
        _sending.left = True
        if flight := getattr(_sending, "flight", None):
            flight.socket = self.sock
        super().putrequest(method, _sending.target, skip_host, skip_accept_encoding)


class _VerbatimPool(HTTPSConnectionPool):
    ConnectionCls = _VerbatimConnection


class VerbatimAdapter(TrustingAdapter):
    """An adapter that keeps the request target as it stands in `request.url`."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make pools of verbatim connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"https": _VerbatimPool}

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> urllib3.ProxyManager:
        """Make the same pools behind a proxy."""
        manager: urllib3.ProxyManager = super().proxy_manager_for(proxy, **proxy_kwargs)
        manager.pool_classes_by_scheme = {"http": urllib3.HTTPConnectionPool, "https": _VerbatimPool}
        return manager


class _Request(requests.PreparedRequest):
    """A request with its way to the server, and what stands in its request line."""

    def __init__(self, way: Way, target: str) -> None:
        super().__init__()
        self.way = way
        self.target = f"{way.before}{target}"


class _Sender(HTTPAdapter):
    """Sends by a way that is known. A session finds it again for every request, which is half of what a request costs."""

    def get_connection_with_tls_context(self, request: Any, *_: Any, **__: Any) -> HTTPConnectionPool:
        """Return the connections to the request's server."""
        pool: HTTPConnectionPool = request.way.pool
        return pool

    def cert_verify(self, *_: Any) -> None:
        """Leave the connections as they are: `Ways` had them checked."""

    def request_url(self, request: Any, _: Any) -> str:
        """Return what stands in the request line."""
        return str(request.target)


class Session(requests.Session):
    """Connections for many threads; it sends nothing of its own: no netrc, no cookies."""

    def __init__(self) -> None:
        super().__init__()
        self.mount("https://", VerbatimAdapter(pool_connections=POOL_SIZE, pool_maxsize=POOL_SIZE))
        self.ways = Ways(self)
        self.sender = _Sender(pool_connections=0)


def transmit(
    session: Session,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    content: bytes | Source | None,
    timeout_s: tuple[float, float, float],
) -> tuple[requests.Response, bytes]:
    """Send one request and read the whole answer; redirects are answers.

    Args:
        session: Its connections.
        method: HTTP verb.
        url: Absolute, sent byte for byte; only what cannot stand in a request line (spaces, controls, non-ASCII) is encoded.
        headers: Request headers.
        content: Body, or None.
        timeout_s: To connect, between two bytes of the answer, and for all of it, however steadily bytes trickle either way.

    Returns:
        The answer's head, and its content.

    Raises:
        NoAnswerError: there was no answer, or it broke off.
        TooLargeError: there is more of it than an app should hold.
        ValueError: the request cannot be put on the wire (a header with a line break, a doubtful host).
    """
    if not (server := _AUTHORITY.match(url)):
        raise ValueError("not an http URL with a plain authority")
    parts = urlsplit(quote(url, safe=_URL_CHARACTERS))
    try:
        request = _Request(session.ways.to(server[0]), f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/")
        request.prepare_headers({**session.headers, **headers})
    except requests.RequestException as unfit:
        raise ValueError(str(unfit)) from unfit
    request.method, request.url = method, parts.geturl()
    if content:
        body: Any = content.open() if isinstance(content, Source) else content
        request.body = body
        request.headers["Content-Length"] = str(content.size if isinstance(content, Source) else len(content))
    connect_s, read_s, total_s = timeout_s
    _sending.left = not isinstance(request.way.pool, _VerbatimPool)
    _sending.target = request.target
    with _deadline(total_s) as flight:
        try:
            with session.sender.send(request, stream=True, timeout=(connect_s, read_s)) as answer:
                whole = _whole(answer)
        except (requests.RequestException, urllib3.exceptions.HTTPError, ConnectionError) as failure:
            session.ways.forget(server[0])
            # from None: the failure quotes the whole URL, which may be signed
            timed_out = flight.over or _timed_out(failure)
            reason = f"not done after {total_s:.0f} s" if flight.over else type(failure).__name__
            raise NoAnswerError(reason, left=_sending.left, timed_out=timed_out) from None
        if flight.over:  # an answer without a length ends where the connection does
            raise NoAnswerError(f"not done after {total_s:.0f} s", left=True, timed_out=True)
        return answer, whole


@contextmanager
def _deadline(total_s: float) -> Iterator[_Flight]:
    """End the request that this thread sends meanwhile when it takes longer than that."""
    flight = _sending.flight = _Flight()
    try:
        with threads.deadline(total_s, flight.end):
            yield flight
    finally:
        del _sending.flight


def _whole(answer: requests.Response) -> bytes:
    content = bytearray()
    for chunk in answer.iter_content(CHUNK):
        content += chunk
        if len(content) > ANSWER_LIMIT:
            raise TooLargeError
    return bytes(content)


def _timed_out(failure: Any) -> bool:
    cause = failure.args[0] if failure.args else None
    cause = getattr(cause, "reason", cause)  # of MaxRetryError
    cause = getattr(cause, "original_error", cause)  # of ProxyError
    return isinstance(failure, requests.Timeout) or isinstance(cause, urllib3.exceptions.TimeoutError)
