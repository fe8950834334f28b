"""The composition root: settings in, everything the functions need out, each part opened when first used.

`get()` is the only global of the app. It opens nothing at import and nothing twice. Not here: any decision.
"""

from __future__ import annotations

import logging
import os
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, overload

from shared.durable import messages
from shared.durable.storage_clock import StorageClock
from shared.rest import errors
from shared.settings import Settings, from_environ
from shared.telemetry import export, lines

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from azure.core.credentials import TokenCredential
    from azure.storage.blob import BlobServiceClient, ContainerClient
    from azure.storage.queue import QueueServiceClient

    from shared.api.access.key_book import Book
    from shared.catalog.paths import Target
    from shared.chains.asked import Answer, Call
    from shared.cleanup.facts.pacing import Buckets
    from shared.cleanup.run.journal import Journal
    from shared.cleanup.verdict.last_look import Sights
    from shared.durable.account.storage_wire import Wire
    from shared.durable.azure_storage import PoisonQueue
    from shared.durable.due import DueIndex
    from shared.durable.storage import Blobs, Queue, Rows
    from shared.durable.storage_pool import Connections
    from shared.endpoints.score_gates import Gates
    from shared.endpoints.scoring import Scoring
    from shared.endpoints.snapshots import EndpointParkedError
    from shared.hooks.rule_store import Store
    from shared.hooks.rules import Rule
    from shared.operations.ledger import Ledger
    from shared.operations.looks.shared_lists import Lists
    from shared.operations.models import Operation
    from shared.operations.settle import Step
    from shared.rest.addresses import Addresses
    from shared.rest.client import Client
    from shared.rest.errors import AzureError
    from shared.rest.streams import Source

log = logging.getLogger("steward.settings")

OPEN_S = 10.0  # how long a caller waits for another one that opens a part
TABLE_PREFIX = "steward"
LEDGER_TABLE = "stewardoperations"
OPEN_TABLE = "stewardopen"
CLEANUP_TABLE = "stewardcleanup"
HOOK_TABLE = "stewardhooks"
DELIVERY_TABLE = "stewarddeliveries"
ACCESS_TABLE = "stewardaccess"
DUE_TABLE = "stewarddue"
COST_TABLE = "stewardcosts"
CONTAINER = "azureml-steward"
BLOB_BLOCK = 4 * 1024 * 1024  # bytes of a blob that are sent at a time
TABLES = (LEDGER_TABLE, OPEN_TABLE, CLEANUP_TABLE, HOOK_TABLE, DELIVERY_TABLE, ACCESS_TABLE, DUE_TABLE, COST_TABLE)
QUEUES = (messages.QUEUE, messages.NOTIFICATION_QUEUE, messages.EVENT_QUEUE, messages.CLEANUP_QUEUE)
OWN = (  # all that the app needs of its account; the platform makes none of it
    *(("queue", each) for name in QUEUES for each in (name, f"{name}-poison")),
    *(("table", name) for name in TABLES),
    ("container", CONTAINER),
)


class _OpenedOnce[T](cached_property[T]):
    """A part that is opened when first used, by one thread: two clients would be two pools and two caches of tokens."""

    _guard = threading.RLock()

    @overload
    def __get__(self, instance: None, owner: type[Any] | None = None) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type[Any] | None = None) -> T: ...
    def __get__(self, instance: object | None, owner: type[Any] | None = None) -> Self | T:
        if not self._guard.acquire(timeout=OPEN_S):
            message = "The app's own storage does not answer."
            raise errors.UnreachableError(message, delay_s=OPEN_S, maybe_arrived=False, code="StorageUnavailable")
        try:
            return super().__get__(instance, owner)
        finally:
            self._guard.release()


