"""Content that is read piece by piece, wherever it lies: in a request's own bytes, in a blob, or in several places in turn.

Nothing of it is copied before it is read, so that a large body costs its own size and a block. Not here: what it is.
"""

from __future__ import annotations

import bisect
import errno
import hashlib
import io
import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Buffer, Callable, Mapping, Sequence

AHEAD = 64 * 1024  # bytes that are read at a time where reading costs nothing


@dataclass(frozen=True, kw_only=True)
class Source:
    """Content.

    Attributes:
        size: In bytes.
        read: Returns a range, or the start of it, by offset and length.
        ahead: How many bytes are asked for at a time at least.
    """

    size: int
    read: Callable[[int, int], Buffer]
    ahead: int = AHEAD

    def open(self) -> io.BufferedReader:
        """Open it for reading from the start."""
        return io.BufferedReader(_Ranged(self), self.ahead)

    @cached_property
    def sha256(self) -> str:
        """Its digest, in hexadecimal."""
        with self.open() as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()


type Content = bytes | memoryview | Source


def of(content: Content) -> Source:
    """Return content as a source; bytes are not copied."""
    if isinstance(content, Source):
        return content
    view = memoryview(content)
    return Source(size=len(view), read=lambda offset, length: view[offset : offset + length])


def joined(contents: Sequence[Content]) -> Source:
    """Return one source after the other as one."""
    sources = [source for source in map(of, contents) if source.size]
    starts = [0, *itertools.accumulate(source.size for source in sources)]

    def read(offset: int, length: int) -> Buffer:
        at = bisect.bisect_right(starts, offset) - 1
        return sources[at].read(offset - starts[at], min(length, starts[at + 1] - offset))

    return Source(size=starts[-1], read=read, ahead=max((source.ahead for source in sources), default=AHEAD))


def multipart(parts: Mapping[str, tuple[str, Content, str]]) -> tuple[Source, str]:
    """Return parts, name → (file name, content, content type), as one multipart/form-data body, and its content type."""
    from urllib3 import fields, filepost

    boundary, pieces = filepost.choose_boundary(), []
    for name, (file, content, media) in parts.items():
        field = fields.RequestField(name, b"", filename=file)
        field.make_multipart(content_type=media)
        pieces += [f"--{boundary}\r\n{field.render_headers()}".encode(), content, b"\r\n"]
    return joined([*pieces, f"--{boundary}--\r\n".encode()]), f"multipart/form-data; boundary={boundary}"


class _Ranged(io.RawIOBase):
    """A source as a seekable file."""

    def __init__(self, source: Source) -> None:
        self._source, self._at = source, 0

    def readable(self) -> bool:
        """See io.RawIOBase."""
        return True

    def seekable(self) -> bool:
        """See io.RawIOBase."""
        return True

    def tell(self) -> int:
        """See io.RawIOBase."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """See io.RawIOBase."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._source.size}[whence]
        if start + offset < 0:
            raise OSError(errno.EINVAL, "a position before the start")  # what zipfile expects of a file
        self._at = start + offset
        return self._at

    def readinto(self, buffer: Buffer) -> int:
        """Fill `buffer` as far as the content goes, or a part of it."""
        view = memoryview(buffer).cast("B")
        length = min(len(view), self._source.size - self._at)
        if length <= 0:
            return 0
        chunk = memoryview(self._source.read(self._at, length))
        view[: len(chunk)] = chunk
        self._at += len(chunk)
        return len(chunk)
