"""Unpacks project zips: only inside the folder given, only so much. Not here: where a zip comes from."""

from __future__ import annotations

import io
import stat
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MAX_UNPACKED_BYTES = 2 << 30
MAX_FILES = 20_000


class BadArchiveError(Exception):
    """Not a zip, a damaged one, or one that must not be unpacked; the message is for the user."""


def checked(content: bytes) -> list[zipfile.ZipInfo]:
    """The members of a zip that may be unpacked.

    Raises:
        BadArchiveError: not a zip, damaged, encrypted, too large, or with a name that leads out of the folder.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            damaged = None if any(member.flag_bits & 1 for member in members) else archive.testzip()
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, ValueError) as error:
        raise BadArchiveError(f"The project file is not a valid zip archive: {error}") from None
    if damaged is not None:
        raise BadArchiveError(f"The project archive is damaged at {damaged!r}.")
    if len(members) > MAX_FILES or sum(member.file_size for member in members) > MAX_UNPACKED_BYTES:
        raise BadArchiveError(f"The project archive is larger than {MAX_FILES} files or {MAX_UNPACKED_BYTES >> 20} MiB.")
    for member in members:
        _check(member)
    return members


def _check(member: zipfile.ZipInfo) -> None:
    if member.flag_bits & 1:
        raise BadArchiveError("The project archive is encrypted.")
    name = member.filename.replace("\\", "/")
    if name.startswith("/") or ":" in name.split("/")[0] or ".." in name.split("/") or "\0" in name:
        raise BadArchiveError(f"The project archive names a path outside of itself: {member.filename!r}.")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise BadArchiveError(f"The project archive holds a symbolic link: {member.filename!r}.")


def names(content: bytes) -> set[str]:
    """The paths of the files in a zip.

    Raises:
        BadArchiveError: see `checked`.
    """
    return {member.filename.replace("\\", "/").removeprefix("./") for member in checked(content) if not member.is_dir()}


def unpack(content: bytes, folder: Path) -> None:
    """Unpack a zip into an existing folder; executable bits are kept.

    Raises:
        BadArchiveError: see `checked`; nothing was written then.
    """
    members = checked(content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for member in members:
            target = folder / member.filename.replace("\\", "/")
            if member.is_dir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(archive.read(member))
            if (member.external_attr >> 16) & stat.S_IXUSR:
                target.chmod(target.stat().st_mode | stat.S_IXUSR)
