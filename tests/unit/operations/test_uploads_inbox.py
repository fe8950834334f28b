"""Room for large files: who may use an upload, for how long, and what becomes of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.files import upload_inbox
from shared.rest import errors
from tests.fakes import START, FakeBlobs


def _opened(blobs: FakeBlobs, data: bytes | None = b"x") -> str:
    upload = str(upload_inbox.open_upload(blobs, START, caller="me", name="m.bin", limit=9)["id"])
    if data is not None:
        blobs.put(f"uploads/{upload}/content", data)
    return upload


def test_an_upload_is_found_by_its_own_caller() -> None:
    """With its size, its etag and the name it was given."""
    blobs = FakeBlobs()
    found = upload_inbox.find(blobs, _opened(blobs), START, caller="me", limit_gb=1)
    assert (found.found.size, found.name) == (1, "m.bin")


@pytest.mark.parametrize("asked", ["", "../operations/x", "1-2", f"{'9' * 10}-{'0' * 32}", "x" * 500])
def test_an_id_that_is_none_is_not_found(asked: str) -> None:
    """Nothing of it becomes a path."""
    with pytest.raises(errors.BadRequestError) as refused:
        upload_inbox.find(FakeBlobs(), asked, START, caller="me", limit_gb=1)
    assert (refused.value.status, refused.value.error.code) == (404, "UploadNotFound")


def test_another_caller_does_not_find_it() -> None:
    """An id alone opens nothing."""
    blobs = FakeBlobs()
    with pytest.raises(errors.BadRequestError, match="There is no upload"):
        upload_inbox.find(blobs, _opened(blobs), START, caller="somebody", limit_gb=1)


def test_it_is_forgotten_after_two_days() -> None:
    """First it cannot be named any more, then the timer deletes it; younger ones stay."""
    blobs = FakeBlobs()
    upload = _opened(blobs)
    later = START + timedelta(days=2, seconds=1)
    with pytest.raises(errors.BadRequestError, match="There is no upload"):
        upload_inbox.find(blobs, upload, later, caller="me", limit_gb=1)
    young = str(upload_inbox.open_upload(blobs, later, caller="me", name="", limit=9)["id"])
    assert upload_inbox.purge(blobs, later) == 2
    assert list(blobs.names("uploads/")) == [f"uploads/{young}/about.json"]


def test_the_signed_url_is_in_the_answer_only() -> None:
    """Nothing stored holds it."""
    blobs = FakeBlobs()
    answer = upload_inbox.open_upload(blobs, START, caller="me", name="", limit=9)
    assert "sig=" in answer["sasUri"]
    assert all(b"sig=" not in data for data in blobs.blobs.values())


def test_a_caller_has_so_many_uploads_at_a_time() -> None:
    """Those of others do not count, and a forgotten one makes room."""
    blobs = FakeBlobs()
    for _ in range(3):
        upload_inbox.open_upload(blobs, START, caller="me", name="", limit=3)
        upload_inbox.open_upload(blobs, START, caller="you", name="", limit=3)
    with pytest.raises(errors.BadRequestError, match=r"You have 3 uploads; at most 3 are allowed .STEWARD_UPLOADS") as refused:
        upload_inbox.open_upload(blobs, START, caller="me", name="", limit=3)
    assert (refused.value.status, len(blobs.blobs)) == (429, 6)
    later = START + timedelta(days=2, seconds=1)
    assert upload_inbox.open_upload(blobs, later, caller="me", name="", limit=3)


def test_an_upload_that_is_too_large_is_deleted_when_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it is read; the error names the setting."""
    monkeypatch.setattr(upload_inbox, "GIGABYTE", 1_000)
    blobs = FakeBlobs()
    upload = _opened(blobs, bytes(1_001))
    with pytest.raises(errors.BadRequestError, match=r"1001 bytes; at most 1 GB are allowed .STEWARD_UPLOAD_GB") as refused:
        upload_inbox.find(blobs, upload, START, caller="me", limit_gb=1)
    assert (refused.value.status, refused.value.error.code) == (413, "UploadTooLarge")
    assert f"uploads/{upload}/content" not in blobs.blobs
