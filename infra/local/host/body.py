"""Reads the body of one HTTP/1.1 request: by length or in chunks, at most 100 MB, never past its end."""

from collections.abc import Iterable
from http import HTTPStatus
from io import BufferedIOBase

BODY_LIMIT = 104_857_600  # 100 MB: https://learn.microsoft.com/azure/azure-functions/functions-bindings-http-webhook-trigger#limits
_LINE_LIMIT = 65_536
_SHORT = 65_536


class BadRequestError(Exception):
    """The request cannot be answered by a function.

    Attributes:
        status: What to answer.
    """

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Body:
    """The body of one request, read at most once and never past its end."""

    def __init__(self, source: BufferedIOBase, sink: BufferedIOBase, headers: tuple[tuple[str, str], ...]) -> None:
        self._source, self._sink = source, sink
        self.chunked, self.length = _framing(headers)
        self.expects_continue = any(n.lower() == "expect" and v.lower() == "100-continue" for n, v in headers)
        self.unread = self.chunked or self.length > 0

    def read(self) -> bytes:
        """The whole body.

        Raises:
            BadRequestError: Larger than 100 MB (413), malformed or cut off (400).
        """
        if not self.unread:
            return b""
        if self.length > BODY_LIMIT:
            raise BadRequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the body is larger than 100 MB")
        if self.expects_continue:
            self._sink.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._sink.flush()
        body = self._read_chunks() if self.chunked else self._exactly(self.length)
        self.unread = False
        return body

    def skip_if_short(self) -> None:
        """Read past a short body that nobody wanted, so that the connection can be used again."""
        if self.unread and not self.chunked and not self.expects_continue and self.length <= _SHORT:
            self.read()

    def _exactly(self, size: int) -> bytes:
        data = self._source.read(size)
        if len(data) < size:
            raise BadRequestError(HTTPStatus.BAD_REQUEST, "the body ended too early")
        return data

    def _read_chunks(self) -> bytes:
        body = bytearray()
        while size := self._chunk_size():
            if len(body) + size > BODY_LIMIT:
                raise BadRequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the body is larger than 100 MB")
            body += self._exactly(size)
            if self._line() != b"":
                raise BadRequestError(HTTPStatus.BAD_REQUEST, "a chunk does not end where it says")
        while self._line() != b"":
            pass  # trailers are not handed on
        return bytes(body)

    def _chunk_size(self) -> int:
        digits = self._line().split(b";")[0].strip()
        if not digits or len(digits) > 8 or set(digits.lower()) - set(b"0123456789abcdef"):
            raise BadRequestError(HTTPStatus.BAD_REQUEST, "a chunk has no size")
        return int(digits, 16)

    def _line(self) -> bytes:
        line = self._source.readline(_LINE_LIMIT)
        if not line.endswith(b"\n"):
            raise BadRequestError(HTTPStatus.BAD_REQUEST, "the body ended too early")
        return line.rstrip(b"\r\n")


def _framing(headers: Iterable[tuple[str, str]]) -> tuple[bool, int]:
    """Whether the body is chunked, and its length otherwise.

    Raises:
        BadRequestError: The headers contradict each other (request smuggling begins there) or name another coding.
    """
    codings = [value.strip().lower() for name, value in headers if name.lower() == "transfer-encoding"]
    lengths = {value.strip() for name, value in headers if name.lower() == "content-length"}
    if codings and (lengths or codings != ["chunked"]):
        status = HTTPStatus.BAD_REQUEST if lengths else HTTPStatus.NOT_IMPLEMENTED
        raise BadRequestError(status, "only Transfer-Encoding: chunked without Content-Length is understood")
    if not lengths:
        return bool(codings), 0
    length = lengths.pop()
    if lengths or not (length.isascii() and length.isdigit()):
        raise BadRequestError(HTTPStatus.BAD_REQUEST, "Content-Length is not one number")
    return False, int(length[:18])
