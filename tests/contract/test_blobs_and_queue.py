"""Blobs and the queue: the same promises on the fake and on Azurite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.durable import azure_storage
from shared.durable.messages import Message
from shared.rest import errors
from tests.contract.conftest import opened

if TYPE_CHECKING:
    from shared.durable.storage import Blobs
    from tests.contract.conftest import AzuriteEnd, FakeEnd


def test_a_blob_reads_back_byte_for_byte(blobs: Blobs) -> None:
    """Zips and JSON alike."""
    blobs.put("operations/a/files/x/code", bytes(range(256)))
    assert blobs.get("operations/a/files/x/code") == bytes(range(256))


def test_an_empty_blob_is_not_a_missing_one(blobs: Blobs) -> None:
    """None means that there is none."""
    blobs.put("empty", b"")
    assert blobs.get("empty") == b""
    assert blobs.get("missing") is None


def test_a_blob_is_overwritten(blobs: Blobs) -> None:
    """A step that is repeated writes the same blob again."""
    blobs.put("a", b"1")
    blobs.put("a", b"2")
    assert blobs.get("a") == b"2"


def test_a_blob_that_is_there_can_be_left_as_it_is(blobs: Blobs) -> None:
    """With its etag: somebody may be reading it; a write makes another etag even of the same content."""
    blobs.put("a", b"1", overwrite=False)
    before = blobs.look("a")
    blobs.put("a", b"2", overwrite=False)
    assert (blobs.get("a"), blobs.look("a")) == (b"1", before)
    blobs.put("a", b"1")
    assert blobs.look("a") != before


def test_names_are_listed_by_prefix_in_order(blobs: Blobs) -> None:
    """The prefix of one operation is not that of another."""
    for name in ("operations/b/1", "operations/a/2", "operations/a/1", "operations/aa/1"):
        blobs.put(name, b"")
    assert list(blobs.names("operations/a/")) == ["operations/a/1", "operations/a/2"]


def test_a_deleted_blob_is_gone_and_deleting_it_again_is_no_error(blobs: Blobs) -> None:
    """A purge that died goes on where it was."""
    blobs.put("a", b"1")
    blobs.delete("a")
    blobs.delete("a")
    assert blobs.get("a") is None


@pytest.mark.parametrize("name", ["a/../b", "a/./b", "..", "a/.."])
def test_no_name_leads_to_another_blob(blobs: Blobs, name: str) -> None:
    """A client of HTTP takes the dots of a path away before it sends it: another blob would be read, written or deleted."""
    blobs.put("b", b"1")
    for use in (blobs.get, blobs.delete, blobs.look, lambda each: blobs.put(each, b"2")):
        with pytest.raises(ValueError, match="dots"):
            use(name)
    assert blobs.get("b") == b"1"


def test_a_message_arrives_as_it_was_sent(end: FakeEnd | AzuriteEnd) -> None:
    """Also with characters that XML or base64 might change."""
    text = Message(machine="operation", key=("a-b",), step=3).to_text()
    end.queue.send(text)
    end.queue.send("<ü€😀&\n")
    assert sorted(end.visible()) == sorted([text, "<ü€😀&\n"])


def test_a_delayed_message_is_there_but_cannot_be_received(end: FakeEnd | AzuriteEnd) -> None:
    """The delay is the queue's: nothing sleeps in a function."""
    end.queue.send("later", delay_s=3_600)
    end.queue.send("now", delay_s=0.3)
    assert end.visible() == ["now"]
    assert end.hidden() >= 1


def test_a_delay_of_seven_days_is_taken(end: FakeEnd | AzuriteEnd) -> None:
    """The longest that the service takes."""
    end.queue.send("later", delay_s=7 * 24 * 3600)
    assert end.visible() == []


def test_messages_are_base64_and_never_expire(connection: str) -> None:
    """host.json says base64 too, and an operation of a month must not lose its message after a week."""
    from tests.contract.conftest import AzuriteEnd

    end = AzuriteEnd(connection)
    end.queue.send("text")
    message = end.raw.receive_message()
    end.service.close()
    assert message
    assert message.content == "dGV4dA=="
    assert message.expires_on
    assert message.expires_on.year == 9999


def test_a_poison_queue_is_looked_at_and_one_message_is_discarded(connection: str) -> None:
    """Looking takes nothing from the platform; text that is no base64 is there as it is; a queue that is not there is empty."""
    from tests.contract.conftest import AzuriteEnd

    end = AzuriteEnd(connection)
    queue = azure_storage.PoisonQueue(end.raw)
    for text in ("no base64!", "dGV4dA==", "another"):
        end.raw.send_message(text)
    held = queue.peek()
    assert sorted(each.content for each in held) == ["another", "dGV4dA==", "no base64!"]
    assert len(queue.peek()) == len(held)
    (bad,) = (each.id for each in held if each.content == "no base64!")
    assert queue.discard(bad)
    assert not queue.discard(bad)
    properties = end.raw.get_queue_properties()
    assert properties.approximate_message_count == len(held) - 1
    end.raw.send_message("not base64")
    assert end.raw.receive_message(visibility_timeout=600) is not None
    assert "not base64" not in [each.content for each in queue.peek()]
    assert queue.hidden(0) == len(held)
    queue.clear()
    assert queue.hidden(0) == 0
    missing = azure_storage.PoisonQueue(end.service.get_queue_client("not-there-poison"))
    assert (missing.peek(), missing.discard("x"), missing.hidden(0)) == ([], False, 0)
    end.service.close()


def test_storage_that_does_not_answer_is_an_error_to_try_again() -> None:
    """Whatever the storage libraries raise becomes the one branch that means "later"."""
    app = opened("AccountName=a;AccountKey=a2V5;QueueEndpoint=http://127.0.0.1:9/devstoreaccount1")
    with pytest.raises(errors.UnreachableError) as failed:
        app.queue_named("q").send("x")
    assert failed.value.maybe_arrived
    assert failed.value.error.code == "StorageUnavailable"


def test_what_storage_says_is_told_in_its_own_words() -> None:
    """Its code as the service names it, not as a library's enumeration does."""
    from azure.core.exceptions import HttpResponseError
    from azure.storage.blob import StorageErrorCode

    refused = HttpResponseError("refused")
    vars(refused)["error_code"] = StorageErrorCode.AUTHORIZATION_FAILURE
    with pytest.raises(errors.UnreachableError, match=r"failed: AuthorizationFailure\.$"), azure_storage.errors_of_storage():
        raise refused
