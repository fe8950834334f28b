"""The same storage twice: in memory, and Azurite through the wrappers that the app uses."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, cast

import pytest

from infra.local import azurite
from shared import services
from shared.durable import azure_storage, storage
from shared.rest import errors
from shared.settings import Settings
from tests.fakes import Clock, FakeBlobs, FakeQueue, FakeRows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from azure.storage.queue import QueueClient


@pytest.fixture(scope="session")
def connection() -> Iterator[str]:
    """The connection string of an Azurite of this session's own."""
    with azurite.start(None) as running:
        yield running.connection_string()


def opened(connection: str) -> services.Services:
    """The app's services on an account."""
    return services.Services(settings=Settings(storage=connection))


@pytest.fixture(params=["fake", "azurite"])
def rows(request: pytest.FixtureRequest) -> Iterator[storage.Rows]:
    """An empty table."""
    if request.param == "fake":
        yield FakeRows()
        return
    yield opened(request.getfixturevalue("connection"))._rows(f"t{uuid.uuid4().hex}")


@pytest.fixture(params=["fake", "azurite"])
def blobs(request: pytest.FixtureRequest) -> Iterator[storage.Blobs]:
    """An empty container."""
    if request.param == "fake":
        yield FakeBlobs()
        return
    from azure.storage.blob import BlobServiceClient

    with BlobServiceClient.from_connection_string(request.getfixturevalue("connection")) as service:
        yield azure_storage.AzureBlobs(lambda: service.create_container(uuid.uuid4().hex))


class FakeEnd:
    """An empty queue in memory and what the platform sees of it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.fake = FakeQueue(self.clock)
        self.queue: storage.Queue = self.fake

    def visible(self) -> list[str]:
        """Receive everything that is visible now."""
        found = []
        while message := self.fake.receive():
            found.append(message.text)
        return found

    def hidden(self) -> int:
        """Count what waits for its time."""
        return sum(message.visible_at > self.clock() for message in self.fake.messages)


class AzuriteEnd:
    """An empty queue in Azurite, read as the platform reads it: base64, which host.json says."""

    def __init__(self, connection: str) -> None:
        from azure.storage.queue import QueueServiceClient, TextBase64DecodePolicy

        self.service = QueueServiceClient.from_connection_string(connection)
        name = f"q{uuid.uuid4().hex}"
        self.raw: QueueClient = self.service.create_queue(name)
        self.coded = self.service.get_queue_client(name, message_decode_policy=TextBase64DecodePolicy())
        self.queue: storage.Queue = opened(connection).queue_named(name)

    def visible(self) -> list[str]:
        """Receive everything that is visible now."""
        return [cast("str", message.content) for message in self.coded.receive_messages(visibility_timeout=600)]

    def hidden(self) -> int:
        """Count what waits for its time."""
        count: Any = self.raw.get_queue_properties().approximate_message_count
        return int(count) - len(self.raw.peek_messages(max_messages=32))


@pytest.fixture(params=["fake", "azurite"])
def end(request: pytest.FixtureRequest) -> Iterator[FakeEnd | AzuriteEnd]:
    """An empty queue and the platform's end of it."""
    if request.param == "fake":
        yield FakeEnd()
        return
    found = AzuriteEnd(request.getfixturevalue("connection"))
    yield found
    found.service.close()


@pytest.fixture
def unavailable() -> type[errors.TransientError]:
    """What storage trouble looks like to the app."""
    return errors.UnreachableError
