"""Clients for the storage behind triggers, output bindings and timers; no one else here opens a connection to storage.

Proxies that the environment names are not used: they are there for the app's own calls.
"""

from typing import TYPE_CHECKING

from azure.core.exceptions import ResourceExistsError
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.queue import LinearRetry, QueueClient

if TYPE_CHECKING:
    from azure.storage.blob import BlobClient

HOST_CONTAINER = "azure-webjobs-hosts"  # where the platform keeps its own state, too


def queue(connection: str, name: str) -> QueueClient:
    """A client for one queue; contents are neither encoded nor decoded."""
    return QueueClient.from_connection_string(
        connection,
        name,
        transport=RequestsTransport(use_env_settings=False),
        retry_policy=LinearRetry(backoff=1, retry_total=3, random_jitter_range=0),
    )


def host_blob(connection: str, path: str) -> "BlobClient":
    """A client for one blob of the host's own container."""
    from azure.storage.blob import BlobClient

    transport = RequestsTransport(use_env_settings=False)
    return BlobClient.from_connection_string(connection, HOST_CONTAINER, path, transport=transport, retry_total=1)


def create_host_container(connection: str) -> None:
    """Create the host's own container; it may exist already."""
    from azure.storage.blob import ContainerClient

    transport = RequestsTransport(use_env_settings=False)
    with ContainerClient.from_connection_string(connection, HOST_CONTAINER, transport=transport) as container:
        try:
            container.create_container()
        except ResourceExistsError:
            return
