"""``python -m infra.backup``: copies the app's tables and blobs into a folder, and back into an account.

A folder has a file of lines for each table (`tables/NAME.jsonl`: a row a line, each value with its type where JSON has none for it)
and the blobs of the app's container (`blobs/NUMBER`, named in `blobs.jsonl`). What is in queues is not copied: the rows say what is
due, and the app's timer queues it again. Nor are uploads, which live for two days. Not here: replication of the account (Bicep).
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import sys
import uuid
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import AzureError
from azure.data.tables import EdmType, EntityProperty, TableServiceClient

from infra.doctor import configuration
from shared import services, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from azure.storage.blob import ContainerClient

TABLES = tuple(sorted(value for name, value in vars(services).items() if name.endswith("_TABLE")))
UPLOADS = "uploads/"
BATCH = 100  # rows that one transaction may have, all of one partition
BATCH_CHARACTERS = 1_000_000  # of the 4 MiB that its body may have
BLOBS = "blobs"
BLOB_NAMES = "blobs.jsonl"
VERSION = 1
MANIFEST = "backup.json"
OWN_FILE, OWN_FOLDER = 0o600, 0o700  # rows of open operations hold signed URLs
# Values that JSON has no type for: how each is written, and read again.
TYPES: dict[str, tuple[Callable[[Any], str], Callable[[str], Any]]] = {
    "datetime": (lambda value: str(value.isoformat()), datetime.fromisoformat),
    "binary": (lambda value: base64.b64encode(value).decode(), base64.b64decode),
    "guid": (str, uuid.UUID),
    "int64": (lambda value: str(value.value), lambda text: EntityProperty(int(text), EdmType.INT64)),
}


class BackupError(Exception):
    """The copy cannot be made; the message says why and what to do."""


class Whole(services.Services):
    """The app's services, opened to their tables and container as a whole."""

    @cached_property
    def tables(self) -> TableServiceClient:
        """The account's tables."""
        if self.settings.storage:
            return TableServiceClient.from_connection_string(self.settings.storage)
        return TableServiceClient(self._tables.base, credential=self._identity())

    @property
    def container(self) -> ContainerClient:
        """The app's container, made if it is not there."""
        return self._container()


def main(arguments: list[str] | None = None) -> int:
    """Export or restore, say how much, and return the exit code."""
    chosen = _arguments(arguments)
    try:
        app = _opened(chosen.settings, as_me=chosen.as_me)
        if chosen.verb == "export":
            counts = export(app, chosen.folder)
        else:
            counts = restore(app, chosen.folder, without=chosen.without, replace=chosen.replace)
    except (BackupError, AzureError, OSError, ValueError) as failed:
        print(f"backup: {failed}", file=sys.stderr)
        return 1
    print(", ".join(f"{count} in {name}" for name, count in counts.items()))
    return 0


def export(app: Whole, folder: Path) -> dict[str, int]:
    """Write every row and blob into a new folder, and return how many of each.

    Raises:
        BackupError: The folder has something in it.
    """
    if folder.exists() and any(folder.iterdir()):
        raise BackupError(f"{folder} is not empty: name a new folder for each export")
    (folder / "tables").mkdir(parents=True, exist_ok=True, mode=OWN_FOLDER)
    (folder / BLOBS).mkdir(exist_ok=True, mode=OWN_FOLDER)
    there = {table.name for table in app.tables.list_tables()}
    counts = {}
    for name in (name for name in TABLES if name in there):
        rows = (line_of(entity) for entity in app.tables.get_table_client(name).list_entities())
        counts[name] = _written(folder / "tables" / f"{name}.jsonl", rows)
    names = [name for name in app.container.list_blob_names() if not name.startswith(UPLOADS)]
    for number, name in enumerate(names):
        with _private(folder / BLOBS / str(number)) as file:
            app.container.download_blob(name).readinto(file)
    counts[BLOBS] = _written(folder / BLOB_NAMES, map(json.dumps, names))
    # Written last: a folder without it is a copy that was broken off.
    (folder / MANIFEST).write_text(json.dumps({"version": VERSION, "counts": counts}, indent=2) + "\n")
    return counts