@dataclass(frozen=True, kw_only=True)
class Services:
    """What the app works with; tests build one from fakes by setting the same names."""

    settings: Settings
    clock: Callable[[], datetime] = field(default_factory=StorageClock)

    @_OpenedOnce
    def watched_since(self) -> datetime:
        """When this process first looked at how the app is: what has never happened is not late before."""
        return self.clock()

    @_OpenedOnce
    def client(self) -> Client:
        """The one REST client."""
        from shared.rest import client, tokens

        signed_in = tokens.Tokens(lambda: tokens.credential_from(os.environ, self.settings.cloud))
        return client.Client(self.settings.cloud, signed_in)

    @_OpenedOnce
    def addresses(self) -> Addresses:
        """Where paths live."""
        from shared.rest import addresses

        return addresses.Addresses(self.client)

    @_OpenedOnce
    def blobs(self) -> Blobs:
        """The app's container, opened when the first blob is asked for: most requests need none."""
        from shared.durable import azure_storage

        def delegate(begin: datetime, end: datetime) -> Any:
            return self._blob_service.get_user_delegation_key(begin, end)

        return azure_storage.AzureBlobs(self._container, delegate, self.clock)

    def _container(self) -> ContainerClient:
        from azure.core.exceptions import ResourceExistsError

        container = self._blob_service.get_container_client(CONTAINER)
        with suppress(ResourceExistsError):
            container.create_container()
        return container

    @_OpenedOnce
    def _blob_service(self) -> BlobServiceClient:
        from azure.storage.blob import BlobServiceClient

        blocks: dict[str, Any] = {"max_single_put_size": BLOB_BLOCK, "max_block_size": BLOB_BLOCK}  # each block is a copy
        service: BlobServiceClient = self._open(BlobServiceClient, self.settings.blob_uri, **blocks)
        return service

    @_OpenedOnce
    def ledger(self) -> Ledger:
        """The record of operations."""
        from shared.operations import ledger

        return ledger.Ledger(self._rows(LEDGER_TABLE), self._rows(OPEN_TABLE), self.blobs)

    @_OpenedOnce
    def lists(self) -> Lists:
        """What this process sees of operations in lists of Azure's."""
        from shared.operations.looks import shared_lists

        return shared_lists.Lists(self.client, self.addresses, self.clock)

    @_OpenedOnce
    def hook_rows(self) -> Rows:
        """What the rules' firings are recorded in."""
        return self._rows(HOOK_TABLE)

    @_OpenedOnce
    def rule_store(self) -> Store:
        """The rules of the hooks."""
        from shared.hooks import rule_store

        return rule_store.Store(self.blobs, self.clock)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules in force."""
        return self.rule_store.rules()

    @_OpenedOnce
    def queue(self) -> Queue:
        """The operations queue."""
        return self.queue_named(messages.QUEUE)

    @_OpenedOnce
    def notification_queue(self) -> Queue:
        """The queue of notifications."""
        return self.queue_named(messages.NOTIFICATION_QUEUE)

    @_OpenedOnce
    def event_queue(self) -> Queue:
        """The queue of events, and of the firings that follow from them."""
        return self.queue_named(messages.EVENT_QUEUE)

    @_OpenedOnce
    def cleanup_rows(self) -> Rows:
        """The clean-up's runs, their units, and marks."""
        return self._rows(CLEANUP_TABLE)

    @_OpenedOnce
    def cost_rows(self) -> Rows:
        """What existed and ran, for costs."""
        return self._rows(COST_TABLE)

    @_OpenedOnce
    def cleanup_queue(self) -> Queue:
        """The queue of the clean-up's runs."""
        return self.queue_named(messages.CLEANUP_QUEUE)

    @_OpenedOnce
    def journal(self) -> Journal:
        """The runs of the clean-up."""
        from shared.cleanup.run import journal

        return journal.Journal(self.cleanup_rows)

    @_OpenedOnce
    def reads(self) -> Buckets:
        """What this process may read of ARM."""
        from shared.cleanup.facts import pacing

        return pacing.Buckets()

    @_OpenedOnce
    def sights(self) -> Sights:
        """What expiries of this process saw a moment ago."""
        from shared.cleanup.verdict import last_look

        return last_look.Sights()

    @_OpenedOnce
    def scoring(self) -> Scoring:
        """Scoring URIs and keys, in memory only."""
        from shared.endpoints import scoring

        return scoring.Scoring(self.client, self.addresses, plain=self.settings.plain_scoring)

    @_OpenedOnce
    def score_gates(self) -> Gates:
        """How many asynchronous scores may be with an endpoint at once."""
        from shared.endpoints import score_gates

        return score_gates.Gates(lambda: self.blobs)

    def wake(self, endpoint: Target, parked: EndpointParkedError) -> tuple[Operation, AzureError, float]:
        """Have a parked endpoint woken."""
        from shared.endpoints import waking

        return waking.begun(endpoint, parked, self)

    def prepare_upload(self, operation: Operation, fresh: Mapping[str, Source], *, end: datetime, last: bool) -> Step:
        """Bring an operation's files to Azure."""
        from shared.files import upload_steps

        patience = upload_steps.Patience(clock=self.clock, end=end, last=last)
        return upload_steps.prepare(operation, self.ledger, self.client, patience, fresh)

    @_OpenedOnce
    def delivery_rows(self) -> Rows:
        """How notifying others goes."""
        return self._rows(DELIVERY_TABLE)

    @_OpenedOnce
    def access_rows(self) -> Rows:
        """Keys, the audit, and approvals."""
        return self._rows(ACCESS_TABLE)

    @_OpenedOnce
    def key_book(self) -> Book:
        """Whose a function key is."""
        from shared.api.access import key_book

        return key_book.Book(self.access_rows, self.clock)

    @_OpenedOnce
    def due(self) -> DueIndex:
        """When a timer must look at which record."""
        from shared.durable import due

        return due.DueIndex(self._rows(DUE_TABLE))

    def perform(self, call: Call) -> Answer:
        """Make a rule's or a recipe's request of the app's API."""
        from shared.hooks import rule_requests
        from shared.recipes import recipe_routes

        return rule_requests.perform(call, self, recipe_routes.STARTED)

    def missing(self) -> list[tuple[str, str]]:
        """Return what of `OWN` the account does not have: three requests."""
        from shared.durable import azure_storage
        from shared.durable.account import table_rows

        there = {("table", name) for name in table_rows.names(self._tables, TABLE_PREFIX)}
        with azure_storage.errors_of_storage():
            there |= {("queue", each.name) for each in self._queue_service.list_queues(name_starts_with="steward-")}
            if self._blob_service.get_container_client(CONTAINER).exists():
                there.add(("container", CONTAINER))
        return [each for each in OWN if each not in there]

    def prepare(self) -> list[tuple[str, str]]:
        """Make what is missing of `OWN`, and return it: a trigger waits, and says nothing, where its queue is not there."""
        from azure.core.exceptions import ResourceExistsError

        from shared.durable import azure_storage

        make: dict[str, Callable[[str], object]] = {
            "queue": self._queue_service.create_queue,
            "table": self._rows,
            "container": self._blob_service.create_container,
        }
        made = self.missing()
        for sort, name in made:
            with azure_storage.errors_of_storage(), suppress(ResourceExistsError):  # another process is as quick
                make[sort](name)
        return made

    def depth(self, name: str) -> int:
        """Return about how many messages a queue of the app's account holds, hidden ones too; 0 when there is no such queue."""
        from azure.core.exceptions import ResourceNotFoundError

        from shared.durable import azure_storage

        with azure_storage.errors_of_storage():
            try:
                found = self._queue_service.get_queue_client(name).get_queue_properties()
            except ResourceNotFoundError:
                return 0
        return int(found.approximate_message_count or 0)

    def poison_queue(self, name: str) -> PoisonQueue:
        """Open the poison queue of a queue, to look at; messages are read as they are, since those that stay are no base64."""
        from shared.durable import azure_storage

        return azure_storage.PoisonQueue(self._queue_service.get_queue_client(f"{name}-poison"))

    @_OpenedOnce
    def _queue_service(self) -> QueueServiceClient:
        from azure.storage.queue import QueueServiceClient

        service: QueueServiceClient = self._open(QueueServiceClient, self.settings.queue_uri)
        return service

    def queue_named(self, name: str) -> Queue:
        """Open a queue of the app's account; a message makes it if it is not there, and with one of the app's own all it needs."""
        from shared.durable import azure_storage

        def make() -> None:
            from azure.core.exceptions import ResourceExistsError

            if name in QUEUES:
                self.prepare()
            else:
                with azure_storage.errors_of_storage(), suppress(ResourceExistsError):
                    self._queue_service.create_queue(name)

        return azure_storage.AzureQueue(self._messages, name, make)

    @_OpenedOnce
    def _messages(self) -> Wire:
        return self._wired("queue", self.settings.queue_uri)

    @_OpenedOnce
    def _tables(self) -> Wire:
        return self._wired("table", self.settings.table_uri)

    @_OpenedOnce
    def _pool(self) -> Connections:
        return self._connections()

    def _connections(self) -> Connections:
        from shared.durable import storage_pool

        heard = self.clock.heard if isinstance(self.clock, StorageClock) else None
        return storage_pool.pooled(self.settings.threads, heard)

    def _rows(self, name: str) -> Rows:
        from shared.durable.account import table_rows

        rows = table_rows.TableRows(self._tables, name)
        rows.make()
        return rows

    def _wired(self, sort: str, uri: str) -> Wire:
        """Open the wire to a storage service by connection string, or by identity when only its URI is set."""
        from shared.durable.account import storage_credentials, storage_wire

        if self.settings.storage:
            base, proof = storage_credentials.of_connection_string(self.settings.storage, sort)
        else:
            base, proof = _named(uri), storage_credentials.Identity(self._identity)
        return storage_wire.Wire(base, proof, self._pool)

    def _open(self, service: Any, uri: str, **more: Any) -> Any:
        """Open a client of a storage service in the same way."""
        options = {**self._pool.options, **more}
        if self.settings.storage:
            return service.from_connection_string(self.settings.storage, **options)
        return service(account_url=_named(uri), credential=self._identity(), **options)

    def _identity(self) -> TokenCredential:
        from azure.identity import DefaultAzureCredential, ManagedIdentityCredential

        from shared.rest import tokens

        if identity := self.settings.storage_client_id:
            return ManagedIdentityCredential(client_id=identity, **tokens.LIMITS)
        return DefaultAzureCredential(**tokens.LIMITS)


def _named(uri: str) -> str:
    if not uri:
        message = "neither AzureWebJobsStorage nor AzureWebJobsStorage__accountName is set: the app has no storage"
        raise ValueError(message)
    return uri


_guard = threading.Lock()
_services: Services | None = None


def get() -> Services:
    """Return the app's services, built from the environment at the first call.

    Raises:
        ValueError: a setting cannot be used.
    """
    global _services  # noqa: PLW0603 - the one global of the app
    if _services is None:
        with _guard:
            if _services is None:
                logging.getLogger("azure").setLevel(logging.WARNING)  # at INFO its libraries log every request's headers
                opened = Services(settings=from_environ(os.environ))
                for each in opened.settings.problems:
                    lines.event(log, logging.ERROR, "setting.unusable", setting=each.name, reason=each.message)
                export.start(opened.settings.telemetry)
                _services = opened
    return _services


def use(services: Services | None) -> None:
    """Put other services in place (tests), or none to build them again."""
    global _services  # noqa: PLW0603 - see get
    _services = services
