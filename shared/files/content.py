"""Files that callers send: a zip read member by member, or one file, directly from the app's storage in bounded memory.

A zip is checked before any of it is used: names outside its folder, links, encryption, zip bombs. Not here: where files
go (places), how they get into the app's storage (upload_inbox, functions).
"""

from __future__ import annotations

import hashlib
import itertools
import posixpath
import re
import stat
import struct
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from shared.durable import storage
from shared.rest import errors, streams
from shared.rest.streams import Source

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from shared.durable.storage import Blobs

READ_AHEAD = 4 * 1024 * 1024  # bytes per read from storage
UNPACKED_LIMIT = 512 * 1024 * 1024  # bytes; a larger zip may hold RATIO_LIMIT times its own size
RATIO_LIMIT = 20
FILES_LIMIT = 10_000
DIRECTORY_LIMIT = 4 * 1024 * 1024  # bytes of a zip's central directory
NAME_LIMIT = 500  # characters; a blob's whole name can have 1,024
METHODS = frozenset({0, 8})  # stored, deflated: with other methods zipfile unpacks each read at once, without a limit
ENCRYPTED = 0x1  # bit of a member's flags
END = struct.Struct("<4s4H2LH")  # end of central directory, APPNOTE 4.3.16
END64 = struct.Struct("<4sQ2H2L4Q")  # its zip64 form, 4.3.14
LOCATOR64 = struct.Struct("<4sLQL")  # 4.3.15
COMMENT_LIMIT = 65_535
LEVELS_LIMIT = 30  # number of `../` at the start of a file's path at most
_LEADING_UP = re.compile(r"^(?:\.\./)+")


class BrokenError(errors.BadRequestError):
    """The content is invalid; `target` is the part that holds it."""

    def __init__(self, message: str, *, target: str) -> None:
        super().__init__("InvalidZip", message, target=target)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file: its path relative to the content's root with `/`, its size in bytes, and how to read it from the start."""

    name: str
    size: int
    open: Callable[[], BinaryIO]


def check_zip(source: Source, part: str) -> None:
    """Refuse content that is not a zip, has names outside its folder, or unpacks to too many bytes.

    Raises:
        BadRequestError: `InvalidZip`, naming the part.
    """
    with _unpacked(source, part):
        return


def lying(blobs: Blobs, blob: str) -> Source:
    """Return the content of the blob of an operation.

    Raises:
        RejectedError: `PayloadLost`; the blob is gone.
    """
    return in_blob(blobs, blob, looked(blobs, blob))


def looked(blobs: Blobs, blob: str) -> storage.BlobInfo:
    """Return the current size and etag of the blob of an operation.

    Raises:
        RejectedError: `PayloadLost`; the blob is gone.
    """
    found = blobs.look(blob)
    if found is None:
        message = "The files of the request are no longer in the app's storage; send the request again."
        raise errors.RejectedError(errors.AzureError(code="PayloadLost", message=message), status=500)
    return found


def in_blob(blobs: Blobs, blob: str, found: storage.BlobInfo) -> Source:
    """Return the content of a blob; every range is read from the version with the given etag.

    Reading it raises:
        RejectedError: `UploadChanged`; the blob was overwritten or deleted meanwhile.
    """

    def read(offset: int, length: int) -> bytes:
        try:
            return blobs.read(blob, offset, length, etag=found.etag)
        except storage.ConflictError:
            error = errors.AzureError(code="UploadChanged", message="The upload was changed while it was read; upload it again.")
            raise errors.RejectedError(error, status=409) from None

    return Source(size=found.size, read=read, ahead=READ_AHEAD)


