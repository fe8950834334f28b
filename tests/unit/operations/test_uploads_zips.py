"""The files of a request: which zips are taken, and what becomes of one that lies about itself."""

from __future__ import annotations

import io
import stat
import zipfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.files import content as zips
from shared.rest import errors, streams

if TYPE_CHECKING:
    from tests.steward import Steward


def _zip(*names: str, content: bytes = b"x", compression: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), content, compression)
    return out.getvalue()


@pytest.mark.parametrize("names", [("a.py",), ("src/a.py", "src/b/c.txt"), ("dir/", "dir/a.py"), ("..a/b..py",), ("a b?#.py",)])
def test_an_ordinary_zip_is_taken(names: tuple[str, ...]) -> None:
    """Folders, odd but harmless names."""
    zips.check_zip(streams.of(_zip(*names)), "code")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "not a valid zip"),
        (b"no zip at all", "not a valid zip"),
        (_zip("a.py")[:-10], "not a valid zip"),
        (_zip(), "no file"),
        (_zip("dir/"), "no file"),
        (_zip("../a.py"), "outside"),
        (_zip("a/../../b"), "outside"),
        (_zip("/etc/passwd"), "outside"),
        (_zip("..\\a.py"), "outside"),
        (_zip("C:\\a.py"), "outside"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_zip_that_cannot_be_code_is_refused(content: bytes, why: str) -> None:
    """Before anything is recorded, with what is wrong."""
    with pytest.raises(errors.BadRequestError, match=why) as refused:
        zips.check_zip(streams.of(content), "code")
    assert (refused.value.status, refused.value.error.code, refused.value.error.target) == (400, "InvalidZip", "code")


def test_a_zip_of_too_many_files_is_refused() -> None:
    """As one that cannot be code is."""
    many = _zip(*(f"{n}.py" for n in range(zips.FILES_LIMIT + 1)), content=b"")
    test_a_zip_that_cannot_be_code_is_refused(many, "10001 files")


def test_a_zip_bomb_is_refused_by_what_it_says_of_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is unpacked to find out."""
    monkeypatch.setattr(zips, "UNPACKED_LIMIT", 10_000)
    with pytest.raises(errors.BadRequestError, match="unpacks to 20000 bytes"):
        zips.check_zip(streams.of(_zip("a", "b", content=b"0" * 10_000, compression=zipfile.ZIP_DEFLATED)), "code")


def test_an_encrypted_zip_is_refused() -> None:
    """Nobody here has its password."""
    content = bytearray(_zip("a.py"))
    at = content.index(b"PK\x01\x02") + 8
    content[at] |= zips.ENCRYPTED
    with pytest.raises(errors.BadRequestError, match="encrypted"):
        zips.check_zip(streams.of(bytes(content)), "code")


@settings(max_examples=60, derandomize=True, deadline=None)
@given(data=st.binary(max_size=60), at=st.integers(0, 120))
def test_no_bytes_raise_anything_but_a_refusal(data: bytes, at: int) -> None:
    """Damaged anywhere, made up entirely: a 400 or taken."""
    whole = _zip("a.py")
    for content in (data, whole[:at] + data + whole[at + len(data) :]):
        try:
            zips.check_zip(streams.of(content), "code")
        except errors.BadRequestError as refused:
            assert refused.error.code == "InvalidZip"  # noqa: PT017 - or no exception at all


def test_a_zip_whose_content_is_damaged_ends_the_operation(steward: Steward) -> None:
    """Its directory is in order, so it is found when it is unpacked: no endless retry, no 500."""
    content = bytearray(_zip("a.py", content=b"print(1)"))
    at = content.index(b"print(1)")
    content[at : at + 8] = b"PRINT(2)"
    zips.check_zip(streams.of(bytes(content)), "code")
    spec = {"properties": {"jobType": "Command"}}
    operation = steward.submit("POST", "workspaces/w1/jobs", spec, files={"code": bytes(content)})
    assert operation.error
    assert (operation.status, operation.http_status, operation.error.code) == ("Failed", 400, "InvalidZip")
    assert steward.queue.messages == []


def _with(attributes: int = 0, **names: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in names.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = attributes << 16
            archive.writestr(info, content)
    return out.getvalue()


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_links_and_devices_are_refused(kind: int) -> None:
    """A link could lead anywhere once somebody unpacks it."""
    with pytest.raises(errors.BadRequestError, match="link or device"):
        zips.check_zip(streams.of(_with(kind | 0o777, a=b"/etc/passwd")), "code")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_stands_twice_is_refused() -> None:
    """Which of the two would win is anybody's guess."""
    with pytest.raises(errors.BadRequestError, match="twice"):
        zips.check_zip(streams.of(_zip("a", "a")), "code")


@pytest.mark.parametrize("name", ["a\nb", "a" * 600, "a//b", "./../a", "a/./b"])
def test_a_name_that_no_blob_should_have_is_refused(name: str) -> None:
    """Line breaks, empty segments, endless ones."""
    with pytest.raises(errors.BadRequestError) as refused:
        zips.check_zip(streams.of(_zip(name)), "code")
    assert refused.value.error.code == "InvalidZip"


def test_more_files_than_the_old_format_counts_are_counted_without_reading_them() -> None:
    """The zip64 end of the table of contents says how many there are."""
    content = _zip(*(str(n) for n in range(66_000)), content=b"")
    with pytest.raises(errors.BadRequestError, match="66000 files"):
        zips.check_zip(streams.of(content), "code")


def test_a_small_zip_of_a_large_folder_may_be_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit of the unpacked size only the ratio counts: 20 times the zip."""
    monkeypatch.setattr(zips, "UNPACKED_LIMIT", 10)
    zips.check_zip(streams.of(_zip("a", content=b"0" * 1_000)), "code")


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_only_deflate_is_unpacked(compression: int) -> None:
    """The others' readers give back as much as a few bytes say, all at once: a bomb that its table of contents can hide."""
    with pytest.raises(errors.BadRequestError, match="unsupported compression"):
        zips.check_zip(streams.of(_zip("a", content=b"0" * 1_000, compression=compression)), "code")


def test_a_member_is_never_longer_than_it_says() -> None:
    """A table of contents that lies about a size is found out when it is read, and no more than it says is read."""
    content = bytearray(_zip("a.bin", content=b"0" * 100_000, compression=zipfile.ZIP_DEFLATED))
    at = content.index(b"PK\x01\x02") + 24
    content[at : at + 4] = (10).to_bytes(4, "little")
    with pytest.raises(errors.BadRequestError, match="not a valid zip file"):
        _read_first(bytes(content), most=10)


def _read_first(content: bytes, *, most: int) -> None:
    with zips.members(streams.of(content), folder="", part="code") as members, members[0].open() as stream:
        while chunk := stream.read(1_000):
            assert len(chunk) <= most
