"""The state of the local Azure.

Handlers get the `World`; services made with `locked=True` run under its lock, the others take it where they touch
resources. Not here: HTTP (`web.py`), what a service means by its resources (each service's folder), who
changes the state: this module imports no handler.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from infra.local.emulator.authorization.state import Authorization
from infra.local.emulator.events import happened
from infra.local.emulator.events.grid import Grid
from infra.local.emulator.faults import Faults
from infra.local.emulator.identity.state import DEFAULT_LIFETIME_S, Tokens
from infra.local.emulator.operations import Operations
from infra.local.emulator.resources import Resources
from infra.local.emulator.runs import Run, Runs
from infra.local.emulator.transitions import Transitions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from azure.storage.blob import BlobServiceClient

    from infra.local.emulator.backends import JobsBackend, Serving, ServingBackend
    from infra.local.emulator.storage.accounts import StorageAccounts

KEEP, REPLACE = "keep", "replace"  # what a PUT does with members that it leaves out


class Clock:
    """UTC time that can be moved on."""

    def __init__(self) -> None:
        self._offset = timedelta()

    def now(self) -> datetime:
        """Now, timezone-aware."""
        return datetime.now(UTC) + self._offset

    def advance(self, seconds: float) -> None:
        """Move on (or back)."""
        self._offset += timedelta(seconds=seconds)

    def reset(self) -> None:
        """Back to the machine's own time."""
        self._offset = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request as the log of received requests keeps it (no header values: they hold tokens)."""

    order: int
    at: str
    method: str
    host: str
    path: str
    query: str
    status: int | None
    request_id: str
    client_request_id: str | None
    correlation_id: str | None
    fault: str | None
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """An assigned policy with the effect `deny`: `match` is searched in the path of a write and in its body's JSON."""

    name: str
    match: str


@dataclass(slots=True, kw_only=True)
class Limits:
    """Throttling, paging and how many of a kind there may be, settable by the control route."""

    reads: int = 250
    reads_per_s: float = 25.0
    writes: int = 200
    writes_per_s: float = 10.0
    enforced: bool = False
    page_size: int = 50
    # https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas: by region
    endpoints: int = 100
    deployments: int = 500
    deployments_per_endpoint: int = 20
    instances_per_deployment: int = 50


class World:
    """Everything the local Azure knows.

    Attributes:
        lock: guards `resources`, `serving`, `notes`; an RLock, so code under it may call anything here.
        serving: the handle of each online deployment, by lower-cased ARM id.
        vm_quota_cores: total dedicated cores per region.
        policies: what is denied to every caller, settable by the control route.
        missing: `arm` or `service`: whose 404 comes for an endpoint or deployment that is not there.
        unrecorded: `keep` or `replace`: what a PUT does with members that it leaves out, where nothing says what Azure does.
        taken: names that others have somewhere in Azure, settable by the control route.
        registration: state of each resource provider, by subscription and namespace in lower case (`registration_of`).
        notes: small state of services by name.
        workdir: where unpacked code and downloaded models may lie.
        looks: what is to be done by the clock, by name; the jobs backend calls each several times a second.
        roles: what `Authorization.load` reads: the scene's own roles and assignments, e.g. those that the app's template gives.
        app_storage: connection string of the app's storage; with it the scene begins with a subscription to its events queue.
        jobs_backend, serving_backend: set by the entry point; None refuses jobs and deployments with a clear error.
    """

    def __init__(
        self, *, workdir: Path, storage: StorageAccounts, transitions: Transitions | None = None, unrecorded: str = REPLACE
    ) -> None:
        self.lock = threading.RLock()
        self.clock = Clock()
        self.workdir = workdir
        self.storage = storage
        self.transitions = transitions or Transitions()
        self.tokens = Tokens(self.clock.now)
        self.authorization = Authorization(self.clock.now)
        self.resources = Resources()
        self.operations = Operations(self.clock.now, self.lock, self.transitions)
        self.runs = Runs(self.clock.now, self._run_changed)
        self.grid = Grid(self.clock.now, storage, self._settle)
        self.faults = Faults()
        self.limits = Limits()
        self.received: deque[Received] = deque(maxlen=1_000_000)
        self.serving: dict[str, Serving] = {}
        self.registration: dict[tuple[str, str], str] = {}
        self.notes: dict[str, Any] = {}
        self.vm_quota_cores = 100
        self.policies: tuple[Policy, ...] = ()
        self.unrecorded = unrecorded
        self.missing = "arm"
        self.taken: frozenset[str] = frozenset()
        self.looks: dict[str, Callable[[], None]] = {}
        self.app_storage = ""
        self.roles: Mapping[str, Any] = {}
        self.jobs_backend: JobsBackend | None = None
        self.serving_backend: ServingBackend | None = None

    def register(self, place: str, namespace: str, state: str) -> None:
        """Set the registration of a provider in the subscription of an ARM id or path."""
        self.registration[place.lower().split("/")[2], namespace.lower()] = state

    def registration_of(self, place: str, namespace: str) -> str:
        """The registration of a provider in the subscription of an ARM id or path."""
        return self.registration.get((place.lower().split("/")[2], namespace.lower()), "NotRegistered")

    def _settle(self) -> None:
        self.operations.settle()  # a reset makes new ones

    def _run_changed(self, run: Run) -> None:
        workspace = self.resources.get(run.workspace_id)
        for event in happened.of_run(run, workspace.id if workspace else run.workspace_id, self.now()):
            self.grid.take(event)

    def now(self) -> datetime:
        """The world's time."""
        return self.clock.now()

    def generation(self, workspace_id: str) -> str:
        """What `notes` are kept by: the workspace's own guid, so that a new one of the same name begins empty."""
        with self.lock:
            found = self.resources.get(workspace_id)
            return str((found.properties if found else {}).get("workspaceId") or workspace_id).lower()

    def blob_service(self, account: str) -> BlobServiceClient:
        """A client for an account's blobs, straight to Azurite.

        Raises:
            KeyError: there is no such account.
        """
        return self.storage.blob_service(account)

    def reset(self) -> None:
        """Forget everything but the transitions, the keys and the blobs; running jobs and deployments end."""
        with self.lock:
            workspaces = self.runs.workspaces()
            for handle in self.serving.values():
                handle.stop()
            self.serving.clear()
            self.resources = Resources()
            self.operations = Operations(self.clock.now, self.lock, self.transitions)
            self.faults.replace([])
            self.limits = Limits()
            self.received.clear()
            self.registration.clear()
            self.notes.clear()
            self.looks.clear()
            self.authorization.clear()
            self.vm_quota_cores = 100
            self.policies = ()
            self.taken = frozenset()
            self.tokens.lifetime_s = DEFAULT_LIFETIME_S
            self.clock.reset()
        self.grid.forget()
        self.storage.forget_created()
        for workspace_id in workspaces:
            if self.jobs_backend is not None:
                self.jobs_backend.forget(workspace_id)
            self.runs.delete_all(workspace_id)

    def stop(self) -> None:
        """End every process that this world started."""
        for backend in (self.jobs_backend, self.serving_backend):
            if backend is not None:
                backend.stop()
        self.grid.stop()
        self.storage.stop()
