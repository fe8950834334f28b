"""Reads the head of one HTTP/1 request as Kestrel, the platform's server, does: its limits, and what it refuses.

A refused request gets a status and no body, and the connection ends. Limits: KestrelServerLimits in dotnet/aspnetcore.
Not here: the body, and what a path means.
"""

import re
from dataclasses import dataclass
from http import HTTPStatus
from io import BufferedIOBase
from urllib.parse import urlsplit

LINE_LIMIT = 8_192  # bytes of the request line
HEADERS_LIMIT = 32_768  # bytes of all headers
HEADER_COUNT_LIMIT = 100
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_REQUEST_LINE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+) (?![%?])([!-~]+) +([!-~]{8})")  # HttpParser.ParseRequestLine
_AUTHORITY = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=%:@\[\]-]+")
_HOST = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=%-]*(:\d*)?|\[[0-9A-Fa-f:.]+\](:\d*)?")


class RefusedError(Exception):
    """The server answers a request itself, without a body.

    Attributes:
        status: What it answers.
        allow: The method that it asks for instead; empty for none.
    """

    def __init__(self, status: HTTPStatus, reason: str, *, allow: str = "") -> None:
        super().__init__(reason)
        self.status, self.allow = status, allow


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The head of a request.

    Attributes:
        method: As sent.
        target: The request's target, as sent.
        version: ``HTTP/1.0`` or ``HTTP/1.1``.
        headers: Name and value of each header line, in order.
    """

    method: str
    target: str
    version: str
    headers: tuple[tuple[str, str], ...]

    def values(self, name: str) -> list[str]:
        """The values of all lines of that header."""
        return [value for given, value in self.headers if given.lower() == name.lower()]

    @property
    def keeps_alive(self) -> bool:
        """Whether the client wants to use the connection again."""
        wishes = {wish.strip().lower() for value in self.values("connection") for wish in value.split(",")}
        return "close" not in wishes and (self.version == "HTTP/1.1" or "keep-alive" in wishes)


def read(source: BufferedIOBase) -> Head | None:
    """Read one head; ``None`` when the client has ended the connection.

    Raises:
        RefusedError: The head is too long or malformed.
    """
    line = b"\n"
    while line in (b"\r\n", b"\n"):  # empty lines between requests are skipped
        line = source.readline(LINE_LIMIT)
    if not line.endswith(b"\n"):
        if len(line) < LINE_LIMIT:
            return None
        raise RefusedError(HTTPStatus.REQUEST_URI_TOO_LONG, f"the request line is longer than {LINE_LIMIT} bytes")
    found = _REQUEST_LINE.fullmatch(_text(line))
    if not found:
        raise _bad("the request line is not METHOD TARGET VERSION")
    method, target, version = found.groups()
    if version not in ("HTTP/1.0", "HTTP/1.1"):
        raise RefusedError(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, f"{version} is not supported")
    _check_form(method, target)
    headers = _headers(source)
    if headers is None:
        return None
    head = Head(method=method, target=target, version=version, headers=headers)
    _check_host(head)
    return head


def _check_form(method: str, target: str) -> None:
    """Refuse a target that does not belong to the method: ``*`` is for OPTIONS, a host alone for CONNECT (Http1Connection)."""
    if target == "*" and method != "OPTIONS":
        raise RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, "the target * is for OPTIONS", allow="OPTIONS")
    if target == "*" or target.startswith(("/", "http://", "https://")):
        return
    if not _AUTHORITY.fullmatch(target):
        raise _bad("the target is neither a path, a URL nor a host")
    if method != "CONNECT":
        raise RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, "a host alone is the target of CONNECT", allow="CONNECT")


def _headers(source: BufferedIOBase) -> tuple[tuple[str, str], ...] | None:
    headers: list[tuple[str, str]] = []
    left = HEADERS_LIMIT
    while True:
        line = source.readline(left)
        left -= len(line)
        if not line.endswith(b"\n"):
            if left > 0:
                return None
            raise RefusedError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"the headers are longer than {HEADERS_LIMIT} bytes")
        if line in (b"\r\n", b"\n"):
            return tuple(headers)
        if len(headers) == HEADER_COUNT_LIMIT:
            raise RefusedError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"there are more than {HEADER_COUNT_LIMIT} headers")
        name, colon, value = _text(line).partition(":")
        if not colon or not _TOKEN.fullmatch(name):  # a folded line and a space before the colon end here, too
            raise _bad(f"a header is not NAME: VALUE, it begins {name[:50]!r}")
        headers.append((name, value.strip(" \t")))


def _text(line: bytes) -> str:
    plain = line.removesuffix(b"\n").removesuffix(b"\r")
    if not plain.isascii() or set(plain) & {0, 10, 13}:
        raise _bad("a byte of the head is not ASCII text")
    return plain.decode("ascii")


def _check_host(head: Head) -> None:
    hosts = head.values("host")
    if len(hosts) > 1 or (not hosts and head.version == "HTTP/1.1"):
        raise _bad(f"there are {len(hosts)} Host headers; expected one")
    if hosts and not _HOST.fullmatch(hosts[0]):
        raise _bad("the Host header is not a host name")
    if hosts and not head.target.startswith("/") and head.target != "*":
        default = ":443" if head.target.startswith("https:") else ":80"
        named = urlsplit(head.target).netloc.rpartition("@")[2].removesuffix(default)
        if hosts[0] not in ((named, named + default) if head.method != "CONNECT" else (head.target,)):
            raise _bad("the Host header is not the host of the target")


def _bad(reason: str) -> RefusedError:
    return RefusedError(HTTPStatus.BAD_REQUEST, reason)