@contextmanager
def members(source: Source, *, folder: str | None, part: str, includes: Sequence[str] = ()) -> Iterator[list[Member]]:
    """Open content for reading, its members sorted by name.

    Args:
        source: The content.
        folder: None: the content is one file, the only member (named ''). Else it is a zip, and its members at or below
            this path count ('' is all of them); names are relative to it, '' when the path is a file.
        part: The name of the content in messages.
        includes: Further files and folders of the zip, added under their own names; without a folder, they are the only
            members.

    Raises:
        BadRequestError: `InvalidZip`; `FileMissing`, when the path does not exist; `FileTwice`, when two have one name.
    """
    if folder is None and not includes:
        yield [Member(name="", size=source.size, open=source.open)]
        return
    with _unpacked(source, part) as every:
        alone = posixpath.basename(folder or "") if includes and any(member.name == folder for member in every) else ""
        chosen = _below(every, folder, alone) if folder is not None else []
        for path in includes:
            chosen += _below(every, path, posixpath.basename(path))
        chosen = sorted(chosen, key=lambda member: member.name)
        for member, following in itertools.pairwise(chosen):
            if member.name == following.name:
                message = f"'{member.name[:100]}' is included twice; expected each file once."
                raise errors.BadRequestError("FileTwice", message, target=member.name[:100])
        yield chosen


def _below(every: Sequence[Member], path: str, name: str) -> list[Member]:
    """Return the members at or below a path, with that path replaced by a name."""
    below, prefix = f"{path}/" if path else "", f"{name}/" if name else ""
    found = [
        Member(name=name if member.name == path else prefix + member.name.removeprefix(below), size=member.size, open=member.open)
        for member in every
        if member.name == path or member.name.startswith(below)
    ]
    if not found:
        raise errors.BadRequestError("FileMissing", f"'{path[:100]}' is not among the sent files.", target=path[:100])
    return found


def check_name(given: str, shown: str, part: str) -> None:
    """Refuse a file name that leads outside its folder or is not valid for a blob.

    Args:
        given: The name.
        shown: The beginning of the message.
        part: The target of the error.

    Raises:
        BadRequestError: `InvalidZip`.
    """
    name = _name(given)
    if name.startswith("/") or {"..", ".", ""} & set(name.split("/")) or ":" in name.split("/")[0]:
        raise BrokenError(f"{shown} leads outside its folder.", target=part)
    if len(name) > NAME_LIMIT or not name.isprintable():
        raise BrokenError(f"{shown} is not a valid file name: expected at most {NAME_LIMIT} printable characters.", target=part)


def placed(names: Iterable[str]) -> tuple[str, dict[str, str]]:
    """Return the sender's folder, and each file's path from the highest folder that a `../` leads to.

    `../../c.yml` with `src/a.py` shows that the sender's folder is two levels deep; its levels get made-up names.

    Raises:
        BadRequestError: `InvalidMultipart`; a name leads outside in another way, or is not a valid file name.
    """
    plain = {name: _LEADING_UP.sub("", _name(name)) for name in names}
    levels = {name: _name(name).count("../", 0, len(_name(name)) - len(rest)) for name, rest in plain.items()}
    for name, rest in plain.items():
        try:
            check_name(rest, f"The part {name[:100]!a}", name[:100])
        except BrokenError as bad:
            raise errors.BadRequestError("InvalidMultipart", bad.error.message, target=name[:100]) from None
    deepest = max(levels.values(), default=0)
    if deepest > LEVELS_LIMIT:
        message = f"The name of a part goes {deepest} folders up; at most {LEVELS_LIMIT} are allowed."
        raise errors.BadRequestError("InvalidMultipart", message, target="body")
    folder = "spec"
    while any(folder in rest.split("/") for rest in plain.values()):
        folder += "_"
    return "/".join([folder] * deepest), {
        name: "/".join([*([folder] * (deepest - levels[name])), rest]) for name, rest in plain.items()
    }


def is_zip(head: bytes | memoryview) -> bool:
    """Return whether content is a zip, by its first bytes (an empty zip included)."""
    return bytes(head[:4]) in (b"PK\x03\x04", b"PK\x05\x06")


def digest(found: Sequence[Member], overdue: Callable[[], bool]) -> str | None:
    """Return a hash of the files' names and bytes in hexadecimal; None when `overdue` stops it first."""
    whole = hashlib.sha256()
    for member in found:
        inner = hashlib.sha256()
        with member.open() as stream:
            while chunk := stream.read(READ_AHEAD):
                inner.update(chunk)
                if overdue():
                    return None
        whole.update(f"{member.name}\n{member.size}\n{inner.hexdigest()}\n".encode())
    return whole.hexdigest()


