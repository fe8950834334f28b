"""The HTTP server: requests off the wire, answers onto it. It knows nothing of functions.

Built on the standard library's server because nothing between the wire and the function may tidy up: raw paths,
repeated headers and any method must arrive as they were sent. One thread per connection.
"""

import contextlib
import logging
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, override
from urllib.parse import parse_qsl, urlsplit

from infra.local.host.body import BadRequestError, Body

log = logging.getLogger("Host.Http")
IDLE_S = 130.0
_LINE_LIMIT = 65_536
_LINGER_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request; its body is read only when asked for.

    Attributes:
        method: As sent.
        path: As sent, still percent-encoded, without the query.
        query: As sent, without the question mark.
        headers: Name and value of each header line, in order.
        read_body: Reads the body (bytes); raises ``BadRequestError`` if it is too large or malformed.
    """

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    read_body: Callable[[], bytes]

    def header(self, name: str) -> str | None:
        """Value of a header; repeated lines are joined by commas."""
        values = [value for given, value in self.headers if given.lower() == name.lower()]
        return ",".join(values) if values else None

    def parameters(self) -> list[tuple[str, str]]:
        """The query's names and values, decoded, in order."""
        return parse_qsl(self.query, keep_blank_values=True)

    def key(self) -> str | None:
        """The function key: header ``x-functions-key``, else query parameter ``code``."""
        return self.header("x-functions-key") or dict(reversed(self.parameters())).get("code")


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One answer."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


def text(status: int, message: str, content_type: str = "text/plain; charset=utf-8") -> Response:
    """An answer with a short text."""
    return Response(status=status, headers=(("Content-Type", content_type),), body=message.encode())


class Server(ThreadingHTTPServer):
    """Listens on 127.0.0.1 and hands each request to ``handle``.

    Args:
        port: TCP port; 0 takes a free one (``server_port`` tells which).
        handle: Answers a request; may raise ``BadRequestError``.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256
    allow_reuse_address = True

    def __init__(self, port: int, handle: Callable[[Request], Response]) -> None:
        super().__init__(("127.0.0.1", port), _Connection)
        self.closing = False
        self._handle = handle
        self._active = 0
        self._idle = threading.Condition()

    def start(self) -> None:
        """Begin to answer, in threads of its own."""
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True, name="http").start()

    def stop(self, grace_s: float) -> bool:
        """Take no new connection and wait for the requests under way; false if some were still running."""
        self.closing = True
        self.shutdown()
        self.server_close()
        with self._idle:
            return self._idle.wait_for(lambda: self._active == 0, timeout=grace_s)

    def respond(self, request: Request) -> Response:
        """Answer one request; 503 once the server is stopping."""
        return Response(status=HTTPStatus.SERVICE_UNAVAILABLE) if self.closing else self._handle(request)

    @contextlib.contextmanager
    def counted(self) -> Any:
        """Around each request: ``stop`` waits for those under way."""
        with self._idle:
            self._active += 1
        try:
            yield
        finally:
            with self._idle:
                self._active -= 1
                self._idle.notify_all()

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("connection of %s broke: %r", client_address, sys.exception())


class _Connection(BaseHTTPRequestHandler):
    """One client connection, kept alive between requests."""

    protocol_version = "HTTP/1.1"
    server_version = "Kestrel"
    timeout = IDLE_S
    wbufsize = -1
    disable_nagle_algorithm = True
    server: Server

    @override
    def handle_one_request(self) -> None:
        self.close_connection = True
        with contextlib.suppress(TimeoutError, ConnectionError):
            self.raw_requestline = self.rfile.readline(_LINE_LIMIT + 1)
            if len(self.raw_requestline) > _LINE_LIMIT:
                self.requestline, self.request_version, self.command = "", "", ""
                self.send_error(HTTPStatus.REQUEST_URI_TOO_LONG)
                return
            if self.raw_requestline and self.parse_request():
                with self.server.counted():
                    self._answer()

    @override
    def handle_expect_100(self) -> bool:
        return True  # said only when the body is wanted

    def _answer(self) -> None:
        headers = tuple((name, _utf8(value)) for name, value in self.headers.items())
        body = None
        try:
            body = Body(self.rfile, self.wfile, headers)
            response = self.server.respond(self._request(headers, body))
            body.skip_if_short()
        except BadRequestError as problem:
            response = text(problem.status, str(problem))
        except (TimeoutError, ConnectionError):
            return  # the client went away or fell silent in the middle of its request
        except Exception:
            log.exception("%s %s failed in the host", self.command, self.path)
            response = Response(status=500)
        unread = body is None or body.unread
        if unread or self.server.closing:
            self.close_connection = True
        self._send(response)
        if unread:
            self._linger()

    def _request(self, headers: tuple[tuple[str, str], ...], body: Body) -> Request:
        path, _, query = self.path.partition("?")
        if not path.startswith("/"):
            path = urlsplit(path).path or "/"  # a request line with a whole URL, as sent to proxies
        return Request(method=self.command, path=path, query=query, headers=headers, read_body=body.read)

    def _send(self, response: Response) -> None:
        own = {"date": self.date_time_string(), "server": self.server_version}
        status, headers, content = response.status, response.headers, response.body
        if not _sendable(headers):
            log.error("%s %s: a header of the answer holds characters that HTTP cannot carry", self.command, self.path)
            status, headers, content = 500, (), b""
        given = {name.lower() for name, _ in headers}
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        for name, value in own.items():
            if name not in given:
                self.send_header(name.title(), value)
        bodiless = status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
        if not bodiless:
            self.send_header("Content-Length", str(len(content)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if not bodiless and self.command != "HEAD":
            self.wfile.write(content)
        self.wfile.flush()

    def _linger(self) -> None:
        """Swallow for a moment what the client still sends, so that it gets to read the answer."""
        deadline = time.monotonic() + _LINGER_S
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(_LINGER_S)
            while time.monotonic() < deadline and self.rfile.read1(_LINE_LIMIT):
                pass

    @override
    def log_message(self, format: str, *args: Any) -> None:
        log.debug(format, *args)


def _sendable(headers: Iterable[tuple[str, str]]) -> bool:
    return all(part.isascii() and part.replace("\t", " ").isprintable() for pair in headers for part in pair)


def _utf8(value: str) -> str:
    """Header text as Kestrel reads it: UTF-8 (the standard library reads Latin-1)."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value