def restore(app: Whole, folder: Path, *, without: Sequence[str] = (), replace: bool = False) -> dict[str, int]:
    """Put the rows and blobs of a folder into the account, and return how many of each.

    Args:
        app: The account, which should have no rows yet; the app should be stopped.
        folder: What an export wrote.
        without: Tables that are left out.
        replace: Put them beside what is there, over rows and blobs of the same name.

    Raises:
        BackupError: The folder is no whole export, or a table has rows and `replace` was not said.
    """
    counts = _manifest(folder)
    wanted = {name: count for name, count in counts.items() if name not in without}
    clients = {name: app.tables.create_table_if_not_exists(name) for name in wanted if name != BLOBS}
    if not replace and (full := [name for name, client in clients.items() if any(client.list_entities(results_per_page=1))]):
        raise BackupError(f"{', '.join(full)} has rows: restore into a new account, or say --replace")
    if BLOBS in wanted:  # before the rows, which name them
        for number, line in enumerate((folder / BLOB_NAMES).read_text().splitlines()):
            with (folder / BLOBS / str(number)).open("rb") as content:
                app.container.upload_blob(json.loads(line), content, overwrite=True)
    for name, client in clients.items():
        for batch in _batches((folder / "tables" / f"{name}.jsonl").read_text().splitlines()):
            client.submit_transaction([("upsert", entity, {"mode": "replace"}) for entity in batch])
    return wanted


def line_of(entity: Any) -> str:
    """Return a row as a line; what its columns' types are is not lost."""
    return json.dumps({name: _text_of(value) for name, value in entity.items()}, ensure_ascii=False, sort_keys=True)


def entity_of(line: str) -> dict[str, Any]:
    """Return the row that a line holds."""
    return {name: _value(held) for name, held in json.loads(line).items()}


def _text_of(value: Any) -> Any:
    match value:
        case str() | bool() | int() | float():
            return value
        case datetime():
            kind = "datetime"
        case bytes():
            kind = "binary"
        case uuid.UUID():
            kind = "guid"
        case EntityProperty(edm_type=EdmType.INT64):
            kind = "int64"
        case _:
            raise BackupError(f"a row has a value of a type that is not known here: {type(value).__name__}")
    return {"type": kind, "value": TYPES[kind][0](value)}


def _value(held: Any) -> Any:
    return TYPES[held["type"]][1](held["value"]) if isinstance(held, dict) else held


def _batches(lines: Iterable[str]) -> Iterator[list[dict[str, Any]]]:
    """Yield rows of one partition, at most as many as one transaction may have. Tables are listed partition by partition."""
    batch: list[dict[str, Any]] = []
    size = 0
    for line in lines:
        entity = entity_of(line)
        full = len(batch) == BATCH or size + len(line) > BATCH_CHARACTERS
        if batch and (full or batch[0]["PartitionKey"] != entity["PartitionKey"]):
            yield batch
            batch, size = [], 0
        batch.append(entity)
        size += len(line)
    if batch:
        yield batch


def _written(file: Path, lines: Iterable[str]) -> int:
    count = 0
    with _private(file) as out:
        for line in lines:
            out.write(f"{line}\n".encode())
            count += 1
    return count


def _private(file: Path) -> Any:
    return os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWN_FILE), "wb")


def _manifest(folder: Path) -> dict[str, int]:
    file = folder / MANIFEST
    if not file.exists():
        raise BackupError(f"{folder} is no whole export: it has no {MANIFEST}, which is written last")
    loaded = json.loads(file.read_text())
    if loaded["version"] != VERSION:
        raise BackupError(f"{file} is of version {loaded['version']}, and this reads version {VERSION}")
    return dict(loaded["counts"])


def _opened(file: Path | None, *, as_me: bool) -> Whole:
    values = {**os.environ, **(configuration.values_of(file) if file else {})}
    hidden = configuration.OF_THE_IDENTITY if as_me else ()
    # Only what opens storage: this command reads no reference to a vault.
    plain = {name: value for name, value in values.items() if name not in hidden and not value.startswith(configuration.KEY_VAULT)}
    return Whole(settings=settings.from_environ(plain))


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.backup", description="Copy the app's records into a folder, or back.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    file = "app settings: local.settings.json, or what `az functionapp config appsettings list` prints; else the environment"
    me = "open it with the sign-in of this machine (az login) instead of the app's managed identity"
    for verb, what in (("export", "copy into a new folder"), ("restore", "put back into an account that has no rows")):
        one = verbs.add_parser(verb, help=what, description=what)
        one.add_argument("folder", type=Path)
        one.add_argument("--settings", type=Path, metavar="FILE", help=file)
        one.add_argument("--as-me", action="store_true", help=me)
        if verb == "restore":
            left_out = "leave this table, or the blobs, out; may be given several times"
            one.add_argument("--without", choices=[*TABLES, BLOBS], action="append", default=[], help=left_out)
            one.add_argument("--replace", action="store_true", help="put rows and blobs over what is there")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
