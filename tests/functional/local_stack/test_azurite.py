"""Azurite as the stack starts it: real storage, no leftovers."""

import base64
import subprocess
import sys
import time
from pathlib import Path

import pytest
from azure.data.tables import TableClient
from azure.storage.blob import BlobClient
from azure.storage.queue import QueueClient

from infra.local import azurite

ROOT = Path(__file__).parents[3]


def test_every_named_account_has_queues_blobs_and_tables() -> None:
    """One Azurite holds the app's account and others, each with its own key."""
    with azurite.start(None, accounts={"another": base64.b64encode(bytes(64)).decode()}) as storage:
        for account in ("devstoreaccount1", "another"):
            connection = storage.connection_string(account)
            with QueueClient.from_connection_string(connection, "letters") as queue:
                queue.create_queue()
                queue.send_message(account)
                assert queue.receive_message().content == account
            with BlobClient.from_connection_string(connection, "files", "a") as blob:
                blob._get_container_client().create_container()
                blob.upload_blob(account.encode())
                assert blob.download_blob().readall() == account.encode()
            with TableClient.from_connection_string(connection, "rows") as table:
                table.create_table()
                table.create_entity({"PartitionKey": "p", "RowKey": account})
                assert [row["RowKey"] for row in table.list_entities()] == [account]


def test_a_folder_keeps_what_was_stored(tmp_path: Path) -> None:
    """What a stopped Azurite held on disk is there at the next start."""
    with azurite.start(tmp_path) as storage, QueueClient.from_connection_string(storage.connection_string(), "kept") as queue:
        queue.create_queue()
        queue.send_message("still here")

    with azurite.start(tmp_path) as storage, QueueClient.from_connection_string(storage.connection_string(), "kept") as queue:
        assert queue.receive_message().content == "still here"


def test_a_taken_port_is_named() -> None:
    """Not starting is an error at once, in Azurite's own words."""
    with azurite.start(None) as storage, pytest.raises(azurite.AzuriteError, match=str(storage.blob_port)):
        azurite.launch(None, blob_port=storage.blob_port)


def test_it_ends_with_a_parent_that_was_killed() -> None:
    """No orphan stays behind, even when nobody could say goodbye."""
    code = (
        "from infra.local import azurite; import time; a = azurite.launch(None); print(a.process.pid, flush=True); time.sleep(99)"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        node = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
    deadline = time.monotonic() + 120
    while _runs(node) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(node)


def _runs(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
