"""The storage accounts: their keys, and which Azurite serves them.

The scene's accounts live in the Azurite that was started with them. Azurite reads its accounts once, from its environment;
an account that is created later through ARM therefore gets an Azurite of its own, started when it is first used.
"""

from __future__ import annotations

import base64
import secrets
import threading
from typing import TYPE_CHECKING, Protocol

from azure.storage.blob import BlobServiceClient, LinearRetry

from infra.local.emulator import scene

if TYPE_CHECKING:
    from collections.abc import Callable


class StartedAzurite(Protocol):
    """What is needed of a running Azurite."""

    @property
    def blob_port(self) -> int:
        """Of the blob service on 127.0.0.1."""

    @property
    def queue_port(self) -> int:
        """Of the queue service."""

    @property
    def table_port(self) -> int:
        """Of the table service."""

    def stop(self) -> None:
        """End it."""


class StorageAccounts:
    """Keys and ports by account name. Thread-safe.

    Args:
        ports: blob, queue and table port of the Azurite that serves the scene's accounts.
        start: starts an Azurite for one more account, given its name and key; None: refuse.
    """

    def __init__(self, ports: tuple[int, int, int], start: Callable[[str, str], StartedAzurite] | None = None) -> None:
        self._ports = dict(zip(("blob", "queue", "table"), ports, strict=True))
        self._start = start
        self._lock = threading.Lock()
        self._keys: dict[str, list[str]] = {}
        self._own: set[str] = set()
        self._started: dict[str, StartedAzurite] = {}

    def add_scene_account(self, account: str) -> None:
        """An account that the common Azurite knows."""
        with self._lock:
            self._keys[account] = list(scene.storage_keys(account))

    def create(self, account: str) -> None:
        """An account made later; known ones are left alone."""
        with self._lock:
            if account not in self._keys:
                self._keys[account] = [base64.b64encode(secrets.token_bytes(64)).decode() for _ in range(2)]
                self._own.add(account)

    def forget(self, account: str) -> None:
        """The account was deleted; an Azurite of its own ends."""
        with self._lock:
            self._keys.pop(account, None)
            self._own.discard(account)
            started = self._started.pop(account, None)
        if started is not None:
            started.stop()

    def forget_created(self) -> None:
        """Forget every account that was not the scene's."""
        with self._lock:
            created = set(self._own)
        for account in created:
            self.forget(account)

    def keys(self, account: str) -> tuple[str, str]:
        """Both keys.

        Raises:
            KeyError: there is no such account.
        """
        with self._lock:
            first, second = self._keys[account]
            return first, second

    def port(self, account: str, service: str = "blob") -> int:
        """The local port that serves an account's `blob`, `queue` or `table` service; starts it if need be.

        Raises:
            KeyError: there is no such account.
        """
        with self._lock:
            if account not in self._keys:
                raise KeyError(account)
            if account not in self._own:
                return self._ports[service]
            if account not in self._started:
                if self._start is None:
                    raise KeyError(account)
                self._started[account] = self._start(account, self._keys[account][0])
            return int(getattr(self._started[account], f"{service}_port"))

    def blob_service(self, account: str) -> BlobServiceClient:
        """A client that talks to the account directly (plain http on this machine, with its key).

        Raises:
            KeyError: there is no such account.
        """
        key = self.keys(account)[0]
        url = f"http://127.0.0.1:{self.port(account)}/{account}"
        quick = LinearRetry(backoff=0, retry_total=2, random_jitter_range=0)  # it is on this machine, or it is not there
        return BlobServiceClient(url, credential={"account_name": account, "account_key": key}, retry_policy=quick)

    def stop(self) -> None:
        """End every Azurite started here."""
        with self._lock:
            started, self._started = list(self._started.values()), {}
        for azurite in started:
            azurite.stop()
