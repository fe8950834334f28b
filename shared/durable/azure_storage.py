"""The app's own storage in Azure: `storage.Rows`, `Blobs` and `Queue` over Azure's libraries, speaking our errors.

Three small wrappers over azure-data-tables, azure-storage-blob and azure-storage-queue, which are imported when they are
first used. Not here: what they promise (storage), what is stored (ledger), the connections below (connections).
"""

from __future__ import annotations

from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from shared.durable import storage
from shared.durable.storage import CLOCK_SKEW, BlobInfo, Row
from shared.durable.storage_clock import utc_now
from shared.rest import errors, streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from azure.data.tables import TableClient
    from azure.storage.blob import ContainerClient
    from azure.storage.queue import QueueClient, QueueMessage

    from shared.durable.storage import Change

STORAGE_DELAY_S = 5.0
AT_ONCE = 32  # messages: as many as the service gives
HIDDEN_S = 30  # what is looked through for a message to discard


class AzureRows:
    """`Rows` on an Azure table."""

    def __init__(self, client: TableClient) -> None:
        self._client = client

    def get(self, partition: str, key: str) -> Row | None:
        """See `Rows.get`."""
        from azure.core.exceptions import ResourceNotFoundError

        with errors_of_storage():
            try:
                return _row(self._client.get_entity(partition, key))
            except ResourceNotFoundError as missing:
                if _is_table(missing):
                    raise
                return None

    def dated(self, partition: str, key: str) -> tuple[Row | None, datetime]:
        """See `Rows.dated`: the `Date` of the answer that has the row, or has not."""
        from azure.core.exceptions import ResourceNotFoundError

        dates: list[str] = []
        with errors_of_storage():
            try:
                entity = self._client.get_entity(
                    partition, key, raw_response_hook=lambda answer: dates.append(answer.http_response.headers.get("Date", ""))
                )
                row = _row(entity)
            except ResourceNotFoundError as missing:
                if _is_table(missing):
                    raise
                row = None
        return row, parsedate_to_datetime(dates[-1])

    def write(self, changes: Sequence[Change]) -> list[str]:
        """See `Rows.write`; one insert or replace goes without the batch envelope, which costs as much again as the write."""
        from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
        from azure.data.tables import TableTransactionError

        batch = [_table_change(change) for change in changes]
        with errors_of_storage():
            try:
                match batch:
                    case [("create", entity, _)]:
                        return [_etag(self._client.create_entity(entity))]
                    case [("update", entity, matching)]:
                        return [_etag(self._client.update_entity(entity, **matching))]
                    case _:  # delete_entity would not tell that the row is gone
                        return [_etag(result) for result in self._client.submit_transaction(batch)]
            except TableTransactionError as failed:
                if failed.status_code in (404, 409, 412) and not _is_table(failed):
                    raise storage.ConflictError from failed
                raise
            except (ResourceExistsError, ResourceModifiedError, ResourceNotFoundError) as failed:
                if _is_table(failed) or (isinstance(failed, ResourceNotFoundError) and batch[0][0] == "create"):
                    raise
                raise storage.ConflictError from failed

    def put(self, row: Row) -> None:
        """See `Rows.put`."""
        from azure.data.tables import UpdateMode

        with errors_of_storage():
            self._client.upsert_entity(_entity(row), mode=UpdateMode.REPLACE)

    def delete(self, partition: str, key: str) -> None:
        """See `Rows.delete`."""
        with errors_of_storage():
            self._client.delete_entity(partition, key)

    def query(
        self,
        *,
        partition: str = "",
        equal: Mapping[str, Any] | None = None,
        least: Mapping[str, Any] | None = None,
        below: Mapping[str, Any] | None = None,
        columns: Sequence[str] = (),
    ) -> Iterator[Row]:
        """See `Rows.query`."""
        exactly = {**({"PartitionKey": partition} if partition else {}), **(equal or {})}
        asked = {"eq": exactly, "ge": least or {}, "lt": below or {}}
        text = " and ".join(f"{name} {verb} @{verb}{name}" for verb, values in asked.items() for name in values)
        parameters = {f"{verb}{name}": value for verb, values in asked.items() for name, value in values.items()}
        select = ["PartitionKey", "RowKey", *columns] if columns else None
        with errors_of_storage():
            found = (
                self._client.query_entities(text, parameters=parameters, select=select)
                if text
                else self._client.list_entities(select=select)
            )
            for entity in found:
                yield _row(entity)


