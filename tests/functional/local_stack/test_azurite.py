"""Azurite as the stack starts it: real storage, no leftovers."""

import base64
import json
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


def test_a_long_queue_is_not_read_for_each_message() -> None:
    """Azurite's store looks for a message by what only that one has, and keeps its indexes while nothing has expired."""
    script = """
        const Loki = require(process.argv[1]);
        const named = "$MESSAGES_COLLECTION$", usual = { indices: ["accountName", "queueName", "messageId"] };
        const messages = new Loki("x").addCollection(named, usual);
        let reads = 0;
        for (let n = 0; n < 1000; n++) {
          const made = { accountName: 'a', messageId: `m${n}`, expirationTime: 9e12, timeNextVisible: n };
          Object.defineProperty(made, 'queueName', { enumerable: true, get() { reads++; return 'q'; } });
          messages.insert(made);
        }
        const found = [], queue = { accountName: 'a', queueName: 'q' }, index = messages.binaryIndices.messageId.values;
        reads = 0;
        found.push(messages.findOne({ ...queue, messageId: 'm77' }).messageId);
        const expired = messages.chain().find({ ...queue, expirationTime: { $lte: 100 } }).data();
        found.push(expired.length, messages.chain().find({ ...queue, timeNextVisible: { $lte: 10 } }).data().length, reads);
        messages.remove(expired);
        found.push(messages.binaryIndices.messageId.values === index);
        messages.remove([messages.get(78)]);
        found.push(messages.findOne({ ...queue, messageId: 'm77' }), messages.count());
        console.log(JSON.stringify(found));
    """
    loki = azurite.HERE / "node_modules" / "lokijs"
    command = [azurite._node(), *(f"--require={each}" for each in azurite.PRELOADED[1:]), "-e", script, str(loki)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(ran.stdout) == ["m77", 0, 11, 12, True, None, 999]
