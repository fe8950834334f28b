"""The body of one request, as the platform hands it on: only a body with a Content-Length, at most 100 MB of it.

A chunked body never reaches a function: the host reads a body only when ``ContentLength > 0``
(https://github.com/Azure/azure-functions-host/issues/4926).
"""

import re
from http import HTTPStatus
from io import BufferedIOBase

from infra.local.host.head import Head, RefusedError

BODY_LIMIT = 104_857_600  # 100 MB: https://learn.microsoft.com/azure/azure-functions/functions-bindings-http-webhook-trigger#limits
_SHORT = 65_536
_TOO_LONG = 2**63  # what a length cannot be


class Body:
    """The body of one request, read at most once and never past its end.

    Args:
        source: Where it comes from.
        sink: Where ``100 Continue`` goes.
        head: The request's head.

    Raises:
        RefusedError: The headers contradict each other (400): request smuggling begins there.
    """

    def __init__(self, source: BufferedIOBase, sink: BufferedIOBase, head: Head) -> None:
        self._source, self._sink = source, sink
        self._chunked, self._length = _framing(head)
        self._expects_continue = "100-continue" in (value.lower() for value in head.values("expect"))
        self.unread = self._chunked or self._length > 0

    def read(self) -> bytes:
        """The body that a function gets; nothing of a chunked one.

        Raises:
            RefusedError: Larger than 100 MB (500), or cut off (400).
        """
        if not self.unread or self._chunked:
            return b""
        if self._length > BODY_LIMIT:
            raise RefusedError(HTTPStatus.INTERNAL_SERVER_ERROR, f"the body is larger than {BODY_LIMIT} bytes")
        if self._expects_continue:
            self._sink.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._sink.flush()
        data = self._source.read(self._length)
        if len(data) < self._length:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "the body ended too early")
        self.unread = False
        return data

    def skip_if_short(self) -> None:
        """Read past a short body that the function did not want, so that the connection can be used again."""
        if self.unread and not self._chunked and not self._expects_continue and self._length <= _SHORT:
            self.read()


def _framing(head: Head) -> tuple[bool, int]:
    """Whether the body is chunked, and its length otherwise."""
    codings, lengths = head.values("transfer-encoding"), head.values("content-length")
    if codings:
        if lengths or codings[-1].lower().rpartition(",")[2].strip() != "chunked":
            raise RefusedError(HTTPStatus.BAD_REQUEST, "Transfer-Encoding must end in chunked and excludes Content-Length")
        return True, 0
    if not lengths:
        if head.version == "HTTP/1.0" and head.method in ("POST", "PUT"):  # LengthRequiredHttp10 of Kestrel
            raise RefusedError(HTTPStatus.BAD_REQUEST, f"a {head.method} of HTTP/1.0 needs a Content-Length")
        return False, 0
    if len(lengths) > 1 or not re.fullmatch("0*[0-9]{1,19}", lengths[0]) or int(lengths[0]) >= _TOO_LONG:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "Content-Length is not one number of 64 bits")
    return False, int(lengths[0])