class AzureBlobs:
    """`Blobs` on an Azure container.

    Args:
        open_container: Gets the container; asked when the first blob is.
        delegate: Gets a user delegation key for a time span, for signing where no account key is known.
        clock: Storage's clock.
    """

    def __init__(
        self,
        open_container: Callable[[], ContainerClient],
        delegate: Callable[[datetime, datetime], Any] | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._open_container = open_container
        self._delegate = delegate
        self._clock = clock

    @cached_property
    def _client(self) -> ContainerClient:
        return self._open_container()

    def put(self, name: str, content: bytes | streams.Source, *, overwrite: bool = True) -> None:
        """See `Blobs.put`."""
        from azure.core.exceptions import ResourceExistsError

        source = streams.of(content)
        with errors_of_storage():
            try:
                self._client.upload_blob(name, source.open(), length=source.size, overwrite=overwrite, max_concurrency=1)
            except ResourceExistsError:
                if overwrite:
                    raise

    def get(self, name: str) -> bytes | None:
        """See `Blobs.get`."""
        from azure.core.exceptions import ResourceNotFoundError

        with errors_of_storage():
            try:
                return bytes(self._client.download_blob(name).readall())
            except ResourceNotFoundError:
                return None

    def names(self, prefix: str) -> Iterator[str]:
        """See `Blobs.names`."""
        with errors_of_storage():
            yield from self._client.list_blob_names(name_starts_with=prefix)

    def delete(self, name: str) -> None:
        """See `Blobs.delete`."""
        from azure.core.exceptions import ResourceNotFoundError

        with errors_of_storage():
            try:
                self._client.delete_blob(name)
            except ResourceNotFoundError:
                return

    def look(self, name: str) -> BlobInfo | None:
        """See `Blobs.look`."""
        from azure.core.exceptions import ResourceNotFoundError

        with errors_of_storage():
            try:
                found = self._client.get_blob_client(name).get_blob_properties()
            except ResourceNotFoundError:
                return None
        return BlobInfo(size=int(found.size), etag=str(found.etag))

    def read(self, name: str, offset: int, length: int, *, etag: str) -> bytes:
        """See `Blobs.read`."""
        from azure.core import MatchConditions
        from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError

        matching: dict[str, Any] = {"etag": etag, "match_condition": MatchConditions.IfNotModified, "max_concurrency": 1}
        with errors_of_storage():
            try:
                return bytes(self._client.download_blob(name, offset=offset, length=length, **matching).readall())
            except (ResourceModifiedError, ResourceNotFoundError) as failed:
                raise storage.ConflictError from failed

    def sign(self, name: str, *, until: datetime) -> str:
        """See `Blobs.sign`: by account key (a connection string has it), else by user delegation."""
        from azure.storage.blob import BlobSasPermissions, generate_blob_sas

        begin = self._clock() - CLOCK_SKEW
        with errors_of_storage():
            blob = self._client.get_blob_client(name)
            key = getattr(self._client.credential, "account_key", None)
            if key is None and self._delegate is None:
                raise ValueError("neither an account key nor a way to a user delegation key")
            proof = {"account_key": key} if key else {"user_delegation_key": self._delegate(begin, until)}  # type: ignore[misc]
        token = generate_blob_sas(
            str(blob.account_name),
            blob.container_name,
            name,
            permission=BlobSasPermissions(create=True, write=True),
            start=begin,
            expiry=until,
            protocol=blob.url.partition(":")[0],
            **proof,
        )
        return f"{blob.url}?{token}"


class AzureQueue:
    """`Queue` on an Azure storage queue; messages are base64 (host.json says the same) and never expire."""

    def __init__(self, client: QueueClient) -> None:
        self._client = client

    def send(self, text: str, *, delay_s: float = 0.0) -> None:
        """See `Queue.send`."""
        with errors_of_storage():
            self._client.send_message(text, visibility_timeout=max(0, round(delay_s)), time_to_live=-1)


class PoisonQueue:
    """A poison queue as it is looked at: its messages in any form, without taking them from the function that works on them."""

    def __init__(self, client: QueueClient) -> None:
        self._client = client

    def peek(self) -> list[QueueMessage]:
        """Return its first messages; none where there is no such queue."""
        from azure.core.exceptions import ResourceNotFoundError

        with errors_of_storage():
            try:
                return list(self._client.peek_messages(max_messages=AT_ONCE))
            except ResourceNotFoundError:
                return []

    def discard(self, message_id: str) -> bool:
        """Delete a message; False when it is not among those that are visible. The others are hidden for half a minute."""
        from azure.core.exceptions import ResourceNotFoundError

        with errors_of_storage():
            try:
                for message in self._client.receive_messages(messages_per_page=AT_ONCE, visibility_timeout=HIDDEN_S):
                    if message.id == message_id:
                        self._client.delete_message(message)
                        return True
            except ResourceNotFoundError:
                return False
        return False


@contextmanager
def errors_of_storage() -> Iterator[None]:
    """Turn what the storage libraries raise into the one branch that means "try again"."""
    from azure.core.exceptions import AzureError

    try:
        yield
    except AzureError as failure:
        code = getattr(failure, "error_code", None) or type(failure).__name__
        message = f"The app's own storage failed: {getattr(code, 'value', code)}."
        raise errors.UnreachableError(message, delay_s=STORAGE_DELAY_S, maybe_arrived=True, code="StorageUnavailable") from failure


def _table_change(change: Change) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Return a change as azure-data-tables has it: operation, entity, and on which condition."""
    from azure.core import MatchConditions
    from azure.data.tables import UpdateMode

    entity = _entity(change.row)
    matching = {"etag": change.row.etag, "match_condition": MatchConditions.IfNotModified}
    match change.verb:
        case "insert":
            return "create", entity, {}
        case "replace":
            return "update", entity, {"mode": UpdateMode.REPLACE, **matching}
        case "delete":
            return "delete", entity, matching


def _entity(row: Row) -> dict[str, Any]:
    return {"PartitionKey": row.partition, "RowKey": row.key, **row.columns}


def _row(entity: Any) -> Row:
    columns = {name: value for name, value in entity.items() if name not in ("PartitionKey", "RowKey") and value is not None}
    stamp = entity.metadata.get("timestamp")
    return Row(
        partition=entity["PartitionKey"], key=entity["RowKey"], columns=columns, etag=entity.metadata["etag"], written_at=stamp
    )


def _is_table(missing: Exception) -> bool:
    """Tell whether it is the table that is missing (or being deleted): nobody was there first, and no second try helps."""
    return getattr(missing, "error_code", None) in ("TableNotFound", "TableBeingDeleted")


def _etag(result: Mapping[str, Any]) -> str:
    return str(result.get("etag") or "")
