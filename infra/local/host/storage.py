"""Clients for the storage behind triggers and output bindings. Nothing else of the host opens a connection to storage."""

from azure.core.pipeline.transport import RequestsTransport
from azure.storage.queue import LinearRetry, QueueClient


def queue(connection: str, name: str) -> QueueClient:
    """A client for one queue; contents are neither encoded nor decoded. Proxies of the environment are not for storage here."""
    return QueueClient.from_connection_string(
        connection,
        name,
        transport=RequestsTransport(use_env_settings=False),
        retry_policy=LinearRetry(backoff=1, retry_total=3, random_jitter_range=0),
    )
