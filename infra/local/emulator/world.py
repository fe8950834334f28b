"""The state of the local Azure, and the two contracts with what really runs: jobs and deployments.

Handlers get the `World`; services made with `locked=True` run under its lock, the others take it where they touch
resources. Not here: HTTP (`web.py`), what a service means by its resources (each service's folder).
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from infra.local.emulator import writes
from infra.local.emulator.authorization.state import Authorization
from infra.local.emulator.control.faults import Faults
from infra.local.emulator.events import watching
from infra.local.emulator.events.grid import Grid
from infra.local.emulator.identity.tokens import DEFAULT_LIFETIME_S, Tokens
from infra.local.emulator.operations import Operations
from infra.local.emulator.resources import Resources
from infra.local.emulator.runs import Runs
from infra.local.emulator.transitions import Transitions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from azure.storage.blob import BlobServiceClient

    from infra.local.emulator.arm.limits import Policy
    from infra.local.emulator.runner.stage import Play
    from infra.local.emulator.storage import StorageAccounts

# Fills an empty folder with files; raises `FetchError`. Called in the backend's own thread, never under the world's lock.
type Fetch = Callable[[Path], None]


class FetchError(Exception):
    """Code or a model could not be had; the message is for the user."""


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
class JobRequest:
    """What a job backend is asked to run. The `Run` is already in `world.runs` (NotStarted) under the same ids.

    Attributes:
        workspace_id: lower-cased ARM id.
        kind: `v1` (command is an argument list: script and arguments) or `command` (a shell command line).
        code: fills the working folder, or None.
        environment: what the user asked for (image, conda): to be validated and recorded.
        inputs, outputs: ARM's `inputs`/`outputs` of a command job.
        target: the compute's name, None for serverless.
        nodes: nodes that it occupies.
        ranks: of a distributed job: what `runner/scripts/ranks.py` is told.
        timeout_s: the job is cancelled after so long, as the spec of `limits.timeout` says.
    """

    workspace_id: str
    run_id: str
    experiment: str
    kind: str
    command: str | tuple[str, ...]
    code: Fetch | None = None
    environment: Mapping[str, Any] = field(default_factory=dict)
    environment_variables: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    target: str | None = None
    nodes: int = 1
    ranks: Mapping[str, Any] | None = None
    timeout_s: float | None = None


class JobsBackend(Protocol):
    """Runs jobs; writes their progress into `world.runs`. Its methods return at once."""

    def submit(self, job: JobRequest) -> None:
        """Take a job."""

    def conduct(self, workspace_id: str, run_id: str, play: Play) -> None:
        """Take a job made of jobs: `play` starts its children; the `Run` is in `world.runs` already."""

    def cancel(self, workspace_id: str, run_id: str) -> None:
        """End a job soon (its run says CancelRequested already): Canceled, unless it ended by itself before."""

    def forget(self, workspace_id: str) -> None:
        """The workspace is gone: end its jobs."""

    def stop(self) -> None:
        """End every process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentRequest:
    """What a serving backend is asked to serve.

    Attributes:
        deployment_id: ARM id of the online deployment.
        code: fills the code folder, None for a no-code deployment.
        scoring_script: path in the code folder.
        model: fills the model folder, or None.
        model_folder: the folder below AZUREML_MODEL_DIR's parent, as Azure lays it out (`name/version`).
    """

    deployment_id: str
    code: Fetch | None
    scoring_script: str
    model: Fetch | None
    model_folder: str = ""
    environment: Mapping[str, Any] = field(default_factory=dict)
    environment_variables: Mapping[str, str] = field(default_factory=dict)


class Serving(Protocol):
    """One deployment that is being started or served."""

    @property
    def state(self) -> str:
        """`starting`, `healthy` or `failed`; known without waiting."""

    @property
    def failure(self) -> str:
        """Why it failed, for the user; empty otherwise."""

    @property
    def url(self) -> str:
        """Base URL of the local server, e.g. `http://127.0.0.1:40123`; valid once healthy."""

    def logs(self, container: str, tail: int) -> str:
        """The last lines of `InferenceServer` or `StorageInitializer`."""

    def stop(self) -> None:
        """End it; returns at once."""


class ServingBackend(Protocol):
    """Starts deployments; `deploy` returns at once, the handle tells the rest."""

    def deploy(self, request: DeploymentRequest) -> Serving:
        """Begin to serve."""

    def stop(self) -> None:
        """End every process."""


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
        policies: what is denied to everybody, settable by the control route.
        unrecorded: `keep` or `replace`: what a PUT does with members that it leaves out, where nothing says what Azure does.
        taken: names that others have somewhere in Azure, settable by the control route.
        registration: registration state of each resource provider, by lower-cased namespace.
        notes: small state of services by name.
        workdir: where unpacked code and downloaded models may lie.
        looks: what is to be done by the clock, by name; the jobs backend calls each several times a second.
        roles: what `Authorization.load` reads: the scene's own roles and assignments, e.g. those that the app's template gives.
        app_storage: connection string of the app's storage; with it the scene begins with a subscription to its events queue.
        jobs_backend, serving_backend: set by the entry point; None refuses jobs and deployments with a clear error.
    """

    def __init__(
        self, *, workdir: Path, storage: StorageAccounts, transitions: Transitions | None = None, unrecorded: str = writes.REPLACE
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
        self.runs = Runs(self.clock.now, lambda run: watching.run_changed(self, run))
        self.grid = Grid(self.clock.now, storage, self._settle)
        self.faults = Faults()
        self.limits = Limits()
        self.received: deque[Received] = deque(maxlen=100_000)
        self.serving: dict[str, Serving] = {}
        self.registration: dict[str, str] = {}
        self.notes: dict[str, Any] = {}
        self.vm_quota_cores = 100
        self.policies: tuple[Policy, ...] = ()
        self.unrecorded = unrecorded
        self.taken: frozenset[str] = frozenset()
        self.looks: dict[str, Callable[[], None]] = {}
        self.app_storage = ""
        self.roles: Mapping[str, Any] = {}
        self.jobs_backend: JobsBackend | None = None
        self.serving_backend: ServingBackend | None = None

    def _settle(self) -> None:
        self.operations.settle()  # a reset makes new ones

    def now(self) -> datetime:
        """The world's time."""
        return self.clock.now()

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
