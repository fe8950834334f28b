"""The HTTP server: requests off the wire, answers onto it. It knows nothing of functions.

It has Kestrel's limits and refusals (``head``), and hands on repeated headers, any method and the query as they were sent.
One thread per connection.
"""

import contextlib
import logging
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any, override
from urllib.parse import urlsplit

from infra.local.host import head, paths
from infra.local.host.body import Body
from infra.local.host.head import Head, RefusedError

log = logging.getLogger("Host.Http")
IDLE_S = 130.0
_LINGER_S = 2.0
_PIECE = 65_536
_BODILESS = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
_SERVER = "Kestrel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request; its body is read only when asked for.

    Attributes:
        method: As sent.
        path: Decoded once (``paths``), without the query.
        query: As sent, without the question mark.
        headers: Name and value of each header line, in order.
        read_body: Reads the body (bytes); raises ``RefusedError`` if it is too large or cut off.
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
        """The query's names and values, decoded, in order; what is not UTF-8 stays as it was sent, as in .NET."""
        pairs = (part.partition("=") for part in self.query.replace("+", " ").split("&") if part)
        return [(paths.unescape(name), paths.unescape(value)) for name, _, value in pairs]

    def key(self) -> str | None:
        """The key that the platform reads: the header ``x-functions-key`` where it stands, else the parameter ``code``."""
        given = [value for name, value in self.headers if name.lower() == "x-functions-key"]
        return next(iter(given or [value for name, value in self.parameters() if name.lower() == "code"]), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One answer.

    Attributes:
        streamed: Whether it is sent in chunks, without a Content-Length: every function's answer is.
    """

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    streamed: bool = False


def text(status: int, message: str, content_type: str = "text/plain; charset=utf-8") -> Response:
    """An answer with a short text."""
    return Response(status=status, headers=(("Content-Type", content_type),), body=message.encode())


class Server(ThreadingTCPServer):
    """Listens on 127.0.0.1 and hands each request to ``handle``.

    Args:
        port: TCP port; 0 takes a free one (``port`` says which).
        handle: Answers a request; may raise ``RefusedError``.
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

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.server_address[1])

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


class _Connection(StreamRequestHandler):
    """One client connection, kept alive between requests."""

    timeout = IDLE_S
    wbufsize = -1
    disable_nagle_algorithm = True
    server: Server

    @override
    def handle(self) -> None:
        with contextlib.suppress(TimeoutError, ConnectionError):
            while self._serve_one():
                pass

    def _serve_one(self) -> bool:
        """Answer one request; false once the connection is over."""
        try:
            read = head.read(self.rfile)
        except RefusedError as problem:
            log.debug("a request is refused with %d: %s", problem.status, problem)
            headers = (("Allow", problem.allow),) if problem.allow else ()
            self._send(Response(status=problem.status, headers=headers), None, keep=False)
            self._linger()
            return False
        if read is None:
            return False
        with self.server.counted():
            return self._answer(read)

    def _answer(self, read: Head) -> bool:
        body = None
        try:
            body = Body(self.rfile, self.wfile, read)
            response = self.server.respond(_request(read, body))
            body.skip_if_short()
        except RefusedError as problem:
            log.debug("%s %s is refused with %d: %s", read.method, read.target, problem.status, problem)
            response = Response(status=problem.status)
        except (TimeoutError, ConnectionError):
            raise  # the client went away or fell silent in the middle of its request
        except Exception:
            log.exception("%s %s failed in the host", read.method, read.target)
            response = Response(status=500)
        unread = body is None or body.unread
        keep = read.keeps_alive and not unread and not self.server.closing
        keep = self._send(response, read, keep=keep)
        if unread:
            self._linger()
        return keep

    def _send(self, response: Response, read: Head | None, *, keep: bool) -> bool:
        """Write an answer; returns whether the connection can be used again."""
        if not _sendable(response.headers):
            log.error("a header of the answer holds characters that HTTP cannot carry; the caller gets 500")
            response = Response(status=500)
        own = [("Date", formatdate(usegmt=True)), ("Server", _SERVER)]
        given = {name.lower() for name, _ in response.headers}
        lines = [pair for pair in response.headers if pair[0].lower() not in ("content-length", "transfer-encoding", "connection")]
        lines += [pair for pair in own if pair[0].lower() not in given]
        content, bodiless = response.body, response.status in _BODILESS or (read is not None and read.method == "HEAD")
        if not response.streamed and response.status not in _BODILESS:
            lines.append(("Content-Length", str(len(content))))
        elif not bodiless and read is not None and read.version == "HTTP/1.1":
            lines.append(("Transfer-Encoding", "chunked"))
            content = b"".join((b"%x\r\n%s\r\n" % (len(content), content) if content else b"", b"0\r\n\r\n"))
        elif not bodiless:
            keep = False  # HTTP/1.0 knows no chunks: the connection's end is the body's
        if not keep:
            lines.append(("Connection", "close"))
        first = f"HTTP/1.1 {response.status} {_REASONS.get(response.status, '')}"
        self.wfile.write("\r\n".join([first, *(f"{name}: {value}" for name, value in lines), "\r\n"]).encode("ascii"))
        if not bodiless:
            self.wfile.write(content)
        self.wfile.flush()
        return keep

    def _linger(self) -> None:
        """Swallow for a moment what the client still sends, so that it gets to read the answer."""
        deadline = time.monotonic() + _LINGER_S
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(_LINGER_S)
            while time.monotonic() < deadline and self.rfile.read1(_PIECE):
                pass


_REASONS = {status.value: status.phrase for status in HTTPStatus}


def _request(read: Head, body: Body) -> Request:
    target, _, query = read.target.partition("?")
    if target.startswith("http"):
        target = urlsplit(target).path or "/"  # a request line with a whole URL, as sent to proxies
    path = paths.decode(target) if target.startswith("/") else ""  # CONNECT and OPTIONS * have none
    if "\0" in path:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "the path holds a NUL character")
    return Request(method=read.method, path=path, query=query, headers=read.headers, read_body=body.read)


def _sendable(headers: Iterable[tuple[str, str]]) -> bool:
    return all(part.isascii() and part.replace("\t", " ").isprintable() for pair in headers for part in pair)
