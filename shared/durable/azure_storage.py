"""The app's own storage in Azure: `storage.Blobs` and `Queue`, speaking our errors.

Blobs and poison queues are small wrappers over azure-storage-blob and azure-storage-queue, which are imported when they are first
used. Not here: what they promise (storage), rows (account.table_rows), the connections below (storage_pool).
"""

from __future__ import annotations

import base64
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from shared.durable import storage
from shared.durable.account import storage_wire
from shared.durable.storage import CLOCK_SKEW, BlobInfo
from shared.durable.storage_clock import utc_now
from shared.rest import streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from azure.storage.blob import ContainerClient
    from azure.storage.queue import QueueClient, QueueMessage

    from shared.durable.account.storage_wire import Answer, Wire

AT_ONCE = 32  # messages: as many as the service gives
HIDDEN_S = 30  # what is looked through for a message to discard


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
                self._client.upload_blob(
                    storage.named(name), source.open(), length=source.size, overwrite=overwrite, max_concurrency=1
                )
            except ResourceExistsError:
                if overwrite:
                    raise

    def get(self, name: str) -> bytes | None:
        """See `Blobs.get`."""
        from azure.core.exceptions import ResourceNotFoundError

        with errors_of_storage():
            try:
                return bytes(self._client.download_blob(storage.named(name)).readall())
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
                self._client.delete_blob(storage.named(name))
            except ResourceNotFoundError:
                return

    def look(self, name: str) -> BlobInfo | None:
        """See `Blobs.look`."""
        from azure.core.exceptions import ResourceNotFoundError

        with errors_of_storage():
            try:
                found = self._client.get_blob_client(storage.named(name)).get_blob_properties()
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
                return bytes(self._client.download_blob(storage.named(name), offset=offset, length=length, **matching).readall())
            except (ResourceModifiedError, ResourceNotFoundError) as failed:
                raise storage.ConflictError from failed

    def sign(self, name: str, *, until: datetime) -> str:
        """See `Blobs.sign`: by account key (a connection string has it), else by user delegation."""
        from azure.storage.blob import BlobSasPermissions, generate_blob_sas

        begin = self._clock() - CLOCK_SKEW
        with errors_of_storage():
            blob = self._client.get_blob_client(storage.named(name))
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
    """`Queue` on an Azure storage queue; messages are base64 (host.json says the same) and never expire.

    Args:
        wire: The account's queues.
        name: The queue's name.
        make: Makes the queue; called when a message finds that it is not there.
    """

    def __init__(self, wire: Wire, name: str, make: Callable[[], object]) -> None:
        self._wire = wire
        self._name = name
        self._make = make

    def send(self, text: str, *, delay_s: float = 0.0) -> None:
        """See `Queue.send`."""
        answer = self._put(text, delay_s)
        if answer.code == "QueueNotFound":
            self._make()
            answer = self._put(text, delay_s)
        storage_wire.expected(answer, 201)

    def _put(self, text: str, delay_s: float) -> Answer:
        coded = base64.b64encode(text.encode()).decode()
        content = f"<QueueMessage><MessageText>{coded}</MessageText></QueueMessage>".encode()
        times = {"messagettl": "-1", "visibilitytimeout": str(max(0, round(delay_s)))}
        headers = {"Accept": "application/xml", "Content-Type": "application/xml"}
        return self._wire.send("POST", f"/{self._name}/messages", times, headers=headers, content=content)


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

    def hidden(self, shown: int) -> int:
        """Return about how many messages it holds besides those that `peek` showed; none that `peek` had no room for."""
        from azure.core.exceptions import ResourceNotFoundError

        with errors_of_storage():
            try:
                found = self._client.get_queue_properties().approximate_message_count or 0
            except ResourceNotFoundError:
                return 0
        return max(0, found - shown) if shown < AT_ONCE else 0

    def clear(self) -> None:
        """Delete all messages, hidden ones too."""
        with errors_of_storage():
            self._client.clear_messages()

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
        raise storage_wire.trouble(str(getattr(code, "value", code))) from failure
