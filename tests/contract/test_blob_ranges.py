"""Blobs read in ranges and written through a signed URL: the same promises on the fake and on Azurite."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import requests

from shared.durable import azure_storage, storage

if TYPE_CHECKING:
    from shared.durable.storage import Blobs


def test_a_blob_tells_its_size_and_changes_its_etag_with_every_write(blobs: Blobs) -> None:
    """None when there is none."""
    assert blobs.look("a") is None
    blobs.put("a", b"12345")
    first = blobs.look("a")
    blobs.put("a", b"123456")
    second = blobs.look("a")
    assert first
    assert second
    assert (first.size, second.size) == (5, 6)
    assert first.etag != second.etag


@pytest.mark.parametrize(("offset", "length", "found"), [(0, 5, b"01234"), (3, 2, b"34"), (9, 1, b"9"), (0, 10, b"0123456789")])
def test_a_range_is_read(blobs: Blobs, offset: int, length: int, found: bytes) -> None:
    """Exactly what was asked for."""
    blobs.put("a", b"0123456789")
    looked = blobs.look("a")
    assert looked
    assert blobs.read("a", offset, length, etag=looked.etag) == found


def test_a_range_of_a_blob_that_changed_or_went_is_a_conflict(blobs: Blobs) -> None:
    """Never a mixture of two versions."""
    blobs.put("a", b"0123456789")
    looked = blobs.look("a")
    assert looked
    blobs.put("a", b"9876543210")
    with pytest.raises(storage.ConflictError):
        blobs.read("a", 0, 5, etag=looked.etag)
    blobs.delete("a")
    with pytest.raises(storage.ConflictError):
        blobs.read("a", 0, 5, etag=looked.etag)


def test_a_signed_url_writes_its_blob(blobs: Blobs) -> None:
    """Whoever has it needs nothing else, and can do nothing else."""
    url = blobs.sign("a", until=datetime.now(UTC) + timedelta(minutes=5))
    if not isinstance(blobs, azure_storage.AzureBlobs):
        assert "sig=" in url
        return
    answer = requests.put(url, data=b"hello", headers={"x-ms-blob-type": "BlockBlob"}, timeout=30)
    assert answer.status_code == 201
    assert blobs.get("a") == b"hello"
    assert requests.get(url, timeout=30).status_code == 403
    assert requests.delete(url, timeout=30).status_code == 403
