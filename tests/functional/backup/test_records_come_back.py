"""Export and restore on real storage: rows and blobs come back as they were, and nothing is overwritten unasked."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import urllib.request
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from azure.data.tables import EdmType, EntityProperty, TableServiceClient
from azure.storage.blob import BlobServiceClient

from infra import backup
from infra.local import azurite as storage
from shared import services

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.local import stack
    from infra.local.azurite import Azurite

ROOT = Path(__file__).parents[3]
KEY = base64.b64encode(bytes(64)).decode()
EVERY_TYPE = {
    "text": "Grüße\n\"quoted\" {'x': 1}",
    "empty": "",
    "number": 7,
    "large": EntityProperty(2**40, EdmType.INT64),
    "part": 0.1,
    "yes": True,
    "at": datetime(2026, 11, 29, 12, 0, 0, 123456, tzinfo=UTC),
    "bytes": b"\x00\xff",
    "id": uuid.UUID(int=7),
}


@pytest.fixture(scope="module")
def accounts() -> Iterator[Azurite]:
    """Storage of its own, with accounts to copy from and to."""
    with storage.start(None, accounts={"source": KEY, "target": KEY, "second": KEY}) as running:
        yield running


def run(verb: str, folder: Path, connection: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command for an account, with nothing else of this process's environment."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = [sys.executable, "-m", "infra.backup", verb, str(folder), *words]
    environment = {**kept, "AzureWebJobsStorage": connection}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=100)


def tables_of(connection: str) -> dict[str, list[dict[str, Any]]]:
    """Return every row of the app's tables in an account."""
    with TableServiceClient.from_connection_string(connection) as client:
        there = {table.name for table in client.list_tables()} & set(backup.TABLES)
        return {name: [dict(row) for row in client.get_table_client(name).list_entities()] for name in there}


def blobs_of(connection: str) -> dict[str, bytes]:
    """Return every blob of the app's container in an account, but uploads."""
    with BlobServiceClient.from_connection_string(connection) as client:
        container = client.get_container_client(services.CONTAINER)
        names = [name for name in container.list_blob_names() if not name.startswith("uploads/")]
        return {name: container.download_blob(name).readall() for name in names}


@pytest.fixture(scope="module")
def source(accounts: Azurite) -> str:
    """An account with values of every type, a partition of more rows than one transaction takes, and blobs."""
    connection = accounts.connection_string("source")
    with TableServiceClient.from_connection_string(connection) as client:
        rows = client.create_table(services.HOOK_TABLE)
        rows.create_entity({"PartitionKey": "every", "RowKey": "type", **EVERY_TYPE})
        for start in range(0, 250, 50):
            many = [{"PartitionKey": "many", "RowKey": f"{each:04}", "text": "x" * 30_000} for each in range(start, start + 50)]
            rows.submit_transaction([("create", each) for each in many])
        client.create_table(services.LEDGER_TABLE)
    with BlobServiceClient.from_connection_string(connection) as blobs:
        container = blobs.create_container(services.CONTAINER)
        container.upload_blob("policies/keep.yml", b"policies: []\n")
        container.upload_blob(f"operations/{'a' * 200}/Ümläut, space/body", os.urandom(100_000))
        container.upload_blob("uploads/1/content", b"not kept")
    return connection


@pytest.fixture(scope="module")
def folder(source: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an export of it wrote."""
    out = tmp_path_factory.mktemp("exports") / "first"
    done = run("export", out, source)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"251 in {services.HOOK_TABLE}" in done.stdout
    assert "2 in blobs" in done.stdout
    return out


def test_every_row_and_blob_comes_back_with_its_type(accounts: Azurite, source: str, folder: Path) -> None:
    """A time stays a time and a large number a large number; more rows and characters than one transaction takes."""
    target = accounts.connection_string("target")
    done = run("restore", folder, target)
    assert (done.returncode, done.stderr) == (0, "")
    assert tables_of(target) == tables_of(source)
    (row,) = (row for row in tables_of(target)[services.HOOK_TABLE] if row["PartitionKey"] == "every")
    assert row == {"PartitionKey": "every", "RowKey": "type", **EVERY_TYPE}
    assert blobs_of(target) == blobs_of(source)
    assert len(blobs_of(target)) == 2


def test_an_account_with_rows_is_not_overwritten_unasked(source: str, folder: Path) -> None:
    """The command says what is there and what to do; asked to replace, it puts back what was changed."""
    before = tables_of(source)
    done = run("restore", folder, source)
    assert done.returncode == 1
    assert services.HOOK_TABLE in done.stderr
    assert "--replace" in done.stderr
    with TableServiceClient.from_connection_string(source) as client:
        client.get_table_client(services.HOOK_TABLE).upsert_entity({"PartitionKey": "every", "RowKey": "type", "text": "changed"})
    assert tables_of(source) != before
    assert run("restore", folder, source, "--replace").returncode == 0
    assert tables_of(source) == before


def test_a_table_can_be_left_out(accounts: Azurite, folder: Path) -> None:
    """Open operations at rest, or records without their blobs."""
    second = accounts.connection_string("second")
    done = run("restore", folder, second, "--without", services.HOOK_TABLE, "--without", "blobs")
    assert (done.returncode, done.stderr) == (0, "")
    assert tables_of(second) == {services.LEDGER_TABLE: []}


def test_a_folder_is_written_once_and_read_only_when_it_is_whole(source: str, folder: Path, tmp_path: Path) -> None:
    """A copy that was broken off has no manifest, since that is written last; nobody else may read what was copied."""
    assert "not empty" in run("export", folder, source).stderr
    assert "no whole export" in run("restore", tmp_path, source).stderr
    assert {file.stat().st_mode & 0o077 for file in folder.rglob("*") if file.is_file() and file.name != backup.MANIFEST} == {0}


def test_what_the_app_recorded_is_there_after_a_restore(
    app: stack.App, azurite: Azurite, accounts: Azurite, tmp_path: Path
) -> None:
    """The app itself writes, in its own tables; the copy has each of them, row by row."""
    body = json.dumps({"properties": {"description": "x" * 40_000}}).encode()  # larger than a row takes: a blob, too
    request = urllib.request.Request(f"{app.url}/api/workspaces/none/environments/kept/versions/1", body, method="PUT")
    for name, value in {"x-functions-key": app.key, "Prefer": "respond-async", "Content-Type": "application/json"}.items():
        request.add_header(name, value)
    with urllib.request.urlopen(request, timeout=60) as answer:
        operation = json.load(answer)["name"]
    connection = azurite.connection_string()
    assert run("export", tmp_path / "app", connection).returncode == 0
    lines = (tmp_path / "app" / "tables" / f"{services.LEDGER_TABLE}.jsonl").read_text()
    assert operation.partition("-")[0] in lines
    assert set(json.loads((tmp_path / "app" / backup.MANIFEST).read_text())["counts"]) == {*tables_of(connection), "blobs"}
    second = accounts.connection_string("second")
    assert run("restore", tmp_path / "app", second, "--replace").returncode == 0
    kept = {(row["PartitionKey"], row["RowKey"]) for row in tables_of(second)[services.LEDGER_TABLE]}
    assert operation in {f"{partition}-{key}" for partition, key in kept}
