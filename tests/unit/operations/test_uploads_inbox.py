"""Room for large files: who may use an upload, for how long, and what becomes of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.files import upload_inbox
from shared.rest import errors
from tests.fakes import START, FakeBlobs


def _opened(blobs: FakeBlobs, data: bytes | None = b"x") -> str:
    upload = str(upload_inbox.open_upload(blobs, START, caller="me", name="m.bin")["id"])
    if data is not None:
        blobs.put(f"uploads/{upload}/content", data)
    return upload


def test_an_upload_is_found_by_its_own_caller() -> None:
    """With its size, its etag and the name it was given."""
    blobs = FakeBlobs()
    found = upload_inbox.find(blobs, _opened(blobs), START, caller="me")
    assert (found.found.size, found.name) == (1, "m.bin")


@pytest.mark.parametrize("asked", ["", "../operations/x", "1-2", f"{'9' * 10}-{'0' * 32}", "x" * 500])
def test_an_id_that_is_none_is_not_found(asked: str) -> None:
    """Nothing of it becomes a path."""
    with pytest.raises(errors.BadRequestError) as refused:
        upload_inbox.find(FakeBlobs(), asked, START, caller="me")
    assert (refused.value.status, refused.value.error.code) == (404, "UploadNotFound")


def test_another_caller_does_not_find_it() -> None:
    """An id alone opens nothing."""
    blobs = FakeBlobs()
    with pytest.raises(errors.BadRequestError, match="There is no upload"):
        upload_inbox.find(blobs, _opened(blobs), START, caller="somebody")


def test_it_is_forgotten_after_two_days() -> None:
    """First it cannot be named any more, then the timer deletes it; younger ones stay."""
    blobs = FakeBlobs()
    upload = _opened(blobs)
    later = START + timedelta(days=2, seconds=1)
    with pytest.raises(errors.BadRequestError, match="There is no upload"):
        upload_inbox.find(blobs, upload, later, caller="me")
    young = str(upload_inbox.open_upload(blobs, later, caller="me", name="")["id"])
    assert upload_inbox.purge(blobs, later) == 2
    assert list(blobs.names("uploads/")) == [f"uploads/{young}/about.json"]


def test_the_signed_url_is_in_the_answer_only() -> None:
    """Nothing stored holds it."""
    blobs = FakeBlobs()
    answer = upload_inbox.open_upload(blobs, START, caller="me", name="")
    assert "sig=" in answer["sasUri"]
    assert all(b"sig=" not in data for data in blobs.blobs.values())