def packed(files: Mapping[str, Source]) -> Source:
    """Return files as one zip (stored, not compressed), so that separate files and zips are handled alike."""
    import zipfile

    out = _Gathered()
    with zipfile.ZipFile(out, "w") as archive:  # type: ignore[call-overload]
        for name, content in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name), content.read(0, content.size))
    return streams.joined([piece for _, piece in sorted(out.pieces.items())])


class _Gathered:
    """An output file for a zip that keeps references to the written data instead of copies."""

    def __init__(self) -> None:
        self.pieces: dict[int, bytes | memoryview] = {}  # by offset; a header is written twice
        self._at = 0

    def write(self, piece: bytes | memoryview) -> int:
        """Keep a piece at the current offset."""
        self.pieces[self._at] = piece
        self._at += len(piece)
        return len(piece)

    def tell(self) -> int:
        """Return the current offset."""
        return self._at

    def seek(self, offset: int) -> int:
        """Move to an offset."""
        self._at = offset
        return offset

    def flush(self) -> None:
        """Do nothing: there is no buffer."""


@contextmanager
def _unpacked(source: Source, part: str) -> Iterator[list[Member]]:
    """Open a zip after checking it."""
    import zipfile

    with _broken_zips(part), source.open() as reader:
        count, directory = _directory(reader, source.size)
        if count > FILES_LIMIT or directory > DIRECTORY_LIMIT:
            raise BrokenError(f"'{part}' holds {count} files; at most {FILES_LIMIT} are allowed.", target=part)
        with zipfile.ZipFile(reader) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            _check(entries, source.size, part)
            yield [_member(archive, entry) for entry in entries]


def _member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Member:
    return Member(name=_name(entry.filename), size=entry.file_size, open=lambda: archive.open(entry))  # type: ignore[arg-type, return-value]


@contextmanager
def _broken_zips(part: str) -> Iterator[None]:
    import zipfile

    try:
        yield
    except (zipfile.BadZipFile, zlib.error, ValueError, NotImplementedError, EOFError, OSError, struct.error) as bad:
        raise BrokenError(f"'{part}' is not a valid zip file: {str(bad)[:100]}.", target=part) from None


def _directory(reader: BinaryIO, size: int) -> tuple[int, int]:
    """Return the number of entries and the bytes of the central directory, before it is read into memory."""
    start = max(0, size - END.size - COMMENT_LIMIT)
    reader.seek(start)
    tail = reader.read(END.size + COMMENT_LIMIT)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or at + END.size > len(tail):
        message = "it has no central directory"
        raise ValueError(message)
    count, length = END.unpack_from(tail, at)[4:6]
    if count == 0xFFFF or length == 0xFFFFFFFF:
        reader.seek(max(0, start + at - LOCATOR64.size))
        signature, _, offset, _ = LOCATOR64.unpack(reader.read(LOCATOR64.size))
        if signature == b"PK\x06\x07":
            reader.seek(offset)
            count, length = END64.unpack(reader.read(END64.size))[7:9]
    return count, length


def _check(entries: list[zipfile.ZipInfo], size: int, part: str) -> None:
    if not entries:
        raise BrokenError(f"'{part}' holds no files; expected at least one.", target=part)
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > max(UNPACKED_LIMIT, RATIO_LIMIT * size):
        limit = max(UNPACKED_LIMIT, RATIO_LIMIT * size)
        raise BrokenError(f"'{part}' unpacks to {unpacked} bytes; at most {limit} are allowed.", target=part)
    seen: set[str] = set()
    for entry in entries:
        name = _name(entry.filename)
        shown = f"'{part}' holds {name[:100]!a}, which"
        check_name(entry.filename, shown, part)
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise BrokenError(f"{shown} is a link or device; only files are allowed.", target=part)
        if entry.flag_bits & ENCRYPTED or entry.compress_type not in METHODS:
            raise BrokenError(f"{shown} is encrypted or has an unsupported compression; expected deflate.", target=part)
        if name in seen:
            raise BrokenError(f"{shown} is in the zip twice.", target=part)
        seen.add(name)


def _name(given: str) -> str:
    return given.replace("\\", "/").removeprefix("./")
